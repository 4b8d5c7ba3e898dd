//! nftables' rules, as `nft -j list ruleset` prints them (libnftables-json(5)).

use std::net::IpAddr;

use serde_json::Value;

use super::{Obstacle, Packet};
use crate::limits;

/// What becomes of a packet.
enum Verdict {
    /// The chain goes on.
    Continue,
    /// Nothing more is asked in this base chain.
    Accept,
    /// Back to the chain that jumped.
    Return,
    Stopped(Obstacle),
}

/// The first rule that stops the packet.
pub fn find(text: &str, packet: &Packet) -> Option<Obstacle> {
    let document: Value = serde_json::from_str(text).ok()?;
    let items = document.get("nftables")?.as_array()?;
    let hook = if packet.outgoing { "output" } else { "input" };
    let mut bases: Vec<&Value> = items
        .iter()
        .filter_map(|item| item.get("chain"))
        .filter(|chain| text_of(chain, "hook") == hook && text_of(chain, "type") == "filter")
        .filter(|chain| fits_family(text_of(chain, "family"), packet.remote))
        .collect();
    bases.sort_by_key(|chain| chain.get("prio").and_then(Value::as_i64).unwrap_or(0));
    // Every base chain of the hook has to let it through.
    bases.into_iter().find_map(|chain| {
        let walk = Walk { items, packet, family: text_of(chain, "family") };
        let table = text_of(chain, "table");
        let name = text_of(chain, "name");
        match walk.chain(table, name, 0, true) {
            Verdict::Stopped(obstacle) => Some(obstacle),
            Verdict::Continue | Verdict::Return if text_of(chain, "policy") == "drop" => {
                let family = walk.family;
                Some(Obstacle {
                    rule: format!("table {family} {table}, chain {name}: policy drop"),
                    certain: true,
                    rejects: false,
                    mend: format!(
                        "nft add rule {family} {table} {name} {} accept",
                        port_match(packet)
                    ),
                })
            }
            _ => None,
        }
    })
}

fn port_match(packet: &Packet) -> String {
    format!("tcp dport {}", packet.port)
}

