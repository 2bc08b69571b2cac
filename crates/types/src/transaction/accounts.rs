//! Actions about accounts and their money.

use bincode::{Decode, Encode};
use vostro_crypto::Hash;

use crate::account::{AccountKind, AccountStatus, KeyPolicy};
use crate::amount::Amount;
use crate::asset::AssetCode;
use crate::ids::{AccountId, Label};

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
