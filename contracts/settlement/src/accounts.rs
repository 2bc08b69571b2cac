//! OpenAccount, SetStatus, SetKeys and SetTier.
//!
//! Invariant: an account's keys change only by its own keys, old and new; its id, kind and platform never change.

use vostro_types::parameters::ACCOUNT_TIERS;
use vostro_types::receipt::Bucket;
use vostro_types::transaction::{OpenAccount, SetKeys, SetStatus, SetTier};
use vostro_types::{AccountId, AccountKind, AccountStatus, Amount, AssetCode, Event, Roles};

use crate::authority::{Call, require_open};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::{AccountHead, Balance};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ACCOUNTS, ASSETS, ATTESTATIONS, BALANCES, FUND, POLICIES};
use crate::{Done, netting};

/// Tier of a new account, before any identity check.
const FIRST_TIER: u8 = 1;

pub(crate) fn open(call: &Call<'_>, action: &OpenAccount, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    call.require_kind(AccountKind::Platform)?;
    let account = action.policy.account_id(&action.salt);
    if let Some(old) = ACCOUNTS.get(&*ledger, &account) {
        same_or_conflict(&[("kind", old.kind == action.kind), ("platform", old.platform == call.sender)])?;
        return Ok(Done::Replayed(old.tx));
    }
    match action.kind {
        AccountKind::User | AccountKind::Creator | AccountKind::Tax | AccountKind::Suspense => {}
        AccountKind::Platform | AccountKind::NetworkFee | AccountKind::Gateway => return Err(refuse::role("kind")),
    }
    action.policy.require_prime_order().map_err(|_| refuse::malformed("policy"))?;
    // The owner agrees to belong to this platform; else whoever saw a key first could take its account.
    if action.policy.weight_of(call.tx.keys()) < action.policy.threshold() {
        return Err(refuse::threshold("policy"));
    }

    // Point of no return.
    let head = AccountHead {
        kind: action.kind,
        status: AccountStatus::Active,
        status_by_risk: false,
        tier: FIRST_TIER,
        tier_by_risk: false,
        roles: Roles::default(),
        platform: call.sender,
        opened: call.context.time,
        tx: call.id(),
    };
    ACCOUNTS.put(ledger, &account, &head);
    POLICIES.put(ledger, &account, &action.policy);
    let mut books = Books::default();
    books.event(Event::AccountOpened { account, kind: action.kind, platform: call.sender });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn set_status(call: &Call<'_>, action: &SetStatus, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let account = action.account;
    let head = ACCOUNTS.get(reader, &account).ok_or_else(|| refuse::missing("account"))?;
    let opened_it = head.platform == call.sender && !head.status_by_risk;
    if account == call.sender || !(call.head.roles.risk || opened_it) {
        return Err(refuse::role("account"));
    }
    if head.status == AccountStatus::Closed {
        return Err(refuse::state("status"));
    }
    if action.status == AccountStatus::Closed {
        if !call.head.roles.risk && !call.signed_by(reader, account) {
            return Err(refuse::threshold("account"));
        }
        require_closable(reader, account, &head)?;
    }

    // Point of no return.
    let status_by_risk = call.head.roles.risk && action.status != AccountStatus::Active;
    let head = AccountHead { status: action.status, status_by_risk, ..head };
    let mut books = Books::default();
    books.set_head(account, head);
    if matches!(action.status, AccountStatus::Active | AccountStatus::DebitFrozen) {
        for ((_, asset), balance) in balances(reader, account) {
            books.take(reader, account, asset, Bucket::Held, balance.held, Amount::ZERO);
            books.put_back(reader, account, asset, Bucket::Available, balance.held);
            if action.status == AccountStatus::Active {
                // Refunds left its money alone while it might not pay; it pays before it can spend.
                books.pay_debts(reader, account, asset);
            }
        }
    }
    ACCOUNTS.put(ledger, &account, &head);
    books.event(Event::StatusSet { account, status: action.status, reason: action.reason.clone() });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn set_keys(call: &Call<'_>, action: &SetKeys, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    // That the old keys signed was checked when the call was opened.
    let account = call.sender;
    action.policy.require_prime_order().map_err(|_| refuse::malformed("policy"))?;
    if action.policy.weight_of(call.tx.keys()) < action.policy.threshold() {
        return Err(refuse::threshold("policy"));
    }
    if POLICIES.get(&*ledger, &account).as_ref() == Some(&action.policy) {
        return Err(refuse::state("policy"));
    }

    // Point of no return.
    POLICIES.put(ledger, &account, &action.policy);
    let mut books = Books::default();
    books.event(Event::KeysSet { account });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn set_tier(call: &Call<'_>, action: &SetTier, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let SetTier { account, tier, attestation } = *action;
    let head = ACCOUNTS.get(&*ledger, &account).ok_or_else(|| refuse::missing("account"))?;
    // Neither is an account that the risk desk froze given more by its platform, nor does that undo the desk's tier.
    let opened_it = head.platform == call.sender && !head.status_by_risk && !head.tier_by_risk;
    if account == call.sender || !(call.head.roles.risk || opened_it) {
        return Err(refuse::role("account"));
    }
    if !matches!(head.kind, AccountKind::User | AccountKind::Creator) {
        return Err(refuse::role("kind"));
    }
    require_open(&head, "account")?;
    if !(1..=ACCOUNT_TIERS).contains(&tier.into()) {
        return Err(refuse::tier("tier"));
    }

    // Point of no return.
    ACCOUNTS.put(ledger, &account, &AccountHead { tier, tier_by_risk: call.head.roles.risk, ..head });
    ATTESTATIONS.put(ledger, &account, &attestation);
    let mut books = Books::default();
    books.event(Event::TierSet { account, tier, attestation });
    Ok(Done::Applied(books.commit(ledger)))
}

fn balances(reader: &dyn Reader, account: AccountId) -> Vec<((AccountId, AssetCode), Balance)> {
    BALANCES.walk(reader, &account).collect()
}

/// An account may close if it is empty, owes nothing, has no part in a mutual fund and in no unsettled window. The
/// accounts that stand in for closed ones stay.
fn require_closable(reader: &dyn Reader, account: AccountId, head: &AccountHead) -> Result<(), Rejection> {
    if matches!(head.kind, AccountKind::NetworkFee | AccountKind::Suspense) {
        return Err(refuse::state("kind"));
    }
    if balances(reader, account).iter().any(|(_, b)| *b != Balance::default()) {
        return Err(refuse::state("balance"));
    }
    if ASSETS.walk(reader, &()).any(|(asset, _)| FUND.contains(reader, &(asset, account))) {
        return Err(refuse::state("fund"));
    }
    let involved = |asset| netting::unsettled_nets(reader, asset, account).iter().any(|net| *net != 0);
    if ASSETS.walk(reader, &()).any(|(asset, _)| involved(asset)) {
        return Err(refuse::state("window"));
    }
    Ok(())
}
