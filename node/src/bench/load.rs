//! The client's side of `bench network`: a process of its own that signs payments, hands them in and waits for them.
//!
//! Invariant: everything is signed before the clock starts; a payment counts as settled when the node showed a receipt
//! for it or for a later one of the same call; the process ends when its standard input closes.
//!
//! ```text
//! stdin   spec ─────────────► go ─────────────────►
//! stdout        ─► ready              ─► outcome
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vostro_api::receipt::{OutcomeJson, ReceiptJson};
use vostro_api::tx::SubmittedBatch;
use vostro_api::{code, encode_transaction};
use vostro_client::Client;
use vostro_rpc::MAX_SUBMIT;
use vostro_types::Time;
use vostro_types::transaction::PayMode;

use super::workload::{Cast, Choice};
use crate::boot::read_genesis;
use crate::keystore::KeyBook;

/// First and longest pause before a transaction that a busy node refused is handed in again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// How long a node may hold a call that waits, in milliseconds.
const WAIT_MS: u64 = 10_000;
/// Calls of an open loop that may be unanswered.
const OPEN_CALLS: usize = 512;
/// How often an open loop hands in what is due.
const BEAT: Duration = Duration::from_millis(5);

/// What the payments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Instant payments for any item, or for one creator's only.
    Pay(Choice),
    /// Payments that mature after a day.
    Maturing,
    /// Full refunds of earlier payments.
    Refund,
}

/// What one client does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The chain's genesis file.
    pub genesis: PathBuf,
    /// Keys of platforms.
    pub book: PathBuf,
    /// The node it talks to.
    pub rpc: String,
    /// As in [`Cast::new`].
    pub payers: u64,
    /// As in [`Cast::new`].
    pub payments_each: u64,
    /// Number of its first payment.
    pub first: u64,
    /// From one of its payments to the next.
    pub stride: u64,
    /// How many payments.
    pub count: u64,
    /// What they are.
    pub kind: Kind,
    /// Last block time at which they may be executed, in milliseconds.
    pub valid_until: u64,
    /// Payments in a call.
    pub chunk: usize,
    /// Calls whose payments are not settled yet, at most.
    pub in_flight: usize,
    /// Payments a second, whatever the answers; as fast as answers come if left out.
    pub rate: Option<f64>,
    /// When to give up, counted from the start of the load, in milliseconds.
    pub deadline_ms: u64,
}

/// What became of a client's payments.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Payments that nodes took.
    pub taken: u64,
    /// Times a busy node asked for patience.
    pub busy: u64,
    /// Payments that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// From handing a call's payments in to the receipt of the last, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// How late the open loop was at most, in milliseconds: above a few, the clients were the limit.
    pub late_ms: f64,
}

impl Outcome {
    /// Adds what another client saw.
    pub fn add(&mut self, other: Outcome) {
        self.taken += other.taken;
        self.busy += other.busy;
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
        self.latencies_ms.extend(other.latencies_ms);
        self.late_ms = self.late_ms.max(other.late_ms);
    }
}

fn sign(spec: &Spec) -> Result<Vec<String>> {
    let genesis = read_genesis(&spec.genesis)?;
    let cast = Cast::new(&genesis, &KeyBook::load(&spec.book)?, spec.payers, spec.payments_each)?;
    let until = Time(spec.valid_until);
    let one = |at: u64| {
        let number = spec.first + at * spec.stride;
        let transaction = match spec.kind {
            Kind::Pay(choice) => cast.pay(number, PayMode::Instant, choice, until),
            Kind::Maturing => cast.pay(number, PayMode::Maturing(1), Choice::Skewed, until),
            Kind::Refund => cast.refund(number, Choice::Skewed, until),
        };
        encode_transaction(&transaction)
    };
    Ok((0..spec.count).map(one).collect())
}

/// Runs a client: reads what to do from standard input and says on standard output what came of it.
///
/// # Errors
/// If the node cannot be reached, refuses calls for good, or nothing is settled until the deadline.
pub async fn run() -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let spec = lines.next_line().await?.ok_or_else(|| eyre!("nobody said what to do"))?;
    let spec: Spec = serde_json::from_str(&spec).wrap_err("the client's task does not parse")?;
    let signing = spec.clone();
    let texts: Arc<[String]> = tokio::task::spawn_blocking(move || sign(&signing)).await??.into();
    println!("{{\"ready\":{}}}", texts.len());
    ensure!(lines.next_line().await?.is_some(), "nobody said when");
    let parent_gone = async { while matches!(lines.next_line().await, Ok(Some(_))) {} };
    let outcome = tokio::select! {
        outcome = load(spec, texts) => outcome?,
        () = parent_gone => return Ok(()),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

struct Load {
    client: Client,
    texts: Arc<[String]>,
    until: Instant,
}

async fn load(spec: Spec, texts: Arc<[String]>) -> Result<Outcome> {
    let until = Instant::now() + Duration::from_millis(spec.deadline_ms);
    let load = Arc::new(Load { client: Client::new(&spec.rpc)?, texts, until });
    match spec.rate {
        None => closed(load, &spec).await,
        Some(rate) => open(load, rate, turn(&spec)).await,
    }
}

/// So many calls at a time, each followed until it is settled.
async fn closed(load: Arc<Load>, spec: &Spec) -> Result<Outcome> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..spec.in_flight.max(1) {
        let (load, next, chunk) = (load.clone(), next.clone(), spec.chunk.max(1));
        workers.spawn(async move {
            let mut outcome = Outcome::default();
            loop {
                let from = next.fetch_add(chunk, Ordering::Relaxed);
                if from >= load.texts.len() {
                    return Ok(outcome);
                }
                load.settle(from..(from + chunk).min(load.texts.len()), &mut outcome).await?;
            }
        });
    }
    gather(workers).await
}

