//! One validator's machine: the production engine above the production journal, on disks that lose what was not synced.
//!
//! Invariant: it does with an engine's actions what a node does. Writes that wait together are made durable by
//! [`vostro_storage::persist`], the same function the node's log writer calls, and only then does the engine hear of them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use vostro_consensus::{GuardMark, Record, Seq};
use vostro_crypto::{Hash, SecretKey, Signature};
use vostro_engine::wire::{Certified, MAX_SYNC_BLOCKS, MAX_SYNC_BYTES, SyncRequest, SyncResponse};
use vostro_engine::{Action, Boot, ChainEnd, Committed, Engine, EngineLimits, RecentIds, StoredBlock};
use vostro_execution::{Keys, MemState, StateRead, Tree, genesis_state};
use vostro_storage::disk::{Crash, Disk, MemDisk};
use vostro_storage::log::{Check, LogOptions};
use vostro_storage::{Batch, FIRST_HEIGHT, Journal, JournalDisks, JournalOptions, StorageError, Write, persist};
use vostro_types::codec::{decode, encode};
use vostro_types::{Genesis, Height, Time, ValidatorIndex};

use crate::faults::Clock;

/// Small segments, so that short runs roll over and prune.
const OPTIONS: JournalOptions = JournalOptions {
    consensus: LogOptions { segment_bytes: 48 << 10, check: Check::Everything },
    blocks: LogOptions { segment_bytes: 64 << 10, check: Check::Tail },
    first_height: FIRST_HEIGHT,
};
/// Consensus records are pruned after so many blocks.
const PRUNE_INTERVAL: u64 = 4;
/// Largest encoded mark of the guard.
const MAX_MARK: usize = 4096;

/// How a machine behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As the protocol says.
    Honest,
    /// Runs the real engine and falsifies what it says.
    Liar,
    /// One of two machines that share a key, each on its side of a partition.
    Twin(u8),
    /// Keeps the protocol, but a crash may take its disks with all that they held.
    Forgetful,
    /// Honest, but bits of its disk flip while it is down.
    Rotten,
}

/// Something broken on purpose in the honest machines, to see that the checks notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The disk says that it wrote, and did not.
    SyncNothing,
    /// The engine hears that its records are durable before they are.
    ReportEarly,
    /// A start finds neither the votes nor the guard's mark.
    ForgetVotes,
    /// One machine's state is not what its blocks made.
    AlterState,
    /// One machine never hears anything.
    Deaf,
    /// Blocks hold a transaction that no client is known to have handed in.
    UnknownTransaction,
    /// What a client may do is taken for what a stranger does.
    MistakenIdentity,
    /// Twice as many validators lie as the protocol bears, and they show every receiver another face.
    Overpower,
}

impl Kind {
    /// Whether it keeps the protocol.
    pub fn is_honest(self) -> bool {
        matches!(self, Kind::Honest | Kind::Forgetful)
    }

    /// Whether its power may fail.
    pub fn may_crash(self) -> bool {
        matches!(self, Kind::Honest | Kind::Forgetful | Kind::Rotten)
    }
}

/// The three directories of a home.
#[derive(Clone)]
pub struct Disks {
    /// Consensus log.
    pub consensus: MemDisk,
    /// Block log.
    pub blocks: MemDisk,
    /// The guard's record.
    pub signer: MemDisk,
}

impl Disks {
    /// Empty disks.
    pub fn new(seed: u64) -> Self {
        Disks { consensus: MemDisk::new(seed), blocks: MemDisk::new(seed ^ 1), signer: MemDisk::new(seed ^ 2) }
    }

    /// In the order in which a group is written.
    pub fn all(&self) -> [&MemDisk; 3] {
        [&self.blocks, &self.consensus, &self.signer]
    }

    /// What is found after a crash.
    pub fn survivor(&self, blocks: Crash, consensus: Crash, signer: Crash) -> Self {
        Disks {
            consensus: self.consensus.survivor(consensus),
            blocks: self.blocks.survivor(blocks),
            signer: self.signer.survivor(signer),
        }
    }

