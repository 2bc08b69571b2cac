//! The objects of the state, as they are stored.
//!
//! Invariant: an object holds all that later actions on it need, copied when it was made, so no later edit of another
//! object changes it. What is kept for ever is kept small: an order's fields serve to compare bodies, too.

use vostro_types::codec::{Decode, Encode};
use vostro_types::genesis::Parameters;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::{
    CouponRef, CouponScope, CouponValue, FeeBearer, ItemRef, OrderKey, PayMode, PlanLeg, Price, RefundPolicy, TaxRule,
    Terms, WithdrawResult,
};
use vostro_types::{
    AccountId, AccountKind, AccountStatus, Amount, AssetCode, Hash, Height, Label, Parameter, Ppm, Roles, Time, TxId,
};

/// What the network as a whole works with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Network {
    /// The contract's parameters.
    pub parameters: Parameters,
    /// Receives network fees.
    pub fee_account: AccountId,
    /// Receives what closed accounts cannot, if the genesis has such an account.
    pub suspense: Option<AccountId>,
}

/// Where evidence was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct EvidenceRecord {
    /// Height of the block that holds it.
    pub block: Height,
    /// Its leaf under that block's evidence root: which of all proofs of the same fact it is.
    pub digest: Hash,
}

/// Who an account is, without its keys: what most actions need of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountHead {
    /// Its kind.
    pub kind: AccountKind,
    /// Its status.
    pub status: AccountStatus,
    /// Whether the Risk role set the status; then only that role changes it.
    pub status_by_risk: bool,
    /// 1 to 3, by identity checks.
    pub tier: u8,
    /// Whether the Risk role set the tier; then only that role changes it.
    pub tier_by_risk: bool,
    /// What it may do for the network.
    pub roles: Roles,
    /// The platform that opened it; itself for accounts of the genesis.
    pub platform: AccountId,
    /// When it was opened.
    pub opened: Time,
    /// What opened it; zero for accounts of the genesis.
    pub tx: TxId,
}

/// An account's money in one asset, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Balance {
    /// Free to spend.
    pub available: Amount,
    /// Credited while frozen.
    pub held: Amount,
    /// Locked as cover for netting.
    pub collateral: Amount,
    /// Sum of the account's receivables: what its next credits pay first.
    pub owed: Amount,
}

/// External money that came in and went out, in minor units: `deposited - withdrawn` is in custody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Custody {
    /// Sum of deposits.
    pub deposited: u128,
    /// Sum of withdrawals that were paid out.
    pub withdrawn: u128,
}

impl Custody {
    /// What is held outside for the ledger; below zero for a gateway that pays out more than it took in.
    pub fn net(&self) -> i128 {
        self.deposited as i128 - self.withdrawn as i128
    }
}

/// What a gateway brought in during one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct GatewayDay {
    /// Days since 1970 in UTC+8.
    pub day: u64,
    /// Sum of that day's deposits.
    pub total: Amount,
}

/// A deposit, kept for its reference.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DepositRecord {
    /// What made it.
    pub tx: TxId,
    /// Who was credited.
    pub to: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much.
    pub amount: Amount,
}

/// How a withdrawal ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WithdrawalEnd {
    /// What ended it.
    pub tx: TxId,
    /// Whether it was paid out.
    pub ok: bool,
    /// The channel's reference.
    pub payout_ref: Label,
}

/// A withdrawal; it holds the amount until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Withdrawal {
    /// What made it.
    pub tx: TxId,
    /// Who pays it out.
    pub gateway: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much.
    pub amount: Amount,
    /// Salted hash of the destination.
    pub destination: Hash,
    /// How it ended, once it did.
    pub end: Option<WithdrawalEnd>,
}

impl Withdrawal {
    /// What it holds.
    pub fn pot(&self) -> Amount {
        if self.end.is_none() { self.amount } else { Amount::ZERO }
    }

    pub(crate) fn ended(tx: TxId, result: &WithdrawResult) -> WithdrawalEnd {
        WithdrawalEnd { tx, ok: result.ok, payout_ref: result.payout_ref.clone() }
    }
}

