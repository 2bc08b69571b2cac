//! What executing something did: outcome, postings and events.

use bincode::{Decode, Encode};
use vostro_crypto::{Hash, merkle};

use crate::account::{AccountKind, AccountStatus};
use crate::amount::Amount;
use crate::asset::AssetCode;
use crate::codec::{ListEncoding, encode};
use crate::ids::{AccountId, Height, Label, Time, TxId};
use crate::parameters::Parameter;
use crate::transaction::{CouponRef, ItemRef, OrderKey};

/// What made a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Cause {
    /// A transaction.
    Transaction(TxId),
    /// A deadline of an order that came due.
    Deadline(OrderKey),
    /// A netting window that came due.
    WindowDeadline {
        /// Asset netted.
        asset: AssetCode,
        /// Its number.
        window: u64,
    },
    /// A campaign whose time is up.
    CampaignDeadline {
        /// The platform that opened it.
        platform: AccountId,
        /// Its name there.
        campaign: Label,
    },
    /// A proposal whose height has come.
    ProposalDue {
        /// Who proposed.
        proposer: AccountId,
        /// Its name there.
        proposal: Label,
    },
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// The same business key with the same body was applied before; nothing changed.
    Replayed {
        /// The transaction that took effect.
        original: TxId,
    },
    /// A rule refused it; nothing changed.
    Rejected {
        /// The contract's stable code.
        code: u16,
        /// What the refusal is about, such as the names of fields that differ.
        about: Vec<Label>,
    },
}

/// Which balance of an account a posting moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Bucket {
    /// Free to spend.
    Available,
    /// Credited while frozen.
    Held,
    /// Locked as cover for netting.
    Collateral,
}

/// One movement of money on one balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Posting {
    /// Whose balance.
    pub account: AccountId,
    /// Asset moved.
    pub asset: AssetCode,
    /// Which balance.
    pub bucket: Bucket,
    /// Whether the balance rose.
    pub credit: bool,
    /// By how much.
    pub amount: Amount,
    /// The balance after.
    pub balance: Amount,
}

/// State of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum OrderState {
    /// Waits for confirmation or its deadline.
    Escrowed,
    /// Waits for its maturity.
    Maturing,
    /// Recorded in a netting window.
    Cleared,
    /// Paid out.
    Settled,
    /// Partly given back.
    PartRefunded,
    /// Wholly given back.
    Refunded,
    /// Reserved; waits for capture, void or its time-out.
    Held,
    /// The reservation was returned.
    Voided,
    /// Waits for arbiters.
    Disputed,
}

impl OrderState {
    /// The name as people see it.
    pub fn name(self) -> &'static str {
        match self {
            OrderState::Escrowed => "ESCROWED",
            OrderState::Maturing => "MATURING",
            OrderState::Cleared => "CLEARED",
            OrderState::Settled => "SETTLED",
            OrderState::PartRefunded => "PART_REFUNDED",
            OrderState::Refunded => "REFUNDED",
            OrderState::Held => "HELD",
            OrderState::Voided => "VOIDED",
            OrderState::Disputed => "DISPUTED",
        }
    }
}

