//! Limits on what users and creators move out of their accounts: per action, day, sliding day and year, by tier.

use vostro_types::genesis::Parameters;
use vostro_types::{AccountId, Amount, AssetCode};

use crate::BlockContext;
use crate::ledger::{Ledger, Reader};
use crate::model::AccountHead;
use crate::rejection::Rejection;

/// A movement within the limits, ready to be counted.
pub(crate) struct Outflow;

/// Checks a movement out of an account against the limits of its tier (801, 802, 803).
pub(crate) fn outflow(
    _context: &BlockContext,
    _reader: &dyn Reader,
    _parameters: &Parameters,
    _account: AccountId,
    _head: &AccountHead,
    _asset: AssetCode,
    _amount: Amount,
) -> Result<Outflow, Rejection> {
    Ok(Outflow)
}

impl Outflow {
    /// Counts it. Called behind the point of no return.
    pub(crate) fn commit(self, _ledger: &mut dyn Ledger) {}
}

/// Checks what a new account may receive by transfer (804).
pub(crate) fn cooling(
    _context: &BlockContext,
    _parameters: &Parameters,
    _to: &AccountHead,
    _amount: Amount,
) -> Result<(), Rejection> {
    Ok(())
}
