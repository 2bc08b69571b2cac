//! What orders share: their state as read, their release, their entitlement.
//!
//! Invariant: an order's pot is paid out or given back exactly once; an order waits for a deadline if and only if it
//! has a `due`, and then its pot is what its legs are still to get.

use vostro_crypto::{Domain, hash};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::{ItemRef, OrderKey, Terms};
use vostro_types::{AccountId, Amount, AssetCode, Event, Hash};

use crate::BlockContext;
use crate::books::{Books, Effects};
use crate::deadlines::{self, Due};
use crate::ledger::{Ledger, Reader};
use crate::model::{Entitlement, EntitlementStatus, Order};
use crate::table::part;
use crate::tables::{ENTITLEMENTS, NETTINGS, ORDERS};

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
pub(crate) fn settle(ledger: &mut dyn Ledger, key: &OrderKey, mut order: Order) -> Effects {
    let mut books = Books::default();
    release(&*ledger, &mut books, &mut order);
    let from = order.state;
    if from != OrderState::PartRefunded {
        order.state = OrderState::Settled;
    }
    books.event(Event::OrderMoved { order: key.clone(), from: Some(from), to: order.state });
    if let Some(due) = order.due.take() {
        deadlines::disarm(ledger, due, Due::Order(key.clone()));
    }
    ORDERS.put(ledger, key, &order);
    books.commit(ledger)
}

/// The order's deadline has come.
pub(crate) fn fire(key: &OrderKey, ledger: &mut dyn Ledger) -> Effects {
    let order = ORDERS.get(&*ledger, key).expect("the queue names orders that exist");
    settle(ledger, key, order)
}

/// The id of what an order bought.
pub(crate) fn entitlement_id(order: &OrderKey) -> Hash {
    hash(Domain::Object, &[b"entitlement", &part(order)])
}

/// The state key of what an order bought.
pub(crate) fn entitlement_key(
    key: &OrderKey,
    payer: AccountId,
    item: &ItemRef,
) -> (AccountId, AccountId, vostro_types::Label, Hash) {
    (payer, item.host, item.item.clone(), entitlement_id(key))
}

/// Ends the access that a wholly refunded order bought.
pub(crate) fn revoke(ledger: &mut dyn Ledger, books: &mut Books, key: &OrderKey, order: &Order) {
    let at = entitlement_key(key, order.payer, &order.item);
    let mut entitlement = ENTITLEMENTS.get(&*ledger, &at).expect("every order granted one");
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
