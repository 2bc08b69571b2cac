//! Keys and tiers of accounts.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{APPLIED, REPLAYED, *};
use vostro_settlement::read;
use vostro_types::transaction::*;
use vostro_types::*;

/// alice (key 20) has 1000.00; joint is an account of p with keys 30, 31 and 32, two of which must sign.
fn world() -> (World, AccountId) {
    let mut w = World::new();
    w.deposit(w.alice, 100_000);
    let joint = policy(2, &[(30, 1), (31, 1), (32, 1)]);
    let account = joint.account_id(&[9; 16]);
    let open = Action::OpenAccount(OpenAccount { kind: AccountKind::User, policy: joint, salt: [9; 16] });
    let receipt = w.with_keys(w.p, &[1, 30, 31], open);
    assert!(receipt.applied(), "{receipt:?}");
    w.deposit(account, 5_000);
    (w, account)
}

#[test]
fn keys() {
    check_cases(
        &world().0,
        &[
            ("both sign", |w| w.with_keys(w.alice, &[20, 40], set_keys(policy(1, &[(40, 1)]))), APPLIED),
            ("the old alone", |w| w.with_keys(w.alice, &[20], set_keys(policy(1, &[(40, 1)]))), (107, "policy")),
            ("the new alone", |w| w.with_keys(w.alice, &[40], set_keys(policy(1, &[(40, 1)]))), (101, "sender")),
            (
                "too few of the new",
                |w| w.with_keys(w.alice, &[20, 40], set_keys(policy(3, &[(20, 1), (40, 1), (41, 1)]))),
                (107, "policy"),
            ),
            ("the same", |w| w.with_keys(w.alice, &[20], set_keys(policy(1, &[(20, 1)]))), (504, "policy")),
            ("another weight", |w| w.with_keys(w.alice, &[20], set_keys(policy(2, &[(20, 2)]))), APPLIED),
            (
                "a key of small order",
                |w| {
                    let mut identity = [0; 32];
                    identity[0] = 1;
                    w.with_keys(w.alice, &[20], set_keys(KeyPolicy::single(PublicKey(identity))))
                },
                (108, "policy"),
            ),
            (
                "a frozen owner",
                |w| {
                    w.status(w.alice, AccountStatus::Frozen);
                    w.with_keys(w.alice, &[20, 40], set_keys(policy(1, &[(40, 1)])))
                },
                (403, "sender"),
            ),
            ("a platform", |w| w.with_keys(w.p, &[1, 40], set_keys(policy(1, &[(40, 1)]))), APPLIED),
            ("the risk desk", |w| w.with_keys(w.risk, &[7, 40], set_keys(policy(1, &[(40, 1)]))), APPLIED),
            (
                "opening again with the old keys is still a replay",
                |w| {
                    assert!(w.with_keys(w.alice, &[20, 40], set_keys(policy(1, &[(40, 1)]))).applied());
                    w.run(w.p, open_account(AccountKind::User, 20))
                },
                REPLAYED,
            ),
        ],
    );
    let (mut w, _) = world();
    let receipt = w.with_keys(w.alice, &[20, 40], set_keys(policy(1, &[(40, 1)])));
    assert_eq!(receipt.events, [Event::KeysSet { account: w.alice }]);
    assert!(receipt.postings.is_empty());
    assert_eq!(read::account(&w.ledger, w.alice).unwrap().policy, policy(1, &[(40, 1)]));
    assert_eq!(w.available(w.alice), 100_000);
}

#[test]
fn two_of_three_rotate_by_weight() {
    let (mut w, joint) = world();
    // 33 replaces 32 and now signs alone; the others need each other and one more
    let next = policy(3, &[(30, 1), (31, 1), (33, 3)]);
    assert_eq!(refusal(&w.with_keys(joint, &[30, 33], set_keys(next.clone()))), (107, "sender".into()));
    assert_eq!(refusal(&w.with_keys(joint, &[30, 31], set_keys(next.clone()))), (107, "policy".into()));
    assert!(w.with_keys(joint, &[30, 31, 33], set_keys(next)).applied());
    assert_eq!(refusal(&w.with_keys(joint, &[30, 31], transfer(w.bob, 1))), (107, "sender".into()));
    assert_eq!(refusal(&w.with_keys(joint, &[32], transfer(w.bob, 1))), (101, "sender".into()));
    assert!(w.with_keys(joint, &[33], transfer(w.bob, 1)).applied());
}

