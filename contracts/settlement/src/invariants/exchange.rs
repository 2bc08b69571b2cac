//! Money locked to hashes, quotes that were taken, anchored reports.

use vostro_crypto::sha256;

use super::step::immutable;
use super::{Summary, Violation, require, units};
use crate::ledger::Reader;
use crate::model::HtlcEnd;
use crate::tables::{ACCOUNTS, HTLCS, QUOTES, REPORTS};

pub(super) fn check(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    for ((owner, _), htlc) in HTLCS.walk(reader, &()) {
        let known = ACCOUNTS.contains(reader, &owner) && ACCOUNTS.contains(reader, &htlc.to);
        require(known, || Violation::Records { rule: "locks are between accounts that exist" })?;
        let money = summary.money.get_mut(&htlc.asset);
        let money = money.ok_or(Violation::Records { rule: "locks are of assets that exist" })?;
        match htlc.end {
            None => money.htlcs += units(htlc.amount),
            Some(HtlcEnd::Claimed { preimage, .. }) => {
                let opens = sha256(&preimage) == htlc.hash;
                require(opens, || Violation::Records { rule: "a claimed lock was opened by its preimage" })?;
            }
            Some(HtlcEnd::Refunded { .. }) => {}
        }
    }
    Ok(())
}

pub(super) fn check_step(before: &dyn Reader, after: &dyn Reader) -> Result<(), Violation> {
    for (key, old) in HTLCS.walk(before, &()) {
        let new = HTLCS.get(after, &key);
        // A lock ends once; nothing else of it ever changes.
        let kept = new.is_some_and(|new| match old.end {
            Some(_) => new == old,
            None => crate::model::Htlc { end: None, ..new } == old,
        });
        require(kept, || Violation::Records { rule: "a lock changes once, when it ends" })?;
    }
    immutable(before, after, &QUOTES, "quotes that were taken stay as they are")?;
    immutable(before, after, &REPORTS, "anchored reports stay as they are")
}
