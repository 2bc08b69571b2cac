//! Which transactions wait for a block, and which of two variants of one.
//!
//! Invariant: what waits gives way to another variant of itself (the same id, other signatures) only if that one's signers
//! may do more, so nobody pushes a transaction out by passing it on with signatures taken away or added.

use std::collections::BTreeSet;
use std::sync::Arc;

use vostro_execution::Overlay;
use vostro_settlement::{BlockContext, Reader, read};
use vostro_types::transaction::MAX_VALIDITY_MS;
use vostro_types::{Outcome, VerifiedTransaction};

use crate::candidate::AUTHORITY;
use crate::mempool::NotInserted;

use super::{Admission, Engine, FORWARD_AFTER_MS, Missing, Refusal};

/// Of what peers sent, so many transactions are tried within [`FORWARD_AFTER_MS`]: variants of waiting ones, and what waited
/// too long. The rest is kept or forwarded untried; one may take as long as a thousand messages.
const MAX_TRIALS: usize = 16;

/// So many transactions of a batch are looked at over one view of the tip, which keeps what they read.
const MAX_LOOKED_AT: usize = 4096;

/// Who handed a transaction in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Client,
    Peer,
}

impl Source {
    /// Keys of its own that looking at one of its payments reads, about.
    fn keys(self) -> usize {
        match self {
            Source::Client => 8,
            Source::Peer => 1,
        }
    }
}

/// What a look at a new transaction found.
type Look = Result<Standing, Refusal>;

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
    /// Lets transactions wait for a block, or a better variant of one take the place of the one that waits.
    pub(super) fn admit(
        &mut self,
        transactions: &[Arc<VerifiedTransaction>],
        source: Source,
    ) -> Vec<Result<Admission, Refusal>> {
        let mut results = Vec::with_capacity(transactions.len());
        for transactions in transactions.chunks(MAX_LOOKED_AT) {
            let looks = self.look_at_all(transactions, source);
            results.extend(transactions.iter().zip(looks).map(|(tx, look)| self.admit_one(tx, source, look)));
        }
        results
    }

    /// Looks at those of `transactions` that are new and in time, over one view of the tip: many of them ask the same of it.
    fn look_at_all(&self, transactions: &[Arc<VerifiedTransaction>], source: Source) -> Vec<Option<Look>> {
        let mut seen = BTreeSet::new();
        let mut is_new = |tx: &VerifiedTransaction| {
            let id = tx.id();
            !self.recent.contains(&id) && self.mempool.get(&id).is_none() && self.in_time(tx).is_ok() && seen.insert(id)
        };
        self.at_tip(|state| {
            let overlay = Overlay::of_many(state, transactions.len().saturating_mul(source.keys()));
            let look = |tx: &VerifiedTransaction| self.look(&overlay, tx, source);
            let looks = transactions.iter().map(|tx| is_new(tx).then(|| look(tx))).collect();
            overlay.end();
            looks
        })
    }

    /// Whether the next block may hold the transaction as far as its time goes.
    fn in_time(&self, transaction: &VerifiedTransaction) -> Result<(), Refusal> {
        let (now, valid_until) = (self.now.max(self.tip.2), transaction.body().valid_until);
        if valid_until < now {
            return Err(Refusal::Expired { valid_until, now });
        }
        if valid_until > now.plus(MAX_VALIDITY_MS) {
            return Err(Refusal::TooFarAhead { valid_until, now });
        }
        Ok(())
    }

    /// What the state at the tip says of a transaction. A block only holds what its signers may do, so the rest need not wait
    /// for one. Peers' transactions were tried where clients handed them in; here their sender is looked at alone.
    fn look(&self, reader: &dyn Reader, transaction: &VerifiedTransaction, source: Source) -> Look {
        let policy = read::policy(reader, transaction.body().sender).ok_or(Refusal::UnknownSender)?;
        Ok(match source {
            Source::Client => self.standing_on(reader, transaction),
            Source::Peer if policy.weight_of(transaction.keys()) < policy.threshold() => {
                Standing::MayNot { code: 107, about: Missing::default() }
            }
            Source::Peer => Standing::Open,
        })
    }

    fn admit_one(
        &mut self,
        transaction: &Arc<VerifiedTransaction>,
        source: Source,
        look: Option<Look>,
    ) -> Result<Admission, Refusal> {
        let id = transaction.id();
        if self.recent.contains(&id) {
            return Ok(Admission::Decided(id));
        }
        self.in_time(transaction)?;
        if let Some(waiting) = self.mempool.get(&id).cloned() {
            let differs = waiting.transaction() != transaction.transaction();
            if differs && (source == Source::Client || self.may_try()) && self.is_better(transaction, &waiting) {
                self.mempool.replace(transaction.clone());
            }
            return Ok(Admission::Pending(id));
        }
        // It was looked at, unless a variant of it came before in the same batch and does not wait.
        let standing = look.unwrap_or_else(|| self.read(|reader| self.look(reader, transaction, source)))?;
        if let Standing::MayNot { code, about } = standing {
            return Err(Refusal::NotAuthorised { code, about });
        }
        match self.mempool.insert(transaction.clone(), self.now) {
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
        self.read(|reader| self.standing_on(reader, transaction))
    }

    fn standing_on(&self, reader: &dyn Reader, transaction: &VerifiedTransaction) -> Standing {
        let context = BlockContext { height: self.tip.1.next(), time: self.now.max(self.tip.2.plus(1)) };
        match vostro_settlement::foresee(&context, transaction, reader).outcome {
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
