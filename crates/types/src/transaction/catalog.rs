//! Actions about what is sold and how it is split.

use bincode::{Decode, Encode};

use crate::amount::{Amount, Ppm};
use crate::asset::AssetCode;
use crate::ids::{AccountId, Label};

/// Who gets a leg of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Payee {
    /// A fixed account.
    Account(AccountId),
    /// The item's creator.
    Creator,
    /// The platform that hosts the item.
    Host,
    /// The platform that sells the order.
    Origin,
    /// The network's fee account.
    Network,
}

/// How much a leg gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Share {
    /// A share of what remains after the fixed legs; all shares of a plan sum to 10^6.
    Rate(Ppm),
    /// A fixed amount, taken first.
    Fixed(Amount),
}

/// What a leg does when an order is refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum RefundPolicy {
    /// Gives back in proportion.
    Proportional,
    /// Gives nothing back; the other legs bear it.
    NonRefundable,
    /// Another account gives back in its place.
    BorneBy(AccountId),
}

/// A leg of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct PlanLeg {
    /// Who gets it.
    pub payee: Payee,
    /// How much.
    pub share: Share,
    /// What happens on a refund.
    pub refund: RefundPolicy,
}

/// Registers version `version` of the sender's plan: 1 first, then one more each time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterPlan {
    /// Name within the sender's plans.
    pub plan: Label,
    /// 1 or the latest version plus one.
    pub version: u32,
    /// 1 to [`super::MAX_LEGS`] legs.
    pub legs: Vec<PlanLeg>,
}

/// What an item costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Price {
    /// Always this.
    Fixed(Amount),
    /// The order names it, within bounds: baskets, tips, pay-what-you-want.
    Open {
        /// Least price, above zero.
        min: Amount,
        /// Highest price.
        max: Amount,
    },
}

/// The tax on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct TaxRule {
    /// Rate.
    pub rate: Ppm,
    /// Whether the price contains it.
    pub inclusive: bool,
    /// Who receives it: an account of kind Tax.
    pub account: AccountId,
}

/// What paying for an item grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Terms {
    /// How long it lasts in milliseconds; `None` for ever.
    pub duration_ms: Option<u64>,
    /// How many units may be consumed; `None` for unmetered access.
    pub units: Option<u64>,
    /// What it gives access to, in the host's own words.
    pub scope: Label,
}

/// Registers version `version` of an item that the sender hosts: 1 first, then one more each time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterItem {
    /// Name within the sender's items.
    pub item: Label,
    /// 1 or the latest version plus one.
    pub version: u32,
    /// Asset of the price.
    pub asset: AssetCode,
    /// What it costs.
    pub price: Price,
    /// Taken off the price; payees share what is left.
    pub discount: Ppm,
    /// Tax, if any.
    pub tax: Option<TaxRule>,
    /// The sender's plan that splits the net price.
    pub plan: Label,
    /// That plan's version.
    pub plan_version: u32,
    /// Who made it.
    pub creator: AccountId,
    /// What paying grants.
    pub terms: Terms,
}
