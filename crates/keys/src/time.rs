//! Times as key options and certificates are given them by people.

use crate::error::{Error, printable};

/// A date and time of day, in UTC or in whatever time zone the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilTime {
    seconds: u64,
    /// Whether it ended in `Z` or `UTC`; otherwise it is in local time.
    pub is_utc: bool,
}

impl CivilTime {
    /// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with an
    /// optional `Z`.
    ///
    /// # Errors
    /// [`Error::BadTime`] for anything else, and for days that do not exist.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadTime(printable(text.as_bytes()));
        let upper = text.to_ascii_uppercase();
        let digits = upper.strip_suffix('Z').or_else(|| upper.strip_suffix("UTC"));
        let is_utc = digits.is_some();
        let digits = digits.unwrap_or(&upper);
        if !matches!(digits.len(), 8 | 12 | 14)
            || !digits.bytes().all(|digit| digit.is_ascii_digit())
        {
            return Err(bad());
        }
        let field = |from: usize, to: usize| -> u64 {
            digits.get(from..to).and_then(|field| field.parse().ok()).unwrap_or(0)
        };
        let (year, month, day) = (field(0, 4), field(4, 6), field(6, 8));
        let (hour, minute, second) = (field(8, 10), field(10, 12), field(12, 14));
        let is_real = year >= 1970
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !is_real {
            return Err(bad());
        }
        let days = days_before_year(year)
            + (1..month).map(|month| days_in_month(year, month)).sum::<u64>()
            + day
            - 1;
        Ok(Self { seconds: ((days * 24 + hour) * 60 + minute) * 60 + second, is_utc })
    }

    /// Seconds since 1970. `utc_offset_seconds` is what the machine's time
    /// zone is ahead of UTC then; of no effect when the time is in UTC.
    pub fn unix_seconds(&self, utc_offset_seconds: i64) -> u64 {
        if self.is_utc {
            self.seconds
        } else {
            self.seconds.saturating_add_signed(utc_offset_seconds.saturating_neg())
        }
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of January; `year` is 1970 or later.
fn days_before_year(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let unix = |text: &str| CivilTime::parse(text).map(|time| time.unix_seconds(3600));
        assert_eq!(unix("19700101Z").unwrap(), 0);
        assert_eq!(unix("20000229123456Z").unwrap(), 951_827_696);
        assert_eq!(unix("20380119031407UTC").unwrap(), 2_147_483_647);
        assert_eq!(unix("202601010000").unwrap(), 1_767_222_000);
        assert_eq!(unix("21000301z").unwrap(), 4_107_542_400);
        for bad in ["", "2026", "20260230", "20261301", "202601012400", "2026010a", "19691231Z"] {
            assert!(unix(bad).is_err(), "{bad}");
        }
    }
}
