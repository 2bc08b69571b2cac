//! The world: machines, links and one virtual clock; everything that happens is an event with a time and an order.
//!
//! Invariant: what happens is a function of the settings alone. Events of one time happen in the order in which they
//! were planned, every choice comes from one [`Dice`], and nothing iterates over an unordered collection.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use vostro_consensus::{Message, Signed, To, Verified};
use vostro_crypto::Hash;
use vostro_engine::wire::{GossipBatch, SyncRequest, SyncResponse};
use vostro_engine::{Action, Event as Input};
use vostro_storage::disk::Crash;
use vostro_types::transaction::verify_all;
use vostro_types::{
    BlockId, Genesis, Height, Outcome as TxOutcome, SecretKey, Time, ValidatorIndex, ValidatorSet, VerifiedTransaction,
};

use crate::byzantine::{Habits, Liar, remember};
use crate::check::{Checker, short};
use crate::dice::Dice;
use crate::faults::{Clock, Weather};
use crate::machine::{Done, Kind, Machine, Waiting, block_writes, genesis_end, record_writes};
use crate::trace::Trace;
use crate::workload::{Payment, START};

/// A catch-up request that is not answered within this many milliseconds has failed.
const REQUEST_TIMEOUT: u64 = 2000;
/// Clients look at what is settled this often, in milliseconds.
const CLIENT_EVERY: u64 = 50;
/// A client that sees nothing settled hands its transaction in again, elsewhere, after this many milliseconds.
const CLIENT_RETRY: u64 = 1000;
/// Most transactions that clients hand in at once.
const CLIENT_BATCH: usize = 8;
/// Events after which a run is taken for a loop.
const MAX_EVENTS: u64 = 20_000_000;

/// What travels over a link.
#[derive(Clone)]
enum Parcel {
    Message(Rc<Packet>),
    Batch(Rc<Batch>),
    Ask { number: u64, request: SyncRequest },
    Answer { number: u64, bytes: Option<Rc<[u8]>> },
}

/// Bytes of a message; whether they verify is a function of them alone, so it is found out once for all receivers.
struct Packet {
    bytes: Vec<u8>,
    verified: OnceCell<Option<Verified>>,
}

impl Packet {
    fn new(bytes: Vec<u8>) -> Rc<Self> {
        Rc::new(Packet { bytes, verified: OnceCell::new() })
    }
}

/// Bytes of a batch of transactions, likewise.
struct Batch {
    bytes: Vec<u8>,
    verified: OnceCell<Vec<VerifiedTransaction>>,
}

enum Event {
    Deliver { from: usize, to: usize, parcel: Parcel, what: Rc<str> },
    Written { at: usize, life: u64 },
    Wake { at: usize, life: u64 },
    Unanswered { at: usize, life: u64, number: u64 },
    Restart { at: usize },
    Clients,
}

/// A crash planned by a test: at the `action`-th action of a machine, alone or with everyone.
#[derive(Clone, Copy, Debug)]
pub struct PlannedCrash {
    /// The machine.
    pub at: usize,
    /// How many of its actions are carried out before.
    pub after: u64,
    /// Whether all machines crash with it.
    pub everyone: bool,
    /// What is found of bytes that were not synced.
    pub survive: Crash,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events that happened.
    pub events: u64,
    /// Proposals, votes and view-changes sent, one for each receiver.
    pub messages: u64,
    /// Status messages sent, likewise.
    pub statuses: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Signatures in these messages, certificates and claims included.
    pub signatures: u64,
    /// Crashes.
    pub crashes: u64,
    /// View-changes signed.
    pub view_changes: u64,
    /// Catch-up requests.
    pub requests: u64,
    /// Messages delivered that no honest validator sent.
    pub falsified: u64,
}