    /// Opens the journal on them.
    ///
    /// # Errors
    /// Damage that the storage refuses to start from.
    pub fn open(&self, chain: &Hash) -> Result<Journal, StorageError> {
        let disks = JournalDisks {
            consensus: Arc::new(self.consensus.clone()),
            blocks: Arc::new(self.blocks.clone()),
            signer: Arc::new(self.signer.clone()),
        };
        Journal::open(&disks, chain.0, &OPTIONS).map(|(journal, _)| journal)
    }

    /// Flips one bit somewhere in a file that exists; false if there is none.
    pub fn flip(&self, mut pick: impl FnMut(u64) -> u64) -> bool {
        let disk = self.all()[pick(3) as usize].clone();
        let Ok(names) = disk.list() else { return false };
        if names.is_empty() {
            return false;
        }
        let name = &names[pick(names.len() as u64) as usize];
        let length = disk.bytes(name).map_or(0, |bytes| bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1));
        disk.corrupt(name, pick(length as u64), 1 << pick(8))
    }
}

/// State that the machine keeps and the engine reads.
#[derive(Clone, Default)]
pub struct SharedState(Arc<RwLock<MemState>>);

impl SharedState {
    /// Loses the last entry.
    fn alter(&self) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let last = state.iter().last().map(|(key, _)| key.to_vec());
        let changes = last.into_iter().map(|key| (key, None)).collect();
        state.apply(&changes);
    }

    fn apply(&self, changes: &vostro_execution::Changes) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).apply(changes);
    }
}

impl StateRead for SharedState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        StateRead::get(&*self.0.read().unwrap_or_else(PoisonError::into_inner), key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        StateRead::scan(&*self.0.read().unwrap_or_else(PoisonError::into_inner), from, to, limit)
    }
}

/// The materialised state as it was at some height: what a node's store holds when it starts.
struct Materialised {
    state: MemState,
    end: ChainEnd,
}

/// What a ticket of the journal was for.
pub enum Waiting {
    /// Records of the consensus log.
    Seq(Seq, Vec<Signature>),
    /// A decided block.
    Block(Box<Committed>),
    /// Nothing hears of it.
    Prune,
}

/// A machine that is up.
pub struct Running {
    /// The engine.
    pub engine: Engine,
    journal: Journal,
    state: SharedState,
    applied: Height,
    start: ChainEnd,
    next_ticket: u64,
    queued: Vec<Batch>,
    writing: Vec<Batch>,
    waiting: VecDeque<(u64, Waiting)>,
    /// The wake-up asked for last.
    pub wake: Option<u64>,
    /// Catch-up requests under way: number and who was asked.
    pub requests: Vec<(u64, ValidatorIndex)>,
}

/// Why a machine did not come up, or what its disk did not hold.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The storage refuses to start.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// What it holds cannot be used.
    #[error("{0}")]
    Content(String),
}

/// One validator's machine.
pub struct Machine {
    /// Its validator.
    pub validator: ValidatorIndex,
    /// How it behaves.
    pub kind: Kind,
    /// Its clock.
    pub clock: Clock,
    /// Its disks.
    pub disks: Disks,
    /// What runs on it.
    pub running: Option<Running>,
    /// Starts so far; what belongs to an earlier life is void.
    pub life: u64,
    /// Signatures whose records are durable, of this and earlier lives.
    pub durable: BTreeSet<Signature>,
    /// Whether it refused to start and stays down.
    pub refused: bool,
    /// What is broken in it on purpose.
    pub sabotage: Option<Sabotage>,
    key: SecretKey,
    stored: Option<Materialised>,
}

/// What became durable.
pub enum Done {
    /// The engine hears of it.
    Persisted(Seq),
    /// A block, now applied to the state.
    Block(Box<Committed>),
}

