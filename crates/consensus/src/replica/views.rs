//! Views: when to leave one, when to enter the next, what its primary proposes, and what is repeated meanwhile.
//!
//! Invariant: this node asks for a view on its own only when its timer ran out in a view that a quorum entered (or the
//! primary of it proposed an invalid block, or is known to be away), and it follows others only when f + 1 of them, hence
//! an honest one, asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use vostro_types::{Block, Height, Signature, ValidatorIndex, View};

use crate::effects::{Effect, Record, To};
use crate::guard::{Guard, Position, Step};
use crate::message::{Justification, Message, PrePrepare, Status, ViewChange};
use crate::pacemaker::Ticks;

use super::{Building, MAX_UNPERSISTED, Progress, Proposal, Replica, STATUS_REPEATS};

impl Replica {
    pub(super) fn on_view_change(&mut self, from: ValidatorIndex, change: &ViewChange, signature: Signature) {
        let keep_block = self.me == Some(self.set.primary(change.height, change.view));
        self.instance.changes.add(from, change, signature, keep_block);
        self.check_forgotten(from);
    }

    /// Whether a block is wanted at this height: the host says so, the heartbeat is due, a proposal is under way, the
    /// view was changed already, or f + 1 validators, hence an honest one, have spoken.
    pub(super) fn is_wanted(&self) -> bool {
        let instance = &self.instance;
        if instance.view > View(0)
            || self.demand
            || instance.proposal.is_some()
            || instance.building.is_some()
            || self.clock.ticks() >= self.heartbeat_at()
        {
            return true;
        }
        let speakers = instance.prepares.voters().chain(instance.commits.voters()).chain(instance.changes.voters());
        speakers.collect::<BTreeSet<_>>().len() > self.set.faulty()
    }

    pub(super) fn heartbeat_at(&self) -> Ticks {
        self.instance.started.plus(self.timing.heartbeat_ms)
    }

    /// The timer runs in an entered view while a block is wanted: an idle chain changes no views. It runs on when a
    /// certificate is known and its block is not: the others may need this node to get any further.
    ///
    /// Above view 0 the time a quorum took to ask counts, up to one message delay: so crashed primaries in a row cost the
    /// sum of their time-outs, and no delay each beside it. No more than that counts, for after a long partition the new
    /// primary needs its time.
    pub(super) fn set_deadline(&mut self) {
        let runs = self.voter().is_some() && self.instance.entered && self.is_wanted();
        if !runs {
            self.instance.deadline = None;
        } else if self.instance.deadline.is_none() {
            let (now, timeout) = (self.clock.ticks(), self.timing.timeout(self.instance.view));
            let asking = now.since(self.instance.moved).min(self.timing.delay_ms).min(timeout / 2);
            let counts = if self.instance.view > View(0) { asking } else { 0 };
            self.instance.deadline = Some(now.plus(timeout - counts));
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: ValidatorIndex) {
        if self.set.get(peer).is_some() && Some(peer) != self.me {
            self.away.entry(peer).or_insert(self.clock.ticks());
        }
    }

    /// When the running timer ends. A primary that has been away for as long as a proposal may be under way is not waited
    /// for, unless its proposal is here: without that, this node cannot prepare in its view.
    pub(super) fn deadline(&self) -> Option<Ticks> {
        let deadline = self.instance.deadline?;
        let away = self.away.get(&self.primary()).filter(|_| self.instance.proposal.is_none());
        Some(away.map_or(deadline, |since| deadline.min(since.plus(self.timing.delay_ms))))
    }

    pub(super) fn fire_timers(&mut self) {
        self.consider();
        let now = self.clock.ticks();
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.ask_for(self.instance.view.next());
        }
        if self.instance.repeat_at.is_some_and(|at| at <= now) {
            self.repeat();
        }
        if self.voter().is_some() && self.status_at <= now {
            self.tell_status();
        }
    }

