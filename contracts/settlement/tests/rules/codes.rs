//! One refusal for every code, so that no rule is without a test and a new code asks for its own.

use crate::common::campaigns::*;
use crate::common::exchange::*;
use crate::common::*;
use std::collections::BTreeSet;
use vostro_settlement::{MAX_LEAD, Rejection};
use vostro_types::transaction::*;
use vostro_types::*;

type Refused = fn(&mut World) -> Receipt;

/// By code: what is refused with it.
const CASES: &[(u16, Refused)] = &[
    (101, |w| w.by(w.alice, &[w.bob], transfer(w.bob, 1))),
    (103, |w| {
        let mut body = w.body(w.alice, Payload::One(transfer(w.bob, 1)));
        body.valid_until = Time(w.time);
        let tx = w.sign(body, &[w.alice]);
        w.block(&[tx]).remove(0)
    }),
    (106, |w| w.run(w.alice, deposit("bank", "x", w.alice, 1))),
    (107, |w| w.by(w.dave, &[w.dave], Action::Pay(pay(w.p, "1", w.q, "book", 100)))),
    (108, |w| w.run(w.p, archive(&[]))),
    (201, |w| w.run(w.alice, transfer(w.bob, 0))),
    (202, |w| {
        w.set_parameters(|p| p.gateway_daily_cap = Amount::MAX);
        w.run(w.gw2, deposit("bank", "x", w.bob, Amount::MAX.units()))
    }),
    (203, |w| w.run(w.p, Action::LockCollateral(LockCollateral { asset: "EUR".parse().unwrap(), amount: fen(1) }))),
    (205, |w| w.run(w.alice, Action::Pay(Pay { expected_total: fen(9), ..pay(w.p, "1", w.q, "book", 10) }))),
    (301, |w| w.run(w.alice, transfer(w.bob, 100_001))),
    (302, |w| {
        w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "book", 1000)));
        w.ok(w.carol, transfer(w.bob, 700));
        w.ok(w.p, transfer(w.bob, w.available(w.p)));
        w.run(w.p, refund(w.p, "1", "r", 1000))
    }),
    (303, |w| {
        let small = CreateCampaign { budget: fen(10), ..campaign(w, "c", &[(w.p, 1_000_000)]) };
        w.ok(w.p, Action::CreateCampaign(small));
        w.ok(w.p, issue("c", "s", None));
        w.run(w.alice, with_coupon(pay(w.p, "1", w.q, "book", 6000), "s", 5000))
    }),
    (304, |w| {
        w.set_parameters(|p| p.debit_cap = fen(100));
        w.run(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }))
    }),
    (305, |w| w.run(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }))),
    (401, |w| w.run(w.alice, transfer(AccountId([9; 32]), 1))),
    (402, |w| {
        w.status(w.alice, AccountStatus::DebitFrozen);
        w.run(w.alice, transfer(w.bob, 1))
    }),
    (403, |w| {
        w.status(w.alice, AccountStatus::Frozen);
        w.run(w.alice, transfer(w.bob, 1))
    }),
    (404, |w| {
        w.status(w.dave, AccountStatus::Closed);
        w.run(w.alice, transfer(w.dave, 1))
    }),
    (405, |w| {
        w.set_parameters(|p| p.limits[0].yearly = fen(1));
        w.run(w.alice, transfer(w.bob, 2))
    }),
    (406, |w| w.run(w.alice, transfer(w.alice, 1))),
    (502, |w| {
        w.ok(w.alice, withdraw("w", w.gw, 1));
        w.run(w.alice, withdraw("w", w.gw, 2))
    }),
    (503, |w| w.run(w.p, refund(w.p, "none", "r", 1))),
    (504, |w| {
        w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "book", 1000)));
        w.run(w.alice, confirm(w.p, "1"))
    }),
    (505, |w| {
        w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "book", 1000)));
        w.run(w.p, refund(w.p, "1", "r", 1001))
    }),
    (506, |w| {
        w.ok(w.alice, Action::Hold(hold(w.p, "1", w.q, "book", 1000)));
        w.run(w.p, capture(w.p, "1", 1001))
    }),
    (507, |w| {
        w.validators(&[w.p]);
        w.run(w.p, propose("x", Parameter::DebitCap, 5, w.height + MAX_LEAD + 2))
    }),
    (601, |w| w.run(w.p, plan("x", 1, vec![leg(Payee::Host, 1)]))),
    (611, |w| w.run(w.alice, with_coupon(pay(w.p, "1", w.q, "book", 6000), "none", 5000))),
    (621, |w| {
        w.ok(w.alice, Action::CreateMandate(mandate(w, "m")));
        w.run(w.p, Action::Charge(charge(w, w.alice, "m", 0, "1", 3001)))
    }),
    (622, |w| {
        w.ok(w.alice, Action::CreateMandate(mandate(w, "m")));
        w.run(w.p, Action::Charge(charge(w, w.alice, "m", 1, "1", 1)))
    }),
    (623, |w| {
        w.ok(w.alice, Action::CreateMandate(mandate(w, "m")));
        w.ok(w.alice, cancel(w.alice, "m"));
        w.run(w.p, Action::Charge(charge(w, w.alice, "m", 0, "1", 1)))
    }),
    (701, |w| {
        for id in ["w", "v"] {
            w.ok(w.alice, withdraw(id, w.gw, 1));
        }
        w.ok(w.gw, result(w.alice, "w", true, "paid"));
        w.run(w.gw, result(w.alice, "v", true, "paid"))
    }),
    (702, |w| w.run(w.gw, deposit("bank", "x", w.alice, 10_000_000))),
    (801, |w| {
        w.set_parameters(|p| p.limits[0].per_transaction = fen(1));
        w.run(w.alice, transfer(w.bob, 2))
    }),
    (802, |w| {
        w.set_parameters(|p| p.limits[0].daily = fen(1));
        w.run(w.alice, transfer(w.bob, 2))
    }),
    (803, |w| {
        w.set_parameters(|p| p.limits[0].velocity = fen(1));
        w.run(w.alice, transfer(w.bob, 2))
    }),
    (804, |w| {
        w.set_parameters(|p| (p.cooling_ms, p.cooling_amount) = (100_000, fen(1)));
        w.run(w.alice, transfer(w.bob, 2))
    }),
    (901, |w| {
        w.ok(w.p, lock(5000));
        w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }));
        w.ok(w.p, close_window(1));
        w.run(w.p, close_window(1))
    }),
    (902, |w| w.run(w.p, close_window(2))),
    (911, |w| {
        w.deposit_usd(w.dave, 1000);
        let quote = FxQuote { taker: Some(w.bob), ..quote(w, w.dave, "q") };
        w.run(w.alice, convert(w, quote))
    }),
    (921, |w| {
        w.ok(w.alice, Action::HtlcLock(htlc_lock("h", w.bob, 300, w.time + 1000)));
        w.run(w.bob, htlc_claim(w.alice, "h", [8; 32]))
    }),
    (922, |w| {
        w.ok(w.alice, Action::HtlcLock(htlc_lock("h", w.bob, 300, w.time + 1000)));
        w.run(w.alice, htlc_refund(w.alice, "h"))
    }),
];

/// What is refused before the contract sees it: 102, because a signature for another chain does not verify here and no
/// verified transaction is of another chain, and 104, because what was executed is remembered with the blocks.
const ELSEWHERE: [u16; 2] = [102, 104];

#[test]
fn every_code_is_refused_with() {
    let base = shop();
    let mut met = BTreeSet::from(ELSEWHERE);
    for (code, act) in CASES {
        assert_eq!(refusal(&act(&mut base.clone())).0, *code);
        assert!(met.insert(*code), "{code} twice");
    }
    let listed: BTreeSet<u16> = Rejection::CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(met, listed);
}
