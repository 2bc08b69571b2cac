//! What the contract does for a payment, and what executing a block of them costs.

use vostro_execution::{Changes, Executed, Overlay, execute};
use vostro_settlement::{BlockContext, apply, fire_deadlines};
use vostro_types::transaction::PayMode;
use vostro_types::{Receipt, VerifiedTransaction};

use crate::cast::Cast;

const DAY_MS: u64 = 86_400_000;

/// A chain and the transactions of its next block.
pub struct Waiting {
    cast: Cast,
    at: BlockContext,
    transactions: Vec<VerifiedTransaction>,
}

fn waiting(cast: Cast, transactions: Vec<VerifiedTransaction>) -> Waiting {
    // Of what was freed so far the C library makes large pieces when one is asked for: here, and not in what is counted.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 16)));
    let at = BlockContext { height: cast.height.next(), time: cast.time.plus(1) };
    Waiting { cast, at, transactions }
}

/// One split payment of four legs with the fee on top.
pub fn payment() -> Waiting {
    let cast = Cast::new();
    let one = cast.verified(vec![cast.pay(0, PayMode::Instant)]);
    waiting(cast, one)
}

/// The refund of half of a payment among a hundred.
pub fn refund() -> Waiting {
    let mut cast = Cast::new();
    cast.settle(&cast.verified(cast.payments(PayMode::Instant)));
    let one = cast.verified(vec![cast.refund(7)]);
    waiting(cast, one)
}

/// A hundred orders that come due together, and nothing else.
pub fn due() -> Waiting {
    let mut cast = Cast::new();
    cast.settle(&cast.verified(cast.payments(PayMode::Maturing(1))));
    cast.time = cast.time.plus(3 * DAY_MS);
    waiting(cast, Vec::new())
}

/// A hundred split payments by as many payers.
pub fn payments() -> Waiting {
    let cast = Cast::new();
    let all = cast.verified(cast.payments(PayMode::Instant));
    waiting(cast, all)
}

/// Applies the transactions on an overlay.
pub fn apply_all(waiting: Waiting) -> (Vec<Receipt>, Changes, Waiting) {
    let mut overlay = Overlay::new(&waiting.cast.state);
    let receipts = waiting.transactions.iter().map(|tx| apply(&waiting.at, tx, &mut overlay)).collect();
    let changes = overlay.into_changes();
    (receipts, changes, waiting)
}

/// Fires what is due.
pub fn fire(waiting: Waiting) -> (Vec<Receipt>, Changes, Waiting) {
    let mut overlay = Overlay::new(&waiting.cast.state);
    let receipts = fire_deadlines(&waiting.at, &mut overlay);
    let changes = overlay.into_changes();
    (receipts, changes, waiting)
}

/// Executes the block: contract, state tree, every root of the header.
pub fn execute_block(waiting: Waiting) -> (Executed, Waiting) {
    let Waiting { cast, at, transactions } = &waiting;
    let executed = execute(&cast.state, &cast.tree, at.height, at.time, &[], transactions);
    (executed, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vostro_types::Outcome;

    fn applied(receipts: &[Receipt]) -> usize {
        for receipt in receipts {
            assert_eq!(receipt.outcome, Outcome::Applied);
        }
        receipts.iter().map(|receipt| receipt.postings.len()).sum()
    }

    #[test]
    fn everything_counted_takes_effect() {
        let (receipts, changes, _) = apply_all(payment());
        assert_eq!((receipts.len(), applied(&receipts)), (1, 6));
        assert!(changes.len() > 5, "{}", changes.len());
        let (receipts, ..) = apply_all(refund());
        assert!(applied(&receipts) >= 4);
        let (receipts, ..) = fire(due());
        assert_eq!(receipts.len(), 100);
        assert!(applied(&receipts) >= 400);
        let (executed, waiting) = execute_block(payments());
        assert_eq!(executed.receipts.len(), 100);
        assert!(applied(&executed.receipts) >= 500);
        assert_ne!(executed.state_root, waiting.cast.tree.root());
    }
}
