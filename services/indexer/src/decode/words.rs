//! The words of a log, read where they are: each bound is checked before anything is copied, so that what a log claims
//! costs nothing, and what it has is copied once however often it points there.

use alloy_primitives::{B256, U256};
use ids::{Address, Hash32};

use super::Malformed;
use crate::model::Log;

/// A contract may call itself anything; more of a name than this is not kept.
pub(super) const LONGEST_NAME: usize = 1024;
/// Whole images are put into `data:` URIs; more than this stays with the raw log.
pub(super) const LONGEST_URI: usize = 64 * 1024;

const WORD: usize = 32;

/// The topics after the first: what an event indexes, neither more nor fewer.
pub(super) fn indexed<const N: usize>(log: &Log) -> Result<&[B256; N], Malformed> {
    log.topics.get(1..).and_then(|topics| topics.try_into().ok()).ok_or(Malformed)
}

/// A word with stray bits before the address was not written by a compiler.
pub(super) fn address(word: &B256) -> Result<Address, Malformed> {
    match word.0.split_first_chunk::<12>() {
        Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], rest)) => {
            Address::from_slice(rest).map_err(|_| Malformed)
        }
        _ => Err(Malformed),
    }
}

pub(super) fn number(word: &B256) -> U256 {
    U256::from_be_bytes(word.0)
}

/// A tuple: some words, and what they point to. Offsets count from its beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// What an event does not index; or what a call gave back.
    pub(crate) fn of(data: &'a [u8]) -> Words<'a> {
        Words(data)
    }

    pub(super) fn word(self, index: usize) -> Result<B256, Malformed> {
        let word = self.0.get(index * WORD..(index + 1) * WORD).ok_or(Malformed)?;
        Ok(B256::from_slice(word))
    }

    pub(super) fn number(self, index: usize) -> Result<U256, Malformed> {
        Ok(number(&self.word(index)?))
    }

    pub(super) fn address(self, index: usize) -> Result<Address, Malformed> {
        address(&self.word(index)?)
    }

    pub(super) fn hash(self, index: usize) -> Result<Hash32, Malformed> {
        self.word(index).map(Hash32::from)
    }

    pub(super) fn small(self, index: usize) -> Result<u8, Malformed> {
        self.number(index)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn flag(self, index: usize) -> Result<bool, Malformed> {
        match self.small(index)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    fn size(self, index: usize) -> Result<usize, Malformed> {
        self.number(index)?.try_into().map_err(|_| Malformed)
    }

    /// The tuple that a word points to.
    pub(super) fn tuple(self, index: usize) -> Result<Words<'a>, Malformed> {
        self.0.get(self.size(index)?..).map(Words).ok_or(Malformed)
    }

    /// The bytes or the text that a word points to.
    pub(crate) fn bytes(self, index: usize) -> Result<&'a [u8], Malformed> {
        let tail = self.tuple(index)?;
        let length = tail.size(0)?;
        tail.0.get(WORD..).and_then(|rest| rest.get(..length)).ok_or(Malformed)
    }

    /// The array that a word points to, each item of so many words; one of more items than `most` is refused unread.
    pub(super) fn items(
        self,
        index: usize,
        words: usize,
        most: usize,
    ) -> Result<impl ExactSizeIterator<Item = Words<'a>>, Malformed> {
        let tail = self.tuple(index)?;
        let count = tail.size(0)?;
        if count > most {
            return Err(Malformed);
        }
        let bytes = tail.0.get(WORD..).and_then(|rest| rest.get(..count * words * WORD)).ok_or(Malformed)?;
        Ok(bytes.chunks_exact(words * WORD).map(Words))
    }
}

/// A name as a contract tells it, bounded: bytes that are no UTF-8 are replaced, since the event happened whatever its
/// text is, and so is the NUL that no database column takes.
pub(crate) fn name(bytes: &[u8]) -> String {
    let mut end = bytes.len().min(LONGEST_NAME);
    // Not within a character.
    while end < bytes.len() && end > LONGEST_NAME - 3 && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    let mut text = readable(&bytes[..end]);
    text.truncate(text.floor_char_boundary(LONGEST_NAME));
    text
}

/// A URI as a contract tells it; none where it is empty or longer than anybody should carry.
pub(crate) fn known_uri(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || bytes.len() > LONGEST_URI {
        return None;
    }
    Some(readable(bytes)).filter(|text| text.len() <= LONGEST_URI)
}

fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.into_owned() }
}
