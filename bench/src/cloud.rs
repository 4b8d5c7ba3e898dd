//! The panel with this machine as its cloud: how soon servers are there, what they cost, and how
//! many there can be at once. In a network of its own, so as root only.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::report::{Table, median_time, milliseconds};
use crate::{Effort, proc};

/// The word that this program is called with in the network of its own.
pub const INSIDE: &str = "cloud-inside";
const LISTEN: &str = "127.0.0.1:18080";
const PAGES_TIME: Duration = Duration::from_secs(3);

/// Calls this program again in a network of its own, and gives what it printed.
pub fn section(effort: &Effort) -> String {
    let title = "\n### Servers of the panel's own\n\n";
    match tables(effort) {
        Ok(text) => text,
        Err(reason) => format!("{title}Not measured: {reason}.\n"),
    }
}

fn tables(effort: &Effort) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let id = Command::new("id").arg("-u").output().map_err(|error| error.to_string())?;
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return Err("only root makes networks; `sudo make bench ARGS=cloud`".to_owned());
    }
    let panel = panel(&own)?;
    let output = Command::new("unshare")
        .args(["--net", "--mount"])
        .args([&own, Path::new(INSIDE), &panel, keyway_testkit::program::keyway()])
        .args([effort.servers, effort.servers_at_once].map(|number| number.to_string()))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("it failed ({})", output.status))
}

/// The program, by `KEYWAY_PANEL`, or built beside this one.
fn panel(own: &Path) -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("KEYWAY_PANEL") {
        return Ok(PathBuf::from(given));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built =
        Command::new(cargo).args(["build", "-q", "--release", "-p", "keyway-panel"]).status();
    let beside = own.with_file_name("keyway-panel");
    if built.is_ok_and(|status| status.success()) && beside.exists() {
        return Ok(beside);
    }
    Err("keyway-panel could not be built; name one by KEYWAY_PANEL".to_owned())
}

