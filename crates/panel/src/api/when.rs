//! Times as OpenStack writes them.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

const SECONDS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const MICROS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");

/// `2026-11-22T06:33:46Z`: servers and images.
pub(super) fn seconds(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(SECONDS).unwrap_or_default()
}

/// `2026-11-22T06:33:46.000000`: key pairs and actions.
pub(super) fn micros(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(MICROS).unwrap_or_default()
}

/// `2026-11-22T06:33:46.000000Z`: tokens.
pub(super) fn micros_z(at: OffsetDateTime) -> String {
    micros(at) + "Z"
}

/// Any of the ways in which clients write a time; without a zone it is UTC.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    if text.len() > 40 {
        return None;
    }
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(at);
    }
    let plain = text.trim_end_matches('Z').replace(' ', "T");
    let whole = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let part = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond]");
    let day = format_description!("[year]-[month]-[day]");
    PrimitiveDateTime::parse(&plain, &whole)
        .or_else(|_| PrimitiveDateTime::parse(&plain, &part))
        .map(PrimitiveDateTime::assume_utc)
        .or_else(|_| Date::parse(&plain, &day).map(|date| date.midnight().assume_utc()))
        .ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn both_ways() {
        let at = datetime!(2026-11-22 06:33:46.5 UTC);
        assert_eq!(seconds(at), "2026-11-22T06:33:46Z");
        assert_eq!(micros(at), "2026-11-22T06:33:46.500000");
        for text in
            ["2026-11-22T06:33:46.500000", "2026-11-22T06:33:46.5Z", "2026-11-22T07:33:46.5+01:00"]
        {
            assert_eq!(parse(text), Some(at), "{text}");
        }
        assert_eq!(parse("2026-11-22"), Some(datetime!(2026-11-22 00:00 UTC)));
        assert_eq!(parse("2011/01/01"), None);
        assert_eq!(parse("yesterday"), None);
    }
}
