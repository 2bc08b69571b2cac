//! Random actions: holds, captures, disputes, consumption and archiving.

use super::*;

/// As [`super::action`], for this family's kinds; `None` where the state has nothing to act on.
pub(crate) fn action(_w: &World, _op: &Op) -> Option<(AccountId, Vec<AccountId>, Action)> {
    None
}
