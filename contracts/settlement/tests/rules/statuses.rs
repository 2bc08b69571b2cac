//! Accounts are opened, frozen, let go and closed.

use crate::common::*;
use vostro_settlement::read;
use vostro_types::receipt::Bucket;
use vostro_types::transaction::*;
use vostro_types::*;

#[test]
fn opening_accounts() {
    fn open(w: &mut World, by: AccountId, kind: AccountKind, seed: u8) -> Receipt {
        let owner = w.newcomer(seed);
        w.by(by, &[by, owner], open_account(kind, seed))
    }
    check(
        &World::new(),
        &[
            ("by a user", |w| open(w, w.alice, AccountKind::User, 50), (106, "sender")),
            ("by a gateway", |w| open(w, w.gw, AccountKind::User, 50), (106, "sender")),
            ("a platform", |w| open(w, w.p, AccountKind::Platform, 50), (106, "kind")),
            ("a gateway", |w| open(w, w.p, AccountKind::Gateway, 50), (106, "kind")),
            ("a fee account", |w| open(w, w.p, AccountKind::NetworkFee, 50), (106, "kind")),
            ("a tax account", |w| open(w, w.p, AccountKind::Tax, 50), APPLIED),
            ("again", |w| open(w, w.p, AccountKind::User, 20), REPLAYED),
            ("again as a creator", |w| open(w, w.p, AccountKind::Creator, 20), (502, "kind")),
            ("somebody else's", |w| open(w, w.q, AccountKind::User, 20), (502, "platform")),
            ("its own id", |w| open(w, w.p, AccountKind::User, 1), (502, "kind")),
            (
                "a key of small order",
                |w| {
                    let mut identity = [0; 32];
                    identity[0] = 1;
                    let policy = KeyPolicy::single(PublicKey(identity));
                    let kind = AccountKind::User;
                    w.run(w.p, Action::OpenAccount(OpenAccount { kind, policy, salt: [0; 16] }))
                },
                (108, "policy"),
            ),
        ],
    );
    let w = World::new();
    let alice = read::account(&w.ledger, w.alice).unwrap();
    assert_eq!((alice.kind, alice.status, alice.tier), (AccountKind::User, AccountStatus::Active, 1));
    assert_eq!((alice.platform, alice.roles.risk, alice.name), (w.p, false, None));
    assert_eq!(read::platforms(&w.ledger).len(), 5);
}

#[test]
fn status() {
    use AccountStatus::{Active, Closed, DebitFrozen, Frozen};
    check(
        &shop(),
        &[
            ("by a user", |w| w.run(w.alice, set_status(w.alice, Frozen)), (106, "account")),
            ("by another platform", |w| w.run(w.q, set_status(w.alice, Frozen)), (106, "account")),
            ("a platform's own", |w| w.run(w.p, set_status(w.p, Frozen)), (106, "account")),
            ("by its platform", |w| w.run(w.p, set_status(w.alice, Frozen)), APPLIED),
            ("by risk", |w| w.run(w.risk, set_status(w.p, Frozen)), APPLIED),
            ("nobody", |w| w.run(w.risk, set_status(AccountId([9; 32]), Frozen)), (401, "account")),
            ("close with money", |w| w.run(w.risk, set_status(w.alice, Closed)), (504, "balance")),
            ("close without its keys", |w| w.run(w.q, set_status(w.dave, Closed)), (107, "account")),
            ("close the fee account", |w| w.run(w.risk, set_status(w.fees, Closed)), (504, "kind")),
            ("close an empty one", |w| w.by(w.q, &[w.q, w.dave], set_status(w.dave, Closed)), APPLIED),
            (
                "closed is final",
                |w| {
                    w.status(w.dave, Closed);
                    w.run(w.risk, set_status(w.dave, Active))
                },
                (504, "status"),
            ),
            (
                "a platform does not undo the risk desk",
                |w| {
                    w.status(w.alice, Frozen);
                    w.run(w.p, set_status(w.alice, Active))
                },
                (106, "account"),
            ),
            (
                "a platform undoes its own",
                |w| {
                    w.ok(w.p, set_status(w.alice, DebitFrozen));
                    w.run(w.p, set_status(w.alice, Active))
                },
                APPLIED,
            ),
        ],
    );
}

#[test]
fn frozen_money_is_held_and_released() {
    let mut w = shop();
    w.status(w.bob, AccountStatus::Frozen);
    w.ok(w.alice, transfer(w.bob, 500));
    assert_eq!((w.available(w.bob), w.held(w.bob)), (100_000, 500));
    let receipt = w.ok(w.risk, set_status(w.bob, AccountStatus::DebitFrozen));
    let buckets: Vec<_> = receipt.postings.iter().map(|p| (p.bucket, p.credit)).collect();
    assert_eq!(buckets, [(Bucket::Held, false), (Bucket::Available, true)]);
    assert_eq!((w.available(w.bob), w.held(w.bob)), (100_500, 0));
    w.ok(w.alice, transfer(w.bob, 500));
    assert_eq!(w.available(w.bob), 101_000);
}
