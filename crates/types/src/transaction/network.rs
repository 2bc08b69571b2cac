//! Actions between platforms, with other ledgers and assets, and about the network's rules.

use bincode::{Decode, Encode};
use vostro_crypto::Hash;

use super::SignedBy;
use crate::amount::Amount;
use crate::asset::AssetCode;
use crate::ids::{AccountId, Height, Label, Time};
use crate::parameters::Parameter;
use crate::quote::FxQuote;

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
