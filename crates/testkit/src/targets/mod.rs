//! What the fuzzer runs: one plain function for each parser that reads what a
//! stranger wrote, and the engine before and after a login.
//!
//! The functions take bytes and must come back: no panic, no endless loop, no
//! memory without bounds. `fuzz/` calls them from libFuzzer; the test
//! `mutations` calls them on every machine with seeded noise.

mod configuration;
mod engine;
mod key_formats;
mod rogue;
mod sftp_talk;
mod text_files;
mod trust_files;
mod wire_types;

/// One thing to fuzz.
pub struct Target {
    /// Its name, which the fuzz target's file has too.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Good inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Everything there is to fuzz.
pub static TARGETS: &[Target] = &[
    Target { name: "wire", run: wire_types::run, seeds: wire_types::seeds },
    Target {
        name: "public_key",
        run: key_formats::public_key,
        seeds: key_formats::public_key_seeds,
    },
    Target {
        name: "private_key",
        run: key_formats::private_key,
        seeds: key_formats::private_key_seeds,
    },
    Target {
        name: "certificate",
        run: key_formats::certificate,
        seeds: key_formats::certificate_seeds,
    },
    Target { name: "agent", run: key_formats::agent, seeds: key_formats::agent_seeds },
    Target {
        name: "known_hosts",
        run: text_files::known_hosts,
        seeds: text_files::known_hosts_seeds,
    },
    Target {
        name: "authorized_keys",
        run: text_files::authorized_keys,
        seeds: text_files::authorized_keys_seeds,
    },
    Target {
        name: "signature_file",
        run: trust_files::signature,
        seeds: trust_files::signature_seeds,
    },
    Target {
        name: "allowed_signers",
        run: trust_files::signers,
        seeds: trust_files::signers_seeds,
    },
    Target { name: "revoked_keys", run: trust_files::revoked, seeds: trust_files::revoked_seeds },
    Target { name: "ssh_config", run: configuration::client, seeds: configuration::client_seeds },
    Target { name: "sshd_config", run: configuration::server, seeds: configuration::server_seeds },
    Target { name: "server_clear", run: engine::server_clear, seeds: engine::server_clear_seeds },
    Target { name: "client_clear", run: engine::client_clear, seeds: engine::client_clear_seeds },
    Target { name: "server_login", run: engine::server_login, seeds: engine::server_login_seeds },
    Target { name: "sftp_server", run: sftp_talk::server, seeds: sftp_talk::server_seeds },
    Target { name: "sftp_client", run: sftp_talk::client, seeds: sftp_talk::client_seeds },
    Target { name: "client_login", run: engine::client_login, seeds: engine::client_login_seeds },
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, or when the target finds a bug.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no fuzz target {name}"));
    (target.run)(data);
}
