//! What stands in the place of a shell: a command of the key's, or a shell that lets nobody in.

use super::{nologin, seconds};
use crate::finding::{Finding, Sure};
use crate::limits;
use crate::visit::Visit;

pub fn check(visit: &Visit) -> Vec<Finding> {
    let mut found = Vec::new();
    // OpenSSH's server, and ours, tell what the key's line allows.
    let options = visit.login.remarks.iter().find_map(|remark| remark.split_once(": key options:"));
    if let Some((line, _)) = options.filter(|(_, said)| said.split(' ').any(|one| one == "command"))
    {
        found.push(
            Finding::new(
                "forced-command",
                Sure::Certain,
                "The key is for one command only: that runs, whatever is asked for.",
            )
            .seen(format!("the line of the key: {line}"))
            .mend("# if it is not meant so: offer another key (ssh -o IdentitiesOnly=yes -i KEY), or take command=\"...\" from that line")
            .notice(),
        );
    }
    let Some(shell) = &visit.login.shell else { return found };
    if nologin::is_told_by_shell(visit) {
        return found;
    }
    let output =
        || (!shell.output.is_empty()).then(|| format!("it wrote: {}", shell.output.trim()));
    match (shell.took, shell.status) {
        (None, _) => found.push(
            Finding::new(
                "shell-hangs",
                Sure::Certain,
                "The shell starts and does not come to its end: something in its files waits.",
            )
            .seen(format!("without any input it still ran after {}", seconds(limits::GREETING)))
            .seen_all(output())
            .mend("# by sftp or a console: look at ~/.profile, ~/.bashrc and their like; bash -lxc true shows the line"),
        ),
        (Some(took), Some(status)) if status != 0 => found.push(
            Finding::new(
                "shell-ends",
                Sure::Likely,
                "The login works, and then the shell ends at once: it is one that lets nobody in, or its files end it.",
            )
            .seen(format!("it ended after {} with status {status}", seconds(took)))
            .seen_all(output())
            .mend("getent passwd USER    # on the server: the last word is the shell; chsh -s /bin/sh USER"),
        ),
        _ => {}
    }
    found
}
