//! A compact sparse Merkle tree over hashed keys: the commitment a header makes to the state.
//!
//! Invariant: the root depends on the contents only, never on the order or grouping of updates. Nodes are immutable and
//! shared, so an update is a new value that keeps what it did not touch, and the tree it came from stays valid.
//!
//! ```text
//! subtree(∅)        = 0
//! subtree({k → v})  = H(StateLeaf, k ‖ v)                            one leaf stands for its whole subtree
//! subtree(S)        = H(StateNode, subtree(S with bit 0) ‖ subtree(S with bit 1))    bit at the node's depth
//! ```
//!
//! Why proofs bind: leaves and nodes are hashed in different domains over inputs of one length, so neither passes for
//! the other, and nobody can find an input that hashes to zero, so an empty side is really empty. A leaf is found only
//! on the path its own key spells, hence a place on a key's path that is empty or held by another leaf shows that the
//! key is absent.

use std::hint::black_box;
use std::sync::Arc;

use vostro_crypto::{Domain, Hash, hash, sha256};

use crate::proof::{OtherLeaf, Proof};

/// Bits of a key, hence the greatest depth of a leaf and of the recursions below.
pub const MAX_DEPTH: usize = 256;

/// Where a raw key stands in the tree.
pub fn key_hash(key: &[u8]) -> Hash {
    hash(Domain::StateKey, &[key])
}

/// What the tree holds for a raw value.
pub fn value_hash(value: &[u8]) -> Hash {
    hash(Domain::StateValue, &[value])
}

const TAG: usize = Domain::StateNode.tag().len();
const _: () = assert!(Domain::StateLeaf.tag().len() == TAG, "leaf and node inputs have one length");

/// `hash(domain, [a, b])` over one contiguous input, which is where an update spends its time.
fn pair(domain: Domain, a: &Hash, b: &Hash) -> Hash {
    let mut input = [0; 1 + TAG + 64];
    input[0] = TAG as u8;
    input[1..=TAG].copy_from_slice(domain.tag().as_bytes());
    input[1 + TAG..33 + TAG].copy_from_slice(&a.0);
    input[33 + TAG..].copy_from_slice(&b.0);
    sha256(&input)
}

pub(crate) fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
    pair(Domain::StateLeaf, key, value)
}

pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    pair(Domain::StateNode, left, right)
}

/// The key's bit at `depth`, the first bit of the first byte being at depth 0. `true` goes right.
pub(crate) fn bit(key: &Hash, depth: usize) -> bool {
    key.0[depth / 8] >> (7 - depth % 8) & 1 == 1
}

/// Most leaves that a subtree keeps in one piece of memory, of which a change makes a new one and hashes it again. With twice
/// as many a leaf takes a sixth less memory and an update a fifth more time. It does not show in the root.
const MAX_BUCKET: usize = 4;

/// A tree is built from scratch in parts, by so many first bits of the key: those of a byte.
const PART_BITS: usize = 8;

/// An update fetches the paths of so many changes at once: what they touch stays in a processor's nearest caches.
const FETCHED: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Leaf {
    key: Hash,
    value: Hash,
    hash: Hash,
}

impl Leaf {
    fn new(key: Hash, value: Hash) -> Leaf {
        Leaf { key, value, hash: leaf_hash(&key, &value) }
    }

    fn put((key, value): &Change) -> Option<Leaf> {
        value.map(|value| Leaf::new(*key, value))
    }
}

/// Splits what is sorted by key at the first key whose bit at `depth` is set.
fn split<T>(sorted: &[T], depth: usize, key: impl Fn(&T) -> &Hash) -> (&[T], &[T]) {
    sorted.split_at(sorted.partition_point(|item| !bit(key(item), depth)))
}

/// The hash of the subtree at `depth` over sorted, distinct leaves.
fn hash_of(depth: usize, leaves: &[Leaf]) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [only] => only.hash,
        _ => {
            let (left, right) = split(leaves, depth, |leaf| &leaf.key);
            node_hash(&hash_of(depth + 1, left), &hash_of(depth + 1, right))
        }
    }
}

/// A subtree as its parent holds it: the hash stands here, so rehashing a path reads no sibling's memory.
#[derive(Clone, Debug)]
struct Link {
    hash: Hash,
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    /// At most [`MAX_BUCKET`] leaves, sorted by key; the empty subtree has none.
    Bucket(Option<Arc<[Leaf]>>),
    /// More than [`MAX_BUCKET`] leaves below two children.
    Inner(Arc<[Link; 2]>),
}

