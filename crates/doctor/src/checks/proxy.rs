//! What stands between does not lead there.

use crate::finding::{Finding, Sure};
use crate::visit::{Ending, Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Some(proxy) = &visit.target.proxy else { return Vec::new() };
    let ended = matches!(visit.talk.ending, Ending::Closed | Ending::Reset | Ending::Failed(_));
    if visit.talk.stage > Stage::Connected || !(ended || proxy.problem.is_some()) {
        return Vec::new();
    }
    let place = visit.place();
    let finding = match &proxy.jump {
        Some(jump) => Finding::new(
            "jump-failed",
            Sure::Certain,
            format!("The connection over the jump host {jump} ended before {place} said a word."),
        )
        .mend(format!("ssh doctor {jump}")),
        None => Finding::new(
            "proxy-failed",
            Sure::Certain,
            format!("The ProxyCommand ended before {place} said a word."),
        )
        .mend(format!("{}    # by hand, to see what it says", proxy.command)),
    };
    let finding = finding.seen(format!("command: {}", proxy.command));
    vec![match &proxy.problem {
        Some(problem) => finding.seen(problem.clone()),
        None => finding,
    }]
}
