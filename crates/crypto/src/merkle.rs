//! Merkle trees over lists: transactions, receipts and validators of a block.
//!
//! The tree is that of RFC 6962 §2.1 (split at the largest power of two below the length) with domain-separated leaves
//! and nodes; the root also binds the length, so a proof says where in how long a list an item stands.

use bincode::{Decode, Encode};

use crate::hash::{Domain, Hash, hash, hash_pair};

/// Longest path a proof may have: lists are shorter than 2^32.
pub const MAX_PATH: usize = 32;

/// That an item stands at `index` in a list of `length`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListProof {
    /// Position of the item, from 0.
    pub index: u32,
    /// Length of the list.
    pub length: u32,
    /// Sibling hashes from the leaf to the root, at most [`MAX_PATH`].
    pub path: Vec<Hash>,
}

/// Hash of an item's bytes as a leaf.
pub fn leaf(bytes: &[u8]) -> Hash {
    hash(Domain::ListLeaf, &[bytes])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash_pair(Domain::ListNode, left, right)
}

fn seal(length: u32, tree: &Hash) -> Hash {
    hash(Domain::ListRoot, &[&length.to_le_bytes(), &tree.0])
}

/// Largest power of two strictly below `n`; `n` is at least 2.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

fn subtree(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&subtree(left), &subtree(right))
        }
    }
}

/// Root of a list given its leaves. Every length has its own root, the empty list too.
///
/// # Panics
/// If the list is longer than `u32::MAX`.
pub fn root(leaves: &[Hash]) -> Hash {
    seal(u32::try_from(leaves.len()).expect("lists are far shorter than 2^32"), &subtree(leaves))
}

/// Proof for the item at `index`, or `None` if the list has no such item.
pub fn prove(leaves: &[Hash], index: usize) -> Option<ListProof> {
    let length = u32::try_from(leaves.len()).ok()?;
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut rest, mut at) = (leaves, index);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if at < left.len() {
            path.push(subtree(right));
            rest = left;
        } else {
            at -= left.len();
            path.push(subtree(left));
            rest = right;
        }
    }
    path.reverse();
    Some(ListProof { index: index as u32, length, path })
}

/// Whether `proof` shows that `leaf` stands in the list with `root`.
pub fn check(root: &Hash, leaf: &Hash, proof: &ListProof) -> bool {
    if proof.index >= proof.length || proof.path.len() > MAX_PATH {
        return false;
    }
    // The way down, from the root: at each level, whether we went left.
    let (mut size, mut at, mut lefts) = (proof.length as usize, proof.index as usize, Vec::new());
    while size > 1 {
        let k = split(size);
        lefts.push(at < k);
        if at < k {
            size = k;
        } else {
            at -= k;
            size -= k;
        }
    }
    if lefts.len() != proof.path.len() {
        return false;
    }
    let tree =
        proof.path.iter().zip(lefts.iter().rev()).fold(*leaf, |acc, (sibling, went_left)| {
            if *went_left { node(&acc, sibling) } else { node(sibling, &acc) }
        });
    seal(proof.length, &tree) == *root
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf(&i.to_le_bytes())).collect()
    }

    #[test]
    fn every_item_of_every_length_proves_and_no_other() {
        for n in 0..40 {
            let list = leaves(n);
            let r = root(&list);
            for (i, item) in list.iter().enumerate() {
                let proof = prove(&list, i).unwrap();
                assert!(check(&r, item, &proof), "{i} of {n}");
                for (j, other) in list.iter().enumerate() {
                    assert_eq!(check(&r, other, &proof), i == j);
                }
                let mut moved = proof.clone();
                moved.index = (i as u32 + 1) % n as u32;
                assert_eq!(check(&r, item, &moved), n == 1);
                let mut longer = proof.clone();
                longer.length += 1;
                assert!(!check(&r, item, &longer));
            }
            assert!(prove(&list, n).is_none());
        }
    }

    #[test]
    fn lengths_have_distinct_roots() {
        let roots: std::collections::BTreeSet<_> = (0..64).map(|n| root(&leaves(n))).collect();
        assert_eq!(roots.len(), 64);
    }

    #[test]
    fn a_leaf_is_not_a_node() {
        let list = leaves(2);
        let mut forged = list[0].0.to_vec();
        forged.extend_from_slice(&list[1].0);
        assert_ne!(root(&[leaf(&forged)]), root(&list));
    }
}
