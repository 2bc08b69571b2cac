//! Proof that a validator contradicted itself: two statements it signed that an honest one cannot both have signed.
//!
//! Invariant: evidence that verifies names a validator that broke the protocol, never an honest one: the guard of an
//! honest validator signs one statement at a position, and a view-change reports every certificate behind its commits.
//! Of two blocks the one with the smaller id comes first, so turning a pair around makes no second piece of evidence.

use bincode::{Decode, Encode};
use vostro_crypto::{Batch, Hash, Signature, merkle};

use crate::certificate::{VoteKind, vote_bytes};
use crate::codec::encode;
use crate::ids::{BlockId, Epoch, Height, ValidatorIndex, View};
use crate::statement::{PreparedAt, proposal_bytes, view_change_bytes};
use crate::validators::ValidatorSet;

/// Most pieces of evidence in a block.
pub const MAX_EVIDENCE: usize = 16;

/// Two signed statements of one validator that an honest one cannot both have signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// Epoch whose set the validator belongs to.
    pub epoch: Epoch,
    /// Who.
    pub validator: ValidatorIndex,
    /// The height both statements are about.
    pub height: Height,
    /// The statements.
    pub contradiction: Contradiction,
}

/// How two statements contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Contradiction {
    /// E1: prepares or commits for two blocks in one view.
    Votes {
        /// Prepare or commit.
        kind: VoteKind,
        /// The view.
        view: View,
        /// The block with the smaller id and the signature for it.
        first: (BlockId, Signature),
        /// The other block and the signature for it.
        second: (BlockId, Signature),
    },
    /// E2: proposals of two blocks in one view.
    Proposals {
        /// The view.
        view: View,
        /// The block with the smaller id and the signature for it.
        first: (BlockId, Signature),
        /// The other block and the signature for it.
        second: (BlockId, Signature),
    },
    /// E3: a commit, and a view-change to a later view that hides the certificate behind it.
    Forgotten {
        /// View and block committed.
        commit: PreparedAt,
        /// Signature of the commit.
        commit_signature: Signature,
        /// View asked for, above that of the commit.
        asked: View,
        /// What the view-change reported: nothing, or a view below that of the commit.
        reported: Option<PreparedAt>,
        /// Signature of the view-change.
        view_change_signature: Signature,
    },
}

/// Which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum EvidenceKind {
    /// E1: votes for two blocks in one view.
    Votes,
    /// E2: proposals of two blocks in one view.
    Proposals,
    /// E3: a view-change that hides a commit.
    Forgotten,
}

impl EvidenceKind {
    /// Every kind.
    pub const ALL: [EvidenceKind; 3] = [EvidenceKind::Votes, EvidenceKind::Proposals, EvidenceKind::Forgotten];

    /// E1, E2 or E3.
    pub fn name(self) -> &'static str {
        match self {
            EvidenceKind::Votes => "E1",
            EvidenceKind::Proposals => "E2",
            EvidenceKind::Forgotten => "E3",
        }
    }
}

/// What is recorded once: however many views and blocks a validator contradicts itself about at a height, each rule it
/// breaks there counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct EvidenceKey {
    /// Epoch of the set.
    pub epoch: Epoch,
    /// The accused.
    pub validator: ValidatorIndex,
    /// The rule broken.
    pub kind: EvidenceKind,
    /// The height it was broken at.
    pub height: Height,
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It belongs to another epoch.
    #[error("the evidence is of epoch {got}, not {expected}")]
    Epoch {
        /// The set's epoch.
        expected: Epoch,
        /// The evidence's.
        got: Epoch,
    },
    /// The accused is not in the set.
    #[error("validator {index} is not in the set")]
    Unknown {
        /// The accused.
        index: ValidatorIndex,
    },
    /// Both statements may be true.
    #[error("the two statements do not contradict each other")]
    NoContradiction,
    /// The block with the greater id comes first.
    #[error("of two blocks the one with the smaller id must come first")]
    Order,
    /// The accused did not sign one of the statements.
    #[error("statement {index} is not signed by the accused")]
    Signature {
        /// 0 or 1.
        index: usize,
    },
}

