//! Who listens on a port of this machine, from the system's tables (proc(5)).

use std::fs;
use std::path::Path;

/// The state of a listening socket in the tables.
const LISTENING: &str = "0A";

/// Whether somebody listens on the port, and the process's name and number if it can be seen.
pub fn on(port: u16) -> (bool, Option<(String, u32)>) {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| inodes(&table, port))
        .collect();
    if sockets.is_empty() {
        return (false, None);
    }
    (true, sockets.iter().find_map(|inode| holder(inode)))
}

/// The sockets that listen on the port.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let end = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
            (local.ends_with(&end) && *state == LISTENING).then(|| (*inode).to_owned())
        })
        .collect()
}

fn holder(inode: &str) -> Option<(String, u32)> {
    let wanted = format!("socket:[{inode}]");
    let mut found: Option<(String, u32)> = None;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|link| link == Path::new(&wanted))
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            // Of several that share it, the oldest is the one that opened it.
            if found.as_ref().is_none_or(|(_, before)| number < *before) {
                found = Some((name, number));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_of_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n   \
            1: 0100007F:0016 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0\n";
        assert_eq!(inodes(table, 22), ["4242"]);
        assert!(inodes(table, 2222).is_empty());
    }
}
