//! Files of leaves: their header, those that are sorted, and the tail, which holds changes block by block.
//!
//! Invariant: a sorted file has its name only when it is whole and synced. Of a tail the frames up to the first one that is not whole
//! count; it is never synced, because whoever finds too little of it reads the state instead.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use vostro_crypto::Hash;
use vostro_execution::tree::Change;

use crate::GenesisHash;
use crate::disk::sync_dir;
use crate::error::StorageError;

/// A leaf: key hash and value hash. As a change, [`Hash::ZERO`] deletes; nothing hashes to it.
pub(super) type Leaf = (Hash, Hash);

const MAGIC: [u8; 8] = *b"VSTRLEAF";
/// Layout described in `docs/storage.md`.
const SCHEMA: u16 = 1;
/// The header has a page of its own.
const HEADER_PAGE: usize = 4096;
/// What every header has, before counts and checksums.
const COMMON: usize = 64;
/// A sorted file says how many leaves begin with each byte, and the checksum of those.
const BUCKETS: usize = 256;
const CHECKED: usize = COMMON + BUCKETS * (8 + 4);
const LEAF_BYTES: usize = 64;
/// Checksum, number of leaves, height.
const FRAME_HEADER: usize = 16;
const WRITE_BUFFER: usize = 1 << 20;
const READ_BUFFER: usize = 64 << 10;
/// What is written is synced piece by piece: other files wait for the disk, too.
const SYNCED_BYTES: usize = 32 << 20;
const UNFINISHED: &str = "new";

/// What a file holds; its name ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// All leaves.
    Base = 1,
    /// What the blocks of some heights changed, sorted: the last change of each key.
    Run = 2,
    /// What blocks changed, one after the other.
    Tail = 3,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Base, Kind::Run, Kind::Tail];

    const fn name(self) -> &'static str {
        match self {
            Kind::Base => "base",
            Kind::Run => "run",
            Kind::Tail => "tail",
        }
    }
}

/// Where a file is.
pub(super) fn path(dir: &Path, number: u64, kind: Kind) -> PathBuf {
    dir.join(format!("{number:010}.{}", kind.name()))
}

/// All files of the directory by number, then kind; none if it does not exist. Others are nobody's and left out.
pub(super) fn list(dir: &Path) -> Result<Vec<(u64, Kind)>, StorageError> {
    let failed = |source| StorageError::io("list", dir.display().to_string(), source);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let parts = name.to_str().and_then(|name| name.split_once('.'));
        let file = parts.and_then(|(number, kind)| {
            Some((number.parse().ok()?, Kind::ALL.into_iter().find(|known| known.name() == kind)?))
        });
        files.extend(file);
    }
    files.sort_unstable();
    Ok(files)
}

/// Removes a file; it may be gone already.
pub(super) fn remove(path: &Path) -> Result<(), StorageError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(StorageError::io("remove", path.display().to_string(), source))
        }
        _ => Ok(()),
    }
}

/// Of which blocks a file has the changes: those above `from`, up to `to`. A tail does not say where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub from: u64,
    pub to: u64,
}

fn header(kind: Kind, genesis: &GenesisHash, span: Span) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_PAGE);
    bytes.extend(MAGIC);
    bytes.extend(SCHEMA.to_le_bytes());
    bytes.push(kind as u8);
    bytes.extend([0; 5]);
    bytes.extend(genesis);
    bytes.extend(span.from.to_le_bytes());
    bytes.extend(span.to.to_le_bytes());
    bytes
}

