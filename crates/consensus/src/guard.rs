//! The signer guard: the only holder of the voting key.
//!
//! Invariant: over any number of restarts with its durable mark, a guard signs at most one statement at a position
//! (height, view, step), and never below a position it has signed at; without a mark it signs nothing that has a position.
//! Since a view-change to w stands at the start of
//! view w, this alone enforces the first half of R3: after it, no prepare or commit of a view below w. And it signs no
//! view-change that hides a certificate it committed on, which is the second half: a node whose log was lost (a reset
//! keeps the guard's file) stays silent at that height instead of denying its commit.

use bincode::{Decode, Encode};
use vostro_crypto::{Hash, SecretKey, Signature, sha256};
use vostro_types::codec::{self, CodecError};
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
    /// Height and view of the last commit signed.
    pub committed: Option<(Height, View)>,
}

impl GuardMark {
    /// The mark of a key that has signed nothing at `height` or above, and shall sign nothing below: the least position of
    /// the height, at which nobody signs, since a view-change asks for a view above 0.
    pub fn unsigned_from(height: Height) -> Self {
        let position = Position { height, view: View(0), step: Step::ViewChange };
        GuardMark { position, digest: Hash([0; 32]), committed: None }
    }

    /// The mark of a key that has signed nothing on this chain yet; a new home holds it.
    pub fn never_signed() -> Self {
        GuardMark::unsigned_from(Height(1))
    }

    /// The mark of a key of which it is known only that it has signed.
    pub fn unknown() -> Self {
        GuardMark::unsigned_from(Height(u64::MAX))
    }

    /// Whether nothing was signed since the mark was made.
    pub fn is_unsigned(&self) -> bool {
        *self == GuardMark::unsigned_from(self.position.height)
    }

    /// The mark's bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// A mark from bytes.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes are not what [`GuardMark::encode`] made.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::MAX)
    }

    /// Largest encoded mark in bytes.
    pub const MAX: usize = 256;
}

/// Why the guard did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardRefusal {
    /// No mark: what was signed before is not known.
    #[error("refused to sign at {asked:?}: what was signed before is not known")]
    Unknown {
        /// The position asked for.
        asked: Position,
    },
    /// Below the mark, or other bytes at the mark.
    #[error("refused to sign at {asked:?}: the mark stands at {mark:?}")]
    Position {
        /// The position asked for.
        asked: Position,
        /// The position of the mark.
        mark: Position,
    },
    /// A view-change that does not report the certificate behind a commit signed before.
    #[error("refused to ask for view {asked} at height {height}: it hides the commit signed in view {committed}")]
    Hidden {
        /// The height.
        height: Height,
        /// The view asked for.
        asked: View,
        /// The view of the commit.
        committed: View,
    },
}

/// The voting key and its mark.
#[derive(Clone, Debug)]
pub struct Guard {
    key: SecretKey,
    mark: Option<GuardMark>,
}

impl Guard {
    /// A guard for `key` with the mark its file held; `None` or [`GuardMark::unknown`] if the mark is lost.
    pub fn new(key: SecretKey, mark: Option<GuardMark>) -> Self {
        Guard { key, mark: mark.filter(|mark| *mark != GuardMark::unknown()) }
    }

    /// The mark now.
    pub fn mark(&self) -> Option<GuardMark> {
        self.mark
    }

    /// Whether a statement at `position` could be new: it lies above the mark.
    pub fn is_above_mark(&self, position: Position) -> bool {
        self.mark.is_some_and(|mark| position > mark.position)
    }

    /// Raises the mark so that nothing is signed below `height`.
    pub fn start_from(&mut self, height: Height) {
        let start = GuardMark::unsigned_from(height);
        if self.mark.is_none_or(|mark| mark.position < start.position) {
            self.mark = Some(start);
        }
    }

    /// Forgets a mark that turned out to be wrong: this key has signed what the mark does not know.
    pub fn forget(&mut self) {
        self.mark = None;
    }

