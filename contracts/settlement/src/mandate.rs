//! Mandates: a payer lets a platform charge for renewals.

use vostro_types::transaction::{CancelMandate, Charge, CreateMandate};

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn create(_call: &Call<'_>, _action: &CreateMandate, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn charge(_call: &Call<'_>, _action: &Charge, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn cancel(_call: &Call<'_>, _action: &CancelMandate, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
