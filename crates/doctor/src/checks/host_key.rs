//! The host's key is not the one it should be.

use keys::FingerprintHash::Sha256;
use keys::known_hosts::Verdict;

use super::shell_word;
use crate::finding::{Finding, Sure};
use crate::visit::Visit;

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Some(seen) = &visit.host_key else { return Vec::new() };
    let (name, key) = (&visit.target.known_name, &seen.key);
    let label = key.plain().type_label().to_owned();
    let fingerprint = key.fingerprint(Sha256);
    if let Some((file, problem)) = &seen.revoked_by {
        let file = file.display();
        let finding = match problem {
            None => Finding::new(
                "host-key-revoked",
                Sure::Certain,
                format!("The key of {name} is revoked: whoever shows it is not to be trusted."),
            )
            .seen(format!("{label} {fingerprint} is in RevokedHostKeys {file}")),
            Some(problem) => Finding::new(
                "revoked-keys-unreadable",
                Sure::Certain,
                "The list of revoked host keys cannot be read, so no host is trusted.",
            )
            .seen(format!("RevokedHostKeys {file}: {problem}")),
        };
        return vec![finding];
    }
    if seen.excused {
        return Vec::new();
    }
    match visit.known.judge(name, key) {
        // Another check looks at the certificate.
        Verdict::Known(_) | Verdict::CertAuthority(_) => Vec::new(),
        Verdict::Revoked(entry) => vec![
            Finding::new(
                "host-key-revoked",
                Sure::Certain,
                format!("The key of {name} is revoked: whoever shows it is not to be trusted."),
            )
            .seen(format!("@revoked in {}:{}", entry.source, entry.line))
            .seen(format!("the server shows {label} {fingerprint}")),
        ],
        Verdict::Changed(entries) => {
            let mut finding = Finding::new(
                "host-key-changed",
                Sure::Certain,
                format!(
                    "The key of {name} is not the one in known_hosts: the server was set up anew, another machine \
                     has its address, or somebody is in between."
                ),
            )
            .seen(format!("the server shows {label} {fingerprint}"));
            for entry in &entries {
                finding = finding.seen(format!(
                    "known, {}:{}: {} {}",
                    entry.source,
                    entry.line,
                    entry.key.type_label(),
                    entry.key.fingerprint(Sha256)
                ));
            }
            let file = entries.first().map_or_else(String::new, |entry| entry.source.to_string());
            vec![finding
                .mend("# first compare the new fingerprint with the server's own, by its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
                .mend(format!("ssh-keygen -f {} -R {}    # only when they are the same", shell_word(&file), shell_word(name.as_str())))]
        }
        Verdict::OtherTypes(_) | Verdict::Unknown if visit.target.accepts_new_hosts => Vec::new(),
        Verdict::OtherTypes(_) | Verdict::Unknown => {
            let cause = if visit.target.batch_mode {
                format!("The key of {name} is not known yet, and nobody may be asked about it.")
            } else {
                format!("The key of {name} is not known yet; ssh will ask whether it is right.")
            };
            let host = shell_word(&visit.target.typed);
            vec![Finding::new("host-key-unknown", Sure::Certain, cause)
                .seen(format!("the server shows {label} {fingerprint}"))
                .mend("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub    # on the server, by its console: compare")
                .mend(format!("ssh {host}    # and answer with the fingerprint"))]
        }
    }
}
