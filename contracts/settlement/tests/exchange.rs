//! Hash locks, quotes, reports, release of cover and the mutual fund: each refusal by its code, each effect to the unit.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::exchange::*;
use common::*;
use vostro_settlement::tables::BALANCES;
use vostro_settlement::{Ledger, MAX_LOCK_MS, invariants, read};
use vostro_types::codec::encode;
use vostro_types::transaction::*;
use vostro_types::*;

fn locked(w: &mut World, to: AccountId, change: impl FnOnce(&mut HtlcLock)) -> Receipt {
    let mut lock = htlc_lock("h", to, 300, w.time + 1000);
    change(&mut lock);
    w.run(w.alice, Action::HtlcLock(lock))
}

#[test]
fn locking() {
    let mut base = shop();
    base.ok(base.alice, Action::HtlcLock(htlc_lock("old", base.bob, 300, base.time + 1000)));
    assert_eq!(base.available(base.alice), 99_700);
    let old = base.time + 999;
    check(
        &base,
        &[
            ("a lock", |w| locked(w, w.bob, |_| {}), APPLIED),
            ("nothing", |w| locked(w, w.bob, |l| l.amount = Amount::ZERO), (201, "amount")),
            ("to itself", |w| locked(w, w.alice, |_| {}), (406, "to")),
            ("no asset", |w| locked(w, w.bob, |l| l.asset = "EUR".parse().unwrap()), (203, "asset")),
            ("nobody", |w| locked(w, AccountId([9; 32]), |_| {}), (401, "to")),
            ("too much", |w| locked(w, w.bob, |l| l.amount = fen(99_701)), (301, "sender")),
            (
                "a closed receiver",
                |w| {
                    w.status(w.dave, AccountStatus::Closed);
                    locked(w, w.dave, |_| {})
                },
                (404, "to"),
            ),
            (
                "a deadline that is past",
                |w| {
                    let now = Time(w.time + 1);
                    locked(w, w.bob, |l| l.deadline = now)
                },
                (922, "deadline"),
            ),
            ("a deadline too far", |w| locked(w, w.bob, |l| l.deadline = Time(u64::MAX)), (922, "deadline")),
            (
                "the farthest deadline",
                |w| {
                    let far = Time(w.time + 1 + MAX_LOCK_MS);
                    locked(w, w.bob, |l| l.deadline = far)
                },
                APPLIED,
            ),
        ],
    );
    let again = |w: &mut World, change: fn(&mut HtlcLock)| {
        let mut lock = htlc_lock("old", w.bob, 300, old);
        change(&mut lock);
        refusal(&w.run(w.alice, Action::HtlcLock(lock)))
    };
    let mut w = base.clone();
    assert_eq!(again(&mut w, |_| {}), (0, "replayed".into()));
    assert_eq!(again(&mut w, |l| l.amount = fen(1)), (502, "amount".into()));
    let differ = |l: &mut HtlcLock| {
        (l.to, l.asset, l.hash, l.deadline) = (AccountId([1; 32]), usd(), Hash([1; 32]), Time(5));
    };
    assert_eq!(again(&mut w, differ), (502, "to asset hash deadline".into()));
}

