//! Money locked to hashes, quotes that were taken, anchored reports.

use super::{Summary, Violation};
use crate::ledger::Reader;

pub(super) fn check(_reader: &dyn Reader, _summary: &mut Summary) -> Result<(), Violation> {
    Ok(())
}

pub(super) fn check_step(_before: &dyn Reader, _after: &dyn Reader) -> Result<(), Violation> {
    Ok(())
}