/// The world of one run.
pub struct World {
    /// Virtual milliseconds since the start.
    pub now: u64,
    /// The machines; twins come after all others.
    pub machines: Vec<Machine>,
    /// Properties.
    pub checker: Checker,
    /// What happened.
    pub trace: Trace,
    /// Chance.
    pub dice: Dice,
    /// The weather now.
    pub weather: Weather,
    /// Whether a crash may lose or tear what was not synced.
    pub tears: bool,
    /// What was counted.
    pub figures: Figures,
    /// A crash to come.
    pub planned: Option<PlannedCrash>,
    /// Actions carried out, by machine.
    pub actions: Vec<u64>,
    /// When each height was first proposed.
    pub proposed_at: BTreeMap<Height, u64>,
    genesis: Arc<Genesis>,
    chain: Hash,
    set: ValidatorSet,
    keys: Vec<SecretKey>,
    habits: Vec<Option<Habits>>,
    cut: BTreeSet<(usize, usize)>,
    names: Vec<String>,
    durable_height: Vec<Height>,
    archive: VecDeque<Vec<u8>>,
    blocks: VecDeque<(Height, BlockId)>,
    events: BTreeMap<(u64, u64), Event>,
    counter: u64,
    payments: Vec<Payment>,
    tried: BTreeMap<usize, u64>,
    stage: u8,
    stage_began: u64,
}

/// What a run of checks gives: nothing, or the property that does not hold.
pub type Checked = Result<(), String>;

impl World {
    /// A world of machines that are down; `kinds` holds one for each validator, a twin's second machine is added here.
    pub fn new(
        genesis: Arc<Genesis>,
        keys: Vec<SecretKey>,
        payments: Vec<Payment>,
        kinds: &[(Kind, Clock, Option<Habits>)],
        seed: u64,
        keep_trace: bool,
    ) -> Self {
        let mut machines = Vec::new();
        let mut names = Vec::new();
        let mut habits = Vec::new();
        for (i, (kind, clock, habit)) in kinds.iter().enumerate() {
            let index = ValidatorIndex(i as u16);
            machines.push(Machine::new(index, keys[i].clone(), *kind, *clock, seed ^ (i as u64) << 8));
            names.push(format!("v{i}{}", letter(*kind)));
            habits.push(*habit);
        }
        for (i, (kind, clock, _)) in kinds.iter().enumerate() {
            if *kind == Kind::Twin(0) {
                let index = ValidatorIndex(i as u16);
                machines.push(Machine::new(index, keys[i].clone(), Kind::Twin(1), *clock, seed ^ (i as u64) << 8 ^ 1));
                names.push(format!("v{i}{}", letter(Kind::Twin(1))));
                habits.push(None);
            }
        }
        let mut checker = Checker::new(&genesis);
        checker.submitted = payments.iter().filter(|p| !p.forged).map(|p| p.id).collect();
        let count = machines.len();
        World {
            now: 0,
            machines,
            checker,
            trace: Trace::new(keep_trace),
            dice: Dice::new(seed),
            weather: Weather::CALM,
            tears: false,
            figures: Figures::default(),
            planned: None,
            actions: vec![0; count],
            proposed_at: BTreeMap::new(),
            chain: genesis.hash(),
            set: genesis.validator_set(),
            genesis,
            keys,
            habits,
            cut: BTreeSet::new(),
            names,
            durable_height: vec![Height(0); count],
            archive: VecDeque::new(),
            blocks: VecDeque::new(),
            events: BTreeMap::new(),
            counter: 0,
            payments,
            tried: BTreeMap::new(),
            stage: 0,
            stage_began: 0,
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.counter += 1;
        self.events.insert((time.max(self.now), self.counter), event);
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, at: usize, what: &str) {
        self.trace.line(self.now, &self.names[at], what);
    }

    fn wall(&self, at: usize) -> Time {
        Time(START + self.machines[at].clock.show(self.now))
    }

    /// Whether a validator keeps the protocol.
    pub fn is_honest(&self, validator: ValidatorIndex) -> bool {
        self.machines.iter().filter(|m| m.validator == validator).all(|m| m.kind == Kind::Honest)
    }

    /// The machines that keep the protocol.
    pub fn honest(&self) -> Vec<usize> {
        (0..self.machines.len()).filter(|at| self.machines[*at].kind == Kind::Honest).collect()
    }

    /// Whether every payment that may be settled is.
    pub fn all_settled(&self) -> bool {
        self.payments.iter().all(|p| p.forged || self.checker.settled.contains_key(&p.id))
    }

    /// Payments with a receipt, and how many of these took effect.
    pub fn settled(&self) -> (usize, usize) {
        let applied = self.checker.settled.values().filter(|o| matches!(o, TxOutcome::Applied)).count();
        (self.checker.settled.len(), applied)
    }

    // --- machines ---------------------------------------------------------------------------------------------------

    /// Starts every machine and the clients.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn boot_all(&mut self) -> Checked {
        for at in 0..self.machines.len() {
            self.boot(at)?;
        }
        self.at(0, Event::Clients);
        Ok(())
    }

