//! Pluggable authentication modules, for a server with `UsePAM`. Belongs in the monitor: modules are code of the
//! system's that runs with its rights, blocks, and asks questions.
//!
//! A [`Transaction`] is one login. Where the answers are known beforehand (a password), its steps are just
//! called. Where a user has to be asked in between (keyboard-interactive, RFC 4256), a [`Dialogue`] runs the
//! authentication in a thread and exchanges questions and answers with the monitor's loop. Sessions are opened
//! from the monitor's own thread, since some modules act on the thread that calls them.

mod dialogue;

use crate::sys::pam::{self, Call, Handle};
pub use crate::sys::pam::{Converse, Message, Style};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

pub use self::dialogue::{Dialogue, Event};

/// The longest password given to modules (`PAM_MAX_RESP_SIZE` is 512, its NUL included).
pub const PASSWORD_BYTES_MAX: usize = 511;

/// Nobody's password, since nobody can type it: what modules get in place of an answer that must not be tried.
pub const WRONG_PASSWORD: &str = "\u{8}\n\r\u{7f}INCORRECT";

/// The most bytes of text kept from modules to show at the start of a session.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library is missing, or will not start.
    #[error("PAM: {0}")]
    Unavailable(#[from] io::Error),
    /// A name or value has a NUL inside.
    #[error("PAM: NUL inside a value")]
    Nul,
    /// The modules said no.
    #[error("PAM: {step}: {text}")]
    Refused {
        /// Which step.
        step: &'static str,
        /// PAM's number.
        code: i32,
        /// PAM's words.
        text: String,
    },
    /// The thread ended without a result.
    #[error("PAM: the dialogue broke off")]
    BrokenOff,
}

/// What the account modules said of a user who has proved who he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// He may log in.
    Good,
    /// He may, once he has a new password (`PAM_NEW_AUTHTOK_REQD`).
    MustChangePassword,
}

/// Who logs in and from where.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The service, which names the rules in `/etc/pam.d`: `PAMServiceName`, by default `sshd`.
    pub service: &'a str,
    /// The user as the peer named him.
    pub user: &'a str,
    /// The peer's host name or address (`PAM_RHOST`).
    pub remote_host: &'a str,
}

/// One login. Ends with the value, after closing what was opened.
pub struct Transaction {
    handle: Handle,
    has_credentials: bool,
    has_session: bool,
    /// Text that modules wanted shown, collected by the conversation of sessions.
    text: Arc<Mutex<String>>,
}

impl Transaction {
    /// Starts a login. Until told otherwise its modules get no answers, and their text is kept for
    /// [`Self::take_text`].
    ///
    /// # Errors
    /// When PAM is not there or does not start.
    pub fn start(login: &Login<'_>) -> Result<Self, Error> {
        let text = Arc::new(Mutex::new(String::new()));
        let handle = Handle::start(
            &c_string(login.service)?,
            &c_string(login.user)?,
            collector(Arc::clone(&text)),
        )?;
        let mut transaction = Self { handle, has_credentials: false, has_session: false, text };
        transaction.set_item(pam::ITEM_RHOST, login.remote_host)?;
        // Modules want to know a terminal before there is one; this is what they know ssh by.
        transaction.set_item(pam::ITEM_TTY, "ssh")?;
        Ok(transaction)
    }

    /// Tells modules the session's terminal.
    ///
    /// # Errors
    /// When they refuse.
    pub fn set_terminal(&mut self, path: &str) -> Result<(), Error> {
        self.set_item(pam::ITEM_TTY, path)
    }

    /// Answers modules by `converse` from now on.
    pub fn set_conversation(&mut self, converse: Box<Converse>) {
        self.handle.set_conversation(converse);
    }

    /// Checks a password: every hidden question is answered with it. Blocks, a few seconds when it is wrong.
    ///
    /// # Errors
    /// When the modules say no.
    pub fn authenticate_password(
        &mut self,
        password: &[u8],
        permit_empty: bool,
    ) -> Result<(), Error> {
        let text = Arc::clone(&self.text);
        // A password that modules cannot take is a wrong one, but they are asked all the same, for their counts and
        // for the time that it takes.
        let usable = std::str::from_utf8(password)
            .ok()
            .filter(|password| password.len() <= PASSWORD_BYTES_MAX && !password.contains('\0'));
        let usable_is_none = usable.is_none();
        let password = Zeroizing::new(usable.unwrap_or(WRONG_PASSWORD).to_owned());
        self.set_conversation(Box::new(move |messages| {
            let answer = |message: &Message| match message.style {
                Style::Hidden => Some(password.clone()),
                Style::Shown => None,
                Style::Error | Style::Info => {
                    collect(&text, &message.text);
                    Some(Zeroizing::new(String::new()))
                }
            };
            messages.iter().map(answer).collect()
        }));
        let outcome = self.authenticate(permit_empty);
        self.set_conversation(collector(Arc::clone(&self.text)));
        if usable_is_none {
            return Err(self.refused("pam_authenticate", pam::AUTH_ERR));
        }
        outcome
    }

