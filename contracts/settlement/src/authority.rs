//! Who may: whether the keys that signed may act for an account, and whether its status lets it.
//!
//! Invariant: an account is debited only if its own policy is satisfied by the keys that signed, or if an earlier
//! agreement of that account says so (a leg it was paid, a plan whose refunds it agreed to bear, a window position it
//! took). Whoever sends an action is Active: a frozen account keeps its rights but cannot use them.

use vostro_types::{AccountId, AccountKind, AccountStatus, AssetCode, TxId, VerifiedTransaction};

use crate::BlockContext;
use crate::ledger::Reader;
use crate::model::AccountHead;
use crate::rejection::{About, Rejection, refuse};
use crate::tables::{ACCOUNTS, ASSETS, POLICIES};

/// A transaction whose keys may act for its sender, in its block.
pub(crate) struct Call<'a> {
    pub(crate) context: &'a BlockContext,
    pub(crate) tx: &'a VerifiedTransaction,
    pub(crate) sender: AccountId,
    pub(crate) head: AccountHead,
}

impl<'a> Call<'a> {
    /// Checks that the sender exists (401), that the keys satisfy its policy (101, 107), and that it is Active (402,
    /// 403, 404). No action changes its own sender's status, so this holds for all actions of a batch.
    pub(crate) fn open(
        context: &'a BlockContext,
        tx: &'a VerifiedTransaction,
        reader: &dyn Reader,
    ) -> Result<Self, Rejection> {
        let sender = tx.body().sender;
        let head = ACCOUNTS.get(reader, &sender).ok_or_else(|| refuse::missing("sender"))?;
        require_signed(reader, tx, sender, "sender")?;
        require_active(&head, "sender")?;
        Ok(Call { context, tx, sender, head })
    }

    pub(crate) fn id(&self) -> TxId {
        self.tx.id()
    }

    /// The sender must be of a kind (106).
    pub(crate) fn require_kind(&self, kind: AccountKind) -> Result<(), Rejection> {
        require_kind(&self.head, kind, "sender")
    }

    /// Whether the keys satisfy another account's policy.
    pub(crate) fn signed_by(&self, reader: &dyn Reader, account: AccountId) -> bool {
        require_signed(reader, self.tx, account, "").is_ok()
    }
}

fn require_signed(
    reader: &dyn Reader,
    tx: &VerifiedTransaction,
    account: AccountId,
    about: About,
) -> Result<(), Rejection> {
    let policy = POLICIES.get(reader, &account).ok_or_else(|| refuse::missing(about))?;
    match policy.weight_of(tx.keys()) {
        0 => Err(refuse::signature(about)),
        weight if weight < policy.threshold() => Err(refuse::threshold(about)),
        _ => Ok(()),
    }
}

pub(crate) fn require_kind(head: &AccountHead, kind: AccountKind, about: About) -> Result<(), Rejection> {
    if head.kind == kind { Ok(()) } else { Err(refuse::role(about)) }
}

/// The account must be Active, so that it may pay and act (402, 403, 404).
pub(crate) fn require_active(head: &AccountHead, about: About) -> Result<(), Rejection> {
    match head.status {
        AccountStatus::Active => Ok(()),
        AccountStatus::DebitFrozen => Err(refuse::debit_frozen(about)),
        AccountStatus::Frozen => Err(refuse::frozen(about)),
        AccountStatus::Closed => Err(refuse::closed(about)),
    }
}

/// The account must not be closed (404).
pub(crate) fn require_open(head: &AccountHead, about: About) -> Result<(), Rejection> {
    if head.status == AccountStatus::Closed { Err(refuse::closed(about)) } else { Ok(()) }
}

/// The account must exist (401) and not be closed (404).
pub(crate) fn open_account(reader: &dyn Reader, account: AccountId, about: About) -> Result<AccountHead, Rejection> {
    let head = ACCOUNTS.get(reader, &account).ok_or_else(|| refuse::missing(about))?;
    require_open(&head, about)?;
    Ok(head)
}

/// The asset must exist (203).
pub(crate) fn require_asset(reader: &dyn Reader, asset: AssetCode) -> Result<(), Rejection> {
    if ASSETS.contains(reader, &asset) { Ok(()) } else { Err(refuse::asset("asset")) }
}