#[test]
fn claiming_and_taking_back() {
    let mut base = shop();
    let deadline = base.time + 1000;
    base.ok(base.alice, Action::HtlcLock(htlc_lock("h", base.bob, 300, deadline)));
    check(
        &base,
        &[
            ("by whom it names", |w| w.run(w.bob, htlc_claim(w.alice, "h", PREIMAGE)), APPLIED),
            ("by somebody else", |w| w.run(w.carol, htlc_claim(w.alice, "h", PREIMAGE)), (106, "sender")),
            ("by its owner", |w| w.run(w.alice, htlc_claim(w.alice, "h", PREIMAGE)), (106, "sender")),
            ("no such lock", |w| w.run(w.bob, htlc_claim(w.alice, "x", PREIMAGE)), (401, "htlc_id")),
            ("another's lock", |w| w.run(w.bob, htlc_claim(w.carol, "h", PREIMAGE)), (401, "htlc_id")),
            ("a wrong preimage", |w| w.run(w.bob, htlc_claim(w.alice, "h", [8; 32])), (921, "preimage")),
            ("back too early", |w| w.run(w.alice, htlc_refund(w.alice, "h")), (922, "deadline")),
            ("back to the receiver", |w| w.run(w.bob, htlc_refund(w.alice, "h")), (106, "sender")),
            ("back of what is not there", |w| w.run(w.alice, htlc_refund(w.alice, "x")), (401, "htlc_id")),
        ],
    );
    let mut w = base.clone();
    w.time = deadline - 2; // a block is a millisecond later
    w.ok(w.bob, htlc_claim(w.alice, "h", PREIMAGE));
    assert_eq!((w.available(w.bob), w.available(w.alice)), (100_300, 99_700));
    assert_eq!(refusal(&w.run(w.bob, htlc_claim(w.alice, "h", PREIMAGE))), (0, "replayed".into()));
    assert_eq!(w.no(w.bob, htlc_claim(w.alice, "h", [8; 32])), (504, "htlc_id".into()));
    w.time = deadline;
    assert_eq!(w.no(w.alice, htlc_refund(w.alice, "h")), (504, "htlc_id".into()));

    let mut w = base.clone();
    w.time = deadline - 1;
    assert_eq!(w.no(w.bob, htlc_claim(w.alice, "h", PREIMAGE)), (922, "deadline".into()));
    assert_eq!(w.no(w.q, htlc_refund(w.alice, "h")), (106, "sender".into()));
    w.ok(w.alice, htlc_refund(w.alice, "h"));
    assert_eq!((w.available(w.bob), w.available(w.alice)), (100_000, 100_000));
    assert_eq!(refusal(&w.run(w.p, htlc_refund(w.alice, "h"))), (0, "replayed".into()));
    assert_eq!(w.no(w.bob, htlc_claim(w.alice, "h", PREIMAGE)), (504, "htlc_id".into()));
}

#[test]
fn what_a_closed_account_locked_is_not_lost() {
    let mut w = shop();
    w.ok(w.alice, Action::HtlcLock(htlc_lock("h", w.bob, 100_000, w.time + 10)));
    w.status(w.alice, AccountStatus::Closed);
    w.time += 100;
    w.ok(w.p, htlc_refund(w.alice, "h"));
    assert_eq!(w.available(w.fees), 100_000, "nobody else stands in for her here");
}

#[test]
fn what_owner_and_platform_cannot_take_back_the_risk_desk_does() {
    let mut w = shop();
    w.ok(w.alice, Action::HtlcLock(htlc_lock("h", w.bob, 300, w.time + 10)));
    w.status(w.alice, AccountStatus::Frozen);
    w.status(w.p, AccountStatus::Frozen);
    assert_eq!(w.no(w.risk, htlc_refund(w.alice, "h")), (922, "deadline".into()));
    w.time += 100;
    assert_eq!(w.no(w.p, htlc_refund(w.alice, "h")), (403, "sender".into()));
    w.ok(w.risk, htlc_refund(w.alice, "h"));
    assert_eq!((w.available(w.alice), w.held(w.alice)), (99_700, 300));
}

#[test]
fn a_frozen_owner_gets_it_back_into_held() {
    let mut w = shop();
    w.ok(w.alice, Action::HtlcLock(htlc_lock("h", w.bob, 300, w.time + 10)));
    w.status(w.alice, AccountStatus::Frozen);
    w.time += 100;
    assert_eq!(w.no(w.alice, htlc_refund(w.alice, "h")), (403, "sender".into()));
    w.ok(w.p, htlc_refund(w.alice, "h"));
    assert_eq!((w.available(w.alice), w.held(w.alice)), (99_700, 300));
}

fn exchange() -> World {
    let mut w = shop();
    w.deposit_usd(w.dave, 1000);
    w
}

fn taken(w: &mut World, change: impl FnOnce(&mut FxQuote)) -> Receipt {
    let mut quote = quote(w, w.dave, "q");
    change(&mut quote);
    let action = convert(w, quote);
    w.run(w.alice, action)
}

