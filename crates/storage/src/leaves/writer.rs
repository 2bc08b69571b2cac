//! Keeps the leaves while the node runs: a thread that writes what blocks change, and one that sorts and merges.
//!
//! Invariant: nobody waits for either for long. What goes wrong here ends it with a warning, and the next start reads the state.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use vostro_execution::Tree;
use vostro_execution::tree::{Change, newest};

use super::file::{Kind, Sorted, Sorter, Span, Tail, list, path, read_tail, remove, tail_from};
use super::{Found, SortedFiles, opened};
use crate::GenesisHash;
use crate::disk::{create_dir_durably, remove_unfinished};
use crate::error::StorageError;

/// A tail of so many changes is sorted.
const TAIL_LEAVES: u64 = 1 << 20;
/// So many runs are merged, however small they are.
const MAX_RUNS: usize = 32;
/// Blocks that may wait to be written, and how long the next one waits for a place.
const BLOCKS_WAITING: usize = 16;
const PLACE_WITHIN: Duration = Duration::from_secs(1);
/// Tails that may wait to be sorted; others wait with the writer.
const TAILS_WAITING: usize = 4;

/// What a block changed.
struct Applied {
    height: u64,
    changes: Vec<Change>,
    /// The state store's height.
    flushed: Option<u64>,
}

/// Keeps the leaves of the tree until it is dropped.
pub struct Leaves {
    blocks: Option<Sender<Applied>>,
    writer: Option<JoinHandle<()>>,
    ending: Arc<AtomicBool>,
}

impl Leaves {
    /// Begins anew with all leaves of `tree`, which is at `height`. What was there is removed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn begin(dir: &Path, genesis: GenesisHash, height: u64, tree: &Tree) -> Result<Self, StorageError> {
        Self::begin_with(dir, genesis, height, tree, TAIL_LEAVES)
    }

    pub(super) fn begin_with(
        dir: &Path,
        genesis: GenesisHash,
        height: u64,
        tree: &Tree,
        tail_leaves: u64,
    ) -> Result<Self, StorageError> {
        let failed = |action, source| StorageError::io(action, dir.display().to_string(), source);
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(|source| failed("remove", source))?;
        }
        create_dir_durably(dir).map_err(|source| failed("make", source))?;
        let mut base = Sorter::create(path(dir, 0, Kind::Base))?;
        tree.walk(&mut |key, value| base.push(key, value))?;
        base.finish(Kind::Base, &genesis, Span { from: height, to: height })?;
        let tail = Tail::create(path(dir, 1, Kind::Tail), &genesis, height)?;
        Leaves::start(Files { dir: dir.to_owned(), genesis }, tail_leaves, tail, 1, VecDeque::new())
    }

    /// Goes on from what was found; files that do not belong to it are removed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn go_on(found: Found) -> Result<Self, StorageError> {
        Self::go_on_with(found, TAIL_LEAVES)
    }

    pub(super) fn go_on_with(found: Found, tail_leaves: u64) -> Result<Self, StorageError> {
        let Found { dir, genesis, height, sorted, tails, .. } = found;
        let files = Files { dir, genesis };
        for (number, kind) in list(&files.dir)? {
            let used = sorted.has(number, kind) || kind == Kind::Tail && tails.contains_key(&number);
            if !used {
                remove(&files.path(number, kind))?;
            }
        }
        remove_unfinished(&files.dir)
            .map_err(|source| StorageError::io("list", files.dir.display().to_string(), source))?;
        let next = sorted.numbers.1 + 1;
        let (number, tail) = match tails.last_key_value() {
            Some((number, end)) => (*number, Tail::go_on(files.path(*number, Kind::Tail), *end)?),
            None => (next, Tail::create(files.path(next, Kind::Tail), &files.genesis, height)?),
        };
        let closed = tails.range(..number).map(|(number, end)| (*number, end.to)).collect();
        Leaves::start(files, tail_leaves, tail, number, closed)
    }

    fn start(
        files: Files,
        tail_leaves: u64,
        tail: Tail,
        number: u64,
        closed: VecDeque<(u64, u64)>,
    ) -> Result<Self, StorageError> {
        opened(&files.dir)?;
        let ending = Arc::new(AtomicBool::new(false));
        let failed = |source| StorageError::io("start", "a thread for the leaves of the state tree", source);
        let (to_merge, tails) = bounded(TAILS_WAITING);
        let merger = std::thread::Builder::new().name("leaf-merger".to_owned()).spawn({
            let (files, ending) = (files.clone(), Arc::clone(&ending));
            move || merge_all(&files, &tails, &ending)
        });
        let merger = merger.map_err(failed)?;
        let (blocks, applied) = bounded(BLOCKS_WAITING);
        let writer = std::thread::Builder::new().name("leaf-writer".to_owned()).spawn(move || {
            let mut appender = Appender { files, tail_leaves, tail, number, closed, flushed: None, to_merge };
            let outcome = applied.iter().try_for_each(|block| appender.append(&block));
            if let Err(error) = outcome {
                tracing::warn!(%error, "the leaves of the state tree are not kept any more; the next start reads the state");
            }
            drop(applied);
            appender.end();
            if merger.join().is_err() {
                tracing::warn!("the thread that merges leaves of the state tree panicked");
            }
        });
        Ok(Leaves { blocks: Some(blocks), writer: Some(writer.map_err(failed)?), ending })
    }

    /// The block of the next height changed this; the state store is at `flushed`.
    pub fn apply(&mut self, height: u64, changes: Vec<Change>, flushed: Option<u64>) {
        let Some(blocks) = &self.blocks else { return };
        if blocks.send_timeout(Applied { height, changes, flushed }, PLACE_WITHIN).is_err() {
            // No block may be missing in between.
            tracing::warn!(height, "the leaves of the state tree cannot be kept; the next start reads the state");
            self.blocks = None;
        }
    }

    /// Waits until everything that was handed in is written, and sorted and merged where it should be.
    pub(super) fn end(&mut self) {
        self.blocks = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::warn!("the thread that writes leaves of the state tree panicked");
        }
    }
}

