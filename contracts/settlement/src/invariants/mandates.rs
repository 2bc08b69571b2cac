//! Mandates and their charges.

use std::collections::BTreeMap;

use vostro_types::transaction::PayMode;
use vostro_types::{AccountId, AccountKind, Label};

use super::step::immutable;
use super::{Violation, require, units};
use crate::ledger::Reader;
use crate::mandate::span;
use crate::model::{ChargeRecord, Mandate, Order};
use crate::tables::{ACCOUNTS, ARCHIVED, CHARGES, ITEMS, MANDATES, ORDERS};

pub(super) fn check(reader: &dyn Reader) -> Result<(), Violation> {
    let broken = |rule| move || Violation::Records { rule };
    // What each mandate's charges of its last span sum to, and whether all of them could be looked at.
    let mut sums: BTreeMap<(AccountId, Label), (u128, bool)> = BTreeMap::new();
    for ((payer, name), mandate) in MANDATES.walk(reader, &()) {
        let platform = |id| ACCOUNTS.get(reader, &id).is_some_and(|a| a.kind == AccountKind::Platform);
        let parties = ACCOUNTS.contains(reader, &payer) && platform(mandate.payee) && platform(mandate.host);
        require(parties, broken("mandates are given to platforms by accounts that exist"))?;
        let item = ITEMS.contains(reader, &(mandate.host, mandate.item.clone(), 1));
        require(item, broken("mandates are for items that exist"))?;
        let limits = !mandate.max_per_charge.is_zero() && mandate.max_per_charge <= mandate.max_per_month;
        let times = mandate.interval_ms > 0 && mandate.starts < mandate.ends;
        require(limits && times, broken("mandates have limits that can be"))?;
        require(mandate.month.1 <= mandate.max_per_month, broken("a mandate's month is within its limit"))?;
        sums.insert((payer, name), (0, true));
    }
    let mut charges = 0u64;
    for ((payer, name, period), charge) in CHARGES.walk(reader, &()) {
        let key = (payer, name);
        let mandate = MANDATES.get(reader, &key).zip(sums.get_mut(&key));
        let Some((mandate, sum)) = mandate else { return Err(broken("charges are of mandates that exist")()) };
        let Some(order) = ORDERS.get(reader, &charge.order) else {
            require(ARCHIVED.contains(reader, &charge.order), broken("a charge placed an order"))?;
            sum.1 = false;
            continue;
        };
        charges += 1;
        let made = (order.payer, order.mandate.clone()) == (payer, Some((key.1, period)));
        require(made && placed(&mandate, &charge, &order), broken("a charge placed its order as the mandate says"))?;
        let begins = mandate.starts.plus(period.saturating_mul(mandate.interval_ms));
        let within = begins <= order.placed && order.placed < begins.plus(mandate.interval_ms);
        require(within && order.placed < mandate.ends, broken("a charge was made in its period"))?;
        match span(&mandate, order.placed).cmp(&mandate.month.0) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => sum.0 += units(order.total),
            std::cmp::Ordering::Greater => return Err(broken("a mandate's month is that of its last charge")()),
        }
    }
    for (key, (sum, whole)) in sums {
        let month = MANDATES.get(reader, &key).map_or(0, |m| units(m.month.1));
        let right = if whole { sum == month } else { sum <= month };
        require(right, broken("a mandate's month is the sum of its charges"))?;
    }
    let all = ORDERS.walk(reader, &()).filter(|(_, order)| order.mandate.is_some()).count() as u64;
    require(all == charges, broken("an order under a mandate was charged"))
}

fn placed(mandate: &Mandate, charge: &ChargeRecord, order: &Order) -> bool {
    charge.order.platform == mandate.payee
        && order.tx == charge.tx
        && (order.item.host, &order.item.item) == (mandate.host, &mandate.item)
        && order.asset == mandate.asset
        && order.mode == PayMode::Instant
        && order.total <= mandate.max_per_charge
}

pub(super) fn check_step(before: &dyn Reader, after: &dyn Reader) -> Result<(), Violation> {
    for (key, old) in MANDATES.walk(before, &()) {
        // The month moves with charges and cancelling happens once; nothing else ever changes.
        let kept = MANDATES.get(after, &key).is_some_and(|new| match old.cancelled {
            Some(_) => new == old,
            None => new.month.0 >= old.month.0 && Mandate { month: old.month, cancelled: None, ..new } == old,
        });
        require(kept, || Violation::Records { rule: "mandates change by charges and their end alone" })?;
    }
    immutable(before, after, &CHARGES, "charges stay as they are")
}
