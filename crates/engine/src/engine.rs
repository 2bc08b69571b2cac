//! The engine: one node's whole behaviour as a value that takes events and gives actions.

mod admission;
mod answers;
mod events;
mod proposals;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use vostro_consensus::{
    Config, DecidedBlock, Durable, Effect, Effects, GuardMark, Input, Record, Replica, Signed, Timing, Tip, Verified,
    Waiting,
};
use vostro_execution::{Cache, Cached, Changes, Keys, Layered, Meter, Overlay, StateRead, Tree, Unmetered};
use vostro_settlement::evidence::{evidence_record, is_on_record};
use vostro_types::{
    Block, BlockId, Evidence, Genesis, Hash, Height, SecretKey, Time, TxId, ValidatorIndex, ValidatorSet,
    VerifiedEvidence, VerifiedTransaction, View,
};

use crate::candidate::{BlockLimits, Candidate, Known, Parent, build, validate};
use crate::candidates::Candidates;
use crate::evidence::EvidencePool;
use crate::gossip::Gossip;
use crate::mempool::{Mempool, MempoolLimits};
use crate::packet::Packet;
use crate::recent::{MAX_RECENT_IDS, RecentIds};
use crate::sync::CatchUp;
use crate::wire::{GossipBatch, MAX_BATCH_BYTES, batches};

use admission::{Source, Standing};
use answers::Fetches;
use proposals::{Failed, Offered};

pub use answers::{AnswerEnd, Fetched, MAX_FETCHED_BYTES, check_answer};
pub use events::{Action, Admission, Committed, Event, Missing, Refusal};
pub use proposals::HELD_AFTER_MS;

/// What waits for a block this long is sent directly to the primary, in case gossip lost it. Milliseconds.
pub const FORWARD_AFTER_MS: u64 = 500;
/// While so many decided blocks are not durable yet, catching up decides no more: they wait in memory, and each read of the
/// state looks through them.
pub const MAX_UNDURABLE: usize = 64;
/// The same in bytes of what these blocks do (receipts and changes to the state). A block of a few kilobytes may do
/// megabytes.
pub const MAX_UNDURABLE_BYTES: usize = 64 << 20;
/// How often undecided messages are repeated, in milliseconds.
const REBROADCAST_MS: u64 = 250;
/// What the cache of the state at the tip may take, in bytes, if nobody says otherwise.
const CACHE_BYTES: usize = 32 << 20;

/// Bounds of an engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineLimits {
    /// Of the mempool.
    pub mempool: MempoolLimits,
    /// [`MAX_UNDURABLE_BYTES`], or less.
    pub undurable_bytes: usize,
    /// [`MAX_FETCHED_BYTES`], or less.
    pub fetched_bytes: usize,
    /// [`MAX_RECENT_IDS`]. It is a part of what makes a block valid, so no node of a network may have less than the others;
    /// tests have.
    pub recent_ids: usize,
    /// [`HELD_AFTER_MS`]. With [`u64::MAX`] every proposal is sent whole.
    pub held_after_ms: u64,
    /// Bytes of values that are kept before the store, and of what finds them.
    pub cache_bytes: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        EngineLimits {
            mempool: MempoolLimits::default(),
            undurable_bytes: MAX_UNDURABLE_BYTES,
            fetched_bytes: MAX_FETCHED_BYTES,
            recent_ids: MAX_RECENT_IDS,
            held_after_ms: HELD_AFTER_MS,
            cache_bytes: CACHE_BYTES,
        }
    }
}

/// A decided block that is not durable yet.
struct Layer {
    height: Height,
    changes: Arc<Changes>,
    bytes: usize,
}

/// The last block that was put together or fetched here, until it is executed; and those of its transactions that are verified.
type AtHand = (Arc<Block>, Vec<Option<Arc<VerifiedTransaction>>>);

