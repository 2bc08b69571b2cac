//! When transactions that clients handed in are gossiped: at once where little happens, together where much does.
//!
//! A batch costs each node that hears it as much as many transactions do. While blocks take long nothing is gained by telling the
//! others more often than a few times a block.
//!
//! Invariant: at the first step of the engine after [`MAX_PAUSE_MS`] none waits, and none that comes alone waits at all.

use std::sync::Arc;

use vostro_types::{Time, VerifiedTransaction};

/// Longest time from one batch to the next while there is something to gossip, in milliseconds.
pub(crate) const MAX_PAUSE_MS: u64 = 20;
/// Batches in the time that a block takes.
const A_BLOCK: u64 = 4;

/// Transactions that are not gossiped yet.
#[derive(Debug, Default)]
pub(crate) struct Gossip {
    waiting: Vec<Arc<VerifiedTransaction>>,
    /// When the last batch went out.
    sent: Time,
    /// When work on the block of the next height began.
    begun: Option<Time>,
    /// How long the last block took, from then to its decision, in milliseconds.
    took: u64,
}

impl Gossip {
    /// Lets transactions wait for the next batch.
    pub(crate) fn push(&mut self, transactions: impl IntoIterator<Item = Arc<VerifiedTransaction>>) {
        self.waiting.extend(transactions);
    }

    /// A block of the next height is built or executed.
    pub(crate) fn begun(&mut self, now: Time) {
        self.begun.get_or_insert(now);
    }

    /// A block is decided.
    pub(crate) fn decided(&mut self, now: Time) {
        self.took = self.begun.take().map_or(0, |begun| now.since(begun));
    }

    /// When what waits goes out; `None` if nothing waits.
    pub(crate) fn due(&self) -> Option<Time> {
        (!self.waiting.is_empty()).then(|| self.sent.plus((self.took / A_BLOCK).min(MAX_PAUSE_MS)))
    }

    /// What goes out now.
    pub(crate) fn take(&mut self, now: Time) -> Vec<Arc<VerifiedTransaction>> {
        // A clock that was set back keeps nothing back.
        let is_due = self.due().is_some_and(|due| due <= now || now < self.sent);
        if !is_due {
            return Vec::new();
        }
        self.sent = now;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mempool::tests::transaction;

    /// One whose last block took so long and that sent its last batch at 1,000.
    fn after_a_block_of(millis: u64) -> Gossip {
        let mut gossip = Gossip::default();
        gossip.begun(Time(500));
        gossip.begun(Time(501));
        gossip.decided(Time(500 + millis));
        gossip.push([transaction(0, 1000)]);
        assert_eq!(gossip.take(Time(1000)).len(), 1);
        gossip
    }

    #[test]
    fn what_comes_alone_goes_at_once() {
        for took in [0, 3, 200] {
            let mut gossip = after_a_block_of(took);
            assert_eq!((gossip.due(), gossip.take(Time(2000)).len()), (None, 0));
            gossip.push([transaction(1, 1000)]);
            assert_eq!(gossip.take(Time(1000 + MAX_PAUSE_MS)).len(), 1, "after a block of {took} ms");
        }
    }

    #[test]
    fn where_blocks_take_long_what_comes_soon_goes_together() {
        let pause_of = |took| {
            let mut gossip = after_a_block_of(took);
            gossip.push([transaction(1, 1000)]);
            let due = gossip.due().unwrap();
            assert!(due == Time(1000) || gossip.take(due.minus(1)).is_empty());
            gossip.push([transaction(2, 1000)]);
            assert_eq!(gossip.take(due).len(), 2);
            assert_eq!(gossip.due(), None);
            due.since(Time(1000))
        };
        assert_eq!([0, 3, 4, 40, 80, 5000].map(pause_of), [0, 0, 1, 10, MAX_PAUSE_MS, MAX_PAUSE_MS]);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_back() {
        let mut gossip = after_a_block_of(80);
        gossip.push([transaction(1, 1000)]);
        assert_eq!(gossip.take(Time(10)).len(), 1);
    }
}
