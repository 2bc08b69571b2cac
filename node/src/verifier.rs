//! Verifies what clients and peers hand in: all but a few signatures off the runtime's threads, and what waits at the same time as
//! one batch, whoever handed it in.
//!
//! Invariant: each caller gets the verdicts that his transactions would get alone. Who hands in signatures that do not verify makes
//! one batch of others' dearer, and for [`APART`] no more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};
use vostro_engine::check_answer;
use vostro_network::RequestId;
use vostro_types::transaction::{BadSignature, verify_all, verify_together};
use vostro_types::{Evidence, Hash, Transaction, ValidatorSet, VerifiedEvidence, VerifiedTransaction};

use crate::cpu::timed;
use crate::host::Msg;
use crate::metrics::{Metrics, Part};

/// So many signatures are verified on a thread of the runtime: less than half a millisecond, and as much again for each
/// 200 KiB that they sign, of 512 KiB at most. To wake another thread takes longer.
const FEW_SIGNATURES: usize = 8;
/// So many are verified together at most: more would cost hardly less each.
const TOGETHER: usize = 512;
/// After a batch of several callers that did not verify each caller's is verified by itself for so long.
const APART: Duration = Duration::from_secs(1);

type Verdict = Result<VerifiedTransaction, BadSignature>;

/// What one caller handed in.
struct List {
    transactions: Vec<Arc<Transaction>>,
    signatures: usize,
    verdicts: oneshot::Sender<Vec<Verdict>>,
}

/// What waits to be verified.
#[derive(Default)]
struct Queue {
    lists: VecDeque<List>,
    /// Until when nothing is verified together.
    apart_until: Option<Instant>,
}

impl Queue {
    /// True if it is the first: somebody has to come for it.
    fn push(&mut self, list: List) -> bool {
        self.lists.push_back(list);
        self.lists.len() == 1
    }

    /// The next batch: what came first, and what came after it as far as it may be verified with it.
    fn next(&mut self, now: Instant) -> Vec<List> {
        let mut batch: Vec<List> = self.lists.pop_front().into_iter().collect();
        let mut room = TOGETHER.saturating_sub(batch.iter().map(|list| list.signatures).sum());
        if self.apart_until.is_some_and(|until| now < until) {
            room = 0;
        }
        while let Some(list) = self.lists.pop_front_if(|list| list.signatures <= room) {
            room -= list.signatures;
            batch.push(list);
        }
        batch
    }
}

/// Verdicts for each list, and whether lists could not be verified together.
fn judge(lists: &[Vec<Arc<Transaction>>], chain: &Hash) -> (Vec<Vec<Verdict>>, bool) {
    let together = if lists.len() > 1 { verify_together(lists, chain) } else { None };
    match together {
        Some(verified) => (verified.into_iter().map(|list| list.into_iter().map(Ok).collect()).collect(), false),
        None => (lists.iter().map(|list| verify_all(list.clone(), chain)).collect(), lists.len() > 1),
    }
}

/// Verifies transactions and evidence, as many batches at a time as there are processors; and beside them the answer to the one
/// request that is under way.
#[derive(Clone)]
pub struct Verifier {
    chain: Hash,
    validators: Arc<ValidatorSet>,
    turns: Arc<Semaphore>,
    queue: Arc<Mutex<Queue>>,
    metrics: Metrics,
}

