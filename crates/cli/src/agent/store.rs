//! The keys that the agent holds.

use std::collections::{BTreeMap, HashMap};

use keys::agent::DestinationConstraint;
use keys::{PrivateKey, PublicKey};

use super::clock::Moment;
use super::limits;

/// Who signs with a key.
pub enum HeldKey {
    /// The agent itself.
    Here(PrivateKey),
    /// A security key, which this library reaches.
    SecurityKey {
        /// The handle.
        key: PrivateKey,
        /// The library, or `internal`.
        provider: String,
    },
    /// A PKCS#11 token.
    Card {
        /// The public half, in its certificate when it has one.
        public: PublicKey,
        /// What the token calls it.
        comment: String,
        /// The library that reaches it.
        library: String,
    },
}

impl HeldKey {
    /// The public half, in its certificate when it has one.
    pub fn public(&self) -> &PublicKey {
        match self {
            Self::Here(key) | Self::SecurityKey { key, .. } => key.public(),
            Self::Card { public, .. } => public,
        }
    }

    /// For people.
    pub fn comment(&self) -> &str {
        match self {
            Self::Here(key) | Self::SecurityKey { key, .. } => key.comment(),
            Self::Card { comment, .. } => comment,
        }
    }
}

/// A key and the terms on which it is held.
pub struct Held {
    /// The key, with its comment.
    pub key: HeldKey,
    /// When it is forgotten.
    pub dies: Option<Moment>,
    /// Whether every use is asked about.
    pub confirm: bool,
    /// Where it may be used; empty for anywhere.
    pub destinations: Vec<DestinationConstraint>,
    /// How long the message was that brought it: about what it takes here.
    pub weight: usize,
}

impl Held {
    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// Whether it is in a token of this library.
    fn is_of(&self, wanted: &str) -> bool {
        matches!(&self.key, HeldKey::Card { library, .. } if library == wanted)
    }

    /// What it takes in a listing.
    fn listing_bytes(&self) -> usize {
        self.public().blob().len() + self.key.comment().len() + 8
    }
}

/// All keys, in the order they came.
#[derive(Default)]
pub struct Store {
    by_number: BTreeMap<u64, Held>,
    by_blob: HashMap<Vec<u8>, u64>,
    next_number: u64,
    listing_bytes: usize,
    weight: usize,
    next_death: Option<Moment>,
}

