//! Nova's microversions: one API whose objects gain and lose fields by number.

use std::fmt;

use axum::http::{HeaderMap, StatusCode};

use super::fault::Fault;

/// `2.N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microversion(u16);

impl Microversion {
    /// The oldest, which is also what is spoken when nobody asks.
    pub(super) const MIN: Self = Self(1);
    /// The newest that the tests cover.
    pub(super) const MAX: Self = Self(96);

    /// Whether it is 2.`minor` or later.
    pub(super) fn since(self, minor: u16) -> bool {
        self.0 >= minor
    }

    /// Whether it is before 2.`minor`.
    pub(super) fn before(self, minor: u16) -> bool {
        self.0 < minor
    }

    /// What the headers ask for: `OpenStack-API-Version: compute 2.N`, or the older
    /// `X-OpenStack-Nova-API-Version: 2.N`.
    ///
    /// # Errors
    /// 400 for what is no version, 406 for one that is not spoken here.
    pub(super) fn negotiate(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut wanted = None;
        for value in headers.get_all("openstack-api-version") {
            let text = value.to_str().map_err(|_| malformed("?"))?;
            // A header without a word asks for nothing.
            let parts = text.split(',').filter(|_| !text.trim().is_empty());
            for part in parts {
                let mut words = part.split_whitespace();
                let (Some(service), Some(version), None) =
                    (words.next(), words.next(), words.next())
                else {
                    return Err(malformed(part));
                };
                if service.eq_ignore_ascii_case("compute") {
                    wanted = Some(version.to_owned());
                }
            }
        }
        if wanted.is_none()
            && let Some(value) = headers.get("x-openstack-nova-api-version")
        {
            wanted = Some(value.to_str().map_err(|_| malformed("?"))?.trim().to_owned());
        }
        match wanted.as_deref() {
            None => Ok(Self::MIN),
            Some("latest") => Ok(Self::MAX),
            Some(text) => Self::parse(text),
        }
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let (major, minor) = text.split_once('.').ok_or_else(|| malformed(text))?;
        if !is_number(major) || !is_number(minor) || major == "0" {
            return Err(malformed(text));
        }
        let unsupported = || {
            Fault::new(
                StatusCode::NOT_ACCEPTABLE,
                format_args!(
                    "Version {text} is not supported by the API. Minimum is {} and maximum is {}.",
                    Self::MIN,
                    Self::MAX
                ),
            )
        };
        if major != "2" {
            return Err(unsupported());
        }
        match minor.parse().map(Self) {
            Ok(version) if (Self::MIN..=Self::MAX).contains(&version) => Ok(version),
            _ => Err(unsupported()),
        }
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2.{}", self.0)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 9
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

fn malformed(text: &str) -> Fault {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(32).collect();
    Fault::bad(format_args!(
        "API Version String {shown} is of invalid format. Must be of format MajorNum.MinorNum."
    ))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Result<Microversion, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Microversion::negotiate(&map).map_err(|fault| fault.status.as_u16())
    }

    #[test]
    fn nothing_asked_is_the_oldest() {
        assert_eq!(of(&[]), Ok(Microversion::MIN));
        assert_eq!(of(&[("openstack-api-version", " ")]), Ok(Microversion::MIN));
        assert_eq!(of(&[("openstack-api-version", "volume 3.10")]), Ok(Microversion::MIN));
    }

    #[test]
    fn both_headers_and_their_order() {
        assert_eq!(of(&[("x-openstack-nova-api-version", "2.10")]), Ok(Microversion(10)));
        assert_eq!(of(&[("openstack-api-version", "compute 2.61")]), Ok(Microversion(61)));
        assert_eq!(
            of(&[
                ("x-openstack-nova-api-version", "2.10"),
                ("openstack-api-version", "volume 3.0, compute latest"),
            ]),
            Ok(Microversion::MAX)
        );
    }

    #[test]
    fn outside_is_not_acceptable() {
        for text in ["2.97", "2.0", "3.1", "1.1", "2.99999"] {
            assert_eq!(of(&[("x-openstack-nova-api-version", text)]), Err(406), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["compute", "{}", "compute 2.1,", "compute 2.1 2.2"] {
            assert_eq!(of(&[("openstack-api-version", text)]), Err(400), "{text}");
        }
        for text in ["", "2", "2.", ".1", "2.01", "02.1", "a.b", "2.1.1", "-2.1", "2.+1"] {
            assert_eq!(of(&[("x-openstack-nova-api-version", text)]), Err(400), "{text}");
        }
    }
}