fn fits_family(family: &str, remote: Option<IpAddr>) -> bool {
    match (family, remote) {
        ("inet", _) | ("ip" | "ip6", None) => true,
        ("ip", Some(remote)) => remote.is_ipv4(),
        ("ip6", Some(remote)) => remote.is_ipv6(),
        _ => false,
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

struct Walk<'a> {
    items: &'a [Value],
    packet: &'a Packet,
    family: &'a str,
}

impl Walk<'_> {
    fn chain(&self, table: &str, name: &str, depth: usize, certain: bool) -> Verdict {
        if depth > limits::CHAIN_DEPTH {
            return Verdict::Accept;
        }
        let rules = self.items.iter().filter_map(|item| item.get("rule")).filter(|rule| {
            text_of(rule, "family") == self.family
                && text_of(rule, "table") == table
                && text_of(rule, "chain") == name
        });
        for rule in rules {
            match self.rule(rule, table, depth, certain) {
                Verdict::Continue => {}
                Verdict::Return => return Verdict::Continue,
                other => return other,
            }
        }
        Verdict::Continue
    }

    fn rule(&self, rule: &Value, table: &str, depth: usize, mut certain: bool) -> Verdict {
        let Some(parts) = rule.get("expr").and_then(Value::as_array) else {
            return Verdict::Continue;
        };
        let mut about_us = false;
        let outer = certain;
        for part in parts {
            let Some((kind, value)) = part.as_object().and_then(|object| object.iter().next())
            else {
                continue;
            };
            match kind.as_str() {
                "match" => match self.matches(value) {
                    Some(true) => about_us = true,
                    Some(false) => return Verdict::Continue,
                    None => certain = false,
                },
                // They look and change nothing.
                "counter" | "log" | "comment" => {}
                "drop" | "reject" => {
                    // A rule that asks only what is not known here is about something else.
                    if !certain && outer && !about_us {
                        return Verdict::Continue;
                    }
                    return Verdict::Stopped(self.obstacle(rule, kind == "reject", certain));
                }
                // Let through only when that is sure.
                "accept" if certain => return Verdict::Accept,
                "return" if certain => return Verdict::Return,
                "jump" | "goto" => {
                    let target = text_of(value, "target");
                    match self.chain(table, target, depth + 1, certain) {
                        Verdict::Continue if kind == "goto" && certain => return Verdict::Return,
                        Verdict::Continue => {}
                        Verdict::Accept if !certain => {}
                        other => return other,
                    }
                }
                "accept" | "return" => return Verdict::Continue,
                _ => certain = false,
            }
        }
        Verdict::Continue
    }

    /// Whether a condition holds; nothing when it asks what is not known here.
    fn matches(&self, condition: &Value) -> Option<bool> {
        let (left, right) = (condition.get("left")?, condition.get("right")?);
        let holds = if let Some(payload) = left.get("payload") {
            let (protocol, field) = (text_of(payload, "protocol"), text_of(payload, "field"));
            match (protocol, field) {
                ("tcp" | "th", "dport") if self.packet.outgoing => self.has_port(right)?,
                ("tcp" | "th", "dport") => self.has_port(right)?,
                ("udp" | "icmp" | "icmpv6" | "sctp", _) => false,
                ("ip" | "ip6", "protocol" | "nexthdr") => has_word(right, "tcp", 6),
                ("ip" | "ip6", "daddr") if self.packet.outgoing => self.has_address(right)?,
                ("ip" | "ip6", "saddr") if !self.packet.outgoing => self.has_address(right)?,
                _ => return None,
            }
        } else if let Some(meta) = left.get("meta") {
            match text_of(meta, "key") {
                "l4proto" => has_word(right, "tcp", 6),
                "nfproto" => {
                    let remote = self.packet.remote?;
                    has_word(right, if remote.is_ipv4() { "ipv4" } else { "ipv6" }, 0)
                }
                "iifname" | "iif" | "oifname" | "oif" if has_word(right, "lo", 1) => {
                    self.packet.remote?.is_loopback()
                }
                _ => return None,
            }
        } else if let Some(ct) = left.get("ct") {
            // The packet in question is the first of its connection.
            if text_of(ct, "key") != "state" {
                return None;
            }
            has_word(right, "new", -1)
        } else {
            return None;
        };
        match text_of(condition, "op") {
            "==" | "in" => Some(holds),
            "!=" => Some(!holds),
            _ => None,
        }
    }

    fn has_port(&self, right: &Value) -> Option<bool> {
        let port = u64::from(self.packet.port);
        any(right, &|one| {
            if let Some(range) = one.get("range").and_then(Value::as_array) {
                let (low, high) = (range.first()?.as_u64()?, range.get(1)?.as_u64()?);
                return Some((low..=high).contains(&port));
            }
            if let Some(name) = one.as_str() {
                return if name == "ssh" { Some(port == 22) } else { None };
            }
            Some(one.as_u64()? == port)
        })
    }

    fn has_address(&self, right: &Value) -> Option<bool> {
        let remote = self.packet.remote?;
        any(right, &|one| {
            if let Some(prefix) = one.get("prefix") {
                let network: IpAddr = text_of(prefix, "addr").parse().ok()?;
                let length = u32::try_from(prefix.get("len")?.as_u64()?).ok()?;
                return Some(in_network(remote, network, length));
            }
            if let Some(range) = one.get("range").and_then(Value::as_array) {
                let low: IpAddr = range.first()?.as_str()?.parse().ok()?;
                let high: IpAddr = range.get(1)?.as_str()?.parse().ok()?;
                return Some(low <= remote && remote <= high);
            }
            Some(one.as_str()?.parse::<IpAddr>().ok()? == remote)
        })
    }

    fn obstacle(&self, rule: &Value, rejects: bool, certain: bool) -> Obstacle {
        let family = self.family;
        let (table, chain) = (text_of(rule, "table"), text_of(rule, "chain"));
        let handle = rule.get("handle").and_then(Value::as_u64).unwrap_or_default();
        let does = if rejects { "reject" } else { "drop" };
        let conditions = rule.get("expr").and_then(Value::as_array).into_iter().flatten();
        let conditions: Vec<String> =
            conditions.filter_map(|part| Some(shown(part.get("match")?))).collect();
        Obstacle {
            rule: format!("table {family} {table}, chain {chain}: {} {does}", conditions.join(" ")),
            certain,
            rejects,
            mend: format!("nft delete rule {family} {table} {chain} handle {handle}"),
        }
    }
}