    /// Signs and raises the mark. Repeating the statement at the mark is allowed and gives the same signature.
    ///
    /// # Errors
    /// [`GuardRefusal`], one variant a rule.
    pub fn sign(&mut self, statement: &Statement, chain: &Hash, set: &ValidatorSet) -> Result<Signature, GuardRefusal> {
        let bytes = statement.bytes(chain, set);
        if let (Some(asked), None) = (statement.position(), self.mark) {
            return Err(GuardRefusal::Unknown { asked });
        }
        if let (Some(asked), Some(mark)) = (statement.position(), self.mark) {
            let other = asked == mark.position && sha256(&bytes) != mark.digest;
            if asked < mark.position || other {
                return Err(GuardRefusal::Position { asked, mark: mark.position });
            }
            if let (Statement::ViewChange { height, view, prepared }, Some(last)) = (*statement, mark.committed)
                && last.0 == height
                && prepared.is_none_or(|at| at.view < last.1)
            {
                return Err(GuardRefusal::Hidden { height, asked: view, committed: last.1 });
            }
        }
        // From here on the statement counts as signed.
        self.raise(statement, &bytes);
        Ok(self.key.sign(&bytes))
    }

    /// Raises the mark to a statement found signed in the consensus log, in case the log got further than the file.
    pub fn learn(&mut self, statement: &Statement, chain: &Hash, set: &ValidatorSet) {
        let mark = self.mark.map(|mark| mark.position);
        if statement.position().is_some_and(|position| mark.is_none_or(|mark| position > mark)) {
            self.raise(statement, &statement.bytes(chain, set));
        }
    }