/// What a node starts from.
pub struct Boot {
    /// The chain's first facts.
    pub genesis: Arc<Genesis>,
    /// The voting key; `None` for an observer.
    pub key: Option<SecretKey>,
    /// State after the tip; keeps up with [`Action::Commit`] until [`Event::Durable`].
    pub state: Arc<dyn StateRead + Send + Sync>,
    /// State tree after the tip.
    pub tree: Tree,
    /// What is known of the state's keys.
    pub keys: Keys,
    /// The last durable block.
    pub tip: Tip,
    /// Ids of the blocks of the last validity window.
    pub recent: RecentIds,
    /// The signer guard's mark; see [`Durable::guard`] for one that is lost.
    pub guard: Option<GuardMark>,
    /// The consensus log's records, in order.
    pub records: Vec<Record>,
    /// Bounds.
    pub limits: EngineLimits,
}

/// Figures of an engine, for metrics and status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Decided height, durable or not yet.
    pub height: Height,
    /// View of the height being decided.
    pub view: View,
    /// Highest height known to be decided anywhere.
    pub target: Height,
    /// Transactions that wait.
    pub mempool: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
    /// Views entered above 0 since boot.
    pub view_changes: u64,
    /// Blocks proposed since boot.
    pub proposed: u64,
    /// Messages refused since boot.
    pub refused_messages: u64,
    /// Messages since boot that would have changed nothing, and were not verified.
    pub ignored_messages: u64,
    /// Short proposals since boot that were put together here.
    pub put_together: u64,
    /// Short proposals since boot that named what this node did not hold.
    pub asked: u64,
    /// Contradictions of validators seen since boot.
    pub evidence: u64,
    /// Pieces of evidence that wait for a block.
    pub evidence_waiting: usize,
    /// What a validator without memory of its votes waits for; `None` if nothing keeps it from voting.
    pub waiting: Option<Waiting>,
}

/// A node's whole behaviour.
pub struct Engine {
    chain: Hash,
    validators: Arc<ValidatorSet>,
    block_limits: BlockLimits,
    replica: Replica,
    mempool: Mempool,
    gossip: Gossip,
    evidence: EvidencePool,
    recent: RecentIds,
    sync: CatchUp,
    fetches: Fetches,
    connected: BTreeSet<ValidatorIndex>,
    tip: (BlockId, Height, Time),
    tree: Tree,
    base: Arc<dyn StateRead + Send + Sync>,
    /// What was read at the tip lately.
    cache: RefCell<Cache>,
    layers: VecDeque<Layer>,
    undurable_bytes: usize,
    candidates: Candidates,
    held_after_ms: u64,
    /// The last proposal that went out short.
    offered: Option<Offered>,
    at_hand: Option<AtHand>,
    failed: Failed,
    next_deadline: Option<Time>,
    /// When the last block was decided, if it was full, and for how long that says that there is more to do than gets done.
    crowded: Option<Time>,
    crowded_ms: u64,
    demanded: bool,
    /// Since when trials of what peers sent are counted, and how many there were.
    trials: (Time, usize),
    replica_wake: Option<Time>,
    last_wake: Option<Time>,
    last_view: (Height, View),
    figures: Snapshot,
    meter: Arc<dyn Meter>,
    now: Time,
}

