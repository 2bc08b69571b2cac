//! [`Disk`] on a real directory.
//!
//! A file is built under a temporary name, made durable, and only then renamed, so a half-made file is never seen.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::{Disk, DiskFile};

/// Suffix of files that are not finished; removed when the directory is opened.
const UNFINISHED: &str = ".new";

/// A directory on a file system.
#[derive(Debug)]
pub struct DirDisk {
    root: PathBuf,
}

impl DirDisk {
    /// Opens the directory, making it (durably) if it does not exist, and removes unfinished files.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        create_dir_durably(&root)?;
        remove_unfinished(&root)?;
        Ok(Self { root })
    }
}

impl Disk for DirDisk {
    fn create(&self, name: &str, size: u64, head: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        if head.len() as u64 > size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let path = self.root.join(name);
        if path.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let unfinished = self.root.join(format!("{name}{UNFINISHED}"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
        match fallocate(&file, FallocateFlags::empty(), 0, size) {
            Ok(()) => {}
            // File systems without it still work; only the first write to each block costs more.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(size)?,
            Err(error) => return Err(error.into()),
        }
        file.write_all_at(head, 0)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync_dir(&self.root)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.root.join(name))?;
        Ok(Box::new(RealFile(file)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(name))?;
        sync_dir(&self.root)
    }

    fn nonce(&self) -> io::Result<u64> {
        getrandom::u64().map_err(io::Error::other)
    }

    fn path(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Removes the files of a directory that were never finished.
pub(crate) fn remove_unfinished(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory and its missing parents, each entry durable.
pub(crate) fn create_dir_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir_durably(parent)?;
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    sync_dir(parent)
}

/// Replaces a small file as a whole: a crash leaves the old bytes or the new ones.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(UNFINISHED);
    let unfinished = path.with_file_name(name);
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}
