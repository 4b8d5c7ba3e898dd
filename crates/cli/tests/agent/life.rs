//! How an agent starts, what it tells the shell, and how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keyway_testkit::process::{DEADLINE, Finished, run};
use keyway_testkit::{Running, not_run};
use rustix::process::{Pid, Signal};

use crate::{Agent, keyway, wait_for, write_askpass};

fn agent(home: &Path, words: &[&str]) -> Finished {
    run(keyway("ssh-agent").env("HOME", home).env("SHELL", "/bin/sh").args(words), b"", DEADLINE)
}

fn is_alive(pid: &str) -> bool {
    let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::test_kill_process(pid).is_ok()
}

/// Socket and pid out of what `-s` prints.
fn parse(text: &str) -> (String, String) {
    let value = |name: &str| {
        let rest = text.split_once(&format!("{name}=")).expect(name).1;
        rest.split_once(';').expect("an end").0.to_owned()
    };
    (value("SSH_AUTH_SOCK"), value("SSH_AGENT_PID"))
}

#[test]
fn starts_and_is_killed() {
    let home = tempfile::tempdir().expect("temporary folder");
    let started = agent(home.path(), &["-s"]);
    let (socket, pid) = parse(&started.text());
    assert_eq!(
        started.text(),
        format!(
            "SSH_AUTH_SOCK={socket}; export SSH_AUTH_SOCK;\n\
             SSH_AGENT_PID={pid}; export SSH_AGENT_PID;\necho Agent pid {pid};\n"
        )
    );
    let folder = home.path().join(".ssh/agent");
    let name = Path::new(&socket).strip_prefix(&folder).expect("under ~/.ssh/agent");
    let parts: Vec<&str> = name.to_str().expect("a name").split('.').collect();
    assert!(
        matches!(parts[..], ["s", a, "agent", b] if a.len() == 10 && b.len() == 10),
        "{name:?}"
    );
    assert_eq!(fs::metadata(&folder).expect("folder").permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&socket).expect("socket").permissions().mode() & 0o777, 0o600);
    let mut kill = keyway("ssh-agent");
    let killed = run(kill.args(["-k", "-c"]).env("SSH_AGENT_PID", &pid), b"", DEADLINE);
    assert_eq!(
        killed.text(),
        format!("unsetenv SSH_AUTH_SOCK;\nunsetenv SSH_AGENT_PID;\necho Agent pid {pid} killed;\n")
    );
    wait_for(|| !Path::new(&socket).exists());
    let nobody = agent(home.path(), &["-k"]);
    assert_eq!(nobody.stderr.trim(), "SSH_AGENT_PID not set, cannot kill agent");
    assert_eq!(nobody.code(), Some(1));
}

#[test]
fn lives_as_long_as_its_command() {
    let home = tempfile::tempdir().expect("temporary folder");
    for place in [&[][..], &["-T"]] {
        let script = "echo \"$SSH_AUTH_SOCK $SSH_AGENT_PID\"; test -S \"$SSH_AUTH_SOCK\"";
        let words = [place, &["sh", "-c", script]].concat();
        let ran = agent(home.path(), &words);
        assert!(ran.success(), "{ran}");
        let text = ran.text();
        let (socket, pid) = text.trim().split_once(' ').expect("two words");
        wait_for(|| !is_alive(pid) && !Path::new(socket).exists());
        if !place.is_empty() {
            assert!(!Path::new(socket).parent().expect("a folder").exists());
        }
    }
    let missing = agent(home.path(), &["/no/such/program"]);
    assert_eq!(
        (missing.code(), missing.stderr.trim()),
        (Some(1), "/no/such/program: No such file or directory")
    );
}

#[test]
fn signals() {
    let mut agent = Agent::start();
    agent.make_key("key", "");
    assert!(agent.ssh_add(&["key"]).success());
    agent.process.signal(Signal::USR1);
    wait_for(|| agent.ssh_add(&["-l"]).code() == Some(1));
    agent.process.signal(Signal::TERM);
    let status = agent.process.wait(DEADLINE).expect("it ends");
    assert_eq!(status.code(), Some(2));
    assert!(!agent.socket().exists());
}

#[test]
fn dead_sockets_are_removed() {
    let home = tempfile::tempdir().expect("temporary folder");
    let (living, pid) = parse(&agent(home.path(), &["-s"]).text());
    let folder = Path::new(&living).parent().expect("a folder");
    let prefix = living.rsplit_once(".agent.").expect("its form").0;
    let dead = format!("{prefix}.agent.dead");
    let foreign = folder.join("s.otherhost0.agent.dead");
    let young = format!("{prefix}.sshd.young");
    for path in [Path::new(&dead), &foreign, Path::new(&young)] {
        drop(UnixListener::bind(path).expect("bind"));
    }
    for path in [Path::new(&living), Path::new(&dead), &foreign] {
        let touched =
            run(Command::new("touch").args(["-h", "-d", "2 hours ago"]).arg(path), b"", DEADLINE);
        assert!(touched.success(), "{touched}");
    }
    assert!(agent(home.path(), &["-u"]).success());
    let exist = |path: &Path| fs::symlink_metadata(path).is_ok();
    assert!(exist(Path::new(&living)) && exist(&foreign) && exist(Path::new(&young)));
    assert!(!exist(Path::new(&dead)));
    assert!(agent(home.path(), &["-uu"]).success());
    assert!(!exist(&foreign) && exist(Path::new(&living)));
    let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, Signal::TERM).expect("kill");
}

