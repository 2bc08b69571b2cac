//! Transactions: what a client signs, and the only door to "verified".
//!
//! Signed bytes are `tag ‖ genesis hash ‖ canonical body`; their hash is the transaction id. Signatures stand outside,
//! so signing again keeps the id.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use vostro_crypto::{Batch, Domain, Hash, PublicKey, SecretKey, Signature, sha256, verify};

use crate::account::{AccountKind, AccountStatus, KeyPolicy};
use crate::amount::{Amount, Ppm};
use crate::asset::AssetCode;
use crate::codec::{encode, refuse};
use crate::ids::{AccountId, Height, Label, Time, TxId};
use crate::parameters::Parameter;
use crate::quote::FxQuote;

/// Version of the body layout.
pub const BODY_VERSION: u8 = 1;
/// Most signatures on a transaction: the sender's keys, and those of all who consent to a full batch.
pub const MAX_SIGNATURES: usize = 128;
/// Most actions in a batch.
pub const MAX_BATCH: usize = 128;
/// Most sponsors of a campaign.
pub const MAX_SPONSORS: usize = 8;
/// Most orders that one action archives.
pub const MAX_ARCHIVED: usize = 64;
/// The span over which a mandate's charges are summed: 30 days, in milliseconds.
pub const MANDATE_SPAN_MS: u64 = 30 * 86_400_000;
/// Most legs in a plan.
pub const MAX_LEGS: usize = 16;
/// How far in the future a transaction may be valid, in milliseconds of block time.
pub const MAX_VALIDITY_MS: u64 = 3_600_000;

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Body {
    /// [`BODY_VERSION`].
    pub version: u8,
    /// Account that acts.
    pub sender: AccountId,
    /// Last block time at which it may be executed; at most [`MAX_VALIDITY_MS`] ahead.
    pub valid_until: Time,
    /// Makes otherwise equal bodies distinct. Chosen by the client.
    pub salt: u64,
    /// What to do.
    pub payload: Payload,
}

impl Body {
    /// The bytes that are signed for the chain with this genesis hash.
    pub fn signing_bytes(&self, chain: &Hash) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(320);
        Domain::Transaction.write_to(&mut bytes);
        bytes.extend_from_slice(&chain.0);
        bytes.extend_from_slice(&encode(self));
        bytes
    }

    /// The quotes that it takes, in order.
    pub(crate) fn quotes(&self) -> impl Iterator<Item = &FxConvert> {
        self.payload.actions().iter().filter_map(|action| match action {
            Action::FxConvert(convert) => Some(convert),
            _ => None,
        })
    }

    /// How many signatures the quotes that it takes carry: they are verified, and counted, with the transaction's own.
    pub fn quote_signatures(&self) -> usize {
        self.quotes().map(|quoted| quoted.signatures.len()).sum()
    }

    /// The transaction's id on that chain.
    pub fn id(&self, chain: &Hash) -> TxId {
        TxId(sha256(&self.signing_bytes(chain)))
    }

    /// Signs with `keys`. Signatures are sorted by key, each key once.
    pub fn sign(self, chain: &Hash, keys: &[&SecretKey]) -> Transaction {
        let bytes = self.signing_bytes(chain);
        Transaction { body: self, signatures: SignedBy::all(&bytes, keys) }
    }
}

/// One action, or several that happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub enum Payload {
    /// A single action.
    One(Action),
    /// 1 to [`MAX_BATCH`] actions of one sender; a batch cannot hold a batch.
    Batch(Vec<Action>),
}

impl Payload {
    /// The actions in order.
    pub fn actions(&self) -> &[Action] {
        match self {
            Payload::One(action) => std::slice::from_ref(action),
            Payload::Batch(actions) => actions,
        }
    }
}

impl<Context> Decode<Context> for Payload {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        match u32::decode(decoder)? {
            0 => Ok(Payload::One(Action::decode(decoder)?)),
            1 => {
                let actions: Vec<Action> = Vec::decode(decoder)?;
                if actions.is_empty() || actions.len() > MAX_BATCH {
                    return Err(refuse(format!("a batch has 1 to {MAX_BATCH} actions, not {}", actions.len())));
                }
                Ok(Payload::Batch(actions))
            }
            other => Err(refuse(format!("no payload has number {other}"))),
        }
    }
}
bincode::impl_borrow_decode!(Payload);