impl Engine {
    /// Starts a node.
    pub fn boot(boot: Boot, now: Time) -> (Self, Vec<Action>) {
        let Boot { genesis, key, state, tree, keys, tip, recent, guard, records, limits } = boot;
        let chain = genesis.hash();
        let validators = Arc::new(genesis.validator_set());
        let timing = Timing::new(&genesis.consensus, REBROADCAST_MS);
        let config = Config { chain, validators: validators.clone(), key, timing };
        let at = (tip.block, tip.height, tip.time);
        let (replica, effects) = Replica::boot(config, Durable { tip, guard, records }, now);
        let mut engine = Engine {
            chain,
            validators,
            block_limits: BlockLimits { recent: limits.recent_ids, ..BlockLimits::of(&genesis) },
            replica,
            mempool: Mempool::new(MempoolLimits {
                transaction_bytes: limits.mempool.transaction_bytes.min(genesis.consensus.max_block_bytes as usize),
                ..limits.mempool
            }),
            gossip: Gossip::default(),
            evidence: EvidencePool::default(),
            recent,
            sync: CatchUp::default(),
            fetches: Fetches::new(limits.fetched_bytes),
            connected: BTreeSet::new(),
            tip: at,
            tree,
            base: state,
            cache: RefCell::new(Cache::new(limits.cache_bytes, keys, vostro_settlement::tables::is_read_again)),
            layers: VecDeque::new(),
            undurable_bytes: limits.undurable_bytes,
            candidates: Candidates::default(),
            held_after_ms: limits.held_after_ms,
            offered: None,
            at_hand: None,
            failed: Failed::new(),
            next_deadline: None,
            crowded: None,
            crowded_ms: genesis.consensus.base_timeout_ms / 2,
            demanded: false,
            trials: (now, 0),
            replica_wake: None,
            last_wake: None,
            last_view: (at.1.next(), View(0)),
            figures: Snapshot::default(),
            meter: Arc::new(Unmetered),
            now,
        };
        engine.next_deadline = engine.read(vostro_settlement::next_deadline);
        let mut actions = Vec::new();
        engine.carry_out(effects, &mut actions);
        let me = engine.replica.me();
        let others: Vec<ValidatorIndex> =
            engine.validators.iter().map(|(validator, _)| validator).filter(|other| Some(*other) != me).collect();
        for other in others {
            engine.input(Input::Disconnected(other), &mut actions);
        }
        engine.settle_step(&mut actions);
        (engine, actions)
    }

    /// Tells `meter` from now on which part of the work on a block is under way.
    pub fn set_meter(&mut self, meter: Arc<dyn Meter>) {
        self.meter = meter;
    }

    /// Takes one event at wall time `now`.
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Action> {
        self.now = now;
        let mut actions = Vec::new();
        match event {
            Event::Message { from, bytes } => self.message(from, &bytes, &mut actions),
            Event::Verified { from, message } => self.verified(from, message, &mut actions),
            Event::Submitted { ticket, transactions } => self.submitted(ticket, transactions, &mut actions),
            Event::Gossiped { transactions } => {
                let transactions: Vec<_> = transactions.into_iter().map(Arc::new).collect();
                // What a peer sends and this node refuses is the peer's loss only.
                self.admit(&transactions, Source::Peer);
            }
            Event::Accused { evidence } => {
                for piece in evidence {
                    self.accuse(piece);
                }
            }
            Event::Persisted(seq) => self.input(Input::Persisted(seq), &mut actions),
            Event::Durable(height) => self.layers.retain(|layer| layer.height > height),
            Event::Connected(validator) => {
                self.connected.insert(validator);
                self.input(Input::Reconnected(validator), &mut actions);
            }
            Event::Disconnected(validator) => {
                self.connected.remove(&validator);
                self.input(Input::Disconnected(validator), &mut actions);
            }
            Event::Fetched { from, block } => self.fetched(from, *block),
            Event::Answered { from, end } => self.answer_ended(from, end, &mut actions),
            Event::Tick => {
                self.last_wake = None;
                // The core asks anew for what it still waits for.
                self.replica_wake = self.replica_wake.filter(|time| *time > now);
                self.input(Input::Tick, &mut actions);
                // While ticks come to decide what was fetched, others care for what waits here.
                if !self.may_decide_fetched() {
                    self.forward_stale(&mut actions);
                }
            }
        }
        self.decide_fetched(&mut actions);
        self.settle_step(&mut actions);
        actions
    }

