//! What a dishonest partner might try against others' money, and how the contract answers.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use std::cell::Cell;
use vostro_settlement::ledger::Entry;
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{Ledger, MAX_DAYS, MAX_REFUNDS, Reader, fire_deadlines, open_genesis, read};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

fn solo(payee: Payee, refund: RefundPolicy) -> Vec<PlanLeg> {
    vec![PlanLeg { refund, ..leg(payee, 1_000_000) }]
}

/// Pays with the keys of the payer, alice, alone.
fn alone(w: &mut World, pay: Pay) -> (u16, String) {
    refusal(&w.by(w.alice, &[w.alice], Action::Pay(pay)))
}

const APPLIED: u16 = 0;

#[test]
fn a_user_bears_no_refunds_unless_it_signs() {
    let mut w = World::new();
    w.deposit(w.alice, 10_000);
    let borne = plan("x", 1, solo(Payee::Host, RefundPolicy::BorneBy(w.alice)));
    assert_eq!(w.no(w.p, borne.clone()), (107, "bearer".into()));
    assert!(w.by(w.p, &[w.p, w.alice], borne).applied());
}

#[test]
fn a_host_does_not_refund_with_the_origins_money() {
    for mode in [PayMode::Instant, PayMode::Window] {
        let mut w = World::new();
        w.deposit(w.p, 20_000);
        w.deposit(w.alice, 10_000);
        w.ok(w.p, lock(10_000));
        w.offer(w.q, "x", solo(Payee::Creator, RefundPolicy::Proportional), None);
        w.ok(w.alice, Action::Pay(Pay { mode, ..pay(w.p, "o", w.q, "x", 10_000) }));
        if mode == PayMode::Window {
            w.ok(w.p, close_window(1));
            w.ok(w.q, settle_window(1));
        }
        w.ok(w.carol, withdraw("w", w.gw, 10_000));
        let before = w.available(w.p);
        assert_eq!(w.no(w.q, refund(w.p, "o", "r", 10_000)), (107, "origin".into()));
        assert_eq!((w.available(w.p), w.state(w.p, "o"), w.owed(w.carol)), (before, OrderState::Settled, 0));
        // what was not taken out is there for the host to give back, and with the origin's keys the rest is too
        w.deposit(w.carol, 4000);
        w.ok(w.q, refund(w.p, "o", "r", 4000));
        let receipt = w.by(w.q, &[w.q, w.p], refund(w.p, "o", "r2", 6000));
        assert!(receipt.applied(), "{receipt:?}");
        assert_eq!((w.owed(w.carol), w.state(w.p, "o")), (6000, OrderState::Refunded));
    }
}

#[test]
fn an_account_closes_by_its_own_keys_or_by_risk() {
    let mut w = World::new();
    let close = set_status(w.carol, AccountStatus::Closed);
    assert_eq!(w.no(w.q, close.clone()), (107, "account".into()));
    let mut other = w.clone();
    assert!(w.by(w.q, &[w.q, w.carol], close.clone()).applied());
    other.ok(other.risk, close);
}

#[test]
fn whoever_closes_an_account_gets_none_of_its_money() {
    for suspense in [false, true] {
        let mut w = World::with(|_| {}, suspense);
        w.deposit(w.alice, 11_000);
        w.deposit(w.bob, 10_000);
        w.offer(w.q, "x", seventy(), None);
        w.ok(w.bob, Action::Pay(Pay { mode: PayMode::Maturing(1), ..pay(w.p, "o", w.q, "x", 10_000) }));
        w.ok(w.alice, withdraw("w", w.gw, 11_000));
        w.status(w.carol, AccountStatus::Closed);
        w.status(w.alice, AccountStatus::Closed);
        w.wait(2000);
        w.ok(w.gw, result(w.alice, "w", false, "bounced"));
        assert_eq!([w.q, w.p].map(|a| w.available(a)), [2000, 800]);
        let (stand_in, fees) = (w.suspense.unwrap_or(w.fees), if suspense { 0 } else { 200 });
        assert_eq!(w.available(stand_in), 7000 + 11_000 + fees);
    }
}

