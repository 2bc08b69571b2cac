//! Money locked to a hash.

use vostro_types::transaction::{HtlcClaim, HtlcLock, HtlcRefund};

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn lock(_call: &Call<'_>, _action: &HtlcLock, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn claim(_call: &Call<'_>, _action: &HtlcClaim, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn refund(_call: &Call<'_>, _action: &HtlcRefund, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
