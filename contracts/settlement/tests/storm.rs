//! A storm of deadlines: many orders come due in one block. They drain in order, a bounded number a block, payments go on
//! meanwhile, and what a block does depends on what it fires, not on what waits. `VOSTRO_ALL=1` lets 100,000 come due.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(clippy::disallowed_methods)] // how many come due is read from the environment

mod common;

use std::cell::Cell;

use common::*;
use vostro_settlement::ledger::Entry;
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{Ledger, Reader, apply, fire_deadlines, invariants, next_deadline, read};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// A ledger that counts what is asked of it: reads, entries of scans, and writes.
#[derive(Default)]
struct Counting {
    ledger: MemLedger,
    work: Cell<u64>,
}

impl Counting {
    fn count(&self, work: usize) {
        self.work.set(self.work.get() + work as u64);
    }
}

impl Reader for Counting {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.count(1);
        self.ledger.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Entry> {
        let entries = self.ledger.scan(from, to, limit);
        self.count(1 + entries.len());
        entries
    }
}

impl Ledger for Counting {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.count(1);
        self.ledger.put(key, value);
    }

    fn delete(&mut self, key: &[u8]) {
        self.count(1);
        self.ledger.delete(key);
    }
}

#[test]
fn due_orders_drain_in_order_and_payments_go_on() {
    const BATCH: usize = 100;
    const PRICE: u64 = 100;
    let all = std::env::var("VOSTRO_ALL").is_ok();
    let (orders, limit) = if all { (100_000, 1000) } else { (3_000, 200) };
    let mut w = World::with(
        |p| {
            p.max_due_per_block = limit as u32;
            (p.day_ms, p.hold_ms) = (1000, 1000);
            p.gateway_daily_cap = fen(1_000_000_000);
        },
        false,
    );
    w.deposit(w.alice, 100_000_000);
    w.offer(w.q, "book", seventy(), None);
    // every fourth one is a hold; their ids are of one length, so they are in the order of their numbers
    let place = |w: &World, n: usize| {
        let id = format!("{n:06}");
        if n.is_multiple_of(4) {
            Action::Hold(hold(w.p, &id, w.q, "book", PRICE))
        } else {
            Action::Pay(Pay { mode: PayMode::Maturing(1), ..pay(w.p, &id, w.q, "book", PRICE) })
        }
    };
    let mut counting = Counting { ledger: std::mem::take(&mut w.ledger), work: Cell::new(0) };
    for first in (0..orders).step_by(BATCH) {
        let actions = (first..first + BATCH).map(|n| place(&w, n)).collect();
        let body = w.body(w.alice, Payload::Batch(actions));
        let tx = w.sign(body, &[w.alice, w.p]);
        assert!(apply(&w.context(), &tx, &mut counting).applied());
    }
    w.time += 1000;
    assert_eq!(next_deadline(&counting), Some(Time(w.time)));

    let (mut fired, mut works) = (0, Vec::new());
    for block in 0..orders / limit {
        w.time += 1;
        // a payment first: it costs what it costs without the storm
        let body = w.body(w.alice, Payload::One(Action::Pay(pay(w.p, &format!("now-{block}"), w.q, "book", PRICE))));
        let tx = w.sign(body, &[w.alice, w.p]);
        counting.work.set(0);
        assert!(apply(&w.context(), &tx, &mut counting).applied());
        let paid = counting.work.replace(0);
        let receipts = fire_deadlines(&w.context(), &mut counting);
        assert_eq!(receipts.len(), limit);
        for receipt in receipts {
            assert_eq!(receipt.cause, Cause::Deadline(key(w.p, &format!("{fired:06}"))));
            fired += 1;
        }
        works.push((paid, counting.work.get()));
    }
    assert_eq!((fired, next_deadline(&counting)), (orders, None));
    assert!(fire_deadlines(&w.context(), &mut counting).is_empty());
    // the first payment opened balances; from then on every block is the same work
    let (_, work) = works[0];
    assert!(works[1..].iter().all(|block| *block == works[1]), "{works:?}");
    assert!(work.abs_diff(works[1].1) < 20 && work < 25 * limit as u64, "{works:?}");
    w.ledger = counting.ledger;
    let summary = invariants::check(&w.ledger).unwrap();
    assert_eq!((summary.deadlines, summary.money[&cny()].orders), (0, 0));
    let held = orders / 4;
    let sold = (orders - held + orders / limit) as u64;
    assert_eq!(w.available(w.alice), 100_000_000 - sold * PRICE);
    assert_eq!(w.available(w.carol), sold * 70);
    let voided = read::all_orders(&w.ledger).filter(|(_, order)| order.state == OrderState::Voided).count();
    assert_eq!(voided, held);
}
