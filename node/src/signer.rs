//! What a home knows of its validator's past signatures, for the operator: written at `init`, checked at `start`, told in
//! plain words.
//!
//! Invariant: a record of the signer guard is never replaced by one that allows more, but for `--vote-from`, and that only
//! where the record knows of no signature.

use std::path::Path;
use std::sync::Arc;

use color_eyre::eyre::{Result, bail, ensure};
use vostro_consensus::{GuardMark, Record, Waiting};
use vostro_storage::{Guard, JournalDisks};
use vostro_types::{Hash, Height};

use crate::boot::{Opened, lock_home};

/// Writes the first record of a new home's guard; an older record stays.
///
/// # Errors
/// If the home is in use, holds a record of another chain, or the file system refuses.
pub fn begin(root: &Path, chain: &Hash, mark: GuardMark) -> Result<()> {
    let home = lock_home(root)?;
    let disks = JournalDisks::of_home(&home)?;
    let mut guard = Guard::open(Arc::clone(&disks.signer), chain.0)?;
    if guard.load().is_none() {
        guard.write(&mark.encode())?;
    }
    Ok(())
}

/// Lets a validator without memory start, or says why not.
///
/// # Errors
/// If it could never vote again, or the operator's word contradicts what the home knows.
pub fn check(mut opened: Opened, validators: usize, vote_from: Option<Height>) -> Result<Opened> {
    let signed_before = opened.records.iter().any(|record| matches!(record, Record::Own(_)));
    let knows = opened.guard.is_some_and(|mark| !mark.is_unsigned()) || signed_before;
    if let Some(height) = vote_from {
        ensure!(!knows, "this home knows what its validator has signed: start it without --vote-from");
        tracing::warn!(%height, "by its operator's word this validator votes from this height on; if it has signed there \
            before, it may contradict itself");
        let mark = GuardMark::unsigned_from(height);
        opened.journal.guard.write(&mark.encode())?;
        opened.guard = Some(mark);
    } else if !knows && validators < 4 && opened.guard.is_none_or(|mark| mark == GuardMark::unknown()) {
        bail!(
            "this home does not know what its validator has signed, and a set of {validators} bears no validator that waits: \
             start with --vote-from HEIGHT, the first height at which it cannot have signed (1 if it never did); \
             docs/operating.md says what that risks"
        );
    }
    Ok(opened)
}

/// Why a validator does not vote yet.
pub fn words(waiting: Waiting) -> String {
    match waiting {
        Waiting::Statuses { heard, needed } => format!(
            "it does not know what it signed before (its home is new, or its signer's record is lost); {heard} of {needed} \
             other validators have told their height"
        ),
        Waiting::Height(height) => {
            format!("it may have signed before; it follows without voting until height {height} is to be decided")
        }
    }
}

/// Tells the operator when the reason for not voting changes.
pub fn tell(before: Option<Waiting>, now: Option<Waiting>) {
    match (before, now) {
        (_, Some(waiting)) if before != now => {
            tracing::warn!("this validator follows without voting: {}", words(waiting));
        }
        (Some(_), None) => tracing::warn!("this validator votes again"),
        _ => {}
    }
}
