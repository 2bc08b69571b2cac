//! Receipts stay below what a block has room for, however the senders and the parameters conspire.

use crate::common::*;
use vostro_settlement::model::{AccountHead, Balance, Netting, Obligation, Receivable, Window};
use vostro_settlement::netting::MAX_PARTICIPANTS;
use vostro_settlement::tables::*;
use vostro_settlement::{Ledger, MAX_RECEIPT, MAX_RECEIVABLES, apply, read};
use vostro_types::codec::{Encode, encode};
use vostro_types::receipt::Bucket;
use vostro_types::transaction::*;
use vostro_types::*;

fn put<V: Encode>(w: &mut World, key: Vec<u8>, value: V) {
    w.ledger.put(&key, &encode(&(1u8, value)));
}

/// An account that is like another one.
fn like(w: &mut World, model: AccountId, number: u32) -> AccountId {
    let mut id = [0xee; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let id = AccountId(id);
    let head = ACCOUNTS.get(&w.ledger, &model).unwrap();
    put(w, ACCOUNTS.key(&id), AccountHead { platform: id, ..head });
    id
}

fn posting() -> usize {
    let (account, asset, bucket, amount) = (AccountId([1; 32]), cny(), Bucket::Collateral, fen(1));
    encode(&Posting { account, asset, bucket, credit: true, amount, balance: amount }).len()
}

/// A window is as full as it gets, and everybody in it owes as many receivables as one credit pays.
#[test]
fn the_largest_settlement_fits_a_block() {
    let mut w = World::new();
    let (p, q) = (w.p, w.q);
    let each = MAX_RECEIVABLES as u64 + 1;
    let creditors = MAX_PARTICIPANTS - 1;
    for number in 0..creditors {
        let carol = w.carol;
        let account = like(&mut w, carol, number);
        let queue: Vec<Receivable> = (0..MAX_RECEIVABLES)
            .map(|i| Receivable { creditor: if i % 2 == 0 { p } else { q }, amount: fen(1) })
            .collect();
        put(&mut w, RECEIVABLES.key(&(account, cny())), queue);
        put(&mut w, BALANCES.key(&(account, cny())), Balance { owed: fen(each - 1), ..Balance::default() });
        put(&mut w, NETS.key(&(cny(), 1, account)), -i128::from(each));
        let owed = Obligation { amount: each.into(), count: 1 };
        put(&mut w, OBLIGATIONS.key(&(cny(), 1, p, account)), owed);
    }
    let gross = u64::from(creditors) * each;
    put(&mut w, NETS.key(&(cny(), 1, p)), i128::from(gross));
    // half of what is owed is available, the other half is collateral
    let half = fen(gross / 2);
    let cover = Balance { available: half, collateral: fen(gross - gross / 2), ..Balance::default() };
    put(&mut w, BALANCES.key(&(p, cny())), cover);
    let closed = Window {
        opened: Time(w.time),
        due: None,
        closed: Some(Time(w.time)),
        settled: None,
        obligations: creditors.into(),
        participants: MAX_PARTICIPANTS,
        gross: gross.into(),
    };
    put(&mut w, WINDOWS.key(&(cny(), 1)), closed);
    put(&mut w, NETTINGS.key(&cny()), Netting { open: 2, settled: 0 });
    let tx = w.signed(q, &[2], Payload::One(settle_window(1)));
    let receipt = apply(&w.context(), &tx, &mut w.ledger);
    assert!(receipt.applied(), "{:?}", receipt.outcome);
    assert_eq!(receipt.postings.len(), 2 + creditors as usize * (MAX_RECEIVABLES + 1));
    assert_eq!(read::netting(&w.ledger, cny()).settled, 1);
    // A creditor that is a platform has a posting more, for its cover.
    let largest = encode(&receipt).len() + creditors as usize * posting();
    assert!(largest <= MAX_RECEIPT, "{largest} bytes");
}

/// One credit pays [`MAX_RECEIVABLES`] of them, the next one the next.
#[test]
fn a_credit_pays_a_bounded_number_of_receivables() {
    const MANY: usize = MAX_RECEIVABLES + 8;
    let mut w = World::new();
    w.deposit(w.alice, 10_000);
    let platforms: Vec<AccountId> = (0..MANY).map(|i| w.join(100 + i as u8)).collect();
    for (i, platform) in platforms.iter().enumerate() {
        let id = format!("o{i}");
        w.offer(*platform, "x", vec![leg(Payee::Creator, 1_000_000)], None);
        w.deposit(*platform, 10);
        let order = Action::Pay(pay(*platform, &id, *platform, "x", 10));
        w.ok(w.alice, order);
        w.ok(w.carol, transfer(w.bob, 10));
    }
    for (i, platform) in platforms.iter().enumerate() {
        w.ok(*platform, refund(*platform, &format!("o{i}"), "r", 10));
    }
    let owes = |w: &World| read::receivables(&w.ledger, w.carol, cny()).len();
    assert_eq!((owes(&w), w.owed(w.carol)), (MANY, 10 * MANY as u64));
    w.ok(w.bob, transfer(w.carol, 325));
    let paid = 10 * MAX_RECEIVABLES as u64;
    assert_eq!((owes(&w), w.available(w.carol)), (MANY - MAX_RECEIVABLES, 325 - paid));
    assert!(platforms[..MAX_RECEIVABLES].iter().all(|p| w.available(*p) == 10));
    w.ok(w.alice, transfer(w.carol, 1000));
    assert_eq!((owes(&w), w.owed(w.carol)), (0, 0));
    assert!(platforms.iter().all(|p| w.available(*p) == 10));
}

/// The most that one action other than SettleWindow does, by arithmetic. A batch of the largest ones may be too large for
/// a block: then none takes it, and its sender splits it.
#[test]
fn every_other_action_fits_a_block_a_hundred_times() {
    let (a, amount) = (AccountId([1; 32]), fen(1));
    let text = Label::new("x".repeat(Label::MAX)).unwrap();
    let paid = encode(&Event::ReceivablePaid { debtor: a, creditor: a, asset: cny(), amount }).len();
    let rerouted = encode(&Event::Rerouted { from: a, to: a, asset: cny(), amount }).len();
    let credit = rerouted + MAX_RECEIVABLES * (paid + posting()) + posting();
    let order = OrderKey { platform: a, order_id: text.clone() };
    let recorded = encode(&Event::ObligationRecorded { debtor: a, creditor: a, asset: cny(), window: 1, amount }).len();
    let raised = encode(&Event::ReceivableRaised { debtor: a, creditor: a, asset: cny(), amount }).len();
    let moved = encode(&Event::OrderRefunded { order, refund_id: text, amount }).len();
    // A plan's legs, tax and fee; the payer, the coupon's sponsors and the origin.
    let (legs, sources) = (MAX_LEGS + 2, MAX_SPONSORS + 2);
    let pays = legs * credit.max(recorded) + sources * posting();
    // Of a pot: the sources get their part and the legs the rest. Of an order that was paid: each leg's bearer gives from
    // available and collateral, the origin stands in and owns a receivable.
    let resolves = (sources + legs) * credit;
    let refunds = sources * credit + legs * (3 * posting() + raised);
    let few = 8 * moved; // events of the order itself, its access, its coupon, its volume
    let action = pays.max(resolves).max(refunds) + few;
    assert!(100 * action <= MAX_RECEIPT, "{action} bytes");
}
