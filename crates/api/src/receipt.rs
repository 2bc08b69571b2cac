//! Receipts as JSON: where something was executed, how it ended, which money moved and what happened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vostro_types::receipt::Bucket;
use vostro_types::transaction::OrderKey;
use vostro_types::{
    AccountId, Asset, AssetCode, BlockId, Cause, Event, Height, Label, Outcome, Parameter, Posting, Receipt, Time, TxId,
};

use crate::action::{Field, OrderJson, camel, status_name};
use crate::amount::AmountText;
use crate::error::rejection_name;
use crate::lookup::Lookup;
use crate::words::event_words;

/// Where a receipt stands on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Height of the block.
    pub height: Height,
    /// Index among the block's receipts; a transaction has the same index among its transactions.
    pub index: u32,
    /// The block.
    pub block: BlockId,
    /// The block's time.
    pub time: Time,
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Known, not yet in a block.
    Pending,
    /// In a block, and took effect (or repeated one that did).
    Settled,
    /// Refused by a rule.
    Rejected,
}

impl Status {
    /// How an outcome stands.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied | Outcome::Replayed { .. } => Status::Settled,
            Outcome::Rejected { .. } => Status::Rejected,
        }
    }
}

/// How executing something ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum OutcomeJson {
    /// It took effect.
    Applied,
    /// The same business key with the same body took effect before.
    Replayed {
        #[serde(with = "crate::text")]
        original: TxId,
    },
    /// A rule refused it; `code` is the contract's own number.
    Rejected { code: u16, name: String, about: Vec<String> },
}

impl OutcomeJson {
    /// The JSON of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied => OutcomeJson::Applied,
            Outcome::Replayed { original } => OutcomeJson::Replayed { original: *original },
            Outcome::Rejected { code, about } => OutcomeJson::Rejected {
                code: *code,
                name: rejection_name(*code).into(),
                about: about.iter().map(ToString::to_string).collect(),
            },
        }
    }
}

/// What made a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum CauseJson {
    Transaction {
        #[serde(with = "crate::text")]
        id: TxId,
    },
    Deadline {
        order: OrderJson,
    },
    WindowDeadline {
        #[serde(with = "crate::text")]
        asset: AssetCode,
        window: u64,
    },
    CampaignDeadline {
        #[serde(with = "crate::text")]
        platform: AccountId,
        #[serde(with = "crate::text")]
        campaign: Label,
    },
    #[serde(rename_all = "camelCase")]
    ProposalDue {
        #[serde(with = "crate::text")]
        proposer: AccountId,
        #[serde(with = "crate::text")]
        proposal: Label,
    },
}

impl CauseJson {
    /// The JSON of a cause.
    pub fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Transaction(id) => CauseJson::Transaction { id: *id },
            Cause::Deadline(order) => CauseJson::Deadline { order: OrderJson::of(order) },
            Cause::WindowDeadline { asset, window } => CauseJson::WindowDeadline { asset: *asset, window: *window },
            Cause::CampaignDeadline { platform, campaign } => {
                CauseJson::CampaignDeadline { platform: *platform, campaign: campaign.clone() }
            }
            Cause::ProposalDue { proposer, proposal } => {
                CauseJson::ProposalDue { proposer: *proposer, proposal: proposal.clone() }
            }
        }
    }
}

/// One movement on one balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostingJson {
    /// Whose balance.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// The account's public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Asset moved.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// `available`, `held` or `collateral`.
    pub bucket: String,
    /// `credit` if the balance rose, `debit` if it fell.
    pub side: String,
    /// By how much.
    pub amount: AmountText,
    /// The balance after.
    pub balance: AmountText,
}

impl PostingJson {
    /// The JSON of a posting.
    pub fn of(posting: &Posting, lookup: &dyn Lookup) -> Self {
        let asset = lookup.asset(&posting.asset);
        let bucket = match posting.bucket {
            Bucket::Available => "available",
            Bucket::Held => "held",
            Bucket::Collateral => "collateral",
        };
        PostingJson {
            account: posting.account,
            name: lookup.name(&posting.account),
            asset: posting.asset,
            bucket: bucket.into(),
            side: if posting.credit { "credit" } else { "debit" }.into(),
            amount: AmountText::of(posting.amount, asset.as_ref()),
            balance: AmountText::of(posting.balance, asset.as_ref()),
        }
    }
}

