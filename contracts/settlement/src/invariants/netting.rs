//! Netting windows: nets, positions, caps and cover; the mutual fund.

use std::collections::BTreeMap;

use vostro_types::{AccountId, AccountKind, AssetCode, Time};

use super::{Summary, Violation, require, units};
use crate::deadlines::Due;
use crate::ledger::Reader;
use crate::model::Window;
use crate::netting::cover_needed;
use crate::tables::{ACCOUNTS, ASSETS, BALANCES, DEADLINES, FUND, NETS, NETTINGS, OBLIGATIONS, WINDOWS};

pub(super) fn check(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    let mut due: BTreeMap<(AssetCode, u64), Time> = BTreeMap::new();
    for ((time, what), ()) in DEADLINES.walk(reader, &()) {
        let Due::Window(asset, window) = what else { continue };
        let twice = due.insert((asset, window), time).is_some();
        require(!twice, || Violation::Records { rule: "nothing waits in the queue twice" })?;
    }
    for ((asset, number), window) in WINDOWS.walk(reader, &()) {
        let broken = || Violation::Window { asset, window: number, rule: "waits in the queue as it says" };
        require(due.remove(&(asset, number)) == window.due, broken)?;
    }
    require(due.is_empty(), || Violation::Records { rule: "the queue names windows that exist" })?;
    for ((asset, account), amount) in FUND.walk(reader, &()) {
        let broken = |rule| move || Violation::Account { account, rule };
        let platform = ACCOUNTS.get(reader, &account).is_some_and(|head| head.kind == AccountKind::Platform);
        require(platform, broken("contributes to the fund as a platform"))?;
        require(!amount.is_zero(), broken("contributes something to the fund"))?;
        let money = summary.money.get_mut(&asset).ok_or_else(broken("contributes in an asset that exists"))?;
        money.fund += units(amount);
    }
    for (asset, _) in ASSETS.walk(reader, &()) {
        let netting = NETTINGS.get(reader, &asset).unwrap_or_default();
        let broken = |window, rule| Violation::Window { asset, window, rule };
        let mut nets: BTreeMap<(u64, AccountId), i128> = BTreeMap::new();
        let mut sums: BTreeMap<u64, (u128, u64)> = BTreeMap::new();
        for ((_, window, debtor, creditor), obligation) in OBLIGATIONS.walk(reader, &asset) {
            *nets.entry((window, debtor)).or_default() += obligation.amount as i128;
            *nets.entry((window, creditor)).or_default() -= obligation.amount as i128;
            let sum = sums.entry(window).or_default();
            *sum = (sum.0 + obligation.amount, sum.1 + obligation.count);
        }
        let mut positions: BTreeMap<AccountId, i128> = BTreeMap::new();
        let mut participants: BTreeMap<u64, u32> = BTreeMap::new();
        for ((_, window, account), net) in NETS.walk(reader, &asset) {
            require(nets.remove(&(window, account)) == Some(net), || broken(window, "nets are those of obligations"))?;
            *participants.entry(window).or_default() += 1;
            if window > netting.settled {
                *positions.entry(account).or_default() += net;
            }
        }
        require(nets.is_empty(), || broken(0, "every obligation is netted"))?;
        require(positions.values().sum::<i128>() == 0, || broken(0, "positions sum to zero"))?;
        for account in positions.into_keys() {
            let nets = crate::netting::unsettled_nets(reader, asset, account);
            let collateral = BALANCES.get(reader, &(account, asset)).unwrap_or_default().collateral;
            let broken = |rule| move || Violation::Account { account, rule };
            require(cover_needed(&nets) <= collateral, broken("position is at most the collateral"))?;
        }
        for ((_, number), window) in WINDOWS.walk(reader, &asset) {
            let Window { obligations, gross, .. } = window;
            let known = sums.remove(&number) == Some((gross, obligations));
            require(known, || broken(number, "gross and count are those of its obligations"))?;
            let counted = participants.get(&number) == Some(&window.participants);
            require(counted, || broken(number, "participants are those with a net"))?;
            require(window.closed.is_some() == (number < netting.open), || {
                broken(number, "closed if before the open")
            })?;
            let settled = window.settled.is_some() == (number <= netting.settled);
            require(settled, || broken(number, "settled if within what is settled"))?;
        }
        require(sums.is_empty(), || broken(0, "every obligation has a window"))?;
    }
    Ok(())
}