/// What is done in the network of its own.
///
/// # Errors
/// Why nothing was measured.
pub fn inside(words: &[String]) -> Result<String, String> {
    let [panel, keyway, servers, at_once] = words else {
        return Err("called by the section cloud only".to_owned());
    };
    let number = |text: &String| text.parse::<usize>().map_err(|error| error.to_string());
    let (servers, at_once) = (number(servers)?, number(at_once)?);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut run = Run { folder, panel: panel.into(), keyway: keyway.into(), child: None };
    done(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    let key = run.path("key");
    done(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
    // The first start makes the store.
    run.start()?;
    let mut start_ups = Vec::new();
    for _ in 0..5 {
        run.end();
        start_ups.push(run.start()?);
    }
    run.order(&["key", "add", "key", &format!("{}.pub", key.display())])?;

    let mut table = Table::new("Servers of the panel's own", &["what", "figure"]);
    let mut row = |what: String, figure: String| table.row(&[what, figure]);
    row(
        "panel started until it answers, median of 5".into(),
        milliseconds(median_time(&start_ups)),
    );
    row("log-in pages a second on one connection".into(), format!("{:.0}", pages()?));
    one_by_one(&run, servers, &mut row)?;
    all_at_once(&run, at_once, &mut row)?;
    row("memory of the panel at the end".into(), run.memory_of_panel());
    run.end();
    Ok(table.finish(
        "Release builds; servers from the image this-system, each with a network, user ids and \
         control groups of its own; logins by the machine's ssh. Memory is the proportional set \
         size of all of a server's processes, its shim included.",
    ))
}

type Row<'a> = &'a mut dyn FnMut(String, String);

fn one_by_one(run: &Run, count: usize, row: Row<'_>) -> Result<(), String> {
    let (mut logins, mut deletions) = (Vec::new(), Vec::new());
    for number in 0..count {
        let began = Instant::now();
        let address = run.create(&format!("one{number}"))?;
        run.login(&address)?;
        logins.push(began.elapsed());
    }
    // In quiet moments they give memory back.
    std::thread::sleep(Duration::from_secs(5));
    let memory: u64 = shims().into_iter().flat_map(proc::tree).filter_map(proc::pss_kib).sum();
    for number in 0..count {
        let began = Instant::now();
        run.order(&["server", "delete", &format!("one{number}")])?;
        deletions.push(began.elapsed());
    }
    row(
        format!("asked for until the first login has ended, median of {count}"),
        milliseconds(median_time(&logins)),
    );
    row(format!("deleted, median of {count}"), milliseconds(median_time(&deletions)));
    row("memory of an idle server".into(), format!("{} KiB", memory / count.max(1) as u64));
    Ok(())
}

fn all_at_once(run: &Run, count: usize, row: Row<'_>) -> Result<(), String> {
    let began = Instant::now();
    let mut asked = Vec::new();
    for number in 0..count {
        let words = ["server", "create", &format!("all{number}"), "--key", "key"];
        asked.push(run.command(&words).stdout(Stdio::piped()).spawn().map_err(text)?);
    }
    let mut addresses = Vec::new();
    for child in asked {
        addresses.push(address(&child.wait_with_output().map_err(text)?)?);
    }
    let active = began.elapsed();
    for address in &addresses {
        run.login(address)?;
    }
    let logged_in = began.elapsed();
    let began = Instant::now();
    let mut deleted = Vec::new();
    for number in 0..count {
        let words = ["server", "delete", &format!("all{number}")];
        deleted.push(run.command(&words).spawn().map_err(text)?);
    }
    for mut child in deleted {
        if !child.wait().map_err(text)?.success() {
            return Err("a server was not deleted".to_owned());
        }
    }
    let gone = began.elapsed();
    let left = shims().len() + run.order(&["server", "list"])?.lines().count();
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    row(format!("{count} asked for at once, all running"), seconds(active));
    row(
        format!("{count} logged in to, one after the other"),
        seconds(logged_in.saturating_sub(active)),
    );
    row(format!("{count} deleted at once"), seconds(gone));
    row("of these left".into(), left.to_string());
    Ok(())
}

/// How many answers one connection gives.
fn pages() -> Result<f64, String> {
    let mut stream = TcpStream::connect(LISTEN).map_err(text)?;
    let request = format!("GET /login HTTP/1.1\r\nHost: {LISTEN}\r\n\r\n");
    let began = Instant::now();
    let mut count = 0_u32;
    let mut buffer = Vec::new();
    while began.elapsed() < PAGES_TIME {
        stream.write_all(request.as_bytes()).map_err(text)?;
        if !answer(&mut stream, &mut buffer).map_err(text)?.starts_with(b"HTTP/1.1 200") {
            return Err("the log-in page was not given".to_owned());
        }
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// One answer, whole.
fn answer<'a>(stream: &mut TcpStream, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    buffer.clear();
    let mut piece = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut piece)?;
        buffer.extend_from_slice(piece.get(..length).unwrap_or_default());
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        let whole = head.is_some_and(|head| {
            let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
            let said = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let said = said.and_then(|length| length.trim().parse::<usize>().ok());
            said.is_some_and(|length| buffer.len() >= head + 4 + length)
        });
        if whole || length == 0 {
            return Ok(buffer);
        }
    }
}

struct Run {
    folder: tempfile::TempDir,
    panel: PathBuf,
    keyway: PathBuf,
    child: Option<Child>,
}

impl Run {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.panel);
        command.arg("--state").arg(self.path("state")).args(words).stdout(Stdio::null());
        command
    }

    /// The result is how long it took until it answered.
    fn start(&mut self) -> Result<Duration, String> {
        let log = File::create(self.path("log")).map_err(text)?;
        let began = Instant::now();
        let mut command = self.command(&["--listen", LISTEN, "--keyway"]);
        command.arg(&self.keyway).stdout(log.try_clone().map_err(text)?).stderr(log);
        self.child = Some(command.spawn().map_err(text)?);
        while TcpStream::connect(LISTEN).is_err() || !self.path("state/orders.sock").exists() {
            if began.elapsed() > Duration::from_secs(60) {
                return Err(fs::read_to_string(self.path("log")).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(began.elapsed())
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    fn order(&self, words: &[&str]) -> Result<String, String> {
        let output = self.command(words).stdout(Stdio::piped()).output().map_err(text)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn create(&self, name: &str) -> Result<String, String> {
        let words = ["server", "create", name, "--key", "key"];
        address(&self.command(&words).stdout(Stdio::piped()).output().map_err(text)?)
    }

    fn login(&self, address: &str) -> Result<(), String> {
        done(
            Command::new("/usr/bin/ssh")
                .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
                .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i"])
                .arg(self.path("key"))
                .args([&format!("root@{address}"), "true"]),
        )
    }

    fn memory_of_panel(&self) -> String {
        let id = self.child.as_ref().map(Child::id);
        format!("{} KiB", id.and_then(proc::pss_kib).unwrap_or_default())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for line in self.order(&["server", "list"]).unwrap_or_default().lines() {
            if let Some(name) = line.split(' ').nth(1) {
                let _ = self.order(&["server", "delete", name]);
            }
        }
        self.end();
    }
}

/// The processes that hold this panel's servers: those of its own network.
fn shims() -> Vec<u32> {
    let network = fs::read_link("/proc/self/ns/net").ok();
    let is_shim = |id: &u32| {
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).nth(1) == Some(b"shim")
            && fs::read_link(format!("/proc/{id}/ns/net")).ok() == network
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(is_shim).collect()
}

/// The address in what a server's creation printed.
fn address(output: &Output) -> Result<String, String> {
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().next().and_then(|line| line.split(' ').nth(3)).map(str::to_owned);
    found.ok_or_else(|| format!("no server: {}", String::from_utf8_lossy(&output.stderr)))
}

fn done(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", command.get_program().display())),
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}
