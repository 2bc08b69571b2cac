//! A compact sparse Merkle tree over hashed keys: the commitment a header makes to the state.
//!
//! Invariant: the root depends on the contents only, never on the order or grouping of updates. An update is a new value, and the
//! tree it came from stays what it was: [`cells`] says how both share memory.
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

mod cells;

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use vostro_crypto::{Domain, Hash, hash, hash_pair};

use self::cells::{Cells, Draft, Held, Memory, Place, View};
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

pub(crate) fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
    hash_pair(Domain::StateLeaf, key, value)
}

pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash_pair(Domain::StateNode, left, right)
}

/// The key's bit at `depth`, the first bit of the first byte being at depth 0. `true` goes right.
pub(crate) fn bit(key: &Hash, depth: usize) -> bool {
    key.0[depth / 8] >> (7 - depth % 8) & 1 == 1
}

/// A tree is built from scratch in parts, by so many first bits of the key.
const PART_BITS: usize = 4;

/// So many parts make a tree.
pub const PARTS: usize = 1 << PART_BITS;

/// An update reads the paths of so many changes at once: what they touch stays in a processor's nearest caches.
const FETCHED: usize = 16;

/// Splits what is sorted by key at the first key whose bit at `depth` is set.
fn split<T>(sorted: &[T], depth: usize, key: impl Fn(&T) -> &Hash) -> (&[T], &[T]) {
    sorted.split_at(sorted.partition_point(|item| !bit(key(item), depth)))
}

/// A subtree: what its parent knows of it.
#[derive(Clone, Copy, Debug)]
struct Subtree {
    hash: Hash,
    place: Place,
}

impl Subtree {
    const EMPTY: Subtree = Subtree { hash: Hash::ZERO, place: Place::Empty };
}

/// Makes a version of a tree out of another one.
struct Maker<'m> {
    draft: Draft<'m>,
    /// Leaves that came less leaves that went.
    grown: isize,
}

impl Maker<'_> {
    fn leaf(&mut self, key: Hash, value: Hash) -> Subtree {
        self.grown += 1;
        let cell = self.draft.add([key, value], [Place::Empty; 2]);
        Subtree { hash: leaf_hash(&key, &value), place: Place::Leaf(cell) }
    }

    /// The leaf at `cell` is not part of the new version.
    fn drop_leaf(&mut self, cell: u32) {
        self.grown -= 1;
        self.draft.free(cell);
    }

    /// The subtree over two others. A lone leaf stands for the whole, which keeps shape and root canonical after deletions.
    /// Two subtrees and more stand below a node, which is in `cell` if there is one already; that is free otherwise.
    fn join(&mut self, cell: Option<u32>, left: Subtree, right: Subtree) -> Subtree {
        let whole = match (left.place, right.place) {
            (Place::Empty, Place::Empty | Place::Leaf(_)) => right,
            (Place::Leaf(_), Place::Empty) => left,
            _ => {
                let (pair, children) = ([left.hash, right.hash], [left.place, right.place]);
                let place = match cell {
                    Some(cell) => {
                        self.draft.write(cell, pair, children);
                        cell
                    }
                    None => self.draft.add(pair, children),
                };
                return Subtree { hash: node_hash(&left.hash, &right.hash), place: Place::Node(place) };
            }
        };
        if let Some(cell) = cell {
            self.draft.free(cell);
        }
        whole
    }

    /// The subtree at `depth` over leaves that are sorted by key and distinct; `leaf` gives each one's.
    fn build<T>(
        &mut self,
        depth: usize,
        leaves: &[(Hash, T)],
        leaf: &impl Fn(&mut Self, &(Hash, T)) -> Subtree,
    ) -> Subtree {
        match leaves {
            [] => Subtree::EMPTY,
            [only] => leaf(self, only),
            _ => {
                let (left, right) = split(leaves, depth, |(key, _)| key);
                let left = self.build(depth + 1, left, leaf);
                let right = self.build(depth + 1, right, leaf);
                self.join(None, left, right)
            }
        }
    }

    /// The subtree `at`, which is at `depth`, after `changes`, which are sorted, distinct and belong below it. Without a
    /// difference it is `at` itself.
    fn update(&mut self, at: Subtree, depth: usize, changes: &[Change]) -> Subtree {
        match at.place {
            _ if changes.is_empty() => at,
            Place::Node(cell) => {
                let [left, right] = children(self.draft.cells(), cell);
                let (to_left, to_right) = split(changes, depth, |(key, _)| key);
                if changes.len() > FETCHED {
                    fetch(self.draft.cells(), left.place, depth + 1, to_left);
                    fetch(self.draft.cells(), right.place, depth + 1, to_right);
                }
                let new_left = self.update(left, depth + 1, to_left);
                let new_right = self.update(right, depth + 1, to_right);
                if new_left.hash == left.hash && new_right.hash == right.hash {
                    return at;
                }
                self.join(Some(cell), new_left, new_right)
            }
            Place::Leaf(cell) => {
                let [key, value] = *self.draft.cells().pair(cell);
                match changes {
                    [(same, new)] if *same == key => match *new {
                        Some(new) if new == value => at,
                        Some(new) => {
                            self.draft.write(cell, [key, new], [Place::Empty; 2]);
                            Subtree { hash: leaf_hash(&key, &new), place: at.place }
                        }
                        None => {
                            self.drop_leaf(cell);
                            Subtree::EMPTY
                        }
                    },
                    _ => self.grow(Some((cell, key, value, at)), depth, changes),
                }
            }
            Place::Empty => self.grow(None, depth, changes),
        }
    }

    /// The subtree at `depth` of what `changes` write and of the leaf that stood there, if they leave it.
    fn grow(&mut self, mut stood: Option<(u32, Hash, Hash, Subtree)>, depth: usize, changes: &[Change]) -> Subtree {
        let mut leaves = Vec::with_capacity(changes.len() + 1);
        for (key, new) in changes {
            if let Some((cell, _, value, leaf)) = stood.take_if(|(_, old, ..)| *old == *key) {
                if *new == Some(value) {
                    leaves.push((*key, leaf));
                    continue;
                }
                self.drop_leaf(cell);
            }
            if let Some(new) = new {
                leaves.push((*key, self.leaf(*key, *new)));
            }
        }
        if let Some((_, key, _, leaf)) = stood {
            leaves.insert(leaves.partition_point(|(other, _)| *other < key), (key, leaf));
        }
        self.build(depth, &leaves, &|_, (_, leaf)| *leaf)
    }
}

