//! Who broke the protocol, from two conflicting commit certificates and what honest validators hold.
//!
//! Invariant: an accusation is an [`Evidence`] that verifies, so it names no honest validator, whoever supplied the
//! papers. Everything that goes in is verified first; what does not verify proves nothing and is left out.
//!
//! ```text
//! certificates, signed messages, records ──▶ who signed which statement, and which certificates exist
//!                                                        │
//!                           two contradicting statements of one validator ──▶ E1, E2, E3
//! ```
//!
//! That at least n − 2f are named if at most 2f are faulty is argued in `docs/protocol.md`, accountability; if papers are
//! missing for it, [`Testimony::judge`] says which.

use std::collections::BTreeMap;

use vostro_crypto::Hash;
use vostro_types::{
    BlockId, Certificate, Contradiction, Evidence, Height, PreparedAt, Signature, ValidatorIndex, ValidatorSet, View,
    VoteKind,
};

use crate::effects::Record;
use crate::message::{Message, PrePrepare, Signed, Statement, Verified};

/// Why two certificates are no fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoFork {
    /// One of them is no commit certificate of the height, or does not verify.
    #[error("certificate {index} is no valid commit certificate of height {height}")]
    Certificate {
        /// 0 for the first, 1 for the second.
        index: usize,
        /// The height in question.
        height: Height,
    },
    /// Both are for one block.
    #[error("both certificates are for block {block}")]
    SameBlock {
        /// The block.
        block: BlockId,
    },
}

/// A paper that the papers at hand lack. Some honest validator holds it if at most 2f validators are faulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The prepared certificate behind a commit certificate; each honest committer recorded it before its commit.
    #[error("the prepared certificate of block {block} in view {view}")]
    Prepared {
        /// The view.
        view: View,
        /// The block.
        block: BlockId,
    },
    /// A proposal with its justification; each honest validator that prepared it recorded it before its prepare.
    #[error("the proposal of block {block} in view {view} with its justification")]
    Proposal {
        /// The view.
        view: View,
        /// The block.
        block: BlockId,
    },
}

/// What follows from a fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Proofs, ascending by validator, one for each kind that is proved against it.
    pub evidence: Vec<Evidence>,
    /// What else to look for if fewer than n − 2f are named.
    pub missing: Option<Missing>,
}

impl Verdict {
    /// Those named, ascending, each once.
    pub fn accused(&self) -> Vec<ValidatorIndex> {
        let mut accused: Vec<_> = self.evidence.iter().map(|e| e.validator).collect();
        accused.dedup();
        accused
    }
}

/// What one validator signed at the height.
#[derive(Clone, Debug, Default)]
struct Sayings {
    votes: BTreeMap<(VoteKind, View), BTreeMap<BlockId, Signature>>,
    proposals: BTreeMap<View, BTreeMap<BlockId, Signature>>,
    changes: BTreeMap<View, BTreeMap<Option<PreparedAt>, Signature>>,
}

/// Verified papers about one height.
#[derive(Clone, Debug)]
pub struct Testimony<'a> {
    chain: &'a Hash,
    set: &'a ValidatorSet,
    height: Height,
    sayings: BTreeMap<ValidatorIndex, Sayings>,
    /// A prepared certificate was seen for these.
    prepared: BTreeMap<View, Vec<BlockId>>,
    /// Proposals above view 0, and the certificate's place that each carried.
    justified: BTreeMap<(View, BlockId), Vec<Option<PreparedAt>>>,
}

impl<'a> Testimony<'a> {
    /// No papers yet.
    pub fn new(chain: &'a Hash, set: &'a ValidatorSet, height: Height) -> Self {
        let (sayings, prepared, justified) = Default::default();
        Testimony { chain, set, height, sayings, prepared, justified }
    }

    /// Adds a record of a validator's log. Whether it says anything that verifies about this height.
    pub fn add_record(&mut self, record: &Record) -> bool {
        match record {
            Record::Own(signed) | Record::Accepted(signed) => self.add_signed(signed.clone()),
            Record::Prepared(certificate) => self.add_certificate(certificate),
        }
    }

    /// Adds a message by anyone. Whether it verifies and is about this height.
    pub fn add_signed(&mut self, signed: Signed) -> bool {
        signed.verify(self.chain, self.set).is_ok_and(|verified| self.add_verified(&verified))
    }

    /// Adds a message that was verified before, under the same chain and set. Whether it is about this height.
    pub fn add_verified(&mut self, verified: &Verified) -> bool {
        let signed = verified.signed();
        if signed.message.height() != self.height {
            return false;
        }
        self.hear(signed.sender, &signed.message.statement(), signed.signature);
        match &signed.message {
            Message::PrePrepare(proposal) => self.add_justification(proposal),
            Message::ViewChange(change) => change.prepared.iter().for_each(|c| self.take(c)),
            Message::Status(status) => status.certificate.iter().for_each(|c| self.take(c)),
            Message::Prepare(_) | Message::Commit(_) => {}
        }
        true
    }

    /// Adds a certificate. Whether it verifies and is of this height.
    pub fn add_certificate(&mut self, certificate: &Certificate) -> bool {
        let good = certificate.height == self.height && certificate.verify(self.chain, self.set).is_ok();
        if good {
            self.take(certificate);
        }
        good
    }

    /// Takes a certificate that was verified, alone or with the message around it.
    fn take(&mut self, certificate: &Certificate) {
        let Certificate { kind, height, view, block, .. } = *certificate;
        for (signer, signature) in &certificate.signatures {
            self.hear(*signer, &Statement::Vote { kind, height, view, block }, *signature);
        }
        if kind == VoteKind::Prepare {
            let blocks = self.prepared.entry(view).or_default();
            if !blocks.contains(&block) {
                blocks.push(block);
            }
        }
    }