/// Some element of a set, or the one value.
fn any(right: &Value, test: &dyn Fn(&Value) -> Option<bool>) -> Option<bool> {
    match right.get("set").and_then(Value::as_array) {
        None => test(right),
        Some(elements) => {
            let mut unknown = false;
            for element in elements {
                match test(element.get("elem").and_then(|elem| elem.get("val")).unwrap_or(element))
                {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => unknown = true,
                }
            }
            if unknown { None } else { Some(false) }
        }
    }
}

/// Whether a word, or its number, is in the value, list or set.
fn has_word(right: &Value, word: &str, number: i64) -> bool {
    let one = |value: &Value| value.as_str() == Some(word) || value.as_i64() == Some(number);
    let list = right.as_array().or_else(|| right.get("set").and_then(Value::as_array));
    list.map_or_else(|| one(right), |list| list.iter().any(one))
}

fn in_network(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

/// A condition, near to how `nft` writes it.
fn shown(condition: &Value) -> String {
    let left = condition.get("left");
    let name = left.and_then(|left| {
        if let Some(payload) = left.get("payload") {
            return Some(format!("{} {}", text_of(payload, "protocol"), text_of(payload, "field")));
        }
        let (kind, value) = left.as_object()?.iter().next()?;
        Some(format!("{kind} {}", text_of(value, "key")))
    });
    let right = condition.get("right").map(value_shown).unwrap_or_default();
    let not = if text_of(condition, "op") == "!=" { "!= " } else { "" };
    format!("{} {not}{right}", name.unwrap_or_else(|| "?".to_owned()))
}

fn value_shown(value: &Value) -> String {
    let list = |values: &Vec<Value>, between: &str| {
        values.iter().map(value_shown).collect::<Vec<_>>().join(between)
    };
    if let Some(set) = value.get("set").and_then(Value::as_array) {
        return format!("{{ {} }}", list(set, ", "));
    }
    if let Some(range) = value.get("range").and_then(Value::as_array) {
        return list(range, "-");
    }
    if let Some(prefix) = value.get("prefix") {
        let length = prefix.get("len").and_then(Value::as_u64).unwrap_or_default();
        return format!("{}/{length}", text_of(prefix, "addr"));
    }
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(outgoing: bool, remote: &str, port: u16) -> Packet {
        Packet { outgoing, remote: remote.parse().ok(), port }
    }

    const RULES: &str = r#"{"nftables": [
      {"chain": {"family": "inet", "table": "f", "name": "out", "type": "filter", "hook": "output", "prio": 0, "policy": "accept"}},
      {"rule": {"family": "inet", "table": "f", "chain": "out", "handle": 3, "expr": [
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"prefix": {"addr": "10.1.0.0", "len": 16}}}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [2000, 2222]}]}}},
        {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}]}},
      {"rule": {"family": "inet", "table": "f", "chain": "out", "handle": 4, "expr": [
        {"match": {"op": "==", "left": {"meta": {"key": "length"}}, "right": 9}}, {"drop": null}]}}
    ]}"#;

    #[test]
    fn rules_about_the_packet() {
        let found = find(RULES, &packet(true, "10.1.2.3", 2100)).unwrap();
        assert!(found.certain && !found.rejects);
        assert_eq!(
            found.rule,
            "table inet f, chain out: ip daddr 10.1.0.0/16 tcp dport { 22, 2000-2222 } drop"
        );
        assert_eq!(found.mend, "nft delete rule inet f out handle 3");
        assert_eq!(find(RULES, &packet(true, "10.2.2.3", 22)), None);
        assert_eq!(find(RULES, &packet(true, "10.1.2.3", 23)), None);
        assert_eq!(find(RULES, &packet(false, "10.1.2.3", 22)), None);
    }

    #[test]
    fn a_policy_and_what_it_lets_through() {
        let chain = r#"{"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}"#;
        let accept = r#"{"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "handle": 9, "expr": [
          {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}, {"accept": null}]}}"#;
        let closed = format!("{{\"nftables\": [{chain}]}}");
        let open = format!("{{\"nftables\": [{chain}, {accept}]}}");
        let inward = Packet { outgoing: false, remote: None, port: 22 };
        assert!(find(&closed, &inward).unwrap().rule.ends_with("policy drop"));
        assert_eq!(find(&open, &inward), None);
    }
}
