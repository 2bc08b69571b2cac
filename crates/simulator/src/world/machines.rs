//! Machines of the world: how they start, act, write and lose their power.

use vostro_engine::{Action, Event as Input};
use vostro_storage::disk::Crash;
use vostro_types::Height;

use std::cell::OnceCell;
use std::rc::Rc;

use super::links::{Batch, Parcel, apart};
use super::{Checked, Event, World};
use crate::check::short;
use crate::machine::{Done, Kind, Sabotage, Waiting, block_writes, record_writes};
use crate::workload::START;

/// A catch-up request that is not answered within this many milliseconds has failed.
const REQUEST_TIMEOUT: u64 = 2000;

impl World {
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
                if self.machines[at].kind.is_honest() && height < self.durable_height[at] {
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

    pub(super) fn connect(&mut self, at: usize) -> Checked {
        for other in 0..self.machines.len() {
            if other != at && self.machines[other].running.is_some() && !apart(&self.cut, at, other) {
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
        if self.machines[at].kind == Kind::Forgetful && self.machines[at].running.is_none() && self.dice.chance(5000) {
            let seed = self.dice.below(u64::MAX);
            self.machines[at].lose_disks(seed);
            self.durable_height[at] = Height(0);
            self.note(at, "loses its disks");
        }
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
        // A process that ends closes its connections; a machine without power does not.
        if self.dice.chance(5000) {
            for other in (0..self.machines.len()).filter(|other| *other != at) {
                self.at(self.now + 1, Event::Gone { at: other, other: at });
            }
        }
    }

    /// Starts a machine later.
    pub fn restart_later(&mut self, at: usize, delay: u64) {
        self.at(self.now + delay, Event::Restart { at });
    }

    pub(super) fn step(&mut self, at: usize, input: Input) -> Checked {
        let now = self.wall(at);
        let Some(running) = &mut self.machines[at].running else { return Ok(()) };
        let actions = running.engine.step(now, input);
        self.perform(at, actions)
    }

    /// Whether the machine crashes at this action, by chance or by plan.
    pub(super) fn crashes_here(&mut self, at: usize) -> bool {
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
        let bears = self.machines[at].kind.may_crash();
        if bears && self.weather.crash > 0 && self.dice.chance(self.weather.crash) {
            self.crash(at);
            let delay = self.dice.between(50, 2000);
            self.restart_later(at, delay);
            return true;
        }
        false
    }

    pub(super) fn perform(&mut self, at: usize, actions: Vec<Action>) -> Checked {
        for action in actions {
            if self.machines[at].running.is_none() || self.crashes_here(at) {
                return Ok(());
            }
            self.perform_one(at, action)?;
        }
        Ok(())
    }

    pub(super) fn perform_one(&mut self, at: usize, action: Action) -> Checked {
        let honest = self.machines[at].kind.is_honest();
        let life = self.machines[at].life;
        match action {
            Action::Persist { seq, records, guard } => {
                let (writes, signatures) = record_writes(&records, guard);
                self.machines[at].submit(Waiting::Seq(seq, signatures), writes);
                self.write(at);
                if self.machines[at].sabotage == Some(Sabotage::ReportEarly) {
                    self.step(at, Input::Persisted(seq))?;
                }
            }
            Action::Commit(committed) => {
                let (header, view) = (&committed.block.header, committed.certificate.view);
                let (height, count) = (header.height, committed.ids.len());
                self.note(at, &format!("decides h{height} {} v{view}, {count} tx", short(&committed.block.id())));
                if honest {
                    for piece in &committed.block.evidence {
                        let accused = self.is_honest(piece.validator);
                        self.checker.evidence(piece, |_| accused)?;
                    }
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
                self.note(at, &format!("holds {} against v{}", evidence.evidence().name(), evidence.key().validator));
                if honest {
                    let accused = self.is_honest(evidence.key().validator);
                    self.checker.evidence(evidence.evidence(), |_| accused)?;
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

    pub(super) fn write(&mut self, at: usize) {
        if self.machines[at].start_writing() {
            let life = self.machines[at].life;
            let time = self.now + self.dice.below(self.weather.disk + 1);
            self.at(time, Event::Written { at, life });
        }
    }

    pub(super) fn written(&mut self, at: usize) -> Checked {
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
                    if self.dice.chance(self.materialise) {
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
}
