//! Transactions: what a client signs, and the only door to "verified".
//!
//! Signed bytes are `tag ‖ genesis hash ‖ canonical body`; their hash is the transaction id. Signatures stand outside,
//! so signing again keeps the id.

mod accounts;
mod catalog;
mod network;
mod offers;
mod orders;
mod signed;

pub use accounts::*;
pub use catalog::*;
pub use network::*;
pub use offers::*;
pub use orders::*;
pub use signed::*;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use vostro_crypto::{Domain, Hash, SecretKey, sha256};

use crate::codec::{encode, refuse};
use crate::ids::{AccountId, Time, TxId};

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