#[test]
fn the_risk_desk_is_no_suspense_account() {
    let (mut genesis, named) = genesis(parameters(), true);
    let position = |name: &str| genesis.accounts.iter().position(|a| a.id() == named[name].0).unwrap();
    let (risk, suspense) = (position("risk"), position("suspense"));
    genesis.accounts[risk].kind = AccountKind::Suspense;
    assert!(risk < suspense);
    let mut ledger = MemLedger::default();
    open_genesis(&genesis, &mut ledger);
    assert_eq!(read::network(&ledger).suspense, Some(named["suspense"].0));
    genesis.accounts.remove(suspense);
    let mut ledger = MemLedger::default();
    open_genesis(&genesis, &mut ledger);
    assert_eq!(read::network(&ledger).suspense, None);
}

#[test]
fn nothing_is_sold_for_a_closed_payee() {
    for suspense in [false, true] {
        let mut w = World::with(|_| {}, suspense);
        w.deposit(w.alice, 20_000);
        w.deposit(w.p, 20_000);
        w.ok(w.p, lock(10_000));
        let rule = TaxRule { rate: ppm(50_000), inclusive: true, account: w.tax };
        w.offer(w.q, "x", vec![leg(Payee::Account(w.dave), 1_000_000)], Some(rule));
        let order = |w: &World, id, mode| Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "x", 1050) });
        // tax of a closed account is owed to whoever stands in for it
        w.status(w.tax, AccountStatus::Closed);
        w.ok(w.alice, order(&w, "w", PayMode::Window));
        let stand_in = w.suspense.unwrap_or(w.fees);
        assert_eq!(w.order(w.p, "w").legs.last().unwrap().account, stand_in);
        w.ok(w.p, close_window(1));
        w.ok(w.q, settle_window(1));
        assert_eq!([w.dave, stand_in].map(|a| w.available(a)), [1000, 50]);
        w.ok(w.p, refund(w.p, "w", "r", 1050));
        assert_eq!([w.dave, stand_in].map(|a| w.available(a)), [0, 0]);
        w.ok(w.q, plan("y", 1, seventy()));
        let taxed = RegisterItem { tax: Some(rule), ..item("y", 1, w.carol) };
        assert_eq!(w.no(w.q, Action::RegisterItem(taxed)), (404, "tax".into()));
        w.status(w.dave, AccountStatus::Closed);
        for mode in [PayMode::Instant, PayMode::Escrow, PayMode::Window] {
            assert_eq!(w.no(w.alice, order(&w, "o", mode)), (404, "payee".into()));
        }
    }
}

#[test]
fn any_platform_settles_a_window() {
    let mut w = World::new();
    w.deposit(w.p, 10_000);
    w.ok(w.p, lock(10_000));
    let creator = w.open(w.p, AccountKind::Creator, 50);
    w.ok(w.p, plan("x", 1, solo(Payee::Creator, RefundPolicy::Proportional)));
    w.ok(w.p, Action::RegisterItem(item("x", 1, creator)));
    for window in 1..=16 {
        let id = format!("o{window}");
        w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, &id, w.p, "x", 1) }));
        w.ok(w.p, close_window(window));
    }
    // q takes part in none of them, so it settles them but closes none
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "open", w.p, "x", 1) }));
    assert_eq!(w.no(w.q, close_window(17)), (106, "window".into()));
    assert_eq!(w.no(creator, settle_window(1)), (106, "sender".into()));
    let mut frozen = w.clone();
    frozen.status(frozen.q, AccountStatus::DebitFrozen);
    assert_eq!(frozen.no(frozen.q, settle_window(1)), (402, "sender".into()));
    for window in 1..=16 {
        w.ok(w.q, settle_window(window));
    }
    assert_eq!(w.available(creator), 16);
}

