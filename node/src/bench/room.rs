//! Validators in one process that hear each other at once, without network and disk.
//!
//! Invariant: every message is encoded by its sender and decoded and verified by each receiver, as between processes;
//! disks answer at once and time stands still while there is work, so that CPU time is all there is to measure.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use vostro_consensus::{Effect, Input, Replica, Seq, Signed, To};
use vostro_crypto::{Hash, merkle};
use vostro_engine::{Action, Engine, Event};
use vostro_execution::{Changes, MemState, StateRead};
use vostro_types::block::HEADER_VERSION;
use vostro_types::{Block, Header, Height, Time, Transaction, ValidatorIndex, ValidatorSet, VerifiedTransaction};

use super::measure::{micros_each, round, timed};

/// Steps a block and validator may take before something is called wrong.
const PATIENCE: u64 = 10_000;

/// What a validator is told.
pub(super) enum Given {
    Start,
    Wanted,
    Message(ValidatorIndex, Vec<u8>),
    Persisted(Seq),
    Durable(Height),
    Gossip(Vec<VerifiedTransaction>),
    Tick,
}

/// What it asks for.
pub(super) enum Asked {
    Send(To, Vec<u8>),
    Persist(Seq),
    Wake(Time),
    Decided(Height, Option<Arc<Changes>>),
}

pub(super) trait Member {
    fn step(&mut self, now: Time, given: Given) -> Result<Vec<Asked>>;

    /// Writes what a decided block changed; not timed.
    fn write(&mut self, changes: &Changes);
}

/// The core, with blocks that nobody executes.
pub(super) struct Core {
    pub(super) replica: Replica,
    pub(super) chain: Hash,
    pub(super) validators: Arc<ValidatorSet>,
    pub(super) transactions: Vec<Arc<Transaction>>,
    pub(super) transactions_root: Hash,
}

impl Core {
    fn answer(&self, now: Time, effect: Effect, asked: &mut Vec<Asked>) -> Result<Option<Input>> {
        match effect {
            Effect::Persist { seq, .. } => asked.push(Asked::Persist(seq)),
            Effect::Send { to, message } => asked.push(Asked::Send(to, message.encode())),
            Effect::WakeAt(time) => asked.push(Asked::Wake(time)),
            Effect::Build { height, view, parent, min_time } => {
                let set = self.validators.hash();
                let header = Header {
                    version: HEADER_VERSION,
                    epoch: self.validators.epoch(),
                    height,
                    parent,
                    time: now.max(min_time),
                    validators: set,
                    next_validators: set,
                    transactions_root: self.transactions_root,
                    evidence_root: merkle::root(&[]),
                    receipts_root: Hash::ZERO,
                    state_root: Hash::ZERO,
                };
                let block = Block { header, transactions: self.transactions.clone(), evidence: Vec::new() };
                return Ok(Some(Input::Built { height, view, block: Arc::new(block) }));
            }
            Effect::Execute { block } => return Ok(Some(Input::Executed { block: block.id(), valid: true })),
            Effect::Decide(decided) => {
                asked.push(Asked::Decided(decided.certificate().height, None));
                return Ok(Some(Input::Demand(false)));
            }
            other => return Err(eyre!("the core did what honest validators never cause: {other:?}")),
        }
        Ok(None)
    }
}

impl Member for Core {
    fn step(&mut self, now: Time, given: Given) -> Result<Vec<Asked>> {
        let input = match given {
            Given::Wanted => Input::Demand(true),
            Given::Message(_, bytes) => {
                Input::Firsthand(Signed::decode(&bytes).and_then(|m| m.verify(&self.chain, &self.validators))?)
            }
            Given::Persisted(seq) => Input::Persisted(seq),
            Given::Tick => Input::Tick,
            Given::Start | Given::Durable(_) | Given::Gossip(_) => return Ok(Vec::new()),
        };
        let mut asked = Vec::new();
        let mut effects: VecDeque<Effect> = self.replica.step(now, input).into();
        while let Some(effect) = effects.pop_front() {
            if let Some(input) = self.answer(now, effect, &mut asked)? {
                effects.extend(self.replica.step(now, input));
            }
        }
        Ok(asked)
    }

    fn write(&mut self, _: &Changes) {}
}

/// State that this thread writes and the engine reads.
#[derive(Clone, Default)]
pub(super) struct Shared(pub(super) Arc<RwLock<MemState>>);

impl StateRead for Shared {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).scan(from, to, limit)
    }
}

/// The whole engine.
pub(super) struct Whole {
    pub(super) engine: Engine,
    pub(super) state: Shared,
    pub(super) first: Vec<Action>,
    pub(super) others: Vec<ValidatorIndex>,
}