impl Machine {
    /// A machine with empty disks, down.
    pub fn new(validator: ValidatorIndex, key: SecretKey, kind: Kind, clock: Clock, disk_seed: u64) -> Self {
        Machine {
            validator,
            kind,
            clock,
            disks: Disks::new(disk_seed),
            running: None,
            life: 0,
            durable: BTreeSet::new(),
            refused: false,
            sabotage: None,
            key,
            stored: None,
        }
    }

    /// Starts from what the disks hold; gives the engine's first actions.
    ///
    /// # Errors
    /// [`BootError`]: nothing runs then.
    pub fn boot(&mut self, genesis: &Arc<Genesis>, now: Time) -> Result<Vec<Action>, BootError> {
        let chain = genesis.hash();
        let mut journal = self.disks.open(&chain)?;
        if self.life == 0 && journal.guard.load().is_none() {
            // As `vostro init` leaves a home.
            let twin = matches!(self.kind, Kind::Twin(_));
            let mark = if twin { careless() } else { GuardMark::never_signed() };
            journal.guard.write(&encode(&mark))?;
        }
        let forgets = self.sabotage == Some(Sabotage::ForgetVotes);
        let guard = journal
            .guard
            .load()
            .map(|bytes| decode::<GuardMark>(bytes, MAX_MARK))
            .transpose()
            .map_err(|e| BootError::Content(format!("the guard's mark: {e}")))?
            .map(|mark| if forgets { careless() } else { mark });
        let (state, end) = self.roll_forward(genesis, &journal)?;
        let records = if forgets { Vec::new() } else { records(&journal, end.tip.height)? };
        // What is read back is durable: opening the log syncs it.
        self.durable.extend(records.iter().filter_map(own_signature));
        self.stored = Some(Materialised { state: state.clone(), end: end.clone() });
        let shared = SharedState(Arc::new(RwLock::new(state)));
        // Of where it started only what later ends have too is asked for, and not the tree, which would keep what it was.
        let (applied, mut start) = (end.tip.height, end.clone());
        start.tree = Tree::empty();
        if self.sabotage == Some(Sabotage::AlterState) {
            shared.alter();
        }
        let boot = Boot {
            genesis: genesis.clone(),
            key: Some(self.key.clone()),
            state: Arc::new(shared.clone()),
            tree: end.tree,
            // So that the walk through them is under way for long.
            keys: Keys::walking(3),
            tip: end.tip,
            recent: end.recent,
            guard,
            records,
            limits: EngineLimits::default(),
        };
        let (engine, actions) = Engine::boot(boot, now);
        self.life += 1;
        self.running = Some(Running {
            engine,
            journal,
            state: shared,
            applied,
            start,
            next_ticket: 1,
            queued: Vec::new(),
            writing: Vec::new(),
            waiting: VecDeque::new(),
            wake: None,
            requests: Vec::new(),
        });
        Ok(actions)
    }

    /// The state the store held, and the blocks above it executed again.
    fn roll_forward(&mut self, genesis: &Genesis, journal: &Journal) -> Result<(MemState, ChainEnd), BootError> {
        let (mut state, mut end) = match self.stored.take() {
            Some(stored) => (stored.state, stored.end),
            None => genesis_end(genesis),
        };
        for record in journal.blocks.reader().blocks(end.tip.height.0 + 1) {
            let record = record?;
            let stored =
                StoredBlock::decode(Height(record.height), &record.block, &record.certificate, &record.receipts)
                    .map_err(|e| BootError::Content(e.to_string()))?;
            let candidate = end
                .execute(&state, stored.block.clone())
                .map_err(|e| BootError::Content(format!("block {}: {e}", record.height)))?;
            if candidate.executed.receipts != stored.receipts {
                return Err(BootError::Content(format!("block {}: the stored receipts differ", record.height)));
            }
            state.apply(&candidate.executed.changes);
            end.advance(&candidate, stored.certificate);
        }
        Ok((state, end))
    }

    /// Hands writes to the journal's queue.
    pub fn submit(&mut self, waiting: Waiting, writes: Vec<Write>) {
        if let Some(running) = &mut self.running {
            let ticket = running.next_ticket;
            running.next_ticket += 1;
            running.waiting.push_back((ticket, waiting));
            running.queued.push(Batch { ticket, writes });
        }
    }