#[test]
fn freezing_a_payee_does_not_spare_it_a_refund() {
    for status in [AccountStatus::DebitFrozen, AccountStatus::Frozen] {
        let mut w = World::new();
        w.deposit(w.p, 10_000);
        w.deposit(w.alice, 10_500);
        w.offer(w.q, "x", solo(Payee::Creator, RefundPolicy::Proportional), None);
        w.ok(w.alice, Action::Pay(pay(w.p, "o", w.q, "x", 10_000)));
        w.ok(w.q, set_status(w.carol, status));
        w.ok(w.p, refund(w.p, "o", "r", 10_000));
        assert_eq!((w.available(w.p), w.owed(w.carol)), (0, 10_000));
        w.ok(w.alice, transfer(w.carol, 500));
        assert_eq!((w.available(w.p), w.owed(w.carol)), (500, 9500));
        let receipt = w.ok(w.q, set_status(w.carol, AccountStatus::Active));
        let paid = Event::ReceivablePaid { debtor: w.carol, creditor: w.p, asset: cny(), amount: fen(9500) };
        assert!(receipt.events.contains(&paid), "{receipt:?}");
        assert_eq!((w.available(w.carol), w.owed(w.carol), w.available(w.p)), (500, 0, 10_000));
    }
}

#[test]
fn held_money_pays_debts_before_it_is_free() {
    let mut w = World::new();
    w.deposit(w.p, 1000);
    w.deposit(w.alice, 1000);
    w.offer(w.q, "x", solo(Payee::Creator, RefundPolicy::Proportional), None);
    w.status(w.carol, AccountStatus::Frozen);
    w.ok(w.alice, Action::Pay(pay(w.p, "o", w.q, "x", 1000)));
    assert_eq!(w.held(w.carol), 1000);
    w.ok(w.p, refund(w.p, "o", "r", 600));
    assert_eq!((w.held(w.carol), w.owed(w.carol), w.available(w.p)), (1000, 600, 400));
    // while it may not pay, its debts wait with it
    w.status(w.carol, AccountStatus::DebitFrozen);
    assert_eq!((w.available(w.carol), w.owed(w.carol)), (1000, 600));
    w.status(w.carol, AccountStatus::Active);
    assert_eq!((w.available(w.carol), w.owed(w.carol), w.available(w.p)), (400, 0, 1000));
}

#[test]
fn an_account_belongs_to_a_platform_its_owner_agreed_to() {
    let mut w = World::new();
    let open = open_account(AccountKind::User, 77);
    let owner = w.newcomer(77);
    assert_eq!(w.no(w.q, open.clone()), (107, "policy".into()));
    let receipt = w.by(w.p, &[w.p, owner], open.clone());
    assert!(receipt.applied(), "{receipt:?}");
    assert_eq!(read::account(&w.ledger, owner).unwrap().platform, w.p);
    // again, by its own platform alone and by another one
    let Cause::Transaction(original) = receipt.cause else { panic!("{receipt:?}") };
    assert_eq!(w.run(w.p, open.clone()).outcome, Outcome::Replayed { original });
    assert_eq!(refusal(&w.by(w.q, &[w.q, owner], open)), (502, "platform".into()));
}

#[test]
fn small_refunds_do_not_shift_the_loss_for_ever() {
    let mut w = World::new();
    w.deposit(w.alice, 990);
    w.offer(w.q, "x", seventy(), None);
    w.ok(w.alice, Action::Pay(pay(w.p, "o", w.q, "x", 990)));
    for n in 1..MAX_REFUNDS {
        w.ok(w.q, refund(w.p, "o", &format!("r{n}"), 1));
    }
    let left = 990 - u64::from(MAX_REFUNDS - 1);
    assert_eq!(w.no(w.q, refund(w.p, "o", "last", 1)), (504, "refunds".into()));
    assert_eq!(w.no(w.p, refund(w.p, "o", "last", left - 1)), (504, "refunds".into()));
    assert_eq!(w.no(w.p, refund(w.p, "o", "last", left + 1)), (505, "amount".into()));
    assert_eq!(refusal(&w.run(w.q, refund(w.p, "o", "r1", 1))), (0, "replayed".into()));
    w.ok(w.p, refund(w.p, "o", "last", left));
    assert_eq!((w.state(w.p, "o"), w.available(w.alice)), (OrderState::Refunded, 990));
    assert_eq!(w.order(w.p, "o").refunds, MAX_REFUNDS);
}