impl Member for Whole {
    fn step(&mut self, now: Time, given: Given) -> Result<Vec<Asked>> {
        let actions = match given {
            Given::Start => {
                let mut actions = std::mem::take(&mut self.first);
                for other in &self.others {
                    actions.extend(self.engine.step(now, Event::Connected(*other)));
                }
                actions
            }
            // The engine knows by itself: transactions wait, or the heartbeat is due.
            Given::Wanted => Vec::new(),
            Given::Message(from, bytes) => self.engine.step(now, Event::Message { from: Some(from), bytes }),
            Given::Persisted(seq) => self.engine.step(now, Event::Persisted(seq)),
            Given::Durable(height) => self.engine.step(now, Event::Durable(height)),
            Given::Gossip(transactions) => self.engine.step(now, Event::Gossiped { transactions }),
            Given::Tick => self.engine.step(now, Event::Tick),
        };
        let mut asked = Vec::new();
        for action in actions {
            match action {
                Action::Persist { seq, .. } => asked.push(Asked::Persist(seq)),
                Action::Commit(committed) => {
                    asked.push(Asked::Decided(committed.block.header.height, Some(committed.changes)));
                }
                Action::Send { to, bytes } => asked.push(Asked::Send(to, bytes)),
                Action::WakeAt(time) => asked.push(Asked::Wake(time)),
                // Everybody has every transaction already.
                Action::Gossip(_) | Action::Forward { .. } | Action::Admitted { .. } => {}
                other => return Err(eyre!("the engine did what honest validators never cause: {other:?}")),
            }
        }
        Ok(asked)
    }

    fn write(&mut self, changes: &Changes) {
        self.state.0.write().unwrap_or_else(PoisonError::into_inner).apply(changes);
    }
}

/// Validators that hear each other at once.
pub(super) struct Room<M> {
    members: Vec<M>,
    pub(super) queue: VecDeque<(usize, Given)>,
    wakes: Vec<Option<Time>>,
    decided: Vec<u64>,
    now: Time,
    spent: Duration,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl<M: Member> Room<M> {
    pub(super) fn new(members: Vec<M>, now: Time) -> Self {
        let count = members.len();
        Room {
            queue: (0..count).map(|at| (at, Given::Start)).collect(),
            wakes: vec![None; count],
            decided: vec![0; count],
            members,
            now,
            spent: Duration::ZERO,
            messages: 0,
            bytes: 0,
        }
    }

    /// Runs until everybody has decided the next block.
    pub(super) fn next_block(&mut self) -> Result<()> {
        let goal = self.decided.iter().max().map_or(1, |highest| highest + 1);
        self.queue.extend((0..self.members.len()).map(|at| (at, Given::Wanted)));
        for _ in 0..PATIENCE * self.members.len() as u64 {
            let Some((at, given)) = self.queue.pop_front() else {
                if self.decided.iter().all(|height| *height >= goal) {
                    // Blocks' times rise by at least this much.
                    self.now = self.now.plus(1);
                    return Ok(());
                }
                let next = self.wakes.iter().flatten().min().copied();
                self.now = next.ok_or_else(|| eyre!("nobody waits for anything"))?.max(self.now);
                for (at, wake) in self.wakes.iter_mut().enumerate() {
                    if wake.take_if(|time| *time <= self.now).is_some() {
                        self.queue.push_back((at, Given::Tick));
                    }
                }
                continue;
            };
            let (asked, spent) = timed(|| self.members[at].step(self.now, given));
            self.spent += spent;
            for one in asked? {
                self.carry_out(at, one);
            }
        }
        Err(eyre!("no block was decided within {PATIENCE} steps of a validator"))
    }

    fn carry_out(&mut self, at: usize, asked: Asked) {
        match asked {
            Asked::Send(to, bytes) => {
                let from = ValidatorIndex(at as u16);
                for other in (0..self.members.len()).filter(|other| *other != at) {
                    if to == To::All || to == To::One(ValidatorIndex(other as u16)) {
                        self.messages += 1;
                        self.bytes += bytes.len() as u64;
                        self.queue.push_back((other, Given::Message(from, bytes.clone())));
                    }
                }
            }
            Asked::Persist(seq) => self.queue.push_back((at, Given::Persisted(seq))),
            Asked::Wake(time) => self.wakes[at] = Some(time),
            Asked::Decided(height, changes) => {
                self.decided[at] = height.0;
                if let Some(changes) = changes {
                    self.members[at].write(&changes);
                    self.queue.push_back((at, Given::Durable(height)));
                }
            }
        }
    }

    /// CPU microseconds a block and validator since the last call.
    pub(super) fn take(&mut self, blocks: u64) -> f64 {
        let spent = std::mem::take(&mut self.spent);
        round(micros_each(spent, blocks * self.members.len() as u64), 1)
    }
}
