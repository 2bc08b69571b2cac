//! Archiving: when an order may go, what it leaves, what it frees.

use crate::common::store::{buy, reserve, shop};
use crate::common::*;
use vostro_settlement::read;
use vostro_types::codec::encode;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// A world in which "i" is settled and old enough to be archived.
fn old() -> World {
    let mut w = shop();
    w.ok(w.alice, buy(&w, "i", PayMode::Instant));
    w.wait(50_000);
    w
}

#[test]
fn orders_are_archived() {
    let base = old();
    check(
        &base,
        &[
            ("by a user", |w| w.run(w.alice, archive(&["i"])), (106, "sender")),
            ("by the host, who has no such order", |w| w.run(w.q, archive(&["i"])), (503, "order")),
            ("none", |w| w.run(w.p, archive(&[])), (108, "orders")),
            ("twice the same", |w| w.run(w.p, archive(&["i", "i"])), (108, "orders")),
            (
                "too many",
                |w| {
                    let ids: Vec<String> = (0..=MAX_ARCHIVED).map(|i| i.to_string()).collect();
                    w.run(w.p, archive(&ids.iter().map(String::as_str).collect::<Vec<_>>()))
                },
                (108, "orders"),
            ),
            ("one that is not there", |w| w.run(w.p, archive(&["i", "none"])), (503, "order")),
            ("it is", |w| w.run(w.p, archive(&["i"])), APPLIED),
            (
                "too early",
                |w| {
                    w.ok(w.alice, buy(w, "j", PayMode::Instant));
                    let placed = w.time;
                    w.time = placed + 49_998;
                    w.run(w.p, archive(&["j"]))
                },
                (622, "order"),
            ),
            (
                "just in time",
                |w| {
                    w.ok(w.alice, buy(w, "j", PayMode::Instant));
                    let placed = w.time;
                    w.time = placed + 49_999;
                    w.run(w.p, archive(&["j"]))
                },
                APPLIED,
            ),
            (
                "disputed long ago",
                |w| {
                    w.ok(w.alice, buy(w, "d", PayMode::Instant));
                    w.ok(w.alice, dispute(w.p, "d"));
                    w.time += 50_000;
                    w.run(w.p, archive(&["d"]))
                },
                (504, "order"),
            ),
            (
                "an escrow whose deadline is not fired yet",
                |w| {
                    w.ok(w.alice, buy(w, "e", PayMode::Escrow));
                    w.time += 50_000;
                    w.run(w.p, archive(&["e"]))
                },
                (504, "order"),
            ),
            (
                "a part of one that waits was refunded",
                |w| {
                    w.ok(w.alice, buy(w, "m", PayMode::Maturing(100)));
                    w.ok(w.p, refund(w.p, "m", "r", 1));
                    w.wait(60_000);
                    w.run(w.p, archive(&["m"]))
                },
                (504, "order"),
            ),
            (
                "units are left",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.wait(60_000);
                    w.run(w.p, archive(&["u"]))
                },
                (504, "units"),
            ),
            (
                "units were left when the time was over",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.wait(HOUR);
                    w.run(w.p, archive(&["u"]))
                },
                APPLIED,
            ),
            (
                "units were left when it was refunded",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.ok(w.p, refund(w.p, "u", "r", 1000));
                    w.wait(60_000);
                    w.run(w.p, archive(&["u"]))
                },
                APPLIED,
            ),
            (
                "no units are left",
                |w| {
                    w.ok(w.alice, Action::Pay(pay(w.p, "u", w.q, "api", 1000)));
                    w.ok(w.q, consume(w.p, "u", 0, 100));
                    w.wait(60_000);
                    w.run(w.p, archive(&["u"]))
                },
                APPLIED,
            ),
            (
                "it could still be disputed",
                |w| {
                    w.set_parameters(|p| p.dispute_ms = 50_000);
                    w.time = w.order(w.p, "i").placed.0 + 49_999; // a block is a millisecond later
                    w.run(w.p, archive(&["i"]))
                },
                (622, "order"),
            ),
            (
                "no longer",
                |w| {
                    w.set_parameters(|p| p.dispute_ms = 50_000);
                    w.time = w.order(w.p, "i").placed.0 + 50_000;
                    w.run(w.p, archive(&["i"]))
                },
                APPLIED,
            ),
            (
                "a hold that was captured late could still be disputed",
                |w| {
                    w.ok(w.alice, reserve(w, "h"));
                    w.time += 4000;
                    w.ok(w.p, capture(w.p, "h", 600));
                    w.set_parameters(|p| p.dispute_ms = 50_000);
                    w.time = w.order(w.p, "h").placed.0 + 53_999;
                    w.run(w.p, archive(&["h"]))
                },
                (622, "order"),
            ),
        ],
    );
    let mut w = base;
    w.ok(w.p, refund(w.p, "i", "r", 400));
    let (kept, key) = (w.order(w.p, "i"), key(w.p, "i"));
    let receipt = w.ok(w.p, archive(&["i"]));
    let digest = read::order_digest(&kept);
    assert_eq!(receipt.events, [Event::OrderArchived { order: key.clone(), digest }]);
    let archived = read::archived(&w.ledger, &key).unwrap();
    assert_eq!((archived.tx, archived.digest, archived.state), (kept.tx, digest, OrderState::PartRefunded));
    assert_eq!(read::order(&w.ledger, &key), None);
    // access stays, and its holder finds it
    assert_eq!(read::entitlements(&w.ledger, w.alice, w.q, &label("book"), None, 9).len(), 1);
    assert_eq!(read::entitlement(&w.ledger, &key), None);
    check(
        &w,
        &[
            ("again", |w| w.run(w.p, archive(&["i"])), APPLIED),
            ("the payment again", |w| w.run(w.alice, buy(w, "i", PayMode::Instant)), REPLAYED),
            ("another payment", |w| w.run(w.alice, buy(w, "i", PayMode::Escrow)), (502, "archived")),
            ("a hold", |w| w.run(w.alice, reserve(w, "i")), (502, "archived")),
            ("a refund", |w| w.run(w.p, refund(w.p, "i", "r2", 1)), (504, "archived")),
            ("an old refund again", |w| w.run(w.p, refund(w.p, "i", "r", 400)), REPLAYED),
            ("an old refund by another", |w| w.run(w.q, refund(w.p, "i", "r", 401)), (502, "sender amount")),
            ("confirm", |w| w.run(w.alice, confirm(w.p, "i")), (504, "archived")),
            ("capture", |w| w.run(w.p, capture(w.p, "i", 1)), (504, "archived")),
            ("void", |w| w.run(w.p, void(w.p, "i")), (504, "archived")),
            ("dispute", |w| w.run(w.alice, dispute(w.p, "i")), (504, "archived")),
            ("resolve", |w| w.run(w.arbiter, resolve(w.p, "i", 1)), (504, "archived")),
            ("consume", |w| w.run(w.q, consume(w.p, "i", 0, 1)), (504, "archived")),
        ],
    );
    // again, with one that is new
    w.ok(w.alice, reserve(&w, "h"));
    w.ok(w.p, void(w.p, "h"));
    w.wait(60_000);
    assert_eq!(w.ok(w.p, archive(&["i", "h"])).events.len(), 1);
    assert_eq!(w.no(w.alice, buy(&w, "h", PayMode::Instant)), (502, "archived".into()));
    assert_eq!(refusal(&w.run(w.alice, reserve(&w, "h"))), (0, "replayed".into()));
}

