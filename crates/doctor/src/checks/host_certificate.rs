//! The host's certificate does not hold.

use keys::CertificateKind;
use keys::known_hosts::Verdict;

use crate::finding::{Finding, Sure};
use crate::visit::Visit;

pub fn check(visit: &Visit) -> Vec<Finding> {
    let Some(seen) = &visit.host_key else { return Vec::new() };
    let Some(certificate) = seen.key.certificate() else { return Vec::new() };
    if seen.revoked_by.is_some() || seen.excused {
        return Vec::new();
    }
    let Verdict::CertAuthority(entry) = visit.known.judge(&visit.target.known_name, &seen.key)
    else {
        return Vec::new();
    };
    let name = &visit.target.principal;
    let checked = certificate.check(CertificateKind::Host, Some(name), visit.now_seconds, true);
    let Err(problem) = checked else { return Vec::new() };
    // The key by itself may be known all the same.
    if matches!(visit.known.judge(&visit.target.known_name, &seen.key.plain()), Verdict::Known(_)) {
        return Vec::new();
    }
    use keys::CertificateError as Problem;
    let (finding, cause) = match &problem {
        Problem::NotYetValid => (
            "host-certificate-not-yet-valid",
            format!(
                "The certificate of {name} is not valid yet, or this machine's clock is behind."
            ),
        ),
        Problem::Expired => (
            "host-certificate-expired",
            format!("The certificate of {name} has expired, or this machine's clock is ahead."),
        ),
        Problem::NotListed | Problem::NoPrincipals => (
            "host-certificate-other-name",
            format!("The certificate of the server is not for the name {name}."),
        ),
        _ => (
            "host-certificate-invalid",
            format!("The certificate of {name} is not valid: {problem}."),
        ),
    };
    let valid = format!(
        "valid from {} to {} (seconds since 1970); now is {}",
        certificate.valid_after, certificate.valid_before, visit.now_seconds
    );
    let names = certificate.principals.join(",");
    vec![
        Finding::new(finding, Sure::Certain, cause)
            .seen(format!("its certificate \"{}\" is for: {names}", certificate.key_id))
            .seen(valid)
            .seen(format!("its authority is trusted by {}:{}", entry.source, entry.line))
            .mend(format!("ssh-keygen -s CA_KEY -h -I {name} -n {name} -V +52w /etc/ssh/ssh_host_ed25519_key.pub    # by who has the CA")),
    ]
}
