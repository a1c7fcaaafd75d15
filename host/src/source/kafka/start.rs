//! Where to begin reading a partition: pure decisions, from what the changelog, the group and the broker say.
//!
//! A position that the partition no longer has is never replaced in silence: older than its first record, the gap is
//! counted; beyond its end, reading stops with an error.

use crate::config::Start;

/// What is known of a partition when it is assigned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Next offset by the changelog (or by what has been durable since).
    pub(super) changelog: Option<i64>,
    /// Next offset by the group.
    pub(super) committed: Option<i64>,
    /// First offset that can still be read.
    pub(super) low: i64,
    /// Offset after the last one.
    pub(super) high: i64,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// At this offset.
    At(i64),
    /// At this offset, because so many records before it were not read and are no longer there.
    AfterGap { at: i64, expired: i64 },
    /// The position lies beyond the partition's end.
    Beyond { position: i64 },
}

/// The larger of both positions, else `start`.
pub(super) fn begin(known: Known, start: Start) -> Begin {
    let Some(position) = known.changelog.max(known.committed) else {
        return Begin::At(match start {
            Start::Earliest => known.low,
            Start::Latest => known.high,
        });
    };
    if position > known.high {
        Begin::Beyond { position }
    } else if position < known.low {
        Begin::AfterGap { at: known.low, expired: known.low - position }
    } else {
        Begin::At(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(changelog: Option<i64>, committed: Option<i64>) -> Known {
        Known { changelog, committed, low: 10, high: 20 }
    }

    #[test]
    fn begins_at_the_larger_position() {
        assert_eq!(begin(known(Some(12), Some(15)), Start::Earliest), Begin::At(15));
        assert_eq!(begin(known(Some(15), Some(12)), Start::Latest), Begin::At(15));
        assert_eq!(begin(known(Some(20), None), Start::Earliest), Begin::At(20));
        assert_eq!(begin(known(None, Some(10)), Start::Latest), Begin::At(10));
    }

    #[test]
    fn start_counts_only_without_a_position() {
        assert_eq!(begin(known(None, None), Start::Earliest), Begin::At(10));
        assert_eq!(begin(known(None, None), Start::Latest), Begin::At(20));
    }

    #[test]
    fn expired_records_are_counted() {
        assert_eq!(begin(known(Some(3), None), Start::Latest), Begin::AfterGap { at: 10, expired: 7 });
        assert_eq!(begin(known(Some(0), Some(9)), Start::Latest), Begin::AfterGap { at: 10, expired: 1 });
    }

    #[test]
    fn a_position_beyond_the_end_is_no_reset() {
        assert_eq!(begin(known(Some(21), Some(15)), Start::Earliest), Begin::Beyond { position: 21 });
    }
}