impl Drop for Leaves {
    /// Writes what waits. A merge under way is given up: the next start does without it.
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.end();
    }
}

/// Where the files of a chain are.
#[derive(Clone, Debug)]
struct Files {
    dir: PathBuf,
    genesis: GenesisHash,
}

impl Files {
    fn path(&self, number: u64, kind: Kind) -> PathBuf {
        path(&self.dir, number, kind)
    }

    /// Makes a run of a tail that another one follows, and then a base of all if runs are large.
    fn merge(&self, number: u64, ending: &AtomicBool) -> Result<(), StorageError> {
        let until = tail_from(&self.path(number + 1, Kind::Tail), &self.genesis)?;
        let frames = read_tail(&self.path(number, Kind::Tail), &self.genesis, until)?;
        if frames.end.to != until {
            return Err(StorageError::OutOfOrder { what: "height", expected: until, got: frames.end.to });
        }
        let mut run = Sorter::create(self.path(number, Kind::Run))?;
        newest(frames.leaves).iter().try_for_each(|(key, value)| run.push(key, value))?;
        run.finish(Kind::Run, &self.genesis, Span { from: frames.from, to: until })?;
        remove(&self.path(number, Kind::Tail))?;

        let files = list(&self.dir)?;
        let Some(sorted) = SortedFiles::open(&self.dir, &self.genesis, &files)? else { return Ok(()) };
        let changed: u64 = sorted.runs.iter().map(Sorted::len).sum();
        if sorted.runs.is_empty() || (changed.saturating_mul(2) < sorted.base.len() && sorted.runs.len() < MAX_RUNS) {
            return Ok(());
        }
        let (_, last) = sorted.numbers;
        let mut base = Sorter::create(self.path(last, Kind::Base))?;
        let mut leaves = Vec::new();
        for byte in 0..=u8::MAX {
            if ending.load(Ordering::Relaxed) {
                return Ok(());
            }
            sorted.leaves(byte, &[], &mut leaves, |(key, value)| base.push(key, value))?;
        }
        if ending.load(Ordering::Relaxed) {
            return Ok(());
        }
        base.finish(Kind::Base, &self.genesis, Span { from: sorted.to(), to: sorted.to() })?;
        let old = files.iter().filter(|(at, kind)| *at <= last && (*at, *kind) != (last, Kind::Base));
        old.filter(|(_, kind)| *kind != Kind::Tail).try_for_each(|(at, kind)| remove(&self.path(*at, *kind)))
    }
}

fn merge_all(files: &Files, tails: &Receiver<u64>, ending: &AtomicBool) {
    // What is left at the end is merged after the next start.
    for number in tails.iter().filter(|_| !ending.load(Ordering::Relaxed)) {
        if let Err(error) = files.merge(number, ending) {
            tracing::warn!(%error, "leaves of the state tree cannot be merged");
            return;
        }
    }
}

/// Writes tails.
struct Appender {
    files: Files,
    /// A tail of so many changes is closed.
    tail_leaves: u64,
    tail: Tail,
    number: u64,
    /// Tails that are complete, and the height they lead to.
    closed: VecDeque<(u64, u64)>,
    /// The state store's height, as it was told last.
    flushed: Option<u64>,
    to_merge: Sender<u64>,
}

impl Appender {
    fn append(&mut self, block: &Applied) -> Result<(), StorageError> {
        self.tail.append(block.height, &block.changes)?;
        if self.tail.len >= self.tail_leaves {
            self.closed.push_back((self.number, self.tail.to));
            self.number += 1;
            self.tail = Tail::create(self.files.path(self.number, Kind::Tail), &self.files.genesis, self.tail.to)?;
        }
        self.flushed = block.flushed;
        while let Some(number) = self.complete() {
            match self.to_merge.try_send(number) {
                Ok(()) => self.closed.pop_front(),
                Err(TrySendError::Full(_)) => break,
                Err(TrySendError::Disconnected(_)) => {
                    return Err(StorageError::Stopped { cause: "leaves cannot be merged".to_owned() });
                }
            };
        }
        Ok(())
    }

    /// The next tail that may be sorted. A run has one height, and after a crash the state store may be at any between its own and the
    /// last block's.
    fn complete(&self) -> Option<u64> {
        let (number, to) = self.closed.front()?;
        self.flushed.is_some_and(|flushed| flushed >= *to).then_some(*number)
    }

    /// Hands on what waits. Who ends without waiting for merges has said so to the merging thread.
    fn end(mut self) {
        while let Some(number) = self.complete()
            && self.to_merge.send(number).is_ok()
        {
            self.closed.pop_front();
        }
    }
}
