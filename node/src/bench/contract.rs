//! The contract alone, in memory and on one thread: what a split payment costs before anything around it.
//!
//! Invariant: what is timed is what a node runs for a block: the contract on an overlay, then `update_tree`, and whole
//! `execute` beside them, whose root must be the same. Writing to the state is not timed here; `bench storage` does that.

use std::time::Duration;

use color_eyre::eyre::{Result, ensure};
use serde::Serialize;
use vostro_execution::{MemState, Overlay, Tree, execute, genesis_state, update_tree};
use vostro_settlement::BlockContext;
use vostro_types::codec::{MAX_TRANSACTION, decode, encode};
use vostro_types::transaction::{MAX_VALIDITY_MS, PayMode, verify_all};
use vostro_types::{Hash, Height, Outcome, Time, Transaction, VerifiedTransaction};

use super::measure::{Machine, micros_each, per_second, round, timed, verify_us_per_signature};
use super::workload::{Cast, Choice};
use crate::devnet::{Made, make_genesis};
use crate::output::{Output, pairs};
use crate::recipe::{DEVNET, Recipe};

/// Keys in the state for each payer: its head, its policy, its balance.
const OBJECTS_A_PAYER: u64 = 3;
/// Transactions of the preparation in one block.
const PREPARED: usize = 20;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Payments.
    pub payments: u64,
    /// Objects in the state before the first payment, about.
    pub objects: u64,
    /// Payments in a block.
    pub block: usize,
}

/// What was measured. Times are CPU time of one thread.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    payments: u64,
    payments_per_block: usize,
    /// Keys in the state before the first payment.
    objects: u64,
    payload_bytes: u64,
    postings_per_payment: f64,
    objects_per_payment: f64,
    /// Split payments a second on one core: the contract, without and with the roots of the block.
    payments_per_s: f64,
    payments_per_s_with_roots: f64,
    ns_per_payment: Parts,
    state_root_us_per_object: f64,
    verify_us_per_signature: f64,
    /// Whole execution against the verification of one signature.
    execute_to_verify: f64,
    duration_s: f64,
}

/// Nanoseconds a payment.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    /// The contract on an overlay, with the list of changes.
    contract: f64,
    /// The state tree.
    state_root: f64,
    /// Whole `execute`: both, and the roots of transactions and receipts.
    execute: f64,
    decode: f64,
    encode: f64,
    /// Signed bytes and their hash.
    id: f64,
}

#[derive(Default)]
struct Totals {
    contract: Duration,
    root: Duration,
    execute: Duration,
    touched: u64,
    postings: u64,
}

/// A chain in memory.
struct Ledger {
    state: MemState,
    tree: Tree,
    height: Height,
    time: Time,
}

impl Ledger {
    fn next(&mut self) -> BlockContext {
        self.height = self.height.next();
        self.time = self.time.plus(1);
        BlockContext { height: self.height, time: self.time }
    }

    /// Executes and writes a block, all of whose transactions must take effect.
    fn settle(&mut self, transactions: &[VerifiedTransaction]) -> Result<()> {
        let at = self.next();
        let executed = execute(&self.state, &self.tree, at.height, at.time, &[], transactions);
        for receipt in &executed.receipts {
            ensure!(receipt.outcome == Outcome::Applied, "the preparation was refused: {:?}", receipt.outcome);
        }
        self.state.apply(&executed.changes);
        self.tree = executed.tree;
        Ok(())
    }

    fn measured(&mut self, transactions: &[VerifiedTransaction], totals: &mut Totals) -> Result<()> {
        let at = self.next();
        let ((receipts, changes), contract) = timed(|| {
            let mut overlay = Overlay::new(&self.state);
            let apply = |tx| vostro_settlement::apply(&at, tx, &mut overlay);
            let receipts: Vec<_> = transactions.iter().map(apply).collect();
            (receipts, overlay.into_changes())
        });
        let (whole, execute) = timed(|| execute(&self.state, &self.tree, at.height, at.time, &[], transactions));
        let state_root = whole.state_root;
        drop(whole);
        // A change that changes nothing goes back to the version before, so that the update does not pay for that.
        let before = self.tree.update(&[(Hash::ZERO, None)]);
        let (tree, root) = timed(|| update_tree(&before, &changes));
        ensure!(state_root == tree.root(), "two executions of one block differ");
        for receipt in &receipts {
            ensure!(receipt.outcome == Outcome::Applied, "a payment was refused: {:?}", receipt.outcome);
            totals.postings += receipt.postings.len() as u64;
        }
        totals.contract += contract;
        totals.root += root;
        totals.execute += execute;
        totals.touched += changes.len() as u64;
        self.state.apply(&changes);
        self.tree = tree;
        Ok(())
    }
}

fn verified(transactions: Vec<Transaction>, cast: &Cast) -> Vec<VerifiedTransaction> {
    let judged = verify_all(transactions, cast.chain());
    judged.into_iter().map(|tx| tx.expect("signed just now")).collect()
}

