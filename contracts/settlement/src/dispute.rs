//! Disputes: the payer freezes an order, arbiters end it, or its time does.
//!
//! Invariant: an order has one dispute at most, for ever; it always ends, because a disputed order waits in the queue;
//! and whoever ends it has no part in the order.

use vostro_types::receipt::OrderState;
use vostro_types::transaction::{OpenDispute, OrderKey, RefundPolicy, Resolve};
use vostro_types::{AccountId, Amount, Event, Ppm};

use crate::authority::Call;
use crate::books::{Books, Effects};
use crate::deadlines::{self, Due};
use crate::ledger::{Ledger, Reader};
use crate::model::{Dispute, DisputeEnd, Order};
use crate::orders::machine::{self, Trigger};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{DISPUTES, ORDERS};
use crate::{Done, fees, orders, refund};

pub(crate) fn open(call: &Call<'_>, action: &OpenDispute, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (key, now) = (&action.order, call.context.time);
    let mut order = orders::find(reader, key)?;
    if call.sender != order.payer {
        return Err(refuse::role("sender"));
    }
    if let Some(old) = DISPUTES.get(reader, key) {
        same_or_conflict(&[("reason", old.reason == action.reason), ("evidence", old.evidence == action.evidence)])?;
        return Ok(Done::Replayed(old.tx));
    }
    let to = machine::next(reader, &order, Trigger::OpenDispute)?;
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let entitlement = orders::entitlement(reader, key, &order);
    if now > orders::sold_at(&order, entitlement.as_ref()).plus(parameters.dispute_ms) {
        return Err(refuse::deadline("order"));
    }
    let from = orders::state(reader, &order);
    let mut books = Books::default();

    // Point of no return.
    let (reason, evidence) = (action.reason.clone(), action.evidence);
    books.event(Event::DisputeOpened { order: key.clone(), reason: reason.clone(), evidence });
    orders::advance(reader, &mut books, key, &mut order, to);
    orders::stop_waiting(ledger, key, &mut order);
    let due = now.plus(parameters.resolve_ms);
    order.due = Some(due);
    deadlines::arm(ledger, due, Due::Order(key.clone()));
    let dispute = Dispute { tx: call.id(), reason, evidence, opened: now, from, end: None };
    DISPUTES.put(ledger, key, &dispute);
    ORDERS.put(ledger, key, &order);
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn resolve(call: &Call<'_>, action: &Resolve, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = &action.order;
    if !call.head.roles.arbiter {
        return Err(refuse::role("sender"));
    }
    let dispute = DISPUTES.get(reader, key);
    if let Some((tx, by, reason)) = dispute.as_ref().and_then(|d| d.end.as_ref()?.by.as_ref()) {
        let refund = dispute.as_ref().and_then(|d| d.end.as_ref()).map(|end| end.refund);
        same_or_conflict(&[
            ("sender", *by == call.sender),
            ("refund", refund == Some(action.refund)),
            ("reason", *reason == action.reason),
        ])?;
        return Ok(Done::Replayed(*tx));
    }
    let mut order = orders::find(reader, key)?;
    if party(key, &order, call.sender) {
        return Err(refuse::role("order"));
    }
    let whole = order.refundable();
    let amount = whole.rate(action.refund);
    let by = if amount.is_zero() {
        Trigger::ResolveNone
    } else if amount == whole {
        Trigger::ResolveWhole
    } else {
        Trigger::ResolvePart
    };
    let to = machine::next(reader, &order, by)?;
    let mut books = Books::default();
    let mut gets = Vec::new();
    if !amount.is_zero() {
        // The arbiters decide for the origin, too: it stands in without its keys.
        gets = refund::give_back(reader, &mut books, key, &mut order, amount, true)?;
    }

    // Point of no return.
    refund::pay_sources(reader, &mut books, &order, gets);
    let end = DisputeEnd { by: Some((call.id(), call.sender, action.reason.clone())), refund: action.refund };
    finish(key, &mut order, to, end, amount, &mut books, ledger);
    if to == OrderState::Refunded {
        orders::close(call.context, key, &mut order, &mut books, ledger);
    }
    if !amount.is_zero() {
        let network = crate::read::network(&*ledger);
        let parameters = &network.parameters;
        fees::refunded(call.context, parameters, key.platform, order.asset, amount, &mut books, ledger);
    }
    ORDERS.put(ledger, key, &order);
    Ok(Done::Applied(books.commit(ledger)))
}

/// Nobody resolved the dispute in time: nothing goes back.
pub(crate) fn lapse(key: &OrderKey, mut order: Order, to: OrderState, ledger: &mut dyn Ledger) -> Effects {
    let mut books = Books::default();
    let end = DisputeEnd { by: None, refund: Ppm::ZERO };
    finish(key, &mut order, to, end, Amount::ZERO, &mut books, ledger);
    ORDERS.put(ledger, key, &order);
    books.commit(ledger)
}

/// Records how the dispute ended, pays out what the order still holds and moves it on.
fn finish(
    key: &OrderKey,
    order: &mut Order,
    to: OrderState,
    end: DisputeEnd,
    refunded: Amount,
    books: &mut Books,
    ledger: &mut dyn Ledger,
) {
    let by = end.by.as_ref().map(|(_, by, _)| *by);
    books.event(Event::DisputeResolved { order: key.clone(), by, refunded });
    // Without a pot the legs were paid before the dispute.
    if !order.pot.is_zero() {
        orders::release(&*ledger, books, order);
    }
    orders::advance(&*ledger, books, key, order, to);
    orders::stop_waiting(ledger, key, order);
    let mut dispute = DISPUTES.get(&*ledger, key).expect("a disputed order has its dispute");
    dispute.end = Some(end);
    DISPUTES.put(ledger, key, &dispute);
}

/// Whether the account pays, sells, hosts, is paid by, funds, or bears refunds of the order.
fn party(key: &OrderKey, order: &Order, account: AccountId) -> bool {
    [order.payer, key.platform, order.item.host].contains(&account)
        || order.legs.iter().any(|leg| leg.account == account || leg.refund == RefundPolicy::BorneBy(account))
        || order.sources.iter().any(|source| source.account == account)
}
