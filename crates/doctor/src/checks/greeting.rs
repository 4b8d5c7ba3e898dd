//! What came is not SSH, or an SSH that is not spoken any more.

use super::wrong_port;
use crate::finding::{Finding, Sure};
use crate::visit::{Ending, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Ending::NotSsh(text) = &visit.talk.ending else { return Vec::new() };
    if !wrong_port::check(visit).is_empty() {
        return Vec::new();
    }
    let place = visit.place();
    if text.contains("SSH-1") {
        return vec![
            Finding::new(
                "ssh-1",
                Sure::Certain,
                format!("The server on {place} only speaks SSH 1, which is broken."),
            )
            .seen(text.clone())
            .mend("# the server's software has to be replaced"),
        ];
    }
    vec![
        Finding::new(
            "not-ssh",
            Sure::Certain,
            format!("What answers on {place} is not an SSH server."),
        )
        .seen(text.clone())
        .seen_all(visit.talk.before_ident.iter().take(3).cloned()),
    ]
}
