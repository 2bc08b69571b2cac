//! The checkers of orders are broken once on purpose, rule by rule.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use vostro_settlement::invariants::{check, check_step};
use vostro_settlement::model::*;
use vostro_settlement::table::{KeyPart, Table};
use vostro_settlement::tables::*;
use vostro_settlement::{Ledger, read};
use vostro_types::codec::{Decode, Encode, encode};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

type Tamper = fn(&mut World);

/// A state with an order in each state, and one archived.
fn orders_of_all_kinds() -> World {
    let mut w = World::with(|p| (p.archive_ms, p.dispute_ms) = (1, 1), false);
    w.deposit(w.alice, 50_000);
    w.ok(w.q, plan("api", 1, seventy()));
    let api = RegisterItem { terms: metered(100, None), tax: None, ..item("api", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(api));
    w.offer(w.q, "book", seventy(), None);
    w.ok(w.alice, Action::Pay(pay(w.p, "old", w.q, "book", 1000)));
    w.ok(w.alice, Action::Pay(pay(w.p, "older", w.q, "book", 1000)));
    w.ok(w.p, refund(w.p, "old", "r", 1000));
    w.wait(20_000);
    w.ok(w.p, archive(&["old", "older"]));
    w.ok(w.alice, Action::Pay(pay(w.p, "used", w.q, "api", 1000)));
    w.ok(w.q, consume(w.p, "used", 0, 10));
    for id in ["held", "voided", "captured"] {
        w.ok(w.alice, Action::Hold(hold(w.p, id, w.q, "book", 1000)));
    }
    w.ok(w.p, void(w.p, "voided"));
    w.ok(w.p, capture(w.p, "captured", 600));
    for id in ["open", "paid", "resolved"] {
        let mode = if id == "paid" { PayMode::Instant } else { PayMode::Escrow };
        w.ok(w.alice, Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "book", 1000) }));
        w.ok(w.alice, dispute(w.p, id));
    }
    w.ok(w.arbiter, resolve(w.p, "resolved", 500_000));
    w
}

/// Rewrites an entry that is there.
fn change<K: KeyPart, V: Encode + Decode<()>>(w: &mut World, table: &Table<K, V>, key: K, change: impl FnOnce(&mut V)) {
    let mut value = table.get(&w.ledger, &key).unwrap();
    change(&mut value);
    w.ledger.put(&table.key(&key), &encode(&(1u8, value)));
}

fn change_order(w: &mut World, id: &str, order: impl FnOnce(&mut Order)) {
    let key = key(w.p, id);
    change(w, &ORDERS, key, order);
}

fn change_entitlement(w: &mut World, id: &str, change: impl FnOnce(&mut Entitlement)) {
    let (at, mut entitlement) = read::entitlement(&w.ledger, &key(w.p, id)).unwrap();
    change(&mut entitlement);
    w.ledger.put(&at, &encode(&(1u8, entitlement)));
}