type Signed = (BlockId, Signature);

/// The pair in the order evidence has it.
fn ordered(a: Signed, b: Signed) -> (Signed, Signed) {
    if a.0 <= b.0 { (a, b) } else { (b, a) }
}

impl Contradiction {
    /// E1 from two votes in either order.
    pub fn votes(kind: VoteKind, view: View, a: Signed, b: Signed) -> Self {
        let (first, second) = ordered(a, b);
        Contradiction::Votes { kind, view, first, second }
    }

    /// E2 from two proposals in either order.
    pub fn proposals(view: View, a: Signed, b: Signed) -> Self {
        let (first, second) = ordered(a, b);
        Contradiction::Proposals { view, first, second }
    }
}

fn distinct(first: &Signed, second: &Signed) -> Result<(), EvidenceError> {
    match first.0.cmp(&second.0) {
        std::cmp::Ordering::Less => Ok(()),
        std::cmp::Ordering::Equal => Err(EvidenceError::NoContradiction),
        std::cmp::Ordering::Greater => Err(EvidenceError::Order),
    }
}

impl Evidence {
    /// The rule broken.
    pub fn kind(&self) -> EvidenceKind {
        match self.contradiction {
            Contradiction::Votes { .. } => EvidenceKind::Votes,
            Contradiction::Proposals { .. } => EvidenceKind::Proposals,
            Contradiction::Forgotten { .. } => EvidenceKind::Forgotten,
        }
    }

    /// E1, E2 or E3.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The view of the statement signed first: of the votes, of the proposals, of the commit that was hidden.
    pub fn view(&self) -> View {
        match &self.contradiction {
            Contradiction::Votes { view, .. } | Contradiction::Proposals { view, .. } => *view,
            Contradiction::Forgotten { commit, .. } => commit.view,
        }
    }

    /// What is recorded once.
    pub fn key(&self) -> EvidenceKey {
        EvidenceKey { epoch: self.epoch, validator: self.validator, kind: self.kind(), height: self.height }
    }

    /// Both signed byte strings with their signatures, in the order of the fields. `set` is that of the epoch.
    pub fn statements(&self, chain: &Hash, set: &ValidatorSet) -> [(Vec<u8>, Signature); 2] {
        let height = self.height;
        match &self.contradiction {
            Contradiction::Votes { kind, view, first, second } => [first, second]
                .map(|(block, signature)| (vote_bytes(chain, set, *kind, height, *view, *block), *signature)),
            Contradiction::Proposals { view, first, second } => [first, second]
                .map(|(block, signature)| (proposal_bytes(chain, set, height, *view, *block), *signature)),
            Contradiction::Forgotten { commit, commit_signature, asked, reported, view_change_signature } => [
                (vote_bytes(chain, set, VoteKind::Commit, height, commit.view, commit.block), *commit_signature),
                (view_change_bytes(chain, set, height, *asked, *reported), *view_change_signature),
            ],
        }
    }

    /// Checks that it proves what it says: the statements contradict each other and the accused signed both. Cheap
    /// checks come before signatures.
    ///
    /// # Errors
    /// [`EvidenceError`] for the first rule broken.
    pub fn check(&self, chain: &Hash, set: &ValidatorSet) -> Result<(), EvidenceError> {
        if self.epoch != set.epoch() {
            return Err(EvidenceError::Epoch { expected: set.epoch(), got: self.epoch });
        }
        let index = self.validator;
        let member = set.get(index).ok_or(EvidenceError::Unknown { index })?;
        match &self.contradiction {
            Contradiction::Votes { first, second, .. } | Contradiction::Proposals { first, second, .. } => {
                distinct(first, second)?;
            }
            Contradiction::Forgotten { commit, asked, reported, .. } => {
                if *asked <= commit.view || reported.is_some_and(|at| at.view >= commit.view) {
                    return Err(EvidenceError::NoContradiction);
                }
            }
        }
        let mut batch = Batch::new();
        for (statement, signature) in &self.statements(chain, set) {
            batch.push(&member.key, statement, signature);
        }
        batch.verify().map_err(|bad| EvidenceError::Signature { index: bad[0] })
    }