/// What a transaction does. Numbers on the wire are the order here; new actions go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Action {
    /// A platform opens an account.
    OpenAccount(OpenAccount),
    /// Freeze, unfreeze or close an account.
    SetStatus(SetStatus),
    /// A gateway brings external money in.
    Deposit(Deposit),
    /// An owner asks for money to leave.
    Withdraw(Withdraw),
    /// A gateway says how a withdrawal ended.
    WithdrawResult(WithdrawResult),
    /// A plain transfer.
    Transfer(Transfer),
    /// A platform registers a version of a split plan.
    RegisterPlan(RegisterPlan),
    /// A platform registers a version of an item.
    RegisterItem(RegisterItem),
    /// A payer places an order.
    Pay(Pay),
    /// A payer releases an escrow early.
    Confirm(Confirm),
    /// A platform gives money back.
    Refund(Refund),
    /// A platform locks money as cover for netting.
    LockCollateral(LockCollateral),
    /// A platform closes the open netting window.
    CloseWindow(CloseWindow),
    /// A platform settles the oldest closed window.
    SettleWindow(SettleWindow),
    /// An owner gives its account other keys.
    SetKeys(SetKeys),
    /// Sets an account's tier after identity checks.
    SetTier(SetTier),
    /// A payer reserves the money of an order.
    Hold(Hold),
    /// A platform takes part or all of a hold.
    Capture(Capture),
    /// A platform returns a hold.
    Void(Void),
    /// A payer disputes an order.
    OpenDispute(OpenDispute),
    /// Arbiters end a dispute.
    Resolve(Resolve),
    /// A platform opens a campaign of coupons.
    CreateCampaign(CreateCampaign),
    /// A platform issues a coupon of its campaign.
    IssueCoupon(IssueCoupon),
    /// A platform ends its campaign early.
    ExpireCampaign(ExpireCampaign),
    /// A payer lets a platform charge for renewals.
    CreateMandate(CreateMandate),
    /// A platform charges a mandate.
    Charge(Charge),
    /// Payer or platform ends a mandate.
    CancelMandate(CancelMandate),
    /// A host counts units of a metered entitlement.
    Consume(Consume),
    /// An owner locks money to a hash.
    HtlcLock(HtlcLock),
    /// A receiver claims locked money with the preimage.
    HtlcClaim(HtlcClaim),
    /// An owner takes locked money back after its deadline.
    HtlcRefund(HtlcRefund),
    /// A taker exchanges at a maker's quote.
    FxConvert(FxConvert),
    /// An auditor or gateway anchors a reconciliation report.
    AnchorReport(AnchorReport),
    /// A validator's platform proposes a parameter.
    Propose(Propose),
    /// A validator's platform approves a proposal.
    Approve(Approve),
    /// A platform takes back cover that its positions do not need.
    UnlockCollateral(UnlockCollateral),
    /// A platform pays into the mutual fund of an asset.
    FundContribute(FundContribute),
    /// A platform takes its contribution back.
    FundRelease(FundRelease),
    /// A platform archives closed orders.
    ArchiveOrders(ArchiveOrders),
}

/// Opens an account; its id follows from policy and salt. Sent by a platform for its users and creators.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenAccount {
    /// User, Creator, Tax or Suspense.
    pub kind: AccountKind,
    /// The opening policy.
    pub policy: KeyPolicy,
    /// Makes ids of equal policies distinct.
    pub salt: [u8; 16],
}

/// Sets an account's status. Sent by the Risk role, or by a platform for an account it opened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetStatus {
    /// Whose.
    pub account: AccountId,
    /// The new status.
    pub status: AccountStatus,
    /// Why, for the audit event.
    pub reason: Label,
}

/// External money comes in. `(gateway, channel, channel_ref)` is used once for ever.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Deposit {
    /// Payment channel, such as a bank or a card scheme.
    pub channel: Label,
    /// The channel's own reference.
    pub channel_ref: Label,
    /// Who is credited.
    pub to: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
}

/// Money asks to leave through a gateway; it is set aside until the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Withdraw {
    /// Unique per owner, for ever.
    pub withdrawal_id: Label,
    /// Who pays it out.
    pub gateway: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
    /// Salted hash of the destination, which stays off the ledger.
    pub destination: Hash,
}

/// A gateway's answer to a withdrawal: paid out (burned here) or failed (given back).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WithdrawResult {
    /// Who asked.
    pub owner: AccountId,
    /// Which withdrawal.
    pub withdrawal_id: Label,
    /// Whether it was paid out.
    pub ok: bool,
    /// The channel's reference.
    pub payout_ref: Label,
}

/// Moves money from the sender.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Transfer {
    /// Who is credited; not the sender.
    pub to: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
    /// Hash of a memo kept off the ledger.
    pub memo: Hash,
}

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
    /// 1 to [`MAX_LEGS`] legs.
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

