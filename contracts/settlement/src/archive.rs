//! ArchiveOrders: closed orders leave their key and a digest.

use vostro_types::transaction::ArchiveOrders;

use crate::Done;
use crate::authority::Call;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};

pub(crate) fn perform(_call: &Call<'_>, _action: &ArchiveOrders, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}