    /// Starts a machine that is down.
    ///
    /// # Errors
    /// If an honest machine does not come up, or lost a block that was durable.
    pub fn boot(&mut self, at: usize) -> Checked {
        if self.machines[at].running.is_some() || self.machines[at].refused {
            return Ok(());
        }
        let now = self.wall(at);
        if self.machines[at].kind == Kind::Rotten && self.machines[at].life > 0 && self.dice.chance(5000) {
            let dice = &mut self.dice;
            if self.machines[at].disks.flip(|n| dice.below(n)) {
                self.note(at, "finds a flipped bit");
            }
        }
        if self.dice.chance(1500) {
            self.machines[at].forget_state();
        }
        let genesis = self.genesis.clone();
        match self.machines[at].boot(&genesis, now) {
            Ok(actions) => {
                let height = self.machines[at].height();
                self.note(at, &format!("boots at h{height}"));
                if self.machines[at].kind == Kind::Honest && height < self.durable_height[at] {
                    let durable = self.durable_height[at];
                    return Err(format!("LOST: {} comes back at h{height}, h{durable} was durable", self.names[at]));
                }
                self.perform(at, actions)?;
                self.connect(at)
            }
            Err(error) if self.machines[at].kind == Kind::Rotten => {
                self.note(at, &format!("does not start: {error}"));
                self.machines[at].refused = true;
                Ok(())
            }
            Err(error) => Err(format!("BOOT: {} does not start: {error}", self.names[at])),
        }
    }

    fn connect(&mut self, at: usize) -> Checked {
        for other in 0..self.machines.len() {
            if other != at && self.machines[other].running.is_some() && !self.cut.contains(&(at, other)) {
                let (mine, theirs) = (self.machines[at].validator, self.machines[other].validator);
                self.step(at, Input::Connected(theirs))?;
                self.step(other, Input::Connected(mine))?;
            }
        }
        Ok(())
    }

    /// The power of one machine fails.
    pub fn crash(&mut self, at: usize) {
        let survive = match (self.tears, self.dice.below(4)) {
            (false, _) | (_, 0) => Crash::KeepAll,
            (_, 1) => Crash::LoseAll,
            (_, 2) => Crash::Prefix(self.dice.below(6000)),
            _ => Crash::Random(self.dice.below(u64::MAX)),
        };
        self.crash_with(at, survive);
    }

    /// The power of one machine fails, and `survive` says what is found of bytes that were not synced.
    pub fn crash_with(&mut self, at: usize, survive: Crash) {
        if self.machines[at].running.is_none() {
            return;
        }
        let dice = &mut self.dice;
        self.machines[at].crash(|n| dice.below(n), || survive);
        self.figures.crashes += 1;
        self.note(at, &format!("crashes ({survive:?})"));
    }

    /// Starts a machine later.
    pub fn restart_later(&mut self, at: usize, delay: u64) {
        self.at(self.now + delay, Event::Restart { at });
    }

    fn step(&mut self, at: usize, input: Input) -> Checked {
        let now = self.wall(at);
        let Some(running) = &mut self.machines[at].running else { return Ok(()) };
        let actions = running.engine.step(now, input);
        self.perform(at, actions)
    }

