//! What a session is preparing, as orchestrator tells it. It is a note for the session's owner: a session that is not the
//! user's or not alive gets none, and nobody is told so.

use ids::{ChainId, IntentId, SessionId, UserId};
use proto::auth::v1::SetIntentContextRequest;
use sqlx::PgPool;

use crate::{error::Error, store};

const KIND_MAX: usize = 32;

/// What is noted.
pub(crate) struct Note {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) chain_id: ChainId,
    pub(crate) kind: String,
    pub(crate) intent_id: IntentId,
}

impl Note {
    /// Reads what orchestrator sent.
    pub(crate) fn parse(request: SetIntentContextRequest) -> Result<Note, Error> {
        let is_word = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if !(1..=KIND_MAX).contains(&request.kind.len()) || !request.kind.bytes().all(is_word) {
            return Err(Error::field("kind", "must be a word such as MINT_721"));
        }
        Ok(Note {
            session_id: request.session_id.parse().map_err(|err| Error::field("session_id", err))?,
            user_id: request.user_id.parse().map_err(|err| Error::field("user_id", err))?,
            chain_id: request.chain_id.parse().map_err(|err| Error::field("chain_id", err))?,
            kind: request.kind,
            intent_id: request.intent_id.parse().map_err(|err| Error::field("intent_id", err))?,
        })
    }
}

/// Notes it.
pub(crate) async fn set_intent_context(db: &PgPool, note: &Note) -> Result<(), Error> {
    store::update_intent_context(
        db,
        note.session_id,
        note.user_id,
        note.chain_id,
        &note.kind,
        note.intent_id,
    )
    .await?;
    Ok(())
}
