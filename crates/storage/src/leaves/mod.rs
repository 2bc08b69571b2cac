//! The leaves of the state tree, key hash and value hash, kept sorted beside the state: with them a node has its tree again without
//! reading the state, which is several times as large and in another order.
//!
//! Invariant: what is found here are the leaves at the height that was asked for, or nothing is found. All of it is derived from the
//! state: who finds nothing, or a root that is not the header's, reads the state and [begins](Leaves::begin) anew.
//!
//! ```text
//!   apply(h) ─► leaf-writer ─► tail: changes block by block
//!                                │ when it is long, and the state store is as far
//!               leaf-merger      └─► run: sorted, the last change of a key ──► base: every leaf
//!                                                                    when runs have half as many as it
//! ```

mod file;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vostro_crypto::Hash;
use vostro_execution::tree::{PARTS, newest};

use self::file::{Kind, Leaf, Sorted, TailEnd, list, path, read_tail, tail_from};
pub use self::writer::Leaves;
use crate::GenesisHash;
use crate::disk::replace_file;
use crate::error::StorageError;

/// Bytes that the keys of one part of a tree begin with.
const BYTES_OF_A_PART: usize = (1 << 8) / PARTS;

/// Says that the state may not be what it should be.
const DOUBT: &str = "DOUBT";
/// Says since which start of the machine a process has the home open: a state store that was not closed before the machine ended may be
/// anything.
const OPEN: &str = "OPEN";
/// Linux names each start of the machine here.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The next start is to read the whole state of the home `root` and hold it against the header, which who finds leaves does without.
/// For a process that ends because something is wrong, so it does not report what fails: the next start would be quicker, no more.
pub fn doubt(root: &Path) {
    let _ = std::fs::write(dir_of(root).join(DOUBT), []);
}

/// The state store of the home `root` was closed. If this cannot be noted the next start may be slower, no more.
pub fn closed(root: &Path) {
    let _ = std::fs::remove_file(dir_of(root).join(OPEN));
}

/// A process opens the home. Durable, or a machine that ends soon would leave no trace of it.
fn opened(dir: &Path) -> Result<(), StorageError> {
    let path = dir.join(OPEN);
    let written = std::fs::read(BOOT_ID).and_then(|boot| replace_file(&path, &boot));
    written.map_err(|source| StorageError::io("write", path.display().to_string(), source))
}

/// Whether the state may be something else than what the store's last process wrote.
fn is_doubted(dir: &Path) -> bool {
    let other_boot = std::fs::read(dir.join(OPEN)).is_ok_and(|open| std::fs::read(BOOT_ID).ok() != Some(open));
    other_boot || dir.join(DOUBT).exists()
}

/// The directory in a home.
pub(crate) fn dir_of(root: &Path) -> PathBuf {
    root.join("data").join("leaves")
}

/// Passes on the leaves of `base` after `changes`; both are sorted.
fn merged<E>(base: &[Leaf], changes: &[Leaf], mut pass: impl FnMut(&Leaf) -> Result<(), E>) -> Result<(), E> {
    let mut base = base.iter().peekable();
    for change in changes {
        while let Some(leaf) = base.next_if(|leaf| leaf.0 < change.0) {
            pass(leaf)?;
        }
        base.next_if(|leaf| leaf.0 == change.0);
        if change.1 != Hash::ZERO {
            pass(change)?;
        }
    }
    base.try_for_each(pass)
}

/// A base and the runs that follow it.
#[derive(Debug)]
struct SortedFiles {
    base: Sorted,
    runs: Vec<Sorted>,
    /// Numbers of the base and of the last run, or of the base twice.
    numbers: (u64, u64),
}

impl SortedFiles {
    /// What `files`, which are in order, lead to; `None` without a base.
    fn open(dir: &Path, genesis: &GenesisHash, files: &[(u64, Kind)]) -> Result<Option<Self>, StorageError> {
        let Some(&(first, _)) = files.iter().rfind(|(_, kind)| *kind == Kind::Base) else { return Ok(None) };
        let open = |number, kind| Sorted::open(path(dir, number, kind), kind, genesis);
        let mut sorted = SortedFiles { base: open(first, Kind::Base)?, runs: Vec::new(), numbers: (first, first) };
        for (number, kind) in files.iter().filter(|(number, kind)| *kind == Kind::Run && *number > first) {
            let run = open(*number, *kind)?;
            if run.span.from != sorted.to() {
                break;
            }
            sorted.runs.push(run);
            sorted.numbers.1 = *number;
        }
        Ok(Some(sorted))
    }

