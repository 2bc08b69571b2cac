//! [`Disk`] in memory that knows which bytes were synced, so a simulation can lose or tear the others.
//!
//! Invariant: [`MemDisk::survivor`] with any [`Crash`] keeps every synced byte and never invents one.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// Unit a device writes whole or not at all, in [`Crash::Random`].
const SECTOR: usize = 512;

/// What happens to unsynced bytes when the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Everything written survives: the process died, the machine did not.
    KeepAll,
    /// Nothing unsynced survives.
    LoseAll,
    /// The first so many unsynced bytes survive, in the order they were written, over all files.
    Prefix(u64),
    /// Each sector of each unsynced write survives or not, and one in eight tears inside; drawn from this seed.
    Random(u64),
}

#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Open files that refer to it.
    handles: usize,
}

#[derive(Clone)]
struct Pending {
    inode: u64,
    offset: usize,
    bytes: Vec<u8>,
}

#[derive(Clone, Default)]
struct Inner {
    names: BTreeMap<String, u64>,
    inodes: BTreeMap<u64, Inode>,
    pending: Vec<Pending>,
    next_inode: u64,
    nonce: u64,
    operations: u64,
    syncs: u64,
    fail_after: Option<u64>,
}

impl Inner {
    /// Counts an operation that changes something, and refuses it once the budget is spent.
    fn spend(&mut self) -> io::Result<()> {
        if let Some(limit) = self.fail_after
            && self.operations >= limit
        {
            return Err(io::Error::other("injected device failure"));
        }
        self.operations = self.operations.saturating_add(1);
        Ok(())
    }

