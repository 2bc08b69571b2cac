//! Mandates and their charges.

use super::Violation;
use crate::ledger::Reader;

pub(super) fn check(_reader: &dyn Reader) -> Result<(), Violation> {
    Ok(())
}

pub(super) fn check_step(_before: &dyn Reader, _after: &dyn Reader) -> Result<(), Violation> {
    Ok(())
}