/// A shop with a fee of 1.00 where alice, a user of p, has 1000.00 and q offers "x" at 1.00, then at 99.00.
fn priced() -> World {
    let flat =
        genesis::FeeSchedule { rate: Ppm::ZERO, min: fen(100), cap: fen(100), ..genesis::FeeSchedule::default() };
    let mut w = World::with(|p| p.fee = flat, false);
    w.deposit(w.alice, 100_000);
    w.offer(w.q, "tip", seventy(), None);
    w.ok(w.q, plan("x", 1, seventy()));
    for (version, price) in [(1, 100), (2, 9900)] {
        let price = Price::Fixed(fen(price));
        w.ok(w.q, Action::RegisterItem(RegisterItem { price, ..item("x", version, w.carol) }));
    }
    w
}

#[test]
fn what_a_payer_chooses_at_others_cost_needs_the_origin() {
    let mut w = priced();
    let newest = Pay {
        price: None,
        item: ItemRef { host: w.q, item: label("x"), version: 2 },
        expected_total: fen(10_000),
        ..pay(w.p, "good", w.q, "x", 9900)
    };
    assert_eq!(alone(&mut w, newest.clone()).0, APPLIED);
    let next = Pay { order_id: label("next"), ..newest.clone() };
    let half = FeeBearer { payer: ppm(999_999), payee: ppm(1), platform: Ppm::ZERO };
    let old = Pay { item: ItemRef { version: 1, ..newest.item.clone() }, expected_total: fen(200), ..next.clone() };
    let open = Pay { expected_total: fen(200), ..pay(w.p, "next", w.q, "tip", 100) };
    let cases = [
        ("an old version", old),
        ("an open price", open),
        ("a fee on the payees", Pay { fee_bearer: FeeBearer::PAYEE, expected_total: fen(9900), ..next.clone() }),
        ("a bit of it", Pay { fee_bearer: half, ..next.clone() }),
        ("a fee on the origin", Pay { fee_bearer: FeeBearer::PLATFORM, expected_total: fen(9900), ..next.clone() }),
        ("a window", Pay { mode: PayMode::Window, ..next.clone() }),
    ];
    w.deposit(w.p, 20_000);
    w.ok(w.p, lock(10_000));
    for (name, order) in cases {
        assert_eq!(alone(&mut w, order.clone()), (107, "origin".into()), "{name}");
        let mut agreed = w.clone();
        let receipt = agreed.by(agreed.alice, &[agreed.alice, agreed.p], Action::Pay(order));
        assert!(receipt.applied(), "{name}: {receipt:?}");
    }
    // a payment that was good stays a replay when a newer version comes
    w.ok(w.q, Action::RegisterItem(RegisterItem { price: Price::Fixed(fen(9)), ..item("x", 3, w.carol) }));
    assert_eq!(alone(&mut w, newest), (0, "replayed".into()));
}

