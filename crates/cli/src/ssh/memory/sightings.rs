//! When the keys of a host were seen, for the day on which they change.

use std::fmt::Write as _;

use crate::sys::clock;

/// Keys remembered of one host; the one longest unseen is forgotten first.
const KEYS_MAX: usize = 4;
const DAY_SECONDS: u64 = 86_400;

/// The day it is, counted from 1970.
pub fn today() -> u64 {
    clock::now() / DAY_SECONDS
}

/// Days on which keys were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings(Vec<Sighting>);

/// One key's days, counted from 1970. Finer times would be written at each login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    fingerprint: String,
    first_day: u64,
    last_day: u64,
}

impl Sightings {
    /// The key is in use now.
    pub fn saw(&mut self, fingerprint: &str) {
        let today = today();
        let known = self.0.iter().position(|one| one.fingerprint == fingerprint);
        let first_day = known.map_or(today, |at| self.0.remove(at).first_day);
        let fingerprint = fingerprint.to_owned();
        self.0.push(Sighting { fingerprint, first_day, last_day: today });
        let forgotten = self.0.len().saturating_sub(KEYS_MAX);
        self.0.drain(..forgotten);
    }

    /// The days of this key.
    pub fn of(&self, fingerprint: &str) -> Option<&Sighting> {
        self.0.iter().find(|one| one.fingerprint == fingerprint)
    }

    /// Adds what a field of the file says.
    pub(super) fn read(&mut self, field: &str) {
        let mut parts = field.split(',');
        let fingerprint = parts.next().unwrap_or_default().to_owned();
        let mut day = || parts.next().and_then(|part| part.parse().ok());
        if let (Some(first_day), Some(last_day)) = (day(), day())
            && self.0.len() < KEYS_MAX
        {
            self.0.push(Sighting { fingerprint, first_day, last_day });
        }
    }

    /// The fields for the file.
    pub(super) fn write(&self, text: &mut String) {
        for one in &self.0 {
            // Writing to a string cannot fail.
            let _ = write!(text, " seen={},{},{}", one.fingerprint, one.first_day, one.last_day);
        }
    }
}

impl Sighting {
    /// The first day, as a date.
    pub fn first_date(&self) -> String {
        date(self.first_day)
    }

    /// The last day, as a date.
    pub fn last_date(&self) -> String {
        date(self.last_day)
    }
}

fn date(day: u64) -> String {
    clock::utc(day.saturating_mul(DAY_SECONDS), "%Y-%m-%d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_and_forgotten() {
        let mut sightings = Sightings::default();
        sightings.read("SHA256:a,20500,20512");
        sightings.read("SHA256:b,x,1");
        assert_eq!(sightings.of("SHA256:b"), None);
        let seen = sightings.of("SHA256:a").unwrap();
        assert_eq!(
            (seen.first_date(), seen.last_date()),
            ("2026-02-16".into(), "2026-02-28".into())
        );
        let mut text = String::new();
        sightings.write(&mut text);
        assert_eq!(text, " seen=SHA256:a,20500,20512");
        for key in ["1", "2", "3", "4"] {
            sightings.saw(key);
        }
        assert_eq!(sightings.of("SHA256:a"), None);
        assert!(sightings.of("1").is_some());
    }
}