fn sealed(mut header: Vec<u8>) -> Vec<u8> {
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header.resize(HEADER_PAGE, 0);
    header
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// Reads and checks a header of which the first `checked` bytes are followed by their checksum.
fn open(
    path: &Path,
    kind: Kind,
    genesis: &GenesisHash,
    checked: usize,
) -> Result<(File, Span, [u8; HEADER_PAGE]), StorageError> {
    let name = || path.display().to_string();
    let mut file = File::open(path).map_err(|source| StorageError::io("open", name(), source))?;
    let mut page = [0; HEADER_PAGE];
    file.read_exact(&mut page).map_err(|source| StorageError::io("read", name(), source))?;
    let whole =
        page[..8] == MAGIC && page[10] == kind as u8 && crc32fast::hash(&page[..checked]) == u32_at(&page, checked);
    if !whole {
        return Err(malformed(path));
    }
    let schema = u16::from_le_bytes([page[8], page[9]]);
    if schema > SCHEMA {
        return Err(StorageError::NewerSchema { file: name(), found: schema.into(), supported: SCHEMA.into() });
    }
    if page[16..48] != *genesis {
        return Err(StorageError::WrongChain { file: name() });
    }
    Ok((file, Span { from: u64_at(&page, 48), to: u64_at(&page, 56) }, page))
}

fn malformed(path: &Path) -> StorageError {
    StorageError::Malformed { path: path.display().to_string(), expected: "leaves of the state tree" }
}

/// The leaves in `bytes`, a number of whole ones.
fn leaves_in(bytes: &[u8]) -> impl Iterator<Item = Leaf> {
    bytes.as_chunks::<LEAF_BYTES>().0.iter().map(|bytes| {
        let (mut key, mut value) = (Hash::ZERO, Hash::ZERO);
        key.0.copy_from_slice(&bytes[..32]);
        value.0.copy_from_slice(&bytes[32..]);
        (key, value)
    })
}

/// A sorted file.
#[derive(Debug)]
pub(super) struct Sorted {
    path: PathBuf,
    file: File,
    pub span: Span,
    /// Leaves before those that begin with each byte, and at last all.
    starts: Vec<u64>,
    checksums: Vec<u32>,
}

impl Sorted {
    /// Opens a file and checks its header.
    pub(super) fn open(path: PathBuf, kind: Kind, genesis: &GenesisHash) -> Result<Self, StorageError> {
        let (file, span, page) = open(&path, kind, genesis, CHECKED)?;
        let length =
            file.metadata().map_err(|source| StorageError::io("look at", path.display().to_string(), source))?.len();
        let mut starts = vec![0u64];
        for byte in 0..BUCKETS {
            let next = starts[byte].checked_add(u64_at(&page, COMMON + byte * 8));
            starts.push(next.filter(|next| *next <= length / LEAF_BYTES as u64).ok_or_else(|| malformed(&path))?);
        }
        if place(starts[BUCKETS]) != length {
            return Err(malformed(&path));
        }
        let checksums = (0..BUCKETS).map(|byte| u32_at(&page, COMMON + BUCKETS * 8 + byte * 4)).collect();
        Ok(Sorted { path, file, span, starts, checksums })
    }

    /// How many leaves it has.
    pub(super) fn len(&self) -> u64 {
        self.starts[BUCKETS]
    }

    /// How many leaves have keys that begin with `byte`.
    pub(super) fn count(&self, byte: u8) -> u64 {
        self.starts[usize::from(byte) + 1] - self.starts[usize::from(byte)]
    }

    /// Appends those leaves whose keys begin with `byte`, in order of keys, which are distinct.
    pub(super) fn bucket(&self, byte: u8, leaves: &mut Vec<Leaf>) -> Result<(), StorageError> {
        let (at, before) = (usize::from(byte), leaves.len());
        let mut place = place(self.starts[at]);
        let mut left = self.count(byte) as usize * LEAF_BYTES;
        // Little at a time: large buffers are given back to the system, and cost more to get anew than to fill.
        let mut bytes = vec![0; left.min(READ_BUFFER)];
        let mut checksum = crc32fast::Hasher::new();
        while left > 0 {
            let piece = &mut bytes[..left.min(READ_BUFFER)];
            let read = self.file.read_exact_at(piece, place);
            read.map_err(|source| StorageError::io("read", self.path.display().to_string(), source))?;
            checksum.update(piece);
            leaves.extend(leaves_in(piece));
            place += piece.len() as u64;
            left -= piece.len();
        }
        let new = &leaves[before..];
        let in_order = new.is_sorted_by(|a, b| a.0 < b.0) && new.iter().all(|(key, _)| key.0[0] == byte);
        if checksum.finalize() != self.checksums[at] || !in_order {
            return Err(malformed(&self.path));
        }
        Ok(())
    }
}

/// Where in a sorted file a leaf is.
fn place(leaf: u64) -> u64 {
    HEADER_PAGE as u64 + leaf * LEAF_BYTES as u64
}

/// Writes a sorted file.
pub(super) struct Sorter {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    counts: Vec<u64>,
    checksums: Vec<crc32fast::Hasher>,
    /// Bytes that were written since the last sync.
    unsynced: usize,
}

impl Drop for Sorter {
    /// Of what was not finished nothing stays: it may have filled the disk.
    fn drop(&mut self) {
        let _ = remove(&self.unfinished);
    }
}

impl Sorter {
    /// Begins the file that will be at `path`.
    pub(super) fn create(path: PathBuf) -> Result<Self, StorageError> {
        let unfinished = path.with_extension(UNFINISHED);
        let failed = |source| StorageError::io("write", unfinished.display().to_string(), source);
        let mut file = BufWriter::with_capacity(WRITE_BUFFER, File::create(&unfinished).map_err(failed)?);
        file.write_all(&[0; HEADER_PAGE]).map_err(failed)?;
        let checksums = vec![crc32fast::Hasher::new(); BUCKETS];
        Ok(Sorter { path, unfinished, file, counts: vec![0; BUCKETS], checksums, unsynced: 0 })
    }

    fn failed(&self, source: std::io::Error) -> StorageError {
        StorageError::io("write", self.unfinished.display().to_string(), source)
    }

    /// The next leaf; keys rise.
    pub(super) fn push(&mut self, key: &Hash, value: &Hash) -> Result<(), StorageError> {
        let byte = usize::from(key.0[0]);
        self.counts[byte] += 1;
        for half in [&key.0, &value.0] {
            self.checksums[byte].update(half);
            self.file.write_all(half).map_err(|source| self.failed(source))?;
        }
        self.unsynced += LEAF_BYTES;
        if self.unsynced >= SYNCED_BYTES {
            self.unsynced = 0;
            let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
            synced.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name.
    pub(super) fn finish(mut self, kind: Kind, genesis: &GenesisHash, span: Span) -> Result<(), StorageError> {
        let mut bytes = header(kind, genesis, span);
        bytes.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        bytes.extend(self.checksums.drain(..).flat_map(|sum| sum.finalize().to_le_bytes()));
        let written = self.file.flush().and_then(|()| {
            self.file.get_ref().write_all_at(&sealed(bytes), 0)?;
            self.file.get_ref().sync_all()?;
            fs::rename(&self.unfinished, &self.path)?;
            self.path.parent().map_or(Ok(()), sync_dir)
        });
        written.map_err(|source| self.failed(source))
    }
}

/// The end of what is kept: the changes of each block as it comes.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    /// The height whose changes come next follows it.
    pub to: u64,
    /// How many changes it has.
    pub len: u64,
    frame: Vec<u8>,
}

/// Where a tail ends, or what is used of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailEnd {
    /// Height of the last block.
    pub to: u64,
    /// How many changes there are up to it.
    len: u64,
    /// Bytes of the file up to there.
    length: u64,
}

/// What a tail has.
#[derive(Debug)]
pub(super) struct Frames {
    /// The height above which it begins.
    pub from: u64,
    /// Changes in the order in which blocks made them.
    pub leaves: Vec<Leaf>,
    pub end: TailEnd,
}

impl Tail {
    /// A new one, for the blocks above `from`.
    pub(super) fn create(path: PathBuf, genesis: &GenesisHash, from: u64) -> Result<Self, StorageError> {
        let made = File::create(&path).and_then(|file| {
            file.write_all_at(&sealed(header(Kind::Tail, genesis, Span { from, to: from })), 0)?;
            Ok(file)
        });
        let file = made.map_err(|source| StorageError::io("make", path.display().to_string(), source))?;
        Self::at_end(path, file, TailEnd { to: from, len: 0, length: HEADER_PAGE as u64 })
    }

    /// Goes on at an end that was found; what else the file has is cut.
    pub(super) fn go_on(path: PathBuf, end: TailEnd) -> Result<Self, StorageError> {
        let file = File::options().write(true).open(&path);
        let file = file.map_err(|source| StorageError::io("open", path.display().to_string(), source))?;
        Self::at_end(path, file, end)
    }

    fn at_end(path: PathBuf, mut file: File, end: TailEnd) -> Result<Self, StorageError> {
        let TailEnd { to, len, length } = end;
        let placed = file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length)));
        placed.map_err(|source| StorageError::io("cut", path.display().to_string(), source))?;
        Ok(Tail { path, file, to, len, frame: Vec::new() })
    }

    /// Appends what the block of the next height changed.
    pub(super) fn append(&mut self, height: u64, changes: &[Change]) -> Result<(), StorageError> {
        let expected = self.to.saturating_add(1);
        if height != expected {
            return Err(StorageError::OutOfOrder { what: "height", expected, got: height });
        }
        let count = u32::try_from(changes.len());
        let count = count.map_err(|_| StorageError::TooLarge { bytes: changes.len(), limit: u32::MAX as usize })?;
        self.frame.clear();
        self.frame.extend([0; 4]);
        self.frame.extend(count.to_le_bytes());
        self.frame.extend(height.to_le_bytes());
        for (key, value) in changes {
            self.frame.extend_from_slice(&key.0);
            self.frame.extend_from_slice(&value.unwrap_or(Hash::ZERO).0);
        }
        let checksum = crc32fast::hash(&self.frame[4..]);
        self.frame[..4].copy_from_slice(&checksum.to_le_bytes());
        let written = self.file.write_all(&self.frame);
        written.map_err(|source| StorageError::io("write", self.path.display().to_string(), source))?;
        self.to = height;
        self.len += u64::from(count);
        Ok(())
    }
}

