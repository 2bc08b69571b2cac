//! Fee tiers: which rate a platform's volume of the period before gives it, and the volumes themselves.

use vostro_types::genesis::{FeeSchedule, Parameters};
use vostro_types::{AccountId, Amount, AssetCode, Ppm};

use crate::BlockContext;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};

/// The rate of a platform in an asset now.
pub(crate) fn rate(
    _context: &BlockContext,
    _reader: &dyn Reader,
    parameters: &Parameters,
    _platform: AccountId,
    _asset: AssetCode,
) -> Ppm {
    let FeeSchedule { rate, .. } = parameters.fee;
    rate
}

/// Counts a sale of a net price. Called behind the point of no return.
pub(crate) fn sold(
    _context: &BlockContext,
    _parameters: &Parameters,
    _platform: AccountId,
    _asset: AssetCode,
    _net: Amount,
    _ledger: &mut dyn Ledger,
) {
}

/// Counts a refund, and raises the alarm if it is time. Called behind the point of no return.
pub(crate) fn refunded(
    _context: &BlockContext,
    _parameters: &Parameters,
    _platform: AccountId,
    _asset: AssetCode,
    _amount: Amount,
    _books: &mut Books,
    _ledger: &mut dyn Ledger,
) {
}
