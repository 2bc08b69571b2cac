//! Shapes of reads of single objects: `plan_get`, `item_get`, `campaign_get`, `coupon_get`, `mandate_get`, `window_get`,
//! `htlc_get`, `proposal_get` and `chain_params`.

mod draw;

pub use draw::{MAX_NETS, Object, ObjectKey, WindowKey};

use serde::{Deserialize, Serialize};
use vostro_types::genesis::ConsensusFile;
use vostro_types::parameters::ParametersFile;
use vostro_types::{AccountId, AssetCode, Hash, Label, Time, TxId};

use crate::action::{CouponScopeJson, CouponValueJson, LegJson, OrderJson, PriceJson, TaxJson, TermsJson};
use crate::amount::AmountText;
use crate::ledger::StateProofJson;

/// An object as a method answers it: its fields, and that the state says so if that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer<T> {
    /// The object.
    #[serde(flatten)]
    pub object: T,
    /// A proof for each entry of the state that the object is drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StateProofJson>,
}

/// `plan_get`: a version of a plan; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// Whose plan.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// Its name there.
    #[serde(with = "crate::text")]
    pub plan: Label,
    /// Its version.
    pub version: u32,
    /// Its legs; fixed ones in minor units, because a plan serves items of any asset.
    pub legs: Vec<LegJson>,
    /// The transaction that registered it.
    #[serde(with = "crate::text")]
    pub registered_by: TxId,
}

/// `item_get`: a version of an item; it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemView {
    /// The platform that hosts it.
    #[serde(with = "crate::text")]
    pub host: AccountId,
    /// Its name there.
    #[serde(with = "crate::text")]
    pub item: Label,
    /// Its version.
    pub version: u32,
    /// Asset of the price.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// What it costs.
    pub price: PriceJson,
    /// Taken off the price.
    pub discount_ppm: u32,
    /// Tax, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxJson>,
    /// The host's plan that splits the net price.
    #[serde(with = "crate::text")]
    pub plan: Label,
    /// That plan's version.
    pub plan_version: u32,
    /// Who made it.
    #[serde(with = "crate::text")]
    pub creator: AccountId,
    /// What paying grants.
    pub terms: TermsJson,
    /// The transaction that registered it.
    #[serde(with = "crate::text")]
    pub registered_by: TxId,
}

/// A sponsor's part of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SponsorshipJson {
    /// Who.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// Its share of the budget.
    pub share_ppm: u32,
    /// How much it brought.
    pub budget: AmountText,
    /// How much of it coupons paid.
    pub spent: AmountText,
    /// How much of it was returned.
    pub returned: AmountText,
}

/// `campaign_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignView {
    /// The platform that opened it.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// Its name there.
    #[serde(with = "crate::text")]
    pub campaign: Label,
    /// Asset of all amounts.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// What all coupons together may pay.
    pub budget: AmountText,
    /// What they have paid.
    pub spent: AmountText,
    /// What it holds now.
    pub left: AmountText,
    /// What one coupon pays.
    pub value: CouponValueJson,
    /// Least net price of an order.
    pub min_price: AmountText,
    /// What coupons are good for.
    pub scope: CouponScopeJson,
    /// How many of its coupons one account may use; 0 for any number.
    pub per_user: u32,
    /// From when coupons may be used.
    #[serde(with = "crate::text::time")]
    pub starts: Time,
    /// When it ends by itself.
    #[serde(with = "crate::text::time")]
    pub ends: Time,
    /// Whether it has ended.
    pub ended: bool,
    /// Who funded it.
    pub sponsors: Vec<SponsorshipJson>,
    /// The transaction that opened it.
    #[serde(with = "crate::text")]
    pub opened_by: TxId,
}

/// `coupon_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CouponView {
    /// The platform that issued it.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// Its serial there.
    #[serde(with = "crate::text")]
    pub serial: Label,
    /// Its campaign.
    #[serde(with = "crate::text")]
    pub campaign: Label,
    /// The only account that may use it.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<AccountId>,
    /// The order it was used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<OrderJson>,
    /// The transaction that issued it.
    #[serde(with = "crate::text")]
    pub issued_by: TxId,
}

