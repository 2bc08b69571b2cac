//! Governance: validators' platforms change parameters by vote.

use vostro_types::transaction::{Approve, Propose};

use vostro_types::{AccountId, Label};

use crate::authority::Call;
use crate::books::Effects;
use crate::ledger::Ledger;
use crate::rejection::{Rejection, refuse};
use crate::{BlockContext, Done};

pub(crate) fn propose(_call: &Call<'_>, _action: &Propose, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn approve(_call: &Call<'_>, _action: &Approve, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

/// Lets what was approved take effect when its height has come: blocks after this one work with it.
pub(crate) fn fire(_context: &BlockContext, _ledger: &mut dyn Ledger) -> Vec<((AccountId, Label), Effects)> {
    Vec::new()
}
