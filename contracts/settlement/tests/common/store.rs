//! A shop to order from.

use super::*;

/// alice and bob have 1000.00, p 100.00; q offers "book" (70/20/8/2), and "api" with 100 metered units for an hour.
pub fn shop() -> World {
    shop_with(|_| {})
}

pub fn shop_with(change: impl FnOnce(&mut genesis::Parameters)) -> World {
    let mut w = World::with(
        |p| {
            p.archive_ms = 50_000;
            change(p);
        },
        false,
    );
    for account in [w.alice, w.bob] {
        w.deposit(account, 100_000);
    }
    w.deposit(w.p, 10_000);
    w.offer(w.q, "book", seventy(), None);
    w.ok(w.q, plan("api", 1, seventy()));
    let api = RegisterItem { terms: metered(100, Some(HOUR)), ..item("api", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(api));
    w
}

pub fn buy(w: &World, id: &str, mode: PayMode) -> Action {
    Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "book", 1000) })
}

pub fn reserve(w: &World, id: &str) -> Action {
    Action::Hold(hold(w.p, id, w.q, "book", 1000))
}

pub fn moved(w: &World, id: &str, from: OrderState, to: OrderState) -> Event {
    Event::OrderMoved { order: key(w.p, id), from: Some(from), to }
}
