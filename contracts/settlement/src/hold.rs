//! Holds: money of an order is reserved, then captured or returned.

use vostro_types::transaction::{Capture, Hold, PayMode, Void};

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::pay::{Placement, place};
use crate::rejection::{Rejection, refuse};

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

pub(crate) fn capture(_call: &Call<'_>, _action: &Capture, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn void(_call: &Call<'_>, _action: &Void, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
