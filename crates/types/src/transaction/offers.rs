//! Actions about campaigns, coupons and mandates.

use bincode::{Decode, Encode};

use super::{FeeBearer, ItemRef};
use crate::amount::{Amount, Ppm};
use crate::asset::AssetCode;
use crate::ids::{AccountId, Label, Time};

/// Who funds a campaign, and in what part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Sponsor {
    /// Who.
    pub account: AccountId,
    /// Its share of the budget; all shares of a campaign sum to 10^6.
    pub share: Ppm,
}

/// What a coupon pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum CouponValue {
    /// This much, but at most the net price.
    Fixed(Amount),
    /// A share of the net price.
    Rate {
        /// The share.
        rate: Ppm,
        /// At most this much.
        cap: Amount,
    },
}

/// What coupons of a campaign are good for, besides that the campaign's platform sells the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum CouponScope {
    /// Every item.
    Any,
    /// Items that this platform hosts.
    Host(AccountId),
    /// Items of this creator.
    Creator(AccountId),
    /// Every version of one item.
    Item {
        /// The platform that hosts it.
        host: AccountId,
        /// Its name there.
        item: Label,
    },
}

/// Opens a campaign: its budget moves from the sponsors into it. Sponsors other than the sender sign too.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CreateCampaign {
    /// Unique within the sender's campaigns, for ever.
    pub campaign: Label,
    /// Asset of all amounts.
    pub asset: AssetCode,
    /// 1 to [`super::MAX_SPONSORS`], sorted by account, each once.
    pub sponsors: Vec<Sponsor>,
    /// What all coupons together may pay, above zero.
    pub budget: Amount,
    /// What one coupon pays.
    pub value: CouponValue,
    /// Least net price of an order.
    pub min_price: Amount,
    /// What coupons are good for.
    pub scope: CouponScope,
    /// How many of its coupons one account may use; 0 for any number.
    pub per_user: u32,
    /// From when coupons may be used.
    pub starts: Time,
    /// When it ends by itself: coupons can no longer be used, and what is left returns to the sponsors.
    pub ends: Time,
}

/// Issues a coupon of the sender's campaign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssueCoupon {
    /// Which campaign.
    pub campaign: Label,
    /// Unique within the sender's coupons, for ever.
    pub serial: Label,
    /// The only account that may use it; `None` for whoever knows the serial first.
    pub holder: Option<AccountId>,
}

/// Ends the sender's campaign before its time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExpireCampaign {
    /// Which campaign.
    pub campaign: Label,
}

/// Lets a platform charge the sender for one item, once a period.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CreateMandate {
    /// Unique within the sender's mandates, for ever.
    pub mandate: Label,
    /// The platform that may charge and sells the orders.
    pub payee: AccountId,
    /// The platform that hosts the item.
    pub host: AccountId,
    /// The item, in any version.
    pub item: Label,
    /// Asset of the amounts.
    pub asset: AssetCode,
    /// Most a charge may take in all.
    pub max_per_charge: Amount,
    /// Most the charges of each [`super::MANDATE_SPAN_MS`] since `starts` may take together.
    pub max_per_month: Amount,
    /// Length of a period in milliseconds; one charge a period.
    pub interval_ms: u64,
    /// When the first period begins.
    pub starts: Time,
    /// From then on nothing may be charged.
    pub ends: Time,
}

/// Charges a mandate: places an order that settles at once. Sent by the mandate's payee.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Charge {
    /// Whose mandate.
    pub payer: AccountId,
    /// Which mandate.
    pub mandate: Label,
    /// Which period, from 0; the current one.
    pub period: u64,
    /// The sender's name for the order.
    pub order_id: Label,
    /// What is bought: the mandate's item in some version.
    pub item: ItemRef,
    /// The price, for items with an open price only.
    pub price: Option<Amount>,
    /// Who bears the network fee.
    pub fee_bearer: FeeBearer,
    /// What is charged in all; another result is refused (205).
    pub expected_total: Amount,
}

/// Ends a mandate. Sent by its payer or its payee.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CancelMandate {
    /// Whose mandate.
    pub payer: AccountId,
    /// Which mandate.
    pub mandate: Label,
}
