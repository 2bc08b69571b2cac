//! Money locked to a hash: the hook by which a payment here and one on another ledger happen both or not at all.
//!
//! Invariant: a lock holds its amount until it ends, and it ends once: claimed before the deadline by whom it names, with
//! the preimage, or returned to its owner from the deadline on.

use vostro_crypto::{Hash, sha256};
use vostro_types::Event;
use vostro_types::transaction::{HtlcClaim, HtlcLock, HtlcRefund};

use crate::authority::{Call, open_account, require_asset};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::{Htlc, HtlcEnd};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ACCOUNTS, HTLCS};
use crate::{Done, above_zero, limits};

/// Longest time from a lock to its deadline: 366 days, in milliseconds.
pub const MAX_LOCK_MS: u64 = 366 * 86_400_000;

pub(crate) fn lock(call: &Call<'_>, action: &HtlcLock, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (owner, to, asset, amount) = (call.sender, action.to, action.asset, action.amount);
    let key = (owner, action.htlc_id.clone());
    if let Some(old) = HTLCS.get(reader, &key) {
        same_or_conflict(&[
            ("to", old.to == to),
            ("asset", old.asset == asset),
            ("amount", old.amount == amount),
            ("hash", old.hash == action.hash),
            ("deadline", old.deadline == action.deadline),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    above_zero(amount, "amount")?;
    if owner == to {
        return Err(refuse::same_account("to"));
    }
    require_asset(reader, asset)?;
    let receiver = open_account(reader, to, "to")?;
    let now = call.context.time;
    if action.deadline <= now || action.deadline > now.plus(MAX_LOCK_MS) {
        return Err(refuse::timelock("deadline"));
    }
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    limits::cooling(call.context, parameters, &receiver, amount)?;
    let outflow = limits::outflow(call.context, reader, parameters, owner, &call.head, asset, amount)?;
    let mut books = Books::default();
    books.debit(reader, owner, asset, amount, "sender")?;

    // Point of no return.
    let (hash, deadline) = (action.hash, action.deadline);
    outflow.commit(ledger);
    HTLCS.put(ledger, &key, &Htlc { tx: call.id(), to, asset, amount, hash, deadline, end: None });
    books.event(Event::HtlcLocked { owner, htlc_id: key.1, to, asset, amount, hash, deadline });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn claim(call: &Call<'_>, action: &HtlcClaim, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = (action.owner, action.htlc_id.clone());
    let mut htlc = HTLCS.get(reader, &key).ok_or_else(|| refuse::missing("htlc_id"))?;
    if call.sender != htlc.to {
        return Err(refuse::role("sender"));
    }
    match htlc.end {
        Some(HtlcEnd::Claimed { tx, preimage }) if preimage == action.preimage => return Ok(Done::Replayed(tx)),
        Some(_) => return Err(refuse::state("htlc_id")),
        None => {}
    }
    if sha256(&action.preimage) != htlc.hash {
        return Err(refuse::preimage("preimage"));
    }
    if call.context.time >= htlc.deadline {
        return Err(refuse::timelock("deadline"));
    }

    // Point of no return.
    let mut books = Books::default();
    books.credit(reader, htlc.to, htlc.asset, htlc.amount);
    htlc.end = Some(HtlcEnd::Claimed { tx: call.id(), preimage: action.preimage });
    HTLCS.put(ledger, &key, &htlc);
    books.event(Event::HtlcClaimed { owner: key.0, htlc_id: key.1, preimage: Hash(action.preimage) });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn refund(call: &Call<'_>, action: &HtlcRefund, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = (action.owner, action.htlc_id.clone());
    let mut htlc = HTLCS.get(reader, &key).ok_or_else(|| refuse::missing("htlc_id"))?;
    let opener = ACCOUNTS.get(reader, &action.owner).expect("whoever locked money exists").platform;
    if call.sender != action.owner && call.sender != opener && !call.head.roles.risk {
        return Err(refuse::role("sender"));
    }
    match htlc.end {
        Some(HtlcEnd::Refunded { tx }) => return Ok(Done::Replayed(tx)),
        Some(HtlcEnd::Claimed { .. }) => return Err(refuse::state("htlc_id")),
        None => {}
    }
    if call.context.time < htlc.deadline {
        return Err(refuse::timelock("deadline"));
    }

    // Point of no return.
    let mut books = Books::default();
    books.credit(reader, action.owner, htlc.asset, htlc.amount);
    htlc.end = Some(HtlcEnd::Refunded { tx: call.id() });
    HTLCS.put(ledger, &key, &htlc);
    books.event(Event::HtlcRefunded { owner: key.0, htlc_id: key.1 });
    Ok(Done::Applied(books.commit(ledger)))
}
