//! Some packets of the connection do not go through: too large, or marked.

use super::seconds;
use crate::finding::{Finding, Sure};
use crate::visit::{Change, Ending, Stage, Visit};

pub fn check(visit: &Visit) -> Vec<Finding> {
    let talk = &visit.talk;
    let helped = |change| talk.trials.iter().any(|trial| trial.change == change && trial.helped);
    let Ending::Silent(waited) = &talk.ending else { return Vec::new() };
    let place = &visit.target.host_name;
    let stalled = match talk.stage {
        Stage::Nowhere | Stage::Connected => "before the ident",
        Stage::Ident => "in the key exchange",
        _ => "after the key exchange",
    };
    let evidence = format!("the connection stood still {stalled} for {}", seconds(*waited));
    let host = &visit.target.typed;
    let finding = if helped(Change::Unmarked) {
        let class = visit.target.service_class.unwrap_or(0);
        Finding::new(
            "dscp",
            Sure::Certain,
            format!("Something on the way to {place} drops packets that are marked with a traffic class."),
        )
        .seen(format!("with class 0x{class:02x} {evidence}; without it the server answers"))
        .mend(format!("ssh -o IPQoS=none {host}"))
        .mend(format!("Host {host}\n    IPQoS none    # in ~/.ssh/config"))
    } else if helped(Change::SmallSegments) {
        let mtu = match talk.path {
            Some(path) => format!("; the system takes {} bytes to go through", path.mtu),
            None => String::new(),
        };
        Finding::new(
            "path-mtu",
            Sure::Certain,
            format!("Large packets do not go through to {place}: the path's MTU is smaller than this machine believes."),
        )
        .seen(format!("{evidence}; with small segments the server answers{mtu}"))
        .mend("sysctl -w net.ipv4.tcp_mtu_probing=1    # as root: let TCP find out by itself")
        .mend("ip link set dev INTERFACE mtu 1280    # or of the VPN's interface, as root")
    } else {
        return Vec::new();
    };
    vec![finding]
}
