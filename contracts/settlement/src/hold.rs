//! Holds: money of an order is reserved, then captured or returned.
//!
//! Invariant: what a capture takes and what it returns are together what was reserved, source by source; legs and
//! sources of a captured order sum to what was captured.

use vostro_types::transaction::{Capture, Hold, ItemRef, PayMode, Void};
use vostro_types::{Amount, Event, allocate};

use crate::authority::Call;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::Order;
use crate::orders::machine::{self, Trigger};
use crate::pay::{Placement, place};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ITEMS, ORDERS};
use crate::{Done, above_zero, fees, orders, pricing};

pub(crate) fn perform(call: &Call<'_>, action: &Hold, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let placement = Placement {
        payer: call.sender,
        origin: action.origin,
        order_id: &action.order_id,
        item: &action.item,
        price: action.price,
        coupon: action.coupon.as_ref(),
        mandate: None,
        mode: PayMode::Hold,
        fee_bearer: action.fee_bearer,
        expected_total: action.expected_total,
    };
    place(call, &placement, ledger)
}

pub(crate) fn capture(call: &Call<'_>, action: &Capture, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = &action.order;
    let mut order = orders::find(reader, key)?;
    if call.sender != key.platform {
        return Err(refuse::role("sender"));
    }
    let amount = action.amount;
    if let Some((tx, captured)) = order.captured.filter(|(_, captured)| !captured.is_zero()) {
        same_or_conflict(&[("amount", captured == amount)])?;
        return Ok(Done::Replayed(tx));
    }
    let to = machine::next(reader, &order, Trigger::Capture)?;
    // Also while its deadline waits behind others: the payer's money is reserved no longer than it agreed to.
    if order.due.is_some_and(|due| due <= call.context.time) {
        return Err(refuse::deadline("order"));
    }
    above_zero(amount, "amount")?;
    if amount > order.pot {
        return Err(refuse::over_capture("amount"));
    }
    let ItemRef { host, item, version } = &order.item;
    let terms = ITEMS.get(reader, &(*host, item.clone(), *version)).expect("versions of items stay").terms;
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let mut books = Books::default();

    // Point of no return.
    let weights: Vec<u64> = order.sources.iter().map(|s| s.amount.units()).collect();
    let takes = allocate(amount, &weights).expect("no more than what is reserved");
    for (source, taken) in order.sources.iter_mut().zip(takes) {
        let back = source.amount.sub(taken).expect("a share is no more than its weight");
        books.credit(reader, source.account, order.asset, back);
        source.amount = taken;
    }
    let net = shrink(&mut order, amount);
    order.captured = Some((call.id(), amount));
    orders::release(reader, &mut books, &mut order);
    books.event(Event::OrderCaptured { order: key.clone(), amount });
    orders::advance(reader, &mut books, key, &mut order, to);
    books.effects.fee = (!order.fee.is_zero()).then_some((order.asset, order.fee));
    orders::stop_waiting(ledger, key, &mut order);
    fees::sold(call.context, parameters, key.platform, order.asset, net, ledger);
    orders::grant(call.context, key, &terms, &order, &mut books, ledger);
    ORDERS.put(ledger, key, &order);
    Ok(Done::Applied(books.commit(ledger)))
}

/// Lets the legs keep `allocate(amount, what each would have got)`, and the order say what of it is tax and fee. Gives
/// the net price that is left: the plan's legs and the payees' part of the fee.
fn shrink(order: &mut Order, amount: Amount) -> Amount {
    let weights: Vec<u64> = order.legs.iter().map(|l| l.amount.units()).collect();
    let keeps = allocate(amount, &weights).expect("no more than what is reserved");
    for (leg, keep) in order.legs.iter_mut().zip(keeps) {
        leg.amount = keep;
    }
    // Tax and fee stand last, each if it is above zero; that is so afterwards, too.
    let fee = (!order.fee.is_zero()).then(|| order.legs.pop()).flatten();
    let tax = (!order.tax.is_zero()).then(|| order.legs.pop()).flatten();
    order.fee = fee.map_or(Amount::ZERO, |leg| leg.amount);
    order.tax = tax.map_or(Amount::ZERO, |leg| leg.amount);
    let plan = Amount::sum(order.legs.iter().map(|l| l.amount)).expect("no more than the order's funding");
    order.legs.extend(tax.into_iter().chain(fee).filter(|leg| !leg.amount.is_zero()));
    let borne = pricing::bear(order.fee, &order.fee_bearer).expect("the bearers were checked when it was placed");
    plan.add(borne.payee).expect("no more than the order's funding")
}

pub(crate) fn void(call: &Call<'_>, action: &Void, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let key = &action.order;
    let mut order = orders::find(&*ledger, key)?;
    if call.sender != key.platform && call.sender != order.item.host {
        return Err(refuse::role("sender"));
    }
    if let Some((tx, _)) = order.captured.filter(|(_, captured)| captured.is_zero()) {
        return Ok(Done::Replayed(tx));
    }
    let to = machine::next(&*ledger, &order, Trigger::Void)?;

    // Point of no return.
    order.captured = Some((call.id(), Amount::ZERO));
    let mut books = Books::default();
    books.event(Event::OrderVoided { order: key.clone(), reason: action.reason.clone() });
    Ok(Done::Applied(orders::unwind(call.context, key, order, to, books, ledger)))
}
