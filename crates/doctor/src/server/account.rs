//! The account cannot log in, whatever it shows.

use super::{Account, Denied, Premises};
use crate::checks::shell_word;
use crate::finding::{Finding, Sure};

pub fn check(premises: &Premises) -> Vec<Finding> {
    let Some(account) = &premises.account else { return Vec::new() };
    let name = &account.name;
    let word = shell_word(name);
    if let Some(denied) = account.denied {
        return vec![denial(account, denied, &word)];
    }
    let mut found = Vec::new();
    if let Some(origin) = &account.root_refused {
        found.push(
            Finding::new(
                "root-refused",
                Sure::Certain,
                format!("PermitRootLogin keeps {name} out."),
            )
            .seen(origin.clone())
            .mend("# log in as another user and become root; or PermitRootLogin prohibit-password"),
        );
    }
    if !account.has_home {
        found.push(
            Finding::new(
                "home-missing",
                Sure::Certain,
                format!("The home directory of {name}, {}, is not there.", account.home.display()),
            )
            .mend(format!(
                "mkhomedir_helper {word} || install -d -m 700 -o {word} {}",
                shell_word(&account.home.display().to_string())
            )),
        );
    }
    if !account.shell_listed {
        found.push(
            Finding::new(
                "shell-not-listed",
                Sure::Possible,
                format!("The shell of {name}, {}, is not in /etc/shells, and PAM may refuse it (pam_shells).", account.shell.display()),
            )
            .mend(format!("chsh -s /bin/sh {word}"))
            .mend(format!("echo {} >> /etc/shells", shell_word(&account.shell.display().to_string()))),
        );
    }
    found
}

fn denial(account: &Account, denied: Denied, word: &str) -> Finding {
    let name = &account.name;
    let shell = account.shell.display();
    match denied {
        Denied::Unknown => {
            Finding::new("account-unknown", Sure::Certain, format!("There is no account {name}."))
                .mend(format!("getent passwd {word}    # is its name another?"))
        }
        Denied::Expired => Finding::new(
            "account-expired",
            Sure::Certain,
            format!("The account {name} has expired."),
        )
        .mend(format!("chage -E -1 {word}")),
        Denied::Locked => Finding::new(
            "account-locked",
            Sure::Certain,
            format!("The account {name} is locked, so that keys do not let it in either."),
        )
        .seen("its password in /etc/shadow begins with !")
        .mend(format!("usermod -p '*' {word}    # no password, but keys work"))
        .mend(format!("passwd {word}    # or with a password")),
        Denied::ShellMissing => Finding::new(
            "shell-missing",
            Sure::Certain,
            format!("The shell of {name}, {shell}, is not there."),
        )
        .mend(format!("chsh -s /bin/sh {word}")),
        Denied::ShellNotExecutable => Finding::new(
            "shell-not-executable",
            Sure::Certain,
            format!("The shell of {name}, {shell}, cannot be executed."),
        )
        .mend(format!("chsh -s /bin/sh {word}")),
        Denied::ByList(keyword) => Finding::new(
            "user-not-allowed",
            Sure::Certain,
            format!("{keyword} in the server's configuration keeps {name} out."),
        )
        .mend(format!("sshd explain --user {word} | grep -i {keyword}    # the line that says so")),
    }
}