/// `mandate_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MandateView {
    /// Who is charged.
    #[serde(with = "crate::text")]
    pub payer: AccountId,
    /// The mandate's name there.
    #[serde(with = "crate::text")]
    pub mandate: Label,
    /// The platform that may charge.
    #[serde(with = "crate::text")]
    pub payee: AccountId,
    /// The platform that hosts the item.
    #[serde(with = "crate::text")]
    pub host: AccountId,
    /// The item.
    #[serde(with = "crate::text")]
    pub item: Label,
    /// Asset of the amounts.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// Most a charge may take.
    pub max_per_charge: AmountText,
    /// Most the charges of 30 days may take together.
    pub max_per_month: AmountText,
    /// What the charges of the last span of 30 days with a charge took.
    pub charged_in_month: AmountText,
    /// Number of that span since `starts`.
    pub month: u64,
    /// Length of a period in milliseconds.
    pub interval_ms: u64,
    /// When the first period begins.
    #[serde(with = "crate::text::time")]
    pub starts: Time,
    /// From then on nothing may be charged.
    #[serde(with = "crate::text::time")]
    pub ends: Time,
    /// The transaction that cancelled it.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<TxId>,
    /// The transaction that made it.
    #[serde(with = "crate::text")]
    pub made_by: TxId,
}

/// An account's net position in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetJson {
    /// Whose.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// The public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it owes (positive) or is owed (negative), netted.
    pub owes: String,
}

/// `window_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowView {
    /// Asset netted.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// Its number.
    pub window: u64,
    /// `open`, `closed` or `settled`.
    pub state: String,
    /// When its first obligation was recorded; absent if it has none.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Time>,
    /// When it closes by itself.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// When it closed.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// When it was settled.
    #[serde(with = "crate::text::time::option", default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Time>,
    /// How many obligations it holds.
    pub obligations: u64,
    /// How many accounts take part.
    pub participants: u32,
    /// Sum of its obligations.
    pub gross: String,
    /// The net positions, at most 100.
    pub nets: Vec<NetJson>,
}

/// How locked money ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum HtlcEndJson {
    /// It was claimed; the preimage is public.
    Claimed {
        #[serde(with = "crate::text")]
        by: TxId,
        #[serde(with = "crate::text")]
        preimage: Hash,
    },
    /// It was returned.
    Refunded {
        #[serde(with = "crate::text")]
        by: TxId,
    },
}

/// `htlc_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HtlcView {
    /// Who locked it.
    #[serde(with = "crate::text")]
    pub owner: AccountId,
    /// The lock's name there.
    #[serde(with = "crate::text")]
    pub htlc_id: Label,
    /// Who may claim.
    #[serde(with = "crate::text")]
    pub to: AccountId,
    /// Asset locked.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// How much.
    pub amount: AmountText,
    /// SHA-256 of the preimage.
    #[serde(with = "crate::text")]
    pub hash: Hash,
    /// First block time at which it can no longer be claimed.
    #[serde(with = "crate::text::time")]
    pub deadline: Time,
    /// How it ended, once it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<HtlcEndJson>,
    /// The transaction that locked it.
    #[serde(with = "crate::text")]
    pub locked_by: TxId,
}

/// An approval of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalJson {
    /// The platform.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// The transaction.
    #[serde(with = "crate::text")]
    pub by: TxId,
}

/// `proposal_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProposalView {
    /// Who proposed.
    #[serde(with = "crate::text")]
    pub proposer: AccountId,
    /// Its name there.
    #[serde(with = "crate::text")]
    pub proposal: Label,
    /// Which parameter.
    pub parameter: String,
    /// Its new value, in digits.
    pub value: String,
    /// The first block that shall work with it.
    pub from_height: u64,
    /// `open`, `approved`, `done` or `void`.
    pub state: String,
    /// When it was made.
    #[serde(with = "crate::text::time")]
    pub made_at: Time,
    /// The platforms that approved, the proposer first.
    pub approvals: Vec<ApprovalJson>,
}

/// A parameter, its value and its bounds, in digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterJson {
    /// Its name, as `propose` takes it.
    pub name: String,
    /// Its value: milliseconds, minor units, parts per million or a count.
    pub value: String,
    /// Its least value.
    pub least: String,
    /// Its highest value.
    pub most: String,
}

/// `chain_params`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParamsView {
    /// The height of the state that says so.
    pub height: u64,
    /// The contract's parameters as they are now; amounts in minor units, because they hold for every asset.
    pub parameters: ParametersFile,
    /// The same one by one, with their bounds: what may be proposed.
    pub list: Vec<ParameterJson>,
    /// The protocol's parameters; they stay as the genesis has them.
    pub consensus: ConsensusFile,
}
