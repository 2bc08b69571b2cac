//! Orders, their refunds, disputes and entitlements, archived or not.

use std::collections::BTreeMap;

use vostro_types::receipt::OrderState;
use vostro_types::transaction::{OrderKey, PayMode};
use vostro_types::{Amount, Time};

use super::{Summary, Violation, immutable, require, units};
use crate::archive;
use crate::deadlines::Due;
use crate::ledger::Reader;
use crate::model::{Dispute, Entitlement, EntitlementStatus, Leg, Order, Source};
use crate::orders::{entitlement_id, machine};
use crate::read;
use crate::tables::{ARCHIVED, DEADLINES, DISPUTES, ENTITLEMENTS, ITEMS, ORDERS, PLANS, REFUNDS};

/// What refunds and the dispute of an order say.
#[derive(Default)]
struct Records {
    refunded: u128,
    refunds: u32,
    dispute: Option<Dispute>,
}

pub(super) fn check(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    let mut due: BTreeMap<OrderKey, Time> = BTreeMap::new();
    for ((time, what), ()) in DEADLINES.walk(reader, &()) {
        let Due::Order(order) = what else { continue };
        require(due.insert(order, time).is_none(), || Violation::Records { rule: "nothing waits in the queue twice" })?;
    }
    let mut records: BTreeMap<OrderKey, Records> = BTreeMap::new();
    for ((order, _), refund) in REFUNDS.walk(reader, &()) {
        let of = records.entry(order).or_default();
        (of.refunded, of.refunds) = (of.refunded + units(refund.amount), of.refunds + 1);
    }
    for (order, dispute) in DISPUTES.walk(reader, &()) {
        records.entry(order).or_default().dispute = Some(dispute);
    }
    let mut granted = 0u64;
    for (key, order) in read::all_orders(reader) {
        summary.orders += 1;
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        let of = records.remove(&key).unwrap_or_default();
        check_order(&order, of.dispute.as_ref()).map_err(broken)?;
        check_legs(reader, &order).map_err(broken)?;
        check_returned(&order, &of).map_err(broken)?;
        let Some(money) = summary.money.get_mut(&order.asset) else { return Err(broken("its asset exists")) };
        money.orders += units(order.pot);
        require(due.remove(&key) == order.due, || broken("waits in the queue if and only if it has a due time"))?;
        let sold = !matches!(order.state, OrderState::Held | OrderState::Voided);
        let entitlement = read::entitlement(reader, &key);
        require(sold == entitlement.is_some(), || broken("granted access if and only if it was sold"))?;
        let Some((_, entitlement)) = entitlement else { continue };
        let revoked = entitlement.status == EntitlementStatus::Revoked;
        require(revoked == (order.state == OrderState::Refunded), || broken("is refunded if and only if revoked"))?;
        require(entitlement.version == order.item.version, || broken("granted the version that it bought"))?;
        granted += 1;
    }
    for (key, archived) in ARCHIVED.walk(reader, &()) {
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        require(!ORDERS.contains(reader, &key), || broken("is there or archived, not both"))?;
        use OrderState::{PartRefunded, Refunded, Settled, Voided};
        let over = matches!(archived.state, Settled | PartRefunded | Refunded | Voided);
        require(over, || broken("is archived when it is over"))?;
        let open = records.remove(&key).and_then(|of| of.dispute).is_some_and(|dispute| dispute.end.is_none());
        require(!open, || broken("is archived when its dispute is over"))?;
        granted += u64::from(archived.state != Voided);
    }
    require(due.is_empty(), || Violation::Records { rule: "the queue names orders that exist" })?;
    require(records.is_empty(), || Violation::Records { rule: "refunds and disputes name orders that exist" })?;
    let mut all = 0u64;
    for ((_, _, _, id), entitlement) in ENTITLEMENTS.walk(reader, &()) {
        all += 1;
        require(id == entitlement_id(&entitlement.order), || Violation::Records { rule: "an entitlement has its id" })?;
        check_entitlement(reader, &entitlement)?;
    }
    require(all == granted, || Violation::Records { rule: "an entitlement belongs to an order" })
}

