//! The messages of a changelog topic, and which of them count.
//!
//! A message is `"MSTL" | version | kind | claim | content`. The claim is the offset of a claim message in the same
//! partition; the order of the log decides between claims, so two hosts never hold the same one.

const MAGIC: &[u8; 5] = b"MSTL\x01";
const HEAD: usize = MAGIC.len() + 1 + 8;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A host takes the partition over; the content names it.
    Claim,
    /// A commit, as `frame.rs` writes it.
    Frame,
}

/// The beginning of a message.
pub(super) fn head(kind: Kind, claim: i64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(MAGIC);
    bytes.push(match kind {
        Kind::Claim => b'C',
        Kind::Frame => b'F',
    });
    bytes.extend_from_slice(&claim.to_le_bytes());
    bytes
}

/// Takes a message apart; `None` where it is none of ours.
pub(super) fn parse(bytes: &[u8]) -> Option<(Kind, i64, &[u8])> {
    let (head, content) = bytes.split_at_checked(HEAD)?;
    let (kind, claim) = head.strip_prefix(MAGIC)?.split_first()?;
    let kind = match kind {
        b'C' => Kind::Claim,
        b'F' => Kind::Frame,
        _ => return None,
    };
    Some((kind, i64::from_le_bytes(claim.try_into().ok()?), content))
}

/// Decides, message by message, which frames of a partition count.
#[derive(Debug, Default)]
pub(super) struct Fence {
    claim: i64,
    seq: u64,
    /// Frames of hosts that had lost the partition.
    pub(super) stale: u64,
}

impl Fence {
    /// A claim at that offset.
    pub(super) fn claimed(&mut self, offset: i64) {
        self.claim = self.claim.max(offset);
    }

    /// Whether a frame counts: it names the latest claim, and was not there before.
    pub(super) fn lets_through(&mut self, claim: i64, seq: u64) -> bool {
        if claim < self.claim {
            self.stale += 1;
            return false;
        }
        self.claim = claim;
        if seq <= self.seq {
            return false; // appended twice
        }
        self.seq = seq;
        true
    }

    /// Sequence number of the last frame that counted.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_apart_as_it_was_put_together() {
        let mut bytes = head(Kind::Frame, 77);
        bytes.extend_from_slice(b"content");
        assert_eq!(parse(&bytes).unwrap(), (Kind::Frame, 77, b"content".as_slice()));
        assert_eq!(parse(b"{\"not\": \"ours\"}"), None);
        assert_eq!(parse(b"MSTL\x02F12345678"), None, "of a later version");
    }

    #[test]
    fn a_zombies_late_frame_does_not_count() {
        let mut fence = Fence::default();
        fence.claimed(0);
        assert!(fence.lets_through(0, 1));
        fence.claimed(2);
        assert!(!fence.lets_through(0, 2), "its host lost the partition");
        assert!(fence.lets_through(2, 2));
        assert!(!fence.lets_through(2, 2), "appended twice");
        assert!(fence.lets_through(2, 3));
        assert_eq!(fence.stale, 1);
    }

    #[test]
    fn reading_may_begin_after_a_claim() {
        let mut fence = Fence::default();
        assert!(fence.lets_through(500, 40));
        assert!(!fence.lets_through(300, 41));
    }
}
