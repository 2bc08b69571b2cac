//! Agreement alone: the consensus core and the whole engine of several validators in one process, without network and disk.
//!
//! Invariant: what is timed is what a node's engine thread does for a block, and nothing else: clients' signatures are
//! verified and states are written outside the clock.

use std::sync::{Arc, RwLock};

use color_eyre::eyre::{Result, ensure, eyre};
use serde::Serialize;
use vostro_consensus::{Config, Durable, GuardMark, Replica, Timing};
use vostro_crypto::{SecretKey, verify};
use vostro_engine::{Boot, ChainEnd, Engine, EngineLimits};
use vostro_execution::{Keys, MemState, Tree, execute, genesis_state, rebuild_tree};
use vostro_types::block::transactions_root;
use vostro_types::transaction::{MAX_VALIDITY_MS, PayMode, verify_all};
use vostro_types::{Genesis, Height, Outcome, Time, Transaction, ValidatorIndex, VerifiedTransaction};

use super::measure::{Machine, median, micros_each, round, seed, timed};
use super::room::{Core, Given, Member, Room, Shared, Whole};
use super::workload::{Cast, Choice};
use crate::devnet::{Made, make_genesis};
use crate::output::{Output, pairs, table};
use crate::recipe::{DEVNET, Recipe};

/// How often undecided messages are repeated, in milliseconds, as the engine has it.
const REPEAT_MS: u64 = 250;
/// Signatures by which the cost of a single one is measured.
const SIGNATURES: u64 = 200;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers of validators.
    pub validators: Vec<usize>,
    /// Blocks of each kind.
    pub blocks: u64,
    /// Payments in a full block.
    pub payments: u64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    blocks: u64,
    payments_per_block: u64,
    /// One signature, verified alone and made.
    verify_alone_us: f64,
    sign_us: f64,
    sizes: Vec<Size>,
    duration_s: f64,
}

/// CPU microseconds a block and validator.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    validators: usize,
    core_empty_us: f64,
    core_full_us: f64,
    engine_empty_us: f64,
    engine_full_us: f64,
    /// The whole engine's share of a payment, its admission from gossip included and signatures not.
    engine_us_per_payment: f64,
    messages_per_block: f64,
    bytes_per_empty_block: f64,
    /// A quorum's votes verified one by one, twice, and the own ones signed.
    unavoidable_us: f64,
}

/// A network's first facts, the state before the first payment, and payments.
struct Setting {
    genesis: Arc<Genesis>,
    keys: Vec<SecretKey>,
    state: MemState,
    tree: Tree,
    cast: Cast,
    until: Time,
}

impl Setting {
    fn new(validators: usize, payments: u64) -> Result<Self> {
        let mut recipe = Recipe::parse(DEVNET)?.with_validators(validators);
        // Empty blocks follow each other at once; what an idle chain says in between is no part of a block.
        recipe.consensus.heartbeat_ms = 1;
        let made = make_genesis(&recipe)?;
        let Made { genesis, book, validators, .. } = made;
        let key = |name: &str| validators.get(name).map(|(voting, _)| voting.clone());
        let keys =
            genesis.validators.iter().map(|v| key(v.name.as_str()).ok_or_else(|| eyre!("no key for {}", v.name)));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let cast = Cast::new(&genesis, &book, payments.clamp(1, 1000), payments.div_ceil(1000))?;
        let until = genesis.time.plus(MAX_VALIDITY_MS);
        let (changes, mut tree) = genesis_state(&genesis);
        let mut state = MemState::new();
        state.apply(&changes);
        let chunks = 0..cast.payer_chunks();
        let mut lists = cast.catalog(until);
        lists.push(chunks.clone().map(|chunk| cast.open_payers(chunk, until)).collect());
        lists.push(chunks.map(|chunk| cast.fund_payers(chunk, until)).collect());
        // As if they were part of the genesis: the chain begins with everything in place.
        for list in lists {
            let done = execute(&state, &tree, Height(0), genesis.time, &[], &verified(list, &cast)?);
            ensure!(done.receipts.iter().all(|r| r.outcome == Outcome::Applied), "the preparation was refused");
            state.apply(&done.changes);
            tree = done.tree;
        }
        Ok(Setting { genesis: Arc::new(genesis), keys, state, tree, cast, until })
    }

