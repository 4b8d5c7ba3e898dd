//! Nobody listens, or somebody else.

use super::Premises;
use crate::finding::{Finding, Sure};

/// Names of processes that are SSH servers.
const SERVERS: &[&str] = &["sshd", "keyway", "dropbear"];

pub fn check(premises: &Premises) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut silent = Vec::new();
    for port in &premises.ports {
        let number = port.number;
        match &port.holder {
            // systemd holds the socket where the server is started for each connection.
            Some((name, _)) if SERVERS.iter().any(|one| name.starts_with(one)) => {}
            Some((name, _)) if name == "systemd" || name == "init" => {}
            Some((name, process)) => found.push(
                Finding::new(
                    "port-in-use",
                    Sure::Certain,
                    format!(
                        "Another program, {name}, has port {number}, so sshd cannot listen on it."
                    ),
                )
                .seen(format!("process {process} ({name}) listens on port {number}"))
                .mend(format!(
                    "ss -ltnp 'sport = :{number}'    # stop it, or give sshd another Port"
                ))
                .mend(premises.service.restart()),
            ),
            None if port.is_taken => {}
            None => silent.push(number.to_string()),
        }
    }
    if !silent.is_empty() && found.is_empty() {
        let ports = silent.join(", ");
        found.push(
            Finding::new(
                "sshd-not-running",
                Sure::Certain,
                format!("Nobody listens on port {ports}: sshd is not running, or runs with another configuration."),
            )
            .seen(format!("{} names port {ports}", premises.configuration_file.display()))
            .mend(premises.service.start())
            .mend(premises.service.restart()),
        );
    }
    found
}
