//! The configuration cannot be used.

use super::Premises;
use crate::finding::{Finding, Sure};

pub fn check(premises: &Premises) -> Vec<Finding> {
    let Some(error) = &premises.configuration_error else { return Vec::new() };
    let mut lines = error.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or("it cannot be read");
    vec![
        Finding::new(
            "server-configuration",
            Sure::Certain,
            format!("The server's configuration cannot be used: {first}"),
        )
        .seen_all(lines.map(str::to_owned))
        .mend(format!(
            "sshd -t -f {}    # until it says nothing",
            premises.configuration_file.display()
        ))
        .mend(premises.service.restart()),
    ]
}