    /// Makes it evidence that can be believed.
    ///
    /// # Errors
    /// [`EvidenceError`] for the first rule broken.
    pub fn verify(self, chain: &Hash, set: &ValidatorSet) -> Result<VerifiedEvidence, EvidenceError> {
        self.check(chain, set).map(|()| VerifiedEvidence(self))
    }
}

/// Evidence that passed [`Evidence::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvidence(Evidence);

impl VerifiedEvidence {
    /// The evidence.
    pub fn evidence(&self) -> &Evidence {
        &self.0
    }

    /// The evidence.
    pub fn into_evidence(self) -> Evidence {
        self.0
    }

    /// What is recorded once.
    pub fn key(&self) -> EvidenceKey {
        self.0.key()
    }
}

/// Merkle root of evidence as a header has it.
pub fn evidence_root(evidence: &[Evidence]) -> Hash {
    merkle::root(&evidence.iter().map(evidence_leaf).collect::<Vec<_>>())
}

/// The leaf of a piece of evidence: its whole encoding. The state keeps it as the evidence's digest.
pub fn evidence_leaf(evidence: &Evidence) -> Hash {
    merkle::leaf(&encode(evidence))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ids::{AccountId, Label};
    use crate::validators::Validator;
    use vostro_crypto::SecretKey;

    const CHAIN: Hash = Hash([9; 32]);
    const H: Height = Height(6);

    fn key(i: u8) -> SecretKey {
        SecretKey::from_seed([i + 1; 32])
    }

    fn set(epoch: u32) -> ValidatorSet {
        let member = |i: u8| Validator {
            name: Label::new(format!("v{i}")).unwrap(),
            platform: AccountId([i; 32]),
            key: key(i).public(),
            network_key: key(100 + i).public(),
        };
        ValidatorSet::new(Epoch(epoch), (0..4).map(member).collect()).unwrap()
    }

    fn block(n: u8) -> BlockId {
        BlockId(Hash([n; 32]))
    }

    fn evidence(contradiction: Contradiction) -> Evidence {
        Evidence { epoch: Epoch(0), validator: ValidatorIndex(2), height: H, contradiction }
    }

    fn vote(kind: VoteKind, view: u64, n: u8) -> Signed {
        (block(n), key(2).sign(&vote_bytes(&CHAIN, &set(0), kind, H, View(view), block(n))))
    }

    fn proposal(view: u64, n: u8) -> Signed {
        (block(n), key(2).sign(&proposal_bytes(&CHAIN, &set(0), H, View(view), block(n))))
    }

    fn forgotten(committed: u64, asked: u64, reported: Option<u64>) -> Evidence {
        let reported = reported.map(|view| PreparedAt { view: View(view), block: block(1) });
        let change = view_change_bytes(&CHAIN, &set(0), H, View(asked), reported);
        evidence(Contradiction::Forgotten {
            commit: PreparedAt { view: View(committed), block: block(1) },
            commit_signature: vote(VoteKind::Commit, committed, 1).1,
            asked: View(asked),
            reported,
            view_change_signature: key(2).sign(&change),
        })
    }

    fn votes(kind: VoteKind) -> Evidence {
        evidence(Contradiction::votes(kind, View(1), vote(kind, 1, 8), vote(kind, 1, 3)))
    }

    fn all() -> [Evidence; 4] {
        let proposals = Contradiction::proposals(View(1), proposal(1, 3), proposal(1, 8));
        [votes(VoteKind::Prepare), votes(VoteKind::Commit), evidence(proposals), forgotten(3, 4, Some(2))]
    }

    fn verdict(evidence: &Evidence) -> Result<(), EvidenceError> {
        evidence.check(&CHAIN, &set(0))
    }

    #[test]
    fn each_kind_proves_what_it_says() {
        for evidence in all() {
            assert_eq!(verdict(&evidence), Ok(()), "{evidence:?}");
            assert_eq!(evidence.clone().verify(&CHAIN, &set(0)).unwrap().key(), evidence.key());
        }
        assert_eq!(verdict(&forgotten(3, 9, None)), Ok(()));
        assert_eq!(all().map(|e| e.name()), ["E1", "E1", "E2", "E3"]);
        assert_eq!(all().map(|e| e.view().0), [1, 1, 1, 3]);
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let other = |change: &dyn Fn(&mut Evidence)| {
            let mut evidence = votes(VoteKind::Commit);
            change(&mut evidence);
            verdict(&evidence)
        };
        let of = |contradiction: Contradiction| verdict(&evidence(contradiction));
        let expected = Err(EvidenceError::Epoch { expected: Epoch(0), got: Epoch(1) });
        assert_eq!(other(&|e| e.epoch = Epoch(1)), expected);
        let index = ValidatorIndex(4);
        assert_eq!(other(&|e| e.validator = ValidatorIndex(4)), Err(EvidenceError::Unknown { index }));
        // the same statement twice
        let (a, b) = (vote(VoteKind::Commit, 1, 3), vote(VoteKind::Commit, 1, 8));
        assert_eq!(of(Contradiction::votes(VoteKind::Commit, View(1), a, a)), Err(EvidenceError::NoContradiction));
        let p = proposal(1, 3);
        assert_eq!(of(Contradiction::proposals(View(1), p, p)), Err(EvidenceError::NoContradiction));
        // turned around
        let turned = Contradiction::Votes { kind: VoteKind::Commit, view: View(1), first: b, second: a };
        assert_eq!(of(turned), Err(EvidenceError::Order));
        let turned = Contradiction::Proposals { view: View(1), first: proposal(1, 8), second: p };
        assert_eq!(of(turned), Err(EvidenceError::Order));
        // a view-change that reports the certificate, or that came before the commit
        assert_eq!(verdict(&forgotten(3, 4, Some(3))), Err(EvidenceError::NoContradiction));
        assert_eq!(verdict(&forgotten(3, 3, None)), Err(EvidenceError::NoContradiction));
        // statements of another view, kind, height, chain, set or validator
        let unsigned = |index| Err(EvidenceError::Signature { index });
        let c = vote(VoteKind::Commit, 2, 8);
        assert_eq!(of(Contradiction::votes(VoteKind::Commit, View(1), a, c)), unsigned(1));
        let c = vote(VoteKind::Prepare, 1, 8);
        assert_eq!(of(Contradiction::votes(VoteKind::Commit, View(1), a, c)), unsigned(1));
        assert_eq!(of(Contradiction::proposals(View(1), a, proposal(1, 8))), unsigned(0));
        assert_eq!(other(&|e| e.height = Height(7)), unsigned(0));
        assert_eq!(other(&|e| e.validator = ValidatorIndex(1)), unsigned(0));
        assert_eq!(votes(VoteKind::Commit).check(&Hash([8; 32]), &set(0)), unsigned(0));
    }

    #[test]
    fn a_pair_has_one_encoding_whichever_way_it_was_seen() {
        let (a, b) = (vote(VoteKind::Prepare, 1, 3), vote(VoteKind::Prepare, 1, 8));
        let pair = |a, b| encode(&evidence(Contradiction::votes(VoteKind::Prepare, View(1), a, b)));
        assert_eq!(pair(a, b), pair(b, a));
        let (a, b) = (proposal(1, 3), proposal(1, 8));
        let pair = |a, b| encode(&evidence(Contradiction::proposals(View(1), a, b)));
        assert_eq!(pair(a, b), pair(b, a));
    }

    #[test]
    fn prepares_and_commits_of_one_height_count_once() {
        assert_eq!(votes(VoteKind::Prepare).key(), votes(VoteKind::Commit).key());
        let keys: std::collections::BTreeSet<EvidenceKey> = all().iter().map(Evidence::key).collect();
        assert_eq!(keys.len(), 3);
    }
}