fn check_entitlement(reader: &dyn Reader, entitlement: &Entitlement) -> Result<(), Violation> {
    let broken = |rule| move || Violation::Order { order: entitlement.order.clone(), rule };
    if let Some(archived) = ARCHIVED.get(reader, &entitlement.order) {
        let revoked = entitlement.status == EntitlementStatus::Revoked;
        let fits = revoked == (archived.state == OrderState::Refunded);
        require(fits, broken("was archived as refunded if and only if revoked"))?;
    }
    let Entitlement { units, used, last_use, .. } = entitlement;
    let within = if *used == 0 { last_use.is_none() } else { units.is_some_and(|units| *used <= units) };
    require(within, broken("no more is consumed than was bought"))?;
    require(last_use.is_none_or(|(from, _)| from < *used), broken("the last consumption consumed something"))
}

fn holds(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(rule) }
}

fn check_order(order: &Order, dispute: Option<&Dispute>) -> Result<(), &'static str> {
    let legs = |f: fn(&Leg) -> Amount| order.legs.iter().map(|l| units(f(l))).sum::<u128>();
    let sources = |f: fn(&Source) -> Amount| order.sources.iter().map(|s| units(f(s))).sum::<u128>();
    holds(order.legs.iter().all(|l| l.returned <= l.amount), "a leg gives back at most what it got")?;
    holds(order.sources.iter().all(|s| s.returned <= s.amount), "a source gets back at most what it paid")?;
    holds(legs(|l| l.amount) == sources(|s| s.amount), "its legs are its funding")?;
    holds(legs(|l| l.returned) == sources(|s| s.returned), "what legs gave back is what sources got back")?;
    let left = legs(|l| l.amount) - legs(|l| l.returned);
    let waits = order.due.is_some();
    let frozen = dispute.filter(|dispute| dispute.end.is_none()).map(|dispute| dispute.from);
    holds(frozen.is_some() == (order.state == OrderState::Disputed), "is disputed while its dispute is open")?;
    let has_pot = waits && frozen != Some(OrderState::Settled);
    holds(units(order.pot) == if has_pot { left } else { 0 }, "its pot is what its legs are still to get")?;
    let timed = matches!(order.mode, PayMode::Escrow | PayMode::Maturing(_));
    let touched = !order.returned().is_zero();
    let fits = match order.state {
        OrderState::Held => waits && !touched && order.mode == PayMode::Hold,
        OrderState::Escrowed => waits && !touched && order.mode == PayMode::Escrow,
        OrderState::Maturing => waits && !touched && matches!(order.mode, PayMode::Maturing(_)),
        OrderState::Cleared => !waits && !touched && order.window.is_some(),
        OrderState::Settled => !waits && !touched,
        OrderState::Disputed => waits && !touched && (timed || frozen == Some(OrderState::Settled)),
        OrderState::PartRefunded => touched && !order.refundable().is_zero() && (timed || !waits),
        OrderState::Refunded => !waits && touched && order.refundable().is_zero(),
        OrderState::Voided => !waits && left == 0 && order.mode == PayMode::Hold,
    };
    holds(fits, "its state fits its money")?;
    let captured = order.captured.map(|(_, amount)| units(amount));
    let fits = match order.state {
        OrderState::Held => captured.is_none(),
        OrderState::Voided => captured.unwrap_or_default() == 0,
        _ if order.mode == PayMode::Hold => captured == Some(sources(|s| s.amount)) && captured != Some(0),
        _ => captured.is_none(),
    };
    holds(fits, "a hold that is over was captured or returned")?;
    let paid = order.sources.first().map_or(Amount::ZERO, |source| source.amount);
    let fits = match order.mode {
        PayMode::Window => true, // its origin collects more than what it owes for others
        PayMode::Hold => paid <= order.total,
        PayMode::Instant | PayMode::Escrow | PayMode::Maturing(_) => paid == order.total,
    };
    holds(fits, "its payer paid what was agreed")?;
    holds(order.window.is_none() || order.mode == PayMode::Window, "only window orders are in a window")
}