/// The children of the node at `cell`.
fn children(cells: &Cells, cell: u32) -> [Subtree; 2] {
    let ([left, right], places) = (*cells.pair(cell), cells.children(cell));
    [Subtree { hash: left, place: places[0] }, Subtree { hash: right, place: places[1] }]
}

/// Reads what an update of the subtree `at` a place and a depth is going to read. It goes down all paths at once, a level at a time: no
/// path waits for the memory of another one, as those of an update do, which meets them one after the other. Of more than
/// [`FETCHED`] changes the update itself goes further down first.
fn fetch(cells: &Cells, at: Place, mut depth: usize, changes: &[Change]) {
    if changes.len() > FETCHED {
        return;
    }
    let mut paths = [at; FETCHED];
    let paths = &mut paths[..changes.len()];
    let mut deeper = true;
    while deeper {
        deeper = false;
        for (place, (key, _)) in paths.iter_mut().zip(changes) {
            if let Place::Node(cell) = *place {
                black_box(cells.pair(cell)[0].0[0]);
                *place = cells.children(cell)[usize::from(bit(key, depth))];
                deeper = true;
            }
        }
        depth += 1;
    }
    for place in paths {
        black_box(place.cell().map(|cell| cells.pair(cell)[0].0[0]));
    }
}

/// A key hash and its new value hash, or `None` to delete it.
pub type Change = (Hash, Option<Hash>);

/// Of changes in the order in which they were made: the last one of each key, in the order of keys.
pub fn newest<T: Copy>(mut changes: Vec<(Hash, T)>) -> Vec<(Hash, T)> {
    // A stable sort that makes use of what is sorted already.
    changes.sort_by_key(|(key, _)| *key);
    changes.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
    changes
}

/// A part of a tree that is built from scratch: all keys that begin with certain bits. Parts may be made on threads of their own.
#[derive(Debug)]
pub struct Part {
    at: usize,
    root: Subtree,
    cells: Cells,
    len: usize,
}

impl Part {
    /// Part number `at` of [`PARTS`], which stand in the order of their keys, of all its leaves: key hash and value hash.
    ///
    /// # Panics
    /// Unless keys rise and belong there.
    pub fn of(at: usize, leaves: &[(Hash, Hash)]) -> Part {
        assert!(leaves.is_sorted_by(|a, b| a.0 < b.0), "the keys of a part rise");
        let belongs = |(key, _): &(Hash, Hash)| Part::number(key) == at;
        assert!(leaves.first().is_none_or(belongs) && leaves.last().is_none_or(belongs), "keys belong to their part");
        let memory = Memory::of(Cells::default());
        let mut maker = Maker { draft: memory.draft(), grown: 0 };
        let root = maker.build(PART_BITS, leaves, &|maker, (key, value)| maker.leaf(*key, *value));
        Part { at, root, cells: maker.draft.into_cells(), len: leaves.len() }
    }

    /// The part that a key belongs to.
    pub fn number(key: &Hash) -> usize {
        usize::from(key.0[0]) >> (8 - PART_BITS)
    }
}

