//! X11 forwarding with a real display, against OpenSSH's server and ours, and from OpenSSH's client to ours.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::process::{DEADLINE, run};
use keyway_testkit::program::find;
use keyway_testkit::{Implementation, Server, StartedServer, not_run};

use crate::User;

const COOKIE: &str = "00112233445566778899aabbccddeeff";
/// A display with this extension lets programs do everything; untrusted ones do not see it.
const TRUSTED: &str = "\n    SECURITY\n";

/// A display of the test's own. Ends when dropped.
struct Display {
    process: Child,
    name: String,
}

impl Display {
    fn start(folder: &Path) -> Option<Self> {
        let authority = folder.join("authority");
        add(&authority, ":0");
        let mut command = Command::new(find("Xvfb")?);
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "64x64x8",
            "-noreset",
            "-nolisten",
            "tcp",
        ]);
        command.arg("-auth").arg(&authority);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("Xvfb");
        let mut number = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut number).expect("a number");
        let name = format!(":{}", number.trim());
        assert!(name.len() > 1, "Xvfb found no display");
        add(&authority, &name);
        Some(Display { process, name })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lets programs that read the file reach a display.
fn add(authority: &Path, display: &str) {
    let mut command = Command::new("xauth");
    command.arg("-q").arg("-f").arg(authority);
    command.args(["add", display, "MIT-MAGIC-COOKIE-1", COOKIE]);
    // It says that it makes the file.
    run(&mut command, b"", DEADLINE);
}

fn missing() -> Option<&'static str> {
    ["Xvfb", "xauth", "xdpyinfo"].into_iter().find(|program| find(program).is_none())
}

fn server(implementation: Implementation, forwarding: &str) -> StartedServer {
    let server = Server::new(implementation);
    // Where xauth keeps cookies, so that nobody's home is touched.
    let authority = server.folder().join("remote-authority");
    let variable = format!("SetEnv SHLVL=2 XAUTHORITY={}", authority.display());
    server.config(format!("X11Forwarding {forwarding}")).config(variable).start()
}

fn with_display(mut command: Command, display: &Display, user: &User) -> Command {
    command.env("DISPLAY", &display.name).env("XAUTHORITY", user.path("authority"));
    command
}

#[test]
fn programs_reach_the_display() {
    if let Some(program) = missing() {
        return not_run("programs_reach_the_display", program);
    }
    for implementation in [OpenSsh, Ours] {
        let server = server(implementation, "yes");
        let user = User::knowing(&server, &["ssh-ed25519"]);
        let display = Display::start(user.folder.path()).expect("a display");
        let see = |options: &[&str], command: &str| {
            let mut ssh = with_display(user.ssh(options), &display, &user);
            run(ssh.arg(command), b"", DEADLINE)
        };
        let trusted = see(&["-Y"], "xdpyinfo; xauth list");
        let text = trusted.text();
        assert!(text.contains("name of display:    localhost:"), "{implementation:?}: {trusted}");
        assert!(text.contains(TRUSTED), "{implementation:?}: {trusted}");
        // The server never sees the cookie of the display.
        assert!(text.contains("MIT-MAGIC-COOKIE-1") && !text.contains(COOKIE), "{trusted}");
        let untrusted = see(&["-X"], "xdpyinfo");
        assert!(untrusted.text().contains("name of display:    localhost:"), "{untrusted}");
        assert!(!untrusted.text().contains(TRUSTED), "{implementation:?}: {untrusted}");
        let none = see(&["-Y", "-x"], "echo \"<$DISPLAY>\"");
        assert_eq!(none.text(), "<>\n", "{none}");
        // Whoever has another cookie is turned away on this side.
        let wrong = format!("xauth -q add $DISPLAY . {COOKIE}; xdpyinfo");
        let rejected = see(&["-Y"], &wrong);
        assert!(!rejected.success(), "{rejected}");
        let told = "X11 connection rejected because of wrong authentication.";
        assert!(rejected.to_string().contains(told), "{rejected}");
    }
}

#[test]
fn openssh_reaches_the_display_through_our_server() {
    if let Some(program) = missing() {
        return not_run("openssh_reaches_the_display_through_our_server", program);
    }
    let server = server(Ours, "yes");
    let user = User::knowing(&server, &["ssh-ed25519"]);
    let display = Display::start(user.folder.path()).expect("a display");
    let ours = user.ssh(&["-Y"]);
    let mut theirs = Command::new(OpenSsh.tool("ssh"));
    // The same words, behind the name of the tool.
    theirs.args(ours.get_args().skip(1)).arg("xdpyinfo");
    let seen = run(&mut with_display(theirs, &display, &user), b"", DEADLINE);
    assert!(seen.text().contains(TRUSTED), "{seen}");
}

#[test]
fn a_server_that_forwards_no_displays() {
    if let Some(program) = missing() {
        return not_run("a_server_that_forwards_no_displays", program);
    }
    for implementation in [OpenSsh, Ours] {
        let server = server(implementation, "no");
        let user = User::knowing(&server, &["ssh-ed25519"]);
        let display = Display::start(user.folder.path()).expect("a display");
        let mut ssh = with_display(user.ssh(&["-Y"]), &display, &user);
        let seen = run(ssh.arg("echo \"<$DISPLAY>\""), b"", DEADLINE);
        assert_eq!(seen.text(), "<>\n", "{implementation:?}: {seen}");
        assert!(seen.to_string().contains("X11 forwarding request failed on channel 0"), "{seen}");
    }
}
