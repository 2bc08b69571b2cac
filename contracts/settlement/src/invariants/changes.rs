//! The cheap invariants, which every node asks of every block: what a block changed makes and loses no money, and nets of a
//! window go on summing to zero.
//!
//! It looks at changed entries alone, so it costs as much as the block is large.

use std::collections::BTreeMap;

use vostro_types::AssetCode;

use super::{Violation, require};
use crate::model::{Balance, Campaign, Custody, Htlc, Order, Sponsorship, Withdrawal};
use crate::table::{KeyPart, Table};
use crate::tables::{BALANCES, CAMPAIGNS, CUSTODY, FUND, HTLCS, NETS, ORDERS, WITHDRAWALS};

/// Where an entry stands in the books: an asset's money, or a window's nets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    Money(AssetCode),
    Window(AssetCode, u64),
}

/// Checks the entries that a block changed: key, value before, value after.
///
/// # Errors
/// The rule that does not hold: then the block must not be decided.
pub fn check_changes<'a>(
    changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>, Option<&'a [u8]>)>,
) -> Result<(), Violation> {
    let mut sums: BTreeMap<Account, i128> = BTreeMap::new();
    let mut count = |key: &[u8], value: Option<&[u8]>, sign: i128| {
        let Some(value) = value else { return Ok(()) };
        let (account, units) = worth(key, value).ok_or_else(|| Violation::Malformed { key: key.to_vec() })?;
        *sums.entry(account).or_default() += sign * units;
        Ok(())
    };
    for (key, before, after) in changes {
        if !counts(key) {
            continue;
        }
        count(key, before, -1)?;
        count(key, after, 1)?;
    }
    for (account, sum) in sums {
        let broken = || match account {
            Account::Money(_) => Violation::Records { rule: "a block makes and loses no money" },
            Account::Window(asset, window) => Violation::Window { asset, window, rule: "nets sum to zero" },
        };
        require(sum == 0, broken)?;
    }
    Ok(())
}

const COUNTED: [u8; 8] = [
    BALANCES.prefix(),
    ORDERS.prefix(),
    WITHDRAWALS.prefix(),
    CAMPAIGNS.prefix(),
    HTLCS.prefix(),
    FUND.prefix(),
    CUSTODY.prefix(),
    NETS.prefix(),
];

/// Whether [`check_changes`] looks at the entry with this key; of others it need not know what was there before.
pub fn counts(key: &[u8]) -> bool {
    key.first().is_some_and(|prefix| COUNTED.contains(prefix))
}

/// What an entry is worth: custody counts against the money that it backs. `None` if it does not follow its layout or does not count.
fn worth(key: &[u8], value: &[u8]) -> Option<(Account, i128)> {
    let money = |asset, units: i128| Some((Account::Money(asset), units));
    let prefix = *key.first()?;
    if prefix == BALANCES.prefix() {
        let ((_, asset), balance) = entry(&BALANCES, key, value)?;
        let Balance { available, held, collateral, owed: _ } = balance;
        money(asset, [available, held, collateral].map(|a| i128::from(a.units())).iter().sum())
    } else if prefix == ORDERS.prefix() {
        let Order { asset, pot, .. } = ORDERS.parse_value(value)?;
        money(asset, pot.units().into())
    } else if prefix == WITHDRAWALS.prefix() {
        let withdrawal: Withdrawal = WITHDRAWALS.parse_value(value)?;
        money(withdrawal.asset, withdrawal.pot().units().into())
    } else if prefix == CAMPAIGNS.prefix() {
        let Campaign { asset, sponsors, .. } = CAMPAIGNS.parse_value(value)?;
        let left = |s: &Sponsorship| {
            let [budget, spent, returned] = [s.budget, s.spent, s.returned].map(|a| i128::from(a.units()));
            budget - spent - returned
        };
        money(asset, sponsors.iter().map(left).sum())
    } else if prefix == HTLCS.prefix() {
        let Htlc { asset, amount, end, .. } = HTLCS.parse_value(value)?;
        money(asset, if end.is_none() { amount.units().into() } else { 0 })
    } else if prefix == FUND.prefix() {
        let ((asset, _), part) = entry(&FUND, key, value)?;
        money(asset, part.units().into())
    } else if prefix == CUSTODY.prefix() {
        let (asset, custody): (AssetCode, Custody) = entry(&CUSTODY, key, value)?;
        money(asset, -custody.net())
    } else if prefix == NETS.prefix() {
        let ((asset, window, _), net) = entry(&NETS, key, value)?;
        Some((Account::Window(asset, window), net))
    } else {
        None
    }
}

fn entry<K, V>(table: &Table<K, V>, key: &[u8], value: &[u8]) -> Option<(K, V)>
where
    K: KeyPart,
    V: vostro_types::codec::Encode + vostro_types::codec::Decode<()>,
{
    Some((table.parse_key(key)?, table.parse_value(value)?))
}
