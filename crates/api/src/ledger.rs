//! Shapes of `account_*`, `order_*`, `entitlement_*` and `platform_*` methods.

use serde::{Deserialize, Serialize};
use vostro_types::{AccountId, AssetCode, Hash, Label, Time, TxId};

use crate::action::{CouponJson, FeeBearerJson, ItemJson, OrderJson, PolicyJson, RefundPolicyJson};
use crate::amount::AmountText;
use crate::chain::RolesJson;
use crate::receipt::{CauseJson, OutcomeJson, PostingJson, Status};

/// An account's money in one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceJson {
    /// The asset.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// Free to spend.
    pub available: AmountText,
    /// Credited while frozen.
    pub held: AmountText,
    /// Locked as cover for netting.
    pub collateral: AmountText,
    /// What the account owes platforms that stood in for it; its next credits pay this first.
    pub owed: AmountText,
}

/// `account_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountJson {
    /// Its id.
    #[serde(with = "crate::text")]
    pub id: AccountId,
    /// Its public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its status.
    pub status: String,
    /// 1 to 3, by identity checks.
    pub tier: u8,
    /// What it may do for the network.
    pub roles: RolesJson,
    /// The platform that opened it; itself for accounts of the genesis.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// When it was opened.
    #[serde(with = "crate::text::time")]
    pub opened_at: Time,
    /// Its keys.
    pub policy: PolicyJson,
    /// Its money, by asset.
    pub balances: Vec<BalanceJson>,
    /// That the state says so, if it was asked for: the account, its keys and its balance in every asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StateProofJson>,
}

/// That a decided block's state holds certain values. What the proof says may be a block newer than what stands beside
/// it; the proof is what counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateProofJson {
    /// Canonical bytes of the header whose state root it is about.
    #[serde(with = "crate::text::base64")]
    pub header: Vec<u8>,
    /// Canonical bytes of the commit certificate of that header.
    #[serde(with = "crate::text::base64")]
    pub certificate: Vec<u8>,
    /// One for each key.
    pub entries: Vec<EntryProof>,
}

/// Canonical bytes of a state proof: key, value or absence, and the way to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryProof(#[serde(with = "crate::text::base64")] pub Vec<u8>);

/// A line of `account_history`: one receipt that moved the account's money or names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryLine {
    /// Height of the block.
    pub height: u64,
    /// Index among the block's receipts.
    pub index: u32,
    /// The block's time.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// A transaction or a deadline.
    pub cause: CauseJson,
    /// A sentence for each action, or for the deadline.
    pub words: Vec<String>,
    /// Settled or rejected.
    pub status: Status,
    /// How it ended.
    pub outcome: OutcomeJson,
    /// Movements on this account alone.
    pub postings: Vec<PostingJson>,
}

/// `account_history`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryList {
    /// The lines.
    pub entries: Vec<HistoryLine>,
    /// Where the list goes on, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A leg of an order: who is paid from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLegJson {
    /// Who is paid.
    #[serde(with = "crate::text")]
    pub payee: AccountId,
    /// The payee's public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its share, after its part of the fee.
    pub amount: AmountText,
    /// How much of it was given back.
    pub returned: AmountText,
    /// What it does on a refund.
    pub refund: RefundPolicyJson,
}

/// Somebody's part in funding an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSourceJson {
    /// Who paid.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// The public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How much.
    pub amount: AmountText,
    /// How much of it was paid back.
    pub returned: AmountText,
}

/// `order_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// The platform that sells.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// The order's name there.
    #[serde(with = "crate::text")]
    pub order_id: Label,
    /// `ESCROWED`, `MATURING`, `CLEARED`, `HELD`, `VOIDED`, `DISPUTED`, `SETTLED`, `PART_REFUNDED` or `REFUNDED`.
    pub state: String,
    /// Who pays.
    #[serde(with = "crate::text")]
    pub payer: AccountId,
    /// What is bought.
    pub item: ItemJson,
    /// `instant`, `escrow`, `t+N`, `window` or `hold`.
    pub mode: String,
    /// Who bears the network fee.
    pub fee_bearer: FeeBearerJson,
    /// Asset of the amounts.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// The price it was bought at.
    pub price: AmountText,
    /// Tax in it.
    pub tax: AmountText,
    /// Network fee in it, whoever bears it.
    pub fee: AmountText,
    /// What the payer pays in all.
    pub total: AmountText,
    /// What went back to those who funded it.
    pub refunded: AmountText,
    /// What it holds now: neither paid out nor given back.
    pub pot: AmountText,
    /// When it was placed.
    #[serde(with = "crate::text::time")]
    pub placed_at: Time,
    /// When it releases its money by itself, if it waits.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// The transaction that placed it.
    #[serde(with = "crate::text")]
    pub placed_by: TxId,
    /// The netting window it was recorded in, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// The coupon that paid part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<CouponJson>,
    /// The mandate and period that it was charged for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<ChargedJson>,
    /// How its hold ended, if it was one and has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<CapturedJson>,
    /// Its dispute, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<DisputeJson>,
    /// Who is paid: the plan's legs, then tax, then the network fee.
    pub legs: Vec<OrderLegJson>,
    /// Who funded it.
    pub sources: Vec<OrderSourceJson>,
    /// That the state says so, if it was asked for: the order, and where its asset's netting stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StateProofJson>,
}

