//! Holds, disputes, consumption and archives.

use serde::{Deserialize, Serialize};
use vostro_types::transaction::{
    ArchiveOrders, Capture, Consume, CouponRef, FeeBearer, Hold, ItemRef, OpenDispute, OrderKey, Resolve, Void,
};
use vostro_types::{AccountId, Amount, Asset, AssetCode, Hash, Label, Ppm};

use super::field::{Field, Text, action_json, camel};
use super::hinted;
use crate::error::ApiError;
use crate::lookup::Lookup;

action_json! {
    /// `hold`.
    HoldJson = Hold, of item_asset(item) {
        origin: AccountId,
        order_id: Label,
        item: ItemRef,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<Amount>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        coupon: Option<CouponRef>,
        fee_bearer: FeeBearer,
        expected_total: Amount,
    }
}

action_json! {
    /// `capture`.
    CaptureJson = Capture, of order_asset(order) {
        order: OrderKey,
        amount: Amount,
    }
}

action_json! {
    /// `void`.
    VoidJson = Void, plain {
        order: OrderKey,
        reason: Label,
    }
}

action_json! {
    /// `openDispute`.
    OpenDisputeJson = OpenDispute, plain {
        order: OrderKey,
        reason: Label,
        evidence: Hash,
    }
}

action_json! {
    /// `resolve`.
    ResolveJson = Resolve, plain {
        order: OrderKey,
        #[serde(rename = "refundPpm")]
        refund: Ppm,
        reason: Label,
    }
}

action_json! {
    /// `consume`.
    ConsumeJson = Consume, plain {
        order: OrderKey,
        from: u64,
        units: u64,
    }
}

action_json! {
    /// `archiveOrders`.
    ArchiveOrdersJson = ArchiveOrders, plain {
        orders: Vec<Label>,
    }
}
