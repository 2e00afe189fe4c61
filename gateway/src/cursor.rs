//! Cursors: positions that clients carry and cannot make up.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use launch::Secret;

use crate::error::{BAD_CURSOR, coded};

/// Bytes of the signature that a cursor carries: enough that none is guessed, short enough to be passed about.
const TAG: usize = 12;

/// Seals positions of one kind into opaque strings, and opens them again.
#[derive(Clone)]
pub(crate) struct Seal {
    key: std::sync::Arc<hmac::Key>,
}

impl Seal {
    pub(crate) fn new(secret: &Secret) -> Seal {
        Seal { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()).into() }
    }

    /// `kind` keeps a cursor of one list from being used in another.
    pub(crate) fn seal(&self, kind: &str, position: &str) -> String {
        let mut bytes = self.tag(kind, position);
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn open(&self, kind: &str, cursor: &str) -> async_graphql::Result<String> {
        let bad = || coded(BAD_CURSOR, "the cursor is not one of this list");
        // No position is this long; what is longer was not sealed here.
        if cursor.len() > 1024 {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
        let (tag, position) = bytes.split_at_checked(TAG).ok_or_else(bad)?;
        let position = std::str::from_utf8(position).map_err(|_| bad())?;
        match aws_lc_rs::constant_time::verify_slices_are_equal(tag, &self.tag(kind, position)) {
            Ok(()) => Ok(position.to_owned()),
            Err(_) => Err(bad()),
        }
    }

    fn tag(&self, kind: &str, position: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(position.as_bytes());
        context.sign().as_ref()[..TAG].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&Secret::from("a key for tests".to_owned()))
    }

    #[test]
    fn a_sealed_position_opens_again() {
        let cursor = seal().seal("tokens", "17|abc");
        assert_eq!(seal().open("tokens", &cursor).unwrap(), "17|abc");
    }

    #[test]
    fn a_cursor_of_another_list_or_with_a_changed_byte_is_refused() {
        let cursor = seal().seal("tokens", "17|abc");
        assert!(seal().open("collections", &cursor).is_err());
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(seal().open("tokens", &changed).is_err() || changed == cursor, "byte {at}");
        }
        assert!(seal().open("tokens", "").is_err());
        assert!(seal().open("tokens", "not base64!").is_err());
    }
}
