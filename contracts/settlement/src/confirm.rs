//! Confirm: the payer releases an escrow before its deadline.

use vostro_types::transaction::{Confirm, PayMode};

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::orders;
use crate::rejection::{Rejection, refuse};
use crate::tables::ORDERS;

pub(crate) fn perform(call: &Call<'_>, action: &Confirm, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let order = ORDERS.get(&*ledger, &action.order).ok_or_else(|| refuse::no_order("order"))?;
    if order.payer != call.sender {
        return Err(refuse::role("sender"));
    }
    // A partly refunded escrow waits like a whole one.
    if order.mode != PayMode::Escrow || order.due.is_none() {
        return Err(refuse::state("order"));
    }

    // Point of no return.
    Ok(Done::Applied(orders::settle(ledger, &action.order, order)))
}
