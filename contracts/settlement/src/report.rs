//! AnchorReport: the hash of a reconciliation report stands on the ledger.

use vostro_types::transaction::AnchorReport;

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn perform(_call: &Call<'_>, _action: &AnchorReport, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