/// How far a client's first payment is behind the first of all, as a part of the time between two of its own: payments of all
/// clients are due one after the other, not as many at once as there are clients.
fn turn(spec: &Spec) -> f64 {
    let stride = spec.stride.max(1);
    (spec.first % stride) as f64 / stride as f64
}

/// How many of a client's payments are due `elapsed` seconds after the start.
fn due(elapsed: f64, rate: f64, turn: f64) -> usize {
    (elapsed * rate - turn + 1.0).max(0.0) as usize
}

/// What is due at each beat, whether earlier payments are settled or not; who is behind by more than a call may hold makes
/// many.
async fn open(load: Arc<Load>, rate: f64, turn: f64) -> Result<Outcome> {
    let (started, places) = (Instant::now(), Arc::new(Semaphore::new(OPEN_CALLS)));
    let (mut calls, mut sent, mut late) = (JoinSet::new(), 0, 0f64);
    let mut beat = tokio::time::interval(BEAT);
    while sent < load.texts.len() {
        beat.tick().await;
        let due = due(started.elapsed().as_secs_f64(), rate, turn).clamp(sent, load.texts.len()).min(sent + MAX_SUBMIT);
        if due == sent {
            continue;
        }
        let place = places.clone().acquire_owned().await?;
        let wanted_at = (sent as f64 + turn) / rate;
        late = late.max((started.elapsed().as_secs_f64() - wanted_at - BEAT.as_secs_f64()) * 1000.0);
        let (load, range) = (load.clone(), sent..due);
        sent = due;
        calls.spawn(async move {
            let mut outcome = Outcome::default();
            load.settle(range, &mut outcome).await?;
            drop(place);
            Ok(outcome)
        });
    }
    let mut outcome = gather(calls).await?;
    outcome.late_ms = late;
    Ok(outcome)
}

async fn gather(mut tasks: JoinSet<Result<Outcome>>) -> Result<Outcome> {
    let mut all = Outcome::default();
    while let Some(done) = tasks.join_next().await {
        all.add(done.wrap_err("a call's task stopped")??);
    }
    Ok(all)
}

impl Load {
    /// Hands in all but the last payment of a range in one call, then the last one with a call that waits.
    async fn settle(&self, range: std::ops::Range<usize>, outcome: &mut Outcome) -> Result<()> {
        let started = Instant::now();
        let Some((last, others)) = self.texts[range].split_last() else { return Ok(()) };
        let mut open: Vec<&String> = others.iter().collect();
        let mut pause = PAUSE.0;
        while !open.is_empty() {
            ensure!(Instant::now() < self.until, "{} payments were not taken in time", open.len());
            let batch: SubmittedBatch = match self.client.call("tx_submitBatch", json!({ "txs": open })).await {
                Err(error) if error.retryable() => SubmittedBatch { items: Vec::new() },
                answer => answer?,
            };
            let mut again = Vec::new();
            let mut answers = batch.items.into_iter();
            for text in open {
                match answers.next().map(|item| item.error) {
                    Some(None) => outcome.taken += 1,
                    Some(Some(error)) if !error.data.retryable => {
                        *outcome.refused.entry(error.message).or_default() += 1;
                    }
                    _ => again.push(text),
                }
            }
            open = again;
            if !open.is_empty() {
                outcome.busy += 1;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
        let receipt = self.wait(last, outcome).await?;
        match receipt.outcome {
            OutcomeJson::Rejected { code, .. } => *outcome.refused.entry(format!("rejected: {code}")).or_default() += 1,
            OutcomeJson::Applied | OutcomeJson::Replayed { .. } => outcome.taken += 1,
        }
        outcome.latencies_ms.push(started.elapsed().as_secs_f64() * 1000.0);
        Ok(())
    }

    async fn wait(&self, text: &String, outcome: &mut Outcome) -> Result<ReceiptJson> {
        let mut pause = PAUSE.0;
        loop {
            let params = json!({ "tx": text, "timeoutMs": WAIT_MS });
            match self.client.call("tx_submitAndWait", params).await {
                Err(error) if error.retryable() => {
                    ensure!(Instant::now() < self.until, "a payment was not settled in time: {error}");
                    if error.code() != Some(code::PENDING) {
                        outcome.busy += 1;
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE.1);
                    }
                }
                answer => return Ok(answer?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_of_four_clients_are_due_one_after_the_other() {
        // Twenty a second in all: five of each client.
        let all = |millis: u64| (0..4).map(|at| due(millis as f64 / 1000.0, 5.0, at as f64 / 4.0)).sum::<usize>();
        for payments in 0..100 {
            assert_eq!(all(payments * 50 + 1), payments as usize + 1);
            assert_eq!(all(payments * 50 + 49), payments as usize + 1);
        }
    }
}
