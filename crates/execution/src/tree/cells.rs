//! The memory of trees: cells of one size. The version that was made last is written where the one before it stood, and that one keeps
//! what its cells were.
//!
//! Invariant: whoever holds a version finds what it was made with, whatever was made since. An update so reads and writes each cell of a
//! path once, in its place, and what it writes besides lies in a row; with nodes that are shared and counted it would write every node in
//! a new place and count the siblings, each in cold memory. Only who reads an older version, or makes another one from it, does more.
//!
//! ```text
//!  held:  v1 ─undo─→ v2 ─undo─→ v4, which is in the cells        every version knows the way to the one in the cells, and
//!                    v3 ─undo──↗                                 what differs on each step
//! ```
//!
//! Source of the idea: H. G. Baker, "Shallow binding makes functional arrays fast", 1991.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vostro_crypto::Hash;

/// Cells that are reserved at once.
const CHUNK: usize = 512;

/// Where a subtree is: nowhere if it is empty, or the cell of its leaf or of its topmost node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Empty,
    Leaf(u32),
    Node(u32),
}

impl Place {
    const LEAF: u32 = 1 << 31;

    /// 0 is the empty place, so no subtree is in cell 0.
    fn pack(self) -> u32 {
        match self {
            Place::Empty => 0,
            Place::Leaf(cell) => cell | Place::LEAF,
            Place::Node(cell) => cell,
        }
    }

    fn unpack(packed: u32) -> Place {
        match packed {
            0 => Place::Empty,
            leaf if leaf & Place::LEAF != 0 => Place::Leaf(leaf & !Place::LEAF),
            node => Place::Node(node),
        }
    }

    pub(super) fn cell(self) -> Option<u32> {
        match self {
            Place::Empty => None,
            Place::Leaf(cell) | Place::Node(cell) => Some(cell),
        }
    }

    /// Where it is when all cells are so many further on.
    pub(super) fn moved(self, by: u32) -> Place {
        match self {
            Place::Empty => Place::Empty,
            Place::Leaf(cell) => Place::Leaf(cell + by),
            Place::Node(cell) => Place::Node(cell + by),
        }
    }
}

/// Two hashes: of a leaf its key and its value, of a node its children's. They fill a processor's line of memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Pair([Hash; 2]);

/// What is in a cell. A free one has the next free one in the place of its children.
#[derive(Clone, Copy, Debug)]
struct Content {
    pair: [Hash; 2],
    children: [u32; 2],
}

impl Content {
    /// What memory has that was never written.
    const NONE: Content = Content { pair: [Hash::ZERO; 2], children: [0; 2] };
}

/// A row of cells. What says where a node's children are lies apart from their hashes: who goes down needs the former, and of them eight
/// fit into a line.
#[derive(Debug)]
struct Chunk {
    pairs: [Pair; CHUNK],
    children: [[u32; 2]; CHUNK],
}

/// The cells as the version in them has them.
#[derive(Debug)]
pub(super) struct Cells {
    chunks: Vec<Box<Chunk>>,
    /// The first free cell, or 0.
    free: u32,
    /// This cell and those behind it have never been used.
    unused: u32,
}

impl Default for Cells {
    /// None. Cell 0 stands for no cell.
    fn default() -> Self {
        Cells { chunks: Vec::new(), free: 0, unused: 1 }
    }
}

impl Cells {
    /// Takes in another memory's cells, none of which was ever free: by how many they are further on here.
    pub(super) fn append(&mut self, mut other: Cells) -> u32 {
        assert!(other.free == 0, "cells that have only been added are not free");
        if other.chunks.is_empty() {
            return 0;
        }
        let by = self.chunks.len() * CHUNK;
        let unused = u32::try_from(by + other.unused as usize).ok().filter(|unused| unused & Place::LEAF == 0);
        let (by, last) = (by as u32, self.unused);
        self.unused = unused.expect("a tree has at most 2^31 cells");
        for links in other.chunks.iter_mut().flat_map(|chunk| &mut chunk.children) {
            *links = links.map(|packed| Place::unpack(packed).moved(by).pack());
        }
        self.chunks.append(&mut other.chunks);
        // What was left of the last chunk, and the other memory's cell for none.
        let none = (by > 0).then_some(by);
        for cell in (last..by).chain(none) {
            self.set(cell, Content { children: [self.free, 0], ..Content::NONE });
            self.free = cell;
        }
        by
    }

