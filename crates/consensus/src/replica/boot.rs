//! Starting from what the disk held.
//!
//! Invariant: a restarted validator stands exactly where its durable records end. It repeats what it signed, byte for
//! byte, and its guard knows every signature the log or the guard's own file ever held. One that knows nothing of its past
//! signs nothing (`rejoin`).

use std::collections::{BTreeMap, VecDeque};

use vostro_types::{Time, View};

use crate::effects::{Effects, Record, Seq};
use crate::guard::Guard;
use crate::message::{Message, PrePrepare, Signed};
use crate::pacemaker::Clock;

use super::rejoin::Rejoin;
use super::{Config, Durable, Instance, Progress, Proposal, Replica};

impl Replica {
    /// Starts at the height above the durable tip and repeats what was signed there.
    pub fn boot(config: Config, durable: Durable, now: Time) -> (Self, Effects) {
        let Config { chain, validators, key, timing } = config;
        let Durable { tip, guard: mark, records } = durable;
        let me = key.as_ref().and_then(|key| validators.index_of(&key.public()));
        let mut guard = key.filter(|_| me.is_some()).map(|key| Guard::new(key, mark));
        for record in &records {
            if let (Some(guard), Record::Own(signed)) = (&mut guard, record)
                && Some(signed.sender) == me
            {
                guard.learn(&signed.message.statement(), &chain, &validators);
            }
        }
        let clock = Clock::new(now);
        let instance = Instance::new(tip.height.next(), clock.ticks());
        let mut replica = Replica {
            chain,
            set: validators,
            timing,
            me,
            guard,
            rejoin: None,
            clock,
            tip,
            instance,
            demand: false,
            next: BTreeMap::new(),
            ready: VecDeque::new(),
            seq: Seq::default(),
            staged: Vec::new(),
            staged_own: Vec::new(),
            guard_reported: mark,
            held: VecDeque::new(),
            status: None,
            status_at: clock.ticks(),
            answered: BTreeMap::new(),
            away: BTreeMap::new(),
            behind: None,
            asked: 0,
            conflict: false,
            wake: None,
            out: Effects::new(),
        };
        replica.rejoin =
            replica.guard.as_ref().and_then(|guard| Rejoin::at_boot(guard.mark(), replica.instance.height));
        replica.look_for_own(replica.tip.certificate.clone().as_ref());
        replica.restore(records);
        if replica.instance.spoken.anything() {
            replica.repeat();
        }
        let effects = replica.finish_step();
        (replica, effects)
    }

    fn restore(&mut self, records: Vec<Record>) {
        let height = self.instance.height;
        let current: Vec<Record> = records.into_iter().filter(|r| r.height() == height).collect();
        let marked = self.guard.as_ref().and_then(Guard::mark).filter(|m| m.position.height == height);
        let spoken_in = |record: &Record| match record {
            Record::Own(signed) | Record::Accepted(signed) => signed.message.view(),
            Record::Prepared(certificate) => certificate.view,
        };
        let views = current.iter().map(spoken_in).chain(marked.map(|m| m.position.view));
        let view = views.max().unwrap_or(View(0));
        self.instance.move_to(view, self.clock.ticks());
        let mut proposal = None;
        for record in current {
            match record {
                Record::Own(signed) if Some(signed.sender) == self.me => {
                    if let Message::PrePrepare(p) = &signed.message {
                        self.restore_proposal(p, &signed, &mut proposal);
                    }
                    if let Message::Commit(vote) = &signed.message {
                        self.instance.committed = self.instance.committed.max(Some(vote.view));
                    }
                    self.count_own(signed);
                }
                // signed by a key this node no longer votes with
                Record::Own(_) => {}
                Record::Accepted(signed) => {
                    if let Message::PrePrepare(p) = &signed.message {
                        self.restore_proposal(p, &signed, &mut proposal);
                    }
                }
                Record::Prepared(certificate) => {
                    if self.instance.prepared.as_ref().is_none_or(|p| p.view < certificate.view) {
                        self.instance.prepared = Some(certificate);
                    }
                }
            }
        }
        // The guard's file got further than the log: there is no view-change of ours to gather support for, so the view
        // counts as entered, and its time-out leads on.
        let asked = self.instance.spoken.view_change.as_ref().is_some_and(|c| c.message.view() == view);
        if !asked {
            self.instance.entered = true;
        }
        let Some(mut found) = proposal else { return };
        let prepared_here = self.instance.spoken.prepare.is_some();
        // A block carried over from an earlier view may not have been executed yet when the node stopped.
        let built_here = Some(found.signed.sender) == self.me && found.fresh;
        if prepared_here || built_here {
            self.instance.valid.insert(found.id);
        }
        if prepared_here {
            found.progress = Progress::Accepted;
        }
        self.instance.proposal = Some(found);
        if built_here && !prepared_here {
            self.accept();
        } else {
            self.consider();
        }
    }

    fn restore_proposal(&mut self, p: &PrePrepare, signed: &Signed, current: &mut Option<Proposal>) {
        let id = p.block.id();
        self.instance.keep_block(&p.block, id);
        for claim in p.justification.iter().flat_map(|j| &j.claims) {
            self.instance.changes.hear(claim.validator, p.view);
        }
        if p.view == self.instance.view {
            let (block, fresh) = (p.block.clone(), p.is_fresh());
            *current = Some(Proposal { signed: signed.clone(), block, id, fresh, progress: Progress::Early });
        }
    }
}
