//! What runs once the user is in.

use std::process::Command;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::Server;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, run};

use crate::User;
use crate::terminal::Terminal;

const ED25519: &[&str] = &["ssh-ed25519"];

#[test]
fn bytes_pass_unchanged() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let mut bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    bytes.extend_from_slice(b"\n~.\r~.");
    for options in [&[][..], &["-C"], &["-o", "RekeyLimit=1M"]] {
        let finished = run(user.ssh(options).arg("cat"), &bytes, DEADLINE);
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
        assert!(finished.stdout == bytes, "{options:?}");
    }
}

#[test]
fn the_exit_status_comes_after_closed_outputs() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let finished = user.run(&[], "exec >&- 2>&-; sleep 1; exit 44");
    assert_eq!(finished.code(), Some(44), "{finished}");
}

#[test]
fn a_shell_with_escapes() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let mut terminal = Terminal::start(&user.ssh(&[]));
    terminal.type_keys("PS1='rea''dy> '; export PS1\n");
    terminal.expect("ready> ");
    terminal.type_keys("echo $TERM.; test -t 0 && echo t''ty\n");
    terminal.expect("xterm.");
    terminal.expect("tty");
    terminal.type_keys("\r~?");
    terminal.expect("Supported escape sequences:");
    terminal.type_keys("\r~#");
    terminal.expect("#0 client-session");
    terminal.type_keys("\r~~v\r");
    terminal.expect("~v");
    terminal.type_keys("\r~.");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 255, "{seen}");
    assert!(seen.trim_end().ends_with("Connection to 127.0.0.1 closed."), "{seen}");
}

#[test]
fn environment_is_sent() {
    let server = Server::new(OpenSsh).config("AcceptEnv KW_*").start();
    let user = User::knowing(&server, ED25519);
    let options = ["-o", "SendEnv=KW_*", "-o", "SetEnv=KW_SET=3"];
    let mut command = user.ssh(&options);
    command.env("KW_SENT", "x y").env("KW_SET", "from here").arg("echo $KW_SENT $KW_SET");
    assert_eq!(run(&mut command, b"", DEADLINE).text(), "x y 3\n");
}

#[test]
fn through_other_hosts() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let target = format!("127.0.0.1:{}", server.port);
    // The identification line shows that the bytes are the server's.
    let mut forward = user.ssh(&["-W", &target]);
    let finished = run(&mut forward, b"SSH-2.0-Test\r\n", DEADLINE);
    assert!(finished.text().starts_with("SSH-2.0-OpenSSH"), "{finished}");

    let line = |command: &Command| {
        let words = command.get_args().map(|word| format!("'{}'", word.to_string_lossy()));
        let program = command.get_program().to_string_lossy().into_owned();
        std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
    };
    let proxy = format!("ProxyCommand={}", line(&user.ssh(&["-W", "%h:%p"])));
    assert_eq!(user.run(&["-o", &proxy], "echo by proxy").text(), "by proxy\n");

    // A jump reads the same configuration file.
    user.write(
        "config",
        &format!(
            "Host *\n  Port {}\n  User {}\n  IdentitiesOnly yes\n  IdentityFile {}\n  \
             UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n",
            server.port,
            user.name,
            key_files::private(Holder::User, "ssh-ed25519").display(),
            user.path("known_hosts").display(),
        ),
    );
    let mut jump = crate::keyway("ssh");
    jump.arg("-F").arg(user.path("config"));
    jump.args(["-J", "127.0.0.1,127.0.0.1", "127.0.0.1", "echo by jumps"]);
    let finished = run(&mut jump, b"", DEADLINE);
    assert_eq!(finished.text(), "by jumps\n", "{finished}");
}

#[test]
fn to_the_background() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let done = user.path("done");
    let command = format!("sleep 2; echo in the background >'{}'", done.display());
    let began = Instant::now();
    // Its output would be waited for: only the file tells.
    let mut ssh = user.ssh(&["-f"]);
    ssh.arg(format!("{{ {command}; }} >/dev/null 2>&1"));
    let mut shell = Command::new("sh");
    let words: Vec<String> = std::iter::once(ssh.get_program())
        .chain(ssh.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")))
        .collect();
    shell.args(["-c", &format!("{} >/dev/null 2>&1", words.join(" "))]);
    let finished = run(&mut shell, b"", DEADLINE);
    assert!(finished.success(), "{finished}");
    assert!(!done.exists(), "it waited for the command");
    while !done.exists() && began.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(user.read("done"), "in the background\n");
}

#[test]
fn the_agent_is_asked_and_forwarded() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let socket = user.path("agent");
    let key = key_files::private(Holder::User, "ssh-rsa");
    let ssh = user.ssh_with_key(
        &user.path("none"),
        &["-A", "-o", "IdentitiesOnly=no", "-o", "BatchMode=yes"],
    );
    let words: Vec<String> = std::iter::once(ssh.get_program())
        .chain(ssh.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut agent = Command::new("ssh-agent");
    agent.arg("-a").arg(&socket).args(["sh", "-c"]).arg(format!(
        "ssh-add -q '{}' && {} 'ssh-add -l | wc -l; test -n \"$SSH_AUTH_SOCK\"'",
        key.display(),
        words.join(" ")
    ));
    let finished = run(&mut agent, b"", DEADLINE);
    assert!(finished.success() && finished.text().trim() == "1", "{finished}");

    // Without -A the server has no way to it.
    assert_eq!(user.run(&[], "echo .$SSH_AUTH_SOCK").text(), ".\n");
}

#[test]
fn with_a_log_file_nothing_else_is_said() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let log = user.path("log");
    let finished = user.run(&["-v", "-E", log.to_str().unwrap_or_default()], "echo err >&2");
    assert_eq!(finished.stderr, "err\n", "{finished}");
    assert!(user.read("log").contains("debug1: Sending command: echo err >&2\r\n"));
}

#[test]
fn messages_to_the_system_log() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let finished = user.run(&["-y", "-v", "-o", "SyslogFacility=LOCAL3"], "echo err >&2");
    assert_eq!(finished.stderr, "err\n", "{finished}");
    assert!(finished.success(), "{finished}");
}

#[test]
fn a_server_that_vanishes() {
    let server = Server::new(OpenSsh).start();
    let user = User::knowing(&server, ED25519);
    let finished = user.run(&[], "kill -9 $PPID; sleep 10");
    assert_eq!(finished.code(), Some(255));
    // Whether the kernel resets the connection depends on what was still unread.
    let closed = "Connection to 127.0.0.1 closed by remote host.\r\n";
    let reset = "Read from remote host 127.0.0.1: Connection reset by peer\r\n";
    assert!(finished.stderr == closed || finished.stderr.starts_with(reset), "{finished}");
}

#[test]
fn a_banner_cannot_command_the_terminal() {
    let server = Server::new(OpenSsh);
    let banner = server.folder().join("banner");
    std::fs::write(&banner, "Hello \x1b]0;title\x07 world\n").expect("write");
    let server = server.config(format!("Banner {}", banner.display())).start();
    let user = User::knowing(&server, ED25519);
    let finished = user.run(&[], "true");
    assert_eq!(finished.stderr, "Hello \\033]0;title\\007 world\n", "{finished}");
    assert_eq!(user.run(&["-q"], "true").stderr, "");
}