#[test]
fn tampering_with_orders_is_found_out() {
    let base = orders_of_all_kinds();
    assert_eq!(check(&base.ledger).unwrap().orders, 7);
    let cases: &[(&str, Tamper)] = &[
        ("its pot is what", |w| change_order(w, "held", |o| o.pot = Amount::ZERO)),
        ("its pot is what", |w| change_order(w, "paid", |o| o.pot = fen(1000))),
        ("its pot is what", |w| change_order(w, "open", |o| o.due = None)),
        ("its state fits", |w| change_order(w, "held", |o| o.mode = PayMode::Escrow)),
        ("its state fits", |w| change_order(w, "voided", |o| o.mode = PayMode::Escrow)),
        ("is disputed while", |w| change_order(w, "paid", |o| o.state = OrderState::Settled)),
        ("is disputed while", |w| change_order(w, "held", |o| o.state = OrderState::Disputed)),
        ("is disputed while", |w| w.ledger.delete(&DISPUTES.key(&key(w.p, "open")))),
        ("was captured or returned", |w| change_order(w, "captured", |o| o.captured = None)),
        ("was captured or returned", |w| change_order(w, "captured", |o| o.captured.as_mut().unwrap().1 = fen(601))),
        ("was captured or returned", |w| change_order(w, "held", |o| o.captured = Some((o.tx, fen(0))))),
        ("was captured or returned", |w| change_order(w, "voided", |o| o.captured = Some((o.tx, fen(1))))),
        ("was captured or returned", |w| change_order(w, "used", |o| o.captured = Some((o.tx, o.total)))),
        ("paid what was agreed", |w| change_order(w, "used", |o| o.total = fen(1001))),
        ("paid what was agreed", |w| change_order(w, "held", |o| o.total = fen(999))),
        ("its tax and its fee", |w| change_order(w, "used", |o| o.tax = fen(1))),
        ("its tax and its fee", |w| change_order(w, "used", |o| o.fee = fen(1))),
        ("its item and plan stay", |w| change_order(w, "used", |o| o.item.version = 9)),
        ("what its refunds and its dispute say", |w| {
            change(w, &DISPUTES, key(w.p, "resolved"), |d| d.end.as_mut().unwrap().refund = ppm(400_000));
        }),
        ("what its refunds and its dispute say", |w| w.ledger.delete(&DISPUTES.key(&key(w.p, "resolved")))),
        ("waits in the queue if", |w| {
            let due = w.order(w.p, "paid").due.unwrap();
            let at = (due, vostro_settlement::deadlines::Due::Order(key(w.p, "paid")));
            w.ledger.delete(&DEADLINES.key(&at));
        }),
        ("granted access if and only if", |w| {
            let (at, entitlement) = read::entitlement(&w.ledger, &key(w.p, "captured")).unwrap();
            w.ledger.delete(&at);
            w.ledger.put(&at, &encode(&(1u8, Entitlement { order: key(w.p, "held"), ..entitlement })));
            change_order(w, "captured", |o| o.item.item = label("api"));
        }),
        ("the version that it bought", |w| change_entitlement(w, "used", |e| e.version = 2)),
        ("no more is consumed", |w| change_entitlement(w, "used", |e| e.used = 101)),
        ("no more is consumed", |w| change_entitlement(w, "used", |e| e.used = 0)),
        ("no more is consumed", |w| change_entitlement(w, "captured", |e| e.used = 1)),
        ("the last consumption", |w| {
            change_entitlement(w, "used", |e| e.last_use = e.last_use.map(|(_, tx)| (10, tx)))
        }),
        ("has its id", |w| change_entitlement(w, "used", |e| e.order.order_id = label("other"))),
        ("not both", |w| {
            let order = ORDERS.get(&w.ledger, &key(w.p, "captured")).unwrap();
            w.ledger.put(&ORDERS.key(&key(w.p, "older")), &encode(&(1u8, order)));
        }),
        ("archived when it is over", |w| {
            change(w, &ARCHIVED, key(w.p, "old"), |a| a.state = OrderState::Escrowed);
        }),
        ("refunded if and only if revoked", |w| {
            change(w, &ARCHIVED, key(w.p, "old"), |a| a.state = OrderState::Settled);
        }),
        ("when its dispute is over", |w| {
            let open = DISPUTES.get(&w.ledger, &key(w.p, "open")).unwrap();
            w.ledger.put(&DISPUTES.key(&key(w.p, "old")), &encode(&(1u8, open)));
        }),
        ("an entitlement belongs", |w| w.ledger.delete(&ARCHIVED.key(&key(w.p, "older")))),
        ("refunds and disputes name orders", |w| w.ledger.delete(&ARCHIVED.key(&key(w.p, "old")))),
    ];
    for (rule, tamper) in cases {
        let mut w = base.clone();
        tamper(&mut w);
        let violation = check(&w.ledger).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
    let step = |rule: &str, tamper: Tamper| {
        let mut w = base.clone();
        tamper(&mut w);
        let violation = check_step(&base.ledger, &w.ledger, &[]).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    };
    step("once refunded or voided", |w| change_order(w, "voided", |o| o.captured = None));
    step("along its diagram", |w| change_order(w, "captured", |o| o.state = OrderState::Held));
    step("along its diagram", |w| change_order(w, "resolved", |o| o.state = OrderState::Disputed));
    step("archived orders stay", |w| change(w, &ARCHIVED, key(w.p, "old"), |a| a.digest = Hash::ZERO));
    step("is archived as it was", |w| {
        let archived = ARCHIVED.get(&w.ledger, &key(w.p, "old")).unwrap();
        w.ledger.delete(&ORDERS.key(&key(w.p, "voided")));
        w.ledger.put(&ARCHIVED.key(&key(w.p, "voided")), &encode(&(1u8, archived)));
    });
    step("a dispute changes once", |w| change(w, &DISPUTES, key(w.p, "open"), |d| d.reason = label("other")));
    step("a dispute changes once", |w| change(w, &DISPUTES, key(w.p, "resolved"), |d| d.end = None));
    step("its entitlement stays", |w| {
        let (at, _) = read::entitlement(&w.ledger, &key(w.p, "used")).unwrap();
        w.ledger.delete(&at);
    });
    step("terms stay", |w| change_entitlement(w, "used", |e| e.units = None));
    step("what is consumed stays", |w| change_entitlement(w, "used", |e| e.used = 9));
    let (at, archived) = read::entitlements(&base.ledger, base.alice, base.q, &label("book"), None, 9)
        .into_iter()
        .find(|(_, e)| e.status == EntitlementStatus::Revoked)
        .unwrap();
    let mut w = base.clone();
    let at = ENTITLEMENTS.key(&(w.alice, w.q, label("book"), at));
    w.ledger.put(&at, &encode(&(1u8, Entitlement { status: EntitlementStatus::Active, ..archived })));
    let violation = check_step(&base.ledger, &w.ledger, &[]).unwrap_err().to_string();
    assert!(violation.contains("what is revoked stays so"), "{violation}");
}
