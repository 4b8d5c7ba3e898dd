//! Where it goes, as the configuration has it.

use config::{ClientConfig, StrictHostKeyChecking};
use doctor::visit::{Proxy, Target};

use crate::doctor::place;
use keys::known_hosts::HostName;

pub(super) fn target(config: &ClientConfig, batch_mode: bool) -> Target {
    let known_name = match config.host_key_alias.as_deref() {
        Some(alias) => HostName::from_text(alias),
        None => HostName::new(&config.host_name, *config.port),
    };
    let host = config.host_name.to_ascii_lowercase();
    let jump = config.proxy_jump.last().map(|jump| {
        let user = jump.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = jump.port.map(|port| format!("-p {port} ")).unwrap_or_default();
        format!("{port}{user}{}", jump.host)
    });
    let command = config.proxy_command.as_deref().map(str::to_owned);
    let proxy = match (command, jump) {
        (Some(command), _) => {
            let expanded = config.tokens().only("hnpr").expand(&command).unwrap_or(command);
            Some(Proxy { command: expanded, jump: None, problem: None })
        }
        (None, Some(jump)) => {
            let command = format!("ssh -J {}", config::show_jumps(&config.proxy_jump));
            Some(Proxy { command, jump: Some(jump), problem: None })
        }
        (None, None) => None,
    };
    Target {
        typed: config.original_host.clone(),
        host_name: config.host_name.value.clone(),
        port: *config.port,
        port_origin: place(&config.port.origin),
        host_name_origin: place(&config.host_name.origin),
        user: config.user.value.clone(),
        proxy,
        known_name,
        principal: config.host_key_alias.as_deref().unwrap_or(&host).to_owned(),
        known_hosts_file: config.user_known_hosts_files.first().cloned(),
        batch_mode,
        accepts_new_hosts: matches!(
            *config.strict_host_key_checking,
            StrictHostKeyChecking::AcceptNew | StrictHostKeyChecking::Off
        ),
        keys_enabled: *config.pubkey_authentication != config::PubkeyAuthentication::No,
        password_enabled: *config.password_authentication,
        interactive_enabled: *config.kbd_interactive_authentication,
        identities_only: *config.identities_only,
        service_class: config.ip_qos.interactive,
    }
}