/// Moves the sender's available money to its collateral.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LockCollateral {
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
}

/// Freezes the list of the open window of an asset; the next one opens.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CloseWindow {
    /// Asset netted.
    pub asset: AssetCode,
    /// Number of the open window, from 1.
    pub window: u64,
}

/// Pays the net of the oldest closed window of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SettleWindow {
    /// Asset netted.
    pub asset: AssetCode,
    /// Number of the window.
    pub window: u64,
}

/// Gives the sender's account other keys; its id stays. The new keys sign too, by their own threshold, so that nobody
/// locks itself out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetKeys {
    /// The new policy.
    pub policy: KeyPolicy,
}

/// Sets an account's tier. Sent by the Risk role, or by the platform that opened the account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetTier {
    /// Whose.
    pub account: AccountId,
    /// 1 to 3.
    pub tier: u8,
    /// Salted hash of the attestation, which stays off the ledger.
    pub attestation: Hash,
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
    /// 1 to [`MAX_SPONSORS`], sorted by account, each once.
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
    /// Most the charges of each [`MANDATE_SPAN_MS`] since `starts` may take together.
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

/// Locks the sender's money to a hash: whoever is named may claim it with the preimage until the deadline; afterwards
/// the sender may take it back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HtlcLock {
    /// Unique within the sender's locks, for ever.
    pub htlc_id: Label,
    /// Who may claim.
    pub to: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
    /// SHA-256 of the preimage.
    pub hash: Hash,
    /// First block time at which it can no longer be claimed.
    pub deadline: Time,
}

/// Claims locked money. Sent by whom the lock names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HtlcClaim {
    /// Who locked it.
    pub owner: AccountId,
    /// Which lock.
    pub htlc_id: Label,
    /// What hashes to the lock's hash.
    pub preimage: [u8; 32],
}

/// Returns locked money to its owner from its deadline on. Sent by the owner, or by the platform that opened its account
/// (so that what a closed account locked is not lost).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HtlcRefund {
    /// Who locked it.
    pub owner: AccountId,
    /// Which lock.
    pub htlc_id: Label,
}

/// Exchanges at a quote. The sender is the taker.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FxConvert {
    /// The maker's offer.
    pub quote: FxQuote,
    /// The maker's signatures over it, sorted by key, each key once.
    pub signatures: Vec<SignedBy>,
}

/// Anchors the hash of a reconciliation report. Sent by an account with the Auditor role, or by a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AnchorReport {
    /// The period it is about, such as `2026-11`. With the channel unique within the sender's reports.
    pub period: Label,
    /// The channel it is about.
    pub channel: Label,
    /// Hash of the report.
    pub root: Hash,
}

/// Proposes a value for a parameter; counts as the proposer's approval. Sent by a platform that runs a validator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Propose {
    /// Unique within the sender's proposals, for ever.
    pub proposal: Label,
    /// Which parameter.
    pub parameter: Parameter,
    /// Its new value: milliseconds, minor units, parts per million or a count.
    pub value: u64,
    /// The first block that works with it, if it is approved in time; else the block after its approval.
    pub from_height: Height,
}

/// Approves a proposal. Sent by a platform that runs a validator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Approve {
    /// Who proposed.
    pub proposer: AccountId,
    /// Which proposal.
    pub proposal: Label,
}

/// Moves what the sender's positions do not need from its collateral to its available money.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UnlockCollateral {
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
}

/// Moves the sender's available money into the mutual fund, which bears what a defaulting platform cannot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FundContribute {
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
}

/// Takes back part or all of the sender's contribution to the mutual fund, while no window of the asset waits.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FundRelease {
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much, above zero.
    pub amount: Amount,
}

/// Replaces closed orders that are old enough by their keys and digests. Sent by the platform that sold them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ArchiveOrders {
    /// The sender's names of the orders: 1 to [`MAX_ARCHIVED`].
    pub orders: Vec<Label>,
}

/// A key and its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedBy {
    /// The key that signed.
    pub key: PublicKey,
    /// Its signature over [`Body::signing_bytes`].
    pub signature: Signature,
}

impl SignedBy {
    /// Signatures over `bytes`, sorted by key, each key once.
    pub(crate) fn all(bytes: &[u8], keys: &[&SecretKey]) -> Vec<SignedBy> {
        let mut signatures: Vec<SignedBy> =
            keys.iter().map(|k| SignedBy { key: k.public(), signature: k.sign(bytes) }).collect();
        signatures.sort_by_key(|s| s.key);
        signatures.dedup_by_key(|s| s.key);
        signatures
    }
}