impl Store {
    /// Holds a key, in place of the same key if there is one.
    ///
    /// # Errors
    /// There is no room for another.
    pub fn add(&mut self, held: Held) -> Result<(), &'static str> {
        let existing = self.by_blob.get(held.public().blob()).copied();
        let freed = existing.and_then(|number| self.by_number.get(&number));
        let (freed, lighter) = freed.map_or((0, 0), |held| (held.listing_bytes(), held.weight));
        if existing.is_none() && self.by_number.len() >= limits::KEYS {
            return Err("it holds too many keys");
        }
        let bytes = self.listing_bytes - freed + held.listing_bytes();
        let weight = self.weight - lighter + held.weight;
        if bytes > limits::LISTING_BYTES || weight > limits::STORED_BYTES {
            return Err("its keys take too much room");
        }
        (self.listing_bytes, self.weight) = (bytes, weight);
        let number = existing.unwrap_or_else(|| {
            self.next_number += 1;
            self.by_blob.insert(held.public().blob().to_vec(), self.next_number);
            self.next_number
        });
        if let Some(dies) = held.dies {
            self.next_death = Some(self.next_death.map_or(dies, |next| next.min(dies)));
        }
        self.by_number.insert(number, held);
        Ok(())
    }

    /// The key with this blob.
    pub fn find(&self, blob: &[u8]) -> Option<&Held> {
        self.by_number.get(self.by_blob.get(blob)?)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_number.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Forgets a key; false when it is not held.
    pub fn remove(&mut self, blob: &[u8]) -> bool {
        let Some(number) = self.by_blob.remove(blob) else { return false };
        if let Some(held) = self.by_number.remove(&number) {
            self.listing_bytes -= held.listing_bytes();
            self.weight -= held.weight;
        }
        true
    }

    /// Forgets the keys of a PKCS#11 library; false when it holds none.
    pub fn remove_card(&mut self, library: &str) -> bool {
        let of_card = self.iter().filter(|held| held.is_of(library));
        let blobs: Vec<Vec<u8>> = of_card.map(|held| held.public().blob().to_vec()).collect();
        for blob in &blobs {
            self.remove(blob);
        }
        !blobs.is_empty()
    }

    /// Whether it holds a key of this PKCS#11 library.
    pub fn has_card(&self, library: &str) -> bool {
        self.iter().any(|held| held.is_of(library))
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        *self = Self { next_number: self.next_number, ..Self::default() };
    }

    /// When [`Self::reap`] has something to do again.
    pub fn next_death(&self) -> Option<Moment> {
        self.next_death
    }

    /// Forgets the keys whose time has come.
    pub fn reap(&mut self, now: Moment) {
        if self.next_death.is_none_or(|next| now < next) {
            return;
        }
        let is_dead = |held: &&Held| held.dies.is_some_and(|dies| dies <= now);
        let dead: Vec<Vec<u8>> =
            self.iter().filter(is_dead).map(|held| held.public().blob().to_vec()).collect();
        for blob in dead {
            self.remove(&blob);
        }
        self.next_death = self.iter().filter_map(|held| held.dies).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::KeyKind;
    use std::time::Duration;

    fn held(comment: &str, dies: Option<u64>) -> Held {
        Held {
            key: HeldKey::Here(PrivateKey::generate(KeyKind::Ed25519, None, comment).unwrap()),
            dies: dies.map(Duration::from_secs),
            confirm: false,
            destinations: Vec::new(),
            weight: 100,
        }
    }

    #[test]
    fn keys_die_in_time() {
        let mut store = Store::default();
        for (comment, dies) in [("a", Some(10)), ("b", None), ("c", Some(5))] {
            store.add(held(comment, dies)).unwrap();
        }
        assert_eq!(store.next_death(), Some(Duration::from_secs(5)));
        store.reap(Duration::from_secs(4));
        assert_eq!(store.len(), 3);
        store.reap(Duration::from_secs(5));
        assert_eq!(store.next_death(), Some(Duration::from_secs(10)));
        store.reap(Duration::from_secs(100));
        assert_eq!(store.iter().map(|held| held.key.comment()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(store.next_death(), None);
    }

    #[test]
    fn the_same_key_is_replaced_in_its_place() {
        let mut store = Store::default();
        let first = held("first", Some(3));
        let HeldKey::Here(key) = &first.key else { panic!("a key") };
        let text = key.to_openssh(None, 1).unwrap();
        let blob = first.public().blob().to_vec();
        store.add(first).unwrap();
        store.add(held("other", None)).unwrap();
        let key = PrivateKey::parse(text.as_bytes(), None).unwrap().with_comment("second");
        store.add(Held { key: HeldKey::Here(key), ..held("", None) }).unwrap();
        let comments: Vec<_> = store.iter().map(|held| held.key.comment().to_owned()).collect();
        assert_eq!(comments, ["second", "other"]);
        assert!(store.remove(&blob));
        assert!(!store.remove(&blob));
        store.clear();
        assert_eq!((store.len(), store.listing_bytes, store.weight), (0, 0, 0));
    }

    #[test]
    fn large_comments_fill_it() {
        let mut store = Store::default();
        let comment = "x".repeat(limits::LISTING_BYTES / 2);
        store.add(held(&comment, None)).unwrap();
        assert!(store.add(held(&comment, None)).is_err());
        assert!(store.add(Held { weight: limits::STORED_BYTES, ..held("", None) }).is_err());
        store.add(held("", None)).unwrap();
    }
}
