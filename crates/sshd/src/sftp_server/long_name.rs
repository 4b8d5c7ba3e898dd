//! A line as `ls -l` has it, which READDIR gives with every name. draft-02 §7.

use rustix::fs::Stat;

use super::accounts::Accounts;
use crate::sys::records::local_time;

/// Beyond half a year, the year is of more interest than the time of day.
const HALF_A_YEAR_SECONDS: i64 = 365 * 24 * 60 * 60 / 2;

/// The line of a name.
pub(super) fn long_name(
    name: &[u8],
    stat: &Stat,
    now_seconds: i64,
    accounts: &mut Accounts,
) -> Vec<u8> {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_lossless,
        reason = "the widths differ between systems"
    )]
    let (changed, links, size, mode) = (
        stat.st_mtime as i64,
        stat.st_nlink as u64,
        stat.st_size.cast_unsigned(),
        mode_text(stat.st_mode as u32),
    );
    let user = shown(accounts.user(stat.st_uid), stat.st_uid);
    let group = shown(accounts.group(stat.st_gid), stat.st_gid);
    let format = if now_seconds - changed > HALF_A_YEAR_SECONDS || changed > now_seconds {
        "%b %e  %Y"
    } else {
        "%b %e %H:%M"
    };
    let date = local_time(changed, format).unwrap_or_default();
    let mut line = format!("{mode} {links:>4} {user:<8} {group:<8} {size:>8} {date} ").into_bytes();
    line.extend_from_slice(name);
    line
}

fn shown(name: Option<&[u8]>, number: u32) -> String {
    name.map_or_else(|| number.to_string(), |name| String::from_utf8_lossy(name).into_owned())
}

/// As `ls` shows a mode.
fn mode_text(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o100_000 => '-',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '?',
    };
    let mut text = String::from(kind);
    // The bits of each of the three, and what else stands in the last of its places.
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode_text(0o100_644), "-rw-r--r--");
        assert_eq!(mode_text(0o041_777), "drwxrwxrwt");
        assert_eq!(mode_text(0o104_611), "-rwS--x--x");
        assert_eq!(mode_text(0o120_777), "lrwxrwxrwx");
    }
}