/// A body and signatures over it, sorted by key, each key once, 1 to [`MAX_SIGNATURES`].
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Transaction {
    /// What is signed.
    pub body: Body,
    /// By whom.
    pub signatures: Vec<SignedBy>,
}

impl<Context> Decode<Context> for Transaction {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let body = Body::decode(decoder)?;
        if body.version != BODY_VERSION {
            return Err(refuse(format!("transaction version {} is not {BODY_VERSION}", body.version)));
        }
        let signatures: Vec<SignedBy> = Vec::decode(decoder)?;
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(refuse(format!(
                "a transaction has 1 to {MAX_SIGNATURES} signatures, not {}",
                signatures.len()
            )));
        }
        if !signatures.is_sorted_by(|a, b| a.key < b.key) {
            return Err(refuse("signatures must be sorted by key, each key once".into()));
        }
        let well_formed =
            |quoted: &FxConvert| !quoted.signatures.is_empty() && quoted.signatures.is_sorted_by(|a, b| a.key < b.key);
        if !body.quotes().all(well_formed) {
            return Err(refuse("signatures of a quote must be there, sorted by key, each key once".into()));
        }
        let all = signatures.len() + body.quote_signatures();
        if all > MAX_SIGNATURES {
            return Err(refuse(format!(
                "a transaction has at most {MAX_SIGNATURES} signatures with its quotes', not {all}"
            )));
        }
        Ok(Transaction { body, signatures })
    }
}
bincode::impl_borrow_decode!(Transaction);

/// A signature that does not verify; the key says whose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signature by key {key} does not verify")]
pub struct BadSignature {
    /// The first key whose signature fails.
    pub key: PublicKey,
}

/// A transaction all of whose signatures verify on one chain, those of the quotes it takes included. Whether the keys may act for the sender is the contract's
/// to judge. The only ways in are the verify functions of this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransaction {
    id: TxId,
    transaction: Transaction,
}

impl VerifiedTransaction {
    /// Its id.
    pub fn id(&self) -> TxId {
        self.id
    }

    /// What is signed.
    pub fn body(&self) -> &Body {
        &self.transaction.body
    }

    /// The keys that signed, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.transaction.signatures.iter().map(|s| &s.key)
    }

    /// The transaction as it travels.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Gives the transaction back, unverified.
    pub fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

impl Transaction {
    /// Verifies every signature, those of quotes included.
    ///
    /// # Errors
    /// [`BadSignature`] names the first key whose signature fails.
    pub fn verify(self, chain: &Hash) -> Result<VerifiedTransaction, BadSignature> {
        let bytes = self.body.signing_bytes(chain);
        for s in &self.signatures {
            verify(&s.key, &bytes, &s.signature).map_err(|_| BadSignature { key: s.key })?;
        }
        for quoted in self.body.quotes() {
            let bytes = quoted.quote.signing_bytes(chain);
            for s in &quoted.signatures {
                verify(&s.key, &bytes, &s.signature).map_err(|_| BadSignature { key: s.key })?;
            }
        }
        Ok(VerifiedTransaction { id: TxId(sha256(&bytes)), transaction: self })
    }
}

/// Verifies many transactions as one batch, with the verdicts single checks would give, in order.
pub fn verify_all(transactions: Vec<Transaction>, chain: &Hash) -> Vec<Result<VerifiedTransaction, BadSignature>> {
    let mut batch = Batch::new();
    let mut ids = Vec::with_capacity(transactions.len());
    let mut owners = Vec::with_capacity(transactions.len());
    for (at, transaction) in transactions.iter().enumerate() {
        let bytes = transaction.body.signing_bytes(chain);
        ids.push(TxId(sha256(&bytes)));
        for s in &transaction.signatures {
            batch.push(&s.key, &bytes, &s.signature);
            owners.push((at, s.key));
        }
        for quoted in transaction.body.quotes() {
            let bytes = quoted.quote.signing_bytes(chain);
            for s in &quoted.signatures {
                batch.push(&s.key, &bytes, &s.signature);
                owners.push((at, s.key));
            }
        }
    }
    let mut bad = std::collections::BTreeMap::new();
    if let Err(indices) = batch.verify() {
        for i in indices {
            let (at, key) = owners[i];
            bad.entry(at).or_insert(key);
        }
    }
    let judge = |(at, (transaction, id))| match bad.get(&at) {
        Some(key) => Err(BadSignature { key: *key }),
        None => Ok(VerifiedTransaction { id, transaction }),
    };
    transactions.into_iter().zip(ids).enumerate().map(judge).collect()
}
