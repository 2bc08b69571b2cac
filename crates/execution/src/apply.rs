//! Executes a block on a view of the state: receipts, changes and the roots its header must carry.
//!
//! Invariant: the result is a function of state, tree, height, time, evidence and transactions. Nothing is written: the caller
//! keeps the result or drops it, and the state and tree it started from are as they were.

use std::any::Any;
use std::borrow::Borrow;
use std::rc::Rc;

use vostro_crypto::{Hash, merkle};
use vostro_settlement::invariants::{Violation, check_changes, counts};
use vostro_settlement::{BlockContext, Ledger, Reader};
use vostro_types::evidence::evidence_leaf;
use vostro_types::receipt::EncodedReceipts;
use vostro_types::{Genesis, Height, Receipt, Time, VerifiedEvidence, VerifiedTransaction};

use crate::meter::{Meter, Part, Unmetered, metered};
use crate::state::{Changes, Difference, MemState, Overlay, StateRead};
use crate::tree::{Change, Tree, key_hash, value_hash};

/// Keys that a payment touches and no other of its block does, about.
const KEYS_OF_A_PAYMENT: usize = 12;

/// What executing a block did.
#[derive(Clone, Debug)]
pub struct Executed {
    /// One for each transaction in order, then one for each deadline that fired.
    pub receipts: Vec<Receipt>,
    /// Encoded length of each, in bytes.
    pub receipt_bytes: Vec<usize>,
    /// The encoding of the list of them.
    pub receipt_list: Vec<u8>,
    /// Whether the books still balance. If they do not, the contract is broken and the block must not be decided.
    pub books: Result<(), Violation>,
    /// Keys whose value differs from the state before; also keys that were written without being read, whatever they had.
    pub changes: Changes,
    /// The same to the state tree.
    pub leaves: Vec<Change>,
    /// The state tree after the block.
    pub tree: Tree,
    /// For the header: root of the transactions.
    pub transactions_root: Hash,
    /// For the header: root of the evidence.
    pub evidence_root: Hash,
    /// For the header: root of the receipts.
    pub receipts_root: Hash,
    /// For the header: root of the state after the block.
    pub state_root: Hash,
}

/// Records `evidence`, executes `transactions` in order and then the deadlines that are due, on `state`, whose tree is
/// `tree`. Evidence has no receipts: it moves no money, and its record is the state's.
///
/// Whether a transaction was executed before is the caller's to know: ids are remembered with the blocks, not in the
/// state. So is whether evidence may be in the block.
pub fn execute(
    state: &dyn StateRead,
    tree: &Tree,
    height: Height,
    time: Time,
    evidence: &[VerifiedEvidence],
    transactions: &[VerifiedTransaction],
) -> Executed {
    execute_metered(&Unmetered, state, tree, (height, time), evidence, transactions)
}

/// [`execute`], telling `meter` which part is under way.
pub fn execute_metered<T: Borrow<VerifiedTransaction>>(
    meter: &dyn Meter,
    state: &dyn StateRead,
    tree: &Tree,
    (height, time): (Height, Time),
    evidence: &[VerifiedEvidence],
    transactions: &[T],
) -> Executed {
    let context = BlockContext { height, time };
    let (receipts, changes, books) = metered(meter, Part::Contract, || {
        let mut overlay = Overlay::of_many(state, transactions.len() * KEYS_OF_A_PAYMENT);
        vostro_settlement::record_evidence(&context, evidence, &mut overlay);
        let mut receipts: Vec<Receipt> =
            transactions.iter().map(|tx| vostro_settlement::apply(&context, tx.borrow(), &mut overlay)).collect();
        receipts.extend(vostro_settlement::fire_deadlines(&context, &mut overlay));
        let differences = overlay.into_differences(counts);
        let books =
            check_changes(differences.iter().map(|d| (d.key.as_slice(), d.before.as_deref(), d.now.as_deref())));
        let changes = differences.into_iter().map(|Difference { key, now, .. }| (key, now)).collect();
        (receipts, changes, books)
    });
    metered(meter, Part::Roots, || {
        let leaves: Vec<Hash> = transactions.iter().map(|tx| tx.borrow().leaf()).collect();
        roots(tree, changes, books, receipts, evidence, &leaves)
    })
}

fn roots(
    tree: &Tree,
    changes: Changes,
    books: Result<(), Violation>,
    receipts: Vec<Receipt>,
    evidence: &[VerifiedEvidence],
    transactions: &[Hash],
) -> Executed {
    let leaves = leaves_of(&changes);
    let tree = tree.update(&leaves);
    let EncodedReceipts { root: receipts_root, lengths: receipt_bytes, list: receipt_list } =
        EncodedReceipts::of(&receipts);
    Executed {
        transactions_root: merkle::root(transactions),
        evidence_root: merkle::root(&evidence.iter().map(|e| evidence_leaf(e.evidence())).collect::<Vec<_>>()),
        receipts_root,
        state_root: tree.root(),
        receipts,
        receipt_bytes,
        receipt_list,
        books,
        changes,
        leaves,
        tree,
    }
}

/// The state before the first block, as changes to an empty one, and its tree.
pub fn genesis_state(genesis: &Genesis) -> (Changes, Tree) {
    let nothing = MemState::new();
    let mut overlay = Overlay::new(&nothing);
    vostro_settlement::open_genesis(genesis, &mut overlay);
    let changes = overlay.into_changes();
    let tree = update_tree(&Tree::empty(), &changes);
    (changes, tree)
}

/// The tree of the state after `changes`, given the tree before them.
#[must_use]
pub fn update_tree(tree: &Tree, changes: &Changes) -> Tree {
    tree.update(&leaves_of(changes))
}

/// What `changes` to a state are to its tree.
fn leaves_of(changes: &Changes) -> Vec<Change> {
    changes.iter().map(|(key, value)| (key_hash(key), value.as_deref().map(value_hash))).collect()
}

/// The tree of a whole state, whose keys are distinct. It equals the tree that grew with the state, block by block.
pub fn rebuild_tree<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, V)>) -> Tree {
    Tree::of(entries.into_iter().map(|(key, value)| (key_hash(key.as_ref()), value_hash(value.as_ref()))))
}

impl<S: StateRead + ?Sized> Reader for Overlay<'_, S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        StateRead::get(self, key)
    }

    fn see(&self, key: &[u8], look: &mut dyn FnMut(&[u8])) {
        Overlay::see(self, key, |value| value.map(|value| look(value)));
    }

    fn made(&self, key: &[u8], make: &dyn Fn(&[u8]) -> Rc<dyn Any>) -> Option<Rc<dyn Any>> {
        Overlay::made(self, key, make)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        StateRead::scan(self, from, to, limit)
    }
}

impl<S: StateRead + ?Sized> Ledger for Overlay<'_, S> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        Overlay::put(self, key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        Overlay::delete(self, key);
    }
}
