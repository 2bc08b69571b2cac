//! Coming back without memory: a validator that may have signed what it no longer knows.
//!
//! Invariant: it signs nothing, not even a status, until it has decided every height that it can have signed at in any
//! former life. Which heights those are it learns from n − f other validators; the argument is in `docs/protocol.md`.
//!
//! ```text
//! no mark ──▶ Listening ── n − f others told their height, T the greatest ──▶ Following ── decided T + 2 ──▶ votes
//! ```

use std::collections::BTreeMap;

use vostro_types::{Certificate, Height, ValidatorIndex};

use crate::effects::Effect;
use crate::guard::{Guard, GuardMark};
use crate::message::{Message, Verified};

use super::{Instance, Replica, Seq};

/// What a validator without memory of its votes waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// That others tell their height.
    Statuses {
        /// How many have.
        heard: usize,
        /// How many must. More than there are others if the set bears no loss: then only its operator can say.
        needed: usize,
    },
    /// That the height before this one is decided.
    Height(Height),
}

/// How far the waiting got.
#[derive(Clone, Debug)]
pub(super) enum Rejoin {
    /// The greatest height each other validator told at first hand.
    Listening(BTreeMap<ValidatorIndex, Height>),
    /// Nothing was ever signed at this height or above.
    Following(Height),
}

impl Rejoin {
    /// Without a mark everything is to be found out; a mark that says from where on nothing was signed is waited for.
    pub(super) fn at_boot(mark: Option<GuardMark>, height: Height) -> Option<Self> {
        match mark {
            None => Some(Rejoin::default()),
            Some(mark) if mark.is_unsigned() && mark.position.height > height => {
                Some(Rejoin::Following(mark.position.height))
            }
            Some(_) => None,
        }
    }
}

impl Default for Rejoin {
    fn default() -> Self {
        Rejoin::Listening(BTreeMap::new())
    }
}

/// The first height that a former life cannot have signed at, if the greatest height told is `told`: a former life decided
/// at most `told + 1`, and signed one height further.
pub(super) fn first_unsigned(told: Height) -> Height {
    told.next().next().next()
}

impl Replica {
    /// This validator, unless it must not sign anything yet.
    pub(super) fn voter(&self) -> Option<ValidatorIndex> {
        self.me.filter(|_| self.rejoin.is_none())
    }

    /// What this validator waits for before it votes; `None` if it votes, and for an observer.
    pub fn waiting(&self) -> Option<Waiting> {
        self.rejoin.as_ref().map(|rejoin| match rejoin {
            Rejoin::Listening(heard) => Waiting::Statuses { heard: heard.len(), needed: self.set.quorum() },
            Rejoin::Following(first) => Waiting::Height(*first),
        })
    }

    /// Only what a validator says itself and now tells how far it is: an old status told by another would make the chain
    /// look shorter than it is.
    pub(super) fn on_firsthand(&mut self, verified: Verified) {
        if let (Message::Status(status), from) = (verified.message(), verified.sender())
            && Some(from) != self.me
            && let Some(Rejoin::Listening(heard)) = &mut self.rejoin
        {
            let told = heard.entry(from).or_default();
            *told = status.height().max(*told);
            if heard.len() >= self.set.quorum() {
                let told = heard.values().copied().max().unwrap_or_default();
                let first = first_unsigned(told);
                self.rejoin = Some(Rejoin::Following(first));
                if let Some(guard) = &mut self.guard {
                    guard.start_from(first);
                    let mark = guard.mark();
                    self.persist_mark(mark);
                }
                if self.follow() {
                    // As a follower this node moved through views without asking for them: it begins the height anew, and
                    // what the others repeat brings it to where they are.
                    self.instance = Instance::new(self.instance.height, self.clock.ticks());
                }
            }
        }
        self.on_message(verified);
    }

    /// Ends the waiting once the height has come. Whether it did.
    pub(super) fn follow(&mut self) -> bool {
        let Some(Rejoin::Following(first)) = self.rejoin else { return false };
        if self.instance.height < first {
            return false;
        }
        self.rejoin = None;
        true
    }

    /// Looks for signatures of this validator in what others bring.
    pub(super) fn look_for_past(&mut self, message: &Message) {
        match message {
            Message::PrePrepare(p) => {
                let Some(justification) = &p.justification else { return };
                if justification.claims.iter().any(|claim| Some(claim.validator) == self.me) {
                    self.has_past();
                }
                self.look_for_own(justification.prepared.as_ref());
            }
            Message::ViewChange(change) => self.look_for_own(change.prepared.as_ref()),
            Message::Status(status) => self.look_for_own(status.certificate.as_ref()),
            Message::Prepare(_) | Message::Commit(_) => {}
        }
    }

    pub(super) fn look_for_own(&mut self, certificate: Option<&Certificate>) {
        if certificate.is_some_and(|c| c.signatures.iter().any(|(signer, _)| Some(*signer) == self.me)) {
            self.has_past();
        }
    }

    /// A signature of this validator turned up. If its home says that it never signed, the home was made again: it waits
    /// like one whose disk was lost, and a restart must not forget that.
    pub(super) fn has_past(&mut self) {
        let Some(guard) = &mut self.guard else { return };
        if guard.mark() != Some(GuardMark::never_signed()) {
            return;
        }
        guard.forget();
        self.rejoin = Some(Rejoin::default());
        self.status = None;
        self.instance.deadline = None;
        self.instance.building = None;
        self.persist_mark(Some(GuardMark::unknown()));
    }

    /// Nothing waits for it: a restart that finds an older mark waits anew.
    fn persist_mark(&mut self, guard: Option<GuardMark>) {
        self.guard_reported = guard;
        self.seq = Seq(self.seq.0 + 1);
        self.held.push_back((self.seq, Vec::new()));
        self.out.push(Effect::Persist { seq: self.seq, records: Vec::new(), guard });
    }

    /// Whether the guard's mark says that this validator signed at a height it has not reached again.
    pub(super) fn is_below_mark(&self) -> bool {
        let mark = self.guard.as_ref().and_then(Guard::mark);
        mark.is_some_and(|mark| mark.position.height > self.instance.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lost` validators have no memory and are silent, `faulty` others lie. Those heard and the honest signers of the last
    /// decision of a former life share an honest validator, for every number of lost disks.
    #[test]
    fn somebody_heard_took_part_in_the_last_decision() {
        for n in 4..=100_usize {
            let f = (n - 1) / 3;
            for faulty in 0..=f {
                for lost in 1..=n {
                    let speakers = n - lost;
                    let heard = n - f;
                    if heard > speakers {
                        continue; // the waiting does not end
                    }
                    let honest_signers = (n - f).saturating_sub(lost + faulty);
                    assert!(honest_signers + heard > speakers, "n {n}, faulty {faulty}, lost {lost}");
                }
            }
        }
    }

    #[test]
    fn voting_begins_three_above_what_was_told() {
        assert_eq!(first_unsigned(Height(0)), Height(3));
        assert_eq!(first_unsigned(Height(40)), Height(43));
    }
}
