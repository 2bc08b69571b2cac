//! Verifies what clients and peers hand in: all but a few signatures off the runtime's threads, and short lists that wait at the same
//! time as one batch, whoever handed them in.
//!
//! Invariant: each caller gets the verdicts that his transactions would get alone, and what nobody waits for any more is not verified.
//! Who hands in signatures that do not verify makes a batch dearer for others at most once in [`APART`].

use std::collections::VecDeque;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{spawn_blocking, yield_now};
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
/// A list of more is long: it gains hardly anything from others beside it.
const SHORT: usize = 128;
/// Of short lists so many signatures are verified together at most.
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

/// Short lists that wait to be verified.
#[derive(Default)]
struct Queue {
    lists: VecDeque<List>,
    /// Whether a task sees to them.
    attended: bool,
    /// Until when lists are verified by themselves.
    apart_until: Option<Instant>,
}

impl Queue {
    /// True if nobody sees to what waits: the caller has to.
    fn push(&mut self, list: List) -> bool {
        self.lists.push_back(list);
        !std::mem::replace(&mut self.attended, true)
    }

    /// The next batch: what came first, and what came after it as far as it may be verified with it. If nothing waits nobody sees
    /// to it from now on.
    fn next(&mut self) -> Vec<List> {
        self.lists.retain(|list| !list.verdicts.is_closed());
        let mut room = TOGETHER;
        let mut batch = Vec::new();
        while let Some(list) = self.lists.pop_front_if(|list| list.signatures <= room) {
            room -= list.signatures;
            batch.push(list);
        }
        self.attended = !batch.is_empty();
        batch
    }
}

/// Verdicts for each list, and whether they were to be verified together and could not.
fn judge(lists: Vec<Vec<Arc<Transaction>>>, together: bool, chain: &Hash) -> (Vec<Vec<Verdict>>, bool) {
    let together = together && lists.len() > 1;
    let verified = if together { verify_together(&lists, chain) } else { None };
    match verified {
        Some(lists) => (lists.into_iter().map(|list| list.into_iter().map(Ok).collect()).collect(), false),
        None => (lists.into_iter().map(|list| verify_all(list, chain)).collect(), together),
    }
}

/// Does work on a thread for work that blocks.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is ending, and with it whoever waits here.
        Err(Err(_)) => pending().await,
    }
}

