//! The signer guard: the only holder of the voting key.
//!
//! Invariant: over any number of restarts with its durable mark, a guard signs at most one statement at a position
//! (height, view, step), and never below a position it has signed at. Since a view-change to w stands at the start of
//! view w, this alone enforces R3: after it, no prepare or commit of a view below w.

use bincode::{Decode, Encode};
use vostro_crypto::{Hash, SecretKey, Signature, sha256};
use vostro_types::{Height, ValidatorSet, View, VoteKind};

use crate::message::Statement;

/// The order in which a validator speaks within a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Step {
    /// View-change to the view.
    ViewChange,
    /// Proposal in the view.
    PrePrepare,
    /// Prepare in the view.
    Prepare,
    /// Commit in the view.
    Commit,
}

/// A place in the sequence of everything a validator may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Position {
    /// Height.
    pub height: Height,
    /// View.
    pub view: View,
    /// Step within the view.
    pub step: Step,
}

impl Statement {
    /// Where it stands in the signing order; `None` for a status, which promises nothing.
    pub fn position(&self) -> Option<Position> {
        match *self {
            Statement::PrePrepare { height, view, .. } => Some(Position { height, view, step: Step::PrePrepare }),
            Statement::Vote { kind: VoteKind::Prepare, height, view, .. } => {
                Some(Position { height, view, step: Step::Prepare })
            }
            Statement::Vote { kind: VoteKind::Commit, height, view, .. } => {
                Some(Position { height, view, step: Step::Commit })
            }
            Statement::ViewChange { height, view, .. } => Some(Position { height, view, step: Step::ViewChange }),
            Statement::Status { .. } => None,
        }
    }
}

/// The highest position signed at, and what was signed there. The host keeps it in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GuardMark {
    /// The position.
    pub position: Position,
    /// SHA-256 of the bytes signed.
    pub digest: Hash,
}

/// Why the guard did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused to sign at {asked:?}: the mark stands at {mark:?}")]
pub struct GuardRefusal {
    /// The position asked for.
    pub asked: Position,
    /// The position of the mark.
    pub mark: Position,
}

/// The voting key and its mark.
#[derive(Clone, Debug)]
pub struct Guard {
    key: SecretKey,
    mark: Option<GuardMark>,
}

impl Guard {
    /// A guard for `key` with the mark its file held; `None` only for a key that never signed.
    pub fn new(key: SecretKey, mark: Option<GuardMark>) -> Self {
        Guard { key, mark }
    }

    /// The mark now.
    pub fn mark(&self) -> Option<GuardMark> {
        self.mark
    }

    /// Whether a statement at `position` could be new: it lies above the mark.
    pub fn is_above_mark(&self, position: Position) -> bool {
        self.mark.is_none_or(|mark| position > mark.position)
    }

    /// Signs and raises the mark. Repeating the statement at the mark is allowed and gives the same signature.
    ///
    /// # Errors
    /// [`GuardRefusal`] below the mark, or at the mark for other bytes.
    pub fn sign(&mut self, statement: &Statement, chain: &Hash, set: &ValidatorSet) -> Result<Signature, GuardRefusal> {
        let bytes = statement.bytes(chain, set);
        if let Some(asked) = statement.position() {
            let digest = sha256(&bytes);
            if let Some(mark) = self.mark
                && (asked < mark.position || (asked == mark.position && digest != mark.digest))
            {
                return Err(GuardRefusal { asked, mark: mark.position });
            }
            self.mark = Some(GuardMark { position: asked, digest });
        }
        Ok(self.key.sign(&bytes))
    }

    /// Raises the mark to a statement found signed in the consensus log, in case the log got further than the file.
    pub fn learn(&mut self, statement: &Statement, chain: &Hash, set: &ValidatorSet) {
        if let Some(position) = statement.position()
            && self.is_above_mark(position)
        {
            self.mark = Some(GuardMark { position, digest: sha256(&statement.bytes(chain, set)) });
        }
    }
}
