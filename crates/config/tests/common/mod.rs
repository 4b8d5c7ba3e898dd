//! A machine that exists only in memory, and the algorithm names that OpenSSH prints.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_config::{
    AlgorithmLists, AlgorithmSet, ClientConfig, ClientContext, ClientSources, CommandLineOption,
    ConfigFiles, Contents, Error, Files, LocalUser, Surroundings,
};

#[derive(Default)]
pub struct Memory {
    pub files: BTreeMap<PathBuf, String>,
    pub mode: u32,
    pub variables: BTreeMap<String, String>,
    pub names: BTreeMap<String, String>,
    pub addresses: Vec<IpAddr>,
}

impl Memory {
    pub fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> std::io::Result<Contents> {
        let text = self.files.get(path).ok_or(std::io::ErrorKind::NotFound)?;
        Ok(Contents { bytes: text.clone().into_bytes(), owner: 1000, mode: self.mode })
    }

    fn list(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        let inside = self.files.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}

impl Surroundings for Memory {
    fn files(&self) -> &dyn Files {
        self
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn home_of(&self, user: &str) -> Option<PathBuf> {
        (user == "bob").then(|| "/home/bob".into())
    }

    fn run(&self, command: &str) -> Result<bool, String> {
        Ok(command.starts_with("true"))
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }

    fn sha1_hex(&self, bytes: &[u8]) -> String {
        format!("<{}>", String::from_utf8_lossy(bytes))
    }

    fn canonical_name(&self, host: &str) -> Option<String> {
        self.names.get(host.trim_end_matches('.')).cloned()
    }
}

/// Loads `~/.ssh/config` of a machine for a host.
pub fn load(machine: &Memory, host: &str, options: &[&str]) -> Result<ClientConfig, Error> {
    let options = options.iter().map(|text| CommandLineOption::Option((*text).to_owned()));
    let sources = ClientSources { options: options.collect(), files: ConfigFiles::Standard };
    load_from(machine, host, &sources)
}

pub fn load_from(
    machine: &dyn Surroundings,
    host: &str,
    sources: &ClientSources,
) -> Result<ClientConfig, Error> {
    let algorithms = algorithms();
    ClientConfig::load(sources, &context(machine, host, &algorithms))
}

/// Loads `~/.ssh/config` and tells what became of every line.
pub fn load_traced(machine: &Memory, host: &str) -> (ClientConfig, Vec<keyway_config::Step>) {
    let algorithms = algorithms();
    let sources = ClientSources { options: Vec::new(), files: ConfigFiles::Standard };
    ClientConfig::load_traced(&sources, &context(machine, host, &algorithms)).unwrap()
}

fn context<'a>(
    machine: &'a dyn Surroundings,
    host: &'a str,
    algorithms: &'a AlgorithmLists,
) -> ClientContext<'a> {
    ClientContext {
        host,
        local_user: LocalUser { name: "ann".to_owned(), id: 1000, home: "/home/ann".into() },
        local_host: "desk.example.org".to_owned(),
        command: None,
        version: "Keyway_0.1",
        algorithms,
        surroundings: machine,
    }
}

pub fn text(machine: &Memory, config: &str) -> Result<ClientConfig, Error> {
    let machine = Memory {
        files: [(PathBuf::from("/home/ann/.ssh/config"), config.to_owned())].into(),
        variables: machine.variables.clone(),
        names: machine.names.clone(),
        addresses: machine.addresses.clone(),
        mode: machine.mode,
    };
    load(&machine, "target", &[])
}

pub fn set(defaults: &str, more: &str) -> AlgorithmSet {
    let defaults: Vec<String> = defaults.split(',').map(str::to_owned).collect();
    let mut supported = defaults.clone();
    supported.extend(more.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
    AlgorithmSet { defaults, supported }
}

pub fn algorithms() -> AlgorithmLists {
    AlgorithmLists {
        ciphers: set("chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr", "aes128-cbc"),
        macs: set("hmac-sha2-256,hmac-sha2-512", "hmac-sha1"),
        key_exchanges: set("curve25519-sha256,ecdh-sha2-nistp256", ""),
        keys: set("ssh-ed25519,rsa-sha2-512,rsa-sha2-256", "ssh-rsa"),
        ca_signatures: set("ssh-ed25519,rsa-sha2-512", ""),
    }
}

/// The names that an installed OpenSSH has by default, taken from its own dump.
pub fn algorithms_of(dump: &str) -> AlgorithmLists {
    let list = |name: &str| {
        let line = dump.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        set(line.trim(), "aes128-cbc,ssh-rsa,hmac-md5")
    };
    AlgorithmLists {
        ciphers: list("ciphers "),
        macs: list("macs "),
        key_exchanges: list("kexalgorithms "),
        keys: list("hostkeyalgorithms "),
        ca_signatures: list("casignaturealgorithms "),
    }
}

/// What a command prints, if it is installed; errors too.
pub fn run(command: &str, arguments: &[&str]) -> Option<String> {
    if !Path::new(command).exists() {
        return None;
    }
    let output = Command::new(command).args(arguments).output().ok()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    // What is said besides is about the terminal or what else there is on this machine.
    let relevant = |line: &&str| !output.status.success() || line.contains(" option ");
    text.extend(complaints.lines().filter(relevant).map(|line| format!("{line}\n")));
    Some(text)
}

/// Numbers that look random and are the same each time (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// A file of the corpus, and for whom it is to be read: lines that start with `#!`.
pub struct Case {
    pub name: String,
    pub text: String,
    pub runs: Vec<Vec<String>>,
}

/// Every file of `tests/corpus/SIDE`, in order of their names.
pub fn corpus(side: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(side);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let runs = text.lines().filter_map(|line| line.strip_prefix("#!"));
        let words = |line: &str| parse_words(line.trim());
        Case {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            runs: runs.map(words).collect(),
            text,
        }
    };
    paths.into_iter().map(case).collect()
}

/// Words at spaces, with double quotes.
fn parse_words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// SHA-1 (RFC 3174), which `%C` is made of.
#[allow(clippy::many_single_char_names, clippy::format_collect, reason = "as in the RFC")]
pub fn sha1_hex(bytes: &[u8]) -> String {
    let mut message = bytes.to_vec();
    message.push(0x80);
    message.resize((message.len() + 8).next_multiple_of(64) - 8, 0);
    message.extend((bytes.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in message.chunks_exact(64) {
        let mut words: Vec<u32> =
            block.chunks_exact(4).map(|w| u32::from_be_bytes(w.try_into().unwrap())).collect();
        for t in 16..80 {
            words
                .push((words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (t, word) in words.iter().enumerate() {
            let (f, k) = match t / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = [a.rotate_left(5), f, e, k, *word];
            let next = next.into_iter().fold(0, u32::wrapping_add);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(value);
        }
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}