    /// Drops an inode that has neither a name nor an open file, as a file system does.
    fn forget_unused(&mut self, id: u64) {
        let unused = self.inodes.get(&id).is_some_and(|inode| inode.handles == 0);
        if unused && !self.names.values().any(|named| *named == id) {
            self.inodes.remove(&id);
            self.pending.retain(|write| write.inode != id);
        }
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A directory in memory; clones share the content.
#[derive(Clone)]
pub struct MemDisk {
    inner: Arc<Mutex<Inner>>,
}

impl MemDisk {
    /// An empty disk whose nonces follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { nonce: seed, ..Inner::default() })) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as found after a crash now; this one is left as it is, so every outcome can be tried from one run.
    pub fn survivor(&self, crash: Crash) -> Self {
        let mut inner = self.lock().clone();
        let pending = std::mem::take(&mut inner.pending);
        let mut random = SplitMix(match crash {
            Crash::Random(seed) => seed,
            _ => 0,
        });
        let mut left = match crash {
            Crash::Prefix(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            _ => 0,
        };
        for write in pending {
            let Some(inode) = inner.inodes.get_mut(&write.inode) else {
                continue;
            };
            let durable = &mut inode.durable;
            let mut keep = |from: usize, to: usize| {
                let target = write.offset + from..write.offset + to;
                durable[target].copy_from_slice(&write.bytes[from..to]);
            };
            match crash {
                Crash::KeepAll => keep(0, write.bytes.len()),
                Crash::LoseAll => {}
                Crash::Prefix(_) => {
                    let part = left.min(write.bytes.len());
                    keep(0, part);
                    left -= part;
                }
                Crash::Random(_) => {
                    let mut from = 0;
                    while from < write.bytes.len() {
                        let boundary = (write.offset + from) / SECTOR * SECTOR + SECTOR;
                        let to = (boundary - write.offset).min(write.bytes.len());
                        match random.next() % 8 {
                            0..=2 => keep(from, to),
                            3 => keep(from, from + random.next() as usize % (to - from)),
                            4 => keep(from + random.next() as usize % (to - from), to),
                            _ => {}
                        }
                        from = to;
                    }
                }
            }
        }
        let Inner { names, inodes, .. } = &mut inner;
        inodes.retain(|id, _| names.values().any(|named| named == id));
        for inode in inodes.values_mut() {
            inode.now.clone_from(&inode.durable);
            inode.handles = 0;
        }
        inner.fail_after = None;
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// From now on let `operations` more creates, removes, writes and syncs succeed, and refuse all after them.
    pub fn fail_after(&self, operations: u64) {
        let mut inner = self.lock();
        inner.fail_after = Some(inner.operations.saturating_add(operations));
    }

    /// Creates, removes, writes and syncs that succeeded so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Syncs that succeeded so far.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Bytes written and not yet synced.
    pub fn unsynced_bytes(&self) -> u64 {
        let bytes: usize = self.lock().pending.iter().map(|write| write.bytes.len()).sum();
        bytes as u64
    }

    /// Flips bits of one stored byte, synced or not; false when there is no such byte.
    pub fn corrupt(&self, name: &str, offset: u64, mask: u8) -> bool {
        let mut inner = self.lock();
        let Some(id) = inner.names.get(name).copied() else {
            return false;
        };
        let Some(inode) = inner.inodes.get_mut(&id) else {
            return false;
        };
        let Ok(at) = usize::try_from(offset) else {
            return false;
        };
        match (inode.now.get_mut(at), inode.durable.get_mut(at)) {
            (Some(now), Some(durable)) => {
                *now ^= mask;
                *durable ^= mask;
                true
            }
            _ => false,
        }
    }

    /// Content of a file as a reader sees it now.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.lock();
        let id = inner.names.get(name)?;
        inner.inodes.get(id).map(|inode| inode.now.clone())
    }
}

impl Disk for MemDisk {
    fn create(&self, name: &str, size: u64, head: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.lock();
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        if head.len() > size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if inner.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        inner.spend()?;
        let id = inner.next_inode;
        inner.next_inode += 1;
        let mut now = vec![0; size];
        now[..head.len()].copy_from_slice(head);
        let durable = now.clone();
        inner.inodes.insert(id, Inode { now, durable, handles: 1 });
        inner.names.insert(name.to_owned(), id);
        Ok(Box::new(MemFile { disk: self.clone(), id }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.lock();
        let Some(id) = inner.names.get(name).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        inner.inode(id)?.handles += 1;
        Ok(Box::new(MemFile { disk: self.clone(), id }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let Some(id) = inner.names.get(name).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        inner.spend()?;
        inner.names.remove(name);
        inner.forget_unused(id);
        Ok(())
    }

    fn nonce(&self) -> io::Result<u64> {
        let mut inner = self.lock();
        let mut random = SplitMix(inner.nonce);
        let value = random.next();
        inner.nonce = random.0;
        Ok(value)
    }

    fn path(&self, name: &str) -> String {
        format!("mem:{name}")
    }
}

struct MemFile {
    disk: MemDisk,
    id: u64,
}

impl Drop for MemFile {
    fn drop(&mut self) {
        let mut inner = self.disk.lock();
        if let Some(inode) = inner.inodes.get_mut(&self.id) {
            inode.handles = inode.handles.saturating_sub(1);
        }
        inner.forget_unused(self.id);
    }
}

/// The byte range, if it lies inside a file of `size` bytes.
fn range(offset: u64, length: usize, size: usize) -> io::Result<std::ops::Range<usize>> {
    usize::try_from(offset)
        .ok()
        .and_then(|from| Some(from..from.checked_add(length)?))
        .filter(|range| range.end <= size)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl DiskFile for MemFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let inode = inner.inode(self.id)?;
        let range = range(offset, buf.len(), inode.now.len())?;
        buf.copy_from_slice(&inode.now[range]);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let size = inner.inode(self.id)?.now.len();
        let range = range(offset, bytes.len(), size)?;
        inner.spend()?;
        inner.pending.push(Pending { inode: self.id, offset: range.start, bytes: bytes.to_vec() });
        inner.inode(self.id)?.now[range].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.lock();
        inner.spend()?;
        inner.syncs = inner.syncs.saturating_add(1);
        let Inner { inodes, pending, .. } = &mut *inner;
        if let Some(inode) = inodes.get_mut(&self.id) {
            for write in pending.iter().filter(|write| write.inode == self.id) {
                let end = write.offset + write.bytes.len();
                inode.durable[write.offset..end].copy_from_slice(&write.bytes);
            }
        }
        pending.retain(|write| write.inode != self.id);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inode(self.id)?.now.len() as u64)
    }
}

/// The generator of Steele, Lea and Flood 2014 ("Fast splittable pseudorandom number generators").
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