    fn payments(&self, numbers: std::ops::Range<u64>) -> Vec<Arc<Transaction>> {
        numbers.map(|number| Arc::new(self.cast.pay(number, PayMode::Instant, Choice::Skewed, self.until))).collect()
    }

    fn cores(&self, transactions: &[Arc<Transaction>]) -> Room<Core> {
        let validators = Arc::new(self.genesis.validator_set());
        let member = |key: &SecretKey| {
            let timing = Timing::new(&self.genesis.consensus, REPEAT_MS);
            let chain = self.genesis.hash();
            let config = Config { chain, validators: validators.clone(), key: Some(key.clone()), timing };
            let tip = ChainEnd::genesis(&self.genesis, self.tree.clone()).tip;
            let durable = Durable { tip, guard: Some(GuardMark::never_signed()), records: Vec::new() };
            let (replica, _) = Replica::boot(config, durable, self.genesis.time);
            let transactions_root = transactions_root(transactions);
            Core {
                replica,
                chain,
                validators: validators.clone(),
                transactions: transactions.to_vec(),
                transactions_root,
            }
        };
        Room::new(self.keys.iter().map(member).collect(), self.genesis.time)
    }

    fn engines(&self) -> Room<Whole> {
        let member = |(at, key): (usize, &SecretKey)| {
            let state = Shared(Arc::new(RwLock::new(self.state.clone())));
            // Of its own: engines that shared one would undo each other's updates.
            let tree = rebuild_tree(self.state.iter());
            let ChainEnd { tip, tree, recent, .. } = ChainEnd::genesis(&self.genesis, tree);
            let boot = Boot {
                genesis: self.genesis.clone(),
                key: Some(key.clone()),
                state: Arc::new(state.clone()),
                tree,
                keys: Keys::default(),
                tip,
                recent,
                guard: Some(GuardMark::never_signed()),
                records: Vec::new(),
                limits: EngineLimits::default(),
            };
            let (engine, first) = Engine::boot(boot, self.genesis.time);
            let others = (0..self.keys.len()).filter(|other| *other != at).map(|other| ValidatorIndex(other as u16));
            Whole { engine, state, first, others: others.collect() }
        };
        Room::new(self.keys.iter().enumerate().map(member).collect(), self.genesis.time)
    }
}

fn verified<T: Into<Arc<Transaction>>>(transactions: Vec<T>, cast: &Cast) -> Result<Vec<VerifiedTransaction>> {
    verify_all(transactions, cast.chain()).into_iter().map(|tx| Ok(tx?)).collect()
}

/// Runs the benchmark.
///
/// # Errors
/// If validators do not agree, which is a fault of the program.
pub fn run(options: &Options, output: Output) -> Result<Report> {
    let started = std::time::Instant::now();
    let machine = Machine::here();
    let (verify_alone_us, sign_us) = one_signature()?;
    let bar = output.progress(options.validators.len() as u64 * 4, "kinds of blocks");
    let mut sizes = Vec::new();
    for n in &options.validators {
        sizes.push(size(*n, options, (verify_alone_us, sign_us), &bar)?);
    }
    bar.finish_and_clear();
    Ok(Report {
        bench: "consensus",
        machine,
        blocks: options.blocks,
        payments_per_block: options.payments,
        verify_alone_us,
        sign_us,
        sizes,
        duration_s: round(started.elapsed().as_secs_f64(), 2),
    })
}

/// Runs one block to warm up and `blocks` that count.
fn blocks<M: Member>(room: &mut Room<M>, blocks: u64) -> Result<f64> {
    room.next_block()?;
    room.take(1);
    (room.messages, room.bytes) = (0, 0);
    for _ in 0..blocks {
        room.next_block()?;
    }
    Ok(room.take(blocks))
}