/// A version of the state tree. Cloning one is cheap; versions that came from one another share memory, which holds what any of
/// them that is not dropped needs. Each update of another version than the one made last first undoes what lies between: of lines
/// that grow apart each should begin with a tree of its own ([`Tree::of`]).
#[derive(Clone)]
pub struct Tree {
    root: Subtree,
    len: usize,
    /// Nothing holds the empty tree that everything begins with.
    held: Option<Arc<Held>>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::empty()
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("root", &self.root()).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Tree {
    /// The tree of nothing; its root is [`Hash::ZERO`].
    pub fn empty() -> Tree {
        Tree { root: Subtree::EMPTY, len: 0, held: None }
    }

    /// The tree of distinct keys and their values, in any order.
    ///
    /// # Panics
    /// When a key comes many times.
    pub fn of(entries: impl IntoIterator<Item = (Hash, Hash)>) -> Tree {
        // By bytes, so that sorting stays in a processor's caches.
        let mut sorted: Vec<Vec<(Hash, Hash)>> = vec![Vec::new(); 1 << 8];
        for (key, value) in entries {
            sorted[usize::from(key.0[0])].push((key, value));
        }
        Tree::of_parts(sorted.chunks_mut((1 << 8) / PARTS).enumerate().map(|(at, bytes)| {
            bytes.iter_mut().for_each(|leaves| leaves.sort_unstable_by_key(|(key, _)| *key));
            let leaves: Vec<_> = bytes.iter_mut().flat_map(std::mem::take).collect();
            Part::of(at, &leaves)
        }))
    }

    /// The tree of all its parts, in order.
    ///
    /// # Panics
    /// When they are not all, or in another order.
    pub fn of_parts(parts: impl IntoIterator<Item = Part>) -> Tree {
        let (mut cells, mut roots, mut len) = (Cells::default(), Vec::with_capacity(PARTS), 0);
        for part in parts {
            assert_eq!(part.at, roots.len(), "parts come in order");
            let moved = cells.append(part.cells);
            roots.push(Subtree { place: part.root.place.moved(moved), ..part.root });
            len += part.len;
        }
        assert_eq!(roots.len(), PARTS, "a tree has all its parts");
        let memory = Memory::of(cells);
        let mut maker = Maker { draft: memory.draft(), grown: 0 };
        while roots.len() > 1 {
            roots = roots.chunks(2).map(|pair| maker.join(None, pair[0], pair[1])).collect();
        }
        Tree { root: roots[0], len, held: (len > 0).then(|| Arc::new(maker.draft.hold())) }
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
        let sorted = newest(changes.to_vec());
        self.made(|maker, root| maker.update(root, 0, &sorted))
    }

    /// The version whose root `make` makes of this one's.
    fn made(&self, make: impl FnOnce(&mut Maker<'_>, Subtree) -> Subtree) -> Tree {
        let first;
        let draft = match &self.held {
            Some(held) => held.draft(),
            None => {
                first = Memory::of(Cells::default());
                first.draft()
            }
        };
        let mut maker = Maker { draft, grown: 0 };
        let root = make(&mut maker, self.root);
        let Maker { draft, grown } = maker;
        if root.hash == self.root.hash {
            assert!(draft.is_unchanged(), "what changes a cell changes the root");
            return self.clone();
        }
        let len = self.len.checked_add_signed(grown).expect("a tree loses only leaves it has");
        Tree { root, len, held: Some(Arc::new(draft.hold())) }
    }

    /// The value hash at a key hash.
    pub fn get(&self, key: &Hash) -> Option<Hash> {
        let [other, value] = self.descend(key, |_| ())?;
        (other == *key).then_some(value)
    }

    /// Passes on each key hash and value hash, in the order of keys. Meanwhile nobody makes a version of this tree.
    ///
    /// # Errors
    /// The first one of `visit`, which ends the walk.
    pub fn walk<E>(&self, visit: &mut impl FnMut(&Hash, &Hash) -> Result<(), E>) -> Result<(), E> {
        fn below<E>(
            view: &View<'_>,
            place: Place,
            visit: &mut impl FnMut(&Hash, &Hash) -> Result<(), E>,
        ) -> Result<(), E> {
            match place {
                Place::Empty => Ok(()),
                Place::Leaf(cell) => {
                    let [key, value] = view.pair(cell);
                    visit(key, value)
                }
                Place::Node(cell) => view.children(cell).into_iter().try_for_each(|child| below(view, child, visit)),
            }
        }
        self.held.as_ref().map_or(Ok(()), |held| below(&held.view(), self.root.place, visit))
    }

    /// Proof that `key` has the value it has, or that it is absent.
    pub fn prove(&self, key: &Hash) -> Proof {
        let mut path = Vec::new();
        let leaf = self.descend(key, |sibling| path.push(sibling));
        path.reverse();
        let other = leaf.filter(|[other, _]| other != key);
        Proof { path, other: other.map(|[key, value]| OtherLeaf { key, value }) }
    }

    /// Key and value of the leaf on the path of `key`, if there is one; `passed` sees each sibling's hash from the root.
    fn descend(&self, key: &Hash, mut passed: impl FnMut(Hash)) -> Option<[Hash; 2]> {
        let view = self.held.as_ref()?.view();
        let (mut place, mut depth) = (self.root.place, 0);
        while let Place::Node(cell) = place {
            let side = usize::from(bit(key, depth));
            passed(view.pair(cell)[1 - side]);
            (place, depth) = (view.children(cell)[side], depth + 1);
        }
        place.cell().map(|leaf| *view.pair(leaf))
    }
}

#[cfg(test)]
mod tests;
