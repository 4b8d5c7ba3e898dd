//! ssh_config and sshd_config.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use config::{
    AlgorithmLists, AlgorithmSet, ClientConfig, ClientContext, ClientSources, ConfigFiles,
    ConnectionInfo, Contents, Files, LocalUser, ServerConfig, ServerSources, Surroundings,
};

/// A machine on which every file is the input, so that Include and globs find
/// themselves again.
struct Machine<'a> {
    data: &'a [u8],
}

impl Files for Machine<'_> {
    fn read(&self, path: &Path) -> io::Result<Contents> {
        if path.to_string_lossy().contains("missing") {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Contents { bytes: self.data.to_vec(), owner: 0, mode: 0o600 })
    }

    fn list(&self, _folder: &Path) -> io::Result<Vec<String>> {
        Ok(vec!["config".to_owned(), "missing".to_owned()])
    }

    fn exists(&self, path: &Path) -> bool {
        !path.to_string_lossy().contains("missing")
    }
}

impl Surroundings for Machine<'_> {
    fn files(&self) -> &dyn Files {
        self
    }

    fn variable(&self, name: &str) -> Option<String> {
        name.len().is_multiple_of(2).then(|| "value".to_owned())
    }

    fn home_of(&self, user: &str) -> Option<PathBuf> {
        (user == "ann").then(|| PathBuf::from("/home/ann"))
    }

    fn run(&self, command: &str) -> Result<bool, String> {
        Ok(command.len().is_multiple_of(2))
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
    }

    fn sha1_hex(&self, _bytes: &[u8]) -> String {
        "da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned()
    }

    fn canonical_name(&self, host: &str) -> Option<String> {
        host.contains('.').then(|| host.to_owned())
    }
}

fn algorithms() -> AlgorithmLists {
    let set = |names: &[&str]| AlgorithmSet {
        defaults: names.iter().map(|name| (*name).to_owned()).collect(),
        supported: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    AlgorithmLists {
        ciphers: set(&["aes128-ctr", "aes128-gcm@openssh.com"]),
        macs: set(&["hmac-sha2-256", "hmac-sha1"]),
        key_exchanges: set(&["curve25519-sha256", "ecdh-sha2-nistp256"]),
        keys: set(&["ssh-ed25519", "rsa-sha2-512"]),
        ca_signatures: set(&["ssh-ed25519", "rsa-sha2-512"]),
    }
}

/// An ssh_config, for one host.
pub fn client(data: &[u8]) {
    let machine = Machine { data };
    let algorithms = algorithms();
    let context = ClientContext {
        host: "host.example.org",
        local_user: LocalUser {
            name: "ann".to_owned(),
            id: 1000,
            home: PathBuf::from("/home/ann"),
        },
        local_host: "here".to_owned(),
        command: Some("true"),
        version: "Keyway_0",
        algorithms: &algorithms,
        surroundings: &machine,
    };
    let sources = ClientSources {
        options: Vec::new(),
        files: ConfigFiles::File(PathBuf::from("/home/ann/config")),
    };
    if let Err(error) = ClientConfig::load(&sources, &context) {
        assert!(!error.to_string().is_empty());
    }
}

/// An sshd_config, for two connections.
pub fn server(data: &[u8]) {
    let machine = Machine { data };
    let sources =
        ServerSources { options: Vec::new(), file: Some(PathBuf::from("/etc/ssh/sshd_config")) };
    match ServerConfig::load(&sources, &machine, &algorithms()) {
        Ok(config) => {
            let groups = |_: &str| vec!["staff".to_owned()];
            for user in ["ann", "root"] {
                let connection = ConnectionInfo {
                    user: Some(user),
                    groups: Some(&groups),
                    host: Some("host.example.org"),
                    address: Some("192.0.2.1"),
                    local_address: Some("192.0.2.2"),
                    local_port: Some(22),
                    version: "Keyway_0",
                    ..ConnectionInfo::default()
                };
                let _ = config.effective(&connection);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Blocks, quotes, tokens, includes.
pub fn client_seeds() -> Vec<Vec<u8>> {
    [
        "Host *.example.org !bad\n\tUser ann\n\tPort=2222\n\tIdentityFile \"~/.ssh/id %h\"\n",
        "Match host host.example.org exec \"true %h\" user ann\n  ProxyJump a@b:22,c\n  LocalForward 8080 localhost:80\nMatch all\n  SendEnv LANG LC_*\n",
        "Include other missing*\nCiphers ^aes128-ctr\nMACs -hmac-*\nRekeyLimit 1G 1h\nCanonicalizeHostname yes\nCanonicalDomains example.org\nSetEnv A=b\n",
        "ControlPath ${HOME}/%C\nCertificateFile ~ann/x\nTunnel yes\nIPQoS af21 cs1\nVerifyHostKeyDNS ask\n# end\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Match blocks, lists, limits.
pub fn server_seeds() -> Vec<Vec<u8>> {
    [
        "Port 22\nListenAddress [::1]:2222\nHostKey /etc/ssh/key\nPermitRootLogin no\nAllowUsers ann bob@192.0.2.*\n",
        "Match user ann,root address 192.0.2.0/24\n\tForceCommand echo %u\n\tPermitOpen host:22 *:80\nMatch group staff\n  Banner none\n",
        "Subsystem sftp internal-sftp -l INFO\nMaxStartups 10:30:100\nRekeyLimit default 1h\nAuthenticationMethods publickey,password keyboard-interactive:pam\nAcceptEnv LANG\n",
        "Include missing.conf\nCiphers +aes128-ctr\nClientAliveInterval 1m30s\nSetEnv \"A=b c\"\nLogLevel DEBUG3\nPerSourcePenalties authfail:5s max:10m\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
