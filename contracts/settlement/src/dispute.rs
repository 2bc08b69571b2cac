//! Disputes: the payer freezes an order, arbiters end it.

use vostro_types::transaction::{OpenDispute, Resolve};

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn open(_call: &Call<'_>, _action: &OpenDispute, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn resolve(_call: &Call<'_>, _action: &Resolve, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
