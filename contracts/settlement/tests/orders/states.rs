//! The table of an order's states: every pair of state and event, and the page that shows it.

use crate::common::store::shop_with;
use crate::common::*;
use vostro_settlement::machine::{self, Trigger};
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

const LONG: u64 = 1_000_000;

/// An order in each state, by the shortest way; some states in more than one.
fn in_every_state(w: &mut World) -> Vec<(&'static str, OrderState)> {
    use OrderState::*;
    w.ok(w.p, lock(8000));
    for (id, mode) in [
        ("cleared-settled", PayMode::Window),
        ("escrowed", PayMode::Escrow),
        ("maturing", PayMode::Maturing(100)),
        ("settled", PayMode::Instant),
        ("disputed", PayMode::Escrow),
        ("disputed-paid", PayMode::Instant),
        ("part", PayMode::Escrow),
        ("part-maturing", PayMode::Maturing(100)),
        ("part-paid", PayMode::Instant),
        ("refunded", PayMode::Escrow),
    ] {
        w.ok(w.alice, Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "brief", 100) }));
    }
    for id in ["held", "voided", "captured"] {
        w.ok(w.alice, Action::Hold(hold(w.p, id, w.q, "brief", 100)));
    }
    w.ok(w.p, close_window(1));
    w.ok(w.p, settle_window(1));
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "cleared", w.q, "brief", 100) }));
    w.ok(w.alice, dispute(w.p, "disputed"));
    w.ok(w.alice, dispute(w.p, "disputed-paid"));
    for id in ["part", "part-maturing", "part-paid"] {
        w.ok(w.p, refund(w.p, id, "some", 40));
    }
    w.ok(w.p, refund(w.p, "refunded", "whole", 100));
    w.ok(w.q, void(w.p, "voided"));
    w.ok(w.p, capture(w.p, "captured", 60));
    vec![
        ("held", Held),
        ("escrowed", Escrowed),
        ("maturing", Maturing),
        ("cleared", Cleared),
        ("cleared-settled", Settled),
        ("settled", Settled),
        ("captured", Settled),
        ("disputed", Disputed),
        ("disputed-paid", Disputed),
        ("part", PartRefunded),
        ("part-maturing", PartRefunded),
        ("part-paid", PartRefunded),
        ("refunded", Refunded),
        ("voided", Voided),
    ]
}

/// Does what a trigger stands for by a real action, on an order of `in_every_state`.
fn pull(w: &mut World, id: &str, by: Trigger) -> Receipt {
    let left = w.order(w.p, id).refundable().units();
    match by {
        Trigger::Capture => w.run(w.p, capture(w.p, id, 50)),
        Trigger::Void => w.run(w.p, void(w.p, id)),
        Trigger::Confirm => w.run(w.alice, confirm(w.p, id)),
        Trigger::RefundPart => w.run(w.p, refund(w.p, id, "new", 1)),
        Trigger::RefundWhole => w.run(w.p, refund(w.p, id, "new", left.max(1))),
        Trigger::OpenDispute => w.run(w.alice, dispute(w.p, id)),
        Trigger::ResolveNone => w.run(w.arbiter, resolve(w.p, id, 0)),
        Trigger::ResolvePart => w.run(w.arbiter, resolve(w.p, id, 500_000)),
        Trigger::ResolveWhole => w.run(w.arbiter, resolve(w.p, id, 1_000_000)),
        Trigger::Consume => w.run(w.q, consume(w.p, id, 0, 1)),
        Trigger::SettleWindow => {
            w.ok(w.p, close_window(2));
            w.run(w.q, settle_window(2))
        }
        Trigger::Archive => {
            w.time += 50_000; // and no deadline fires before it
            w.run(w.p, archive(&[id]))
        }
        Trigger::Due => w.wait(LONG).into_iter().find(|r| r.cause == Cause::Deadline(key(w.p, id))).unwrap(),
        Trigger::PayInstant
        | Trigger::PayEscrow
        | Trigger::PayMaturing
        | Trigger::PayWindow
        | Trigger::PayWindowOwn
        | Trigger::Hold => unreachable!("places an order"),
    }
}

fn move_of(from: Option<OrderState>, by: Trigger) -> Option<&'static machine::Row> {
    machine::TABLE.iter().find(|row| row.from == from && row.by == by)
}