/// A window order's obligation stays, and so does what a dispute said.
#[test]
fn window_orders_and_disputes_are_archived() {
    let mut w = shop();
    w.ok(w.p, lock(5000));
    w.ok(w.alice, buy(&w, "w", PayMode::Window));
    w.ok(w.alice, buy(&w, "d", PayMode::Instant));
    w.ok(w.alice, dispute(w.p, "d"));
    w.ok(w.arbiter, resolve(w.p, "d", 250_000));
    w.wait(60_000);
    assert_eq!(w.no(w.p, archive(&["w"])), (504, "order".into()));
    w.ok(w.p, close_window(1));
    w.ok(w.q, settle_window(1));
    let kept = w.order(w.p, "w");
    assert_eq!(kept.state, OrderState::Settled);
    w.ok(w.p, archive(&["w", "d"]));
    let archived = read::archived(&w.ledger, &key(w.p, "w")).unwrap();
    assert_eq!((archived.state, archived.digest), (OrderState::Settled, read::order_digest(&kept)));
    assert_eq!(read::window_obligations(&w.ledger, cny(), 1).len(), 3);
    assert_eq!(refusal(&w.run(w.arbiter, resolve(w.p, "d", 250_000))), (0, "replayed".into()));
    assert_eq!(w.no(w.arbiter, resolve(w.p, "d", 250_001)), (502, "refund".into()));
    assert!(read::dispute(&w.ledger, &key(w.p, "d")).is_some());
}

/// What an order costs in the state, and what its archive does.
#[test]
fn archiving_frees_most_of_what_an_order_costs() {
    let bytes = |w: &World| w.ledger.entries().map(|(k, v)| k.len() + v.len()).sum::<usize>();
    let id = "2026-11-21-000000042"; // a usual length
    let mut w = shop();
    let before = bytes(&w);
    w.ok(w.alice, buy(&w, id, PayMode::Instant));
    // the first sale opens balances, which are not the order's
    let at = vostro_settlement::tables::ORDERS.key(&key(w.p, id));
    let order = at.len() + encode(&(1u8, w.order(w.p, id))).len();
    let (at, entitlement) = read::entitlement(&w.ledger, &key(w.p, id)).unwrap();
    let access = at.len() + encode(&(1u8, entitlement)).len();
    assert!(order + access <= bytes(&w) - before);
    w.wait(50_000);
    let full = bytes(&w);
    w.ok(w.p, archive(&[id]));
    let archived = order - (full - bytes(&w));
    // what the block log keeps for ever
    let again = buy(&w, "2026-11-21-000000043", PayMode::Instant);
    let body = w.body(w.alice, Payload::One(again));
    let tx = w.sign(body, &[w.alice, w.p]);
    let receipt = w.block(std::slice::from_ref(&tx)).remove(0);
    assert!(receipt.applied(), "{receipt:?}");
    let logged = (encode(tx.transaction()).len(), encode(&receipt).len());
    println!("order {order} bytes, its entitlement {access}, archived {archived}; in the log {logged:?}");
    // docs/contract.md says so
    assert_eq!((order, access, archived), (525, 202, 155));
    assert_eq!(logged, (399, 554));
}
