//! Writes that were handed to the log writer and are not reported yet.
//!
//! Invariant: there are never more than [`REPORTS`] of them, so a channel of reports with that many places is never full
//! and the log writer never waits for the engine. The engine may wait for the log writer: this order is what keeps the two
//! from waiting for each other.

use std::collections::VecDeque;

use vostro_consensus::MAX_UNPERSISTED;
use vostro_engine::wire::MAX_SYNC_BLOCKS;

/// With so many writes under way the engine takes no events, only reports.
pub const MAX_WRITES: usize = 1024;
/// The same in bytes: with so many the engine takes no events, only reports.
pub const MAX_WRITE_BYTES: usize = 64 << 20;
/// More writes than one event leads to: many blocks, where it decides one or two, and what the core signs after them.
const MAX_STEP_WRITES: usize = MAX_SYNC_BLOCKS + 2 * MAX_UNPERSISTED;
/// Reports that may wait for the engine.
pub const REPORTS: usize = MAX_WRITES + MAX_STEP_WRITES;

/// More writes than one step can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one step of the engine led to more writes than there are places for their reports")]
pub struct TooMany;

/// Writes under way, oldest first, each with what follows once it is durable.
#[derive(Debug)]
pub struct UnderWay<T> {
    writes: VecDeque<(u64, usize, T)>,
    bytes: usize,
    next_ticket: u64,
}

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        UnderWay { writes: VecDeque::new(), bytes: 0, next_ticket: 1 }
    }
}

impl<T> UnderWay<T> {
    /// Notes one more write of so many bytes; gives its ticket.
    ///
    /// # Errors
    /// [`TooMany`]: there would be no place for its report.
    pub fn add(&mut self, bytes: usize, then: T) -> Result<u64, TooMany> {
        if self.writes.len() >= REPORTS {
            return Err(TooMany);
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.writes.push_back((ticket, bytes, then));
        Ok(ticket)
    }

    /// Whether another event may lead to more writes.
    pub fn has_room(&self) -> bool {
        self.writes.len() < MAX_WRITES && self.bytes < MAX_WRITE_BYTES
    }

    /// What follows the oldest write, if its ticket is `ticket` or lower.
    pub fn finish(&mut self, ticket: u64) -> Option<T> {
        if self.writes.front().is_none_or(|(oldest, _, _)| *oldest > ticket) {
            return None;
        }
        let (_, bytes, then) = self.writes.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(then)
    }

    /// Whether no write is under way.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use vostro_storage::disk::MemDisk;
    use vostro_storage::{Journal, JournalDisks, JournalOptions, Report, Write, Writer};

    #[test]
    fn events_wait_when_writes_are_many_or_large() {
        let mut under_way = UnderWay::default();
        for at in 0..MAX_WRITES {
            assert!(under_way.has_room(), "{at}");
            under_way.add(1, at).unwrap();
        }
        assert!(!under_way.has_room());
        assert_eq!(under_way.finish(0), None);
        assert_eq!(under_way.finish(1), Some(0));
        assert!(under_way.has_room());
        under_way.add(MAX_WRITE_BYTES, 0).unwrap();
        while under_way.finish(MAX_WRITES as u64).is_some() {
            assert!(!under_way.has_room(), "the large one is still there");
        }
        assert!(!under_way.is_empty());
        under_way.finish(u64::MAX);
        assert!(under_way.has_room() && under_way.is_empty());
    }

    #[test]
    fn there_is_a_place_for_every_report() {
        let mut under_way = UnderWay::default();
        while under_way.add(0, ()).is_ok() {}
        assert_eq!(under_way.writes.len(), REPORTS);
    }

    /// An engine that hands in all it may and takes no report: the log writer goes on all the same, and so does whoever
    /// waits for a place in its queue.
    #[test]
    fn the_log_writer_never_waits_for_the_engine() {
        let disk = |seed| Arc::new(MemDisk::new(seed));
        let disks = JournalDisks { consensus: disk(1), blocks: disk(2), signer: disk(3) };
        let journal = Journal::open(&disks, [0; 32], &JournalOptions::default()).unwrap().0;
        let (report, reports) = crossbeam_channel::bounded(REPORTS);
        let mut writer = Writer::start(journal, move |r| report.try_send(r).unwrap()).unwrap();
        let mut under_way = UnderWay::default();
        while let Ok(ticket) = under_way.add(1, ()) {
            writer.submit(ticket, vec![Write::Consensus { kind: 1, payload: vec![0] }]).unwrap();
        }
        writer.close().unwrap();
        assert_eq!(reports.len(), REPORTS);
        for report in reports {
            assert!(matches!(report, Report::Persisted { ticket, .. } if under_way.finish(ticket).is_some()));
        }
        assert!(under_way.is_empty());
    }
}
