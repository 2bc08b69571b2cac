//! Blocks that clients ask about: those that were just decided, and those that were asked for last.
//!
//! Invariant: every block in here is durable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vostro_rpc::StoredBlock;
use vostro_types::Height;

/// Blocks that are kept at most ...
const MAX_BLOCKS: usize = 32;
/// ... and their receipts, of some 1.5 KiB with the transaction; one block that has more is kept alone.
const MAX_RECEIPTS: usize = 16_384;

/// Blocks of so many heights in a row are read at the same time.
const READERS: usize = 16;

/// Decoded blocks, the one that was put in or asked for last at the front.
#[derive(Default)]
pub struct RecentBlocks {
    blocks: Mutex<VecDeque<Arc<StoredBlock>>>,
    /// Whoever reads a block holds the lock of its height: one reads it, others who want it wait for that.
    readers: [Mutex<()>; READERS],
}

impl RecentBlocks {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<StoredBlock>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block at a height: one that is here, or what `read` finds, which is kept.
    pub fn get_or_read(
        &self,
        height: Height,
        read: impl FnOnce() -> Option<Arc<StoredBlock>>,
    ) -> Option<Arc<StoredBlock>> {
        if let Some(found) = self.get(height) {
            return Some(found);
        }
        let _reader = self.readers[height.0 as usize % READERS].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.get(height) {
            return Some(found);
        }
        let block = read()?;
        self.put(block.clone());
        Some(block)
    }

    /// The block at a height, if it is here.
    fn get(&self, height: Height) -> Option<Arc<StoredBlock>> {
        let mut blocks = self.lock();
        let at = blocks.iter().position(|b| b.block.header.height == height)?;
        let found = blocks.remove(at)?;
        blocks.push_front(found.clone());
        Some(found)
    }

    /// Keeps a durable block; those that nobody asked for longest make room.
    pub fn put(&self, block: Arc<StoredBlock>) {
        let mut blocks = self.lock();
        blocks.retain(|b| b.block.header.height != block.block.header.height);
        blocks.push_front(block);
        blocks.truncate(MAX_BLOCKS);
        let mut receipts = 0;
        let fits = blocks.iter().take_while(|b| {
            receipts += b.receipts.len();
            receipts <= MAX_RECEIPTS
        });
        let kept = fits.count().max(1);
        blocks.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use vostro_types::block::HEADER_VERSION;
    use vostro_types::receipt::Cause;
    use vostro_types::{
        Amount, Block, BlockId, Certificate, Epoch, Hash, Header, Outcome, Receipt, Time, TxId, View, VoteKind,
    };

    fn block(height: u64, receipts: usize) -> Arc<StoredBlock> {
        let header = Header {
            version: HEADER_VERSION,
            epoch: Epoch(0),
            height: Height(height),
            parent: BlockId(Hash::ZERO),
            time: Time(height),
            validators: Hash::ZERO,
            next_validators: Hash::ZERO,
            transactions_root: Hash::ZERO,
            evidence_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            state_root: Hash::ZERO,
        };
        let certificate = Certificate {
            kind: VoteKind::Commit,
            epoch: Epoch(0),
            height: Height(height),
            view: View(0),
            block: header.id(),
            signatures: Vec::new(),
        };
        let receipt = Receipt {
            cause: Cause::Transaction(TxId(Hash::ZERO)),
            outcome: Outcome::Applied,
            fee: Amount::ZERO,
            postings: Vec::new(),
            events: Vec::new(),
        };
        let block = Arc::new(Block { header, transactions: Vec::new(), evidence: Vec::new() });
        Arc::new(StoredBlock { block, certificate, receipts: vec![receipt; receipts] })
    }

    fn kept(recent: &RecentBlocks, heights: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        heights.filter(|h| recent.lock().iter().any(|b| b.block.header.height.0 == *h)).collect()
    }

    #[test]
    fn what_nobody_asked_for_longest_makes_room() {
        let recent = RecentBlocks::default();
        for height in 1..=MAX_BLOCKS as u64 {
            recent.put(block(height, 1));
        }
        assert!(recent.get(Height(1)).is_some());
        recent.put(block(99, 1));
        assert!(recent.get(Height(1)).is_some() && recent.get(Height(2)).is_none());
        // the same block again takes no second place
        recent.put(block(99, 1));
        assert_eq!(recent.lock().len(), MAX_BLOCKS);
    }

    #[test]
    fn of_many_who_want_a_block_one_reads_it() {
        let (recent, reads) = (RecentBlocks::default(), AtomicUsize::new(0));
        let read = || {
            reads.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(20));
            Some(block(7, 1))
        };
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..8).map(|_| scope.spawn(|| recent.get_or_read(Height(7), read))).collect();
            assert!(readers.into_iter().all(|reader| reader.join().unwrap().is_some()));
        });
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        assert!(recent.get_or_read(Height(8), || None).is_none() && recent.get(Height(8)).is_none());
    }

    #[test]
    fn large_blocks_leave_room_for_fewer_and_one_is_always_kept() {
        let recent = RecentBlocks::default();
        (1..=5).for_each(|height| recent.put(block(height, MAX_RECEIPTS / 2)));
        assert_eq!(kept(&recent, 1..=5), [4, 5]);
        recent.put(block(6, MAX_RECEIPTS + 1));
        assert_eq!(kept(&recent, 1..=6), [6]);
        recent.put(block(7, 1));
        assert_eq!(kept(&recent, 1..=7), [7]);
    }
}