    /// Leaves every view below `view` for good (R3, by the guard's order) and says so.
    pub(super) fn ask_for(&mut self, view: View) {
        self.instance.move_to(view, self.clock.ticks());
        self.instance.unasked = self.voter().is_some() && self.held.len() >= MAX_UNPERSISTED;
        self.request(view);
    }

    fn request(&mut self, view: View) {
        let prepared = self.instance.prepared.clone();
        self.say(Message::ViewChange(ViewChange { height: self.instance.height, view, prepared, block: None }));
    }

    /// Asks for the view once the disk has caught up. No timer runs in a view that is not entered, and the others may need
    /// this request to enter it: without it they could wait for each other for ever.
    pub(super) fn ask_late(&mut self) -> bool {
        if !self.instance.unasked || self.held.len() >= MAX_UNPERSISTED {
            return false;
        }
        self.instance.unasked = false;
        self.request(self.instance.view);
        true
    }

    /// Follows f + 1 validators to a higher view.
    pub(super) fn join(&mut self) -> bool {
        let target = self.instance.changes.join_target(self.instance.view, self.set.faulty() + 1);
        let Some(view) = target else { return false };
        self.ask_for(view);
        true
    }

    /// Enters the view once a quorum asked for it or a later one.
    pub(super) fn enter(&mut self) -> bool {
        if self.instance.entered || self.instance.changes.supporters(self.instance.view) < self.set.quorum() {
            return false;
        }
        self.instance.entered = true;
        true
    }

    /// The primary's part of a view: propose again what may have been decided, or ask the host for a block.
    pub(super) fn propose(&mut self) -> bool {
        let instance = &self.instance;
        let (height, view) = (instance.height, instance.view);
        let idle = instance.entered
            && instance.proposal.is_none()
            && instance.building.is_none()
            && instance.certificate.is_none();
        let position = Position { height, view, step: Step::PrePrepare };
        let may_sign = self.guard.as_ref().is_some_and(|guard: &Guard| guard.is_above_mark(position))
            && self.held.len() < MAX_UNPERSISTED;
        if self.voter() != Some(self.primary()) || !idle || !may_sign || !self.is_wanted() {
            return false;
        }
        let mut justification = None;
        if view > View(0) {
            let has_block = |id| instance.block(id).is_some();
            let Some(found) = instance.changes.justification(view, self.set.quorum(), has_block) else { return false };
            let carried = found.prepared.as_ref().and_then(|p| instance.block(p.block));
            if let Some(block) = carried {
                // the highest prepared block may have been decided: nothing else may be proposed
                return self.pre_prepare(block, Some(found));
            }
            justification = Some(found);
        }
        self.instance.building = Some(Building { justification });
        let (parent, min_time) = (self.tip.block, self.tip.time.plus(1));
        self.out.push(Effect::Build { height, view, parent, min_time });
        true
    }

    pub(super) fn on_built(&mut self, height: Height, view: View, block: Arc<Block>) {
        if (height, view) != (self.instance.height, self.instance.view) || !self.extends_tip(&block) {
            return;
        }
        if let Some(building) = self.instance.building.take() {
            self.pre_prepare(block, building.justification);
        }
    }

    fn pre_prepare(&mut self, block: Arc<Block>, justification: Option<Justification>) -> bool {
        let (height, view) = (self.instance.height, self.instance.view);
        let proposal = PrePrepare { height, view, block: block.clone(), justification };
        let fresh = proposal.is_fresh();
        let Some(signed) = self.sign(Message::PrePrepare(proposal)) else { return false };
        self.staged.push(Record::Own(signed.clone()));
        self.staged_own.push(signed.clone());
        let id = block.id();
        self.instance.keep_block(&block, id);
        self.instance.proposal = Some(Proposal { signed, block, id, fresh, progress: Progress::Early });
        if fresh {
            // the host built it by executing it
            self.instance.valid.insert(id);
            self.accept();
        } else {
            self.consider();
        }
        true
    }