    /// Figures for metrics and status.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            height: self.tip.1,
            view: self.replica.view(),
            target: self.sync.target().max(self.tip.1),
            mempool: self.mempool.len(),
            mempool_bytes: self.mempool.bytes(),
            evidence_waiting: self.evidence.len(),
            waiting: self.replica.waiting(),
            ..self.figures
        }
    }

    /// This node's place among the validators; `None` for an observer.
    pub fn me(&self) -> Option<ValidatorIndex> {
        self.replica.me()
    }

    /// The last proposal that went out short, whole.
    pub fn offered(&self) -> Option<&Signed> {
        self.offered.as_ref().map(Offered::proposal)
    }

    /// Whether a transaction waits for a block.
    pub fn is_pending(&self, id: &TxId) -> bool {
        self.mempool.get(id).is_some()
    }

    /// The state at the tip.
    fn at_tip<T>(&self, f: impl FnOnce(&dyn StateRead) -> T) -> T {
        let layered = Layered::new(&*self.base as &dyn StateRead, self.layers.iter().map(|layer| &*layer.changes));
        f(&Cached::new(&layered, &self.cache))
    }

    fn read<T>(&self, f: impl FnOnce(&dyn vostro_settlement::Reader) -> T) -> T {
        self.at_tip(|state| f(&Overlay::new(state)))
    }

    fn input(&mut self, input: Input, actions: &mut Vec<Action>) {
        let effects = self.replica.step(self.now, input);
        self.carry_out(effects, actions);
    }

    /// Carries effects out in order; what they ask of the engine itself is answered to the core at once.
    fn carry_out(&mut self, effects: Effects, actions: &mut Vec<Action>) {
        let mut queue: VecDeque<Effect> = effects.into();
        while let Some(effect) = queue.pop_front() {
            let answer = match effect {
                Effect::Persist { seq, records, guard } => {
                    actions.push(Action::Persist { seq, records, guard });
                    None
                }
                Effect::Send { to, message } => {
                    let bytes = self.pack(to, message);
                    actions.push(Action::Send { to, bytes });
                    None
                }
                Effect::WakeAt(time) => {
                    self.replica_wake = Some(time);
                    None
                }
                Effect::Build { height, view, parent, min_time } => self.build(height, view, parent, min_time),
                Effect::Execute { block } => Some(self.execute(block, actions)),
                Effect::Decide(decided) => {
                    if !self.commit(decided, actions) {
                        return;
                    }
                    Some(Input::Demand(self.demand()))
                }
                Effect::Behind { height, from } => {
                    self.sync.behind(height, from);
                    None
                }
                Effect::Evidence(evidence) => {
                    self.detected(evidence, actions);
                    None
                }
                Effect::Penalise { validator, offence } => {
                    actions.push(Action::Penalise { validator, reason: format!("{offence:?}") });
                    None
                }
                Effect::Withheld(why) => {
                    actions.push(Action::Warn(format!("a signature was withheld: {why:?}")));
                    None
                }
                Effect::Conflict(certificate) => {
                    let height = certificate.height;
                    actions.push(Action::Halt(format!(
                        "a second commit certificate exists for height {height}: more validators are faulty than the \
                         protocol bears"
                    )));
                    return;
                }
            };
            if let Some(input) = answer {
                if let Input::Demand(wanted) = input {
                    self.demanded = wanted;
                }
                queue.extend(self.replica.step(self.now, input));
            }
        }
    }

    /// This node saw a contradiction: everybody hears of it once, and it waits here for a block.
    fn detected(&mut self, evidence: Evidence, actions: &mut Vec<Action>) {
        match evidence.verify(&self.chain, &self.validators) {
            Ok(evidence) => {
                self.figures.evidence += 1;
                if self.accuse(evidence.clone()) {
                    let batch = GossipBatch { evidence: vec![evidence.evidence().clone()], ..GossipBatch::default() };
                    actions.push(Action::Gossip(batch.to_bytes()));
                }
                actions.push(Action::Evidence(Box::new(evidence)));
            }
            Err(error) => actions.push(Action::Warn(format!("evidence of this node proves nothing: {error}"))),
        }
    }

    /// Lets evidence wait for a block, if none records its fact. A block is made for its sake only if the accused is not
    /// on record for the like: a liar must not drive the chain by accusing itself again and again.
    fn accuse(&mut self, evidence: VerifiedEvidence) -> bool {
        let key = evidence.key();
        let accused = (key.epoch, key.validator);
        let (recorded, known) =
            self.read(|reader| (evidence_record(reader, &key).is_some(), is_on_record(reader, accused, key.kind)));
        !recorded && self.evidence.insert(evidence, self.tip.1, !known, self.now)
    }

    fn message(&mut self, from: Option<ValidatorIndex>, bytes: &[u8], actions: &mut Vec<Action>) {
        match Packet::decode(bytes) {
            // A signature costs more than everything else about a message that changes nothing.
            Ok(Packet::Message(signed)) if self.replica.ignores(self.now, &signed) => {
                self.figures.ignored_messages += 1;
            }
            Ok(Packet::Message(signed)) => match signed.verify(&self.chain, &self.validators) {
                Ok(message) => self.verified(from, message, actions),
                Err(error) => self.refuse(from, &error, actions),
            },
            Ok(Packet::Short(short)) => self.short(from, short, actions),
            Ok(Packet::Ask(ask)) => self.asked(from, &ask, actions),
            Err(error) => self.refuse(from, &error, actions),
        }
    }

    /// Nothing of what a peer sent is believed.
    fn refuse(&mut self, from: Option<ValidatorIndex>, error: &dyn std::error::Error, actions: &mut Vec<Action>) {
        self.figures.refused_messages += 1;
        if let Some(validator) = from {
            actions.push(Action::Penalise { validator, reason: error.to_string() });
        }
    }

    fn verified(&mut self, from: Option<ValidatorIndex>, message: Verified, actions: &mut Vec<Action>) {
        // A message that its sender's own connection brought was sent in this life of the process: a connection does not
        // outlive it, and what waited for an earlier one is dropped with it.
        let firsthand = from == Some(message.sender());
        let input = if firsthand { Input::Firsthand(message) } else { Input::Message(message) };
        self.input(input, actions);
    }

    /// Transactions from clients: admitted, and gossiped soon if new.
    fn submitted(&mut self, ticket: u64, transactions: Vec<VerifiedTransaction>, actions: &mut Vec<Action>) {
        let transactions: Vec<_> = transactions.into_iter().map(Arc::new).collect();
        let waited: Vec<bool> = transactions.iter().map(|tx| self.mempool.get(&tx.id()).is_some()).collect();
        let results = self.admit(&transactions, Source::Client);
        let waits =
            |tx: &Arc<VerifiedTransaction>| self.mempool.get(&tx.id()).is_some_and(|waiting| Arc::ptr_eq(waiting, tx));
        let fresh = transactions.iter().zip(waited).filter(|(tx, waited)| !waited && waits(tx));
        self.gossip.push(fresh.map(|(transaction, _)| transaction.clone()));
        actions.push(Action::Admitted { ticket, results });
    }

    /// Gossips what clients handed in and no block holds yet, when its time has come.
    fn gossip(&mut self, actions: &mut Vec<Action>) {
        let due = self.gossip.take(self.now);
        let open = due.iter().filter_map(|transaction| self.mempool.get(&transaction.id()));
        let batches = batches(open.map(|transaction| &**transaction));
        actions.extend(batches.iter().map(|batch| Action::Gossip(batch.to_bytes())));
    }

    /// Whether a block is wanted: transactions or urgent evidence wait, or a deadline is due.
    fn demand(&self) -> bool {
        let evidence = self.evidence.is_urgent(self.tip.1.next());
        // What may not be remembered may not be in a block, and an empty one after the other would be made for its sake.
        let transactions = !self.mempool.is_empty() && self.block_limits.room(&self.recent) > 0;
        evidence || transactions || self.next_deadline.is_some_and(|due| due <= self.now)
    }

    fn with_parent<T>(&self, f: impl FnOnce(&Parent<'_>) -> T) -> T {
        let (id, height, time) = self.tip;
        self.at_tip(|state| {
            f(&Parent {
                chain: self.chain,
                id,
                height,
                time,
                state,
                tree: &self.tree,
                validators: &self.validators,
                recent: &self.recent,
                meter: &*self.meter,
            })
        })
    }

    fn build(&mut self, height: Height, view: View, parent: BlockId, min_time: Time) -> Option<Input> {
        if parent != self.tip.0 || height != self.tip.1.next() {
            return None;
        }
        let time = self.now.max(min_time).max(self.tip.2.plus(1));
        self.gossip.begun(self.now);
        self.mempool.expire(time);
        let evidence = self.evidence.select(height);
        let (candidate, dropped) =
            self.with_parent(|parent| build(parent, &self.mempool, evidence, self.block_limits, time));
        for id in dropped {
            self.mempool.remove(&id);
        }
        let block = candidate.block.clone();
        self.figures.proposed += 1;
        self.candidates.keep(block.id(), candidate);
        Some(Input::Built { height, view, block })
    }

    fn execute(&mut self, block: Arc<Block>, actions: &mut Vec<Action>) -> Input {
        let id = block.id();
        self.gossip.begun(self.now);
        if !self.candidates.contains(&id) {
            let limits = self.block_limits;
            let known = Known { held: self.take_at_hand(&block), pool: Some(&self.mempool) };
            match self.with_parent(|parent| validate(parent, block, known, limits)) {
                Ok(candidate) => self.candidates.keep(id, candidate),
                Err(invalid) => {
                    actions.push(Action::Warn(format!("block {id} is invalid: {invalid}")));
                    return Input::Executed { block: id, valid: false };
                }
            }
        }
        Input::Executed { block: id, valid: true }
    }

    /// The transactions of a block that are at hand, each in its place; none if it is not the last one that was.
    fn take_at_hand(&mut self, block: &Arc<Block>) -> Vec<Option<Arc<VerifiedTransaction>>> {
        let taken = self.at_hand.take_if(|(known, _)| Arc::ptr_eq(known, block));
        taken.map(|(_, held)| held).unwrap_or_default()
    }

    /// Makes a decided block the tip. False if the node must stop.
    fn commit(&mut self, decided: DecidedBlock, actions: &mut Vec<Action>) -> bool {
        let (block, certificate) = decided.into_parts();
        let id = certificate.block;
        let candidate = self.candidates.decide(&id);
        let (limits, held) = (self.block_limits, self.take_at_hand(&block));
        let executed = match candidate {
            Some(candidate) => Ok(candidate),
            None => {
                let known = Known { held, pool: Some(&self.mempool) };
                self.with_parent(|parent| validate(parent, block, known, limits))
            }
        };
        let candidate = match executed {
            Ok(candidate) => candidate,
            Err(invalid) => {
                actions.push(Action::Halt(format!(
                    "block {id} was decided but this node cannot reproduce it ({invalid}): its state or its program \
                     differs from the network's"
                )));
                return false;
            }
        };
        let Candidate { block, ids, executed } = candidate;
        let (height, time) = (block.header.height, block.header.time);
        self.gossip.decided(self.now);
        let mut held = 0;
        for (transaction, tx) in block.transactions.iter().zip(&ids) {
            self.recent.insert(*tx, transaction.body.valid_until);
            held += self.mempool.remove(tx).map_or(0, |transaction| transaction.size());
        }
        self.crowded = self.block_limits.is_full(ids.len(), held).then_some(self.now);
        for piece in &block.evidence {
            self.evidence.recorded(&piece.key());
        }
        self.recent.forget_before(time);
        self.mempool.expire(time);
        let changes = Arc::new(executed.changes);
        self.cache.get_mut().write(&changes);
        let written = changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len));
        let leaves = size_of_val(&*executed.leaves);
        let bytes = executed.receipt_bytes.iter().copied().chain(written).chain([leaves]).sum();
        self.layers.push_back(Layer { height, changes: changes.clone(), bytes });
        self.tip = (id, height, time);
        self.tree = executed.tree.clone();
        let Engine { base, layers, cache, tree, .. } = self;
        let state = Layered::new(&**base as &dyn StateRead, layers.iter().map(|layer| &*layer.changes));
        cache.get_mut().learn(&state, tree.len());
        self.next_deadline = self.read(vostro_settlement::next_deadline);
        actions.push(Action::Commit(Box::new(Committed {
            block,
            certificate,
            ids,
            receipts: executed.receipts,
            receipt_list: executed.receipt_list,
            changes,
            leaves: executed.leaves,
            tree: executed.tree,
        })));
        true
    }

    /// Transactions and urgent evidence that waited long go to the next primary directly.
    fn forward_stale(&mut self, actions: &mut Vec<Action>) {
        let (next, before) = (self.tip.1.next(), self.now.minus(FORWARD_AFTER_MS));
        // While blocks are full they are what transactions wait for: the primary, who holds most of them, would verify them again. What
        // it does not hold a validator proposes itself at its turn. Well before a time-out: who leaves a view asks another primary.
        let is_crowded = self.crowded.is_some_and(|at| (at..at.plus(self.crowded_ms)).contains(&self.now));
        let stale = if self.me().is_some() && is_crowded {
            Vec::new()
        } else {
            self.mempool.stale(before, self.now, MAX_BATCH_BYTES)
        };
        let accusations = self.evidence.stale(next, before, self.now);
        let primary = self.validators.primary(next, self.replica.view());
        if stale.is_empty() && accusations.is_empty() || Some(primary) == self.replica.me() {
            return;
        }
        // No block will hold what its signers may not do any more. A primary drops it when it builds; here it would be sent
        // to one primary after the other, and each would make an empty block for its sake.
        let (mut transactions, mut hopeless) = (Vec::new(), Vec::new());
        for transaction in stale {
            if self.may_try() && matches!(self.standing(&transaction), Standing::MayNot { .. }) {
                hopeless.push(transaction.id());
            } else {
                transactions.push(transaction.transaction().clone());
            }
        }
        for id in hopeless {
            self.mempool.remove(&id);
        }
        if transactions.is_empty() && accusations.is_empty() {
            return;
        }
        let evidence = accusations.into_iter().map(VerifiedEvidence::into_evidence).collect();
        actions.push(Action::Forward { to: primary, bytes: GossipBatch { transactions, evidence }.to_bytes() });
    }

    /// What follows every step: demand, catch-up, figures and the next wake-up.
    fn settle_step(&mut self, actions: &mut Vec<Action>) {
        self.gossip(actions);
        let at = (self.replica.height(), self.replica.view());
        if at.0 == self.last_view.0 {
            self.figures.view_changes += at.1.0.saturating_sub(self.last_view.1.0);
        }
        self.last_view = at;
        let demand = self.demand();
        if demand != self.demanded {
            self.demanded = demand;
            self.input(Input::Demand(demand), actions);
        }
        let (have, room) = (self.fetched_up_to(), self.fetches.has_room());
        if room && let Some((to, request)) = self.sync.next(have, &self.connected, self.now) {
            actions.push(Action::Request { to, request });
        }
        // With no room for what it does the next durable block leads on.
        let fetched = self.may_decide_fetched().then_some(self.now);
        let waits = !self.mempool.is_empty() || self.evidence.is_urgent(self.tip.1.next());
        let forward = waits.then(|| self.now.plus(FORWARD_AFTER_MS));
        let deadline = self.next_deadline.filter(|due| *due > self.now);
        let retry = self.sync.wake_at(have).filter(|_| room);
        let wake =
            [self.replica_wake, forward, deadline, retry, fetched, self.gossip.due()].into_iter().flatten().min();
        if let Some(time) = wake
            && self.last_wake.is_none_or(|last| time < last || last <= self.now)
        {
            self.last_wake = Some(time);
            actions.push(Action::WakeAt(time));
        }
    }
}