/// The plan's legs come first, then tax, then fee; the last two are there if above zero.
fn check_legs(reader: &dyn Reader, order: &Order) -> Result<(), &'static str> {
    let item = ITEMS.get(reader, &(order.item.host, order.item.item.clone(), order.item.version));
    let plan = item.and_then(|i| PLANS.get(reader, &(order.item.host, i.plan, i.plan_version)));
    let Some(plan) = plan else { return Err("its item and plan stay") };
    let rest = order.legs.iter().skip(plan.legs.len()).map(|leg| leg.amount);
    let charges = [order.tax, order.fee].into_iter().filter(|amount| !amount.is_zero());
    holds(order.legs.len() >= plan.legs.len() && rest.eq(charges), "its last legs are its tax and its fee")
}

fn check_returned(order: &Order, of: &Records) -> Result<(), &'static str> {
    // Nothing was refunded before a dispute, so its share is of all that refundable legs got.
    let share = of.dispute.as_ref().and_then(|dispute| dispute.end.as_ref()).map_or(0, |end| {
        let whole = order.legs.iter().filter(|leg| leg.may_give()).map(|leg| leg.amount);
        units(Amount::sum(whole).expect("no more than the order's funding").rate(end.refund))
    });
    let voided = order.state == OrderState::Voided;
    let returned = if voided { order.sources.iter().map(|s| units(s.amount)).sum() } else { of.refunded + share };
    let rule = "gave back what its refunds and its dispute say";
    holds(units(order.returned()) == returned && order.refunds == of.refunds, rule)?;
    holds(!voided || (of.refunds == 0 && of.dispute.is_none()), rule)
}

/// What a block may change of orders and what belongs to them.
pub(super) fn check_step(before: &dyn Reader, after: &dyn Reader) -> Result<(), Violation> {
    for (key, old) in read::all_orders(before) {
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        let over = matches!(old.state, OrderState::Refunded | OrderState::Voided);
        let to = match (read::order(after, &key), ARCHIVED.get(after, &key)) {
            (Some(new), _) => {
                require(!over || old == new, || broken("does not change once refunded or voided"))?;
                new.state
            }
            (None, Some(archived)) => {
                let same = archived.tx == old.tx && (!over || archived.digest == archive::digest(&old));
                require(same, || broken("is archived as it was"))?;
                archived.state
            }
            (None, None) => return Err(broken("stays for ever or is archived")),
        };
        require(machine::reachable(old.state, to), || broken("moves along its diagram"))?;
    }
    immutable(before, after, &ARCHIVED, "archived orders stay as they are")?;
    immutable(before, after, &REFUNDS, "refunds stay as they are")?;
    for (key, old) in DISPUTES.walk(before, &()) {
        let new =
            DISPUTES.get(after, &key).map(|new| if old.end.is_none() { Dispute { end: None, ..new } } else { new });
        require(new.as_ref() == Some(&old), || Violation::Records { rule: "a dispute changes once, when it ends" })?;
    }
    for (key, old) in ENTITLEMENTS.walk(before, &()) {
        let broken = |rule| Violation::Order { order: old.order.clone(), rule };
        let Some(new) = ENTITLEMENTS.get(after, &key) else { return Err(broken("its entitlement stays")) };
        let Entitlement { used, last_use, status, .. } = old;
        let rest = Entitlement { used, last_use, status, ..new.clone() };
        require(rest == old, || broken("its entitlement's terms stay"))?;
        require(new.used >= used, || broken("what is consumed stays so"))?;
        let back = status == EntitlementStatus::Revoked && new.status != status;
        require(!back, || broken("what is revoked stays so"))?;
    }
    Ok(())
}