/// A version of a plan; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Plan {
    /// What registered it.
    pub tx: TxId,
    /// Its legs.
    pub legs: Vec<PlanLeg>,
}

/// A version of an item; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    /// What registered it.
    pub tx: TxId,
    /// Asset of the price.
    pub asset: AssetCode,
    /// What it costs.
    pub price: Price,
    /// Taken off the price.
    pub discount: Ppm,
    /// Tax, if any.
    pub tax: Option<TaxRule>,
    /// The host's plan that splits the net price.
    pub plan: Label,
    /// That plan's version.
    pub plan_version: u32,
    /// Who made it.
    pub creator: AccountId,
    /// What paying grants.
    pub terms: Terms,
}

/// A payee's part of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Leg {
    /// Who is paid; once paid, who was (another account stands in for a closed one).
    pub account: AccountId,
    /// How much, after its part of the fee.
    pub amount: Amount,
    /// How much of it was given back, by the payee or by whoever bears its refunds.
    pub returned: Amount,
    /// What happens on a refund.
    pub refund: RefundPolicy,
}

impl Leg {
    /// Whether refunds take from it.
    pub fn may_give(&self) -> bool {
        match self.refund {
            RefundPolicy::NonRefundable => false,
            RefundPolicy::Proportional | RefundPolicy::BorneBy(_) => true,
        }
    }

    /// What a refund may still take.
    pub fn refundable(&self) -> Amount {
        if self.may_give() { self.left() } else { Amount::ZERO }
    }

    /// What was not given back.
    pub fn left(&self) -> Amount {
        self.amount.sub(self.returned).expect("a leg never gives back more than it got")
    }
}

/// Somebody's part in funding an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Source {
    /// Who paid, and who is paid back.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
    /// How much of it was paid back.
    pub returned: Amount,
}

impl Source {
    /// What was not paid back.
    pub fn left(&self) -> Amount {
        self.amount.sub(self.returned).expect("a source never gets back more than it paid")
    }
}

/// An order. `Σ legs = Σ sources` in amount and in what was returned, always.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// What placed it.
    pub tx: TxId,
    /// Who pays.
    pub payer: AccountId,
    /// What is bought.
    pub item: ItemRef,
    /// Asset of all amounts.
    pub asset: AssetCode,
    /// When it was placed.
    pub placed: Time,
    /// When it settles.
    pub mode: PayMode,
    /// Who bears the fee.
    pub fee_bearer: FeeBearer,
    /// The price it was bought at.
    pub price: Amount,
    /// Whether the order named the price.
    pub price_named: bool,
    /// The coupon that paid part of it.
    pub coupon: Option<CouponRef>,
    /// The mandate and period that it was charged for.
    pub mandate: Option<(Label, u64)>,
    /// Tax in it.
    pub tax: Amount,
    /// Network fee in it, whoever bears it.
    pub fee: Amount,
    /// What the payer agreed to pay in all; of a hold, if the whole is captured.
    pub total: Amount,
    /// Its state; a cleared order whose window is settled reads as settled (see [`crate::read::order`]).
    pub state: OrderState,
    /// What it holds now: everything not yet paid to payees or given back. Nothing once its legs were paid.
    pub pot: Amount,
    /// How many refunds it had.
    pub refunds: u32,
    /// When it moves on by itself: what waits is released, a hold returned, a dispute over.
    pub due: Option<Time>,
    /// The netting window it was recorded in.
    pub window: Option<u64>,
    /// How the hold ended: what captured or voided it, and how much was captured.
    pub captured: Option<(TxId, Amount)>,
    /// Who is paid: the plan's legs in order, then tax, then the network fee. A partial capture shrinks legs and sources.
    pub legs: Vec<Leg>,
    /// Who funded it: the payer, then the coupon's sponsors, then the origin for its part of the fee; for window orders
    /// the origin alone.
    pub sources: Vec<Source>,
}

impl Order {
    /// What a refund may still take from all legs.
    pub fn refundable(&self) -> Amount {
        Amount::sum(self.legs.iter().map(Leg::refundable)).expect("no more than the order's funding")
    }