impl Verifier {
    /// For the chain with this genesis hash and these validators.
    pub fn new(chain: Hash, validators: Arc<ValidatorSet>, metrics: Metrics) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Verifier { chain, validators, turns: Arc::new(Semaphore::new(processors)), queue: Arc::default(), metrics }
    }

    /// One verdict for each transaction, in order.
    pub async fn verify<T: Into<Arc<Transaction>>>(&self, transactions: Vec<T>) -> Vec<Verdict> {
        let transactions: Vec<Arc<Transaction>> = transactions.into_iter().map(Into::into).collect();
        if transactions.is_empty() {
            return Vec::new();
        }
        let of = |tx: &Arc<Transaction>| tx.signatures.len() + tx.body.quote_signatures();
        let (verdicts, judged) = oneshot::channel();
        let list = List { signatures: transactions.iter().map(of).sum(), transactions, verdicts };
        if self.queue(|queue| queue.push(list)) {
            // A task of its own: this caller may give up.
            tokio::spawn(self.clone().come());
        }
        judged.await.expect("verification does not panic")
    }

    fn queue<R>(&self, work: impl FnOnce(&mut Queue) -> R) -> R {
        work(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Verifies the next batch when a processor may.
    fn come(self) -> BoxFuture<'static, ()> {
        async move {
            let _turn = self.turns.acquire().await;
            // Whoever is ready now hands in first what he has.
            tokio::task::yield_now().await;
            let (batch, is_all) = self.queue(|queue| (queue.next(Instant::now()), queue.lists.is_empty()));
            if !is_all {
                tokio::spawn(self.clone().come());
            }
            let is_few = batch.iter().map(|list| list.signatures).sum::<usize>() <= FEW_SIGNATURES;
            let (lists, callers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|list| (list.transactions, list.verdicts)).unzip();
            let this = self.clone();
            let work = move || {
                let (judged, time) = timed(|| judge(&lists, &this.chain));
                this.metrics.used(Part::Verify, time);
                judged
            };
            let (verdicts, failed) = if is_few {
                work()
            } else {
                tokio::task::spawn_blocking(work).await.expect("verification does not panic")
            };
            if failed {
                self.queue(|queue| queue.apart_until = Some(Instant::now() + APART));
            }
            for (caller, verdicts) in callers.into_iter().zip(verdicts) {
                // One that gave up does not need them.
                let _ = caller.send(verdicts);
            }
        }
        .boxed()
    }

    /// Reads the answer to a request and hands on its blocks, each when it is verified. The thread waits while the engine's queue is
    /// full.
    pub fn answer(&self, id: RequestId, bytes: Option<Vec<u8>>, engine: &Sender<Msg>) {
        let (end, time) = timed(|| {
            // An engine that is gone needs no more blocks.
            check_answer(bytes, &self.chain, &self.validators, |block| {
                engine.send(Msg::Fetched { id, block: Box::new(block) }).is_ok()
            })
        });
        self.metrics.used(Part::Verify, time);
        // Nor does it need to know how it ended.
        let _ = engine.send(Msg::Answered { id, end });
    }

    /// The evidence that proves what it says.
    pub async fn evidence(&self, evidence: Vec<Evidence>) -> Vec<VerifiedEvidence> {
        if evidence.is_empty() {
            return Vec::new();
        }
        let _turn = self.turns.acquire().await;
        let (chain, validators) = (self.chain, self.validators.clone());
        let proves = move |piece: Evidence| piece.verify(&chain, &validators).ok();
        let judged = tokio::task::spawn_blocking(move || evidence.into_iter().filter_map(proves).collect()).await;
        judged.expect("verification does not panic")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_crypto::SecretKey;
    use vostro_types::transaction::{Action, BODY_VERSION, Body, Confirm, OrderKey, Payload};
    use vostro_types::{AccountId, Epoch, Label, Time, Validator};

    const CHAIN: Hash = Hash([7; 32]);

    fn verifier() -> Verifier {
        let key = |seed| SecretKey::from_seed([seed; 32]).public();
        let (name, platform) = (Label::new("one").unwrap(), AccountId([0; 32]));
        let validator = Validator { name, platform, key: key(1), network_key: key(2) };
        let validators = ValidatorSet::new(Epoch(0), vec![validator]).unwrap();
        Verifier::new(CHAIN, Arc::new(validators), Metrics::new())
    }

    fn transaction(salt: u64, signed_for: &Hash) -> Transaction {
        let order = OrderKey { platform: AccountId([1; 32]), order_id: Label::new("o").unwrap() };
        let payload = Payload::One(Action::Confirm(Confirm { order }));
        let body = Body { version: BODY_VERSION, sender: AccountId([2; 32]), valid_until: Time(9), salt, payload };
        body.sign(signed_for, &[&SecretKey::from_seed([3; 32])])
    }

    fn list(signatures: usize) -> List {
        let transactions = vec![Arc::new(transaction(0, &CHAIN)); signatures];
        List { transactions, signatures, verdicts: oneshot::channel().0 }
    }

    /// Hands in lists at once; in a list each letter is a transaction, signed for this chain if it is g. Gives the verdicts.
    async fn verdicts(verifier: &Verifier, lists: &[&str]) -> Vec<String> {
        let mut salt = 0;
        let mut make = |letter: char| {
            salt += 1;
            transaction(salt, if letter == 'g' { &CHAIN } else { &Hash::ZERO })
        };
        let calls = lists.iter().map(|list| verifier.verify(list.chars().map(&mut make).collect::<Vec<_>>()));
        let judged = futures::future::join_all(calls).await;
        judged.iter().map(|list| list.iter().map(|one| if one.is_ok() { 'g' } else { 'b' }).collect()).collect()
    }

    #[test]
    fn a_batch_is_what_waits_within_bounds() {
        let sizes = |batch: Vec<List>| batch.iter().map(|list| list.signatures).collect::<Vec<_>>();
        let (mut queue, now) = (Queue::default(), Instant::now());
        assert_eq!(sizes(queue.next(now)), [0; 0]);
        let waiting = [TOGETHER + 1, 1, TOGETHER - 1, 2, 1];
        let first: Vec<bool> = waiting.into_iter().map(|signatures| queue.push(list(signatures))).collect();
        assert_eq!(first, [true, false, false, false, false]);
        assert_eq!(sizes(queue.next(now)), [TOGETHER + 1]);
        assert_eq!(sizes(queue.next(now)), [1, TOGETHER - 1]);
        queue.apart_until = Some(now + APART);
        assert_eq!(sizes(queue.next(now)), [2]);
        assert_eq!(sizes(queue.next(now + APART)), [1]);
    }

    #[tokio::test]
    async fn callers_who_wait_together_get_their_own_verdicts() {
        let verifier = verifier();
        for lists in [&["g", "gg", "", "ggg", "g"][..], &["gbg", "", "b", "ggggggggg", "gb"], &["b"], &["g"]] {
            assert_eq!(verdicts(&verifier, lists).await, lists);
        }
    }

    #[tokio::test]
    async fn who_hands_in_bad_ones_keeps_others_apart_for_a_while() {
        let verifier = verifier();
        let is_apart = || verifier.queue(|queue| queue.apart_until.is_some());
        verdicts(&verifier, &["b"]).await;
        verdicts(&verifier, &["g", "g"]).await;
        assert!(!is_apart(), "what was bad stood alone");
        verdicts(&verifier, &["g", "b"]).await;
        assert!(is_apart());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nobody_waiting() {
        let verifier = verifier();
        let first = verifier.verify(vec![transaction(1, &CHAIN)]);
        assert!(first.now_or_never().is_none(), "it waits");
        assert_eq!(verdicts(&verifier, &["g", "b"]).await, ["g", "b"]);
    }
}
