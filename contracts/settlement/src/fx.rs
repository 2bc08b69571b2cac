//! FxConvert: a maker's signed quote is taken, both legs at once.

use vostro_types::transaction::FxConvert;

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn perform(_call: &Call<'_>, _action: &FxConvert, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
