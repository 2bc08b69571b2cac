//! Opens a node's home: lock, genesis, logs, state; replays what the state lacks and checks the root.
//!
//! Invariant: what comes out of here is the state after the last durable block, reproduced from the block log where it
//! could not be read back, and its root is the one in that block's header.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Report, Result, WrapErr, bail, ensure, eyre};
use vostro_consensus::{GuardMark, Record, Tip};
use vostro_engine::{ChainEnd, RecentIds, StoredBlock, Unreadable};
use vostro_execution::tree::{self, PARTS};
use vostro_execution::{Keys, Tree, genesis_state, rebuild_tree};
use vostro_storage::leaves::{Found, Leaves};
use vostro_storage::state::{self, ExecutionState, State, StateOptions};
use vostro_storage::{
    BlockReader, BlockRecord, Home, Journal, JournalDisks, JournalOptions, JournalReport, StorageError,
};
use vostro_types::codec::decode;
use vostro_types::genesis::GenesisFile;
use vostro_types::{Genesis, Hash, Height};

use crate::config::{Config, HomePaths, StorageConfig};
use crate::index::index_changes;

/// Entries of the state read at once while the tree is rebuilt.
const SCAN_CHUNK: usize = 4096;
/// So many of these chunks are read ahead of hashing.
const CHUNKS_AHEAD: usize = 4;
/// How long a killed process may take to let go of its home: the kernel finishes its writes first.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// Decodes a record of the block log.
///
/// # Errors
/// If a part is not what this version writes; names the height and the part.
pub fn decode_record(record: &BlockRecord) -> Result<StoredBlock, Unreadable> {
    StoredBlock::decode(Height(record.height), &record.block, &record.certificate, &record.receipts)
}

/// Reads the genesis file of a home and checks its hash against the settings.
///
/// # Errors
/// If the file cannot be read, is wrong (names the field), or has another hash.
pub fn load_genesis(paths: &HomePaths, config: &Config) -> Result<Genesis> {
    let genesis = read_genesis(&paths.genesis())?;
    let hash = genesis.hash().to_string();
    ensure!(
        hash == config.genesis_hash,
        "{} has hash {hash}, but this node belongs to {} ({}): it is the genesis of another chain, or it was changed",
        paths.genesis().display(),
        config.genesis_hash,
        paths.config().display(),
    );
    Ok(genesis)
}

/// Reads and validates a genesis file.
///
/// # Errors
/// If it cannot be read or is wrong; names the file and the field.
pub fn read_genesis(path: &Path) -> Result<Genesis> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("cannot read the genesis {}", path.display()))?;
    let file: GenesisFile =
        serde_json::from_str(&text).wrap_err_with(|| format!("{} is not a genesis file", path.display()))?;
    file.parse().wrap_err_with(|| format!("{} is not a valid genesis", path.display()))
}

/// A home that is open and at its last durable block.
pub struct Opened {
    /// Holds the lock.
    pub home: Home,
    /// Logs and guard, for the writer.
    pub journal: Journal,
    /// What opening found.
    pub report: JournalReport,
    /// Reads durable blocks.
    pub blocks: BlockReader,
    /// The state, at the tip.
    pub state: State,
    /// The leaves of its tree, at the tip; `None` if they cannot be kept.
    pub leaves: Option<Leaves>,
    /// The last durable block.
    pub end: ChainEnd,
    /// What is known of the state's keys.
    pub keys: Keys,
    /// The signer guard's mark; `None` if there is no record of it.
    pub guard: Option<GuardMark>,
    /// The consensus log above the tip; without a guard's mark, own messages below it too.
    pub records: Vec<Record>,
}