#[test]
fn taking_a_quote() {
    let mut w = exchange();
    let receipt = taken(&mut w, |_| {});
    assert!(receipt.applied());
    assert_eq!((w.available(w.alice), w.usd(w.alice)), (94_950, 700));
    assert_eq!((w.available(w.dave), w.usd(w.dave)), (5000, 300));
    assert_eq!(w.available(w.p), 10_050, "the spread is a leg of its own");
    let again = quote(&w, w.dave, "q");
    let fresh = convert(&w, FxQuote { expires: Time(w.time + 20_000), ..again.clone() });
    assert_eq!(w.no(w.alice, fresh.clone()), (502, "quote".into()));
    assert_eq!(w.no(w.bob, fresh), (911, "quote_id".into()));
    check(
        &exchange(),
        &[
            ("for her alone", |w| taken(w, |q| q.taker = Some(q.maker)), (911, "taker")),
            (
                "for her",
                |w| {
                    let alice = w.alice;
                    taken(w, |q| q.taker = Some(alice))
                },
                APPLIED,
            ),
            ("expired", |w| taken(w, |q| q.expires = Time(1)), (911, "expires")),
            ("gives nothing", |w| taken(w, |q| q.gives = Amount::ZERO), (201, "gives")),
            ("takes nothing", |w| taken(w, |q| q.takes = Amount::ZERO), (201, "takes")),
            ("no asset", |w| taken(w, |q| q.gives_asset = "EUR".parse().unwrap()), (203, "gives_asset")),
            ("no other asset", |w| taken(w, |q| q.takes_asset = "EUR".parse().unwrap()), (203, "takes_asset")),
            ("one asset", |w| taken(w, |q| q.takes_asset = q.gives_asset), (203, "takes_asset")),
            ("spread to nobody", |w| taken(w, |q| q.spread_to = AccountId([9; 32])), (401, "spread_to")),
            ("too much spread", |w| taken(w, |q| q.spread = Amount::MAX), (202, "spread")),
            ("the taker is short", |w| taken(w, |q| q.takes = fen(100_000)), (301, "sender")),
            ("the maker is short", |w| taken(w, |q| q.gives = fen(1001)), (301, "maker")),
            (
                "the maker's own",
                |w| {
                    let action = convert(w, quote(w, w.dave, "q"));
                    w.run(w.dave, action)
                },
                (406, "maker"),
            ),
            (
                "signed by somebody else",
                |w| {
                    let quote = quote(w, w.dave, "q");
                    let signatures = quote.sign(&w.chain, &[&w.keys[&w.bob]]);
                    w.run(w.alice, Action::FxConvert(FxConvert { quote, signatures }))
                },
                (107, "maker"),
            ),
            (
                "a frozen maker",
                |w| {
                    w.status(w.dave, AccountStatus::DebitFrozen);
                    taken(w, |_| {})
                },
                (402, "maker"),
            ),
            (
                "a maker who is not there",
                |w| {
                    let quote = FxQuote { maker: AccountId([9; 32]), ..quote(w, w.dave, "q") };
                    let signatures = quote.sign(&w.chain, &[&w.keys[&w.bob]]);
                    w.run(w.alice, Action::FxConvert(FxConvert { quote, signatures }))
                },
                (401, "maker"),
            ),
        ],
    );
}

#[test]
fn a_quote_taken_again_is_answered_with_the_first() {
    let mut w = exchange();
    let action = convert(&w, quote(&w, w.dave, "q"));
    let first = w.ok(w.alice, action.clone());
    let Cause::Transaction(original) = first.cause else { panic!("{first:?}") };
    assert_eq!(w.run(w.alice, action).outcome, Outcome::Replayed { original });
    assert_eq!(w.usd(w.alice), 700);
}

#[test]
fn the_verified_door_holds_quotes_too() {
    let w = exchange();
    let quote = quote(&w, w.dave, "q");
    let mut signatures = quote.sign(&w.chain, &[&w.keys[&w.dave]]);
    let body = |signatures| Body {
        version: BODY_VERSION,
        sender: w.alice,
        valid_until: Time(w.time + 1000),
        salt: 1,
        payload: Payload::One(Action::FxConvert(FxConvert { quote: quote.clone(), signatures })),
    };
    let sign = |body: Body| body.sign(&w.chain, &[&w.keys[&w.alice]]);
    assert!(sign(body(signatures.clone())).verify(&w.chain).is_ok());
    signatures[0].signature = quote.sign(&Hash([1; 32]), &[&w.keys[&w.dave]])[0].signature;
    let forged = sign(body(signatures));
    let bad = w.keys[&w.dave].public();
    assert_eq!(forged.clone().verify(&w.chain).unwrap_err().key, bad, "signed for another chain");
    let verdicts = vostro_types::transaction::verify_all(vec![forged], &w.chain);
    assert_eq!(verdicts[0].as_ref().unwrap_err().key, bad);
    let bare = sign(body(Vec::new()));
    assert!(codec::decode::<Transaction>(&encode(&bare), 10_000).is_err(), "a quote is signed");
}

