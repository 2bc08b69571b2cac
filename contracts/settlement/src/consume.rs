//! Consume: units of a metered entitlement are counted.

use vostro_types::transaction::Consume;

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn perform(_call: &Call<'_>, _action: &Consume, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