    /// Has the modules find out who it is, by the conversation that is set. Blocks.
    ///
    /// # Errors
    /// When they say no.
    pub fn authenticate(&mut self, permit_empty: bool) -> Result<(), Error> {
        let flags = if permit_empty { 0 } else { pam::DISALLOW_NULL_AUTHTOK };
        self.step("pam_authenticate", Call::Authenticate, flags)
    }

    /// Asks whether the user may log in now. To be asked after every kind of login, with keys as well.
    ///
    /// # Errors
    /// When he may not.
    pub fn check_account(&mut self) -> Result<Standing, Error> {
        match self.handle.call(Call::Account, 0) {
            pam::SUCCESS => Ok(Standing::Good),
            pam::NEW_AUTHTOK_REQD => Ok(Standing::MustChangePassword),
            code => Err(self.refused("pam_acct_mgmt", code)),
        }
    }

    /// The user as the modules see him; when it is another than the login's, the login must be refused.
    pub fn user(&self) -> Option<String> {
        self.handle.user()?.into_string().ok()
    }

    /// Gives the process the user's credentials beyond uid and groups. As root, after setting the groups.
    ///
    /// # Errors
    /// When the modules cannot.
    pub fn establish_credentials(&mut self) -> Result<(), Error> {
        self.step("pam_setcred", Call::Credentials, pam::ESTABLISH_CRED)?;
        self.has_credentials = true;
        Ok(())
    }

    /// Opens the session: limits, keyrings, home directories, log-in records. As root, in the process that the
    /// session's processes descend from.
    ///
    /// # Errors
    /// When the modules refuse; the session must not start then.
    pub fn open_session(&mut self) -> Result<(), Error> {
        self.step("pam_open_session", Call::OpenSession, 0)?;
        self.has_session = true;
        Ok(())
    }

    /// Has the user choose a new password, by the conversation that is set. Blocks.
    ///
    /// # Errors
    /// When he has none in the end.
    pub fn change_expired_password(&mut self) -> Result<(), Error> {
        self.step("pam_chauthtok", Call::ChangePassword, pam::CHANGE_EXPIRED_AUTHTOK)
    }

    /// Closes the session and takes the credentials away. Done by dropping as well, where failures go unnoticed.
    ///
    /// # Errors
    /// With the first of the two steps that failed; both are taken.
    pub fn close(&mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        if std::mem::take(&mut self.has_session) {
            outcome = self.step("pam_close_session", Call::CloseSession, pam::SILENT);
        }
        if std::mem::take(&mut self.has_credentials) {
            outcome = outcome.and(self.step("pam_setcred", Call::Credentials, pam::DELETE_CRED));
        }
        outcome
    }

    /// Puts a variable where the modules see it.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn put_environment(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let code = self.handle.put_environment(&c_string(&format!("{name}={value}"))?);
        if code == pam::SUCCESS { Ok(()) } else { Err(self.refused("pam_putenv", code)) }
    }

    /// The variables that the modules left for the session.
    pub fn environment(&mut self) -> Vec<(OsString, OsString)> {
        let split = |assignment: OsString| {
            let bytes = assignment.into_vec();
            let at = bytes.iter().position(|byte| *byte == b'=')?;
            let (name, value) = bytes.split_at(at);
            let value = OsStr::from_bytes(value.get(1..)?).to_owned();
            Some((OsStr::from_bytes(name).to_owned(), value))
        };
        self.handle.environment().into_iter().filter_map(split).collect()
    }

    /// What modules wanted shown to the user since the last call.
    pub fn take_text(&mut self) -> String {
        self.text.lock().map(|mut text| std::mem::take(&mut *text)).unwrap_or_default()
    }

    fn set_item(&mut self, item: i32, value: &str) -> Result<(), Error> {
        match self.handle.set_item(item, &c_string(value)?) {
            pam::SUCCESS => Ok(()),
            code => Err(self.refused("pam_set_item", code)),
        }
    }

    fn step(&mut self, name: &'static str, call: Call, flags: i32) -> Result<(), Error> {
        match self.handle.call(call, flags) {
            pam::SUCCESS => Ok(()),
            code => Err(self.refused(name, code)),
        }
    }

    fn refused(&self, step: &'static str, code: i32) -> Error {
        Error::Refused { step, code, text: self.handle.error_text(code) }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.close();
    }
}