/// Something that happened, for consumers that follow the chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// An account exists.
    AccountOpened {
        /// Its id.
        account: AccountId,
        /// Its kind.
        kind: AccountKind,
        /// The platform that opened it.
        platform: AccountId,
    },
    /// An account's status changed.
    StatusSet {
        /// Whose.
        account: AccountId,
        /// To what.
        status: AccountStatus,
        /// Why.
        reason: Label,
    },
    /// External money came in.
    Deposited {
        /// Gateway.
        gateway: AccountId,
        /// Channel's reference.
        channel_ref: Label,
    },
    /// Money asked to leave.
    WithdrawalRequested {
        /// Whose.
        owner: AccountId,
        /// Its name.
        withdrawal_id: Label,
    },
    /// A withdrawal ended.
    WithdrawalEnded {
        /// Whose.
        owner: AccountId,
        /// Its name.
        withdrawal_id: Label,
        /// Whether it was paid out.
        ok: bool,
    },
    /// A plan version exists.
    PlanRegistered {
        /// Whose plan.
        platform: AccountId,
        /// Its name.
        plan: Label,
        /// Its version.
        version: u32,
    },
    /// An item version exists.
    ItemRegistered {
        /// Which.
        item: ItemRef,
    },
    /// An order changed state, or was placed if `from` is `None`.
    OrderMoved {
        /// Which.
        order: OrderKey,
        /// State before.
        from: Option<OrderState>,
        /// State after.
        to: OrderState,
    },
    /// A refund took effect.
    OrderRefunded {
        /// Which order.
        order: OrderKey,
        /// The refund's name.
        refund_id: Label,
        /// How much went back.
        amount: Amount,
    },
    /// A platform stood in for a payee in a refund and is owed for it.
    ReceivableRaised {
        /// Who owes.
        debtor: AccountId,
        /// Who is owed.
        creditor: AccountId,
        /// Asset owed.
        asset: AssetCode,
        /// How much more.
        amount: Amount,
    },
    /// A credit was used to pay what its receiver owed.
    ReceivablePaid {
        /// Who owed.
        debtor: AccountId,
        /// Who was owed.
        creditor: AccountId,
        /// Asset owed.
        asset: AssetCode,
        /// How much less.
        amount: Amount,
    },
    /// Access was granted.
    EntitlementGranted {
        /// Its id.
        entitlement: Hash,
        /// Who holds it.
        holder: AccountId,
        /// For what.
        item: ItemRef,
    },
    /// Access ended because the order was refunded.
    EntitlementRevoked {
        /// Its id.
        entitlement: Hash,
    },
    /// A netting window's list is frozen.
    WindowClosed {
        /// Asset netted.
        asset: AssetCode,
        /// Its number.
        window: u64,
        /// How many obligations it holds.
        obligations: u64,
    },
    /// A netting window was paid.
    WindowSettled {
        /// Asset netted.
        asset: AssetCode,
        /// Its number.
        window: u64,
        /// Sum of the obligations in minor units.
        gross: u128,
        /// Sum of what debtors paid.
        net: Amount,
    },
    /// A plain transfer was made.
    Transferred {
        /// Who paid.
        from: AccountId,
        /// Who was credited.
        to: AccountId,
        /// Asset moved.
        asset: AssetCode,
        /// How much.
        amount: Amount,
        /// Hash of a memo kept off the ledger.
        memo: Hash,
    },
    /// Money became cover for netting.
    CollateralLocked {
        /// Whose.
        account: AccountId,
        /// Asset locked.
        asset: AssetCode,
        /// How much more.
        amount: Amount,
    },
    /// An order's leg became an obligation in a netting window.
    ObligationRecorded {
        /// Who owes.
        debtor: AccountId,
        /// Who is owed.
        creditor: AccountId,
        /// Asset owed.
        asset: AssetCode,
        /// The window's number.
        window: u64,
        /// How much more.
        amount: Amount,
    },
    /// Money went to another account because the one it was meant for is closed.
    Rerouted {
        /// Who should have been credited.
        from: AccountId,
        /// Who was credited.
        to: AccountId,
        /// Asset moved.
        asset: AssetCode,
        /// How much.
        amount: Amount,
    },
    /// An account has other keys.
    KeysSet {
        /// Whose.
        account: AccountId,
    },
    /// An account's tier changed.
    TierSet {
        /// Whose.
        account: AccountId,
        /// To what.
        tier: u8,
        /// Salted hash of the attestation.
        attestation: Hash,
    },
    /// Part or all of a hold was taken.
    OrderCaptured {
        /// Which order.
        order: OrderKey,
        /// How much.
        amount: Amount,
    },
    /// A hold was returned by a platform.
    OrderVoided {
        /// Which order.
        order: OrderKey,
        /// Why.
        reason: Label,
    },
    /// An order is disputed.
    DisputeOpened {
        /// Which order.
        order: OrderKey,
        /// Why.
        reason: Label,
        /// Hash of the evidence.
        evidence: Hash,
    },
    /// A dispute ended.
    DisputeResolved {
        /// Which order.
        order: OrderKey,
        /// The arbiters' account; `None` if nobody resolved it in time.
        by: Option<AccountId>,
        /// How much went back.
        refunded: Amount,
    },
    /// A campaign holds its budget.
    CampaignCreated {
        /// The platform that opened it.
        platform: AccountId,
        /// Its name there.
        campaign: Label,
        /// Asset of the budget.
        asset: AssetCode,
        /// How much.
        budget: Amount,
    },
    /// A coupon exists.
    CouponIssued {
        /// The coupon.
        coupon: CouponRef,
        /// Its campaign.
        campaign: Label,
        /// The only account that may use it.
        holder: Option<AccountId>,
    },
    /// A coupon paid part of an order.
    CouponUsed {
        /// The coupon.
        coupon: CouponRef,
        /// The order.
        order: OrderKey,
        /// How much it paid.
        amount: Amount,
    },
    /// A coupon can be used again because its order was wholly given back.
    CouponRestored {
        /// The coupon.
        coupon: CouponRef,
    },
    /// A campaign ended and returned what was left.
    CampaignEnded {
        /// The platform that opened it.
        platform: AccountId,
        /// Its name there.
        campaign: Label,
        /// How much went back to the sponsors.
        returned: Amount,
    },
    /// A platform may charge a payer.
    MandateCreated {
        /// The payer.
        payer: AccountId,
        /// The mandate's name there.
        mandate: Label,
        /// The platform.
        payee: AccountId,
    },
    /// A mandate was charged.
    MandateCharged {
        /// The payer.
        payer: AccountId,
        /// The mandate's name there.
        mandate: Label,
        /// Which period.
        period: u64,
        /// The order placed.
        order: OrderKey,
    },
    /// A mandate ended.
    MandateCancelled {
        /// The payer.
        payer: AccountId,
        /// The mandate's name there.
        mandate: Label,
        /// Who ended it.
        by: AccountId,
    },
    /// Units of an entitlement were consumed.
    UnitsConsumed {
        /// Its id.
        entitlement: Hash,
        /// How many.
        units: u64,
        /// How many are left.
        left: u64,
    },
    /// Money is locked to a hash.
    HtlcLocked {
        /// Who locked it.
        owner: AccountId,
        /// The lock's name there.
        htlc_id: Label,
        /// Who may claim.
        to: AccountId,
        /// Asset locked.
        asset: AssetCode,
        /// How much.
        amount: Amount,
        /// SHA-256 of the preimage.
        hash: Hash,
        /// First block time at which it can no longer be claimed.
        deadline: Time,
    },
    /// Locked money was claimed; the preimage is public now.
    HtlcClaimed {
        /// Who locked it.
        owner: AccountId,
        /// The lock's name there.
        htlc_id: Label,
        /// What hashes to the lock's hash.
        preimage: Hash,
    },
    /// Locked money was taken back.
    HtlcRefunded {
        /// Who locked it.
        owner: AccountId,
        /// The lock's name there.
        htlc_id: Label,
    },
    /// Two assets were exchanged.
    FxConverted {
        /// Who offered.
        maker: AccountId,
        /// The quote's name there.
        quote_id: Label,
        /// Who took it.
        taker: AccountId,
        /// Asset that the maker gave.
        gives_asset: AssetCode,
        /// How much of it.
        gives: Amount,
        /// Asset that the maker took.
        takes_asset: AssetCode,
        /// How much of it.
        takes: Amount,
        /// What the taker paid on top.
        spread: Amount,
    },
    /// A report is anchored.
    ReportAnchored {
        /// By whom.
        by: AccountId,
        /// The period it is about.
        period: Label,
        /// The channel it is about.
        channel: Label,
        /// Hash of the report.
        root: Hash,
    },
    /// A value for a parameter is proposed.
    ProposalMade {
        /// Who proposed.
        proposer: AccountId,
        /// Its name there.
        proposal: Label,
        /// Which parameter.
        parameter: Parameter,
        /// The value.
        value: u64,
        /// The first block that shall work with it.
        from_height: Height,
    },
    /// A validator's platform approved a proposal.
    ProposalApproved {
        /// Who proposed.
        proposer: AccountId,
        /// Its name there.
        proposal: Label,
        /// Who approved.
        by: AccountId,
        /// How many validators have approved now.
        approvals: u32,
    },
    /// A parameter has another value from the next block on.
    ParameterSet {
        /// Which parameter.
        parameter: Parameter,
        /// The value.
        value: u64,
    },
    /// A proposal could not take effect, because its value does not fit the other parameters any more.
    ProposalVoid {
        /// Who proposed.
        proposer: AccountId,
        /// Its name there.
        proposal: Label,
    },
    /// Cover became available money again.
    CollateralUnlocked {
        /// Whose.
        account: AccountId,
        /// Asset unlocked.
        asset: AssetCode,
        /// How much less.
        amount: Amount,
    },
    /// Money went into the mutual fund.
    FundContributed {
        /// Whose.
        account: AccountId,
        /// Asset.
        asset: AssetCode,
        /// How much more.
        amount: Amount,
    },
    /// Money left the mutual fund for who had paid it in.
    FundReleased {
        /// Whose.
        account: AccountId,
        /// Asset.
        asset: AssetCode,
        /// How much less.
        amount: Amount,
    },
    /// The mutual fund paid for a platform that could not.
    FundUsed {
        /// Who could not pay.
        debtor: AccountId,
        /// Whose contribution it was.
        contributor: AccountId,
        /// Asset.
        asset: AssetCode,
        /// How much.
        amount: Amount,
    },
    /// A closed order was replaced by its digest.
    OrderArchived {
        /// Which order.
        order: OrderKey,
        /// Hash of what it was.
        digest: Hash,
    },
    /// A platform's refunds reached the alarm's share of its volume in this period.
    RefundAlarm {
        /// The platform that sells.
        platform: AccountId,
        /// Asset.
        asset: AssetCode,
        /// Refunds of the period in minor units.
        refunded: u128,
        /// Volume of the period in minor units.
        volume: u128,
    },
}

