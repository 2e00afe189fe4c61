//! Who changed what, newest first, a page at a time.

use sqlx::PgPool;

use crate::{
    error::Error,
    store::{self, AuditEntry},
};

const PAGE_MOST: i32 = 100;

/// A page, and where the next one begins; None at the end.
pub(crate) async fn list_audit(
    db: &PgPool,
    page_size: i32,
    page_token: &str,
) -> Result<(Vec<AuditEntry>, Option<String>), Error> {
    if !(1..=PAGE_MOST).contains(&page_size) {
        return Err(Error::field("page_size", format!("must be 1 to {PAGE_MOST}")));
    }
    let before = match page_token {
        "" => i64::MAX,
        text => {
            let version = text.parse::<i64>().ok().filter(|version| *version > 0);
            version.ok_or_else(|| Error::field("page_token", "is not a position of this list"))?
        }
    };
    let limit = i64::from(page_size);
    let mut entries = store::list_audit(db, before, limit + 1).await?;
    let has_more = entries.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = entries.last().filter(|_| has_more).map(|entry| entry.version.to_string());
    Ok((entries, next))
}