    /// Whether the machine crashes at this action, by chance or by plan.
    fn crashes_here(&mut self, at: usize) -> bool {
        if let Some(plan) = self.planned
            && plan.at == at
            && self.actions[at] == plan.after
        {
            self.planned = None;
            for other in 0..self.machines.len() {
                if other == at || plan.everyone {
                    self.crash_with(other, plan.survive);
                    self.restart_later(other, 100 + 7 * other as u64);
                }
            }
            return true;
        }
        self.actions[at] += 1;
        let bears = matches!(self.machines[at].kind, Kind::Honest | Kind::Rotten);
        if bears && self.weather.crash > 0 && self.dice.chance(self.weather.crash) {
            self.crash(at);
            let delay = self.dice.between(50, 2000);
            self.restart_later(at, delay);
            return true;
        }
        false
    }

    fn perform(&mut self, at: usize, actions: Vec<Action>) -> Checked {
        for action in actions {
            if self.machines[at].running.is_none() || self.crashes_here(at) {
                return Ok(());
            }
            self.perform_one(at, action)?;
        }
        Ok(())
    }

    fn perform_one(&mut self, at: usize, action: Action) -> Checked {
        let honest = self.machines[at].kind == Kind::Honest;
        let life = self.machines[at].life;
        match action {
            Action::Persist { seq, records, guard } => {
                let (writes, signatures) = record_writes(&records, guard);
                self.machines[at].submit(Waiting::Seq(seq, signatures), writes);
                self.write(at);
            }
            Action::Commit(committed) => {
                let (header, view) = (&committed.block.header, committed.certificate.view);
                let (height, count) = (header.height, committed.ids.len());
                self.note(at, &format!("decides h{height} {} v{view}, {count} tx", short(&committed.block.id())));
                if honest {
                    self.checker.committed(&committed)?;
                }
                let writes = block_writes(&committed);
                self.machines[at].submit(Waiting::Block(committed), writes);
                self.write(at);
            }
            Action::Send { to, bytes } => self.send(at, to, bytes)?,
            Action::Gossip(bytes) => {
                let batch = Rc::new(Batch { bytes, verified: OnceCell::new() });
                for other in (0..self.machines.len()).filter(|other| *other != at) {
                    self.post(at, other, Parcel::Batch(batch.clone()), "batch".into());
                }
            }
            Action::Forward { to, bytes } => {
                let batch = Rc::new(Batch { bytes, verified: OnceCell::new() });
                for other in self.of(to) {
                    self.post(at, other, Parcel::Batch(batch.clone()), "forwarded batch".into());
                }
            }
            Action::Request { to, request } => {
                self.figures.requests += 1;
                let number = self.figures.requests;
                self.note(at, &format!("asks v{to} for h{} and on", request.from));
                if let Some(running) = &mut self.machines[at].running {
                    running.requests.push((number, to));
                }
                self.at(self.now + REQUEST_TIMEOUT, Event::Unanswered { at, life, number });
                if let Some(other) = self.of(to).into_iter().find(|other| self.machines[*other].running.is_some()) {
                    self.post(at, other, Parcel::Ask { number, request }, "request".into());
                }
            }
            Action::WakeAt(time) => {
                let wake = self.machines[at].clock.reach(time.0.saturating_sub(START)).max(self.now + 1);
                if let Some(running) = &mut self.machines[at].running {
                    running.wake = Some(wake);
                }
                self.at(wake, Event::Wake { at, life });
            }
            Action::Admitted { .. } => {}
            Action::Penalise { validator, reason } => {
                self.note(at, &format!("penalises v{validator}: {reason}"));
                if honest && self.is_honest(validator) {
                    return Err(format!("PENALTY: {} blames the honest v{validator}: {reason}", self.names[at]));
                }
            }
            Action::Evidence(evidence) => {
                self.note(at, &format!("holds {} against v{}", evidence.name(), evidence.validator()));
                if honest {
                    let accused = self.is_honest(evidence.validator());
                    self.checker.evidence(&evidence, |_| accused)?;
                }
            }
            Action::Warn(text) => self.note(at, &format!("warns: {text}")),
            Action::Halt(reason) => {
                self.note(at, &format!("halts: {reason}"));
                if honest {
                    return Err(format!("HALT: the honest {} stops: {reason}", self.names[at]));
                }
                self.machines[at].running = None;
                self.machines[at].refused = true;
            }
        }
        Ok(())
    }

