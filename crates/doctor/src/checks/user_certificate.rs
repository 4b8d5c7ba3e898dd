//! A certificate of the user's that does not hold, and keys in an algorithm the server does not take.

use super::shell_word;
use crate::finding::{Finding, Sure};
use crate::visit::{Certificate, CertificateProblem, Fate, Key, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if !visit.is_denied() || visit.has_accepted_key() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for key in &visit.login.keys {
        let offered = matches!(key.fate, Fate::Refused | Fate::SignatureRefused);
        if let Some(certificate) = key.certificate.as_ref().filter(|_| offered) {
            found.push(invalid(visit, key, certificate));
        }
        if let Fate::Skipped(why) = &key.fate
            && why.contains("signature algorithm")
        {
            found.push(
                Finding::new(
                    "key-algorithm",
                    Sure::Certain,
                    format!("The server takes no signature that the key {} can make and this client allows.", key.name),
                )
                .seen(why.clone())
                .mend("ssh-keygen -t ed25519    # a key of a type that every server takes")
                .mend(format!("Host {}\n    PubkeyAcceptedAlgorithms +ssh-rsa    # only for a server that cannot be updated", visit.target.typed)),
            );
        }
    }
    found
}

fn invalid(visit: &Visit, key: &Key, certificate: &Certificate) -> Finding {
    let (name, user) = (&key.name, &visit.target.user);
    let certain = |finding, cause: String| Finding::new(finding, Sure::Certain, cause);
    let word = shell_word(name);
    let signed_anew = format!(
        "ssh-keygen -s CA_KEY -I {} -n {} -V +52w {word}    # by who has the CA",
        shell_word(user),
        shell_word(user)
    );
    let finding = match &certificate.problem {
        Some(CertificateProblem::Expired(since)) => certain(
            "user-certificate-expired",
            format!("The certificate {name} has expired, or this machine's clock is ahead."),
        )
        .seen(format!("it ended {since}"))
        .mend(signed_anew),
        Some(CertificateProblem::NotYetValid(from)) => certain(
            "user-certificate-not-yet-valid",
            format!("The certificate {name} is not valid yet, or this machine's clock is behind."),
        )
        .seen(format!("it begins {from}"))
        .mend("date -u    # is the clock right?"),
        Some(CertificateProblem::OtherName(names)) => certain(
            "user-certificate-other-name",
            format!("The certificate {name} is not for the user {user}."),
        )
        .seen(format!("it is for: {names}"))
        .mend(format!("ssh -l {} {}", shell_word(names.split(',').next().unwrap_or_default()), shell_word(&visit.target.typed)))
        .mend(signed_anew),
        Some(CertificateProblem::OtherSource(from)) => Finding::new(
            "user-certificate-source",
            Sure::Likely,
            format!("The certificate {name} is only good from certain addresses."),
        )
        .seen(format!("from: {from}"))
        .mend(signed_anew),
        Some(CertificateProblem::Other(why)) => certain(
            "user-certificate",
            format!("The certificate {name} is not valid: {why}."),
        ),
        None => Finding::new(
            "user-certificate-authority",
            Sure::Likely,
            format!("The server does not trust who signed the certificate {name} for {user}."),
        )
        .mend("sshd explain --user USER | grep -iE 'trustedusercakeys|authorizedprincipals'    # on the server: is the authority in TrustedUserCAKeys, the name in the principals' file?"),
    };
    finding
        .seen(format!("signed by {}", certificate.authority))
        .mend(format!("ssh-keygen -Lf {word}    # all that it says"))
}