fn size(n: usize, options: &Options, (verify, sign): (f64, f64), bar: &indicatif::ProgressBar) -> Result<Size> {
    let Options { blocks: count, payments, .. } = *options;
    let setting = Setting::new(n, payments * count)?;
    let mut room = setting.cores(&[]);
    let core_empty_us = blocks(&mut room, count)?;
    let messages = room.messages as f64 / count as f64;
    let bytes = room.bytes as f64 / count as f64;
    bar.inc(1);
    let core_full_us = blocks(&mut setting.cores(&setting.payments(0..payments)), count)?;
    bar.inc(1);
    let engine_empty_us = blocks(&mut setting.engines(), count)?;
    bar.inc(1);
    let mut room = setting.engines();
    room.next_block()?;
    room.take(1);
    for block in 0..count {
        let transactions = verified(setting.payments(block * payments..(block + 1) * payments), &setting.cast)?;
        for at in 0..n {
            room.queue.push_back((at, Given::Gossip(transactions.clone())));
        }
        room.next_block()?;
    }
    let engine_full_us = room.take(count);
    bar.inc(1);
    let quorum = setting.genesis.validator_set().quorum();
    Ok(Size {
        validators: n,
        core_empty_us,
        core_full_us,
        engine_empty_us,
        engine_full_us,
        engine_us_per_payment: round((engine_full_us - engine_empty_us) / payments.max(1) as f64, 2),
        messages_per_block: round(messages, 1),
        bytes_per_empty_block: round(bytes, 0),
        unavoidable_us: round(2.0 * (quorum - 1) as f64 * verify + 2.0 * sign, 1),
    })
}

/// CPU microseconds to verify one signature alone, and to make one.
fn one_signature() -> Result<(f64, f64)> {
    let key = SecretKey::from_seed(seed("vote", 0).0);
    let (mut verifying, mut signing) = (Vec::new(), Vec::new());
    for number in 0..SIGNATURES {
        let message = seed("vote", number).0;
        let (signature, time) = timed(|| key.sign(&message));
        signing.push(micros_each(time, 1));
        let (good, time) = timed(|| verify(&key.public(), &message, &signature));
        good?;
        verifying.push(micros_each(time, 1));
    }
    Ok((round(median(&mut verifying), 2), round(median(&mut signing), 2)))
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let header = [
            "validators",
            "core, empty µs",
            "core, full",
            "engine, empty",
            "engine, full",
            "engine a payment",
            "unavoidable",
            "messages",
        ];
        let rows = self.sizes.iter().map(|s| {
            let figures = [
                s.core_empty_us,
                s.core_full_us,
                s.engine_empty_us,
                s.engine_full_us,
                s.engine_us_per_payment,
                s.unavoidable_us,
                s.messages_per_block,
            ];
            std::iter::once(s.validators.to_string()).chain(figures.map(|f| f.to_string())).collect::<Vec<_>>()
        });
        let below = pairs([
            ("figures", "CPU µs a block and validator".to_string()),
            ("full", format!("{} payments in a block; {} blocks of each kind", self.payments_per_block, self.blocks)),
            ("unavoidable", "a quorum's votes verified twice, the own ones signed".to_string()),
            ("a signature", format!("{} µs verified alone, {} µs made", self.verify_alone_us, self.sign_us)),
            ("machine", self.machine.text()),
        ]);
        format!("{}\n\n{below}", table(header, rows))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_size_decides_blocks() {
        let options = Options { validators: vec![1, 4, 7], blocks: 3, payments: 20 };
        let report = run(&options, Output { json: true }).unwrap();
        assert_eq!(report.sizes.iter().map(|s| s.validators).collect::<Vec<_>>(), [1, 4, 7]);
        for size in &report.sizes {
            assert!(size.core_empty_us > 0.0 && size.engine_full_us > size.engine_empty_us, "{size:?}");
        }
        assert!(report.sizes[2].messages_per_block > report.sizes[1].messages_per_block);
    }
}