    fn write(&mut self, at: usize) {
        if self.machines[at].start_writing() {
            let life = self.machines[at].life;
            let time = self.now + self.dice.below(self.weather.disk + 1);
            self.at(time, Event::Written { at, life });
        }
    }

    fn written(&mut self, at: usize) -> Checked {
        let done = match self.machines[at].finish_writing() {
            Ok(done) => done,
            Err(error) => return Err(format!("DISK: {}: {error}", self.names[at])),
        };
        let life = self.machines[at].life;
        for done in done {
            if self.machines[at].life != life {
                return Ok(());
            }
            match done {
                Done::Persisted(seq) => self.step(at, Input::Persisted(seq))?,
                Done::Block(committed) => {
                    let height = committed.block.header.height;
                    self.durable_height[at] = self.durable_height[at].max(height);
                    if self.dice.chance(2000) {
                        let genesis = self.genesis.clone();
                        self.machines[at].materialise(&committed, &genesis);
                    }
                    self.step(at, Input::Durable(height))?;
                }
            }
        }
        self.write(at);
        Ok(())
    }

    // --- links ------------------------------------------------------------------------------------------------------

    fn of(&self, validator: ValidatorIndex) -> Vec<usize> {
        (0..self.machines.len()).filter(|at| self.machines[*at].validator == validator).collect()
    }

    fn send(&mut self, at: usize, to: To, bytes: Vec<u8>) -> Checked {
        let Ok(signed) = Signed::decode(&bytes) else {
            return Err(format!("CODEC: {} sends what does not decode", self.names[at]));
        };
        let kind = self.machines[at].kind;
        let own = signed.message.statement().position().is_some() && signed.sender == self.machines[at].validator;
        if kind == Kind::Honest && own {
            if !self.machines[at].durable.contains(&signed.signature) {
                let text = describe(&signed);
                return Err(format!("DURABILITY: {} sends {text} before it is durable", self.names[at]));
            }
            self.checker.said(&signed)?;
        }
        if matches!(signed.message, Message::ViewChange(_)) {
            self.figures.view_changes += 1;
        }
        if let Message::PrePrepare(proposal) = &signed.message {
            self.proposed_at.entry(proposal.height).or_insert(self.now);
            remember(&mut self.blocks, (proposal.height, proposal.block.id()));
        }
        if self.habits.iter().any(Option::is_some) {
            remember(&mut self.archive, bytes.clone());
        }
        let receivers: Vec<usize> = match to {
            To::All => (0..self.machines.len()).filter(|other| *other != at).collect(),
            To::One(validator) => self.of(validator).into_iter().filter(|other| *other != at).collect(),
        };
        if let Some(habits) = self.habits[at] {
            for other in receivers {
                let liar = Liar {
                    key: &self.keys[usize::from(self.machines[at].validator.0)],
                    habits: &habits,
                    chain: &self.chain,
                    set: &self.set,
                    checker: &self.checker,
                    archive: &self.archive,
                    blocks: &self.blocks,
                };
                for (falsified, late) in liar.speak(&signed, &mut self.dice).messages {
                    self.figures.falsified += u64::from(falsified != bytes);
                    let what = Signed::decode(&falsified).map_or_else(|_| "garbage".into(), |s| describe(&s));
                    self.post_late(at, other, Parcel::Message(Packet::new(falsified)), what.into(), late);
                }
            }
            return Ok(());
        }
        let what: Rc<str> = describe(&signed).into();
        let packet = Packet::new(bytes);
        for other in receivers {
            if matches!(signed.message, Message::Status(_)) {
                self.figures.statuses += 1;
            } else {
                self.figures.messages += 1;
                self.figures.bytes += packet.bytes.len() as u64;
                self.figures.signatures += signatures(&signed);
            }
            self.post(at, other, Parcel::Message(packet.clone()), what.clone());
        }
        Ok(())
    }

