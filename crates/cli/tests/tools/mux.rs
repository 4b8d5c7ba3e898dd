//! One connection for many calls: our `ssh` and OpenSSH's, each as the keeper of a connection and
//! as the one who uses it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::process::{DEADLINE, Finished, Running, run};
use keyway_testkit::ssh::free_port;
use keyway_testkit::{Implementation, Server, StartedServer};

use crate::terminal::Terminal;
use crate::{User, keyway};

/// Keeper and user; two programs of OpenSSH's have nothing to prove.
const PAIRS: [[Implementation; 2]; 3] = [[Ours, Ours], [Ours, OpenSsh], [OpenSsh, Ours]];

/// One server, one user of it, and a place for the socket.
struct Place {
    server: StartedServer,
    user: User,
}

impl Place {
    fn new() -> Self {
        let server =
            Server::new(OpenSsh).config("MaxSessions 64").config("AcceptEnv MUX_*").start();
        let user = User::knowing(&server, &["ssh-ed25519"]);
        Place { server, user }
    }

    fn socket(&self) -> PathBuf {
        self.user.path("control")
    }

    /// `ssh -S SOCKET OPTIONS... HOST` of one of the two.
    fn ssh(&self, who: Implementation, options: &[&str]) -> Command {
        let ours = self.user.ssh(&[]);
        let socket = self.socket();
        let mut command = match who {
            Ours => keyway("ssh"),
            OpenSsh => Command::new(OpenSsh.tool("ssh")),
        };
        command.arg("-S").arg(socket).args(options).args(ours.get_args().skip(1));
        command
    }

    fn run(&self, who: Implementation, options: &[&str], remote: &str) -> Finished {
        run(self.ssh(who, options).arg(remote), b"", DEADLINE)
    }

    /// `-O COMMAND`.
    fn control(&self, who: Implementation, command: &str, options: &[&str]) -> Finished {
        let all = [&["-O", command], options].concat();
        run(&mut self.ssh(who, &all), b"", DEADLINE)
    }

    /// A keeper that waits for others.
    fn keep(&self, who: Implementation, options: &[&str]) -> Running {
        let all = [&["-M", "-N"], options].concat();
        let keeper = Running::start(&mut self.ssh(who, &all), &self.user.path("keeper.log"));
        self.wait_for(who, true);
        keeper
    }

