//! Confirm: the payer releases an escrow before its deadline.

use vostro_types::transaction::Confirm;

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::orders;
use crate::orders::machine::{self, Trigger};
use crate::rejection::{Rejection, refuse};

pub(crate) fn perform(call: &Call<'_>, action: &Confirm, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let order = orders::find(&*ledger, &action.order)?;
    if order.payer != call.sender {
        return Err(refuse::role("sender"));
    }
    let to = machine::next(&*ledger, &order, Trigger::Confirm)?;

    // Point of no return.
    Ok(Done::Applied(orders::settle(ledger, &action.order, order, to)))
}
