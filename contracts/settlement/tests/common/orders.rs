//! Holds, disputes, consumption and archiving in short.

use super::*;

/// A hold with an open price, as [`pay`] is a payment.
pub fn hold(origin: AccountId, id: &str, host: AccountId, name: &str, price: u64) -> Hold {
    Hold {
        origin,
        order_id: label(id),
        item: ItemRef { host, item: label(name), version: 1 },
        price: Some(fen(price)),
        coupon: None,
        fee_bearer: FeeBearer::PAYER,
        expected_total: fen(price),
    }
}

pub fn capture(platform: AccountId, id: &str, units: u64) -> Action {
    Action::Capture(Capture { order: key(platform, id), amount: fen(units) })
}

pub fn void(platform: AccountId, id: &str) -> Action {
    Action::Void(Void { order: key(platform, id), reason: label("out of stock") })
}

pub fn dispute(platform: AccountId, id: &str) -> Action {
    Action::OpenDispute(OpenDispute { order: key(platform, id), reason: label("broken"), evidence: Hash([7; 32]) })
}

pub fn resolve(platform: AccountId, id: &str, refund: u32) -> Action {
    Action::Resolve(Resolve { order: key(platform, id), refund: ppm(refund), reason: label("heard both") })
}

pub fn consume(platform: AccountId, id: &str, from: u64, units: u64) -> Action {
    Action::Consume(Consume { order: key(platform, id), from, units })
}

pub fn archive(ids: &[&str]) -> Action {
    Action::ArchiveOrders(ArchiveOrders { orders: ids.iter().map(|id| label(id)).collect() })
}

/// Terms of metered access.
pub fn metered(units: u64, duration_ms: Option<u64>) -> Terms {
    Terms { duration_ms, units: Some(units), scope: label("calls") }
}
