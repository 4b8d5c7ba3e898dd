//! The cloud's regions, by the names that people know them by.

use std::ops::Deref;

use cloud::Caller;
use cloud::model::Region;

use super::error::PageError;
use crate::State;

/// All that the caller sees.
pub(super) struct Regions(Vec<Region>);

impl Regions {
    /// # Errors
    /// When the cloud does not say.
    pub(super) async fn of(state: &State, caller: &Caller) -> Result<Self, PageError> {
        Ok(Self(state.cloud.regions(caller).await?))
    }

    /// What people call it; the identifier itself where nothing else is known.
    pub(super) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.0.iter().find(|region| region.id == id).map_or(id, |region| &region.name)
    }

    /// Several of them in a sentence.
    pub(super) fn names(&self, ids: &[String]) -> String {
        ids.iter().map(|id| self.name(id)).collect::<Vec<_>>().join(" and ")
    }

    /// Whether there is one of this identifier.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|region| region.id == id)
    }
}

impl Deref for Regions {
    type Target = [Region];

    fn deref(&self) -> &[Region] {
        &self.0
    }
}
