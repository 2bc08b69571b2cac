//! What actions say of themselves: the events of the simple ones, exactly. Those of orders' moves, refunds, campaigns,

use crate::common::exchange::*;
use crate::common::*;
use vostro_crypto::sha256;
use vostro_settlement::read;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// Runs an action and expects these events.
fn says(w: &mut World, sender: AccountId, action: Action, events: &[Event]) {
    assert_eq!(w.ok(sender, action).events, events);
}

#[test]
fn accounts_and_money() {
    let mut w = shop();
    let (p, gw, alice, bob, asset) = (w.p, w.gw, w.alice, w.bob, cny());
    let account = w.newcomer(50);
    let receipt = w.by(p, &[p, account], open_account(AccountKind::Creator, 50));
    assert_eq!(receipt.events, [Event::AccountOpened { account, kind: AccountKind::Creator, platform: p }]);
    let status = AccountStatus::DebitFrozen;
    says(&mut w, p, set_status(bob, status), &[Event::StatusSet { account: bob, status, reason: label("test") }]);
    let deposited = Event::Deposited { gateway: gw, channel_ref: label("slip") };
    says(&mut w, gw, deposit("bank", "slip", alice, 7), &[deposited]);
    let requested = |id: &str| Event::WithdrawalRequested { owner: alice, withdrawal_id: label(id) };
    let ended = |id: &str, ok| Event::WithdrawalEnded { owner: alice, withdrawal_id: label(id), ok };
    for (id, ok) in [("a", true), ("b", false)] {
        says(&mut w, alice, withdraw(id, gw, 5), &[requested(id)]);
        says(&mut w, gw, result(alice, id, ok, id), &[ended(id, ok)]);
    }
    let memo = Hash([5; 32]);
    let transferred = Event::Transferred { from: alice, to: bob, asset, amount: fen(9), memo };
    says(&mut w, alice, Action::Transfer(Transfer { to: bob, asset, amount: fen(9), memo }), &[transferred]);
    let (channel, period, root) = (label("bank"), label("2026-11"), Hash([3; 32]));
    let anchored = Event::ReportAnchored { by: gw, period, channel, root };
    says(&mut w, gw, report("bank", "2026-11", 3), &[anchored]);
}

#[test]
fn offers_and_what_they_grant() {
    let mut w = shop();
    let (p, q, alice) = (w.p, w.q, w.alice);
    let registered = Event::PlanRegistered { platform: q, plan: label("later"), version: 1 };
    says(&mut w, q, plan("later", 1, seventy()), &[registered]);
    let (version, name) = (1, label("later"));
    let item_ref = ItemRef { host: q, item: name, version };
    let offer = Action::RegisterItem(item("later", 1, w.carol));
    says(&mut w, q, offer, &[Event::ItemRegistered { item: item_ref.clone() }]);
    let order = key(p, "1");
    let entitlement = read::entitlement_id(&order);
    let placed = Event::OrderMoved { order, from: None, to: OrderState::Settled };
    let granted = Event::EntitlementGranted { entitlement, holder: alice, item: item_ref };
    says(&mut w, alice, Action::Pay(pay(p, "1", q, "later", 100)), &[placed, granted]);
}

#[test]
fn locks_and_quotes() {
    let mut w = shop();
    w.deposit_usd(w.dave, 1000);
    let (alice, bob, dave, asset, amount) = (w.alice, w.bob, w.dave, cny(), fen(300));
    let deadline = Time(w.time + 1000);
    let locked = |id: &str| Event::HtlcLocked {
        owner: alice,
        htlc_id: label(id),
        to: bob,
        asset,
        amount,
        hash: sha256(&PREIMAGE),
        deadline,
    };
    for id in ["a", "b"] {
        says(&mut w, alice, Action::HtlcLock(htlc_lock(id, bob, 300, deadline.0)), &[locked(id)]);
    }
    let claimed = Event::HtlcClaimed { owner: alice, htlc_id: label("a"), preimage: Hash(PREIMAGE) };
    says(&mut w, bob, htlc_claim(alice, "a", PREIMAGE), &[claimed]);
    w.time = deadline.0;
    says(&mut w, alice, htlc_refund(alice, "b"), &[Event::HtlcRefunded { owner: alice, htlc_id: label("b") }]);
    let take = convert(&w, quote(&w, dave, "q"));
    let converted = Event::FxConverted {
        maker: dave,
        quote_id: label("q"),
        taker: alice,
        gives_asset: usd(),
        gives: fen(700),
        takes_asset: cny(),
        takes: fen(5000),
        spread: fen(50),
    };
    says(&mut w, alice, take, &[converted]);
}

#[test]
fn cover_and_the_fund() {
    let mut w = shop();
    let (account, asset, amount) = (w.p, cny(), fen(40));
    says(&mut w, account, lock(40), &[Event::CollateralLocked { account, asset, amount }]);
    says(&mut w, account, unlock(40), &[Event::CollateralUnlocked { account, asset, amount }]);
    says(&mut w, account, contribute(40), &[Event::FundContributed { account, asset, amount }]);
    says(&mut w, account, release(40), &[Event::FundReleased { account, asset, amount }]);
}

#[test]
fn what_a_closed_account_would_get() {
    let mut w = shop();
    let order = Action::Pay(Pay { mode: PayMode::Escrow, ..pay(w.p, "e", w.q, "book", 1000) });
    w.ok(w.alice, order);
    w.status(w.carol, AccountStatus::Closed);
    let (carol, fees, asset) = (w.carol, w.fees, cny());
    let receipt = w.ok(w.alice, confirm(w.p, "e"));
    let rerouted = Event::Rerouted { from: carol, to: fees, asset, amount: fen(700) };
    let moved = Event::OrderMoved { order: key(w.p, "e"), from: Some(OrderState::Escrowed), to: OrderState::Settled };
    assert_eq!(receipt.events, [rerouted, moved]);
}