/// Takes a home for this process, waiting a moment for one that is just ending.
///
/// # Errors
/// If another process keeps it, or the file system refuses.
pub fn lock_home(root: &Path) -> Result<Home, StorageError> {
    let until = Instant::now() + LOCK_WITHIN;
    loop {
        match Home::open(root) {
            Err(StorageError::Locked { .. }) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

/// Opens a home. Logs what was cut, wiped or replayed.
///
/// # Errors
/// If another process has the home, a log is damaged in the middle, or the block log does not reproduce.
pub fn open(root: &Path, genesis: &Genesis, storage: &StorageConfig) -> Result<Opened> {
    let chain = genesis.hash();
    let home = lock_home(root)?;
    let disks = JournalDisks::of_home(&home)?;
    let (journal, report) = Journal::open(&disks, chain.0, &JournalOptions::default())?;
    for cut in [&report.consensus_cut, &report.blocks_cut].into_iter().flatten() {
        tracing::warn!(?cut, "an unfinished record at the end of a log was cut; it was never acknowledged");
    }
    let blocks = journal.blocks.reader();
    let last = blocks.last_height().unwrap_or(0);
    let AtTip { state, leaves, end, keys } = open_state(&home, genesis, storage, &blocks, last)?;
    let guard = match journal.guard.load() {
        Some(bytes) => Some(decode::<GuardMark>(bytes, 4096).wrap_err("the signer guard's record cannot be decoded")?),
        None => None,
    };
    let mut records = Vec::new();
    for record in journal.consensus.replay(0) {
        let record = record?;
        let decoded = Record::decode(&record.payload)
            .wrap_err_with(|| format!("record {} of the consensus log cannot be decoded", record.sequence))?;
        // Without the guard's own record, signatures of decided heights tell it what was signed, too.
        if decoded.height() > end.tip.height || (guard.is_none() && matches!(decoded, Record::Own(_))) {
            records.push(decoded);
        }
    }
    Ok(Opened { home, journal, report, blocks, state, leaves, end, keys, guard, records })
}

/// What is at the last durable block.
struct AtTip {
    state: State,
    leaves: Option<Leaves>,
    end: ChainEnd,
    keys: Keys,
}

fn open_state(
    home: &Home,
    genesis: &Genesis,
    storage: &StorageConfig,
    blocks: &BlockReader,
    last: u64,
) -> Result<AtTip> {
    match try_state(home, genesis, storage, blocks, last) {
        Ok(opened) => Ok(opened),
        Err(error) => {
            // The state is derived; the log is the truth. Whatever is wrong with the state, replay mends it, and if the
            // log itself does not reproduce, the second attempt says so.
            tracing::warn!(reason = %format!("{error:#}"), "the state cannot be used; it is rebuilt from the block log");
            state::wipe(&home.state())?;
            try_state(home, genesis, storage, blocks, last)
        }
    }
}

fn try_state(
    home: &Home,
    genesis: &Genesis,
    storage: &StorageConfig,
    blocks: &BlockReader,
    last: u64,
) -> Result<AtTip> {
    let store = storage.backend.0.open(&home.state(), genesis.hash().0, storage.cache_bytes)?;
    let options = StateOptions { overlay_bytes: storage.overlay_bytes, ..StateOptions::default() };
    let mut state = State::start(store, options)?;
    let (changes, first_tree) = genesis_state(genesis);
    let mut end = ChainEnd::genesis(genesis, first_tree);
    let at = match state.height() {
        None => {
            state.apply(0, changes, Vec::new())?;
            0
        }
        Some(at) => at,
    };
    if at > last {
        bail!("the state is at height {at}, the block log ends at {last}");
    }
    let view = ExecutionState::new(state.reader());
    let mut root = end.tree.root();
    if at > 0 {
        let stored = stored_block(blocks, at)?;
        root = stored.block.header.state_root;
        end.tip = stored.tip();
        end.recent = recent_ids(blocks, &genesis.hash(), &end.tip)?;
    }
    let (tree, mut keys, mut leaves) = tree_at(&home.leaves(), genesis.hash().0, at, root, &view)?;
    end.tree = tree;
    if at < last {
        tracing::info!(from = at + 1, to = last, "replaying blocks the state lacks");
    }
    for record in blocks.blocks(at + 1) {
        let stored = decode_record(&record?)?;
        let height = stored.block.header.height;
        let mut candidate = end.execute(&view, stored.block.clone()).wrap_err_with(|| format!("block {height}"))?;
        if let Some(leaves) = &mut leaves {
            leaves.apply(height.0, std::mem::take(&mut candidate.executed.leaves), state.flushed_height());
        }
        let index = index_changes(&candidate.block, &candidate.ids, &candidate.executed.receipts);
        state.apply(height.0, candidate.executed.changes.iter().map(|(key, value)| (key, value.clone())), index)?;
        keys.write(&candidate.executed.changes);
        end.advance(&candidate, stored.certificate);
    }
    Ok(AtTip { state, leaves, end, keys })
}

/// The ids that blocks up to `tip` leave behind. Each processor reads blocks, the newest first.
fn recent_ids(blocks: &BlockReader, chain: &Hash, tip: &Tip) -> Result<RecentIds> {
    let next = AtomicU64::new(tip.height.0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let left_by = |height| {
        let block = StoredBlock::decode_block(Height(height), &record_at(blocks, height)?.block)?;
        Ok::<_, Report>(RecentIds::of_block(chain, tip, &block))
    };
    let (mut recent, mut end, mut failed) = (RecentIds::default(), 0, None);
    std::thread::scope(|scope| {
        let (send, read) = crossbeam_channel::bounded(threads);
        for _ in 0..threads {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                let take = || next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_sub(1)).ok();
                while let Some(height) = take() {
                    let left = left_by(height);
                    if matches!(left, Ok(None)) {
                        next.store(0, Ordering::Relaxed);
                    }
                    if send.send((height, left)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (height, left) in read {
            match left {
                Ok(Some(ids)) => recent.extend(ids),
                Ok(None) => end = end.max(height),
                Err(error) => {
                    failed = failed.take().filter(|(other, _)| *other > height).or(Some((height, error)));
                }
            }
        }
    });
    // Nobody needs a block that is older than one that left nothing.
    match failed {
        Some((height, error)) if height > end => Err(error),
        _ => Ok(recent),
    }
}

fn record_at(blocks: &BlockReader, height: u64) -> Result<BlockRecord> {
    blocks.block(height)?.ok_or_else(|| eyre!("block {height} is missing from the log"))
}

fn stored_block(blocks: &BlockReader, height: u64) -> Result<StoredBlock> {
    Ok(decode_record(&record_at(blocks, height)?)?)
}

/// The tree of the state at a height, whose root is known: of the leaves that were kept, or else of the state, with whose keys it then
/// comes and of whose leaves new files are begun.
fn tree_at(
    dir: &Path,
    chain: [u8; 32],
    height: u64,
    root: Hash,
    view: &ExecutionState,
) -> Result<(Tree, Keys, Option<Leaves>)> {
    let told = |kept: Result<Leaves, StorageError>| {
        let unkept = |error| tracing::warn!(%error, "the leaves of the state tree cannot be kept; the next start reads the state");
        kept.map_err(unkept).ok()
    };
    let kept = Found::at(dir, chain, height)
        .and_then(|found| found.map(|found| Ok((tree_of_leaves(&found)?, found))).transpose());
    match kept {
        Ok(Some((tree, found))) if tree.root() == root => {
            tracing::info!(height, leaves = tree.len(), "the state tree is made of its leaves");
            return Ok((tree, Keys::default(), told(Leaves::go_on(found))));
        }
        Ok(Some((tree, _))) => {
            tracing::warn!(height, root = %tree.root(), "the leaves of the state tree are not the state's")
        }
        Ok(None) => tracing::info!(height, "there are no leaves of the state tree at this height; the state is read"),
        Err(error) => tracing::warn!(%error, "the leaves of the state tree cannot be used; the state is read"),
    }
    let (tree, keys) = Keys::of(|tell| tree_of(view, tell));
    ensure!(tree.root() == root, "the state at height {height} has root {}, not {root}", tree.root());
    let leaves = told(Leaves::begin(dir, chain, height, &tree));
    Ok((tree, keys, leaves))
}

/// The tree of leaves that were kept. Each processor makes parts of it.
fn tree_of_leaves(found: &Found) -> Result<Tree, StorageError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(PARTS);
    let next = AtomicUsize::new(0);
    let make = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|at| *at < PARTS);
        numbers.map(|at| Ok((at, tree::Part::of(at, &found.part(at)?)))).collect::<Result<Vec<_>, StorageError>>()
    };
    let mut parts = BTreeMap::new();
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..threads).map(|_| scope.spawn(make)).collect();
        makers.into_iter().try_for_each(|maker| {
            let made = maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            parts.extend(made?);
            Ok::<_, StorageError>(())
        })
    })?;
    Ok(Tree::of_parts(parts.into_values()))
}

/// The tree of a state, from all its entries; `tell` hears of each key. One thread reads while the other hashes.
///
/// # Panics
/// When the state cannot be read.
pub fn tree_of(state: &ExecutionState, tell: &mut dyn FnMut(&[u8])) -> Tree {
    std::thread::scope(|scope| {
        let (chunks, entries) = crossbeam_channel::bounded(CHUNKS_AHEAD);
        scope.spawn(move || {
            let mut from = Vec::new();
            loop {
                let chunk = state.scan(&from, &[], SCAN_CHUNK);
                let Some((last, _)) = chunk.last() else { return };
                from.clone_from(last);
                from.push(0);
                if chunks.send(chunk).is_err() {
                    return;
                }
            }
        });
        rebuild_tree(entries.into_iter().flatten().inspect(|(key, _)| tell(key)))
    })
}
