//! A user account for as long as a test runs: passwords need one, and so does
//! a server that has to change its user.

use std::process::Command;
use std::sync::Mutex;

use crate::process::{DEADLINE, run};
use crate::program::find;

/// useradd and userdel lock the user database and give up when it is locked.
static DATABASE: Mutex<()> = Mutex::new(());

/// An account that is deleted when dropped.
pub struct Account {
    /// Its login name.
    pub name: String,
    /// Its password.
    pub password: String,
}

impl Account {
    /// Makes an account with a home and a password.
    ///
    /// # Errors
    /// With the reason, when this process may not.
    pub fn create(tag: &str) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may make an account".into());
        }
        let (Some(useradd), Some(chpasswd)) = (find("useradd"), find("chpasswd")) else {
            return Err("no useradd and chpasswd here".into());
        };
        let _lock = DATABASE.lock();
        let name = format!("kwt-{tag}-{}", std::process::id() % 1_000_000);
        let password = format!("Tr0ub4dor-{name}");
        let made = run(Command::new(useradd).args(["-m", "-s", "/bin/sh", &name]), b"", DEADLINE);
        if !made.success() {
            return Err(format!("useradd failed: {made}"));
        }
        let account = Self { name, password };
        let line = format!("{}:{}\n", account.name, account.password);
        let set = run(&mut Command::new(chpasswd), line.as_bytes(), DEADLINE);
        if !set.success() {
            return Err(format!("chpasswd failed: {set}"));
        }
        Ok(account)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(userdel) = find("userdel") else {
            return;
        };
        let _lock = DATABASE.lock();
        // -f: a session's last process may still be about to end.
        let gone = run(Command::new(userdel).args(["-r", "-f", &self.name]), b"", DEADLINE);
        if !gone.success() && !gone.stderr.contains("mail spool") {
            eprintln!("the account {} is still there: {gone}", self.name);
        }
    }
}
