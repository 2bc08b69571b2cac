//! ArchiveOrders: closed orders leave their key and a digest.
//!
//! Invariant: an archived order can no longer be disputed, holds no money and waits for nothing, and nobody loses units
//! that may still be consumed; its business keys answer as before.

use std::collections::BTreeSet;

use vostro_crypto::{Domain, hash};
use vostro_types::codec;
use vostro_types::genesis::Parameters;
use vostro_types::transaction::{ArchiveOrders, MAX_ARCHIVED, OrderKey};
use vostro_types::{AccountKind, Event, Hash, Time};

use crate::Done;
use crate::authority::Call;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::{Archived, EntitlementStatus, Order};
use crate::orders;
use crate::orders::machine::{self, Trigger};
use crate::pay::Placement;
use crate::rejection::{Rejection, refuse};
use crate::tables::{ARCHIVED, ORDERS};

pub(crate) fn perform(call: &Call<'_>, action: &ArchiveOrders, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    call.require_kind(AccountKind::Platform)?;
    let distinct: BTreeSet<&str> = action.orders.iter().map(|id| id.as_str()).collect();
    if !(1..=MAX_ARCHIVED).contains(&action.orders.len()) || distinct.len() != action.orders.len() {
        return Err(refuse::malformed("orders"));
    }
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let mut archived = Vec::new();
    for order_id in &action.orders {
        let key = OrderKey { platform: call.sender, order_id: order_id.clone() };
        // What an earlier transaction archived is done.
        if ARCHIVED.contains(reader, &key) {
            continue;
        }
        let order = orders::find(reader, &key)?;
        let state = machine::next(reader, &order, Trigger::Archive)?;
        check(reader, parameters, call.context.time, &key, &order)?;
        let body = Placement::digest_of(&key, &order);
        let tx = order.tx;
        archived.push((key, Archived { tx, body, digest: digest(&Order { state, ..order }), state }));
    }
    let mut books = Books::default();

    // Point of no return.
    for (key, record) in archived {
        ORDERS.delete(ledger, &key);
        ARCHIVED.put(ledger, &key, &record);
        books.event(Event::OrderArchived { order: key, digest: record.digest });
    }
    Ok(Done::Applied(books.commit(ledger)))
}

fn check(
    reader: &dyn Reader,
    parameters: &Parameters,
    now: Time,
    key: &OrderKey,
    order: &Order,
) -> Result<(), Rejection> {
    let old = order.placed.plus(parameters.archive_ms) <= now;
    let entitlement = orders::entitlement(reader, key, order);
    let disputable = now <= orders::sold_at(order, entitlement.as_ref()).plus(parameters.dispute_ms);
    if !old || disputable {
        return Err(refuse::too_early("order"));
    }
    let usable = entitlement.is_some_and(|e| {
        e.status == EntitlementStatus::Active
            && e.units.is_some_and(|units| e.used < units)
            && e.until.is_none_or(|until| now < until)
    });
    if usable { Err(refuse::state("units")) } else { Ok(()) }
}

/// What an archived order's copy is checked by. The order is as it is read: a cleared one of a settled window is
/// settled.
pub(crate) fn digest(order: &Order) -> Hash {
    hash(Domain::Object, &[b"order", &codec::encode(order)])
}