#[test]
fn anchoring() {
    check(
        &shop(),
        &[
            ("by an auditor", |w| w.run(w.auditor, report("bank", "2026-11", 1)), APPLIED),
            ("by a gateway", |w| w.run(w.gw, report("bank", "2026-11", 1)), APPLIED),
            ("by a platform", |w| w.run(w.p, report("bank", "2026-11", 1)), (106, "sender")),
            ("by the risk desk", |w| w.run(w.risk, report("bank", "2026-11", 1)), (106, "sender")),
            ("by a user", |w| w.run(w.alice, report("bank", "2026-11", 1)), (106, "sender")),
        ],
    );
    let mut w = shop();
    w.ok(w.gw, report("bank", "2026-11", 1));
    assert_eq!(refusal(&w.run(w.gw, report("bank", "2026-11", 1))), (0, "replayed".into()));
    assert_eq!(w.no(w.gw, report("bank", "2026-11", 2)), (502, "root".into()));
    w.ok(w.gw, report("bank", "2026-12", 2));
    w.ok(w.gw2, report("bank", "2026-11", 2));
    assert_eq!(read::report(&w.ledger, w.gw, &label("bank"), &label("2026-11")).unwrap().root, Hash([1; 32]));
}

#[test]
fn taking_cover_back() {
    let mut base = shop();
    base.ok(base.p, lock(5000));
    base.ok(base.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(base.p, "1", base.q, "book", 1000) }));
    assert_eq!(read::position(&base.ledger, base.p, cny()), 920, "its own leg is no obligation");
    check(
        &base,
        &[
            ("what is not needed", |w| w.run(w.p, unlock(4080)), APPLIED),
            ("what is needed", |w| w.run(w.p, unlock(4081)), (305, "collateral")),
            ("more than there is", |w| w.run(w.p, unlock(5001)), (301, "collateral")),
            ("nothing", |w| w.run(w.p, unlock(0)), (201, "amount")),
            ("by a user", |w| w.run(w.alice, unlock(1)), (106, "sender")),
            ("by one without cover", |w| w.run(w.q, unlock(1)), (301, "collateral")),
        ],
    );
    base.ok(base.p, unlock(4080));
    assert_eq!((base.collateral(base.p), base.available(base.p)), (920, 9080));
    base.ok(base.p, close_window(1));
    base.ok(base.p, settle_window(1));
    assert_eq!((base.collateral(base.p), base.available(base.p)), (920, 8160));
}

#[test]
fn the_fund_takes_and_gives_back() {
    let mut base = shop();
    base.ok(base.p, lock(1000));
    base.ok(base.p, contribute(300));
    base.ok(base.p, contribute(200));
    assert_eq!((base.funded(base.p), base.available(base.p)), (500, 8500));
    check(
        &base,
        &[
            ("all of it", |w| w.run(w.p, release(500)), APPLIED),
            ("more", |w| w.run(w.p, release(501)), (301, "fund")),
            ("another's", |w| w.run(w.q, release(1)), (301, "fund")),
            ("nothing", |w| w.run(w.p, release(0)), (201, "amount")),
            ("nothing in", |w| w.run(w.p, contribute(0)), (201, "amount")),
            ("more than it has", |w| w.run(w.p, contribute(8501)), (301, "sender")),
            ("by a user", |w| w.run(w.alice, contribute(1)), (106, "sender")),
            (
                "closing its account",
                |w| {
                    for it in [transfer(w.bob, w.available(w.p)), unlock(1000), transfer(w.bob, 1000)] {
                        w.ok(w.p, it);
                    }
                    w.run(w.risk, set_status(w.p, AccountStatus::Closed))
                },
                (504, "fund"),
            ),
            (
                "closing its account without a part",
                |w| {
                    for it in [release(500), unlock(1000), transfer(w.bob, 10_000)] {
                        w.ok(w.p, it);
                    }
                    w.run(w.risk, set_status(w.p, AccountStatus::Closed))
                },
                APPLIED,
            ),
            (
                "while an obligation waits",
                |w| {
                    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }));
                    w.run(w.p, release(1))
                },
                (504, "window"),
            ),
            (
                "while a closed window waits",
                |w| {
                    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }));
                    w.ok(w.p, close_window(1));
                    w.run(w.p, release(1))
                },
                (504, "window"),
            ),
            (
                "when it is settled",
                |w| {
                    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }));
                    w.ok(w.p, close_window(1));
                    w.ok(w.p, settle_window(1));
                    w.run(w.p, release(500))
                },
                APPLIED,
            ),
        ],
    );
}

