//! Consume: the host counts units of a metered entitlement.
//!
//! Invariant: `used ≤ units`, and each consumption is counted once: it names how many were used before it.

use vostro_types::Event;
use vostro_types::transaction::Consume;

use crate::Done;
use crate::authority::Call;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::orders;
use crate::orders::machine::{self, Trigger};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::ENTITLEMENTS;

pub(crate) fn perform(call: &Call<'_>, action: &Consume, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = &action.order;
    let order = orders::find(reader, key)?;
    if call.sender != order.item.host {
        return Err(refuse::role("sender"));
    }
    let at = orders::entitlement_key(key, order.payer, &order.item);
    // A hold has granted nothing yet.
    let mut entitlement = ENTITLEMENTS.get(reader, &at).ok_or_else(|| refuse::state("order"))?;
    if let Some((from, tx)) = entitlement.last_use.filter(|(from, _)| *from == action.from) {
        same_or_conflict(&[("units", entitlement.used.checked_sub(from) == Some(action.units))])?;
        return Ok(Done::Replayed(tx));
    }
    if action.units == 0 {
        return Err(refuse::zero("units"));
    }
    let units = entitlement.units.ok_or_else(|| refuse::state("units"))?;
    machine::next(reader, &order, Trigger::Consume)?;
    if entitlement.until.is_some_and(|until| until <= call.context.time) {
        return Err(refuse::deadline("order"));
    }
    same_or_conflict(&[("from", entitlement.used == action.from)])?;
    let left = units.checked_sub(entitlement.used).expect("no more is used than there is");
    let left = left.checked_sub(action.units).ok_or_else(|| refuse::over_capture("units"))?;

    // Point of no return.
    entitlement.last_use = Some((entitlement.used, call.id()));
    entitlement.used = units.checked_sub(left).expect("what is left is part of it");
    ENTITLEMENTS.put(ledger, &at, &entitlement);
    let mut books = Books::default();
    books.event(Event::UnitsConsumed { entitlement: at.3, units: action.units, left });
    Ok(Done::Applied(books.commit(ledger)))
}
