//! Clients of the world: they hand their transactions in, stage by stage, until all are settled.

use vostro_engine::Event as Input;

use super::{Checked, Event, World};
use crate::workload::{Fate, Payment};

/// Clients look at what is settled this often, in milliseconds.
const CLIENT_EVERY: u64 = 50;
/// A client that sees nothing settled hands its transaction in again, elsewhere, after this many milliseconds.
const CLIENT_RETRY: u64 = 1000;
/// Most transactions that clients hand in at once.
const CLIENT_BATCH: usize = 8;

impl World {
    pub(super) fn clients(&mut self) -> Checked {
        let settled = &self.checker.settled;
        let done = |p: &Payment| p.fate == Fate::Never || settled.contains_key(&p.id);
        while self.payments.iter().filter(|p| p.stage == self.stage).all(done)
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
}
