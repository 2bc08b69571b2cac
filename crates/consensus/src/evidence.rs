//! Proof that a validator contradicted itself.
//!
//! Invariant: evidence that verifies names a validator that broke the protocol, never an honest one: the guard of an
//! honest validator signs one statement at a position, and a view-change reports every certificate behind its commits.

use bincode::{Decode, Encode};
use vostro_crypto::{Batch, Hash};
use vostro_types::{BlockId, Height, Signature, ValidatorIndex, ValidatorSet, View, VoteKind};

use crate::message::{PreparedAt, Statement};

/// Two signed statements of one validator that an honest one cannot both have signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Evidence {
    /// E1: prepares or commits for two blocks in one view.
    Votes {
        /// Who.
        validator: ValidatorIndex,
        /// Prepare or commit.
        kind: VoteKind,
        /// The height.
        height: Height,
        /// The view.
        view: View,
        /// One block and the signature for it.
        first: (BlockId, Signature),
        /// Another block and the signature for it.
        second: (BlockId, Signature),
    },
    /// E2: proposals of two blocks in one view.
    Proposals {
        /// Who.
        validator: ValidatorIndex,
        /// The height.
        height: Height,
        /// The view.
        view: View,
        /// One block and the signature for it.
        first: (BlockId, Signature),
        /// Another block and the signature for it.
        second: (BlockId, Signature),
    },
    /// E3: a commit, and a view-change to a later view that hides the certificate behind it.
    Forgotten {
        /// Who.
        validator: ValidatorIndex,
        /// The height.
        height: Height,
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

impl Evidence {
    /// The accused.
    pub fn validator(&self) -> ValidatorIndex {
        match self {
            Evidence::Votes { validator, .. }
            | Evidence::Proposals { validator, .. }
            | Evidence::Forgotten { validator, .. } => *validator,
        }
    }

    /// E1, E2 or E3.
    pub fn name(&self) -> &'static str {
        match self {
            Evidence::Votes { .. } => "E1",
            Evidence::Proposals { .. } => "E2",
            Evidence::Forgotten { .. } => "E3",
        }
    }

    /// Whether it proves what it says: the statements contradict each other and the accused signed both.
    pub fn verify(&self, chain: &Hash, set: &ValidatorSet) -> bool {
        let Some(member) = set.get(self.validator()) else { return false };
        let (contradict, statements) = match *self {
            Evidence::Votes { kind, height, view, first, second, .. } => {
                let vote = |block| Statement::Vote { kind, height, view, block };
                (first.0 != second.0, [(vote(first.0), first.1), (vote(second.0), second.1)])
            }
            Evidence::Proposals { height, view, first, second, .. } => {
                let proposal = |block| Statement::PrePrepare { height, view, block };
                (first.0 != second.0, [(proposal(first.0), first.1), (proposal(second.0), second.1)])
            }
            Evidence::Forgotten {
                height, commit, commit_signature, asked, reported, view_change_signature, ..
            } => {
                let hidden = asked > commit.view && reported.is_none_or(|at| at.view < commit.view);
                let vote = Statement::Vote { kind: VoteKind::Commit, height, view: commit.view, block: commit.block };
                let change = Statement::ViewChange { height, view: asked, prepared: reported };
                (hidden, [(vote, commit_signature), (change, view_change_signature)])
            }
        };
        let mut batch = Batch::new();
        for (statement, signature) in &statements {
            batch.push(&member.key, &statement.bytes(chain, set), signature);
        }
        contradict && batch.verify().is_ok()
    }
}