fn is_question(message: &Message) -> bool {
    matches!(message.style, Style::Hidden | Style::Shown)
}

fn questions(messages: &[Message]) -> impl Iterator<Item = &Message> {
    messages.iter().filter(|message| is_question(message))
}

/// A conversation that keeps text and answers nothing.
fn collector(text: Arc<Mutex<String>>) -> Box<Converse> {
    Box::new(move |messages| {
        if questions(messages).next().is_some() {
            return None;
        }
        for message in messages {
            collect(&text, &message.text);
        }
        Some(vec![Zeroizing::default(); messages.len()])
    })
}

fn collect(text: &Mutex<String>, line: &str) {
    if let Ok(mut text) = text.lock()
        && text.len() + line.len() < TEXT_BYTES_MAX
    {
        text.push_str(line);
        text.push('\n');
    }
}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Nul)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOGIN: Login<'_> = Login { service: "sshd", user: "root", remote_host: "192.0.2.1" };

    /// `None` where the system has no PAM.
    fn transaction(login: &Login<'_>) -> Option<Transaction> {
        match Transaction::start(login) {
            Ok(transaction) => Some(transaction),
            Err(Error::Unavailable(error)) => {
                eprintln!("no PAM here: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn nul_is_refused() {
        let login = Login { user: "ro\0ot", ..LOGIN };
        assert!(matches!(Transaction::start(&login), Err(Error::Nul | Error::Unavailable(_))));
    }

    #[test]
    fn items_and_environment() {
        let Some(mut transaction) = transaction(&LOGIN) else { return };
        assert_eq!(transaction.user().as_deref(), Some("root"));
        transaction.set_terminal("/dev/pts/9").unwrap();
        transaction.put_environment("A", "b=c").unwrap();
        assert!(transaction.put_environment("N", "\0").is_err());
        let variables = transaction.environment();
        assert!(variables.contains(&("A".into(), "b=c".into())), "{variables:?}");
    }

    #[test]
    fn conversations_can_be_refused_and_changed() {
        let Some(mut transaction) = transaction(&LOGIN) else { return };
        // Whatever the rules of this system, nobody is let in without an answer.
        transaction.set_conversation(Box::new(|_| panic!("caught before C")));
        assert!(transaction.authenticate(false).is_err() || !has_password_rules());
        transaction.set_conversation(Box::new(|_| None));
        assert!(transaction.authenticate(false).is_err() || !has_password_rules());
    }

    fn has_password_rules() -> bool {
        std::fs::read_to_string("/etc/pam.d/common-auth")
            .is_ok_and(|rules| rules.contains("pam_unix"))
    }

    #[test]
    fn a_dialogue_that_is_answered_wrongly() {
        if !has_password_rules() {
            return;
        }
        let Some(transaction) = transaction(&LOGIN) else { return };
        let mut dialogue = Dialogue::start(transaction, false).unwrap();
        let second = Duration::from_secs(30);
        let Some(Event::Ask(messages)) = dialogue.next(second).unwrap() else {
            panic!("a question first")
        };
        assert_eq!(messages.last().map(|message| message.style), Some(Style::Hidden));
        dialogue.answer(vec![Zeroizing::new("not it".into())]).unwrap();
        let Some(Event::Done(mut transaction, outcome)) = dialogue.next(second).unwrap() else {
            panic!("then the end")
        };
        assert!(matches!(outcome, Err(Error::Refused { .. })), "{outcome:?}");
        assert!(transaction.take_text().is_empty());
    }

    #[test]
    fn a_dialogue_that_breaks_off() {
        if !has_password_rules() {
            return;
        }
        let Some(transaction) = transaction(&LOGIN) else { return };
        let mut dialogue = Dialogue::start(transaction, false).unwrap();
        assert!(matches!(dialogue.next(Duration::from_secs(30)), Ok(Some(Event::Ask(_)))));
        let too_many = vec![Zeroizing::default(), Zeroizing::default()];
        assert!(dialogue.answer(too_many).is_err());
        let end = dialogue.next(Duration::from_secs(30));
        assert!(matches!(end, Ok(Some(Event::Done(_, Err(_))))));
    }
}
