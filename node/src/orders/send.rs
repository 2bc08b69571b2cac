//! Signs transactions, sends them, and follows each until it is decided.
//!
//! Invariant: while a transaction is undecided only the same bytes are sent again; it is signed anew only after it has
//! expired.

use std::time::Duration;

use color_eyre::eyre::{Result, ensure, eyre};
use indicatif::ProgressBar;
use tokio::time::Instant;
use vostro_types::transaction::BODY_VERSION;
use vostro_types::{AccountId, Action, Body, Hash, Payload, SecretKey, Time, Transaction};

use super::import::{ROUNDS, Run};
use super::ledger::{Ledger, Verdict};
use super::parties::Party;

/// Actions in one transaction of the preparation.
const ACTIONS: usize = 100;
/// Validity is rounded to this many milliseconds, so that a second try soon after makes the same transaction.
const SLOT_MS: u64 = 20 * 60 * 1000;
/// How long nothing may be decided before the import gives up.
const STALLED: Duration = Duration::from_secs(180);
/// First and longest pause between two looks at what is pending.
const POLL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// How often a chunk's pending transactions are submitted again, in case a node forgot them.
const RESUBMIT: Duration = Duration::from_secs(2);

/// An action, and the key of somebody else who must consent to it.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) consent: Option<SecretKey>,
}

impl From<Action> for Step {
    fn from(action: Action) -> Self {
        Step { action, consent: None }
    }
}

/// A transaction to be signed when its turn comes.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) sender: AccountId,
    pub(super) actions: Vec<Action>,
    pub(super) keys: Vec<SecretKey>,
    /// Set where a second try must have the same id.
    pub(super) salt: Option<u64>,
}

impl Job {
    pub(super) fn new(party: &Party, action: Action) -> Self {
        Job::batch(party, &[Step { action, consent: None }])
    }

    /// Actions of one sender, signed by it and by all whose consent they need.
    pub(super) fn batch(party: &Party, steps: &[Step]) -> Self {
        let mut keys = vec![party.key.clone()];
        keys.extend(steps.iter().filter_map(|step| step.consent.clone()));
        Job { sender: party.account, actions: steps.iter().map(|step| step.action.clone()).collect(), keys, salt: None }
    }

    pub(super) fn sign(&self, chain: &Hash, valid_until: Time) -> Result<Transaction> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|e| eyre!("no randomness: {e}"))?;
        let payload = match self.actions.as_slice() {
            [one] => Payload::One(one.clone()),
            many => Payload::Batch(many.to_vec()),
        };
        let salt = self.salt.unwrap_or(u64::from_le_bytes(salt));
        let body = Body { version: BODY_VERSION, sender: self.sender, valid_until, salt, payload };
        Ok(body.sign(chain, &self.keys.iter().collect::<Vec<_>>()))
    }
}

impl<L: Ledger> Run<L> {
    pub(super) async fn valid_until(&self) -> Result<Time> {
        Ok(Time((self.ledger.time().await?.0 / SLOT_MS + 2) * SLOT_MS))
    }

    /// Sends jobs and waits until each is decided.
    pub(super) async fn settle(&self, jobs: &[Job]) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::Pending; jobs.len()];
        for _ in 0..ROUNDS {
            let open: Vec<usize> = (0..jobs.len()).filter(|i| verdicts[*i] == Verdict::Pending).collect();
            if open.is_empty() {
                break;
            }
            let until = self.valid_until().await?;
            let chosen: Vec<Job> = open.iter().map(|i| jobs[*i].clone()).collect();
            let chain = self.facts.chain;
            // signing a chunk takes milliseconds that the runtime's threads should not spend
            let signed = tokio::task::spawn_blocking(move || {
                chosen.iter().map(|job| job.sign(&chain, until)).collect::<Result<Vec<_>>>()
            });
            let decided = self.follow(&signed.await??).await?;
            for (i, verdict) in open.into_iter().zip(decided) {
                // too late for its block: signed again with a new time
                let expired = matches!(verdict, Verdict::Refused { code: 103, .. });
                verdicts[i] = if expired { Verdict::Pending } else { verdict };
            }
        }
        for verdict in &mut verdicts {
            if *verdict == Verdict::Pending {
                *verdict =
                    Verdict::Refused { code: 103, reason: "it expired before a block took it, again and again".into() };
            }
        }
        Ok(verdicts)
    }

    /// Submits transactions, the same bytes again where needed, until each is decided.
    async fn follow(&self, transactions: &[Transaction]) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::Busy; transactions.len()];
        let (mut pause, longest) = POLL;
        let (mut progress, mut asked) = (Instant::now(), Instant::now());
        // whether to ask for those that a node took already too
        let mut all = false;
        loop {
            let open = |v: &Verdict| matches!(v, Verdict::Pending | Verdict::Busy);
            let Some(last) = verdicts.iter().rposition(open) else { return Ok(verdicts) };
            let chosen: Vec<usize> = (0..verdicts.len())
                .filter(|i| verdicts[*i] == Verdict::Busy || (all && verdicts[*i] == Verdict::Pending))
                .collect();
            let again: Vec<Transaction> = chosen.iter().map(|i| transactions[*i].clone()).collect();
            for (i, verdict) in chosen.into_iter().zip(self.ledger.submit(&again).await?) {
                if !open(&verdict) {
                    (progress, pause) = (Instant::now(), POLL.0);
                }
                verdicts[i] = verdict;
            }
            ensure!(progress.elapsed() < STALLED, "no block took a transaction for {} s", STALLED.as_secs());
            if verdicts.contains(&Verdict::Busy) {
                // the nodes have enough to do: those that were not taken wait
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
                all = asked.elapsed() > RESUBMIT;
            } else {
                // the last of them tells when to ask for all
                while asked.elapsed() < RESUBMIT
                    && verdicts[last] == Verdict::Pending
                    && !self.ledger.decided(&transactions[last]).await?
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                all = true;
            }
            if all {
                asked = Instant::now();
            }
        }
    }

    /// Sends actions of one sender in batches; where a batch is refused, its actions one by one. Counts what was
    /// refused and why.
    pub(super) async fn settle_actions(&self, bar: &ProgressBar, work: Vec<(Party, Vec<Step>)>) -> Result<Vec<String>> {
        let mut jobs = Vec::new();
        for (party, steps) in &work {
            jobs.extend(steps.chunks(ACTIONS).map(|chunk| Job::batch(party, chunk)));
        }
        let mut singles = Vec::new();
        for some in jobs.chunks(8) {
            for (job, verdict) in some.iter().zip(self.settle(some).await?) {
                match verdict {
                    Verdict::Refused { .. } => {
                        let single = |action: &Action| Job { actions: vec![action.clone()], ..job.clone() };
                        singles.extend(job.actions.iter().map(single));
                    }
                    _ => bar.inc(job.actions.len() as u64),
                }
            }
        }
        let mut refused = Vec::new();
        for some in singles.chunks(self.options.chunk.max(1)) {
            for verdict in self.settle(some).await? {
                match verdict {
                    Verdict::Refused { reason, .. } => refused.push(reason),
                    _ => bar.inc(1),
                }
            }
        }
        Ok(refused)
    }
}
