//! What to propose to the server, and what of its answer is worth remembering.

use config::ClientConfig;
use crypto::tables::{self, KexKind};
use proto::{Compression, Config, Proposal};

use super::host_keys::HostKeys;
use super::memory::Remembered;

/// The engine's settings for one connection.
pub fn engine_config(
    config: &ClientConfig,
    host_keys: &HostKeys,
    remembered: Option<&Remembered>,
) -> Config {
    let mut engine = Config::client();
    crate::VERSION.clone_into(&mut engine.software_version);
    if let Some(addendum) = config.version_addendum.as_deref().filter(|text| !text.is_empty()) {
        engine.software_version.push(' ');
        engine.software_version.push_str(addendum);
    }
    engine.kex_algorithms.clone_from(&config.kex_algorithms);
    engine.host_key_algorithms = host_keys.ordered_algorithms();
    engine.ciphers.clone_from(&config.ciphers);
    engine.macs.clone_from(&config.macs);
    engine.compression = if *config.compression { Compression::Yes } else { Compression::No };
    engine.rekey_bytes = config.rekey_limit.bytes;
    engine.rekey_after = config.rekey_limit.interval;
    engine.min_rsa_bits = *config.required_rsa_size;
    if let Some(remembered) = remembered {
        guess(&mut engine, config, host_keys, remembered);
    }
    engine
}

/// Lists first what the server listed first, so that the first packet of the key exchange can go
/// out before its answer (RFC 4253 §7.1). An order that the user chose is not changed.
fn guess(
    engine: &mut Config,
    config: &ClientConfig,
    host_keys: &HostKeys,
    remembered: &Remembered,
) {
    let (Some(kex), Some(host_key)) = (&remembered.kex, &remembered.host_key) else { return };
    let kex_free = !config.kex_algorithms.is_set();
    let key_free = !config.host_key_algorithms.is_set() && host_keys.knows_key_for(host_key);
    let (Some(kex_list), Some(key_list)) = (
        with_first(&engine.kex_algorithms, kex, kex_free),
        with_first(&engine.host_key_algorithms, host_key, key_free),
    ) else {
        return;
    };
    engine.kex_algorithms = kex_list;
    engine.host_key_algorithms = key_list;
    engine.guess_kex = true;
}

/// The list with `name` in front, if it is in the list and may be moved there.
fn with_first(list: &[String], name: &str, may_move: bool) -> Option<Vec<String>> {
    let at = list.iter().position(|one| one == name)?;
    if at > 0 && !may_move {
        return None;
    }
    let mut moved = list.to_vec();
    moved[..=at].rotate_right(1);
    Some(moved)
}

/// What a later login to this server can start from.
///
/// A key exchange is only remembered when it is both what this configuration prefers and what the
/// server lists first: a guess must never win over something better.
pub fn worth_remembering(config: &ClientConfig, ident: &str, proposal: &Proposal) -> Remembered {
    let theirs = &proposal.kex_algorithms;
    let best = config.kex_algorithms.iter().find(|name| theirs.contains(*name));
    let kex = best.filter(|name| theirs.first() == Some(*name) && is_fixed(name)).cloned();
    let host_key = proposal
        .server_host_key_algorithms
        .first()
        .filter(|name| config.host_key_algorithms.contains(*name))
        .cloned();
    let software = ident.splitn(3, '-').nth(2).and_then(|rest| rest.split(' ').next());
    Remembered { ident: software.map(str::to_owned), kex, host_key, ..Remembered::default() }
}

/// Group exchanges need an answer before there is anything to send.
fn is_fixed(kex: &str) -> bool {
    tables::key_exchange(kex).is_some_and(|row| matches!(row.kind, KexKind::Fixed(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn first_only_where_it_may_be() {
        let names = list(&["a", "b", "c"]);
        assert_eq!(with_first(&names, "c", true), Some(list(&["c", "a", "b"])));
        assert_eq!(with_first(&names, "c", false), None);
        assert_eq!(with_first(&names, "a", false), Some(names.clone()));
        assert_eq!(with_first(&names, "d", true), None);
    }

    #[test]
    fn a_better_exchange_is_not_given_up() {
        let mut config = ClientConfig::default();
        config.kex_algorithms.value = list(&["mlkem768x25519-sha256", "curve25519-sha256"]);
        let mut proposal = Proposal {
            kex_algorithms: list(&["curve25519-sha256", "mlkem768x25519-sha256"]),
            ..Proposal::default()
        };
        assert_eq!(worth_remembering(&config, "SSH-2.0-X_1", &proposal).kex, None);
        proposal.kex_algorithms.pop();
        let remembered = worth_remembering(&config, "SSH-2.0-X_1 comment", &proposal);
        assert_eq!(remembered.kex.as_deref(), Some("curve25519-sha256"));
        assert_eq!(remembered.ident.as_deref(), Some("X_1"));
    }
}
