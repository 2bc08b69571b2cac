//! What need not be verified: messages that would change nothing even if their sender had signed them.
//!
//! Invariant: the filter only looks. A message that it lets fall leads, if it is verified and taken in all the same, to
//! what a tick leads to; whatever could change more goes on to be verified. So a flood of repetitions, of votes for
//! heights and views far away and of old statuses costs its receiver no signature check, and what was not verified is
//! never believed.

use std::collections::btree_map::Entry;

use vostro_types::{EvidenceKind, Time, ValidatorIndex, View, VoteKind};

use crate::message::{Message, PrePrepare, Signed, Status, Verified, ViewChange, Vote};
use crate::pacemaker::Ticks;
use crate::votes::VIEW_WINDOW;

use super::rejoin::Rejoin;
use super::{Guard, GuardMark, Replica};

/// Kinds of messages of the next height that are kept, as they stand in the key of [`Replica::next`].
pub(super) fn kind_of(message: &Message) -> Option<u8> {
    match message {
        // In a later view it would need the view-changes of that view, which come again with it.
        Message::PrePrepare(p) => (p.view == View(0)).then_some(0),
        Message::Prepare(_) => Some(1),
        Message::Commit(_) => Some(2),
        Message::ViewChange(_) => Some(3),
        Message::Status(_) => None,
    }
}

/// What one validator said of one kind at the next height: its latest message, or the first two that contradict each
/// other. Both are kept until the height comes, since this node may be the only one that heard both; then nothing more is,
/// for an honest validator never gives two.
#[derive(Clone, Debug)]
pub(super) struct Later {
    latest: Verified,
    against: Option<Verified>,
}

impl Later {
    pub(super) fn keep(place: Entry<'_, (u8, ValidatorIndex), Later>, message: Verified) {
        match place {
            Entry::Occupied(mut kept) if kept.get().is_contradicted_by(message.message()) => {
                kept.get_mut().against = Some(message);
            }
            Entry::Occupied(mut kept) => kept.get_mut().latest = message,
            Entry::Vacant(place) => {
                place.insert(Later { latest: message, against: None });
            }
        }
    }

    pub(super) fn into_messages(self) -> impl Iterator<Item = Verified> {
        std::iter::once(self.latest).chain(self.against)
    }

    fn has_room_for(&self, message: &Message) -> bool {
        let is_higher = message.view() > self.latest.message().view();
        self.against.is_none() && (is_higher || self.is_contradicted_by(message))
    }

    fn is_contradicted_by(&self, message: &Message) -> bool {
        match (self.latest.message(), message) {
            (Message::PrePrepare(a), Message::PrePrepare(b)) => a.view == b.view && a.block.id() != b.block.id(),
            (Message::Prepare(a), Message::Prepare(b)) | (Message::Commit(a), Message::Commit(b)) => {
                a.view == b.view && a.block != b.block
            }
            _ => false,
        }
    }
}

impl Replica {
    /// Whether a message, were it verified, would change nothing at wall time `now`: then it need not be verified.
    pub fn ignores(&self, now: Time, signed: &Signed) -> bool {
        let from = signed.sender;
        if self.conflict {
            return true;
        }
        if self.set.get(from).is_none() || self.looks_for_past(&signed.message) {
            return false;
        }
        if Some(from) == self.me {
            return true;
        }
        let mut clock = self.clock;
        clock.advance(now);
        let (now, height) = (clock.ticks(), signed.message.height());
        if let Message::Status(status) = &signed.message {
            return self.ignores_status(now, from, status);
        }
        if height < self.instance.height {
            return !self.answers_earlier(now, from, height);
        }
        if height > self.instance.height {
            return !self.answers_later(now, from, height) && !self.keeps_later(from, &signed.message);
        }
        match &signed.message {
            Message::PrePrepare(p) => self.ignores_proposal(from, p),
            Message::Prepare(vote) => self.ignores_vote(from, VoteKind::Prepare, vote),
            Message::Commit(vote) => self.ignores_vote(from, VoteKind::Commit, vote),
            Message::ViewChange(change) => self.ignores_view_change(from, change),
            Message::Status(_) => false,
        }
    }

    /// Whether this validator still may learn from others that it has signed before, or how far they are.
    fn looks_for_past(&self, message: &Message) -> bool {
        let listens = matches!(self.rejoin, Some(Rejoin::Listening(_))) && matches!(message, Message::Status(_));
        listens || self.guard.as_ref().and_then(Guard::mark) == Some(GuardMark::never_signed())
    }

    fn ignores_status(&self, now: Ticks, from: ValidatorIndex, status: &Status) -> bool {
        let height = status.height();
        if height < self.tip.height {
            return !self.is_answer_due(now, from);
        }
        if status.certificate.is_none() {
            return true;
        }
        if height == self.tip.height {
            // a certificate for another block than the status names is refused
            status.block == self.tip.block
        } else if height > self.instance.height {
            !self.is_fetch_due(now, height)
        } else {
            self.instance.certificate.is_some()
        }
    }

    /// Whether a message of a height above the own is worth its place: the first proposal, of votes those of the highest
    /// view that will count there at all, the request for the highest view, and what contradicts one of these.
    pub(super) fn keeps_later(&self, from: ValidatorIndex, message: &Message) -> bool {
        let Some(kind) = kind_of(message).filter(|_| message.height() == self.instance.height.next()) else {
            return false;
        };
        let is_vote = matches!(message, Message::Prepare(_) | Message::Commit(_));
        if is_vote && message.view().0 > VIEW_WINDOW {
            return false;
        }
        self.next.get(&(kind, from)).is_none_or(|kept| kept.has_room_for(message))
    }

    fn ignores_vote(&self, from: ValidatorIndex, kind: VoteKind, vote: &Vote) -> bool {
        let instance = &self.instance;
        if vote.view.0.abs_diff(instance.view.0) > VIEW_WINDOW {
            return true;
        }
        let votes = match kind {
            VoteKind::Prepare => &instance.prepares,
            VoteKind::Commit => &instance.commits,
        };
        let first = votes.of(vote.view, from);
        first.is_some_and(|(block, _)| block == vote.block || self.is_accused(from, EvidenceKind::Votes))
    }

    fn ignores_view_change(&self, from: ValidatorIndex, change: &ViewChange) -> bool {
        let changes = &self.instance.changes;
        let keep_block = self.me == Some(self.set.primary(change.height, change.view));
        changes.has_heard(from, change.view) && !changes.is_newer(from, change, keep_block)
    }

    fn ignores_proposal(&self, from: ValidatorIndex, p: &PrePrepare) -> bool {
        let instance = &self.instance;
        let id = p.block.id();
        if let Some(certificate) = &instance.certificate {
            // its block is not here, or the height were decided
            return certificate.block != id;
        }
        let claims = p.justification.as_ref().map_or(&[][..], |j| &j.claims);
        if claims.len() > self.set.len() || !claims.iter().all(|c| instance.changes.has_heard(c.validator, p.view)) {
            return false;
        }
        if p.view != instance.view {
            // Of a later view nothing more is to be learned than the claims, and those are known.
            return true;
        }
        instance.proposal.as_ref().is_some_and(|known| {
            let says_nothing =
                if known.id == id { !known.gives_way_to(p) } else { self.is_accused(from, EvidenceKind::Proposals) };
            known.signed.sender == from && says_nothing
        })
    }

    fn is_accused(&self, validator: ValidatorIndex, kind: EvidenceKind) -> bool {
        self.instance.accused.contains(&(validator, kind.name()))
    }
}