    fn post(&mut self, from: usize, to: usize, parcel: Parcel, what: Rc<str>) {
        self.post_late(from, to, parcel, what, 0);
    }

    fn post_late(&mut self, from: usize, to: usize, parcel: Parcel, what: Rc<str>, late: u64) {
        if self.cut.contains(&(from, to)) || self.dice.chance(self.weather.loss) {
            return;
        }
        let copies = 1 + u64::from(self.dice.chance(self.weather.duplicate));
        for _ in 0..copies {
            let (low, high) = self.weather.delay;
            let slow = if self.dice.chance(self.weather.slow) { 10 } else { 1 };
            let delay = late + slow * self.dice.between(low, high);
            let (parcel, what) = (parcel.clone(), what.clone());
            self.at(self.now + delay, Event::Deliver { from, to, parcel, what });
        }
    }

    fn deliver(&mut self, from: usize, to: usize, parcel: Parcel, what: &str) -> Checked {
        if self.machines[to].running.is_none() {
            return Ok(());
        }
        let line = format!("<- {} {what}", self.names[from]);
        self.note(to, &line);
        match parcel {
            Parcel::Message(packet) => {
                let verified = packet
                    .verified
                    .get_or_init(|| Signed::decode(&packet.bytes).and_then(|s| s.verify(&self.chain, &self.set)).ok());
                match verified {
                    Some(message) => self.step(to, Input::Verified(message.clone())),
                    None => {
                        let from = Some(self.machines[from].validator);
                        self.step(to, Input::Message { from, bytes: packet.bytes.clone() })
                    }
                }
            }
            Parcel::Batch(batch) => {
                let transactions = batch.verified.get_or_init(|| {
                    let transactions =
                        GossipBatch::from_bytes(&batch.bytes).map(|b| b.transactions).unwrap_or_default();
                    verify_all(transactions, &self.chain).into_iter().flatten().collect()
                });
                self.step(to, Input::Gossiped { transactions: transactions.clone() })
            }
            Parcel::Ask { number, request } => {
                let answer = self.machines[to].serve(request).and_then(|response| self.answer(to, response));
                let bytes = answer.map(|response| response.to_bytes().into());
                self.post(to, from, Parcel::Answer { number, bytes }, "answer".into());
                Ok(())
            }
            Parcel::Answer { number, bytes } => self.answered(to, number, bytes.map(|b| b.to_vec())),
        }
    }

    fn answer(&mut self, at: usize, response: SyncResponse) -> Option<SyncResponse> {
        let Some(habits) = self.habits[at] else { return Some(response) };
        let liar = Liar {
            key: &self.keys[usize::from(self.machines[at].validator.0)],
            habits: &habits,
            chain: &self.chain,
            set: &self.set,
            checker: &self.checker,
            archive: &self.archive,
            blocks: &self.blocks,
        };
        liar.answer(response, &mut self.dice)
    }

    fn answered(&mut self, at: usize, number: u64, bytes: Option<Vec<u8>>) -> Checked {
        let Some(running) = &mut self.machines[at].running else { return Ok(()) };
        let Some(place) = running.requests.iter().position(|(asked, _)| *asked == number) else { return Ok(()) };
        let (_, from) = running.requests.swap_remove(place);
        self.step(at, Input::SyncAnswer { from, bytes })
    }

    /// One of two sides for each machine.
    fn sides(&mut self) -> Vec<bool> {
        (0..self.machines.len()).map(|_| self.dice.chance(5000)).collect()
    }