    /// The two hashes of a cell.
    pub(super) fn pair(&self, cell: u32) -> &[Hash; 2] {
        &self.chunks[cell as usize / CHUNK].pairs[cell as usize % CHUNK].0
    }

    /// Where the children of a node are.
    pub(super) fn children(&self, node: u32) -> [Place; 2] {
        self.links(node).map(Place::unpack)
    }

    fn links(&self, cell: u32) -> [u32; 2] {
        self.chunks[cell as usize / CHUNK].children[cell as usize % CHUNK]
    }

    /// As [`Cells::replace`], of a cell whose content does not matter. Memory that was never written is better not read first: the system
    /// would have to map it twice, and to tell every processor.
    fn set(&mut self, cell: u32, new: Content) {
        let (chunk, at) = (&mut self.chunks[cell as usize / CHUNK], cell as usize % CHUNK);
        chunk.pairs[at].0 = new.pair;
        chunk.children[at] = new.children;
    }

    fn replace(&mut self, cell: u32, new: Content) -> Content {
        let (chunk, at) = (&mut self.chunks[cell as usize / CHUNK], cell as usize % CHUNK);
        Content {
            pair: std::mem::replace(&mut chunk.pairs[at].0, new.pair),
            children: std::mem::replace(&mut chunk.children[at], new.children),
        }
    }

    /// A cell that no subtree of this version is in; its number is below [`Cells::unused`] as it was if it ever had content.
    fn take(&mut self) -> u32 {
        if self.free != 0 {
            let cell = self.free;
            self.free = self.links(cell)[0];
            return cell;
        }
        let cell = self.unused;
        assert!(cell & Place::LEAF == 0, "a tree has at most 2^31 cells");
        if cell as usize / CHUNK == self.chunks.len() {
            self.chunks.push(Box::new(Chunk { pairs: [Pair([Hash::ZERO; 2]); CHUNK], children: [[0; 2]; CHUNK] }));
        }
        self.unused = cell + 1;
        cell
    }
}

/// When nobody holds more than so many of the known versions, their undos are put together.
const MAX_IDLE: usize = 16;

/// What makes one version's cells of another one's.
#[derive(Debug)]
struct Undo {
    /// What was in a cell before each write. A cell may have been written many times: the first one counts.
    before: Vec<(u32, Content)>,
    free: u32,
    unused: u32,
    /// Cells in order with their first place in the list, made for the first reader.
    index: OnceLock<Vec<(u32, u32)>>,
}

impl Undo {
    /// Makes the other version's cells, and itself what makes them the first one's again.
    fn swap(&mut self, cells: &mut Cells) {
        self.index.take();
        for (cell, content) in self.before.iter_mut().rev() {
            *content = cells.replace(*cell, *content);
        }
        self.before.reverse();
        std::mem::swap(&mut self.free, &mut cells.free);
        std::mem::swap(&mut self.unused, &mut cells.unused);
    }

    /// Makes the other version's cells of those that `later` makes its own of.
    fn follow(&mut self, later: Undo) {
        self.before.extend(later.before);
        self.before.sort_by_key(|(cell, _)| *cell);
        self.before.dedup_by_key(|(cell, _)| *cell);
        self.index.take();
    }

    fn find(&self, cell: u32) -> Option<&Content> {
        let index = self.index.get_or_init(|| {
            let mut index: Vec<_> = self.before.iter().map(|(cell, _)| *cell).zip(0..).collect();
            index.sort_unstable();
            index.dedup_by_key(|(cell, _)| *cell);
            index
        });
        let at = index.binary_search_by_key(&cell, |(cell, _)| *cell).ok()?;
        Some(&self.before[index[at].1 as usize].1)
    }
}

/// What is known of a version.
#[derive(Debug)]
struct Version {
    held: bool,
    /// Of every version but the one in the cells: the next one on the way there, and what makes this one's cells of that one's.
    way: Option<(u64, Undo)>,
    /// Versions whose next one this is.
    behind: usize,
}

#[derive(Debug)]
struct State {
    cells: Cells,
    versions: BTreeMap<u64, Version>,
    /// How many were ever made, which numbers them.
    made: u64,
    /// Memory for the next undo.
    spare: Vec<(u32, Content)>,
}

impl State {
    fn version(&mut self, number: u64) -> &mut Version {
        self.versions.get_mut(&number).expect("a version is known while it is held or on another one's way")
    }