#[test]
fn without_a_fee_it_does_not_matter_who_bears_it() {
    let mut w = World::new();
    w.deposit(w.alice, 1000);
    w.ok(w.q, plan("x", 1, seventy()));
    let fixed = RegisterItem { price: Price::Fixed(fen(100)), ..item("x", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(fixed));
    let order = Pay { fee_bearer: FeeBearer::PAYEE, ..pay(w.p, "o", w.q, "x", 100) };
    assert_eq!(alone(&mut w, order).0, APPLIED);
}

#[test]
fn nobody_is_paid_in_centuries() {
    let mut w = World::new();
    w.deposit(w.alice, 1000);
    w.offer(w.q, "x", seventy(), None);
    let order = |w: &World, days| Action::Pay(Pay { mode: PayMode::Maturing(days), ..pay(w.p, "o", w.q, "x", 100) });
    for days in [0, MAX_DAYS + 1, u16::MAX] {
        assert_eq!(w.no(w.alice, order(&w, days)), (108, "mode".into()));
    }
    w.ok(w.alice, order(&w, MAX_DAYS));
}

#[test]
fn standing_in_for_a_window_order_needs_no_money() {
    let mut w = World::new();
    w.deposit(w.p, 10_000);
    w.ok(w.p, lock(10_000));
    w.offer(w.q, "x", seventy(), None);
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "o", w.q, "x", 10_000) }));
    w.ok(w.p, close_window(1));
    w.ok(w.q, settle_window(1));
    w.ok(w.carol, withdraw("w", w.gw, 7000));
    assert_eq!(w.available(w.p), 0);
    // carol's 70.00 become a claim; host and network give 22.00; the origin's own 8.00 never moved
    w.ok(w.p, refund(w.p, "o", "r", 10_000));
    assert_eq!((w.available(w.p), w.owed(w.carol)), (2200, 7000));
    w.deposit(w.carol, 7001);
    assert_eq!((w.available(w.p), w.available(w.carol)), (9200, 1));
}

#[test]
fn a_frozen_account_does_nothing() {
    use AccountStatus::{Active, DebitFrozen, Frozen};
    let mut base = World::new();
    for account in [base.alice, base.p, base.q] {
        base.deposit(account, 5000);
    }
    base.offer(base.q, "x", seventy(), None);
    for (id, mode) in [("i", PayMode::Instant), ("e", PayMode::Escrow)] {
        base.ok(base.alice, Action::Pay(Pay { mode, ..pay(base.p, id, base.q, "x", 1000) }));
    }
    base.ok(base.p, lock(2000));
    base.ok(base.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(base.p, "w", base.q, "x", 1000) }));
    base.ok(base.alice, withdraw("w", base.gw, 1000));
    base.newcomer(60);
    let w = &base;
    let window_pay = Pay { mode: PayMode::Window, ..pay(w.p, "w2", w.q, "x", 1) };
    let actions = [
        (w.gw, result(w.alice, "w", true, "never paid")),
        (w.p, set_status(w.alice, Frozen)),
        (w.alice, confirm(w.p, "e")),
        (w.alice, Action::Pay(window_pay)),
        (w.q, refund(w.p, "i", "r", 1)),
        (w.p, open_account(AccountKind::User, 60)),
        (w.q, plan("y", 1, seventy())),
        (w.q, Action::RegisterItem(item("x", 2, w.carol))),
        (w.p, close_window(1)),
        (w.p, settle_window(1)),
        (w.p, lock(1)),
    ];
    for (sender, action) in actions {
        for (status, code) in [(DebitFrozen, 402), (Frozen, 403)] {
            let mut w = base.clone();
            w.status(sender, status);
            assert_eq!(w.no(sender, action.clone()), (code, "sender".into()), "{action:?}");
            w.status(sender, Active);
            if !matches!(action, Action::SettleWindow(_)) {
                let newcomer = w.newcomer(60);
                let receipt = w.by(sender, &[sender, newcomer, w.p], action.clone());
                assert!(receipt.applied(), "{action:?}: {receipt:?}");
            }
        }
    }
    // nor does anybody free itself
    for (account, status) in [(base.risk, Frozen), (base.risk, Active), (base.p, Active)] {
        assert_eq!(base.no(account, set_status(account, status)), (106, "account".into()));
    }
}

