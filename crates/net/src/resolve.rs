use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Instant;

use crate::dial::Family;
use crate::limits;

/// The addresses of a host in the order to try them: that of `getaddrinfo`,
/// families taking turns. RFC 8305 §4.
///
/// The system's resolver cannot be interrupted, so with a deadline it runs on
/// a thread that is left behind when the time is over.
pub(crate) fn resolve(
    host: &str,
    port: u16,
    family: Family,
    deadline: Option<Instant>,
) -> io::Result<Vec<SocketAddr>> {
    let all = if let Ok(ip) = host.parse::<IpAddr>() {
        vec![SocketAddr::new(ip, port)]
    } else if let Some(deadline) = deadline {
        let (sender, receiver) = mpsc::channel();
        let name = host.to_owned();
        std::thread::Builder::new().name("resolve".into()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(look_up(&name, port));
        })?;
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(result) => result?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    } else {
        look_up(host, port)?
    };
    let wanted = all.into_iter().filter(|address| family.allows(*address)).collect();
    Ok(interleave(wanted))
}

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.take(limits::ADDRESSES).collect())
}

fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed: Vec<SocketAddr> = Vec::with_capacity(first.len() + second.len());
    loop {
        let pair = [first.next(), second.next()];
        let before = mixed.len();
        for address in pair.into_iter().flatten() {
            if !mixed.contains(&address) {
                mixed.push(address);
            }
        }
        if mixed.len() == before && first.len() == 0 && second.len() == 0 {
            return mixed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = interleave(parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.1:1"]));
        assert_eq!(mixed, parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        assert!(interleave(Vec::new()).is_empty());
    }

    #[test]
    fn literals_need_no_resolver() {
        let addresses = resolve("127.0.0.1", 22, Family::Any, None).unwrap();
        assert_eq!(addresses, ["127.0.0.1:22".parse().unwrap()]);
        assert!(resolve("127.0.0.1", 22, Family::Inet6, None).unwrap().is_empty());
    }
}
