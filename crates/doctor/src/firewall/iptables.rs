//! The old kernel interface's rules, as `iptables-legacy-save` prints them (iptables-save(8)).

use std::net::IpAddr;

use super::{Obstacle, Packet};
use crate::limits;

/// The first rule that stops the packet.
pub fn find(text: &str, packet: &Packet) -> Option<Obstacle> {
    let filter = text.split('*').find(|table| table.starts_with("filter"))?;
    let base = if packet.outgoing { "OUTPUT" } else { "INPUT" };
    let rules: Vec<Vec<&str>> = filter
        .lines()
        .filter_map(|line| line.strip_prefix("-A "))
        .map(|line| line.split_ascii_whitespace().collect())
        .collect();
    if let Some(decided) = walk(&rules, base, packet, 0) {
        return match decided {
            Verdict::Stopped(obstacle) => Some(obstacle),
            Verdict::Accepted => None,
        };
    }
    let policy = format!(":{base} DROP ");
    filter.lines().any(|line| line.starts_with(&policy)).then(|| Obstacle {
        rule: format!("chain {base}: policy DROP"),
        certain: true,
        rejects: false,
        mend: format!("iptables -I {base} -p tcp --dport {} -j ACCEPT", packet.port),
    })
}

/// What a chain decides.
enum Verdict {
    Accepted,
    Stopped(Obstacle),
}

/// `None` means that the chain has nothing to say.
fn walk(rules: &[Vec<&str>], chain: &str, packet: &Packet, depth: usize) -> Option<Verdict> {
    if depth > limits::CHAIN_DEPTH {
        return None;
    }
    for words in rules.iter().filter(|words| words.first() == Some(&chain)) {
        let (mut certain, mut matches, mut about_us, mut target) = (true, true, false, "");
        let mut negated = false;
        let mut rest = words.iter().skip(1);
        while let Some(word) = rest.next() {
            if *word == "!" {
                negated = true;
                continue;
            }
            let mut value = || rest.next().copied().unwrap_or_default();
            let holds = match *word {
                "-p" => Some(matches!(value(), "tcp" | "all")),
                "--dport" | "--dports" => {
                    about_us = true;
                    Some(has_port(value(), packet.port))
                }
                "-s" | "-d" => {
                    let ours = (*word == "-d") == packet.outgoing;
                    let network = value();
                    ours.then(|| packet.remote.map(|remote| covers(network, remote))).flatten()
                }
                "--ctstate" | "--state" => Some(value().split(',').any(|state| state == "NEW")),
                "-i" | "-o" => {
                    let interface = value();
                    packet.remote.filter(|_| interface == "lo").map(|remote| remote.is_loopback())
                }
                "-m" => {
                    value();
                    continue;
                }
                "-j" | "-g" => {
                    target = value();
                    // What follows is the target's own.
                    break;
                }
                _ => None,
            };
            match holds {
                Some(holds) if holds == negated => matches = false,
                Some(_) => {}
                None => certain = false,
            }
            negated = false;
        }
        if !matches {
            continue;
        }
        let whole = words.join(" ");
        match target {
            "DROP" | "REJECT" if certain || about_us => {
                return Some(Verdict::Stopped(Obstacle {
                    rule: format!("-A {whole}"),
                    certain,
                    rejects: target == "REJECT",
                    mend: format!("iptables -D {whole}"),
                }));
            }
            "ACCEPT" if certain => return Some(Verdict::Accepted),
            "RETURN" if certain => return None,
            "" | "DROP" | "REJECT" | "ACCEPT" | "RETURN" | "LOG" => {}
            other => {
                if let Some(decided) = walk(rules, other, packet, depth + 1) {
                    return Some(decided);
                }
            }
        }
    }
    None
}

fn has_port(list: &str, port: u16) -> bool {
    list.split(',').any(|one| match one.split_once(':') {
        Some((low, high)) => {
            let low = low.parse().unwrap_or(0);
            let high = high.parse().unwrap_or(u16::MAX);
            (low..=high).contains(&port)
        }
        None => one.parse() == Ok(port),
    })
}

fn covers(network: &str, address: IpAddr) -> bool {
    keys::address::matches_cidr_list(network, address).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n\
        -A INPUT -p tcp -m tcp --dport 22 -j mine\n-A mine -s 10.0.0.0/8 -j ACCEPT\n\
        -A OUTPUT -p tcp -m tcp --dport 2222 -j REJECT --reject-with tcp-reset\nCOMMIT\n";

    #[test]
    fn chains_and_policies() {
        let inward =
            |remote: &str| Packet { outgoing: false, remote: remote.parse().ok(), port: 22 };
        assert_eq!(find(RULES, &inward("10.1.1.1")), None);
        assert_eq!(find(RULES, &inward("11.1.1.1")).unwrap().rule, "chain INPUT: policy DROP");
        let outward = Packet { outgoing: true, remote: "1.2.3.4".parse().ok(), port: 2222 };
        let found = find(RULES, &outward).unwrap();
        assert!(found.rejects && found.certain);
        assert_eq!(
            found.mend,
            "iptables -D OUTPUT -p tcp -m tcp --dport 2222 -j REJECT --reject-with tcp-reset"
        );
    }
}