    /// The height that they lead to.
    fn to(&self) -> u64 {
        self.runs.last().unwrap_or(&self.base).span.to
    }

    /// Whether a file is one of them.
    fn has(&self, number: u64, kind: Kind) -> bool {
        let (base, last) = self.numbers;
        match kind {
            Kind::Base => number == base,
            Kind::Run => base < number && number <= last,
            Kind::Tail => false,
        }
    }

    /// Passes on the leaves whose keys begin with `byte`, as runs and then `later` left them. `base` is memory to use again.
    fn leaves(
        &self,
        byte: u8,
        later: &[Leaf],
        base: &mut Vec<Leaf>,
        pass: impl FnMut(&Leaf) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        base.clear();
        self.base.bucket(byte, base)?;
        let mut changes = Vec::new();
        for run in &self.runs {
            run.bucket(byte, &mut changes)?;
        }
        let from = later.partition_point(|(key, _)| key.0[0] < byte);
        changes.extend(later[from..].iter().take_while(|(key, _)| key.0[0] == byte));
        merged(base, &newest(changes), pass)
    }
}

/// The leaves at a height.
#[derive(Debug)]
pub struct Found {
    dir: PathBuf,
    genesis: GenesisHash,
    height: u64,
    sorted: SortedFiles,
    /// Tails that are used, and where each ends; the last one may have more than is used.
    tails: BTreeMap<u64, TailEnd>,
    /// What all of them changed, sorted.
    changes: Vec<Leaf>,
}

impl Found {
    /// Looks for the leaves at `height`; `None` if what is there does not lead to it, somebody [doubts](doubt) the
    /// state, or the machine ended before the state store was [closed].
    ///
    /// # Errors
    /// When a file cannot be read, or is not what it should be: as good as not found.
    pub fn at(dir: &Path, genesis: GenesisHash, height: u64) -> Result<Option<Self>, StorageError> {
        if is_doubted(dir) {
            return Ok(None);
        }
        let files = list(dir)?;
        let Some(sorted) = SortedFiles::open(dir, &genesis, &files)? else { return Ok(None) };
        let mut to = sorted.to();
        let (mut tails, mut changes) = (BTreeMap::new(), Vec::new());
        let numbers = files.iter().filter(|(number, kind)| *kind == Kind::Tail && *number > sorted.numbers.1);
        let mut numbers: Vec<u64> = numbers.map(|(number, _)| *number).collect();
        // The process may have ended before the last one had its header.
        numbers.pop_if(|last| tail_from(&path(dir, *last, Kind::Tail), &genesis).is_err());
        for (at, number) in numbers.iter().enumerate() {
            if to == height {
                break;
            }
            // Where the next one begins this one ends, whatever else is in it.
            let next = numbers.get(at + 1).map(|next| tail_from(&path(dir, *next, Kind::Tail), &genesis));
            let until = next.transpose()?.unwrap_or(height).min(height);
            let mut frames = read_tail(&path(dir, *number, Kind::Tail), &genesis, until)?;
            if frames.from != to {
                return Ok(None);
            }
            to = frames.end.to;
            tails.insert(*number, frames.end);
            changes.append(&mut frames.leaves);
        }
        if to != height {
            return Ok(None);
        }
        Ok(Some(Found { dir: dir.to_owned(), genesis, height, sorted, tails, changes: newest(changes) }))
    }

    /// All leaves of a part of the tree, in order.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what it should be.
    pub fn part(&self, at: usize) -> Result<Vec<(Hash, Hash)>, StorageError> {
        let bytes = (at * BYTES_OF_A_PART..(at + 1) * BYTES_OF_A_PART).map(|byte| byte as u8);
        let room: u64 = bytes.clone().map(|byte| self.sorted.base.count(byte)).sum();
        let mut leaves = Vec::with_capacity(room as usize + self.changes.len() / PARTS);
        let mut base = Vec::new();
        for byte in bytes {
            self.sorted.leaves(byte, &self.changes, &mut base, |leaf| {
                leaves.push(*leaf);
                Ok(())
            })?;
        }
        Ok(leaves)
    }
}
