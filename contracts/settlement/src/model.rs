//! The objects of the state, as they are stored.
//!
//! Invariant: an object holds all that later actions on it need, copied when it was made, so no later edit of another
//! object changes it. What is kept for ever is kept small: an order's fields serve to compare bodies, too.

use vostro_types::codec::{Decode, Encode};
use vostro_types::genesis::Parameters;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::{
    FeeBearer, ItemRef, OrderKey, PayMode, PlanLeg, Price, RefundPolicy, TaxRule, Terms, WithdrawResult,
};
use vostro_types::{AccountId, AccountKind, AccountStatus, Amount, AssetCode, Hash, Height, Label, Time, TxId};

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
    /// Whether it has the Risk role.
    pub risk: bool,
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
    /// What a refund may still take.
    pub fn refundable(&self) -> Amount {
        match self.refund {
            RefundPolicy::NonRefundable => Amount::ZERO,
            RefundPolicy::Proportional | RefundPolicy::BorneBy(_) => self.left(),
        }
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
    /// Tax in it.
    pub tax: Amount,
    /// Network fee in it, whoever bears it.
    pub fee: Amount,
    /// What the payer pays in all.
    pub total: Amount,
    /// Its state; a cleared order whose window is settled reads as settled (see [`crate::read::order`]).
    pub state: OrderState,
    /// What it holds now: everything not yet paid to payees or given back.
    pub pot: Amount,
    /// How many refunds it had.
    pub refunds: u32,
    /// When it releases its pot by itself.
    pub due: Option<Time>,
    /// The netting window it was recorded in.
    pub window: Option<u64>,
    /// Who is paid: the plan's legs in order, then tax, then the network fee.
    pub legs: Vec<Leg>,
    /// Who funded it: the payer, then the origin for its part of the fee; for window orders the origin alone.
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
