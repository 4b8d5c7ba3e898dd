//! Parts of the login that take long.

use super::seconds;
use crate::finding::{Finding, Sure};
use crate::limits;
use crate::visit::{Ending, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    if !visit.is_in() && visit.talk.ending != Ending::Done {
        return Vec::new();
    }
    let mut found = Vec::new();
    let name = &visit.target.host_name;
    if visit.reach.resolve_time >= limits::SLOW {
        found.push(
            Finding::new(
                "slow-name-service",
                Sure::Certain,
                format!("The name service takes long for {name}."),
            )
            .seen(format!("it took {}", seconds(visit.reach.resolve_time)))
            .mend("cat /etc/resolv.conf    # its first server may be dead"),
        );
    }
    for moment in visit.talk.moments.iter().filter(|moment| moment.took >= limits::SLOW) {
        let (finding, why, mend) = match moment.what.as_str() {
            "connection" => (
                "slow-connection",
                "the first address does not answer, or the network loses packets",
                "ssh -4 or ssh -6, or AddressFamily in ~/.ssh/config, when one family does not work",
            ),
            "ident" => (
                "slow-greeting",
                "the server is busy, or looks the client's name up before it speaks (UseDNS)",
                "sshd explain | grep -i usedns    # on the server",
            ),
            "key exchange" => (
                "slow-key-exchange",
                "one of the two machines is slow, or has to make a group first",
                "ssh -o KexAlgorithms=curve25519-sha256 HOST    # is it faster?",
            ),
            _ => (
                "slow-authentication",
                "the server waits for a name service, PAM or a directory",
                "journalctl -u ssh -n 20    # on the server",
            ),
        };
        found.push(
            Finding::new(finding, Sure::Likely, format!("The login to {name} is slow: {why}."))
                .seen(format!("{} took {}", moment.what, seconds(moment.took)))
                .mend(mend),
        );
    }
    found
}