/// Something that happened. Its id is `height/receipt/event`, so a consumer resumes from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventJson {
    /// Where it stands.
    pub id: String,
    /// What happened, such as `orderMoved`.
    pub kind: String,
    /// The same in a sentence.
    pub words: String,
    /// Its fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptJson {
    /// What made it.
    pub cause: CauseJson,
    /// Height of its block.
    pub height: u64,
    /// Index among the block's receipts.
    pub index: u32,
    /// The block.
    #[serde(with = "crate::text")]
    pub block: BlockId,
    /// The block's time.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// Settled or rejected.
    pub status: Status,
    /// How it ended.
    pub outcome: OutcomeJson,
    /// Network fee taken.
    pub fee: AmountText,
    /// Asset of the fee, where one asset moved.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub fee_asset: Option<AssetCode>,
    /// Movements of money, in order.
    pub postings: Vec<PostingJson>,
    /// What happened, in order.
    pub events: Vec<EventJson>,
    /// That the receipt stands in the block, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ReceiptProof>,
}

/// What a light client checks: the receipt's bytes are a leaf of the header's receipts root, and the header is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptProof {
    /// Canonical bytes of the receipt.
    #[serde(with = "crate::text::base64")]
    pub receipt: Vec<u8>,
    /// Canonical bytes of its list proof.
    #[serde(with = "crate::text::base64")]
    pub path: Vec<u8>,
    /// Canonical bytes of the header.
    #[serde(with = "crate::text::base64")]
    pub header: Vec<u8>,
    /// Canonical bytes of the commit certificate.
    #[serde(with = "crate::text::base64")]
    pub certificate: Vec<u8>,
}

impl ReceiptJson {
    /// The JSON of a receipt at a place.
    pub fn of(receipt: &Receipt, place: &Place, lookup: &dyn Lookup) -> Self {
        let moved = receipt.postings.first().map(|p| p.asset);
        let fee_asset = moved.filter(|asset| receipt.postings.iter().all(|p| p.asset == *asset));
        let scale = fee_asset.and_then(|code| lookup.asset(&code));
        ReceiptJson {
            cause: CauseJson::of(&receipt.cause),
            height: place.height.0,
            index: place.index,
            block: place.block,
            time: place.time,
            status: Status::of(&receipt.outcome),
            outcome: OutcomeJson::of(&receipt.outcome),
            fee: AmountText::of(receipt.fee, scale.as_ref()),
            fee_asset,
            postings: receipt.postings.iter().map(|p| PostingJson::of(p, lookup)).collect(),
            events: receipt
                .events
                .iter()
                .enumerate()
                .map(|(i, event)| event_json(event, format!("{}/{}/{i}", place.height, place.index), lookup))
                .collect(),
            proof: None,
        }
    }
}

/// The fields of an event under their names in JSON; amounts are those of `asset`.
macro_rules! named {
    ($asset:expr; $($field:ident),+) => {{
        let asset: Option<Asset> = $asset;
        let mut fields = Map::new();
        $(fields.insert(camel(stringify!($field)), json!($field.json(asset.as_ref())));)+
        fields
    }};
}

