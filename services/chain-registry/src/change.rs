//! The frame of every write: one transaction, in which the version is locked first and made anew last, with the row that
//! says who wrote what. The commit tells everybody who waits for a version.

use serde_json::Value;
use sqlx::{PgPool, Postgres, Transaction};

use crate::{error::Error, store};

/// A write that is under way. Dropped, it has changed nothing.
pub(crate) struct Change {
    pub(crate) tx: Transaction<'static, Postgres>,
    /// The version that the next one follows.
    pub(crate) version: i64,
}

/// What the audit keeps of a write; holds no URL of an endpoint.
pub(crate) struct Note<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) before: Option<Value>,
    pub(crate) after: Value,
}

impl Change {
    /// Waits for its turn. A writer that names a version must have read the newest one; zero is "whatever it is".
    pub(crate) async fn begin(db: &PgPool, expected: u64) -> Result<Change, Error> {
        let mut tx = db.begin().await?;
        let version = store::lock_version(&mut tx).await?;
        let current = version.unsigned_abs();
        match expected == 0 || expected == current {
            true => Ok(Change { tx, version }),
            false => Err(Error::Stale { expected, current }),
        }
    }

    /// Makes the new version and answers with it.
    pub(crate) async fn commit(mut self, note: Note<'_>) -> Result<i64, Error> {
        let version = store::insert_audit(&mut self.tx, note).await?;
        self.tx.commit().await?;
        Ok(version)
    }
}
