//! Campaigns and coupons: sponsors fund a budget from which coupons pay part of orders.

use vostro_types::transaction::{CouponRef, CreateCampaign, ExpireCampaign, IssueCoupon, OrderKey};

use vostro_types::{AccountId, Amount, Label};

use crate::authority::Call;
use crate::books::{Books, Effects};
use crate::ledger::{Ledger, Reader};
use crate::model::{Item, Order};
use crate::rejection::{Rejection, refuse};
use crate::{BlockContext, Done};

pub(crate) fn create(_call: &Call<'_>, _action: &CreateCampaign, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn issue(_call: &Call<'_>, _action: &IssueCoupon, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

pub(crate) fn expire(_call: &Call<'_>, _action: &ExpireCampaign, _ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    Err(refuse::state("action"))
}

/// A coupon's part in an order, checked and ready to be written.
pub(crate) struct Redemption {
    /// What the coupon pays.
    pub(crate) amount: Amount,
    /// What of it each sponsor pays, in the campaign's order.
    pub(crate) parts: Vec<(AccountId, Amount)>,
}

/// What an order is, as far as a coupon's scope asks.
pub(crate) struct Purchase<'a> {
    pub(crate) payer: AccountId,
    pub(crate) origin: AccountId,
    pub(crate) host: AccountId,
    pub(crate) name: &'a Label,
    pub(crate) item: &'a Item,
    pub(crate) net: Amount,
}

/// Checks that the coupon can pay part of the order (611, 303).
pub(crate) fn redeem(
    _context: &BlockContext,
    _reader: &dyn Reader,
    _coupon: &CouponRef,
    _purchase: &Purchase<'_>,
) -> Result<Redemption, Rejection> {
    Err(Rejection::Coupon(vec!["coupon"]))
}

impl Redemption {
    /// Takes the sponsors' parts from the budget and uses the coupon up.
    pub(crate) fn commit(self, _order: &OrderKey, _books: &mut Books, _ledger: &mut dyn Ledger) {}
}

/// Lets the coupon of a wholly refunded order be used again while its campaign runs.
pub(crate) fn restore(_context: &BlockContext, _order: &Order, _books: &mut Books, _ledger: &mut dyn Ledger) {}

/// The campaign's time is up.
pub(crate) fn fire(_platform: AccountId, _campaign: &Label, _ledger: &mut dyn Ledger) -> Effects {
    Effects::default()
}