    /// Repeats what is unanswered, and sets the time of the next repeat.
    pub(super) fn repeat(&mut self) {
        if let Some(certificate) = self.instance.certificate.clone() {
            // decided without the block: ask one signer after the other for it
            let signers: Vec<_> =
                certificate.signatures.iter().map(|(from, _)| *from).filter(|from| Some(*from) != self.me).collect();
            if !signers.is_empty() {
                self.behind = None;
                self.fall_behind(certificate.height, signers[self.asked % signers.len()]);
                self.asked = self.asked.wrapping_add(1);
            }
        }
        let spoken = self.instance.spoken.clone();
        if let Some(pre_prepare) = &spoken.pre_prepare {
            let view = self.instance.view;
            for to in self.others() {
                if self.instance.prepares.of(view, to).is_none() {
                    self.send(To::One(to), pre_prepare.clone());
                }
            }
        }
        for message in [&spoken.prepare, &spoken.commit, &spoken.view_change].into_iter().flatten() {
            self.send_own(message, To::All);
        }
        self.tell_status();
        self.instance.repeat_at = Some(self.clock.ticks().plus(self.timing.rebroadcast_ms));
    }

    /// Tells everyone the decided height: whoever missed decisions learns so even if it is silent itself.
    fn tell_status(&mut self) {
        self.send_status(To::All);
        self.status_at = self.clock.ticks().plus(self.timing.rebroadcast_ms.saturating_mul(STATUS_REPEATS));
    }

    /// Tells one validator everything: it may have missed all of it.
    pub(super) fn speak_to(&mut self, peer: ValidatorIndex) {
        if Some(peer) == self.me || self.set.get(peer).is_none() {
            return;
        }
        let spoken = self.instance.spoken.clone();
        let all = [spoken.pre_prepare, spoken.prepare, spoken.commit, spoken.view_change];
        for message in all.into_iter().flatten() {
            self.send_own(&message, To::One(peer));
        }
        self.send_status(To::One(peer));
    }

    /// A message of a decided height: its sender may have missed the decision.
    pub(super) fn on_earlier(&mut self, from: ValidatorIndex, height: Height) {
        if self.answers_earlier(self.clock.ticks(), from, height) {
            self.answer(from);
        }
    }

    /// Votes that come just after a decision are the rule, and no sign that their sender missed it.
    pub(super) fn answers_earlier(&self, now: Ticks, from: ValidatorIndex, height: Height) -> bool {
        (height < self.tip.height || self.is_settled(now)) && self.is_answer_due(now, from)
    }

    /// Votes of the next height that come just before a decision are the rule, too.
    pub(super) fn answers_later(&self, now: Ticks, from: ValidatorIndex, height: Height) -> bool {
        (height > self.instance.height.next() || self.is_settled(now)) && self.is_answer_due(now, from)
    }

    fn is_settled(&self, now: Ticks) -> bool {
        now >= self.instance.started.plus(self.timing.rebroadcast_ms)
    }

    pub(super) fn is_answer_due(&self, now: Ticks, peer: ValidatorIndex) -> bool {
        self.answered.get(&peer).is_none_or(|at| now >= at.plus(self.timing.rebroadcast_ms))
    }

    /// Tells one validator the decided height, at most once a repeat interval.
    pub(super) fn answer(&mut self, peer: ValidatorIndex) {
        let now = self.clock.ticks();
        if self.is_answer_due(now, peer) {
            self.answered.insert(peer, now);
            self.send_status(To::One(peer));
        }
    }

    /// A validator that signed at greater heights than it can decide now (its blocks are lost, its guard's mark is not)
    /// keeps its status to itself until it has them again: a status below what it once knew would mislead one that rejoins.
    fn send_status(&mut self, to: To) {
        if self.is_below_mark() {
            return;
        }
        if self.status.is_none() {
            let (block, certificate) = (self.tip.block, self.tip.certificate.clone());
            self.status = self.sign(Message::Status(Status { block, certificate }));
        }
        if let Some(status) = self.status.clone() {
            self.send(to, status);
        }
    }

    fn others(&self) -> Vec<ValidatorIndex> {
        self.set.iter().map(|(index, _)| index).filter(|index| Some(*index) != self.me).collect()
    }
}
