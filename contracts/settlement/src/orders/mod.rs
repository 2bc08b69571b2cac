//! What orders share: their state as read, their release, their return, their entitlement.
//!
//! Invariant: an order's pot is paid out or given back exactly once; an order waits for a deadline if and only if it
//! has a `due`; its pot is what its legs are still to get, and it is empty once they were paid.

pub mod machine;

use vostro_crypto::{Domain, hash};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::{ItemRef, OrderKey, Terms};
use vostro_types::{AccountId, Amount, AssetCode, Event, Hash, Label, Time};

use crate::books::{Books, Effects};
use crate::deadlines::{self, Due};
use crate::ledger::{Ledger, Reader};
use crate::model::{Entitlement, EntitlementStatus, Order};
use crate::rejection::{Rejection, refuse};
use crate::table::part;
use crate::tables::{ARCHIVED, ENTITLEMENTS, NETTINGS, ORDERS};
use crate::{BlockContext, campaign, dispute};

use machine::Trigger;

/// The order, or why it cannot be acted on: it was archived (504), or there is none (503).
pub(crate) fn find(reader: &dyn Reader, key: &OrderKey) -> Result<Order, Rejection> {
    match ORDERS.get(reader, key) {
        Some(order) => Ok(order),
        None if ARCHIVED.contains(reader, key) => Err(refuse::state("archived")),
        None => Err(refuse::no_order("order")),
    }
}

/// The order's state now. Orders of a settled window are not rewritten one by one, because a window may hold any number
/// of them; they are settled by their window's number.
pub(crate) fn state(reader: &dyn Reader, order: &Order) -> OrderState {
    match (order.state, order.window) {
        (OrderState::Cleared, Some(window)) if window <= settled_through(reader, order.asset) => OrderState::Settled,
        (state, _) => state,
    }
}

fn settled_through(reader: &dyn Reader, asset: AssetCode) -> u64 {
    NETTINGS.get(reader, &asset).unwrap_or_default().settled
}

/// Moves the order on, and says so if its state is another one.
pub(crate) fn advance(reader: &dyn Reader, books: &mut Books, key: &OrderKey, order: &mut Order, to: OrderState) {
    let from = state(reader, order);
    order.state = to;
    if from != to {
        books.event(Event::OrderMoved { order: key.clone(), from: Some(from), to });
    }
}

/// Takes the order off the queue.
pub(crate) fn stop_waiting(ledger: &mut dyn Ledger, key: &OrderKey, order: &mut Order) {
    if let Some(due) = order.due.take() {
        deadlines::disarm(ledger, due, Due::Order(key.clone()));
    }
}

/// Pays every leg what it is still to get. A leg's account becomes the one that was credited.
pub(crate) fn release(reader: &dyn Reader, books: &mut Books, order: &mut Order) {
    for leg in &mut order.legs {
        if !leg.left().is_zero() {
            leg.account = books.credit(reader, leg.account, order.asset, leg.left());
        }
    }
    order.pot = Amount::ZERO;
}

/// Releases an order that waits, moves it on and takes it off the queue.
pub(crate) fn settle(ledger: &mut dyn Ledger, key: &OrderKey, mut order: Order, to: OrderState) -> Effects {
    let mut books = Books::default();
    release(&*ledger, &mut books, &mut order);
    // Also said of a partly refunded order, whose state stays: its pot is paid out now.
    books.event(Event::OrderMoved { order: key.clone(), from: Some(order.state), to });
    order.state = to;
    stop_waiting(ledger, key, &mut order);
    ORDERS.put(ledger, key, &order);
    books.commit(ledger)
}

/// Gives the whole of a hold back to where it came from.
pub(crate) fn unwind(
    context: &BlockContext,
    key: &OrderKey,
    mut order: Order,
    to: OrderState,
    mut books: Books,
    ledger: &mut dyn Ledger,
) -> Effects {
    for source in &mut order.sources {
        books.credit(&*ledger, source.account, order.asset, source.left());
        source.returned = source.amount;
    }
    for leg in &mut order.legs {
        leg.returned = leg.amount;
    }
    order.pot = Amount::ZERO;
    advance(&*ledger, &mut books, key, &mut order, to);
    stop_waiting(ledger, key, &mut order);
    campaign::restore(context, &order, &mut books, ledger);
    ORDERS.put(ledger, key, &order);
    books.commit(ledger)
}

