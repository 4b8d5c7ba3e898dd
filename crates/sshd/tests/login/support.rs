//! A server of our own in a folder of its own, and ways to log in to it.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The folder of one test: keys, configuration, log.
pub struct Folder {
    place: tempfile::TempDir,
    pub port: u16,
    pub user: String,
}

/// A running server. Ends with the value.
pub struct Server {
    pub folder: Folder,
    process: Child,
}

/// What a login came to.
pub struct Outcome {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let this = Folder { port: free_port(), user: own_name(), place: folder };
        this.keygen("host");
        this.keygen("user");
        this.authorize("", "user");
        let key = std::fs::read_to_string(this.path("host.pub")).unwrap();
        std::fs::write(this.path("known"), format!("[127.0.0.1]:{} {key}", this.port)).unwrap();
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn show(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes a key pair.
    pub fn keygen(&self, name: &str) {
        self.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
    }

    /// Lets a key in, with options.
    pub fn authorize(&self, options: &str, key: &str) {
        let public = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        std::fs::write(self.path("authorized"), format!("{options} {public}").trim_start())
            .unwrap();
    }

    /// Runs a program in the folder, which must succeed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output =
            Command::new(program).args(arguments).current_dir(self.place.path()).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Writes the configuration: what every test needs, with `more` before it.
    pub fn configure(&self, more: &str) {
        let mut text = format!("{more}\n");
        // A Match block has to be the last thing.
        let (global, matched) =
            text.split_once("Match ").map_or((text.as_str(), None), |(g, m)| (g, Some(m)));
        let mut all = global.to_owned();
        writeln!(all, "Port {}\nListenAddress 127.0.0.1", self.port).unwrap();
        for (keyword, name) in
            [("HostKey", "host"), ("PidFile", "pid"), ("AuthorizedKeysFile", "authorized")]
        {
            writeln!(all, "{keyword} {}", self.show(name)).unwrap();
        }
        all.push_str("StrictModes no\nLogLevel VERBOSE\nPerSourcePenalties no\nPrintMotd no\n");
        if let Some(matched) = matched {
            write!(all, "Match {matched}").unwrap();
        }
        text = all;
        std::fs::write(self.path("config"), text).unwrap();
    }

    /// The server program: this one, by another name.
    pub fn sshd(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        use std::os::unix::process::CommandExt;
        command.arg0("sshd").args(arguments).current_dir(self.place.path());
        command
    }

    /// A client of this folder's server.
    pub fn ssh(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
        let known = format!("UserKnownHostsFile={}", self.show("known"));
        command.args(["-o", &known, "-o", "UpdateHostKeys=no"]);
        command.args(["-p", &self.port.to_string(), "-i", &self.show("user")]);
        command.args(arguments).current_dir(self.place.path()).stdin(Stdio::null());
        command
    }

    pub fn target(&self) -> String {
        format!("{}@127.0.0.1", self.user)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits for a line in the log.
    pub fn wait_for(&self, text: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(text) {
            assert!(Instant::now() < until, "{text:?} is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Server {
    /// Starts a server with this much more in its configuration.
    pub fn start(more: &str) -> Server {
        let folder = Folder::new();
        folder.configure(more);
        Server::start_in(folder, &[], &[])
    }

    /// The same with a log of errors only, which `wait_for` cannot use.
    pub fn start_quiet(more: &str) -> Server {
        let folder = Folder::new();
        folder.configure(more);
        let process = folder.sshd(&["-D", "-f", "config", "-E", "log"]);
        let mut process = process;
        let process = process.stdin(Stdio::null()).spawn().unwrap();
        let server = Server { folder, process };
        wait_until("the listener", || {
            TcpStream::connect(("127.0.0.1", server.folder.port)).is_ok()
        });
        server
    }

    pub fn start_in(folder: Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut all = vec!["-D", "-f", "config", "-E", "log"];
        all.extend(arguments);
        let mut command = folder.sshd(&all);
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        Server::start_as(folder, command)
    }

    /// Starts a server by a command of the caller's, which logs to the folder's log.
    pub fn start_as(folder: Folder, mut command: Command) -> Server {
        let process = command.spawn().unwrap();
        let server = Server { folder, process };
        server.folder.wait_for("Server listening on");
        server
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the listener to end.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }

    /// Logs in and runs a command.
    pub fn login(&self, command: &str) -> Outcome {
        self.login_with(&[], command)
    }

    pub fn login_with(&self, options: &[&str], command: &str) -> Outcome {
        let target = self.folder.target();
        let mut arguments = options.to_vec();
        arguments.extend([target.as_str(), command]);
        outcome(self.folder.ssh(&arguments))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.pid().to_string()).stderr(Stdio::null()).status();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- log ---\n{}", self.folder.log());
        }
    }
}

/// A client that runs beside the test. Ends with the value.
pub struct Running(Child);

impl Running {
    pub fn start(mut command: Command) -> Running {
        Running(command.spawn().unwrap())
    }

    /// Starts a command that says something first, and waits for it.
    pub fn ready(mut command: Command) -> Running {
        use std::io::Read;
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut byte = [0];
        let said = child.stdout.as_mut().unwrap().read_exact(&mut byte);
        let running = Running(child);
        said.unwrap();
        running
    }

    pub fn of(child: Child) -> Running {
        Running(child)
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that is talked to: what it writes is waited for, and answered.
pub struct Talk {
    child: Child,
    seen: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Talk {
    pub fn start(mut command: Command) -> Talk {
        use std::io::Read;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut output = child.stdout.take().unwrap();
        let into = std::sync::Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut room) {
                into.lock().unwrap().extend_from_slice(&room[..count]);
            }
        });
        Talk { child, seen }
    }

    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    pub fn wait_for(&self, words: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.seen().contains(words) {
            assert!(Instant::now() < until, "{words:?} was not written:\n{}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn say(&mut self, text: &str) {
        use std::io::Write;
        // A program that asks for a password throws away what was typed before it was ready.
        std::thread::sleep(Duration::from_millis(100));
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The exit status and all that was written.
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        std::thread::sleep(Duration::from_millis(100));
        (code, self.seen())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a file to come or to go.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "{what}: not after 20 seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command to its end, but not for ever.
pub fn outcome(command: Command) -> Outcome {
    outcome_within(command, Duration::from_secs(60))
}

pub fn outcome_within(mut command: Command, time: Duration) -> Outcome {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if finished.recv_timeout(time).is_err() {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    drop(child.stdin.take());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let _ = done.send(());
    guard.join().unwrap();
    Outcome {
        status: status.code(),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Asserts that a login was refused.
#[track_caller]
pub fn assert_refused(outcome: &Outcome) {
    assert_eq!(outcome.status, Some(255), "{} {}", outcome.out, outcome.err);
}

/// This program, even when it has been built again since.
pub fn program() -> PathBuf {
    format!("/proc/{}/exe", std::process::id()).into()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn own_name() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A user of the system for one test. Goes with the value.
pub struct SystemUser {
    pub name: String,
}

impl SystemUser {
    /// With this password; nothing when this process may not make users.
    pub fn new(password: &str) -> Option<SystemUser> {
        if !is_root() || !Path::new("/usr/sbin/useradd").exists() {
            println!("(not root, or no useradd: left out)");
            return None;
        }
        let name = format!("kw{}x{}", std::process::id() % 100_000, free_port());
        let made = Command::new("/usr/sbin/useradd").args(["-m", "-s", "/bin/sh", &name]).status();
        assert!(made.unwrap().success());
        let user = SystemUser { name };
        let mut child = Command::new("/usr/sbin/chpasswd").stdin(Stdio::piped()).spawn().unwrap();
        use std::io::Write;
        let line = format!("{}:{password}\n", user.name);
        child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        Some(user)
    }

    /// Lets the folder's key in as this user, and returns the target to log in to.
    pub fn admit(&self, folder: &Folder) -> String {
        // The list of keys is read with the rights of whom it is for.
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path("."), open).unwrap();
        format!("{}@127.0.0.1", self.name)
    }

    /// A file of the user's own, by its path below the home directory.
    pub fn write(&self, name: &str, text: &str) {
        let path = Path::new("/home").join(&self.name).join(name);
        let own = |path: &Path| {
            let owner = format!("{0}:{0}", self.name);
            assert!(Command::new("chown").arg(owner).arg(path).status().unwrap().success());
        };
        let above = path.parent().unwrap();
        std::fs::create_dir_all(above).unwrap();
        own(above);
        std::fs::write(&path, text).unwrap();
        own(&path);
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(Path::new("/home").join(&self.name).join(name)).unwrap();
    }

    /// A login by password, typed by a program.
    pub fn login(&self, folder: &Folder, method: &str, password: &str, command: &str) -> Outcome {
        outcome(self.by_password(folder, method, password, &[], command))
    }

    /// The client of such a login; a shell when there is no command.
    pub fn by_password(
        &self,
        folder: &Folder,
        method: &str,
        password: &str,
        options: &[&str],
        command: &str,
    ) -> Command {
        let asker = folder.path("asker");
        std::fs::write(&asker, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&asker, std::fs::Permissions::from_mode(0o700)).unwrap();
        let target = format!("{}@127.0.0.1", self.name);
        let preferred = format!("PreferredAuthentications={method}");
        let mut arguments = vec!["-o", "NumberOfPasswordPrompts=1", "-o", &preferred];
        arguments.extend(options);
        arguments.push(&target);
        if !command.is_empty() {
            arguments.push(command);
        }
        let ssh = folder.ssh(&arguments);
        // The first of two values counts.
        let arguments: Vec<_> = ssh.get_args().map(ToOwned::to_owned).collect();
        let mut again = Command::new("setsid");
        again.args(["ssh", "-o", "BatchMode=no"]).args(arguments);
        again.current_dir(folder.path(".")).stdin(Stdio::null());
        again.envs([("SSH_ASKPASS_REQUIRE", "force")]).env("SSH_ASKPASS", asker);
        again
    }
}

impl Drop for SystemUser {
    fn drop(&mut self) {
        // Its processes may take a moment to end.
        for _ in 0..20 {
            let gone = Command::new("/usr/sbin/userdel")
                .args(["-r", &self.name])
                .stderr(Stdio::null())
                .status();
            if gone.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
