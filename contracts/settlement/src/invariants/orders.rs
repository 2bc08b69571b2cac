//! Orders, their refunds, disputes and entitlements.

use std::collections::BTreeMap;

use vostro_types::receipt::OrderState;
use vostro_types::transaction::{OrderKey, PayMode};
use vostro_types::{Amount, Time};

use super::{Summary, Violation, require, units};
use crate::deadlines::Due;
use crate::ledger::Reader;
use crate::model::{EntitlementStatus, Order};
use crate::read;
use crate::tables::{DEADLINES, ENTITLEMENTS, REFUNDS};

pub(super) fn check(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    let mut due: BTreeMap<OrderKey, Time> = BTreeMap::new();
    for ((time, what), ()) in DEADLINES.walk(reader, &()) {
        let Due::Order(order) = what else { continue };
        require(due.insert(order, time).is_none(), || Violation::Records { rule: "nothing waits in the queue twice" })?;
    }
    let mut refunded: BTreeMap<OrderKey, (u128, u32)> = BTreeMap::new();
    for ((order, _), refund) in REFUNDS.walk(reader, &()) {
        let (sum, count) = refunded.entry(order).or_default();
        (*sum, *count) = (*sum + units(refund.amount), *count + 1);
    }
    let mut granted = 0u64;
    for (key, order) in read::all_orders(reader) {
        summary.orders += 1;
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        check_order(&order).map_err(broken)?;
        let Some(money) = summary.money.get_mut(&order.asset) else { return Err(broken("its asset exists")) };
        money.orders += units(order.pot);
        require(due.remove(&key) == order.due, || broken("waits in the queue if and only if it has a due time"))?;
        let records = refunded.remove(&key).unwrap_or_default();
        require(records == (units(order.returned()), order.refunds), || broken("gave back what its refunds say"))?;
        let Some((_, entitlement)) = read::entitlement(reader, &key) else { return Err(broken("granted access")) };
        let revoked = entitlement.status == EntitlementStatus::Revoked;
        require(revoked == (order.state == OrderState::Refunded), || broken("is refunded if and only if revoked"))?;
        granted += 1;
    }
    require(due.is_empty(), || Violation::Records { rule: "the queue names orders that exist" })?;
    require(refunded.is_empty(), || Violation::Records { rule: "refunds name orders that exist" })?;
    let all = ENTITLEMENTS.walk(reader, &()).count() as u64;
    require(all == granted, || Violation::Records { rule: "an entitlement belongs to an order" })
}

fn check_order(order: &Order) -> Result<(), &'static str> {
    let holds = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
    let legs = |f: fn(&crate::model::Leg) -> Amount| order.legs.iter().map(|l| units(f(l))).sum::<u128>();
    let sources = |f: fn(&crate::model::Source) -> Amount| order.sources.iter().map(|s| units(f(s))).sum::<u128>();
    holds(order.legs.iter().all(|l| l.returned <= l.amount), "a leg gives back at most what it got")?;
    holds(order.sources.iter().all(|s| s.returned <= s.amount), "a source gets back at most what it paid")?;
    holds(legs(|l| l.amount) == sources(|s| s.amount), "its legs are its funding")?;
    holds(legs(|l| l.returned) == sources(|s| s.returned), "what legs gave back is what sources got back")?;
    let left = legs(|l| l.amount) - legs(|l| l.returned);
    let waits = order.due.is_some();
    holds(units(order.pot) == if waits { left } else { 0 }, "its pot is what its legs are still to get")?;
    let timed = matches!(order.mode, PayMode::Escrow | PayMode::Maturing(_));
    holds(timed || !waits, "only escrows and maturing orders wait")?;
    let touched = !order.returned().is_zero();
    let fits = match order.state {
        OrderState::Escrowed => waits && !touched && order.mode == PayMode::Escrow,
        OrderState::Maturing => waits && !touched && matches!(order.mode, PayMode::Maturing(_)),
        OrderState::Cleared => !waits && !touched && order.window.is_some(),
        OrderState::Settled => !waits && !touched,
        OrderState::PartRefunded => touched && !order.refundable().is_zero(),
        OrderState::Refunded => !waits && touched && order.refundable().is_zero(),
        OrderState::Held | OrderState::Voided | OrderState::Disputed => true,
    };
    holds(fits, "its state fits its money")?;
    holds(order.window.is_none() || order.mode == PayMode::Window, "only window orders are in a window")
}
