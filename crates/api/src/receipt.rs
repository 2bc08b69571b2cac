//! Receipts as JSON: where something was executed, how it ended, which money moved and what happened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vostro_types::receipt::Bucket;
use vostro_types::{AccountId, AssetCode, BlockId, Cause, Event, Height, Outcome, Posting, Receipt, Time, TxId};

use crate::action::{ItemJson, OrderJson, status_name};
use crate::amount::AmountText;
use crate::error::rejection_name;
use crate::lookup::Lookup;

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
}

impl CauseJson {
    /// The JSON of a cause.
    pub fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Transaction(id) => CauseJson::Transaction { id: *id },
            Cause::Deadline(order) => CauseJson::Deadline { order: OrderJson::of(order) },
            Cause::WindowDeadline { asset, window } => CauseJson::WindowDeadline { asset: *asset, window: *window },
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

fn event_json(event: &Event, id: String, lookup: &dyn Lookup) -> EventJson {
    let money = |asset: &AssetCode, amount| AmountText::of(amount, lookup.asset(asset).as_ref());
    let (kind, fields) = match event {
        Event::AccountOpened { account, kind, platform } => (
            "accountOpened",
            json!({"account": account.to_string(), "accountKind": kind.name(), "platform": platform.to_string()}),
        ),
        Event::StatusSet { account, status, reason } => (
            "statusSet",
            json!({"account": account.to_string(), "status": status_name(*status), "reason": reason.as_str()}),
        ),
        Event::Deposited { gateway, channel_ref } => {
            ("deposited", json!({"gateway": gateway.to_string(), "channelRef": channel_ref.as_str()}))
        }
        Event::WithdrawalRequested { owner, withdrawal_id } => {
            ("withdrawalRequested", json!({"owner": owner.to_string(), "withdrawalId": withdrawal_id.as_str()}))
        }
        Event::WithdrawalEnded { owner, withdrawal_id, ok } => {
            ("withdrawalEnded", json!({"owner": owner.to_string(), "withdrawalId": withdrawal_id.as_str(), "ok": ok}))
        }
        Event::PlanRegistered { platform, plan, version } => {
            ("planRegistered", json!({"platform": platform.to_string(), "plan": plan.as_str(), "version": version}))
        }
        Event::ItemRegistered { item } => ("itemRegistered", json!({"item": ItemJson::of(item)})),
        Event::OrderMoved { order, from, to } => {
            ("orderMoved", json!({"order": OrderJson::of(order), "from": from.map(|s| s.name()), "to": to.name()}))
        }
        Event::OrderRefunded { order, refund_id, amount } => {
            let asset = lookup.order_asset(order).and_then(|code| lookup.asset(&code));
            (
                "orderRefunded",
                json!({
                    "order": OrderJson::of(order),
                    "refundId": refund_id.as_str(),
                    "amount": AmountText::of(*amount, asset.as_ref()),
                    "asset": asset.map(|a| a.code.to_string()),
                }),
            )
        }
        Event::ReceivableRaised { debtor, creditor, asset, amount } => {
            ("receivableRaised", owed(debtor, creditor, asset, money(asset, *amount)))
        }
        Event::ReceivablePaid { debtor, creditor, asset, amount } => {
            ("receivablePaid", owed(debtor, creditor, asset, money(asset, *amount)))
        }
        Event::EntitlementGranted { entitlement, holder, item } => (
            "entitlementGranted",
            json!({
                "entitlement": entitlement.to_string(),
                "holder": holder.to_string(),
                "item": ItemJson::of(item),
            }),
        ),
        Event::EntitlementRevoked { entitlement } => {
            ("entitlementRevoked", json!({"entitlement": entitlement.to_string()}))
        }
        Event::WindowClosed { asset, window, obligations } => {
            ("windowClosed", json!({"asset": asset.as_str(), "window": window, "obligations": obligations}))
        }
        Event::WindowSettled { asset, window, gross, net } => {
            let known = lookup.asset(asset);
            let gross = i128::try_from(*gross).ok().and_then(|g| known.map(|a| a.format_signed(g)));
            (
                "windowSettled",
                json!({"asset": asset.as_str(), "window": window, "gross": gross, "net": money(asset, *net)}),
            )
        }
        Event::Transferred { from, to, asset, amount, memo } => {
            let mut fields = moved(from, to, asset, money(asset, *amount));
            fields["memo"] = memo.to_string().into();
            ("transferred", fields)
        }
        Event::CollateralLocked { account, asset, amount } => (
            "collateralLocked",
            json!({"account": account.to_string(), "asset": asset.as_str(), "amount": money(asset, *amount)}),
        ),
        Event::ObligationRecorded { debtor, creditor, asset, window, amount } => {
            let mut fields = owed(debtor, creditor, asset, money(asset, *amount));
            fields["window"] = (*window).into();
            ("obligationRecorded", fields)
        }
        Event::Rerouted { from, to, asset, amount } => ("rerouted", moved(from, to, asset, money(asset, *amount))),
    };
    let fields = match fields {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    EventJson { id, kind: kind.into(), fields }
}

fn owed(debtor: &AccountId, creditor: &AccountId, asset: &AssetCode, amount: AmountText) -> Value {
    json!({
        "debtor": debtor.to_string(),
        "creditor": creditor.to_string(),
        "asset": asset.as_str(),
        "amount": amount,
    })
}

fn moved(from: &AccountId, to: &AccountId, asset: &AssetCode, amount: AmountText) -> Value {
    json!({"from": from.to_string(), "to": to.to_string(), "asset": asset.as_str(), "amount": amount})
}
