//! `-V`: from when until when a certificate is valid.

use keys::time::CivilTime;

use super::Failure;
use crate::sys::clock;

/// Seconds since 1970; the end is the first second that is no longer valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// 0 for always.
    pub after: u64,
    /// The largest number for forever.
    pub before: u64,
}

impl Default for Validity {
    fn default() -> Self {
        Self { after: 0, before: u64::MAX }
    }
}

/// Reads `FROM:TO` or `+DURATION`.
pub fn parse(text: &str, now: u64) -> Result<Validity, Failure> {
    if let Some(duration) = text.strip_prefix('+')
        && !text.contains(':')
    {
        let seconds = duration_seconds(duration)
            .ok_or_else(|| format!("Invalid relative certificate life {text}"))?;
        // A minute of leave for hosts whose clocks are a little late.
        let after = now.saturating_sub(59) / 60 * 60;
        return Ok(Validity { after, before: now.saturating_add(seconds) });
    }
    let (from, to) = text
        .split_once(':')
        .filter(|(from, to)| !from.is_empty() && !to.is_empty())
        .ok_or_else(|| format!("Invalid certificate life specification {text}"))?;
    let after = if from == "always" { 0 } else { moment(from, now, "from")? };
    let before = if to == "forever" { u64::MAX } else { moment(to, now, "to")? };
    if before <= after {
        return Err("Empty certificate validity interval".into());
    }
    Ok(Validity { after, before })
}

fn moment(text: &str, now: u64, which: &str) -> Result<u64, Failure> {
    if let Some(duration) = text.strip_prefix(['+', '-']) {
        let seconds = duration_seconds(duration)
            .ok_or_else(|| format!("Invalid relative certificate time {text}"))?;
        return Ok(if text.starts_with('-') {
            now.saturating_sub(seconds)
        } else {
            now.saturating_add(seconds)
        });
    }
    let bad = || Failure::Fatal(format!("Invalid {which} time \"{text}\""));
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).map_err(|_| bad());
    }
    CivilTime::parse(text).map(clock::unix_seconds).map_err(|_| bad())
}

/// A sum of numbers with units, as in sshd_config(5), "TIME FORMATS".
fn duration_seconds(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        let number: u64 = digits.parse().ok()?;
        let (factor, behind) = match behind.chars().next() {
            None => (1, ""),
            Some(unit) => {
                let factor = match unit.to_ascii_lowercase() {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    'd' => 86_400,
                    'w' => 604_800,
                    _ => return None,
                };
                (factor, behind.get(1..)?)
            }
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(total)
}

/// As `-L` and the line about a new certificate tell it.
pub fn describe(after: u64, before: u64) -> String {
    let written =
        |seconds: u64| clock::local(seconds.min(i32::MAX as u64 * 64), "%Y-%m-%dT%H:%M:%S");
    match (after, before) {
        (0, u64::MAX) => "forever".to_owned(),
        (0, before) => format!("before {}", written(before)),
        (after, u64::MAX) => format!("after {}", written(after)),
        (after, before) => format!("from {} to {}", written(after), written(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let now = 1_000_000_000;
        let parsed = |text| parse(text, now).map(|validity| (validity.after, validity.before));
        assert_eq!(parsed("+1d"), Ok((999_999_900, now + 86_400)));
        assert_eq!(parsed("-1w:+2w3d"), Ok((now - 604_800, now + 1_468_800)));
        assert_eq!(parsed("always:forever"), Ok((0, u64::MAX)));
        assert_eq!(parsed("19700101Z:0x10"), Ok((0, 16)));
        for bad in ["", "+", "+1y", "1d", "20200101", ":forever", "always:", "+2d:+1d", "x:forever"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(describe(0, u64::MAX), "forever");
        assert!(describe(0, 1).starts_with("before "));
        assert!(describe(1, u64::MAX).starts_with("after "));
    }
}