/// What executing something did. A block's receipts stand in the order of execution: transactions, then deadlines.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// What made it.
    pub cause: Cause,
    /// How it ended.
    pub outcome: Outcome,
    /// Network fee taken, in the asset of the order.
    pub fee: Amount,
    /// Movements of money, in order. Money that enters or leaves objects (orders, withdrawals) or the ledger balances
    /// against them.
    pub postings: Vec<Posting>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl Receipt {
    /// Whether it took effect.
    pub fn applied(&self) -> bool {
        self.outcome == Outcome::Applied
    }
}

/// A receipt's leaf in the receipts tree.
pub fn receipt_leaf(receipt: &Receipt) -> Hash {
    merkle::leaf(&encode(receipt))
}

/// Merkle root of receipts as a header has it.
pub fn receipts_root(receipts: &[Receipt]) -> Hash {
    EncodedReceipts::of(receipts).root
}

/// Receipts as they are hashed and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedReceipts {
    /// Merkle root, as a header has it.
    pub root: Hash,
    /// Encoded length of each, in bytes.
    pub lengths: Vec<usize>,
    /// The encoding of the list of them.
    pub list: Vec<u8>,
}

impl EncodedReceipts {
    /// Encodes each of them once.
    pub fn of(receipts: &[Receipt]) -> Self {
        let mut list = ListEncoding::with_room(receipts.len() * RECEIPT_BYTES);
        let measured = receipts.iter().map(|receipt| {
            let encoded = list.push(receipt);
            (merkle::leaf(encoded), encoded.len())
        });
        let (leaves, lengths): (Vec<Hash>, Vec<usize>) = measured.unzip();
        EncodedReceipts { root: merkle::root(&leaves), lengths, list: list.finish() }
    }
}

/// Bytes of a receipt, about.
const RECEIPT_BYTES: usize = 512;