    fn add_justification(&mut self, proposal: &PrePrepare) {
        let Some(justification) = &proposal.justification else { return };
        for claim in &justification.claims {
            let (height, view, prepared) = (proposal.height, proposal.view, claim.prepared);
            self.hear(claim.validator, &Statement::ViewChange { height, view, prepared }, claim.signature);
        }
        let carried = justification.prepared.as_ref();
        carried.into_iter().for_each(|c| self.take(c));
        let at = carried.map(|c| PreparedAt { view: c.view, block: c.block });
        self.justified.entry((proposal.view, proposal.block.id())).or_default().push(at);
    }

    fn hear(&mut self, from: ValidatorIndex, statement: &Statement, signature: Signature) {
        let sayings = self.sayings.entry(from).or_default();
        match *statement {
            Statement::Vote { kind, view, block, .. } => {
                sayings.votes.entry((kind, view)).or_default().insert(block, signature);
            }
            Statement::PrePrepare { view, block, .. } => {
                sayings.proposals.entry(view).or_default().insert(block, signature);
            }
            Statement::ViewChange { view, prepared, .. } => {
                sayings.changes.entry(view).or_default().insert(prepared, signature);
            }
            Statement::Status { .. } => {}
        }
    }

    /// Every contradiction in the papers: for each validator, ascending, at most one E1, E2 and E3.
    pub fn contradictions(&self) -> Vec<Evidence> {
        let each = |(validator, sayings): (&ValidatorIndex, &Sayings)| {
            [self.twofold_vote(*validator, sayings), self.twofold_proposal(*validator, sayings)]
                .into_iter()
                .chain([self.forgotten(*validator, sayings)])
                .flatten()
                .collect::<Vec<_>>()
        };
        self.sayings.iter().flat_map(each).collect()
    }

    fn against(&self, validator: ValidatorIndex, contradiction: Contradiction) -> Evidence {
        Evidence { epoch: self.set.epoch(), validator, height: self.height, contradiction }
    }

    fn twofold_vote(&self, validator: ValidatorIndex, sayings: &Sayings) -> Option<Evidence> {
        sayings.votes.iter().find_map(|((kind, view), blocks)| {
            let (first, second) = two(blocks)?;
            Some(self.against(validator, Contradiction::Votes { kind: *kind, view: *view, first, second }))
        })
    }

    fn twofold_proposal(&self, validator: ValidatorIndex, sayings: &Sayings) -> Option<Evidence> {
        sayings.proposals.iter().find_map(|(view, blocks)| {
            let (first, second) = two(blocks)?;
            Some(self.against(validator, Contradiction::Proposals { view: *view, first, second }))
        })
    }

    fn forgotten(&self, validator: ValidatorIndex, sayings: &Sayings) -> Option<Evidence> {
        let commits = sayings.votes.iter().filter(|((kind, _), _)| *kind == VoteKind::Commit);
        for ((_, view), blocks) in commits {
            let (block, commit_signature) = blocks.first_key_value()?;
            let later = sayings.changes.iter().filter(|(asked, _)| *asked > view);
            for (asked, reports) in later {
                let hides = |at: &Option<PreparedAt>| at.is_none_or(|at| at.view < *view);
                let Some((reported, signature)) = reports.iter().find(|(at, _)| hides(at)) else { continue };
                let contradiction = Contradiction::Forgotten {
                    commit: PreparedAt { view: *view, block: *block },
                    commit_signature: *commit_signature,
                    asked: *asked,
                    reported: *reported,
                    view_change_signature: *signature,
                };
                return Some(self.against(validator, contradiction));
            }
        }
        None
    }

    /// Names the guilty of a fork, or says what paper to look for.
    ///
    /// # Errors
    /// [`NoFork`] if the certificates are no two commit certificates of this height for different blocks.
    pub fn judge(mut self, first: &Certificate, second: &Certificate) -> Result<Verdict, NoFork> {
        for (index, certificate) in [first, second].into_iter().enumerate() {
            if certificate.kind != VoteKind::Commit || !self.add_certificate(certificate) {
                return Err(NoFork::Certificate { index, height: self.height });
            }
        }
        if first.block == second.block {
            return Err(NoFork::SameBlock { block: first.block });
        }
        let mut verdict = Verdict { evidence: self.contradictions(), missing: None };
        let enough = self.set.len() - 2 * self.set.faulty();
        if verdict.accused().len() < enough {
            let (low, high) = if first.view <= second.view { (first, second) } else { (second, first) };
            verdict.missing = self.missing(low, high);
        }
        Ok(verdict)
    }

    /// Follows the argument of `docs/protocol.md` until a paper is not there.
    fn missing(&self, low: &Certificate, high: &Certificate) -> Option<Missing> {
        let other = |(view, blocks): (&View, &Vec<BlockId>)| {
            blocks.iter().find(|block| **block != low.block).map(|block| (*view, *block))
        };
        let Some((view, block)) = self.prepared.range(low.view.next()..).find_map(other) else {
            return Some(Missing::Prepared { view: high.view, block: high.block });
        };
        let Some(carried) = self.justified.get(&(view, block)) else {
            return Some(Missing::Proposal { view, block });
        };
        // It carried a certificate of the view committed in, for another block: the one for the committed block is to be
        // laid beside it.
        let beside = carried.iter().flatten().any(|at| at.view == low.view);
        beside.then_some(Missing::Prepared { view: low.view, block: low.block })
    }
}

type Said = (BlockId, Signature);

/// The first two, if there are two.
fn two(blocks: &BTreeMap<BlockId, Signature>) -> Option<(Said, Said)> {
    let mut all = blocks.iter().map(|(block, signature)| (*block, *signature));
    Some((all.next()?, all.next()?))
}