#[test]
fn a_batch_has_fees_of_one_asset() {
    let mut w = World::with(|p| p.fee = fee(10_000), false);
    w.deposit(w.alice, 30_300);
    let Action::Deposit(in_cny) = deposit("card", "usd", w.alice, 30_300) else { unreachable!() };
    w.ok(w.gw, Action::Deposit(Deposit { asset: usd(), ..in_cny }));
    w.offer(w.q, "x", seventy(), None);
    w.ok(w.q, Action::RegisterItem(RegisterItem { asset: usd(), plan: label("x"), ..item("y", 1, w.carol) }));
    let order =
        |w: &World, id, name| Action::Pay(Pay { expected_total: fen(10_100), ..pay(w.p, id, w.q, name, 10_000) });
    let mixed = vec![order(&w, "1", "x"), transfer(w.bob, 1), order(&w, "2", "y")];
    assert_eq!(refusal(&w.batch(w.alice, mixed)), (203, "fee actions[2]".into()));
    let same = vec![order(&w, "1", "y"), transfer(w.bob, 1), order(&w, "2", "y")];
    let receipt = w.batch(w.alice, same);
    assert_eq!((receipt.applied(), receipt.fee), (true, fen(200)));
}

/// Counts the entries that scans return.
struct Counting {
    ledger: MemLedger,
    read: Cell<usize>,
}

impl Reader for Counting {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.ledger.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Entry> {
        let entries = self.ledger.scan(from, to, limit);
        self.read.set(self.read.get() + entries.len());
        entries
    }
}

impl Ledger for Counting {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.ledger.put(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.ledger.delete(key);
    }
}

#[test]
fn a_block_reads_no_deadline_that_is_not_due() {
    let mut w = World::with(|p| p.max_due_per_block = 3, false);
    w.deposit(w.alice, 1000);
    w.offer(w.q, "x", seventy(), None);
    for (id, days) in [("a", 1), ("b", 1), ("c", 9), ("d", 9), ("e", 9), ("f", 9)] {
        let order = Pay { mode: PayMode::Maturing(days), ..pay(w.p, id, w.q, "x", 100) };
        let body = w.body(w.alice, Payload::One(Action::Pay(order)));
        let tx = w.sign(body, &[w.alice, w.p]);
        assert!(vostro_settlement::apply(&w.context(), &tx, &mut w.ledger).applied());
    }
    let placed = w.time;
    let mut counting = Counting { ledger: w.ledger.clone(), read: Cell::new(0) };
    for (after, due, read) in [(999, 0, 0), (1000, 2, 2), (1001, 0, 0), (9000, 3, 3), (9000, 1, 1)] {
        w.time = placed + after;
        counting.read.set(0);
        assert_eq!(fire_deadlines(&w.context(), &mut counting).len(), due);
        assert_eq!(counting.read.get(), read, "{after} ms later");
    }
}

#[test]
fn nobody_has_a_window_settled_and_undone_again_and_again() {
    let mut w = World::new();
    w.deposit(w.p, 20_000);
    w.ok(w.p, lock(10_000));
    w.offer(w.q, "x", solo(Payee::Creator, RefundPolicy::Proportional), None);
    w.deposit(w.alice, 1000);
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "o", w.q, "x", 1000) }));
    // Settling touches thousands of accounts; an action that fails behind it would undo all that for a small refusal.
    let refused = |w: &mut World, actions| refusal(&w.batch(w.q, actions));
    let nothing = transfer(w.p, 0);
    let order = (108, "order actions[0]".to_string());
    assert_eq!(refused(&mut w, vec![settle_window(1), nothing.clone()]), order);
    w.ok(w.p, close_window(1));
    assert_eq!(refused(&mut w, vec![settle_window(1), nothing]), order);
    assert_eq!(refused(&mut w, vec![settle_window(1), settle_window(2)]), order);
    // As the last action, and so once, it is as good as alone.
    w.ok(w.alice, Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, "o2", w.q, "x", 1000) }));
    let receipt = w.batch(w.p, vec![close_window(2), settle_window(1)]);
    assert!(receipt.applied(), "{receipt:?}");
    w.ok(w.q, settle_window(2));
}
