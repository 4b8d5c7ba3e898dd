//! Servers that try to command the terminal with what they say.

use std::process::Command;
use std::time::Duration;

use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::{Running, not_run, python};

use crate::keyway;
use crate::terminal::Terminal;

#[test]
fn nothing_a_server_says_commands_the_terminal() {
    let test = "nothing_a_server_says_commands_the_terminal";
    let python = match python::interpreter() {
        Ok(python) => python,
        Err(reason) => return not_run(test, &reason),
    };
    for (how, said) in [
        ("disconnect", "goodbye"),
        ("refuse", "no channel"),
        ("ident", "first line"),
        ("proposal", "a list of names is malformed"),
    ] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = Command::new(&python);
        command.arg(python::script("hostile_server.py"));
        command.arg(key_files::private(Holder::Host, "ssh-ed25519")).arg(how);
        let mut server = Running::start(&mut command, &folder.path().join("log"));
        let port: u16 = server
            .wait_for_log(Duration::from_secs(30), |log| {
                log.strip_prefix("listening ")?.lines().next()?.parse().ok()
            })
            .expect("a port");
        let mut ssh = keyway("ssh");
        ssh.args(["-vvv", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o"]);
        ssh.args(["UserKnownHostsFile=/dev/null", "-o", "IdentityFile=none", "-p"]);
        ssh.args([&port.to_string(), "127.0.0.1"]);
        let mut terminal = Terminal::start(&ssh);
        if matches!(how, "disconnect" | "refuse") {
            terminal.expect("question: ");
            terminal.type_keys("answer\n");
        }
        let (code, seen) = terminal.finish();
        assert_eq!(code, 255, "{seen}");
        assert!(seen.contains(said), "{how}: {seen}");
        // The terminal adds a carriage return to every line end.
        let wrong = seen.replace("\r\r\n", "\n").replace("\r\n", "\n");
        let wrong: Vec<char> = wrong
            .chars()
            .filter(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}')
            .collect();
        // A question begins at the left edge, once.
        let prompts = usize::from(matches!(how, "disconnect" | "refuse"));
        let is_clean = wrong.len() <= prompts && wrong.iter().all(|c| *c == '\r');
        assert!(is_clean, "{how}: {wrong:?} {seen:?}");
    }
}