    /// Nobody holds a version any more.
    fn end(&mut self, number: u64) {
        self.version(number).held = false;
        self.clear(number);
    }

    /// Forgets a version if it is neither held nor in the cells nor on another one's way, and then the next one on its own way in the
    /// same manner.
    fn clear(&mut self, mut number: u64) {
        while !self.version(number).held && self.version(number).behind == 0 {
            let Some((next, undo)) = self.version(number).way.take() else { return };
            self.versions.remove(&number);
            self.version(next).behind -= 1;
            if undo.before.capacity() > self.spare.capacity() {
                self.spare = undo.before;
                self.spare.clear();
            }
            number = next;
        }
    }

    /// Leaves out of all ways the versions that nobody holds. So the undos together have no more than all cells for each version that is
    /// held, or where ways meet.
    fn shorten(&mut self) {
        let next = |(number, version): (&u64, &Version)| version.way.as_ref().map(|(next, _)| (*next, *number));
        let mut behind: BTreeMap<u64, u64> = self.versions.iter().filter_map(next).collect();
        let idle = |(number, version): (&u64, &Version)| (!version.held && version.behind == 1).then_some(*number);
        for number in self.versions.iter().filter_map(idle).collect::<Vec<_>>() {
            let Some((next, later)) = self.version(number).way.take() else { continue };
            self.versions.remove(&number);
            let follower = behind[&number];
            let (way, undo) = self.version(follower).way.as_mut().expect("who is behind another one has a way");
            undo.follow(later);
            *way = next;
            behind.insert(next, follower);
        }
    }

    /// Brings a version into the cells.
    fn bring(&mut self, number: u64) {
        let mut way = vec![number];
        while let Some((next, _)) = self.versions[&way[way.len() - 1]].way {
            way.push(next);
        }
        for pair in way.windows(2).rev() {
            let [to, from] = [pair[0], pair[1]];
            let (_, mut undo) = self.version(to).way.take().expect("only the version in the cells has no way there");
            undo.swap(&mut self.cells);
            self.version(to).behind += 1;
            let left = self.version(from);
            left.way = Some((to, undo));
            left.behind -= 1;
            self.clear(from);
        }
    }
}

/// The memory of one tree and all that came from it.
#[derive(Debug)]
pub(super) struct Memory {
    state: RwLock<State>,
    /// Versions that nobody holds since the last one was made.
    ended: Mutex<Vec<u64>>,
}

/// A version that can be read until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.ended().push(self.number);
    }
}

impl Held {
    /// The version's cells. Meanwhile none is made.
    pub(super) fn view(&self) -> View<'_> {
        let state = self.memory.state.read().expect(WHOLE);
        View { state, number: self.number }
    }

    /// Begins a version that comes from this one. Meanwhile nobody else begins one or reads.
    pub(super) fn draft(&self) -> Draft<'_> {
        self.memory.begin(Some(self.number))
    }
}

const WHOLE: &str = "who makes a version does not panic: the cells are half of one";

impl Memory {
    /// Without a version.
    pub(super) fn of(cells: Cells) -> Arc<Memory> {
        let state = State { cells, versions: BTreeMap::new(), made: 0, spare: Vec::new() };
        Arc::new(Memory { state: RwLock::new(state), ended: Mutex::default() })
    }

    fn ended(&self) -> MutexGuard<'_, Vec<u64>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the first version.
    pub(super) fn draft(self: &Arc<Memory>) -> Draft<'_> {
        self.begin(None)
    }

    fn begin(self: &Arc<Memory>, parent: Option<u64>) -> Draft<'_> {
        let mut state = self.state.write().expect(WHOLE);
        let ended = std::mem::take(&mut *self.ended());
        ended.into_iter().for_each(|version| state.end(version));
        if state.versions.values().filter(|version| !version.held).count() > MAX_IDLE {
            state.shorten();
        }
        parent.into_iter().for_each(|parent| state.bring(parent));
        let (free, unused) = (state.cells.free, state.cells.unused);
        let undo = Undo { before: std::mem::take(&mut state.spare), free, unused, index: OnceLock::new() };
        Draft { memory: self, state, parent, undo }
    }
}

/// The cells of a version.
#[derive(Debug)]
pub(super) struct View<'h> {
    state: RwLockReadGuard<'h, State>,
    number: u64,
}

