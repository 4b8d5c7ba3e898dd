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
        self.names.get(host).cloned()
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
    let context = ClientContext {
        host,
        local_user: LocalUser { name: "ann".to_owned(), id: 1000, home: "/home/ann".into() },
        local_host: "desk.example.org".to_owned(),
        command: None,
        version: "Keyway_0.1",
        algorithms: &algorithms,
        surroundings: machine,
    };
    ClientConfig::load(sources, &context)
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
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
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
