//! Passwords and questions through PAM, and what PAM says of an account. RFC 4256.

use std::time::Duration;

use config::ServerSettings;
use zeroize::Zeroizing;

use super::log_lines::printable;
use crate::accounts::Account;
use crate::pam::{Dialogue, Event, Login, Message, Standing, Style, Transaction};
use crate::requests::{Ends, Verdict};

/// A module that is silent for longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// RFC 4256 §3.2 knows no limit; no sensible dialogue has more questions at once.
const PROMPTS: usize = 64;

/// What a step came to.
pub(super) enum Answer {
    /// The user is who he says.
    Good,
    /// Not so.
    Bad,
    /// There are questions.
    Ask(Verdict),
}

/// PAM's part in one login; nothing happens without `UsePAM`.
pub(super) struct Interactive {
    service: Option<String>,
    permit_empty: bool,
    dialogue: Option<Dialogue>,
    /// The transaction that authenticated, or the one for the session.
    transaction: Option<Box<Transaction>>,
    must_change: bool,
}

impl Interactive {
    /// Nothing is started yet.
    pub(super) fn new(settings: &ServerSettings) -> Self {
        Interactive {
            service: settings.use_pam.value.then(|| settings.pam_service_name.value.clone()),
            permit_empty: settings.permit_empty_passwords.value,
            dialogue: None,
            transaction: None,
            must_change: false,
        }
    }

    /// Whether `UsePAM` is on.
    pub(super) fn uses_pam(&self) -> bool {
        self.service.is_some()
    }

    /// The password must be changed before anything else.
    pub(super) fn must_change_password(&self) -> bool {
        self.must_change
    }

    /// For the session, once the login is through.
    pub(super) fn into_transaction(self) -> Option<Box<Transaction>> {
        self.transaction
    }

    fn begin(&self, account: &Account, ends: &Ends) -> Option<Transaction> {
        let login = Login {
            service: self.service.as_deref()?,
            user: &account.name,
            remote_host: &ends.remote_host,
        };
        match Transaction::start(&login) {
            Ok(transaction) => Some(transaction),
            Err(error) => {
                log::error!("PAM: {error}");
                None
            }
        }
    }

    /// A password; PAM is asked about accounts that are not there too, and takes its time.
    pub(super) fn password(
        &mut self,
        account: &Account,
        ends: &Ends,
        password: Zeroizing<String>,
        new_password: Option<Zeroizing<String>>,
    ) -> Answer {
        if new_password.is_some() {
            // A password that has expired is changed inside the session.
            return Answer::Bad;
        }
        let Some(mut transaction) = self.begin(account, ends) else { return Answer::Bad };
        match transaction.authenticate_password(password.as_bytes(), self.permit_empty) {
            Ok(()) => self.accept(Box::new(transaction), account),
            Err(error) => {
                log::debug!(
                    "PAM: password authentication failed for {}: {error}",
                    printable(&account.name, 100)
                );
                Answer::Bad
            }
        }
    }

    /// Begins to ask.
    pub(super) fn start(&mut self, account: &Account, ends: &Ends) -> Answer {
        self.dialogue = None;
        let Some(transaction) = self.begin(account, ends) else { return Answer::Bad };
        match Dialogue::start(transaction, self.permit_empty) {
            Ok(dialogue) => {
                self.dialogue = Some(dialogue);
                self.proceed(account)
            }
            Err(error) => {
                log::error!("PAM: {error}");
                Answer::Bad
            }
        }
    }

    /// Takes the answers to the last questions.
    pub(super) fn answer(
        &mut self,
        account: &Account,
        responses: Vec<Zeroizing<String>>,
    ) -> Answer {
        let Some(dialogue) = &mut self.dialogue else { return Answer::Bad };
        if dialogue.answer(responses).is_err() {
            self.dialogue = None;
            return Answer::Bad;
        }
        self.proceed(account)
    }

    fn proceed(&mut self, account: &Account) -> Answer {
        let Some(dialogue) = &mut self.dialogue else { return Answer::Bad };
        match dialogue.next(PATIENCE) {
            Ok(Some(Event::Ask(messages))) => {
                if let Some(verdict) = questions(&messages) {
                    return Answer::Ask(verdict);
                }
                self.dialogue = None;
                Answer::Bad
            }
            Ok(Some(Event::Done(transaction, outcome))) => {
                self.dialogue = None;
                match outcome {
                    Ok(()) => self.accept(transaction, account),
                    Err(error) => {
                        log::error!("PAM: {error} for {}", printable(&account.name, 100));
                        Answer::Bad
                    }
                }
            }
            Ok(None) | Err(_) => {
                self.dialogue = None;
                Answer::Bad
            }
        }
    }

    fn accept(&mut self, transaction: Box<Transaction>, account: &Account) -> Answer {
        // A module may have mapped the user to another, who was never checked.
        if transaction.user().as_deref() != Some(account.name.as_str()) {
            log::error!("PAM: the user was changed during authentication; refused");
            return Answer::Bad;
        }
        self.transaction = Some(transaction);
        Answer::Good
    }

    /// Whether the account may be used now, whatever it was authenticated by. Both ways with
    /// what modules want to say.
    pub(super) fn account(&mut self, account: &Account, ends: &Ends) -> Result<String, String> {
        if !self.uses_pam() {
            return Ok(String::new());
        }
        if self.transaction.is_none() {
            self.transaction = self.begin(account, ends).map(Box::new);
        }
        let Some(transaction) = &mut self.transaction else { return Err(String::new()) };
        match transaction.check_account() {
            Ok(standing) => {
                self.must_change = matches!(standing, Standing::MustChangePassword);
                Ok(transaction.take_text())
            }
            Err(error) => {
                log::error!(
                    "Access denied for user {} by PAM account configuration ({error})",
                    printable(&account.name, 100)
                );
                Err(transaction.take_text())
            }
        }
    }
}

fn questions(messages: &[Message]) -> Option<Verdict> {
    let mut instruction = String::new();
    let mut prompts = Vec::new();
    for message in messages {
        match message.style {
            Style::Hidden => prompts.push((message.text.clone(), false)),
            Style::Shown => prompts.push((message.text.clone(), true)),
            Style::Error | Style::Info => {
                instruction.push_str(&message.text);
                instruction.push('\n');
            }
        }
    }
    (prompts.len() <= PROMPTS).then_some(Verdict::InfoRequest {
        name: String::new(),
        instruction,
        prompts,
    })
}
