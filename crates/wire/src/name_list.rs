use crate::Error;

/// Names in order of preference, separated by commas. RFC 4251 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NameList<'a> {
    joined: &'a str,
}

impl<'a> NameList<'a> {
    /// From the contents of a `name-list` field.
    ///
    /// # Errors
    /// [`Error::BadNameList`] when a name is empty or not printable US-ASCII.
    pub fn from_wire(bytes: &'a [u8]) -> Result<Self, Error> {
        let joined = std::str::from_utf8(bytes).map_err(|_| Error::BadNameList)?;
        let printable = joined.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable || (!joined.is_empty() && joined.split(',').any(str::is_empty)) {
            return Err(Error::BadNameList);
        }
        Ok(Self { joined })
    }

    /// The names, first preference first.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.joined.split(',').filter(|name| !name.is_empty())
    }

    /// Whether `name` is in the list.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|listed| listed == name)
    }

    /// The list as it stands on the wire.
    pub fn as_str(&self) -> &'a str {
        self.joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_refused() {
        assert_eq!(NameList::from_wire(b"a,,b"), Err(Error::BadNameList));
        assert_eq!(NameList::from_wire(b","), Err(Error::BadNameList));
        assert_eq!(NameList::from_wire(b"a b"), Err(Error::BadNameList));
        assert_eq!(NameList::from_wire(b"").map(|list| list.iter().count()), Ok(0));
        let list = NameList::from_wire(b"a,b@c").unwrap();
        assert!(list.contains("b@c") && !list.contains("b"));
    }
}
