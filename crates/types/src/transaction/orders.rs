//! Actions about orders, from payment to archive.

use bincode::{Decode, Encode};
use vostro_crypto::Hash;

use crate::amount::{Amount, Ppm};
use crate::ids::{AccountId, Label};

/// An order's name: unique within the platform that sells it, for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct OrderKey {
    /// The platform that sells (the order's origin).
    pub platform: AccountId,
    /// Its name there.
    pub order_id: Label,
}

/// A version of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ItemRef {
    /// The platform that hosts it.
    pub host: AccountId,
    /// Its name there.
    pub item: Label,
    /// Which version.
    pub version: u32,
}

/// When an order's money reaches its payees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum PayMode {
    /// At once.
    Instant,
    /// On confirmation, or by itself after the network's escrow time.
    Escrow,
    /// After this many of the network's days, at least 1.
    Maturing(u16),
    /// The origin collected it off the ledger and owes it through the netting window. Needs the origin's signature too.
    Window,
    /// Reserved, until a capture takes part or all of it. The mode of orders that [`Hold`] places; [`Pay`] refuses it.
    Hold,
}

/// Who bears the network fee, in parts per million that sum to 10^6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct FeeBearer {
    /// Paid on top by the payer.
    pub payer: Ppm,
    /// Taken from the legs.
    pub payee: Ppm,
    /// Paid by the origin platform.
    pub platform: Ppm,
}

impl FeeBearer {
    /// The payer bears all.
    pub const PAYER: FeeBearer = FeeBearer { payer: Ppm::ONE, payee: Ppm::ZERO, platform: Ppm::ZERO };
    /// The payees bear all.
    pub const PAYEE: FeeBearer = FeeBearer { payer: Ppm::ZERO, payee: Ppm::ONE, platform: Ppm::ZERO };
    /// The origin platform bears all.
    pub const PLATFORM: FeeBearer = FeeBearer { payer: Ppm::ZERO, payee: Ppm::ZERO, platform: Ppm::ONE };
}

/// Places an order. The sender is the payer. The origin must be the platform that opened the payer's account, or sign
/// too.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pay {
    /// The platform that sells; first half of the business key.
    pub origin: AccountId,
    /// Its name for the order; second half of the business key.
    pub order_id: Label,
    /// What is bought.
    pub item: ItemRef,
    /// The price, for items with an open price only.
    pub price: Option<Amount>,
    /// A coupon that pays part of it.
    pub coupon: Option<CouponRef>,
    /// When it settles.
    pub mode: PayMode,
    /// Who bears the network fee.
    pub fee_bearer: FeeBearer,
    /// What the payer agrees to pay in all; another result is refused (205).
    pub expected_total: Amount,
}

/// Releases an escrow early. Sent by the payer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Confirm {
    /// Which order.
    pub order: OrderKey,
}

/// Gives back all or part of an order. Sent by its origin or host.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refund {
    /// Which order.
    pub order: OrderKey,
    /// Unique within the order, for ever.
    pub refund_id: Label,
    /// How much, above zero.
    pub amount: Amount,
    /// Why, for the audit event.
    pub reason: Label,
}

/// A coupon: unique serial of a platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct CouponRef {
    /// The platform that issued it.
    pub platform: AccountId,
    /// Its serial there.
    pub serial: Label,
}

/// Places an order whose money is reserved until the origin captures or voids it, or its time is up. The sender is the
/// payer; who must sign is as for [`Pay`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hold {
    /// The platform that sells; first half of the order's business key.
    pub origin: AccountId,
    /// Its name for the order; second half of the business key.
    pub order_id: Label,
    /// What is bought.
    pub item: ItemRef,
    /// The price, for items with an open price only.
    pub price: Option<Amount>,
    /// A coupon that pays part of it.
    pub coupon: Option<CouponRef>,
    /// Who bears the network fee.
    pub fee_bearer: FeeBearer,
    /// What the payer agrees to pay in all, if the whole is captured; another result is refused (205).
    pub expected_total: Amount,
}

/// Takes part or all of a hold and settles it; the rest goes back to where it came from. Sent by the origin.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Capture {
    /// Which order.
    pub order: OrderKey,
    /// How much of what is reserved (by the payer and by others), above zero.
    pub amount: Amount,
}

/// Returns the whole of a hold. Sent by the order's origin or host.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Void {
    /// Which order.
    pub order: OrderKey,
    /// Why, for the audit event.
    pub reason: Label,
}

/// Disputes an order: what it still holds is frozen, and nothing is refunded, until arbiters resolve it. Sent by the
/// payer; once per order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenDispute {
    /// Which order.
    pub order: OrderKey,
    /// Why, for the audit event.
    pub reason: Label,
    /// Hash of the evidence, which stays off the ledger.
    pub evidence: Hash,
}

/// Ends a dispute: a share of what may be refunded goes back, the rest is the payees'. Sent by an account with the
/// Arbiter role that is no party to the order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Resolve {
    /// Which order.
    pub order: OrderKey,
    /// The share that goes back.
    pub refund: Ppm,
    /// Why, for the audit event.
    pub reason: Label,
}

/// Counts units of a metered entitlement. Sent by the host. Naming where the count begins makes each unit count once,
/// however often the action is sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Consume {
    /// The order that bought it.
    pub order: OrderKey,
    /// How many units were consumed before.
    pub from: u64,
    /// How many more, above zero.
    pub units: u64,
}

/// Replaces closed orders that are old enough by their keys and digests. Sent by the platform that sold them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ArchiveOrders {
    /// The sender's names of the orders: 1 to [`super::MAX_ARCHIVED`].
    pub orders: Vec<Label>,
}