/// p owes 920 in window 1; its cover and all else it had is taken from it by hand, which no action can do, and given to
/// bob, so that money is conserved. Of the fund, p brought 100, q 300 and the risk desk 600.
fn breached() -> World {
    let mut w = shop();
    w.deposit(w.q, 300);
    w.deposit(w.risk, 2000);
    w.ok(w.p, lock(1000));
    for (platform, units) in [(w.p, 100), (w.q, 300), (w.risk, 600)] {
        w.ok(platform, contribute(units));
    }
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "1", w.q, "book", 1000) }));
    w.ok(w.p, close_window(1));
    let mut bob = read::balance(&w.ledger, w.bob, cny());
    let p = read::balance(&w.ledger, w.p, cny());
    bob.available = bob.available.add(p.available).unwrap().add(p.collateral).unwrap();
    w.ledger.put(&BALANCES.key(&(w.bob, cny())), &encode(&(1u8, bob)));
    w.ledger.put(&BALANCES.key(&(w.p, cny())), &encode(&(1u8, read::Balance::default())));
    w
}

#[test]
fn a_default_is_borne_by_the_fund_and_nothing_is_unwound() {
    let mut w = breached();
    let body = w.body(w.q, Payload::One(settle_window(1)));
    let tx = w.sign(body, &[w.q]);
    let receipt = vostro_settlement::apply(&w.context(), &tx, &mut w.ledger);
    let (p, asset) = (w.p, cny());
    let used = |contributor, amount| Event::FundUsed { debtor: p, contributor, asset, amount: fen(amount) };
    let raised = |creditor, amount| Event::ReceivableRaised { debtor: p, creditor, asset, amount: fen(amount) };
    let mut others = [(w.q, 273), (w.risk, 547)];
    others.sort();
    let mut events = vec![used(p, 100)];
    events.extend(others.iter().flat_map(|(other, amount)| [used(*other, *amount), raised(*other, *amount)]));
    events.push(Event::WindowSettled { asset, window: 1, gross: 920, net: fen(920) });
    assert_eq!(receipt.events, events);
    // p's own 100, then 820 by 300 : 600.
    assert_eq!([w.p, w.q, w.risk].map(|a| w.funded(a)), [0, 27, 53]);
    assert_eq!((w.owed(w.p), w.available(w.carol)), (820, 700));
    invariants::check(&w.ledger).unwrap();
    // What p gets next goes to who bore its default.
    let (q, risk) = (w.available(w.q), w.available(w.risk));
    w.deposit(w.p, 1000);
    assert_eq!((w.available(w.q) - q, w.available(w.risk) - risk, w.available(w.p)), (273, 547, 180));
    assert_eq!(w.owed(w.p), 0);
}

#[test]
fn a_default_beyond_the_fund_waits() {
    let mut w = breached();
    let other = w.clone();
    w.ledger.delete(&vostro_settlement::tables::FUND.key(&(cny(), w.risk)));
    let body = w.body(w.q, Payload::One(settle_window(1)));
    let tx = w.sign(body, &[w.q]);
    let before = w.ledger.clone();
    let receipt = vostro_settlement::apply(&w.context(), &tx, &mut w.ledger);
    assert_eq!(refusal(&receipt), (305, "fund".into()));
    assert!(before == w.ledger && other.ledger != w.ledger);
}
