//! What all actions share: the envelope, batches, business keys, and the access that orders grant.

use crate::common::store::buy;
use crate::common::*;
use vostro_settlement::read;
use vostro_types::account::WeightedKey;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

#[test]
fn envelope() {
    let mut base = shop();
    let keys = [30, 31, 32].map(|s| WeightedKey { key: secret(s).public(), weight: 1 });
    let policy = KeyPolicy::new(2, keys.to_vec()).unwrap();
    let joint = policy.account_id(&[9; 16]);
    let one = base.open(base.p, AccountKind::User, 30);
    let two = base.open(base.p, AccountKind::User, 31);
    let open = Action::OpenAccount(OpenAccount { kind: AccountKind::User, policy, salt: [9; 16] });
    assert_eq!(refusal(&base.by(base.p, &[base.p, one], open.clone())), (107, "policy".into()));
    assert!(base.by(base.p, &[base.p, one, two], open).applied());
    base.deposit(joint, 10);
    let receipt = base.by(joint, &[one], transfer(base.bob, 1));
    assert_eq!(refusal(&receipt), (107, "sender".into()));
    let receipt = base.by(joint, &[one, two], transfer(base.bob, 1));
    assert!(receipt.applied());
    check(
        &base,
        &[
            ("nobody's key", |w| w.by(w.alice, &[w.bob], transfer(w.bob, 1)), (101, "sender")),
            ("one key too many", |w| w.by(w.alice, &[w.alice, w.bob], transfer(w.bob, 1)), APPLIED),
            ("no account", |w| w.by(AccountId([9; 32]), &[w.alice], transfer(w.bob, 1)), (401, "sender")),
            (
                "closed sender",
                |w| {
                    w.status(w.dave, AccountStatus::Closed);
                    w.run(w.dave, transfer(w.bob, 1))
                },
                (404, "sender"),
            ),
            ("too late", |w| valid(w, 0), (103, "valid_until")),
            ("just in time", |w| valid(w, 1), APPLIED),
            ("an hour ahead", |w| valid(w, 1 + HOUR), APPLIED),
            ("too far ahead", |w| valid(w, 2 + HOUR), (103, "valid_until")),
        ],
    );
}

/// A transfer valid until so many milliseconds after the block before its own.
fn valid(w: &mut World, ms: u64) -> Receipt {
    let mut body = w.body(w.alice, Payload::One(transfer(w.bob, 1)));
    body.valid_until = Time(w.time + ms);
    let tx = w.sign(body, &[w.alice]);
    w.block(&[tx]).remove(0)
}

#[test]
fn batches_are_all_or_nothing() {
    let mut w = shop();
    let receipt = w.batch(w.alice, vec![transfer(w.bob, 60_000), transfer(w.bob, 60_000)]);
    assert_eq!(refusal(&receipt), (301, "sender actions[1]".into()));
    assert_eq!(w.available(w.alice), 100_000);
    let first = buy(&w, "1", PayMode::Escrow);
    let receipt = w.batch(w.alice, vec![first.clone(), confirm(w.p, "1"), transfer(w.carol, 5)]);
    assert!(receipt.applied(), "{receipt:?}");
    assert_eq!((w.state(w.p, "1"), w.available(w.carol)), (OrderState::Settled, 705));
    // a replay inside a batch does nothing; a batch of replays is one
    let Cause::Transaction(original) = receipt.cause else { panic!() };
    let again = w.batch(w.alice, vec![first.clone(), transfer(w.bob, 1)]);
    assert_eq!((again.applied(), again.postings.len()), (true, 2));
    assert_eq!(w.batch(w.alice, vec![first]).outcome, Outcome::Replayed { original });
    // later actions see what earlier ones did
    let receipt = w.batch(w.risk, vec![set_status(w.dave, AccountStatus::Closed), transfer(w.dave, 1)]);
    assert_eq!(refusal(&receipt), (404, "to actions[1]".into()));
}

#[test]
fn a_failed_action_does_not_use_up_its_business_key() {
    let mut w = shop();
    let order = |w: &World, units| Action::Pay(pay(w.p, "1", w.q, "book", units));
    assert_eq!(w.no(w.alice, order(&w, 100_001)).0, 301);
    w.ok(w.alice, order(&w, 100));
    assert_eq!(w.no(w.alice, order(&w, 100_001)), (502, "price expected_total".into()));
    assert_eq!(w.no(w.carol, withdraw("w", w.gw, 71)).0, 301);
    w.ok(w.carol, withdraw("w", w.gw, 70));
}

#[test]
fn an_entitlement_says_what_was_bought() {
    let mut w = shop();
    let terms = Terms { duration_ms: Some(1000), units: Some(3), scope: label("watch") };
    let offer = RegisterItem { plan: label("book"), terms, ..item("film", 1, w.carol) };
    w.ok(w.q, Action::RegisterItem(offer));
    w.ok(w.alice, Action::Pay(pay(w.p, "1", w.q, "film", 100)));
    let (state_key, got) = read::entitlement(&w.ledger, &key(w.p, "1")).unwrap();
    assert_eq!((got.from, got.until), (Time(w.time), Some(Time(w.time + 1000))));
    assert_eq!((got.units, got.scope, got.order), (Some(3), label("watch"), key(w.p, "1")));
    assert!(vostro_settlement::Reader::get(&w.ledger, &state_key).is_some());
}