/// Which charge of a mandate placed an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargedJson {
    /// The payer's name for the mandate.
    pub mandate: String,
    /// Which period.
    pub period: u64,
}

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapturedJson {
    /// The transaction that captured or voided it.
    #[serde(with = "crate::text")]
    pub by: TxId,
    /// How much was captured; zero if it was voided.
    pub amount: AmountText,
}

/// A dispute of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DisputeJson {
    /// The transaction that opened it.
    #[serde(with = "crate::text")]
    pub opened_by: TxId,
    /// When.
    #[serde(with = "crate::text::time")]
    pub opened_at: Time,
    /// Why.
    pub reason: String,
    /// Hash of the evidence.
    #[serde(with = "crate::text")]
    pub evidence: Hash,
    /// The order's state before.
    pub from: String,
    /// How it ended, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DisputeEndJson>,
}

/// How a dispute ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DisputeEndJson {
    /// The arbiters' account; absent if nobody resolved it in time.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<AccountId>,
    /// The transaction that resolved it.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub by: Option<TxId>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The share that went back.
    pub refund_ppm: u32,
}

/// `order_get` of an order that is archived: what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchivedJson {
    /// The platform that sold it.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// The order's name there.
    #[serde(with = "crate::text")]
    pub order_id: Label,
    /// Its last state.
    pub state: String,
    /// `true`: what tells it from an order that is still kept.
    pub archived: bool,
    /// Hash of the order as it stood: what a copy that somebody kept is checked against.
    #[serde(with = "crate::text")]
    pub digest: Hash,
    /// The transaction that placed it.
    #[serde(with = "crate::text")]
    pub placed_by: TxId,
    /// That the state says so, if it was asked for: that the order is gone, and what is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StateProofJson>,
}

/// `order_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OrderAnswer {
    /// What is left of an archived order.
    Archived(Box<ArchivedJson>),
    /// An order.
    Kept(Box<OrderView>),
}

impl<'de> Deserialize<'de> for OrderAnswer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Looking at `archived` first keeps the message of what is wrong.
        let value = serde_json::Value::deserialize(deserializer)?;
        let parsed = if value.get("archived").is_some() {
            serde_json::from_value(value).map(OrderAnswer::Archived)
        } else {
            serde_json::from_value(value).map(OrderAnswer::Kept)
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

/// A line of `order_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The platform that sells.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// The order's name there.
    #[serde(with = "crate::text")]
    pub order_id: Label,
    /// Its state.
    pub state: String,
    /// Who pays.
    #[serde(with = "crate::text")]
    pub payer: AccountId,
    /// What is bought.
    pub item: ItemJson,
    /// Asset of the total.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// What the payer pays in all.
    pub total: AmountText,
    /// When it was placed.
    #[serde(with = "crate::text::time")]
    pub placed_at: Time,
}

/// `order_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderList {
    /// The orders: of a platform in the order of their names, of an account newest first.
    pub orders: Vec<OrderLine>,
    /// Where the list goes on, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What an order bought: access to an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementJson {
    /// Its id.
    #[serde(with = "crate::text")]
    pub id: Hash,
    /// The order that bought it.
    pub order: OrderJson,
    /// Version of the item bought.
    pub version: u32,
    /// From when.
    #[serde(with = "crate::text::time")]
    pub from: Time,
    /// Until when; absent for ever.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Units that may be consumed; absent for unmetered access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    /// Units consumed.
    pub used: u64,
    /// Units left; absent for unmetered access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// What it gives access to, in the host's own words.
    pub scope: String,
    /// `active` or `revoked`.
    pub status: String,
    /// Whether it gives access at the tip's time.
    pub valid: bool,
}

/// `entitlement_check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntitlementCheck {
    /// Who would have access.
    #[serde(with = "crate::text")]
    pub holder: AccountId,
    /// The platform that hosts the item.
    #[serde(with = "crate::text")]
    pub host: AccountId,
    /// The item.
    #[serde(with = "crate::text")]
    pub item: Label,
    /// Whether one of the entitlements is valid at `time`.
    pub entitled: bool,
    /// The tip's time, by which it was judged.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// What the holder bought, at most 100.
    pub entitlements: Vec<EntitlementJson>,
    /// That the state says so, if it was asked for: an entry for each entitlement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StateProofJson>,
}

/// A line of `platform_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformJson {
    /// Its account.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// Its public name.
    pub name: String,
    /// Names of the validators it runs.
    pub validators: Vec<String>,
}

/// `platform_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformList {
    /// The platforms, by name.
    pub platforms: Vec<PlatformJson>,
}