impl Node {
    /// Reads how many hold the node, which lies in its memory: those who share it are going to count themselves there.
    fn touch(&self) {
        black_box(match self {
            Node::Bucket(leaves) => leaves.as_ref().map_or(0, Arc::strong_count),
            Node::Inner(children) => Arc::strong_count(children),
        });
    }
}

impl Link {
    const EMPTY: Link = Link { hash: Hash::ZERO, node: Node::Bucket(None) };

    fn bucket(hash: Hash, leaves: &[Leaf]) -> Link {
        Link { hash, node: Node::Bucket((!leaves.is_empty()).then(|| Arc::from(leaves))) }
    }

    /// The leaves, if they are few enough to be in one bucket.
    fn leaves(&self) -> Option<&[Leaf]> {
        match &self.node {
            Node::Bucket(leaves) => Some(leaves.as_deref().unwrap_or_default()),
            Node::Inner(_) => None,
        }
    }

    /// The subtree over two children. What is small enough becomes one bucket and a lone leaf stands for the whole,
    /// which keeps shape and root canonical after deletions.
    fn join(left: Link, right: Link) -> Link {
        if let (Some(l), Some(r)) = (left.leaves(), right.leaves())
            && l.len() + r.len() <= MAX_BUCKET
        {
            return match (l, r) {
                ([], [] | [_]) => right,
                ([_], []) => left,
                _ => Link::bucket(node_hash(&left.hash, &right.hash), &[l, r].concat()),
            };
        }
        Link { hash: node_hash(&left.hash, &right.hash), node: Node::Inner(Arc::new([left, right])) }
    }

    /// The subtree at `depth` over sorted, distinct leaves.
    fn build(depth: usize, leaves: &[Leaf]) -> Link {
        if leaves.len() <= MAX_BUCKET {
            return Link::bucket(hash_of(depth, leaves), leaves);
        }
        let (left, right) = split(leaves, depth, |leaf| &leaf.key);
        Link::join(Link::build(depth + 1, left), Link::build(depth + 1, right))
    }

    /// Reads what an update of this subtree, which is at `depth`, is going to read. It goes down all paths at once, a level at a
    /// time: no path waits for the memory of another one, as those of an update do, which meets them one after the other. Of more
    /// than [`FETCHED`] changes the update itself goes further down first.
    fn fetch(&self, mut depth: usize, changes: &[Change]) {
        if changes.len() > FETCHED {
            return;
        }
        let mut paths = [self; FETCHED];
        let paths = &mut paths[..changes.len()];
        let mut deeper = true;
        while deeper {
            deeper = false;
            for (link, (key, _)) in paths.iter_mut().zip(changes) {
                if let Node::Inner(children) = &link.node {
                    let side = usize::from(bit(key, depth));
                    children[1 - side].node.touch();
                    *link = &children[side];
                    deeper = true;
                }
            }
            depth += 1;
        }
        for link in paths {
            if let Some([first, .., last]) = link.leaves() {
                black_box((first.key.0[0], last.hash.0[31]));
            }
        }
    }

    /// The subtree at `depth` over all keys of `parts`, a part for each byte that keys begin with; takes them.
    fn of_parts(depth: usize, parts: &mut [Vec<(Hash, Hash)>]) -> Link {
        if let [part] = parts {
            let mut part = std::mem::take(part);
            part.sort_unstable_by_key(|(key, _)| *key);
            debug_assert!(part.is_sorted_by(|a, b| a.0 < b.0), "keys are distinct");
            let leaves: Vec<Leaf> = part.into_iter().map(|(key, value)| Leaf::new(key, value)).collect();
            return Link::build(depth, &leaves);
        }
        let (left, right) = parts.split_at_mut(parts.len() / 2);
        Link::join(Link::of_parts(depth + 1, left), Link::of_parts(depth + 1, right))
    }

    /// This subtree, which is at `depth`, after `changes`, which are sorted, distinct and belong below it. `grown`
    /// counts leaves that came less leaves that went.
    fn update(&self, depth: usize, changes: &[Change], grown: &mut isize) -> Link {
        if changes.is_empty() {
            return self.clone();
        }
        match &self.node {
            Node::Bucket(old) => {
                let old = old.as_deref().unwrap_or_default();
                let new = merge(old, changes);
                *grown += new.len() as isize - old.len() as isize;
                Link::build(depth, &new)
            }
            Node::Inner(children) => {
                let (left, right) = split(changes, depth, |(key, _)| key);
                if changes.len() > FETCHED {
                    children[0].fetch(depth + 1, left);
                    children[1].fetch(depth + 1, right);
                }
                let left = children[0].update(depth + 1, left, grown);
                let right = children[1].update(depth + 1, right, grown);
                if left.hash == children[0].hash && right.hash == children[1].hash {
                    self.clone()
                } else {
                    Link::join(left, right)
                }
            }
        }
    }
}