/// Verifies transactions and evidence: long lists as many at a time as there are processors, beside them batches of short ones one after
/// the other, and the answer to the one request that is under way.
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
        let of = |tx: &Arc<Transaction>| tx.signatures.len() + tx.body.quote_signatures();
        let signatures = transactions.iter().map(of).sum();
        if signatures > SHORT {
            let _turn = self.turns.acquire().await;
            let this = self.clone();
            return elsewhere(move || this.timed(|| verify_all(transactions, &this.chain))).await;
        }
        if transactions.is_empty() {
            return Vec::new();
        }
        let (verdicts, judged) = oneshot::channel();
        if self.queue(|queue| queue.push(List { transactions, signatures, verdicts })) {
            // A task of its own: this caller may give up.
            tokio::spawn(self.clone().attend());
        }
        match judged.await {
            Ok(judged) => judged,
            // The runtime is ending, and with it this caller.
            Err(_) => pending().await,
        }
    }

    fn queue<R>(&self, work: impl FnOnce(&mut Queue) -> R) -> R {
        work(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn timed<R>(&self, work: impl FnOnce() -> R) -> R {
        let (result, time) = timed(work);
        self.metrics.used(Part::Verify, time);
        result
    }

    /// Verifies short lists until none waits.
    async fn attend(self) {
        loop {
            // Whoever is ready now hands in first what he has.
            yield_now().await;
            let (batch, apart_until) = self.queue(|queue| (queue.next(), queue.apart_until));
            if batch.is_empty() {
                return;
            }
            let is_few = batch.iter().map(|list| list.signatures).sum::<usize>() <= FEW_SIGNATURES;
            let (lists, callers): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|list| (list.transactions, list.verdicts)).unzip();
            let this = self.clone();
            let together = apart_until.is_none_or(|until| Instant::now() >= until);
            let work = move || this.timed(|| judge(lists, together, &this.chain));
            let (verdicts, failed) = if is_few { work() } else { elsewhere(work).await };
            if failed {
                self.queue(|queue| queue.apart_until = Some(Instant::now() + APART));
            }
            for (caller, verdicts) in callers.into_iter().zip(verdicts) {
                // One that gave up does not need them.
                let _ = caller.send(verdicts);
            }
        }
    }

    /// Reads the answer to a request and hands on its blocks, each when it is verified. The thread waits while the engine's queue is
    /// full.
    pub fn answer(&self, id: RequestId, bytes: Option<Vec<u8>>, engine: &Sender<Msg>) {
        let end = self.timed(|| {
            // An engine that is gone needs no more blocks.
            check_answer(bytes, &self.chain, &self.validators, |block| {
                engine.send(Msg::Fetched { id, block: Box::new(block) }).is_ok()
            })
        });
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
        elsewhere(move || evidence.into_iter().filter_map(proves).collect()).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;
    use tokio::time::timeout;
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

    fn list(signatures: usize) -> (List, oneshot::Receiver<Vec<Verdict>>) {
        let (verdicts, caller) = oneshot::channel();
        (List { transactions: Vec::new(), signatures, verdicts }, caller)
    }

    /// Hands in lists at once; in a list each letter is a transaction, signed for this chain if it is g. Gives the verdicts.
    async fn verdicts(verifier: &Verifier, lists: &[&str]) -> Vec<String> {
        let mut salt = 0;
        let mut make = |letter: char| {
            salt += 1;
            transaction(salt, if letter == 'g' { &CHAIN } else { &Hash::ZERO })
        };
        let calls = lists.iter().map(|list| verifier.verify(list.chars().map(&mut make).collect::<Vec<_>>()));
        let judged = timeout(Duration::from_secs(60), futures::future::join_all(calls)).await.unwrap();
        judged.iter().map(|list| list.iter().map(|one| if one.is_ok() { 'g' } else { 'b' }).collect()).collect()
    }

    #[test]
    fn a_batch_is_what_waits_within_bounds() {
        let sizes = |batch: Vec<List>| batch.iter().map(|list| list.signatures).collect::<Vec<_>>();
        let mut queue = Queue::default();
        let (lists, mut callers): (Vec<_>, Vec<_>) = [1, TOGETHER - 1, 2, 3, 1].into_iter().map(list).unzip();
        let to_attend: Vec<bool> = lists.into_iter().map(|list| queue.push(list)).collect();
        assert_eq!(to_attend, [true, false, false, false, false]);
        assert_eq!(sizes(queue.next()), [1, TOGETHER - 1]);
        callers.remove(3); // gives up
        assert_eq!(sizes(queue.next()), [2, 1]);
        let (late, _caller) = list(4);
        assert!(!queue.push(late), "somebody is on his way still");
        assert_eq!((sizes(queue.next()), sizes(queue.next())), (vec![4], vec![]));
        assert!(queue.push(list(1).0));
        assert_eq!(sizes(queue.next()), [0; 0]);
        assert!(queue.push(list(1).0));
    }

    #[tokio::test]
    async fn callers_who_wait_together_get_their_own_verdicts() {
        let verifier = verifier();
        let (long, short) = ("g".repeat(SHORT + 1), "g".repeat(SHORT));
        let many = [&*long, "b", &*short, &*short, &*short, &*short, "gbg", &*short];
        for lists in [&["g", "gg", "", "ggg", "g"][..], &["gbg", "", "b", "ggggggggg", "gb"], &["b"], &["g"], &many] {
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