    /// Starts writing what waits; false if nothing does, or a group is being written.
    pub fn start_writing(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        if running.queued.is_empty() || !running.writing.is_empty() {
            return false;
        }
        running.writing = std::mem::take(&mut running.queued);
        true
    }

    /// Makes the group durable; gives what became so, in order.
    ///
    /// # Errors
    /// What the disk refuses: fatal for a node.
    pub fn finish_writing(&mut self) -> Result<Vec<Done>, StorageError> {
        let Some(running) = &mut self.running else { return Ok(Vec::new()) };
        let group = std::mem::take(&mut running.writing);
        let persisted = if self.sabotage == Some(Sabotage::SyncNothing) {
            group.iter().map(|batch| (batch.ticket, 0)).collect()
        } else {
            persist(&mut running.journal, &group)?
        };
        let mut done = Vec::new();
        for (ticket, consensus_next) in persisted {
            while running.waiting.front().is_some_and(|(waiting, _)| *waiting <= ticket) {
                let Some((_, waiting)) = running.waiting.pop_front() else { break };
                match waiting {
                    Waiting::Seq(seq, signatures) => {
                        self.durable.extend(signatures);
                        done.push(Done::Persisted(seq));
                    }
                    Waiting::Block(committed) => {
                        running.state.apply(&committed.changes);
                        running.applied = committed.block.header.height;
                        if committed.block.header.height.0.is_multiple_of(PRUNE_INTERVAL) {
                            let ticket = running.next_ticket;
                            running.next_ticket += 1;
                            running.waiting.push_back((ticket, Waiting::Prune));
                            let writes = vec![Write::PruneConsensus { below: consensus_next }];
                            running.queued.push(Batch { ticket, writes });
                        }
                        done.push(Done::Block(committed));
                    }
                    Waiting::Prune => {}
                }
            }
        }
        Ok(done)
    }

    /// The power fails. A group being written fails at one of its disk operations; of what was not synced, `survive`
    /// says what is found.
    pub fn crash(&mut self, mut pick: impl FnMut(u64) -> u64, mut survive: impl FnMut() -> Crash) {
        let Some(mut running) = self.running.take() else { return };
        self.life += 1;
        if !running.writing.is_empty() {
            let disk = pick(3) as usize;
            // Beyond the last operation the group is durable and only the report is lost.
            self.disks.all()[disk].fail_after(pick(8));
            // The failure is the crash.
            let _ = persist(&mut running.journal, &running.writing);
        }
        drop(running);
        self.disks = self.disks.survivor(survive(), survive(), survive());
    }

    /// The group being written, if any.
    pub fn writing(&self) -> &[Batch] {
        self.running.as_ref().map_or(&[], |running| &running.writing)
    }

    /// A machine of the same validator on other disks, down.
    pub fn on(&self, disks: Disks) -> Self {
        let mut machine = Machine::new(self.validator, self.key.clone(), self.kind, self.clock, 0);
        machine.disks = disks;
        machine.sabotage = self.sabotage;
        machine.stored = self.stored.as_ref().map(|s| Materialised { state: s.state.clone(), end: s.end.clone() });
        machine
    }

    /// The disks are gone; new ones are in their place.
    pub fn lose_disks(&mut self, seed: u64) {
        self.disks = Disks::new(seed);
        self.stored = None;
        self.durable.clear();
    }

    /// Loses the materialised state, so that the next start executes every block again.
    pub fn forget_state(&mut self) {
        self.stored = None;
    }

