//! The hash chain: how a record becomes a line, and how a line is checked.
//!
//! A line is `{"seq":N,"prev":"…"` + body + `,"hash":"…"}` + newline. Its hash is the SHA-256 of
//! its bytes before `,"hash":`; its `prev` is the hash of the line before, across files.

use std::{borrow::Cow, fmt};

use aws_lc_rs::digest;
use serde::Deserialize;

use crate::json;

const SEQ: &[u8] = b"{\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";

/// What a line has besides its body, at most: for bounds, not for offsets.
pub(crate) const FRAME_BYTES_MAX: usize =
    SEQ.len() + 20 + PREV.len() + 64 + 1 + HASH.len() + 64 + END.len() + 1;

/// A SHA-256 digest as it stands in a line: 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash([u8; 64]);

/// The end of the chain: the last record's number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

/// What the next line must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) seq: u64,
    /// `None` when the line before is not at hand.
    pub(crate) prev: Option<Hash>,
}

/// The members of a line that a check needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Head<'a> {
    pub(crate) seq: u64,
    #[serde(borrow)]
    pub(crate) prev: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) time: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) call: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) hash: Cow<'a, str>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The line is not a record: not JSON, or a member of every record is missing.
    NotARecord {
        /// What the parser says.
        reason: String,
    },
    /// The line does not end with its hash.
    Unsealed,
    /// The line is longer than any record.
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// Records are missing, repeated or out of order.
    Seq {
        /// The number that follows the line before.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// The line does not follow the one before it.
    Prev {
        /// The hash of the line before.
        expected: String,
        /// The `prev` in the line.
        found: String,
    },
    /// The line was changed after it was written.
    Hash {
        /// The hash of the line's bytes.
        expected: String,
        /// The `hash` in the line.
        found: String,
    },
}

impl Tip {
    /// Before the first record.
    pub(crate) const GENESIS: Self = Self {
        seq: 0,
        hash: Hash([b'0'; 64]),
    };

    /// Appends the next line with this body to `out` and moves on to it.
    pub(crate) fn seal(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let seq = self.seq.saturating_add(1);
        out.extend_from_slice(SEQ);
        json::push_u64(out, seq);
        out.extend_from_slice(PREV);
        out.extend_from_slice(&self.hash.0);
        out.push(b'"');
        out.extend_from_slice(body);
        let hash = Hash::of(out.get(start..).unwrap_or_default());
        out.extend_from_slice(HASH);
        out.extend_from_slice(&hash.0);
        out.extend_from_slice(END);
        out.push(b'\n');
        *self = Self { seq, hash };
    }
}

impl Expected {
    /// What follows this record.
    pub(crate) fn after(tip: Tip) -> Self {
        Self {
            seq: tip.seq.saturating_add(1),
            prev: Some(tip.hash),
        }
    }

    /// Everything that is wrong with a line (given without its newline), and its head when it
    /// has one.
    pub(crate) fn check<'a>(&self, line: &'a [u8]) -> (Option<Head<'a>>, Vec<Fault>) {
        let head: Head<'_> = match serde_json::from_slice(line) {
            Ok(head) => head,
            Err(error) => {
                let reason = error.to_string();
                return (None, vec![Fault::NotARecord { reason }]);
            }
        };
        let mut faults = Vec::new();
        if head.seq != self.seq {
            faults.push(Fault::Seq {
                expected: self.seq,
                found: head.seq,
            });
        }
        if let Some(prev) = self.prev
            && !prev.is(&head.prev)
        {
            faults.push(Fault::Prev {
                expected: prev.to_string(),
                found: head.prev.clone().into_owned(),
            });
        }
        match unsealed(line) {
            None => faults.push(Fault::Unsealed),
            Some(bytes) => {
                let hash = Hash::of(bytes);
                if !hash.is(&head.hash) {
                    faults.push(Fault::Hash {
                        expected: hash.to_string(),
                        found: head.hash.clone().into_owned(),
                    });
                }
            }
        }
        (Some(head), faults)
    }
}

