//! A file that keeps all but root out.

use super::Premises;
use crate::checks::shell_word;
use crate::finding::{Finding, Sure};

pub fn check(premises: &Premises) -> Vec<Finding> {
    let Some((path, text)) = &premises.nologin else { return Vec::new() };
    let path = path.display().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    vec![
        Finding::new(
            "nologin",
            Sure::Certain,
            format!("{path} keeps everybody but root out, keys or not."),
        )
        .seen_all(lines.map(|line| format!("it says: {line}")))
        .mend(format!("rm {}    # once the reason for it is gone", shell_word(&path))),
    ]
}