impl View<'_> {
    /// What the cell had in this version, if it was written since.
    fn before(&self, cell: u32) -> Option<&Content> {
        let mut number = self.number;
        while let Some((next, undo)) = &self.state.versions[&number].way {
            if let Some(content) = undo.find(cell) {
                return Some(content);
            }
            number = *next;
        }
        None
    }

    /// The two hashes of a cell.
    pub(super) fn pair(&self, cell: u32) -> &[Hash; 2] {
        self.before(cell).map_or_else(|| self.state.cells.pair(cell), |content| &content.pair)
    }

    /// Where the children of a node are.
    pub(super) fn children(&self, node: u32) -> [Place; 2] {
        self.before(node).map_or_else(|| self.state.cells.children(node), |content| content.children.map(Place::unpack))
    }
}

/// A version in the making.
#[derive(Debug)]
pub(super) struct Draft<'m> {
    memory: &'m Arc<Memory>,
    state: RwLockWriteGuard<'m, State>,
    parent: Option<u64>,
    undo: Undo,
}

impl Draft<'_> {
    /// The cells as they are now.
    pub(super) fn cells(&self) -> &Cells {
        &self.state.cells
    }

    /// Writes a cell.
    pub(super) fn write(&mut self, cell: u32, pair: [Hash; 2], children: [Place; 2]) {
        self.put(cell, Content { pair, children: children.map(Place::pack) });
    }

    fn put(&mut self, cell: u32, content: Content) {
        let before = self.state.cells.replace(cell, content);
        if self.parent.is_some() {
            self.undo.before.push((cell, before));
        }
    }

    /// A new cell.
    ///
    /// # Panics
    /// When there are 2³¹ cells, which is a tree of some 880 million keys.
    pub(super) fn add(&mut self, pair: [Hash; 2], children: [Place; 2]) -> u32 {
        let used = self.state.cells.unused;
        let cell = self.state.cells.take();
        if cell < used {
            self.write(cell, pair, children);
            return cell;
        }
        self.state.cells.set(cell, Content { pair, children: children.map(Place::pack) });
        if self.parent.is_some() {
            self.undo.before.push((cell, Content::NONE));
        }
        cell
    }

    /// The version has no use for a cell.
    pub(super) fn free(&mut self, cell: u32) {
        let next = self.state.cells.free;
        self.put(cell, Content { children: [next, 0], ..Content::NONE });
        self.state.cells.free = cell;
    }

    /// Whether nothing was written since the version that it comes from.
    pub(super) fn is_unchanged(&self) -> bool {
        self.undo.before.is_empty()
    }

    /// The cells alone, of which no version is known.
    pub(super) fn into_cells(mut self) -> Cells {
        assert!(self.state.versions.is_empty());
        std::mem::take(&mut self.state.cells)
    }

    /// The version as it is now.
    pub(super) fn hold(self) -> Held {
        let Draft { memory, mut state, parent, undo } = self;
        let number = state.made;
        state.made += 1;
        if let Some(parent) = parent {
            state.version(parent).way = Some((number, undo));
        }
        state.versions.insert(number, Version { held: true, way: None, behind: usize::from(parent.is_some()) });
        Held { memory: memory.clone(), number }
    }
}

#[cfg(test)]
impl View<'_> {
    /// How many cells there is memory for.
    pub(super) fn reserved(&self) -> usize {
        self.state.cells.chunks.len() * CHUNK
    }
}

#[cfg(test)]
impl Held {
    /// With this version in the cells, how many of them are not free, and how many versions are known.
    pub(super) fn count(&self) -> (usize, usize) {
        let state = self.draft().state;
        let (mut used, mut free) = (state.cells.unused as usize - 1, state.cells.free);
        while free != 0 {
            used -= 1;
            free = state.cells.links(free)[0];
        }
        (used, state.versions.len())
    }

    /// How many versions are known, and how many writes their undos have.
    pub(super) fn kept(&self) -> (usize, usize) {
        let versions = &self.view().state.versions;
        (
            versions.len(),
            versions.values().filter_map(|version| version.way.as_ref()).map(|(_, undo)| undo.before.len()).sum(),
        )
    }

    /// How many writes made the next version of this one.
    pub(super) fn written(&self) -> usize {
        self.view().state.versions[&self.number].way.as_ref().map_or(0, |(_, undo)| undo.before.len())
    }
}
