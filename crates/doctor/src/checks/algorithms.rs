//! Nothing in common: all classes at once, with the block that mends it.

use std::fmt::Write as _;

use crate::finding::{Finding, Sure};
use crate::visit::{Ending, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let talk = &visit.talk;
    if talk.ending != Ending::Incompatible {
        return Vec::new();
    }
    let classes: Vec<&str> = talk.mismatches.iter().map(|one| one.class).collect();
    let cause = match classes.as_slice() {
        [] => "This client and the server have no common algorithm.".to_owned(),
        [one] => format!("This client and the server have no common {one} algorithm."),
        [before @ .., last] => format!(
            "This client and the server have no common algorithm for {} and {last}.",
            before.join(", ")
        ),
    };
    let mut finding = Finding::new("no-common-algorithm", Sure::Certain, cause);
    if let Some(ident) = &talk.ident {
        finding = finding.seen(format!("the server is {ident}"));
    }
    let mut block = format!("Host {}", visit.target.typed);
    let mut hopeless = Vec::new();
    for one in &talk.mismatches {
        finding = finding.seen(format!("{}: the server has {}", one.class, one.theirs.join(",")));
        let ours = one.ours.join(",");
        finding = finding.seen(match &one.origin {
            Some(origin) => {
                format!("{}: this client offers {ours} ({}, {origin})", one.class, one.keyword)
            }
            None => format!("{}: this client offers {ours}", one.class),
        });
        if one.possible.is_empty() {
            hopeless.push(one.class);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(block, "\n    {} +{}", one.keyword, one.possible.join(","));
        }
    }
    if hopeless.is_empty() && !talk.mismatches.is_empty() {
        // A block that comes first wins over the line that leaves the algorithms out.
        return vec![finding.mend(format!("{block}\n# at the top of ~/.ssh/config; the algorithms are weak, so for this host alone"))];
    }
    vec![finding.mend(format!(
        "# update the server's software: this program has none of its algorithms for {}",
        hopeless.join(", ")
    ))]
}
