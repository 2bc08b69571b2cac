//! The mutual fund of an asset: what platforms pay in, and what bears a default.

use vostro_types::transaction::{FundContribute, FundRelease};

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn contribute(
    _call: &Call<'_>,
    _action: &FundContribute,
    _ledger: &mut dyn Ledger,
) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn release(_call: &Call<'_>, _action: &FundRelease, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
