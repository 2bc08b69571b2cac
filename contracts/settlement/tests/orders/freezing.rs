//! Freezing in every state of an order: whoever is frozen when money moves gets it into `held`, whatever state the order
//! was in and whatever moved it; whoever may not act does not.

use crate::common::store::{buy, reserve, shop};
use crate::common::*;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// A state, how an order comes to it, what moves it on, the state after that, and what payee and payer then hold.
type Case = (OrderState, fn(&mut World), fn(&mut World), OrderState, [u64; 2]);

fn escrow(w: &mut World) {
    w.ok(w.alice, buy(w, "o", PayMode::Escrow));
}

fn maturing(w: &mut World) {
    w.ok(w.alice, buy(w, "o", PayMode::Maturing(5)));
}

fn held(w: &mut World) {
    w.ok(w.alice, reserve(w, "o"));
}

fn cleared(w: &mut World) {
    w.ok(w.p, lock(2000));
    w.ok(w.alice, buy(w, "o", PayMode::Window));
    w.ok(w.p, close_window(1));
}

fn disputed(w: &mut World) {
    escrow(w);
    w.ok(w.alice, dispute(w.p, "o"));
}

fn part_refunded(w: &mut World) {
    escrow(w);
    w.ok(w.p, refund(w.p, "o", "r", 500));
}

fn settled(w: &mut World) {
    w.ok(w.alice, buy(w, "o", PayMode::Instant));
}

fn deadline(w: &mut World) {
    w.wait(20_000);
}

const CASES: &[Case] = &[
    (OrderState::Escrowed, escrow, deadline, OrderState::Settled, [700, 0]),
    (OrderState::Escrowed, escrow, |w| refunds(w, 1000), OrderState::Refunded, [0, 1000]),
    (OrderState::Escrowed, escrow, |w| refunds(w, 400), OrderState::PartRefunded, [0, 400]),
    (OrderState::Maturing, maturing, deadline, OrderState::Settled, [700, 0]),
    (OrderState::Maturing, maturing, |w| refunds(w, 1000), OrderState::Refunded, [0, 1000]),
    (OrderState::Held, held, |w| acts(w, w.p, capture(w.p, "o", 600)), OrderState::Settled, [420, 400]),
    (OrderState::Held, held, |w| acts(w, w.q, void(w.p, "o")), OrderState::Voided, [0, 1000]),
    (OrderState::Held, held, deadline, OrderState::Voided, [0, 1000]),
    (OrderState::Cleared, cleared, |w| acts(w, w.q, settle_window(1)), OrderState::Settled, [700, 0]),
    (OrderState::Disputed, disputed, |w| acts(w, w.arbiter, resolve(w.p, "o", 0)), OrderState::Settled, [700, 0]),
    (
        OrderState::Disputed,
        disputed,
        |w| acts(w, w.arbiter, resolve(w.p, "o", 500_000)),
        OrderState::PartRefunded,
        [350, 500],
    ),
    (
        OrderState::Disputed,
        disputed,
        |w| acts(w, w.arbiter, resolve(w.p, "o", 1_000_000)),
        OrderState::Refunded,
        [0, 1000],
    ),
    (OrderState::Disputed, disputed, deadline, OrderState::Settled, [700, 0]),
    (OrderState::PartRefunded, part_refunded, deadline, OrderState::PartRefunded, [350, 0]),
    (OrderState::PartRefunded, part_refunded, |w| refunds(w, 500), OrderState::Refunded, [0, 500]),
    // a frozen payee keeps what it was paid, and the origin stands in for it
    (OrderState::Settled, settled, |w| refunds(w, 1000), OrderState::Refunded, [0, 1000]),
];

fn acts(w: &mut World, sender: AccountId, action: Action) {
    w.ok(sender, action);
}

fn refunds(w: &mut World, units: u64) {
    w.ok(w.p, refund(w.p, "o", "last", units));
}

#[test]
fn what_moves_lands_in_held() {
    for (i, (state, given, act, after, holds)) in CASES.iter().enumerate() {
        let mut w = shop();
        given(&mut w);
        assert_eq!(w.state(w.p, "o"), *state, "case {i}");
        let available = [w.carol, w.alice].map(|a| w.available(a));
        for account in [w.carol, w.alice] {
            w.status(account, AccountStatus::Frozen);
        }
        act(&mut w);
        assert_eq!((w.state(w.p, "o"), [w.carol, w.alice].map(|a| w.held(a))), (*after, *holds), "case {i}");
        assert_eq!([w.carol, w.alice].map(|a| w.available(a)), available, "case {i}");
    }
}

/// In every state: a frozen payer neither confirms nor disputes, a frozen origin neither refunds, captures nor voids, a
/// frozen host neither refunds nor voids nor counts units, a frozen arbiter decides nothing.
#[test]
fn whoever_is_frozen_does_not_act() {
    for given in [escrow, maturing, held, cleared, disputed, part_refunded, settled] {
        let mut w = shop();
        given(&mut w);
        for account in [w.alice, w.p, w.q, w.arbiter] {
            w.status(account, AccountStatus::Frozen);
        }
        let (alice, p, q, arbiter) = (w.alice, w.p, w.q, w.arbiter);
        for (sender, action) in [
            (alice, confirm(p, "o")),
            (alice, dispute(p, "o")),
            (p, refund(p, "o", "x", 1)),
            (p, capture(p, "o", 1)),
            (p, void(p, "o")),
            (p, archive(&["o"])),
            (q, refund(p, "o", "x", 1)),
            (q, void(p, "o")),
            (q, consume(p, "o", 0, 1)),
            (q, settle_window(1)),
            (arbiter, resolve(p, "o", 0)),
        ] {
            assert_eq!(w.no(sender, action), (403, "sender".into()));
        }
    }
}