    fn wait_for(&self, who: Implementation, there: bool) {
        let until = Instant::now() + DEADLINE;
        while self.control(who, "check", &[]).success() != there {
            assert!(
                Instant::now() < until,
                "the keeper is {}",
                if there { "missing" } else { "there" }
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn log(place: &Place) -> String {
    format!("\nkeeper: {}\nserver: {}", place.user.read("keeper.log"), place.server.process.log())
}

#[test]
fn sessions_of_each_with_each() {
    for [keeper, user] in PAIRS {
        let place = Place::new();
        let mut kept = place.keep(keeper, &["-o", "SendEnv=MUX_*"]);
        let mode = fs::metadata(place.socket()).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let connections = || place.server.process.log().matches("Accepted publickey").count();
        let before = connections();
        for status in [0, 7, 255] {
            let ended = place.run(user, &[], &format!("exit {status}"));
            assert_eq!(ended.code(), Some(status), "{ended}{}", log(&place));
        }
        let killed = place.run(user, &[], "kill -KILL $$");
        assert_eq!(killed.code(), Some(255), "{killed}");
        let mut command = place.ssh(user, &["-o", "SetEnv=MUX_ONE=1", "-o", "SendEnv=MUX_TWO"]);
        command.env("MUX_TWO", "2").arg("cat; echo $MUX_ONE$MUX_TWO; echo aside >&2");
        let talked = run(&mut command, b"said\n", DEADLINE);
        assert_eq!(
            (talked.text().as_str(), talked.stderr.trim()),
            ("said\n12\n", "aside"),
            "{talked}"
        );
        let subsystem = run(place.ssh(user, &["-s"]).arg("nothing"), b"", DEADLINE);
        assert_eq!(subsystem.code(), Some(255), "{subsystem}");
        // OpenSSH's keeper says it to nobody.
        let is_said = subsystem.stderr.contains("subsystem request failed on channel");
        assert!(is_said || keeper == OpenSsh, "{subsystem}");
        let stdio = run(
            &mut place.ssh(user, &["-W", &format!("127.0.0.1:{}", place.server.port)]),
            b"x\r\n",
            DEADLINE,
        );
        assert!(stdio.text().starts_with("SSH-2.0-"), "{stdio}");
        assert_eq!(connections(), before, "a session took a connection of its own");
        let checked = place.control(user, "check", &[]);
        assert!(checked.stderr.contains(&format!("(pid={})", kept.id())), "{checked}");
        let left = place.control(user, "exit", &[]);
        assert!(left.stderr.contains("Exit request sent."), "{left}");
        assert!(kept.wait(DEADLINE).is_some(), "{}", log(&place));
        assert!(!place.socket().exists());
    }
}

/// The server's greeting through a forward, if it takes a connection.
fn greeting(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn forwards_come_and_go() {
    for [keeper, user] in PAIRS {
        let place = Place::new();
        let _kept = place.keep(keeper, &[]);
        let port = free_port();
        for (flag, forward) in [
            ("-L", format!("{port}:127.0.0.1:{}", place.server.port)),
            ("-R", format!("{port}:127.0.0.1:{}", place.server.port)),
        ] {
            for _ in 0..2 {
                let opened = place.control(user, "forward", &[flag, &forward]);
                assert!(opened.success(), "{opened}{}", log(&place));
            }
            assert_eq!(greeting(port).as_deref(), Some("SSH-2.0-"), "{flag}");
            let closed = place.control(user, "cancel", &[flag, &forward]);
            assert!(closed.success() && closed.stderr.is_empty(), "{closed}");
            let until = Instant::now() + DEADLINE;
            while greeting(port).is_some() {
                assert!(Instant::now() < until, "{flag} is still there");
            }
            let again = place.control(user, "cancel", &[flag, &forward]);
            assert!(again.stderr.contains("port not forwarded"), "{again}");
        }
        let any = format!("0:127.0.0.1:{}", place.server.port);
        let chosen = place.control(user, "forward", &["-R", &any]).text();
        let chosen: u16 = chosen.trim().parse().expect("a port on standard output");
        assert_eq!(greeting(chosen).as_deref(), Some("SSH-2.0-"));
        let dynamic = place.control(user, "forward", &["-D", &port.to_string()]);
        assert!(dynamic.success(), "{dynamic}");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        let stopped = place.control(user, "stop", &[]);
        assert!(stopped.stderr.contains("Stop listening request sent."), "{stopped}");
        place.wait_for(user, false);
    }
}

#[test]
fn clients_that_speak_ssh_themselves() {
    for [keeper, user] in PAIRS {
        let place = Place::new();
        let _kept = place.keep(keeper, &[]);
        let input: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(n) >> 9) as u8).collect();
        let mut command = place.ssh(user, &["-O", "proxy"]);
        let ended = run(command.arg("cat; echo aside >&2; exit 44"), &input, DEADLINE);
        assert_eq!(ended.code(), Some(44), "{}{}", ended.stderr, log(&place));
        assert!(ended.stdout == input, "{} bytes came", ended.stdout.len());
        assert!(ended.stderr.contains("aside"), "{}", ended.stderr);
    }
}

#[test]
fn many_at_once_and_one_that_does_not_read() {
    for [keeper, user] in PAIRS {
        let place = Place::new();
        let _kept = place.keep(keeper, &[]);
        let mut deaf = place.ssh(user, &[]);
        deaf.arg("head -c 30000000 /dev/zero").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut deaf = deaf.spawn().expect("a session nobody reads");
        let mut half = UnixStream::connect(place.socket()).expect("the socket");
        half.write_all(&[0, 0]).expect("half a length");
        let all: Vec<_> = (0..20)
            .map(|n| {
                let mut command = place.ssh(user, &[]);
                command.arg(format!("echo {n}; exit {n}")).stdin(Stdio::null());
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().expect("a session")
            })
            .collect();
        for (n, child) in all.into_iter().enumerate() {
            let ended = child.wait_with_output().expect("its end");
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), i32::try_from(n).ok(), "{stderr}{}", log(&place));
            assert_eq!(ended.stdout, format!("{n}\n").into_bytes());
        }
        deaf.kill().expect("the deaf one ends");
        let _ = deaf.wait();
    }
}

#[test]
fn a_lot_of_data_is_the_same_afterwards() {
    let place = Place::new();
    let _kept = place.keep(Ours, &[]);
    let input: Vec<u8> =
        (0..50u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let from = place.user.path("from");
    fs::write(&from, &input).expect("a large file");
    let to = place.user.path("to");
    let mut command = place.ssh(Ours, &[]);
    command.arg("cat").stdin(fs::File::open(&from).expect("the file"));
    command.stdout(fs::File::create(&to).expect("another"));
    assert!(command.status().expect("ssh").success(), "{}", log(&place));
    // All is written when the one who waits for it is told of the end.
    assert!(fs::read(&to).expect("what came") == input);
}

#[test]
fn a_connection_stays_for_a_while() {
    let place = Place::new();
    let options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=2"];
    let first = place.run(Ours, &options, "echo first; exit 3");
    assert_eq!((first.code(), first.text().as_str()), (Some(3), "first\n"), "{first}");
    let keeper = place.control(OpenSsh, "check", &[]);
    assert!(keeper.success(), "{keeper}");
    let accepted = || place.server.process.log().matches("Accepted publickey").count();
    let before = accepted();
    for who in [OpenSsh, Ours] {
        let later = place.run(who, &options, "echo later");
        assert_eq!(later.text(), "later\n", "{later}");
    }
    assert_eq!(accepted(), before);
    // Nobody may ask whether it is there: that would be a use.
    let until = Instant::now() + DEADLINE;
    while place.socket().exists() {
        assert!(Instant::now() < until, "the keeper stays");
        thread::sleep(Duration::from_millis(100));
    }
    let forever = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"];
    assert!(place.run(Ours, &forever, "true").success());
    assert!(place.control(Ours, "exit", &[]).success());
}

#[test]
fn dead_sockets_and_long_paths() {
    let place = Place::new();
    let options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"];
    drop(UnixListener::bind(place.socket()).expect("a socket"));
    let replaced = place.run(Ours, &options, "echo there");
    assert_eq!((replaced.text().as_str(), replaced.stderr.as_str()), ("there\n", ""));
    assert!(place.control(OpenSsh, "exit", &[]).success());
    place.wait_for(Ours, false);
    // Somebody listens who does not answer any more.
    let hung = UnixListener::bind(place.socket()).expect("a socket");
    let replaced = place.run(Ours, &options, "echo there");
    assert_eq!(replaced.text(), "there\n", "{replaced}");
    assert!(place.control(OpenSsh, "exit", &[]).success());
    drop(hung);
    place.wait_for(Ours, false);
    let long = format!("{}/{}", place.user.folder.path().display(), "x".repeat(200));
    let control_path = format!("ControlPath={long}");
    let run_long = |options: &[&str], remote: &str| {
        let mut command = place.user.ssh(&[&["-o", &control_path], options].concat());
        command.env("XDG_RUNTIME_DIR", place.user.folder.path()).arg(remote);
        run(&mut command, b"", DEADLINE)
    };
    let long_one = run_long(&options, "echo long");
    assert_eq!((long_one.text().as_str(), long_one.stderr.as_str()), ("long\n", ""));
    let told = run_long(&["-v"], "true");
    assert!(told.stderr.contains("is longer than the"), "{told}");
    assert!(told.stderr.contains("master session id"), "{told}");
    assert!(run_long(&["-O", "exit"], "").success());
}

#[test]
fn who_is_asked_decides() {
    let place = Place::new();
    let asked = place.user.path("asked");
    let askpass = place.user.path("askpass");
    let script = format!(
        "#!/bin/sh\necho \"$SSH_ASKPASS_PROMPT $1\" >> {}\ngrep -q yes {}\n",
        asked.display(),
        place.user.path("answer").display()
    );
    fs::write(&askpass, script).expect("askpass");
    fs::set_permissions(&askpass, fs::Permissions::from_mode(0o755)).expect("mode");
    let mut command = place.ssh(Ours, &["-M", "-M", "-N"]);
    command.env("SSH_ASKPASS", &askpass).env("SSH_ASKPASS_REQUIRE", "force");
    let _keeper = Running::start(&mut command, &place.user.path("keeper.log"));
    place.wait_for(OpenSsh, true);
    place.user.write("answer", "yes");
    for who in [Ours, OpenSsh] {
        assert_eq!(place.run(who, &[], "exit 5").code(), Some(5));
    }
    assert!(place.user.read("asked").contains("confirm Allow shared connection to 127.0.0.1? "));
    place.user.write("answer", "no");
    let refused = place.run(Ours, &[], "true");
    assert!(
        refused.stderr.contains("Master refused session request: Permission denied"),
        "{refused}"
    );
    let kept = place.control(OpenSsh, "exit", &[]);
    assert!(kept.stderr.contains("Permission denied"), "{kept}");
    place.wait_for(Ours, true);
}

#[test]
fn a_terminal_is_shared() {
    for [keeper, user] in PAIRS {
        let place = Place::new();
        let _kept = place.keep(keeper, &[]);
        let mut command = place.ssh(user, &["-tt", "-e", "~"]);
        command.arg("stty size; echo ready; cat");
        let mut terminal = Terminal::start(&command);
        terminal.expect("ready");
        terminal.type_keys("hello\r");
        terminal.expect("hello");
        terminal.type_keys("\r~.");
        terminal.expect("Shared connection to 127.0.0.1 closed.");
        assert!(place.control(user, "check", &[]).success(), "the others stay");
    }
}

#[test]
fn forwards_are_typed() {
    let place = Place::new();
    let port = free_port();
    let mut command = place.ssh(Ours, &["-tt", "-e", "~", "-o", "EnableEscapeCommandline=yes"]);
    command.arg("echo ready; cat");
    let mut terminal = Terminal::start(&command);
    terminal.expect("ready");
    terminal.type_keys("\r~C");
    terminal.expect("ssh> ");
    terminal.type_keys(&format!("-L {port}:127.0.0.1:{}\r", place.server.port));
    terminal.expect("Forwarding port.");
    assert_eq!(greeting(port).as_deref(), Some("SSH-2.0-"));
    terminal.type_keys(&format!("\r~C-KL {port}\r"));
    terminal.expect("Canceled forwarding.");
    assert!(
        TcpStream::connect(("127.0.0.1", port))
            .is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
    );
    terminal.type_keys("\r~C-KL 1\r");
    terminal.expect("Unknown port forwarding.");
    terminal.type_keys("\r~#");
    terminal.expect("The following connections are open:");
    terminal.type_keys("\r~.");
}

/// What Ansible 2.16 runs: a first command, a module on standard input, and one with a terminal.
#[test]
fn as_ansible_calls() {
    let place = Place::new();
    let call = |options: &[&str], remote: &str, input: &[u8]| {
        let mut command = keyway("ssh");
        command.args(["-F", "none", "-C"]);
        let mut list = vec![
            "ControlMaster=auto".to_owned(),
            "ControlPersist=60s".to_owned(),
            "StrictHostKeyChecking=no".to_owned(),
            format!("Port={}", place.server.port),
        ];
        let own = place.user.ssh(&[]);
        let known = own.get_args().filter_map(|word| word.to_str()).filter(|word| {
            word.starts_with("UserKnownHostsFile=") || word.starts_with("IdentityFile=")
        });
        list.extend(known.map(str::to_owned));
        list.extend([
            "KbdInteractiveAuthentication=no".to_owned(),
            "PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey".to_owned(),
            "PasswordAuthentication=no".to_owned(),
            format!("User=\"{}\"", place.server.user),
            "ConnectTimeout=10".to_owned(),
            format!("ControlPath=\"{}/.ansible-%C\"", place.user.folder.path().display()),
        ]);
        for option in &list {
            command.args(["-o", option]);
        }
        command.args(options).arg("127.0.0.1").arg(remote);
        run(&mut command, input, DEADLINE)
    };
    let home = call(&[], "/bin/sh -c 'echo ~ && sleep 0'", b"");
    assert!(home.success() && home.text().starts_with('/'), "{home}");
    let module = call(&[], "/bin/sh -c 'cat && sleep 0'", b"print('module')\n");
    assert_eq!(module.text(), "print('module')\n", "{module}");
    let with_terminal = call(&["-tt"], "/bin/sh -c 'tty >/dev/null && echo yes && sleep 0'", b"");
    assert!(with_terminal.text().contains("yes"), "{with_terminal}");
    let failed = call(&["-tt"], "/bin/sh -c 'exit 2'", b"");
    assert_eq!(failed.code(), Some(2), "{failed}");
    let accepted = place.server.process.log().matches("Accepted publickey").count();
    assert_eq!(accepted, 1, "{}", place.server.process.log());
    // As `meta: reset_connection` does.
    assert!(call(&["-O", "stop"], "", b"").success());
}

/// What VS Code runs: a shell fed from standard input, with a SOCKS forward, beside others.
#[test]
fn as_an_editor_calls() {
    let place = Place::new();
    let first = place.run(Ours, &["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"], "true");
    assert!(first.success(), "{first}");
    let port = free_port();
    let mut command = place.ssh(Ours, &["-T", "-D", &port.to_string(), "-o", "ConnectTimeout=15"]);
    let ended = run(command.arg("bash"), b"echo installed; uname -s; exit 0\n", DEADLINE);
    assert!(ended.success() && ended.text().starts_with("installed"), "{ended}");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "the keeper listens");
    // A tunnel alone waits for the connection to end, and starts nothing on the server.
    let other = free_port();
    let tunnel = format!("{other}:127.0.0.1:{}", place.server.port);
    let sessions = || place.server.process.log().matches("Starting session").count();
    let before = sessions();
    let mut alone = place.ssh(Ours, &["-f", "-N", "-L", &tunnel]);
    alone.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(alone.status().expect("ssh").success());
    assert_eq!(greeting(other).as_deref(), Some("SSH-2.0-"));
    assert_eq!(sessions(), before);
    assert!(place.control(Ours, "exit", &[]).success());
}