    /// Cuts links at random, and keeps twins apart: each talks with its part of the others.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn recut(&mut self) -> Checked {
        let before = std::mem::take(&mut self.cut);
        let count = self.machines.len();
        if self.dice.chance(self.weather.cut) {
            let side = self.sides();
            let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
            self.cut.extend(pairs.filter(|(a, b)| side[*a] != side[*b]));
        }
        if self.dice.chance(self.weather.cut / 2) {
            // one direction only
            let (a, b) = (self.dice.below(count as u64) as usize, self.dice.below(count as u64) as usize);
            self.cut.insert((a, b));
        }
        let side = self.sides();
        for a in 0..count {
            if let Kind::Twin(mine) = self.machines[a].kind {
                for b in (0..count).filter(|b| side[*b] == (mine == 1)) {
                    self.cut.insert((a, b));
                    self.cut.insert((b, a));
                }
            }
        }
        self.changed_links(&before)
    }

    /// Mends every link.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn mend(&mut self) -> Checked {
        let before = std::mem::take(&mut self.cut);
        self.changed_links(&before)
    }

    /// Sometimes the ends of a cut link notice at once; they always notice when it comes back.
    fn changed_links(&mut self, before: &BTreeSet<(usize, usize)>) -> Checked {
        let both = |cut: &BTreeSet<(usize, usize)>, a, b| cut.contains(&(a, b)) && cut.contains(&(b, a));
        for a in 0..self.machines.len() {
            for b in 0..a {
                let (was, is) = (both(before, a, b), both(&self.cut, a, b));
                if was == is || (is && self.dice.chance(5000)) {
                    continue;
                }
                let (va, vb) = (self.machines[a].validator, self.machines[b].validator);
                let up = self.machines[a].running.is_some() && self.machines[b].running.is_some();
                let input = |v| if is { Input::Disconnected(v) } else { Input::Connected(v) };
                if is || up {
                    self.step(a, input(vb))?;
                    self.step(b, input(va))?;
                }
            }
        }
        Ok(())
    }

    // --- clients ----------------------------------------------------------------------------------------------------

    fn clients(&mut self) -> Checked {
        let settled = &self.checker.settled;
        while self.payments.iter().filter(|p| p.stage == self.stage).all(|p| p.forged || settled.contains_key(&p.id))
            && self.payments.iter().any(|p| p.stage > self.stage)
        {
            self.stage += 1;
            self.stage_began = self.now;
        }
        let since = self.now - self.stage_began;
        let due = self.payments.iter().enumerate().filter(|(i, p)| {
            p.stage == self.stage
                && p.after <= since
                && !settled.contains_key(&p.id)
                && self.tried.get(i).is_none_or(|last| last + CLIENT_RETRY <= self.now)
        });
        let due: Vec<usize> = due.map(|(i, _)| i).collect();
        for group in due.chunks(CLIENT_BATCH) {
            let at = self.dice.below(self.machines.len() as u64) as usize;
            let transactions = group.iter().map(|i| self.payments[*i].transaction.clone()).collect();
            for i in group {
                self.tried.insert(*i, self.now);
            }
            if self.machines[at].running.is_some() {
                self.note(at, &format!("<- client {} tx", group.len()));
                self.step(at, Input::Submitted { ticket: self.now, transactions })?;
            }
        }
        self.at(self.now + CLIENT_EVERY, Event::Clients);
        Ok(())
    }

    // --- time -------------------------------------------------------------------------------------------------------

    /// Lets time pass until `end` or until `done`, which is asked after every event.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn run(&mut self, end: u64, mut done: impl FnMut(&World) -> bool) -> Result<bool, String> {
        loop {
            if done(self) {
                return Ok(true);
            }
            let Some(entry) = self.events.first_entry() else { break };
            if entry.key().0 > end {
                break;
            }
            let ((time, _), event) = entry.remove_entry();
            self.now = time;
            self.figures.events += 1;
            if self.figures.events > MAX_EVENTS {
                return Err(format!("LOOP: {MAX_EVENTS} events"));
            }
            self.happen(event)?;
        }
        self.now = end;
        Ok(false)
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Deliver { from, to, parcel, what } => self.deliver(from, to, parcel, &what),
            Event::Written { at, life } if self.machines[at].life == life => self.written(at),
            Event::Wake { at, life } if self.machines[at].life == life => {
                let now = self.now;
                let Some(running) = &mut self.machines[at].running else { return Ok(()) };
                if running.wake != Some(now) {
                    return Ok(());
                }
                running.wake = None;
                self.step(at, Input::Tick)
            }
            Event::Unanswered { at, life, number } if self.machines[at].life == life => self.answered(at, number, None),
            Event::Written { .. } | Event::Wake { .. } | Event::Unanswered { .. } => Ok(()),
            Event::Restart { at } => self.boot(at),
            Event::Clients => self.clients(),
        }
    }

    /// Stops every honest machine after its writes are done, and replays each disk from genesis: chain, receipts and
    /// state are those of the reference.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn audit(&mut self) -> Checked {
        for at in self.honest() {
            while self.machines[at].running.is_some() {
                self.machines[at].start_writing();
                let done = self.machines[at].finish_writing().map_err(|e| format!("DISK: {}: {e}", self.names[at]))?;
                if done.is_empty() {
                    self.machines[at].running = None;
                }
            }
            self.machines[at].forget_state();
            let now = self.wall(at);
            let genesis = self.genesis.clone();
            self.machines[at].boot(&genesis, now).map_err(|e| format!("AUDIT: {}: {e}", self.names[at]))?;
            let Some(running) = &self.machines[at].running else { continue };
            let height = running.engine.snapshot().height;
            let root = self.machines[at].root();
            if height == self.checker.height() && root != Some(self.checker.root()) {
                return Err(format!("AUDIT: {} replays to another state root at h{height}", self.names[at]));
            }
            if height < self.durable_height[at] {
                return Err(format!("AUDIT: {} holds h{height} of h{}", self.names[at], self.durable_height[at]));
            }
        }
        Ok(())
    }

    /// The root of the state before the first block.
    pub fn genesis_root(&self) -> Hash {
        genesis_end(&self.genesis).1.tree.root()
    }
}

fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Honest => "",
        Kind::Liar => "*",
        Kind::Twin(0) => "a",
        Kind::Twin(_) => "b",
        Kind::Rotten => "~",
    }
}

/// A message in a few words.
pub fn describe(signed: &Signed) -> String {
    let (height, view) = (signed.message.height(), signed.message.view());
    match &signed.message {
        Message::PrePrepare(p) => {
            let claims = p.justification.as_ref().map_or(0, |j| j.claims.len());
            format!(
                "pre-prepare h{height} v{view} {} {} tx, {claims} claims",
                short(&p.block.id()),
                p.block.transactions.len()
            )
        }
        Message::Prepare(vote) => format!("prepare h{height} v{view} {}", short(&vote.block)),
        Message::Commit(vote) => format!("commit h{height} v{view} {}", short(&vote.block)),
        Message::ViewChange(change) => match &change.prepared {
            Some(prepared) => {
                format!("view-change h{height} v{view}, prepared v{} {}", prepared.view, short(&prepared.block))
            }
            None => format!("view-change h{height} v{view}"),
        },
        Message::Status(_) => format!("status h{height}"),
    }
}

/// Signatures that whoever takes the message verifies, apart from those of transactions.
fn signatures(signed: &Signed) -> u64 {
    let certificate = |c: &Option<vostro_types::Certificate>| c.as_ref().map_or(0, |c| c.signatures.len() as u64);
    1 + match &signed.message {
        Message::PrePrepare(p) => {
            p.justification.as_ref().map_or(0, |j| j.claims.len() as u64 + certificate(&j.prepared))
        }
        Message::ViewChange(change) => certificate(&change.prepared),
        Message::Status(status) => certificate(&status.certificate),
        Message::Prepare(_) | Message::Commit(_) => 0,
    }
}
