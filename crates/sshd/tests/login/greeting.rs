//! What a user meets on the way in: closed doors, messages, and start-up files.

use super::Test;
use super::private::{self, TemporaryFile};
use super::support::{Folder, Server, SystemUser, Talk, assert_refused, outcome};

pub const TESTS: &[Test] = &[
    ("nologin", nologin),
    ("nologin_with_pam", nologin_with_pam),
    ("message_of_the_day", message_of_the_day),
    ("last_login", last_login),
    ("start_up_files", start_up_files),
    ("user_environment", user_environment),
];

/// A user of the system who may come in to a server by key, where that can be arranged.
fn guest(configuration: &str) -> Option<(SystemUser, Server, String)> {
    if !private::is_ours() {
        return None;
    }
    let user = SystemUser::new("the right one")?;
    let folder = Folder::new();
    folder.configure(configuration);
    let target = user.admit(&folder);
    let server = Server::start_in(folder, &[], &[]);
    Some((user, server, target))
}

/// All that a login shell on a terminal shows.
fn shell(server: &Server, target: &str) -> String {
    let mut talk = Talk::start(server.folder.ssh(&["-tt", target]));
    talk.say("echo at the $((40 + 2))nd prompt; exit\n");
    talk.wait_for("at the 42nd prompt");
    talk.end().1
}

fn nologin() {
    let Some((user, server, target)) = guest("") else { return };
    let _closed = TemporaryFile::new("/etc/nologin", "Closed for repair.\n");
    let seen = outcome(server.folder.ssh(&[&target, "echo in"]));
    assert_eq!((seen.status, seen.out.as_str()), (Some(254), ""), "{}", seen.err);
    assert!(seen.err.contains("Closed for repair."), "{}", seen.err);
    let line = format!("User {} not allowed because /etc/nologin exists", user.name);
    server.folder.wait_for(&line);
    let (code, text) = Talk::start(server.folder.ssh(&["-tt", &target])).end();
    assert_eq!(code, Some(254), "{text}");
    assert!(text.contains("Closed for repair."), "{text}");
    assert_eq!(server.login("echo in").out, "in\n");
}

fn nologin_with_pam() {
    let Some((_user, server, target)) = guest("UsePAM yes") else { return };
    let seen = outcome(server.folder.ssh(&[&target, "echo in"]));
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    let _closed = TemporaryFile::new("/etc/nologin", "Closed for repair.\n");
    let seen = outcome(server.folder.ssh(&[&target, "echo in"]));
    assert_refused(&seen);
    assert!(seen.err.contains("Closed for repair."), "{}", seen.err);
    server.folder.wait_for("by PAM account configuration");
    assert_eq!(server.login("echo in").out, "in\n");
}

fn message_of_the_day() {
    if !private::is_ours() {
        return;
    }
    let _motd = TemporaryFile::new("/etc/motd", "Mind the step.\n");
    for (configuration, times) in [("PrintMotd yes", 1), ("PrintMotd no", 0), ("UsePAM yes", 1)] {
        let Some((user, server, target)) = guest(configuration) else { return };
        let text = shell(&server, &target);
        assert_eq!(text.matches("Mind the step.").count(), times, "{configuration}: {text}");
        // Commands are not greeted, with a terminal or without.
        for option in ["-T", "-tt"] {
            let seen = outcome(server.folder.ssh(&[option, &target, "echo in"]));
            assert_eq!(seen.out.trim_end(), "in", "{}", seen.err);
        }
        user.write(".hushlogin", "");
        let text = shell(&server, &target);
        assert!(!text.contains("Mind the step."), "{configuration}: {text}");
    }
}

fn last_login() {
    if !private::is_ours() {
        return;
    }
    let _records = TemporaryFile::new("/var/log/lastlog", "");
    let Some((user, server, target)) = guest("") else { return };
    let first = shell(&server, &target);
    assert!(!first.contains("Last login"), "{first}");
    let second = shell(&server, &target);
    assert_eq!(second.matches("Last login: ").count(), 1, "{second}");
    let line = second.lines().find(|line| line.starts_with("Last login: ")).unwrap();
    assert!(line.trim_end().ends_with(" from 127.0.0.1"), "{line}");
    user.write(".hushlogin", "");
    let hushed = shell(&server, &target);
    assert!(!hushed.contains("Last login"), "{hushed}");
    user.remove(".hushlogin");
    server.folder.configure("PrintLastLog no");
    server.signal("HUP");
    server.folder.wait_for("Received SIGHUP");
    super::support::wait_until("silence", || !shell(&server, &target).contains("Last login"));
}

fn start_up_files() {
    let Some((user, server, target)) = guest("Subsystem probe /bin/echo probed") else { return };
    let folder = &server.folder;
    let run = |what: &[&str]| {
        let mut arguments = vec![target.as_str()];
        arguments.extend(what);
        let seen = outcome(folder.ssh(&arguments));
        assert_eq!(seen.status, Some(0), "{}", seen.err);
        seen.out
    };
    let again = |configuration: &str| {
        folder.configure(configuration);
        std::fs::remove_file(folder.path("pid")).unwrap();
        server.signal("HUP");
        super::support::wait_until("the new configuration", || folder.path("pid").exists());
    };
    assert_eq!(run(&["echo in"]), "in\n");
    let _system = TemporaryFile::new("/etc/ssh/sshrc", "echo the system greets $USER\n");
    let system = format!("the system greets {}\n", user.name);
    assert_eq!(run(&["echo in"]), format!("{system}in\n"));
    // His own goes before it; it runs at home and its input is empty.
    user.write(".ssh/rc", "pwd; cat; echo mine >&2\n");
    let home = format!("/home/{}\n", user.name);
    let seen = outcome(folder.ssh(&[&target, "echo in"]));
    assert_eq!((seen.out, seen.err), (format!("{home}in\n"), "mine\n".into()));
    // Not for subsystems, nor where the administrator says what runs.
    assert_eq!(run(&["-s", "probe"]), format!("{system}probed\n"));
    again("PermitUserRC no");
    assert_eq!(run(&["echo in"]), format!("{system}in\n"));
    again("ForceCommand echo forced");
    assert_eq!(run(&["echo in"]), format!("{system}forced\n"));
    again("");
    folder.authorize("command=\"echo of the key\"", "user");
    assert_eq!(run(&["echo in"]), format!("{home}of the key\n"));
    folder.authorize("no-user-rc", "user");
    assert_eq!(run(&["echo in"]), format!("{system}in\n"));
}

fn user_environment() {
    for (value, expected) in [
        ("no", "--"),
        ("yes", "file-preload-key"),
        ("KW_FILE,KW_K*", "file--key"),
        ("KW_*,!KW_PRE*", "file--key"),
    ] {
        let Some((user, server, target)) = guest(&format!("PermitUserEnvironment {value}")) else {
            return;
        };
        user.write(".ssh/environment", "# mine\nKW_FILE=file\nKW_PRELOAD=preload\nnonsense\n");
        server.folder.authorize("environment=\"KW_KEY=key\"", "user");
        let command = "echo $KW_FILE-$KW_PRELOAD-$KW_KEY";
        let seen = outcome(server.folder.ssh(&[&target, command]));
        assert_eq!(seen.out, format!("{expected}\n"), "{value}: {}", seen.err);
    }
}