    /// What sources were given back.
    pub fn returned(&self) -> Amount {
        Amount::sum(self.sources.iter().map(|s| s.returned)).expect("no more than the order's funding")
    }
}

/// A refund, kept for its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RefundRecord {
    /// What made it.
    pub tx: TxId,
    /// Which of the order's platforms.
    pub by: AccountId,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub reason: Label,
}

/// Whether an entitlement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EntitlementStatus {
    /// It does, within its times and units.
    Active,
    /// The order was refunded.
    Revoked,
}

/// Access that an order bought.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entitlement {
    /// The order.
    pub order: OrderKey,
    /// Version of the item bought.
    pub version: u32,
    /// From when.
    pub from: Time,
    /// Until when; `None` for ever.
    pub until: Option<Time>,
    /// Units that may be consumed; `None` for unmetered access.
    pub units: Option<u64>,
    /// Units consumed.
    pub used: u64,
    /// The last consumption: units consumed before it, and what counted it.
    pub last_use: Option<(u64, TxId)>,
    /// What it gives access to, in the host's own words.
    pub scope: Label,
    /// Whether it holds.
    pub status: EntitlementStatus,
}

/// What a payee owes a platform that stood in for it in refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receivable {
    /// Who is owed.
    pub creditor: AccountId,
    /// How much is left.
    pub amount: Amount,
}

/// Where an asset's netting stands. Windows are numbered from 1 and settle in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Netting {
    /// The open window.
    pub open: u64,
    /// The last window that was settled.
    pub settled: u64,
}

impl Default for Netting {
    fn default() -> Self {
        Netting { open: 1, settled: 0 }
    }
}

/// A netting window with at least one obligation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Window {
    /// When its first obligation was recorded.
    pub opened: Time,
    /// When it closes by itself.
    pub due: Option<Time>,
    /// When it closed.
    pub closed: Option<Time>,
    /// When it was settled.
    pub settled: Option<Time>,
    /// How many obligations it holds.
    pub obligations: u64,
    /// How many accounts take part.
    pub participants: u32,
    /// Sum of its obligations.
    pub gross: u128,
}

/// What one account owes another in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Obligation {
    /// Sum.
    pub amount: u128,
    /// Of how many.
    pub count: u64,
}

/// What an archived order leaves behind: enough to refuse its key to others, to answer a repeated body with the original
/// receipt, and to check a copy of the order that somebody kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Archived {
    /// What placed the order.
    pub tx: TxId,
    /// Hash of the fields by which a repeated body is recognised.
    pub body: Hash,
    /// Hash of the order as it stood.
    pub digest: Hash,
    /// Its last state.
    pub state: OrderState,
}

/// A dispute of an order; there is one at most.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Dispute {
    /// What opened it.
    pub tx: TxId,
    /// Why.
    pub reason: Label,
    /// Hash of the evidence.
    pub evidence: Hash,
    /// When it was opened.
    pub opened: Time,
    /// The order's state before.
    pub from: OrderState,
    /// How it ended, once it did.
    pub end: Option<DisputeEnd>,
}

/// How a dispute ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DisputeEnd {
    /// What resolved it, by whom and why; `None` if its time ran out.
    pub by: Option<(TxId, AccountId, Label)>,
    /// The share that went back.
    pub refund: Ppm,
}

/// A sponsor's part of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sponsorship {
    /// Who.
    pub account: AccountId,
    /// Its share of the budget.
    pub share: Ppm,
    /// How much it brought.
    pub budget: Amount,
    /// How much of it coupons paid.
    pub spent: Amount,
    /// How much of it was returned when the campaign ended.
    pub returned: Amount,
}

impl Sponsorship {
    /// What of its part the campaign still holds.
    pub fn left(&self) -> Amount {
        let gone = self.spent.add(self.returned).expect("no more than the sponsor brought");
        self.budget.sub(gone).expect("no more than the sponsor brought")
    }
}

/// A campaign of coupons. It holds `Σ budget − spent − returned`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Campaign {
    /// What opened it.
    pub tx: TxId,
    /// Asset of all amounts.
    pub asset: AssetCode,
    /// What all coupons together may pay.
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
    /// When it ends by itself.
    pub ends: Time,
    /// What ended it early, if something did.
    pub ended_by: Option<TxId>,
    /// Whether it has ended.
    pub ended: bool,
    /// Who funded it, in the order of the action.
    pub sponsors: Vec<Sponsorship>,
}

