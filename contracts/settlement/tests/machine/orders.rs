//! Random actions: holds, captures, disputes, consumption and archiving.

use super::*;
use vostro_types::receipt::OrderState;

/// Actions and events that take effect somewhere.
pub(crate) const EXPECTED: &str = "ArchiveOrders Capture Consume DisputeOpened DisputeResolved Hold OpenDispute \
    OrderArchived OrderCaptured OrderVoided Resolve UnitsConsumed Void";
/// Refusals that need a history.
pub(crate) const CODES: &[u16] = &[506, 507, 622];

/// Short times, and an item with metered access.
pub(crate) fn parameters(p: &mut genesis::Parameters) {
    p.hold_ms = 60;
    p.dispute_ms = 120;
    p.resolve_ms = 60;
    p.archive_ms = 150;
}

/// The offer with metered access.
pub(crate) fn prepare(w: &mut World) {
    w.ok(w.q, plan("api", 1, seventy()));
    let api = RegisterItem { terms: metered(40, Some(400)), ..item("api", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(api));
    for (id, payer) in [("u0", w.alice), ("u1", w.bob)] {
        w.ok(payer, Action::Pay(Pay { fee_bearer: FeeBearer::PAYEE, ..pay(w.p, id, w.q, "api", 100) }));
    }
}

/// As [`super::action`], for this family's kinds; `None` where the state has nothing to act on.
pub(crate) fn action(w: &World, op: &Op) -> Option<(AccountId, Vec<AccountId>, Action)> {
    use OrderState::{Disputed, Escrowed, Held, Maturing, PartRefunded, Settled};
    let platform = pick(&[w.p, w.q], op.b);
    let alone = |who: AccountId, action| Some((who, vec![], action));
    // one in a state that fits, and now and then any other
    let some = |states: &[OrderState]| {
        let mut all: Vec<_> = [w.p, w.q].iter().flat_map(|p| read::orders_of(&w.ledger, *p, None, 40)).collect();
        if op.a < 10 {
            all.retain(|(_, order)| states.contains(&order.state));
        }
        (!all.is_empty()).then(|| pick(&all, op.a.wrapping_mul(13).wrapping_add(op.who)))
    };
    match op.kind {
        34 => {
            let payer = pick(&[w.alice, w.bob, w.dave], op.who);
            let (host, name) = pick(&[(w.q, "api"), (w.q, "book"), (w.p, "talk"), (w.q, "api")], op.c);
            let fee_bearer = pick(&[FeeBearer::PAYEE, FeeBearer::PLATFORM], op.b / 2);
            let id = format!("h{}", op.a);
            if op.c.is_multiple_of(4) {
                let order = Pay { fee_bearer, ..pay(platform, &id, host, name, op.units) };
                return Some((payer, vec![platform], Action::Pay(order)));
            }
            let order = Hold { fee_bearer, ..hold(platform, &id, host, name, op.units) };
            Some((payer, vec![platform], Action::Hold(order)))
        }
        35 => {
            let (order, held) = some(&[Held])?;
            let (platform, id) = (order.platform, order.order_id.as_str());
            match op.c {
                0 => alone(platform, void(platform, id)),
                1 => alone(held.item.host, void(platform, id)),
                2 => alone(platform, capture(platform, id, held.pot.units())),
                3 => alone(platform, capture(platform, id, op.units)),
                _ => alone(platform, capture(platform, id, held.pot.units().min(op.units))),
            }
        }
        36 => {
            let (order, sold) = some(&[Escrowed, Maturing, Settled])?;
            alone(sold.payer, dispute(order.platform, order.order_id.as_str()))
        }
        37 => {
            let (order, _) = some(&[Disputed])?;
            let share = pick(&[0, 1_000_000, 500_000, 333_333], op.c);
            alone(w.arbiter, resolve(order.platform, order.order_id.as_str(), share))
        }
        38 => {
            let (order, sold) = if op.c < 6 {
                let key = key(w.p, pick(&["u0", "u1"], op.a));
                let order = read::order(&w.ledger, &key)?;
                (key, order)
            } else {
                some(&[Escrowed, Maturing, Settled, PartRefunded])?
            };
            let used = read::entitlement(&w.ledger, &order).map_or(0, |(_, e)| e.used);
            let from = if op.c == 0 { 0 } else { used };
            alone(sold.item.host, consume(order.platform, order.order_id.as_str(), from, op.units % 30))
        }
        _ => {
            // what is old enough, or one that may be
            let orders = read::orders_of(&w.ledger, platform, None, 40).into_iter();
            let old = orders.filter(|(_, order)| op.c == 0 || order.placed.plus(150).0 < w.time);
            let ids: Vec<Label> = old.map(|(key, _)| key.order_id).skip(usize::from(op.a / 4)).take(2).collect();
            alone(platform, Action::ArchiveOrders(ArchiveOrders { orders: ids }))
        }
    }
}