#[test]
fn old_keys_end_within_the_block_and_the_batch() {
    let (mut w, _) = world();
    let rotate = w.signed(w.alice, &[20, 40], Payload::One(set_keys(policy(1, &[(40, 1)]))));
    let late = w.signed(w.alice, &[20], Payload::One(transfer(w.bob, 1)));
    let next = w.signed(w.alice, &[40], Payload::One(transfer(w.bob, 1)));
    let outcomes: Vec<_> = w.block(&[rotate, late, next]).iter().map(refusal).collect();
    assert_eq!(outcomes, [(0, "applied".into()), (101, "sender".into()), (0, "applied".into())]);

    // Keys that satisfied the sender's policy when the batch began act for it to its end.
    let actions = vec![set_keys(policy(1, &[(41, 1)])), transfer(w.bob, 1)];
    let batch = w.signed(w.alice, &[40, 41], Payload::Batch(actions));
    assert!(w.block(&[batch])[0].applied());
}

#[test]
fn consent_is_given_by_the_new_keys() {
    let (mut w, _) = world();
    w.offer(w.q, "book", seventy(), None);
    assert!(w.with_keys(w.p, &[1, 42], set_keys(policy(1, &[(42, 1)]))).applied());
    let order = Action::Pay(pay(w.p, "1", w.q, "book", 1000));
    assert_eq!(refusal(&w.with_keys(w.alice, &[20, 1], order.clone())), (107, "origin".into()));
    assert!(w.with_keys(w.alice, &[20, 42], order).applied());
}

#[test]
fn tiers() {
    check_cases(
        &world().0,
        &[
            ("by its platform", |w| w.run(w.p, set_tier(w.alice, 2)), APPLIED),
            ("again", |w| w.run(w.p, set_tier(w.alice, 1)), APPLIED),
            ("by the risk desk", |w| w.run(w.risk, set_tier(w.carol, 3)), APPLIED),
            ("nobody's", |w| w.run(w.risk, set_tier(AccountId([9; 32]), 2)), (401, "account")),
            ("by another platform", |w| w.run(w.q, set_tier(w.alice, 2)), (106, "account")),
            ("by the owner", |w| w.run(w.alice, set_tier(w.alice, 2)), (106, "account")),
            ("a platform's own", |w| w.run(w.p, set_tier(w.p, 2)), (106, "account")),
            ("the risk desk's own", |w| w.run(w.risk, set_tier(w.risk, 2)), (106, "account")),
            ("a platform's", |w| w.run(w.risk, set_tier(w.p, 2)), (106, "kind")),
            ("a gateway's", |w| w.run(w.risk, set_tier(w.gw, 2)), (106, "kind")),
            ("none", |w| w.run(w.p, set_tier(w.alice, 0)), (405, "tier")),
            ("one too high", |w| w.run(w.p, set_tier(w.alice, 4)), (405, "tier")),
            ("far too high", |w| w.run(w.p, set_tier(w.alice, 255)), (405, "tier")),
            (
                "of a frozen account",
                |w| {
                    w.ok(w.p, set_status(w.alice, AccountStatus::Frozen));
                    w.run(w.p, set_tier(w.alice, 2))
                },
                APPLIED,
            ),
            (
                "a platform does not raise whom the risk desk froze",
                |w| {
                    w.status(w.alice, AccountStatus::Frozen);
                    w.run(w.p, set_tier(w.alice, 2))
                },
                (106, "account"),
            ),
            (
                "a platform does not undo the risk desk's tier",
                |w| {
                    w.ok(w.p, set_tier(w.alice, 3));
                    w.ok(w.risk, set_tier(w.alice, 1));
                    w.run(w.p, set_tier(w.alice, 3))
                },
                (106, "account"),
            ),
            (
                "not even after it froze the account and let it go",
                |w| {
                    w.ok(w.risk, set_tier(w.alice, 1));
                    w.ok(w.p, set_status(w.alice, AccountStatus::Frozen));
                    w.ok(w.p, set_status(w.alice, AccountStatus::Active));
                    w.run(w.p, set_tier(w.alice, 2))
                },
                (106, "account"),
            ),
            (
                "the risk desk changes its own",
                |w| {
                    w.ok(w.risk, set_tier(w.alice, 1));
                    w.run(w.risk, set_tier(w.alice, 2))
                },
                APPLIED,
            ),
            (
                "of a closed account",
                |w| {
                    w.status(w.bob, AccountStatus::Closed);
                    w.run(w.risk, set_tier(w.bob, 2))
                },
                (404, "account"),
            ),
        ],
    );
    let (mut w, _) = world();
    let receipt = w.ok(w.p, set_tier(w.alice, 2));
    let attestation = Hash([2; 32]);
    assert_eq!(receipt.events, [Event::TierSet { account: w.alice, tier: 2, attestation }]);
    assert_eq!(read::account(&w.ledger, w.alice).unwrap().tier, 2);
    assert_eq!(read::attestation(&w.ledger, w.alice), Some(attestation));
    w.ok(w.risk, set_tier(w.alice, 3));
    assert_eq!(read::attestation(&w.ledger, w.alice), Some(Hash([3; 32])));
}