/// The sorted leaves after `changes` to `old`; those that keep their value keep their hash.
fn merge(old: &[Leaf], changes: &[Change]) -> Vec<Leaf> {
    let mut merged = Vec::with_capacity(old.len() + changes.len());
    let mut rest = old;
    for change in changes {
        let (key, value) = change;
        let (before, from) = rest.split_at(rest.partition_point(|leaf| leaf.key < *key));
        merged.extend_from_slice(before);
        rest = match from {
            [same, after @ ..] if same.key == *key => {
                merged.extend(if *value == Some(same.value) { Some(*same) } else { Leaf::put(change) });
                after
            }
            _ => {
                merged.extend(Leaf::put(change));
                from
            }
        };
    }
    merged.extend_from_slice(rest);
    merged
}

/// A key and its new value hash, or `None` to delete it.
type Change = (Hash, Option<Hash>);

/// A version of the state tree. Cloning and dropping one is cheap as far as it shares nodes with others.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Link,
    len: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::empty()
    }
}

impl Tree {
    /// The tree of nothing; its root is [`Hash::ZERO`].
    pub fn empty() -> Tree {
        Tree { root: Link::EMPTY, len: 0 }
    }

    /// The tree of distinct keys and their values, in any order. It takes them apart by the first byte of the key and builds part by
    /// part, so that sorting stays in a processor's caches and there is never a second list of everything.
    ///
    /// # Panics
    /// When a key comes many times.
    pub fn of(entries: impl IntoIterator<Item = (Hash, Hash)>) -> Tree {
        let mut parts: Vec<Vec<(Hash, Hash)>> = vec![Vec::new(); 1 << PART_BITS];
        for (key, value) in entries {
            parts[usize::from(key.0[0])].push((key, value));
        }
        let len = parts.iter().map(Vec::len).sum();
        Tree { root: Link::of_parts(0, &mut parts), len }
    }

    /// The commitment to the contents.
    pub fn root(&self) -> Hash {
        self.root.hash
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The tree after `changes` of key hashes to value hashes (`None` deletes), in any order; of two changes to one key
    /// the later counts. Deleting what is absent and writing what is there changes nothing.
    #[must_use]
    pub fn update(&self, changes: &[(Hash, Option<Hash>)]) -> Tree {
        let mut sorted = changes.to_vec();
        sorted.sort_by_key(|(key, _)| *key);
        sorted.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        let mut grown = 0;
        let root = self.root.update(0, &sorted, &mut grown);
        Tree { root, len: self.len.checked_add_signed(grown).expect("a tree loses only leaves it has") }
    }

    /// The value hash at a key hash.
    pub fn get(&self, key: &Hash) -> Option<Hash> {
        let (_, leaves) = self.descend(key, |_| ());
        leaves.iter().find(|leaf| leaf.key == *key).map(|leaf| leaf.value)
    }

    /// Proof that `key` has the value it has, or that it is absent.
    pub fn prove(&self, key: &Hash) -> Proof {
        let mut path = Vec::new();
        let (mut depth, mut leaves) = self.descend(key, |sibling| path.push(sibling));
        while leaves.len() > 1 {
            let (left, right) = split(leaves, depth, |leaf| &leaf.key);
            let (own, other) = if bit(key, depth) { (right, left) } else { (left, right) };
            depth += 1;
            path.push(hash_of(depth, other));
            leaves = own;
        }
        path.reverse();
        let other = leaves.first().filter(|leaf| leaf.key != *key);
        Proof { path, other: other.map(|leaf| OtherLeaf { key: leaf.key, value: leaf.value }) }
    }

    /// Depth and leaves of the bucket on the path of `key`; `passed` sees each sibling's hash from the root.
    fn descend(&self, key: &Hash, mut passed: impl FnMut(Hash)) -> (usize, &[Leaf]) {
        let (mut link, mut depth) = (&self.root, 0);
        loop {
            match &link.node {
                Node::Bucket(leaves) => return (depth, leaves.as_deref().unwrap_or_default()),
                Node::Inner(children) => {
                    let side = usize::from(bit(key, depth));
                    passed(children[1 - side].hash);
                    (link, depth) = (&children[side], depth + 1);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
