//! Which transactions wait for a block, and which of two variants of one.
//!
//! Invariant: what waits gives way to another variant of itself (the same id, other signatures) only if that one's signers
//! may do more, so nobody pushes a transaction out by passing it on with signatures taken away or added.

use std::collections::BTreeSet;
use std::sync::Arc;

use vostro_execution::Overlay;
use vostro_settlement::{BlockContext, read};
use vostro_types::transaction::MAX_VALIDITY_MS;
use vostro_types::{Outcome, VerifiedTransaction};

use crate::candidate::AUTHORITY;
use crate::mempool::NotInserted;

use super::{Admission, Engine, FORWARD_AFTER_MS, Missing, Refusal};

/// Of what peers sent, so many transactions are tried within [`FORWARD_AFTER_MS`]: variants of waiting ones, and what waited
/// too long. The rest is kept or forwarded untried; one may take as long as a thousand messages.
const MAX_TRIALS: usize = 16;

/// Who handed a transaction in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Client,
    Peer,
}

/// What those who signed a transaction may do, as far as the state at the tip tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They may not: the contract's code, and whose consent is missing.
    MayNot { code: u16, about: Missing },
    /// It is refused for another reason, which may hide that signatures are missing.
    Open,
    /// They may: it would take effect.
    Acts,
}

impl Engine {
    /// Lets a transaction wait for a block, or a better variant of it take the place of the one that waits.
    pub(super) fn admit(
        &mut self,
        transaction: Arc<VerifiedTransaction>,
        source: Source,
    ) -> Result<Admission, Refusal> {
        let id = transaction.id();
        if self.recent.contains(&id) {
            return Ok(Admission::Decided(id));
        }
        let (now, valid_until) = (self.now.max(self.tip.2), transaction.body().valid_until);
        if valid_until < now {
            return Err(Refusal::Expired { valid_until, now });
        }
        if valid_until > now.plus(MAX_VALIDITY_MS) {
            return Err(Refusal::TooFarAhead { valid_until, now });
        }
        if let Some(waiting) = self.mempool.get(&id).cloned() {
            let differs = waiting.transaction() != transaction.transaction();
            if differs && (source == Source::Client || self.may_try()) && self.is_better(&transaction, &waiting) {
                self.mempool.replace(transaction);
            }
            return Ok(Admission::Pending(id));
        }
        // A block only holds what its signers may do, so the rest need not wait for one. Peers' transactions were tried
        // where clients handed them in; here their sender is looked at alone.
        let policy = self.read(|reader| read::policy(reader, transaction.body().sender));
        let policy = policy.ok_or(Refusal::UnknownSender)?;
        let standing = match source {
            Source::Client => self.standing(&transaction),
            Source::Peer if policy.weight_of(transaction.keys()) < policy.threshold() => {
                Standing::MayNot { code: 107, about: Missing::default() }
            }
            Source::Peer => Standing::Open,
        };
        if let Standing::MayNot { code, about } = standing {
            return Err(Refusal::NotAuthorised { code, about });
        }
        match self.mempool.insert(transaction, self.now) {
            Ok(()) | Err(NotInserted::Known) => Ok(Admission::Pending(id)),
            Err(NotInserted::Full) => Err(Refusal::Full),
            Err(NotInserted::SenderFull) => Err(Refusal::SenderFull),
            Err(NotInserted::TooLarge { bytes, limit }) => Err(Refusal::TooLarge { bytes, limit }),
        }
    }

    /// Whether there is time for one more trial of what a peer sent.
    pub(super) fn may_try(&mut self) -> bool {
        let (since, count) = self.trials;
        if self.now >= since.plus(FORWARD_AFTER_MS) || self.now < since {
            self.trials = (self.now, 1);
            return true;
        }
        self.trials.1 = count.saturating_add(1);
        count < MAX_TRIALS
    }

    /// Tries the transaction on the state at the tip: whether those who signed may do it. Nothing else of the outcome
    /// counts, for the state will be another when a block holds it.
    pub(super) fn standing(&self, transaction: &VerifiedTransaction) -> Standing {
        let context = BlockContext { height: self.tip.1.next(), time: self.now.max(self.tip.2.plus(1)) };
        let receipt = self.at_tip(|state| vostro_settlement::apply(&context, transaction, &mut Overlay::new(state)));
        match receipt.outcome {
            Outcome::Applied | Outcome::Replayed { .. } => Standing::Acts,
            Outcome::Rejected { code, about } if AUTHORITY.contains(&code) => {
                Standing::MayNot { code, about: Missing(about) }
            }
            Outcome::Rejected { .. } => Standing::Open,
        }
    }

    /// Whether another variant of a waiting transaction takes its place. Anybody can take signatures away and add some
    /// of keys of their own, so neither more nor fewer of them are better as such: what waits gives way only to what may
    /// do more, or to itself with signatures added as long as nothing shows that its own suffice.
    fn is_better(&self, variant: &VerifiedTransaction, waiting: &VerifiedTransaction) -> bool {
        match (self.standing(variant), self.standing(waiting)) {
            (Standing::MayNot { .. }, _) | (_, Standing::Acts) => false,
            (_, Standing::MayNot { .. }) | (Standing::Acts, Standing::Open) => true,
            (Standing::Open, Standing::Open) => {
                let keys: BTreeSet<_> = variant.keys().collect();
                waiting.keys().all(|key| keys.contains(key)) && keys.len() > waiting.keys().count()
            }
        }
    }
}