/// The order's deadline has come.
pub(crate) fn fire(context: &BlockContext, key: &OrderKey, ledger: &mut dyn Ledger) -> Effects {
    let order = ORDERS.get(&*ledger, key).expect("the queue names orders that exist");
    let to = machine::next(&*ledger, &order, Trigger::Due).expect("what waits in the queue has a deadline");
    match order.state {
        OrderState::Held => unwind(context, key, order, to, Books::default(), ledger),
        OrderState::Disputed => dispute::lapse(key, order, to, ledger),
        OrderState::Escrowed
        | OrderState::Maturing
        | OrderState::PartRefunded
        | OrderState::Cleared
        | OrderState::Settled
        | OrderState::Refunded
        | OrderState::Voided => settle(ledger, key, order, to),
    }
}

/// Ends an order whose refundable part has all gone back: nothing is left to wait for, so legs that give nothing back
/// are paid at once, access ends, and the coupon may be used again.
pub(crate) fn close(
    context: &BlockContext,
    key: &OrderKey,
    order: &mut Order,
    books: &mut Books,
    ledger: &mut dyn Ledger,
) {
    if !order.pot.is_zero() {
        release(&*ledger, books, order);
    }
    stop_waiting(ledger, key, order);
    revoke(ledger, books, key, order);
    campaign::restore(context, order, books, ledger);
}

/// The id of what an order bought.
pub(crate) fn entitlement_id(order: &OrderKey) -> Hash {
    hash(Domain::Object, &[b"entitlement", &part(order)])
}

/// The state key of what an order bought.
pub(crate) fn entitlement_key(key: &OrderKey, payer: AccountId, item: &ItemRef) -> (AccountId, AccountId, Label, Hash) {
    (payer, item.host, item.item.clone(), entitlement_id(key))
}

/// What the order gives access to, if it was sold.
pub(crate) fn entitlement(reader: &dyn Reader, key: &OrderKey, order: &Order) -> Option<Entitlement> {
    ENTITLEMENTS.get(reader, &entitlement_key(key, order.payer, &order.item))
}

/// When the order was sold: when it was placed or, of a captured hold, when that was captured. Access begins then.
pub(crate) fn sold_at(order: &Order, entitlement: Option<&Entitlement>) -> Time {
    entitlement.map_or(order.placed, |entitlement| entitlement.from)
}

/// Ends the access that a wholly refunded order bought.
fn revoke(ledger: &mut dyn Ledger, books: &mut Books, key: &OrderKey, order: &Order) {
    let at = entitlement_key(key, order.payer, &order.item);
    let mut entitlement = ENTITLEMENTS.get(&*ledger, &at).expect("every order that may be refunded granted one");
    entitlement.status = EntitlementStatus::Revoked;
    ENTITLEMENTS.put(ledger, &at, &entitlement);
    books.event(Event::EntitlementRevoked { entitlement: at.3 });
}

/// Grants what the order bought.
pub(crate) fn grant(
    context: &BlockContext,
    key: &OrderKey,
    terms: &Terms,
    order: &Order,
    books: &mut Books,
    ledger: &mut dyn Ledger,
) {
    let from = context.time;
    let entitlement = Entitlement {
        order: key.clone(),
        version: order.item.version,
        from,
        until: terms.duration_ms.map(|ms| from.plus(ms)),
        units: terms.units,
        used: 0,
        last_use: None,
        scope: terms.scope.clone(),
        status: EntitlementStatus::Active,
    };
    let at = entitlement_key(key, order.payer, &order.item);
    ENTITLEMENTS.put(ledger, &at, &entitlement);
    books.event(Event::EntitlementGranted { entitlement: at.3, holder: order.payer, item: order.item.clone() });
}