/// Runs the benchmark.
///
/// # Errors
/// If a payment does not take effect, which is a fault of the program.
pub fn run(options: Options, output: Output) -> Result<Report> {
    let machine = Machine::here();
    let Made { genesis, book, .. } = make_genesis(&Recipe::parse(DEVNET)?)?;
    let payers = (options.objects / OBJECTS_A_PAYER).max(1);
    let cast = Cast::new(&genesis, &book, payers, options.payments.div_ceil(payers))?;
    let (changes, tree) = genesis_state(&genesis);
    let mut ledger = Ledger { state: MemState::new(), tree, height: Height(0), time: genesis.time };
    ledger.state.apply(&changes);
    let until = genesis.time.plus(MAX_VALIDITY_MS);

    for list in cast.catalog(until) {
        ledger.settle(&verified(list, &cast))?;
    }
    let bar = output.progress(payers * 2, "opening accounts");
    let chunks: Vec<u64> = (0..cast.payer_chunks()).collect();
    for some in chunks.chunks(PREPARED) {
        let opened = some.iter().map(|chunk| cast.open_payers(*chunk, until)).collect();
        ledger.settle(&verified(opened, &cast))?;
        let funded = some.iter().map(|chunk| cast.fund_payers(*chunk, until)).collect();
        ledger.settle(&verified(funded, &cast))?;
        bar.inc(some.len() as u64 * super::workload::ACTIONS * 2);
    }
    bar.finish_and_clear();
    let objects = ledger.state.len() as u64;

    let bar = output.progress(options.payments, "payments");
    let (mut totals, mut codec) = (Totals::default(), [Duration::ZERO; 3]);
    let mut bytes = 0;
    let started = std::time::Instant::now();
    let numbers: Vec<u64> = (0..options.payments).collect();
    for some in numbers.chunks(options.block.max(1)) {
        let pay = |number: &u64| cast.pay(*number, PayMode::Instant, Choice::Skewed, until);
        let signed: Vec<Transaction> = some.iter().map(pay).collect();
        let (encoded, encoding) = timed(|| signed.iter().map(encode).collect::<Vec<_>>());
        let decoding = timed(|| encoded.iter().all(|b| decode::<Transaction>(b, MAX_TRANSACTION).is_ok()));
        ensure!(decoding.0, "what was encoded does not decode");
        let (ids, hashing) = timed(|| signed.iter().map(|tx| tx.body.id(cast.chain())).collect::<Vec<_>>());
        ensure!(ids.len() == signed.len(), "an id for each");
        codec[0] += encoding;
        codec[1] += decoding.1;
        codec[2] += hashing;
        bytes += encoded.iter().map(|b| b.len() as u64).sum::<u64>();
        ledger.measured(&verified(signed, &cast), &mut totals)?;
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    let duration_s = started.elapsed().as_secs_f64();

    let payload = bytes / options.payments.max(1);
    let verify = verify_us_per_signature(payload as usize);
    let nanos = |time: Duration| round(micros_each(time, options.payments) * 1000.0, 0);
    let [encoding, decoding, hashing] = codec;
    Ok(Report {
        bench: "contract",
        machine,
        payments: options.payments,
        payments_per_block: options.block,
        objects,
        payload_bytes: payload,
        postings_per_payment: round(totals.postings as f64 / options.payments.max(1) as f64, 2),
        objects_per_payment: round(totals.touched as f64 / options.payments.max(1) as f64, 2),
        payments_per_s: round(per_second(options.payments, totals.contract), 0),
        payments_per_s_with_roots: round(per_second(options.payments, totals.execute), 0),
        ns_per_payment: Parts {
            contract: nanos(totals.contract),
            state_root: nanos(totals.root),
            execute: nanos(totals.execute),
            decode: nanos(decoding),
            encode: nanos(encoding),
            id: nanos(hashing),
        },
        state_root_us_per_object: round(micros_each(totals.root, totals.touched), 2),
        verify_us_per_signature: verify,
        execute_to_verify: round(micros_each(totals.execute, options.payments) / verify, 2),
        duration_s: round(duration_s, 2),
    })
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let ns = &self.ns_per_payment;
        pairs([
            ("contract alone", format!("{} split payments a second on one core", self.payments_per_s)),
            ("with every root", format!("{} a second", self.payments_per_s_with_roots)),
            ("contract", format!("{:.0} ns a payment", ns.contract)),
            ("state root", format!("{:.0} ns a payment", ns.state_root)),
            (
                "",
                format!(
                    "{} µs an object; {} of {} objects touched a payment",
                    self.state_root_us_per_object, self.objects_per_payment, self.objects
                ),
            ),
            ("all of execute", format!("{:.0} ns a payment", ns.execute)),
            ("decode, encode, id", format!("{:.0}, {:.0}, {:.0} ns", ns.decode, ns.encode, ns.id)),
            ("unavoidable", format!("{} µs to verify a signature in a batch", self.verify_us_per_signature)),
            ("execute against it", format!("{} ×", self.execute_to_verify)),
            (
                "payload",
                format!(
                    "{} bytes, {} postings; {} payments in blocks of {}",
                    self.payload_bytes, self.postings_per_payment, self.payments, self.payments_per_block
                ),
            ),
            ("machine", self.machine.text()),
        ])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_payment_takes_effect_and_costs_something() {
        let options = Options { payments: 60, objects: 300, block: 25 };
        let report = run(options, Output { json: true }).unwrap();
        assert!(report.objects >= 300, "{}", report.objects);
        assert!(report.payments_per_s > 0.0 && report.payments_per_s_with_roots < report.payments_per_s);
        assert!((3.0..=7.0).contains(&report.postings_per_payment), "{}", report.postings_per_payment);
        assert!(report.payload_bytes > 200 && report.payload_bytes < 600, "{}", report.payload_bytes);
    }
}