/// The frames of a tail up to the height `until`, as far as they are whole and follow each other.
pub(super) fn read_tail(path: &Path, genesis: &GenesisHash, until: u64) -> Result<Frames, StorageError> {
    let (mut file, Span { from, .. }, _) = open(path, Kind::Tail, genesis, COMMON)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| StorageError::io("read", path.display().to_string(), source))?;
    let (mut leaves, mut end) = (Vec::new(), TailEnd { to: from, len: 0, length: HEADER_PAGE as u64 });
    let mut rest = &bytes[..];
    while end.to < until
        && let Some((head, behind)) = rest.split_at_checked(FRAME_HEADER)
        && let Some((body, behind)) = behind.split_at_checked(u32_at(head, 4) as usize * LEAF_BYTES)
        && u64_at(head, 8) == end.to + 1
        && crc32fast::hash(&rest[4..FRAME_HEADER + body.len()]) == u32_at(head, 0)
    {
        leaves.extend(leaves_in(body));
        end.to += 1;
        end.len = leaves.len() as u64;
        end.length += (FRAME_HEADER + body.len()) as u64;
        rest = behind;
    }
    Ok(Frames { from, leaves, end })
}

/// Where a tail begins.
pub(super) fn tail_from(path: &Path, genesis: &GenesisHash) -> Result<u64, StorageError> {
    open(path, Kind::Tail, genesis, COMMON).map(|(_, span, _)| span.from)
}
