//! Methods that ask the user: password (RFC 4252 §8) and keyboard-interactive (RFC 4256).

use net::Link;
use proto::{AuthAttempt, Client, Prompt};

use super::{Attempt, Authentication, Step};
use crate::messages::{error, info};
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

impl Authentication {
    pub(super) fn try_password(&mut self, link: &mut Link<Client>) -> Option<Step> {
        if self.passwords_sent >= *self.config.number_of_password_prompts {
            return None;
        }
        if self.passwords_sent > 0 {
            error!("Permission denied, please try again.");
        }
        self.passwords_sent += 1;
        let question = format!("{}@{}'s password: ", self.user, self.shown_host());
        let password = prompt::secret(&question, Place::Terminal);
        if password.is_none() {
            self.password_note = Some("there was nobody to ask");
        }
        let password = password.unwrap_or_default();
        self.old_password = Some(password.clone());
        self.current = Attempt::Password;
        Some(self.send(link, AuthAttempt::Password { password, new_password: None }))
    }

    /// The password was right but has expired. RFC 4252 §8.
    pub fn change_password(&mut self, link: &mut Link<Client>, text: &str) -> Step {
        if !text.is_empty() {
            info!("{text}");
        }
        let who = format!("{}@{}", self.user, self.shown_host());
        let old = match self.old_password.take() {
            Some(old) if !old.is_empty() => old,
            _ => prompt::secret(&format!("Enter {who}'s old password: "), Place::Terminal)
                .unwrap_or_default(),
        };
        loop {
            let new = prompt::secret(&format!("Enter {who}'s new password: "), Place::Terminal);
            let Some(new) = new.filter(|new| !new.is_empty()) else { return Step::GiveUp };
            let again = prompt::secret(&format!("Retype {who}'s new password: "), Place::Terminal);
            if again.as_ref().is_some_and(|again| **again == *new) {
                self.current = Attempt::Password;
                let attempt = AuthAttempt::Password { password: old, new_password: Some(new) };
                return self.send(link, attempt);
            }
            info!("Mismatch; try again, EOF to quit.");
        }
    }

    pub(super) fn try_interactive(&mut self, link: &mut Link<Client>) -> Option<Step> {
        if self.interactive_started >= *self.config.number_of_password_prompts {
            return None;
        }
        // A server that says no without a question would do so again.
        if self.interactive_started > 0 && !self.interactive_asked {
            return None;
        }
        self.interactive_started += 1;
        let submethods = self.config.kbd_interactive_devices.clone().value.unwrap_or_default();
        self.current = Attempt::KeyboardInteractive;
        Some(self.send(link, AuthAttempt::KeyboardInteractive { submethods }))
    }

    /// The server's questions. RFC 4256 §3.2.
    pub fn answer(
        &mut self,
        link: &mut Link<Client>,
        name: &str,
        instruction: &str,
        prompts: &[Prompt],
    ) {
        self.interactive_asked = true;
        for text in [name, instruction] {
            if !text.is_empty() {
                info!("{text}");
            }
        }
        let mut answers = Vec::with_capacity(prompts.len());
        for one in prompts {
            let question = format!(
                "({}@{}) {}",
                self.user,
                self.shown_host(),
                clean::visible_lines(&one.text)
            );
            let answer = if one.echo {
                prompt::line(&question, Place::Terminal)
            } else {
                prompt::secret(&question, Place::Terminal)
            };
            answers.push(answer.unwrap_or_default());
        }
        // As for signatures: an error here is the connection's end.
        let _ = link.connection_mut().answer_info(answers);
    }
}
