//! What a block may change, from the state before to the state after.

use std::collections::BTreeMap;

use vostro_types::receipt::Bucket;
use vostro_types::{AccountId, AccountStatus, AssetCode, Receipt};

use super::{Violation, require};
use crate::ledger::Reader;
use crate::model::Balance;
use crate::table::KeyPart;
use crate::tables::{self, ACCOUNTS, BALANCES, DEPOSITS, EVIDENCE, WITHDRAWALS};

/// Checks what a block did: that postings tell every change of a balance and chain up to it, and that nothing terminal
/// changed.
///
/// # Errors
/// The first rule found that does not hold.
pub fn check_step(before: &dyn Reader, after: &dyn Reader, receipts: &[Receipt]) -> Result<(), Violation> {
    let mut balances: BTreeMap<(AccountId, AssetCode), Balance> = BALANCES.walk(before, &()).collect();
    for receipt in receipts {
        let quiet = receipt.postings.is_empty() && receipt.events.is_empty() && receipt.fee.is_zero();
        require(receipt.applied() || quiet, || Violation::Postings { rule: "only what took effect says anything" })?;
        for posting in &receipt.postings {
            let balance = balances.entry((posting.account, posting.asset)).or_default();
            let side = match posting.bucket {
                Bucket::Available => &mut balance.available,
                Bucket::Held => &mut balance.held,
                Bucket::Collateral => &mut balance.collateral,
            };
            let moved = if posting.credit { side.add(posting.amount) } else { side.sub(posting.amount) };
            let broken = || Violation::Postings { rule: "balance after = balance before ± amount" };
            require(moved == Ok(posting.balance) && !posting.amount.is_zero(), broken)?;
            *side = posting.balance;
        }
    }
    for (key, balance) in BALANCES.walk(after, &()) {
        let told = Balance { owed: balance.owed, ..balances.remove(&key).unwrap_or_default() };
        require(told == balance, || Violation::Postings { rule: "every change of a balance is posted" })?;
    }
    let left = balances.values().all(|b| *b == Balance::default());
    require(left, || Violation::Postings { rule: "what is posted is in the balances" })?;
    check_terminal(before, after)?;
    super::governance::check_step(before, after, receipts)
}

fn check_terminal(before: &dyn Reader, after: &dyn Reader) -> Result<(), Violation> {
    for (account, old) in ACCOUNTS.walk(before, &()) {
        let new = ACCOUNTS.get(after, &account);
        let stays = old.status != AccountStatus::Closed || new.is_some_and(|n| n.status == AccountStatus::Closed);
        require(stays && new.is_some(), || Violation::Account { account, rule: "closed is final" })?;
    }
    // What a business key stands for never changes; a withdrawal changes once, when it ends.
    let kept = |key: Vec<u8>, rule| require(before.get(&key) == after.get(&key), || Violation::Records { rule });
    for (key, _) in DEPOSITS.walk(before, &()) {
        kept(DEPOSITS.key(&key), "deposits stay as they are")?;
    }
    for (key, old) in WITHDRAWALS.walk(before, &()) {
        if old.end.is_some() {
            kept(WITHDRAWALS.key(&key), "ended withdrawals stay as they are")?;
        }
    }
    immutable(before, after, &tables::VALIDATORS, "the validators are those of the genesis")?;
    immutable(before, after, &EVIDENCE, "evidence stays as it is")?;
    immutable(before, after, &tables::PLANS, "plans stay as they are")?;
    immutable(before, after, &tables::ITEMS, "items stay as they are")?;
    super::orders::check_step(before, after)?;
    super::campaigns::check_step(before, after)?;
    super::mandates::check_step(before, after)?;
    super::exchange::check_step(before, after)
}

pub(super) fn immutable<K, V>(
    before: &dyn Reader,
    after: &dyn Reader,
    table: &crate::table::Table<K, V>,
    rule: &'static str,
) -> Result<(), Violation>
where
    K: KeyPart,
    V: vostro_types::codec::Encode + vostro_types::codec::Decode<()>,
{
    for (key, _) in table.walk(before, &()) {
        let key = table.key(&key);
        require(before.get(&key) == after.get(&key), || Violation::Records { rule })?;
    }
    Ok(())
}