#[test]
fn takes_the_socket_of_a_service_manager() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("bind");
    // What a service manager does, in a shell: descriptor 3, and who is meant.
    let script = "exec 3<&0 < /dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_keyway"), "ssh-agent", "-D"]);
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)));
    let mut agent = command.env("HOME", folder.path()).spawn().expect("start");
    let listed = run(keyway("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &path), b"", DEADLINE);
    assert_eq!(listed.text(), "The agent has no identities.\n", "{listed}");
    let pid = i32::try_from(agent.id()).ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, Signal::TERM).expect("kill");
    assert_eq!(agent.wait().expect("wait").code(), Some(2));
    assert!(path.exists(), "the socket is the service manager's");
    assert!(!folder.path().join(".ssh").exists());
}

#[test]
fn consent_is_asked_for_without_keeping_others_waiting() {
    let agent = Agent::with(|command, folder| {
        let askpass = folder.join("askpass");
        // Waits for a person, who is slow.
        write_askpass(
            &askpass,
            "cd \"$(dirname \"$0\")\"; echo \"$SSH_ASKPASS_PROMPT $1\" >> asked\n\
             while [ ! -e answer ]; do sleep 0.05; done\n\
             grep -q yes answer",
        );
        command.env("SSH_ASKPASS", &askpass).env("SSH_ASKPASS_REQUIRE", "force");
    });
    agent.make_key("key", "");
    assert!(agent.ssh_add(&["-c", "key"]).success());
    let (tested, answer) = (agent.path("key.pub"), agent.path("answer"));
    for (text, code) in [("yes", 0), ("no", 1)] {
        let _ = fs::remove_file(&answer);
        let _ = fs::remove_file(agent.path("asked"));
        let mut command = agent.tool(keyway("ssh-add"));
        let mut test = command.arg("-T").arg(&tested).stderr(Stdio::null()).spawn().expect("start");
        wait_for(|| agent.path("asked").exists());
        let before = Instant::now();
        assert!(agent.ssh_add(&["-l"]).success());
        assert!(before.elapsed() < Duration::from_secs(5));
        assert!(test.try_wait().expect("wait").is_none(), "it has not been allowed yet");
        fs::write(&answer, text).expect("write");
        assert_eq!(test.wait().expect("wait").code(), Some(code), "{text}");
    }
    // Who hangs up takes the question along: the next one can be asked.
    for _ in 0..2 {
        let _ = fs::remove_file(&answer);
        let _ = fs::remove_file(agent.path("asked"));
        let mut command = agent.tool(keyway("ssh-add"));
        let mut test = command.arg("-T").arg(&tested).stderr(Stdio::null()).spawn().expect("start");
        wait_for(|| agent.path("asked").exists());
        test.kill().expect("kill");
        test.wait().expect("wait");
    }
    let asked = fs::read_to_string(agent.path("asked")).expect("asked");
    assert!(
        asked.starts_with("confirm Allow use of key made here?\nKey fingerprint SHA256:"),
        "{asked}"
    );
}

#[test]
fn other_users_are_turned_away() {
    if !rustix::process::geteuid().is_root() {
        return not_run("other_users_are_turned_away", "only root can be two others");
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    };
    open(folder.path(), 0o777);
    let program = folder.path().join("keyway");
    fs::copy(env!("CARGO_BIN_EXE_keyway"), &program).expect("copy");
    open(&program, 0o755);
    let socket = folder.path().join("socket");
    let by = |uid: &str, words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", uid, "--regid", "65534", "--clear-groups"]);
        command.arg(&program).args(words).env("SSH_AUTH_SOCK", &socket);
        command
    };
    let mut command = by("65533", &["ssh-agent", "-D", "-a", socket.to_str().expect("a path")]);
    let _agent = Running::start(&mut command, &folder.path().join("log"));
    wait_for(|| UnixStream::connect(&socket).is_ok());
    open(&socket, 0o666);
    let list = |uid| run(&mut by(uid, &["ssh-add", "-l"]), b"", DEADLINE).code();
    assert_eq!(list("65533"), Some(1));
    let told = run(&mut by("65532", &["ssh-add", "-l"]), b"", DEADLINE);
    assert!(!told.text().contains("no identities"), "{told}");
}

#[test]
fn enabled_without_a_service_manager_it_says_so() {
    let home = tempfile::tempdir().expect("temporary folder");
    let service = |word: &str| {
        let mut command = keyway("agent");
        command.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME").env("PATH", "/nonexistent");
        run(command.arg(word), b"", DEADLINE)
    };
    let enabled = service("enable");
    assert!(enabled.success() && enabled.text().contains("not started now: "), "{enabled}");
    assert!(enabled.text().contains("export SSH_AUTH_SOCK="), "{enabled}");
    let disabled = service("disable");
    assert!(disabled.success() && disabled.text().contains("removed "), "{disabled}");
    assert!(service("disable").text().contains("it was not enabled"));
    assert_eq!(service("what").code(), Some(2));
}