    /// Keeps the state as it is now for the next start, if this is the block it is at.
    pub fn materialise(&mut self, committed: &Committed, genesis: &Genesis) {
        let header = &committed.block.header;
        let Some(running) = self.running.as_ref().filter(|running| running.applied == header.height) else { return };
        let tip = StoredBlock {
            block: committed.block.clone(),
            certificate: committed.certificate.clone(),
            receipts: Vec::new(),
        }
        .tip();
        let reader = running.journal.blocks.reader();
        let chain = genesis.hash();
        let mut recent = RecentIds::default();
        for height in (1..=header.height.0).rev() {
            // A block that cannot be read leaves the older state, which is as good.
            let Ok(Some(record)) = reader.block(height) else { return };
            let Ok(block) = StoredBlock::decode_block(Height(height), &record.block) else { return };
            let Some(ids) = RecentIds::of_block(&chain, &tip, &block) else { break };
            recent.extend(ids);
        }
        let state = running.state.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut end = running.start.clone();
        (end.tip, end.tree, end.recent) = (tip, committed.tree.clone(), recent);
        self.stored = Some(Materialised { state, end });
    }

    /// Answers a catch-up request from durable blocks, as a node does.
    pub fn serve(&self, request: SyncRequest) -> Option<SyncResponse> {
        let running = self.running.as_ref()?;
        let mut blocks = Vec::new();
        let mut size = 0;
        let count = usize::from(request.count).min(MAX_SYNC_BLOCKS);
        for record in running.journal.blocks.reader().blocks(request.from.0).take(count) {
            let record = record.ok()?;
            size += record.block.len() + record.certificate.len();
            if size > MAX_SYNC_BYTES && !blocks.is_empty() {
                break;
            }
            let height = Height(record.height);
            let stored = StoredBlock::decode(height, &record.block, &record.certificate, &record.receipts).ok()?;
            blocks.push(Certified { block: stored.block, certificate: stored.certificate });
        }
        Some(SyncResponse { blocks })
    }

    /// Root of the state this machine started from.
    pub fn root(&self) -> Option<Hash> {
        self.stored.as_ref().map(|stored| stored.end.tree.root())
    }

    /// Decided height of the engine, durable or not; 0 while down.
    pub fn height(&self) -> Height {
        self.running.as_ref().map_or(Height(0), |running| running.engine.snapshot().height)
    }
}

/// Writes of a decided block, as a node makes them.
pub fn block_writes(committed: &Committed) -> Vec<Write> {
    vec![Write::Block {
        height: committed.block.header.height.0,
        block: encode(&*committed.block),
        certificate: encode(&committed.certificate),
        receipts: committed.receipt_list.clone(),
    }]
}

/// A mark that forbids nothing, of a key that does not look out for signatures it does not know: of a twin, which signs as
/// if its other half did not exist, and of one that forgets on purpose.
fn careless() -> GuardMark {
    GuardMark { digest: Hash([0xff; 32]), ..GuardMark::never_signed() }
}

/// Writes of consensus records and the guard's mark, as a node makes them; also the own signatures among them.
pub fn record_writes(records: &[Record], guard: Option<GuardMark>) -> (Vec<Write>, Vec<Signature>) {
    let mut writes: Vec<Write> =
        records.iter().map(|record| Write::Consensus { kind: 1, payload: record.encode() }).collect();
    writes.extend(guard.map(|mark| Write::Guard(encode(&mark))));
    (writes, records.iter().filter_map(own_signature).collect())
}

fn own_signature(record: &Record) -> Option<Signature> {
    match record {
        Record::Own(signed) => Some(signed.signature),
        Record::Accepted(_) | Record::Prepared(_) => None,
    }
}

/// Records of the consensus log above a height.
///
/// # Errors
/// Damage, or a record that cannot be decoded.
pub fn records(journal: &Journal, above: Height) -> Result<Vec<Record>, BootError> {
    let mut records = Vec::new();
    for record in journal.consensus.replay(0) {
        let decoded = Record::decode(&record?.payload).map_err(|e| BootError::Content(e.to_string()))?;
        if decoded.height() > above {
            records.push(decoded);
        }
    }
    Ok(records)
}

/// The state before the first block, and the chain's end there.
pub fn genesis_end(genesis: &Genesis) -> (MemState, ChainEnd) {
    let (changes, tree): (_, Tree) = genesis_state(genesis);
    let mut state = MemState::new();
    state.apply(&changes);
    (state, ChainEnd::genesis(genesis, tree))
}
