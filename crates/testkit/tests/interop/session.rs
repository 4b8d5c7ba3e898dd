//! What a command sees, and how its end is told.

use std::process::Command;

use keyway_testkit::process::run;
use keyway_testkit::program::interpreter_or_none;
use keyway_testkit::{Client, Server, not_run};

use crate::{PAIRS, check};

#[test]
fn exit_codes() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        for code in [0, 1, 7, 127, 254, 255] {
            let run = Client::new(pair.0, &server).command(&format!("exit {code}")).run();
            check(&run, code, "");
        }
        let run = Client::new(pair.0, &server).command("no-such-command-here").run();
        assert_eq!(run.code(), Some(127), "{run}");
        // Death by a signal has no code of its own.
        let run = Client::new(pair.0, &server).command("kill -TERM $$").run();
        assert_eq!(run.code(), Some(255), "{run}");
    }
}

#[test]
fn streams_stay_apart() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::new(pair.0, &server)
            .command("echo out; echo err >&2; cat; echo more >&2")
            .run_with(b"in\n");
        check(&run, 0, "out\nin\n");
        assert!(run.stderr.contains("err\nmore\n"), "{run}");
    }
}

/// Output that comes after the input ended, and a command that never reads.
#[test]
fn ends_are_independent() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::new(pair.0, &server)
            .command("cat >/dev/null; sleep 0.2; echo after")
            .run_with(&vec![7; 100_000]);
        check(&run, 0, "after\n");
        let run = Client::new(pair.0, &server)
            .command("exec <&-; echo unread; exit 5")
            .run_with(&vec![7; 3_000_000]);
        check(&run, 5, "unread\n");
        // `yes | head`: the reader goes first, the writer must end too.
        let run = Client::new(pair.0, &server).command("yes | head -n 3").run();
        check(&run, 0, "y\ny\ny\n");
    }
}

#[test]
fn environment() {
    for pair in PAIRS {
        let server = Server::new(pair.1)
            .config("AcceptEnv TEST_*")
            .config("SetEnv FROM_SERVER=1 SHLVL=2")
            .start();
        let run = Client::new(pair.0, &server)
            .option("SendEnv=TEST_* REFUSED")
            .env("TEST_ONE", "first one")
            .env("REFUSED", "x")
            .option("SetEnv=TEST_TWO=2")
            .command("echo $TEST_ONE,$TEST_TWO,$REFUSED,$FROM_SERVER; echo $SSH_CONNECTION; echo $SSH_CLIENT")
            .run();
        let text = run.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"first one,2,,1"), "{run}");
        let port = server.port.to_string();
        assert!(
            lines[1].starts_with("127.0.0.1 ") && lines[1].ends_with(&format!(" 127.0.0.1 {port}")),
            "{run}"
        );
        assert!(lines[2].ends_with(&format!(" {port}")), "{run}");
    }
}

/// `ssh -tt`: a terminal at the far end, with its size and its line editing.
#[test]
fn terminal_without_one_here() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let run = Client::new(pair.0, &server)
            .arg("-tt")
            .env("TERM", "xterm-test")
            .command("tty; echo $TERM; echo $SSH_TTY; exit 4")
            .run();
        let text = run.text();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        assert_eq!(run.code(), Some(4), "{run}");
        assert!(lines[0].starts_with("/dev/"), "{run}");
        assert_eq!(lines[1], "xterm-test", "{run}");
        assert_eq!(lines[2], lines[0], "{run}");
    }
}

/// A shell typed into through a real terminal: size, control characters, a
/// window that changes, and the end.
#[test]
fn interactive_shell() {
    let Some(python) = interpreter_or_none() else {
        not_run("interactive_shell", "no Python here to play the terminal");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/terminal.py");
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let mut client = Client::new(pair.0, &server).arg("-t");
        let ssh = client.finish();
        let mut command = Command::new(&python);
        command.arg(script).arg(ssh.get_program()).args(ssh.get_args());
        command.env_remove("SSH_AUTH_SOCK").env("TERM", "xterm");
        let run = run(&mut command, b"", keyway_testkit::process::DEADLINE);
        assert!(run.success(), "{pair:?} {run}");
    }
}

#[test]
fn long_command_lines() {
    for pair in PAIRS {
        let server = Server::new(pair.1).start();
        let long = "x".repeat(100_000);
        let run = Client::new(pair.0, &server).command(&format!("printf %s {long} | wc -c")).run();
        assert_eq!((run.code(), run.text().trim()), (Some(0), "100000"), "{run}");
    }
}

#[test]
fn banner_is_shown() {
    for pair in PAIRS {
        let server = Server::new(pair.1);
        let file = server.folder().join("banner");
        std::fs::write(&file, "Mind the gap.\n").unwrap();
        let server = server.config(format!("Banner {}", file.display())).start();
        let run = Client::new(pair.0, &server).command("echo in").run();
        check(&run, 0, "in\n");
        assert!(run.stderr.contains("Mind the gap."), "{run}");
    }
}
