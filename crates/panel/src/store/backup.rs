//! A copy of the whole database while it is in use.

use std::path::Path;

use super::{Error, Kind, Store};

impl Store {
    /// Writes a consistent copy to a file that is not there yet.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a file that is there, and with PostgreSQL, which has `pg_dump`.
    pub async fn backup(&self, to: &Path) -> Result<(), Error> {
        if self.kind == Kind::Postgres {
            return Err(Error::Unusable(
                "a PostgreSQL database is copied by pg_dump, on its own machine".to_owned(),
            ));
        }
        if to.exists() {
            return Err(Error::Unusable(format!("{} is there already", to.display())));
        }
        let path = to
            .to_str()
            .ok_or_else(|| Error::Unusable(format!("the path {} is not UTF-8", to.display())))?;
        // SQLite takes the empty file that only its owner may read.
        super::make_private(to)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(path).execute(&self.readers).await;
        if let Err(error) = copied {
            let _ = std::fs::remove_file(to);
            return Err(error.into());
        }
        Ok(())
    }
}
