//! The world: machines, links and one virtual clock; everything that happens is an event with a time and an order.
//!
//! Invariant: what happens is a function of the settings alone. Events of one time happen in the order in which they
//! were planned, every choice comes from one [`Dice`], and nothing iterates over an unordered collection.

mod clients;
mod links;
mod machines;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use vostro_consensus::{Testimony, Verdict};
use vostro_crypto::{Hash, Remembering};
use vostro_engine::Event as Input;
use vostro_storage::disk::Crash;
use vostro_types::{BlockId, Genesis, Height, Outcome as TxOutcome, SecretKey, Time, ValidatorIndex, ValidatorSet};

use crate::byzantine::Habits;
use crate::check::Checker;
use crate::dice::Dice;
use crate::faults::{Clock, Weather};
use crate::machine::{Kind, Machine, Sabotage, genesis_end};
use crate::trace::Trace;
use crate::workload::{Fate, Payment, START};
pub use links::describe;
use links::{Parcel, Said};

/// Events after which a run is taken for a loop.
const MAX_EVENTS: u64 = 20_000_000;

enum Event {
    Deliver { from: usize, to: usize, parcel: Parcel, what: Rc<str> },
    Written { at: usize, life: u64 },
    Wake { at: usize, life: u64 },
    Unanswered { at: usize, life: u64, number: u64 },
    Checked { at: usize, life: u64, input: Input },
    Restart { at: usize },
    Gone { at: usize, other: usize },
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
    /// Proposals that honest primaries sent short, once for each validator that was answered.
    pub short: u64,
    /// Short proposals that were put together in the last life of each machine.
    pub put_together: u64,
    /// Questions for what a short proposal names.
    pub asked: u64,
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
    /// Chance, in 1/10,000, that the state is kept for the next start when a block is durable.
    pub materialise: u64,
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
    heard: VecDeque<(Height, Rc<Said>)>,
    blocks: VecDeque<(Height, BlockId)>,
    events: BTreeMap<(u64, u64), Event>,
    counter: u64,
    payments: Vec<Payment>,
    tried: BTreeMap<usize, u64>,
    stage: u8,
    stage_began: u64,
    /// Every validator checks every signature, and all are on this thread.
    _verdicts: Remembering,
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
        let of = |fates: &[Fate]| payments.iter().filter(|p| fates.contains(&p.fate)).map(|p| p.id).collect();
        checker.submitted = of(&[Fate::Settles, Fate::Refused]);
        checker.hostile = of(&[Fate::Refused]);
        let count = machines.len();
        World {
            now: 0,
            machines,
            checker,
            trace: Trace::new(keep_trace),
            dice: Dice::new(seed),
            weather: Weather::CALM,
            tears: false,
            materialise: 2000,
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
            heard: VecDeque::new(),
            blocks: VecDeque::new(),
            events: BTreeMap::new(),
            counter: 0,
            payments,
            tried: BTreeMap::new(),
            stage: 0,
            stage_began: 0,
            _verdicts: Remembering::begin(),
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
        self.machines.iter().filter(|m| m.validator == validator).all(|m| m.kind.is_honest())
    }

    /// The machines that keep the protocol.
    pub fn honest(&self) -> Vec<usize> {
        (0..self.machines.len()).filter(|at| self.machines[*at].kind.is_honest()).collect()
    }

    /// Short proposals that machines put together since they were started last.
    pub fn put_together(&self) -> u64 {
        let running = self.machines.iter().filter_map(|machine| machine.running.as_ref());
        running.map(|running| running.engine.snapshot().put_together).sum()
    }

    /// Who is guilty of the fork that was found, by what honest validators heard; `None` without a fork.
    pub fn judge(&self) -> Option<Verdict> {
        let (first, second) = self.checker.fork.as_ref()?;
        let mut testimony = Testimony::new(&self.chain, &self.set, first.height);
        for verified in self.heard.iter().filter_map(|(_, said)| said.verified.get()?.as_ref()) {
            testimony.add_verified(verified);
        }
        testimony.judge(first, second).ok()
    }

    /// Breaks something on purpose.
    pub fn sabotage(&mut self, sabotage: Sabotage) {
        let honest = self.honest();
        match sabotage {
            Sabotage::SyncNothing | Sabotage::ReportEarly | Sabotage::ForgetVotes => {
                for at in honest {
                    self.machines[at].sabotage = Some(sabotage);
                }
            }
            Sabotage::AlterState | Sabotage::Deaf => {
                if let Some(at) = honest.last() {
                    self.machines[*at].sabotage = Some(sabotage);
                }
            }
            Sabotage::UnknownTransaction => {
                self.checker.submitted.pop_first();
            }
            Sabotage::MistakenIdentity => {
                self.checker.hostile = self.checker.submitted.clone();
            }
            Sabotage::Overpower => {}
        }
    }

    /// Whether every payment that may be settled is.
    pub fn all_settled(&self) -> bool {
        self.payments.iter().all(|p| p.fate == Fate::Never || self.checker.settled.contains_key(&p.id))
    }

    /// Payments with a receipt, and how many of these took effect.
    pub fn settled(&self) -> (usize, usize) {
        let applied = self.checker.settled.values().filter(|o| matches!(o, TxOutcome::Applied)).count();
        (self.checker.settled.len(), applied)
    }

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
            Event::Checked { at, life, input } if self.machines[at].life == life => self.step(at, input),
            Event::Written { .. } | Event::Wake { .. } | Event::Unanswered { .. } | Event::Checked { .. } => Ok(()),
            Event::Restart { at } => self.boot(at),
            Event::Gone { at, other } if self.machines[other].running.is_none() => {
                let gone = self.machines[other].validator;
                self.step(at, Input::Disconnected(gone))
            }
            Event::Gone { .. } => Ok(()),
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
        Kind::Forgetful => "?",
        Kind::Rotten => "~",
    }
}