impl Head<'_> {
    /// The end of the chain at this line, by its own word.
    pub(crate) fn stated_tip(&self) -> Option<Tip> {
        Some(Tip {
            seq: self.seq,
            hash: Hash(self.hash.as_bytes().try_into().ok()?),
        })
    }
}

/// The bytes that the hash of a line is over.
///
/// Counted from the end: the text before may hold `,"hash":"` in a call's arguments.
fn unsealed(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(END)?;
    let (line, hash) = line.split_at_checked(line.len().checked_sub(64)?)?;
    let line = line.strip_suffix(HASH)?;
    hash.iter().all(u8::is_ascii_hexdigit).then_some(line)
}

impl Hash {
    fn of(bytes: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, bytes);
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest.as_ref()) {
            if let [high, low] = pair {
                *high = json::hex_digit(byte >> 4);
                *low = json::hex_digit(byte & 0xf);
            }
        }
        Self(hex)
    }

    fn is(&self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecord { reason } => write!(f, "not a record: {reason}"),
            Self::Unsealed => f.write_str("the line does not end with its hash"),
            Self::TooLong { bytes } => write!(f, "a line of {bytes} bytes is not a record"),
            Self::Seq { expected, found } => {
                write!(f, "expected seq {expected}, found {found}")
            }
            Self::Prev { expected, found } => {
                write!(
                    f,
                    "expected prev `{expected}`, found `{}`",
                    found.escape_debug()
                )
            }
            Self::Hash { expected, found } => write!(
                f,
                "the line was changed: its bytes have hash `{expected}`, it says `{}`",
                found.escape_debug()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#","time":"t","kind":"event","x":{"a":1,"hash":"b"}"#;

    fn three_lines() -> [Vec<u8>; 3] {
        let mut tip = Tip::GENESIS;
        [(); 3].map(|()| {
            let mut line = Vec::new();
            tip.seal(BODY, &mut line);
            line.pop();
            line
        })
    }

    #[test]
    fn sealed_lines_follow_one_another() {
        let mut tip = Tip::GENESIS;
        for line in three_lines() {
            assert!(line.len() <= BODY.len() + FRAME_BYTES_MAX);
            let (head, faults) = Expected::after(tip).check(&line);
            assert_eq!(faults, []);
            tip = head.unwrap().stated_tip().unwrap();
        }
        assert_eq!(tip.seq, 3);
    }

    #[test]
    fn a_flip_of_any_bit_of_any_byte_is_found() {
        let [first, second, _] = three_lines();
        let (head, _) = Expected::after(Tip::GENESIS).check(&first);
        let expected = Expected::after(head.unwrap().stated_tip().unwrap());
        for at in 0..second.len() {
            for bit in 0..8 {
                let mut changed = second.clone();
                changed[at] ^= 1 << bit;
                let (_, faults) = expected.check(&changed);
                assert!(!faults.is_empty(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_line_whose_hash_was_made_anew_breaks_the_next() {
        let [first, second, _] = three_lines();
        let mut tip = Tip::GENESIS;
        let mut forged = Vec::new();
        tip.seal(br#","time":"t","kind":"event","x":2"#, &mut forged);
        assert_ne!(forged, first);
        let (_, faults) = Expected::after(tip).check(&second);
        assert!(matches!(faults[..], [Fault::Prev { .. }]), "{faults:?}");
    }

    #[test]
    fn the_hash_is_a_plain_sha_256_of_the_bytes_before_it() {
        let [first, ..] = three_lines();
        let text = String::from_utf8(first).unwrap();
        let (before, hash) = text.rsplit_once(",\"hash\":\"").unwrap();
        let digest = digest::digest(&digest::SHA256, before.as_bytes());
        let mut hex = Vec::new();
        json::push_hex(&mut hex, digest.as_ref());
        assert_eq!(hash, format!("{}\"}}", String::from_utf8(hex).unwrap()));
    }
}