#[test]
fn every_pair_of_state_and_event_is_as_the_table_says() {
    use machine::When;
    let mut base = shop_with(|p| p.escrow_ms = LONG);
    // metered access that is over when its order is archived
    let brief = RegisterItem { plan: label("api"), terms: metered(100, Some(40_000)), ..item("brief", 1, base.carol) };
    base.ok(base.q, Action::RegisterItem(brief));
    let orders = in_every_state(&mut base);
    let mut refused = 0;
    for (id, from) in &orders {
        assert_eq!(base.state(base.p, id), *from, "{id}");
        let order = base.order(base.p, id);
        for by in Trigger::ALL {
            let holds = |row: &&machine::Row| match row.when {
                When::Always => true,
                When::Waits => order.due.is_some(),
                When::WaitsInEscrow => order.due.is_some() && order.mode == PayMode::Escrow,
                When::Rests => order.due.is_none(),
            };
            let row = move_of(Some(*from), *by).filter(holds);
            let case = format!("{id}: {by:?}");
            let mut w = base.clone();
            match by {
                // an order that is there is not placed again
                Trigger::PayInstant | Trigger::PayEscrow | Trigger::PayMaturing | Trigger::PayWindow => {
                    assert_eq!(row, None);
                    let other = pay(w.p, id, w.q, "brief", 101);
                    assert_eq!(refusal(&w.run(w.alice, Action::Pay(other))).0, 502, "{case}");
                    continue;
                }
                Trigger::PayWindowOwn | Trigger::Hold => {
                    assert_eq!(row, None);
                    let other = hold(w.p, id, w.q, "brief", 101);
                    assert_eq!(refusal(&w.run(w.alice, Action::Hold(other))).0, 502, "{case}");
                    continue;
                }
                Trigger::Due => {
                    assert_eq!(row.is_some(), order.due.is_some(), "{case}");
                    if row.is_none() {
                        continue;
                    }
                }
                // nobody settles an order's window but with all of its orders
                Trigger::SettleWindow if row.is_none() => {
                    pull(&mut w, id, *by);
                    assert_eq!(w.state(w.p, id), *from, "{case}");
                    continue;
                }
                _ => {}
            }
            let receipt = pull(&mut w, id, *by);
            match row {
                Some(row) => {
                    assert!(receipt.applied(), "{case}: {receipt:?}");
                    let to = read::order(&w.ledger, &key(w.p, id)).map(|o| o.state);
                    let to = to.or_else(|| read::archived(&w.ledger, &key(w.p, id)).map(|a| a.state));
                    assert_eq!(to, Some(row.to), "{case}");
                }
                // once captured or voided, or disputed, the same again is a replay
                None if !matches!(receipt.outcome, Outcome::Rejected { .. }) => {
                    let known = [("voided", Trigger::Void), ("disputed", Trigger::OpenDispute)];
                    let known = known.iter().any(|(prefix, again)| id.starts_with(prefix) && by == again);
                    assert!(known && matches!(receipt.outcome, Outcome::Replayed { .. }), "{case}: {receipt:?}");
                }
                None => {
                    let expected = match (*id, by) {
                        ("captured", Trigger::Capture) => (502, "amount"),
                        _ => (504, "order"),
                    };
                    assert_eq!(refusal(&receipt), (expected.0, expected.1.to_string()), "{case}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 90, "{refused}");
}

#[test]
fn the_page_shows_the_machine() {
    let page = include_str!("../../../../docs/contract.md");
    assert!(page.contains(&machine::render()), "put this into docs/contract.md:\n{}", machine::render());
    // what a table of pairs cannot say
    for (n, row) in machine::TABLE.iter().enumerate() {
        assert!(!machine::TABLE[..n].iter().any(|r| (r.from, r.by) == (row.from, row.by)), "{row:?} twice");
    }
    let unreachable = |from, to| assert!(!machine::reachable(from, to));
    unreachable(OrderState::Refunded, OrderState::Settled);
    unreachable(OrderState::PartRefunded, OrderState::Disputed);
    unreachable(OrderState::Settled, OrderState::Escrowed);
    unreachable(OrderState::Held, OrderState::Escrowed);
    assert!(machine::reachable(OrderState::Held, OrderState::Refunded));
    assert!(machine::STATES.iter().all(|state| machine::reachable(*state, *state)));
}
