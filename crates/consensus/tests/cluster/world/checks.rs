//! What every step of a node is held against: what it sends, what its log holds, when it votes again, what it ignores.

use vostro_consensus::{GuardMark, Input, Position, Record, Signed, Verified, Waiting};
use vostro_crypto::{Hash, sha256};

use super::{Kind, World};

/// Of so many ignored messages one is taken in all the same, to compare; comparing costs more than everything else.
const IGNORED_PER_CHECK: u64 = 8;

impl World {
    /// Nothing leaves an honest node before its record is durable, and nothing that contradicts what left before.
    pub(super) fn check_send(&mut self, i: usize, message: &Signed) {
        if self.nodes[i].kind != Kind::Honest {
            return;
        }
        let statement = message.message.statement();
        let Some(position) = statement.position() else { return };
        if !self.nodes[i].disk.holds(&message.signature) {
            let text = self.describe(message);
            self.fail(format!("{i} sends {text} before it is durable"));
        }
        let digest = sha256(&statement.bytes(&self.chain.hash, &self.chain.set));
        let first = *self.says.entry((message.sender, position)).or_insert(digest);
        if first != digest {
            let text = self.describe(message);
            self.fail(format!("{i} contradicts itself: {text}"));
        }
    }

    /// A validator without memory votes only where no former life can have signed: one above the height that such a life
    /// was at when it had decided `former`.
    pub(super) fn check_rejoin(&mut self, i: usize) {
        let Some(former) = self.nodes[i].former else { return };
        let Some(replica) = &self.nodes[i].replica else { return };
        let (waiting, height) = (replica.waiting(), replica.height());
        let votes_from = match waiting {
            Some(Waiting::Statuses { .. }) => return,
            Some(Waiting::Height(height)) => height,
            None if self.nodes[i].disk.guard.is_none_or(|mark| mark == GuardMark::unknown()) => height,
            None => {
                self.nodes[i].former = None;
                self.note(i, format!("votes again from h{height}"));
                height
            }
        };
        if votes_from < former.next().next() {
            self.fail(format!("{i} decided h{former} in a former life and votes again from h{votes_from}"));
        }
    }

    /// The log of an honest node holds its signatures in ascending positions: R3 over all its lives.
    pub fn check_logs(&self) {
        for i in self.honest() {
            let mut last: Option<(Position, Hash)> = None;
            for record in self.nodes[i].disk.records() {
                let Record::Own(signed) = record else { continue };
                let statement = signed.message.statement();
                let position = statement.position().unwrap();
                let digest = sha256(&statement.bytes(&self.chain.hash, &self.chain.set));
                if last.is_some_and(|(p, d)| position < p || (position == p && d != digest)) {
                    self.fail(format!("the log of {i} goes back from {last:?} to {position:?}"));
                }
                last = Some((position, digest));
            }
        }
    }

    /// What need not be verified must lead, verified and taken in at first hand, to what a tick leads to.
    pub(super) fn check_ignored(&mut self, to: usize, verified: Verified) {
        self.ignored += 1;
        if !self.ignored.is_multiple_of(IGNORED_PER_CHECK) {
            return;
        }
        let now = self.wall(to);
        let Some(mut taken) = self.nodes[to].replica.clone() else { return };
        let mut ticked = taken.clone();
        let text = format!("{verified:?}");
        let same = taken.step(now, Input::Firsthand(verified)) == ticked.step(now, Input::Tick)
            && format!("{taken:?}") == format!("{ticked:?}");
        if !same {
            self.fail(format!("{to} would ignore what matters: {text}"));
        }
    }
}
