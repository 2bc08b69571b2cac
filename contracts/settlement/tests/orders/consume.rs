//! Metered access, counted by its host.

use crate::common::store::{buy, shop};
use crate::common::*;
use vostro_settlement::read;
use vostro_types::transaction::*;
use vostro_types::*;

#[test]
fn units_are_consumed() {
    let mut base = shop();
    base.ok(base.alice, Action::Pay(pay(base.p, "u", base.q, "api", 1000)));
    base.ok(base.alice, buy(&base, "unmetered", PayMode::Instant));
    base.ok(base.q, consume(base.p, "u", 0, 30));
    check(
        &base,
        &[
            ("no order", |w| w.run(w.q, consume(w.p, "none", 0, 1)), (503, "order")),
            ("by the origin", |w| w.run(w.p, consume(w.p, "u", 30, 1)), (106, "sender")),
            ("by the holder", |w| w.run(w.alice, consume(w.p, "u", 30, 1)), (106, "sender")),
            ("nothing", |w| w.run(w.q, consume(w.p, "u", 30, 0)), (201, "units")),
            ("unmetered", |w| w.run(w.q, consume(w.p, "unmetered", 0, 1)), (504, "units")),
            ("all that is left", |w| w.run(w.q, consume(w.p, "u", 30, 70)), APPLIED),
            ("too many", |w| w.run(w.q, consume(w.p, "u", 30, 71)), (506, "units")),
            ("far too many", |w| w.run(w.q, consume(w.p, "u", 30, u64::MAX)), (506, "units")),
            ("again", |w| w.run(w.q, consume(w.p, "u", 0, 30)), REPLAYED),
            ("again with other units", |w| w.run(w.q, consume(w.p, "u", 0, 31)), (502, "units")),
            ("out of turn", |w| w.run(w.q, consume(w.p, "u", 31, 1)), (502, "from")),
            (
                "an older one",
                |w| {
                    w.ok(w.q, consume(w.p, "u", 30, 10));
                    w.run(w.q, consume(w.p, "u", 0, 30))
                },
                (502, "from"),
            ),
            (
                "expired",
                |w| {
                    w.time = w.order(w.p, "u").placed.plus(HOUR).0 - 1;
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                (507, "order"),
            ),
            (
                "in the last millisecond",
                |w| {
                    w.time = w.order(w.p, "u").placed.plus(HOUR).0 - 2;
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                APPLIED,
            ),
            (
                "again when expired",
                |w| {
                    w.wait(HOUR);
                    w.run(w.q, consume(w.p, "u", 0, 30))
                },
                REPLAYED,
            ),
            (
                "partly refunded",
                |w| {
                    w.ok(w.p, refund(w.p, "u", "r", 900));
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                APPLIED,
            ),
            (
                "revoked",
                |w| {
                    w.ok(w.p, refund(w.p, "u", "r", 1000));
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                (504, "order"),
            ),
            (
                "disputed",
                |w| {
                    w.ok(w.alice, dispute(w.p, "u"));
                    w.run(w.q, consume(w.p, "u", 30, 1))
                },
                (504, "order"),
            ),
            (
                "held",
                |w| {
                    w.ok(w.alice, Action::Hold(hold(w.p, "h", w.q, "api", 10)));
                    w.run(w.q, consume(w.p, "h", 0, 1))
                },
                (504, "order"),
            ),
            (
                "voided",
                |w| {
                    w.ok(w.alice, Action::Hold(hold(w.p, "h", w.q, "api", 10)));
                    w.ok(w.p, void(w.p, "h"));
                    w.run(w.q, consume(w.p, "h", 0, 1))
                },
                (504, "order"),
            ),
            (
                "captured",
                |w| {
                    w.ok(w.alice, Action::Hold(hold(w.p, "h", w.q, "api", 10)));
                    w.ok(w.p, capture(w.p, "h", 1));
                    w.run(w.q, consume(w.p, "h", 0, 100))
                },
                APPLIED,
            ),
            ("two in a batch", |w| w.batch(w.q, vec![consume(w.p, "u", 30, 1), consume(w.p, "u", 31, 1)]), APPLIED),
        ],
    );
    let mut w = base;
    let receipt = w.ok(w.q, consume(w.p, "u", 30, 5));
    let entitlement = read::entitlement_id(&key(w.p, "u"));
    assert_eq!(receipt.events, [Event::UnitsConsumed { entitlement, units: 5, left: 65 }]);
    let (_, entitlement) = read::entitlement(&w.ledger, &key(w.p, "u")).unwrap();
    assert_eq!(entitlement.used, 35);
}