/// A coupon.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Coupon {
    /// What issued it.
    pub tx: TxId,
    /// Its campaign.
    pub campaign: Label,
    /// The only account that may use it.
    pub holder: Option<AccountId>,
    /// The order it was used for; `None` again when it is restored.
    pub used: Option<OrderKey>,
}

/// A mandate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mandate {
    /// What made it.
    pub tx: TxId,
    /// The platform that may charge.
    pub payee: AccountId,
    /// The platform that hosts the item.
    pub host: AccountId,
    /// The item, in any version.
    pub item: Label,
    /// Asset of the amounts.
    pub asset: AssetCode,
    /// Most a charge may take.
    pub max_per_charge: Amount,
    /// Most the charges of a span of 30 days since `starts` may take together.
    pub max_per_month: Amount,
    /// Length of a period in milliseconds.
    pub interval_ms: u64,
    /// When the first period begins.
    pub starts: Time,
    /// From then on nothing may be charged.
    pub ends: Time,
    /// The span of 30 days of the last charge, and the sum of that span's charges.
    pub month: (u64, Amount),
    /// What cancelled it.
    pub cancelled: Option<TxId>,
}

/// A charge, kept for its period.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChargeRecord {
    /// What made it.
    pub tx: TxId,
    /// The order it placed.
    pub order: OrderKey,
}

/// How locked money ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HtlcEnd {
    /// It was claimed.
    Claimed {
        /// By this.
        tx: TxId,
        /// With this preimage.
        preimage: [u8; 32],
    },
    /// It was taken back.
    Refunded {
        /// By this.
        tx: TxId,
    },
}

/// Money locked to a hash; it holds the amount until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Htlc {
    /// What locked it.
    pub tx: TxId,
    /// Who may claim.
    pub to: AccountId,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// How much.
    pub amount: Amount,
    /// SHA-256 of the preimage.
    pub hash: Hash,
    /// First block time at which it can no longer be claimed.
    pub deadline: Time,
    /// How it ended, once it did.
    pub end: Option<HtlcEnd>,
}

/// A quote that was taken, kept for its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QuoteRecord {
    /// What took it.
    pub tx: TxId,
    /// Who took it.
    pub taker: AccountId,
    /// Hash of the quote.
    pub digest: Hash,
}

/// An anchored report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Report {
    /// What anchored it.
    pub tx: TxId,
    /// Hash of the report.
    pub root: Hash,
    /// When.
    pub at: Time,
}

/// How a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ProposalState {
    /// It collects approvals.
    Open,
    /// Enough validators approved; it takes effect at its height.
    Approved,
    /// It took effect.
    Done,
    /// Its value did not fit the other parameters when its height came.
    Void,
}

/// A proposed change of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proposal {
    /// What made it.
    pub tx: TxId,
    /// When.
    pub at: Time,
    /// Which parameter.
    pub parameter: Parameter,
    /// Its new value.
    pub value: u64,
    /// The first block that shall work with it.
    pub from_height: Height,
    /// The platforms that approved and what did, the proposer first.
    pub approvals: Vec<(AccountId, TxId)>,
    /// How it stands.
    pub state: ProposalState,
}

/// What an account moved out of itself lately, for its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Spending {
    /// The last day (UTC+8) with a movement, and its sum.
    pub day: (u64, Amount),
    /// The last year (UTC+8) with a movement, and its sum.
    pub year: (u64, Amount),
    /// The hours of the last 24 with movements, oldest first, and their sums.
    pub hours: Vec<(u64, Amount)>,
}

/// What a platform sold and refunded in an asset, by periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Volume {
    /// The last period with a sale or refund.
    pub period: u64,
    /// What it sold in that period, in minor units of net price.
    pub sold: u128,
    /// What it refunded in that period.
    pub refunded: u128,
    /// Whether that period's refunds raised the alarm.
    pub alarmed: bool,
    /// What it sold in the period before that one.
    pub before: u128,
}
