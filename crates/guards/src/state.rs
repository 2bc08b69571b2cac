//! The state tree at a size that is no longer small.

use vostro_crypto::Hash;
use vostro_execution::{Proof, Tree};

/// Keys in the tree.
pub const KEYS: u64 = 100_000;
/// Keys that one update touches: as many as a block of a hundred payments.
pub const TOUCHED: u64 = 300;
/// The key that is proved.
const PROVED: u64 = 471;

/// A hash that looks random and follows from a number; making it costs nothing beside what the tree does with it.
fn number(number: u64) -> Hash {
    let mut bytes = [0; 32];
    for (at, word) in bytes.chunks_exact_mut(8).enumerate() {
        // Steele, Lea & Flood 2014, SplitMix64
        let mut z = (number * 4 + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    Hash(bytes)
}

/// A tree and changes to it.
pub struct Waiting {
    tree: Tree,
    changes: Vec<(Hash, Option<Hash>)>,
}

fn tree(keys: u64) -> Tree {
    Tree::of((0..keys).map(|at| (number(at), number(KEYS * 2 + at))))
}

/// A tree of [`KEYS`] keys, and a block's changes: five of six replace a value, one adds a key, a few delete one.
pub fn changes() -> Waiting {
    let change = |at: u64| match at % 30 {
        0 => (number(at * 331), None),
        1..6 => (number(KEYS + at), Some(number(KEYS * 4 + at))),
        _ => (number(at * 331), Some(number(KEYS * 4 + at))),
    };
    Waiting { tree: tree(KEYS), changes: (0..TOUCHED).map(change).collect() }
}

/// The tree after the changes, and its root.
pub fn update(waiting: Waiting) -> (Hash, Tree, Waiting) {
    let tree = waiting.tree.update(&waiting.changes);
    (tree.root(), tree, waiting)
}

/// A tree ten times as large, and blocks of a thousand payments that each change other keys of it.
pub struct Large {
    tree: Tree,
    blocks: u64,
}

/// The large tree before its first block.
pub fn large() -> Large {
    Large { tree: tree(KEYS * 10), blocks: 0 }
}

/// The tree after the next block's changes, and the one before, which keeps what it was.
pub fn grow(large: Large) -> (Tree, Large) {
    let Large { tree, blocks } = large;
    let change = |at: u64| {
        let at = blocks * TOUCHED * 10 + at;
        (number(at * 331 % (KEYS * 10)), Some(number(KEYS * 20 + at)))
    };
    let after = tree.update(&(0..TOUCHED * 10).map(change).collect::<Vec<_>>());
    (tree, Large { tree: after, blocks: blocks + 1 })
}

/// Proves sixteen keys.
pub fn prove(waiting: Waiting) -> (Vec<Proof>, Waiting) {
    ((PROVED..PROVED + 16).map(|key| waiting.tree.prove(&number(key))).collect(), waiting)
}

/// A proof of one key among a hundredth of [`KEYS`], and the root it leads to.
pub fn proof() -> (Proof, Hash) {
    let tree = tree(KEYS / 100);
    (tree.prove(&number(PROVED)), tree.root())
}

/// Checks the proof.
pub fn check((proof, root): (Proof, Hash)) -> (bool, Proof) {
    (proof.check(&root, &number(PROVED), Some(&number(KEYS * 2 + PROVED))), proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_touches_what_it_says_and_a_proof_holds() {
        let (root, tree, waiting) = update(changes());
        assert_eq!(waiting.changes.len(), 300);
        assert_eq!((waiting.tree.len(), tree.len()), (100_000, 100_000 + 50 - 10));
        assert_ne!(root, waiting.tree.root());
        assert!(check(proof()).0);
        let (proofs, waiting) = prove(waiting);
        for (at, proof) in (PROVED..).zip(&proofs) {
            assert!(proof.check(&waiting.tree.root(), &number(at), Some(&number(KEYS * 2 + at))));
        }
        assert_eq!(proofs.len(), 16);
    }

    #[test]
    fn a_large_tree_changes_with_every_block_and_does_not_grow() {
        let (first, next) = grow(large());
        let (second, last) = grow(next);
        assert_eq!([first.len(), second.len(), last.tree.len()], [1_000_000; 3]);
        assert!(first.root() != second.root() && second.root() != last.tree.root());
    }
}