    fn raise(&mut self, statement: &Statement, bytes: &[u8]) {
        let Some(position) = statement.position() else { return };
        let committed = match position.step {
            Step::Commit => Some((position.height, position.view)),
            Step::ViewChange | Step::PrePrepare | Step::Prepare => self.mark.and_then(|mark| mark.committed),
        };
        self.mark = Some(GuardMark { position, digest: sha256(bytes), committed });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use vostro_types::{AccountId, BlockId, Epoch, Label, PreparedAt, Validator};

    use super::*;

    const CHAIN: Hash = Hash([7; 32]);

    fn set() -> Arc<ValidatorSet> {
        let validator = Validator {
            name: Label::new("a").unwrap(),
            platform: AccountId([0; 32]),
            key: SecretKey::from_seed([1; 32]).public(),
            network_key: SecretKey::from_seed([2; 32]).public(),
        };
        Arc::new(ValidatorSet::new(Epoch(0), vec![validator]).unwrap())
    }

    fn guard(mark: Option<GuardMark>) -> Guard {
        Guard::new(SecretKey::from_seed([1; 32]), mark)
    }

    fn vote(kind: VoteKind, height: u64, view: u64, block: u8) -> Statement {
        Statement::Vote { kind, height: Height(height), view: View(view), block: BlockId(Hash([block; 32])) }
    }

    fn change(height: u64, view: u64, prepared: Option<u64>) -> Statement {
        let prepared = prepared.map(|v| PreparedAt { view: View(v), block: BlockId(Hash([1; 32])) });
        Statement::ViewChange { height: Height(height), view: View(view), prepared }
    }

    fn signs(guard: &mut Guard, statement: &Statement) -> bool {
        guard.sign(statement, &CHAIN, &set()).is_ok()
    }

    #[test]
    fn one_statement_a_position_and_none_below() {
        let mut guard = guard(Some(GuardMark::never_signed()));
        assert!(signs(&mut guard, &vote(VoteKind::Prepare, 5, 2, 1)));
        let first = guard.sign(&vote(VoteKind::Prepare, 5, 2, 1), &CHAIN, &set()).unwrap();
        assert_eq!(guard.sign(&vote(VoteKind::Prepare, 5, 2, 1), &CHAIN, &set()).unwrap(), first);
        for refused in [
            vote(VoteKind::Prepare, 5, 2, 2),
            vote(VoteKind::Prepare, 5, 1, 1),
            vote(VoteKind::Commit, 5, 1, 1),
            vote(VoteKind::Commit, 4, 9, 1),
            change(5, 2, None),
            change(4, 9, None),
            Statement::PrePrepare { height: Height(5), view: View(2), block: BlockId(Hash([1; 32])) },
        ] {
            assert!(!signs(&mut guard, &refused), "{refused:?}");
        }
        assert!(signs(&mut guard, &vote(VoteKind::Commit, 5, 2, 1)));
        assert!(signs(&mut guard, &change(5, 3, Some(2))));
        assert!(!signs(&mut guard, &vote(VoteKind::Commit, 5, 2, 1)), "R3");
        assert!(signs(&mut guard, &vote(VoteKind::Prepare, 6, 0, 1)));
    }

    #[test]
    fn without_a_mark_nothing_is_signed_but_a_status() {
        for mark in [None, Some(GuardMark::unknown())] {
            let mut guard = guard(mark);
            for refused in [vote(VoteKind::Prepare, 1, 0, 1), vote(VoteKind::Commit, 99, 9, 1), change(1, 1, None)] {
                let refusal = guard.sign(&refused, &CHAIN, &set()).unwrap_err();
                assert_eq!(refusal, GuardRefusal::Unknown { asked: refused.position().unwrap() });
            }
            assert!(signs(&mut guard, &Statement::Status { height: Height(3), block: BlockId(Hash([1; 32])) }));
        }
    }

    #[test]
    fn a_start_height_is_a_floor_for_good() {
        let mut guard = guard(None);
        guard.start_from(Height(8));
        assert!(!signs(&mut guard, &vote(VoteKind::Commit, 7, 100, 1)));
        assert!(guard.mark().unwrap().is_unsigned());
        assert!(signs(&mut guard, &vote(VoteKind::Prepare, 8, 0, 1)));
        assert!(!guard.mark().unwrap().is_unsigned());
        let mark = guard.mark();
        guard.start_from(Height(8));
        assert_eq!(guard.mark(), mark, "never lowered");
        // nor is what was signed at the very first position of the height forgotten
        assert!(signs(&mut guard, &change(9, 0, None)));
        let mark = guard.mark();
        guard.start_from(Height(9));
        assert_eq!(guard.mark(), mark);
        guard.start_from(Height(10));
        assert_eq!(guard.mark(), Some(GuardMark::unsigned_from(Height(10))), "but raised");
    }

    #[test]
    fn a_mark_binds_the_next_life() {
        let mut before = guard(Some(GuardMark::never_signed()));
        assert!(signs(&mut before, &vote(VoteKind::Prepare, 1, 0, 1)));
        let mark = GuardMark::decode(&before.mark().unwrap().encode()).unwrap();
        let mut after = guard(Some(mark));
        assert!(!signs(&mut after, &vote(VoteKind::Prepare, 1, 0, 2)));
        assert!(signs(&mut after, &vote(VoteKind::Prepare, 1, 0, 1)));
    }

    #[test]
    fn a_commit_is_not_denied_after_the_log_is_lost() {
        let mut before = guard(Some(GuardMark::never_signed()));
        assert!(signs(&mut before, &vote(VoteKind::Commit, 1, 3, 1)));
        let mut after = guard(before.mark());
        for hides in [change(1, 4, None), change(1, 4, Some(2))] {
            let refusal = after.sign(&hides, &CHAIN, &set()).unwrap_err();
            assert_eq!(refusal, GuardRefusal::Hidden { height: Height(1), asked: View(4), committed: View(3) });
        }
        assert!(signs(&mut after, &change(1, 4, Some(3))));
        assert!(signs(&mut after, &change(2, 1, None)), "another height");
    }

    #[test]
    fn a_status_promises_nothing() {
        let mut guard = guard(Some(GuardMark::never_signed()));
        assert!(signs(&mut guard, &vote(VoteKind::Commit, 9, 0, 1)));
        let mark = guard.mark();
        assert!(signs(&mut guard, &Statement::Status { height: Height(3), block: BlockId(Hash([1; 32])) }));
        assert_eq!(guard.mark(), mark);
    }

    #[test]
    fn the_log_can_only_raise_the_mark() {
        let mut guard = guard(Some(GuardMark::never_signed()));
        assert!(signs(&mut guard, &vote(VoteKind::Prepare, 2, 1, 1)));
        let mark = guard.mark();
        guard.learn(&vote(VoteKind::Prepare, 2, 0, 1), &CHAIN, &set());
        assert_eq!(guard.mark(), mark);
        guard.learn(&vote(VoteKind::Commit, 2, 1, 1), &CHAIN, &set());
        assert!(!signs(&mut guard, &change(2, 2, None)));
    }
}