/// The name and fields of an event. No wildcard: the compiler asks for the line of a new one.
fn event_json(event: &Event, id: String, lookup: &dyn Lookup) -> EventJson {
    let of_order = |order: &OrderKey| lookup.order_asset(order).and_then(|code| lookup.asset(&code));
    let code = |asset: Option<Asset>| json!(asset.map(|a| a.code.to_string()));
    let (kind, fields) = match event {
        Event::AccountOpened { account, kind, platform } => {
            let mut fields = named!(None; account, platform);
            fields.insert("accountKind".into(), kind.name().into());
            ("accountOpened", fields)
        }
        Event::StatusSet { account, status, reason } => {
            let mut fields = named!(None; account, reason);
            fields.insert("status".into(), status_name(*status).into());
            ("statusSet", fields)
        }
        Event::Deposited { gateway, channel_ref } => ("deposited", named!(None; gateway, channel_ref)),
        Event::WithdrawalRequested { owner, withdrawal_id } => {
            ("withdrawalRequested", named!(None; owner, withdrawal_id))
        }
        Event::WithdrawalEnded { owner, withdrawal_id, ok } => {
            let mut fields = named!(None; owner, withdrawal_id);
            fields.insert("ok".into(), (*ok).into());
            ("withdrawalEnded", fields)
        }
        Event::PlanRegistered { platform, plan, version } => ("planRegistered", named!(None; platform, plan, version)),
        Event::ItemRegistered { item } => ("itemRegistered", named!(None; item)),
        Event::OrderMoved { order, from, to } => {
            let mut fields = named!(None; order);
            fields.insert("from".into(), json!(from.map(|s| s.name())));
            fields.insert("to".into(), to.name().into());
            ("orderMoved", fields)
        }
        Event::OrderRefunded { order, refund_id, amount } => {
            let known = of_order(order);
            let mut fields = named!(known; order, refund_id, amount);
            fields.insert("asset".into(), code(known));
            ("orderRefunded", fields)
        }
        Event::ReceivableRaised { debtor, creditor, asset, amount } => {
            ("receivableRaised", named!(lookup.asset(asset); debtor, creditor, asset, amount))
        }
        Event::ReceivablePaid { debtor, creditor, asset, amount } => {
            ("receivablePaid", named!(lookup.asset(asset); debtor, creditor, asset, amount))
        }
        Event::EntitlementGranted { entitlement, holder, item } => {
            ("entitlementGranted", named!(None; entitlement, holder, item))
        }
        Event::EntitlementRevoked { entitlement } => ("entitlementRevoked", named!(None; entitlement)),
        Event::WindowClosed { asset, window, obligations } => {
            ("windowClosed", named!(None; asset, window, obligations))
        }
        Event::WindowSettled { asset, window, gross, net } => {
            let mut fields = named!(lookup.asset(asset); asset, window, net);
            fields.insert("gross".into(), sum(*gross, lookup.asset(asset)));
            ("windowSettled", fields)
        }
        Event::Transferred { from, to, asset, amount, memo } => {
            ("transferred", named!(lookup.asset(asset); from, to, asset, amount, memo))
        }
        Event::CollateralLocked { account, asset, amount } => {
            ("collateralLocked", named!(lookup.asset(asset); account, asset, amount))
        }
        Event::ObligationRecorded { debtor, creditor, asset, window, amount } => {
            ("obligationRecorded", named!(lookup.asset(asset); debtor, creditor, asset, window, amount))
        }
        Event::Rerouted { from, to, asset, amount } => {
            ("rerouted", named!(lookup.asset(asset); from, to, asset, amount))
        }
        Event::KeysSet { account } => ("keysSet", named!(None; account)),
        Event::TierSet { account, tier, attestation } => ("tierSet", named!(None; account, tier, attestation)),
        Event::OrderCaptured { order, amount } => {
            let known = of_order(order);
            let mut fields = named!(known; order, amount);
            fields.insert("asset".into(), code(known));
            ("orderCaptured", fields)
        }
        Event::OrderVoided { order, reason } => ("orderVoided", named!(None; order, reason)),
        Event::DisputeOpened { order, reason, evidence } => ("disputeOpened", named!(None; order, reason, evidence)),
        Event::DisputeResolved { order, by, refunded } => {
            let known = of_order(order);
            let mut fields = named!(known; order, by, refunded);
            fields.insert("asset".into(), code(known));
            ("disputeResolved", fields)
        }
        Event::CampaignCreated { platform, campaign, asset, budget } => {
            ("campaignCreated", named!(lookup.asset(asset); platform, campaign, asset, budget))
        }
        Event::CouponIssued { coupon, campaign, holder } => ("couponIssued", named!(None; coupon, campaign, holder)),
        Event::CouponUsed { coupon, order, amount } => {
            let known = of_order(order);
            let mut fields = named!(known; coupon, order, amount);
            fields.insert("asset".into(), code(known));
            ("couponUsed", fields)
        }
        Event::CouponRestored { coupon } => ("couponRestored", named!(None; coupon)),
        Event::CampaignEnded { platform, campaign, returned } => {
            let known = lookup.campaign_asset(platform, campaign).and_then(|code| lookup.asset(&code));
            let mut fields = named!(known; platform, campaign, returned);
            fields.insert("asset".into(), code(known));
            ("campaignEnded", fields)
        }
        Event::MandateCreated { payer, mandate, payee } => ("mandateCreated", named!(None; payer, mandate, payee)),
        Event::MandateCharged { payer, mandate, period, order } => {
            ("mandateCharged", named!(None; payer, mandate, period, order))
        }
        Event::MandateCancelled { payer, mandate, by } => ("mandateCancelled", named!(None; payer, mandate, by)),
        Event::UnitsConsumed { entitlement, units, left } => ("unitsConsumed", named!(None; entitlement, units, left)),
        Event::HtlcLocked { owner, htlc_id, to, asset, amount, hash, deadline } => {
            ("htlcLocked", named!(lookup.asset(asset); owner, htlc_id, to, asset, amount, hash, deadline))
        }
        Event::HtlcClaimed { owner, htlc_id, preimage } => ("htlcClaimed", named!(None; owner, htlc_id, preimage)),
        Event::HtlcRefunded { owner, htlc_id } => ("htlcRefunded", named!(None; owner, htlc_id)),
        Event::FxConverted { maker, quote_id, taker, gives_asset, gives, takes_asset, takes, spread } => {
            let mut fields = named!(None; maker, quote_id, taker, gives_asset, takes_asset);
            fields.extend(named!(lookup.asset(gives_asset); gives));
            fields.extend(named!(lookup.asset(takes_asset); takes, spread));
            ("fxConverted", fields)
        }
        Event::ReportAnchored { by, period, channel, root } => {
            ("reportAnchored", named!(None; by, period, channel, root))
        }
        Event::ProposalMade { proposer, proposal, parameter, value, from_height } => {
            let mut fields = named!(None; proposer, proposal, from_height);
            fields.extend(setting(*parameter, *value));
            ("proposalMade", fields)
        }
        Event::ProposalApproved { proposer, proposal, by, approvals } => {
            ("proposalApproved", named!(None; proposer, proposal, by, approvals))
        }
        Event::ParameterSet { parameter, value } => ("parameterSet", setting(*parameter, *value)),
        Event::ProposalVoid { proposer, proposal } => ("proposalVoid", named!(None; proposer, proposal)),
        Event::CollateralUnlocked { account, asset, amount } => {
            ("collateralUnlocked", named!(lookup.asset(asset); account, asset, amount))
        }
        Event::FundContributed { account, asset, amount } => {
            ("fundContributed", named!(lookup.asset(asset); account, asset, amount))
        }
        Event::FundReleased { account, asset, amount } => {
            ("fundReleased", named!(lookup.asset(asset); account, asset, amount))
        }
        Event::FundUsed { debtor, contributor, asset, amount } => {
            ("fundUsed", named!(lookup.asset(asset); debtor, contributor, asset, amount))
        }
        Event::OrderArchived { order, digest } => ("orderArchived", named!(None; order, digest)),
        Event::RefundAlarm { platform, asset, refunded, volume } => {
            let mut fields = named!(None; platform, asset);
            fields.insert("refunded".into(), sum(*refunded, lookup.asset(asset)));
            fields.insert("volume".into(), sum(*volume, lookup.asset(asset)));
            ("refundAlarm", fields)
        }
    };
    EventJson { id, kind: kind.into(), words: event_words(event, lookup), fields }
}

/// A sum that may be larger than any amount: a decimal, or minor units under their own name.
fn sum(units: u128, asset: Option<Asset>) -> Value {
    match (asset, i128::try_from(units)) {
        (Some(asset), Ok(signed)) => asset.format_signed(signed).into(),
        _ => json!({"units": units.to_string()}),
    }
}

fn setting(parameter: Parameter, value: u64) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("parameter".into(), parameter.name().into());
    fields.insert("value".into(), value.to_string().into());
    fields
}
