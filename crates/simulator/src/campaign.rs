//! Many seeds on all cores, summed up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::effects::{self, Counts};
use crate::{Failure, Outcome, Settings, simulate};

/// Sums over the outcomes of many seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Seeds in which everything held.
    pub seeds: u64,
    /// Seeds with at least one faulty validator.
    pub with_faulty: u64,
    /// Decided blocks.
    pub blocks: u64,
    /// Highest view in which a block was decided.
    pub highest_view: u64,
    /// Transactions with a receipt.
    pub transactions: u64,
    /// Of these, how many took effect.
    pub applied: u64,
    /// What took effect, by name.
    pub effects: Counts,
    /// Refusals, by the contract's code.
    pub refused: BTreeMap<u16, u64>,
    /// Crashes.
    pub crashes: u64,
    /// View-changes sent.
    pub view_changes: u64,
    /// Catch-up requests.
    pub requests: u64,
    /// Falsified messages.
    pub falsified: u64,
    /// Proposals sent short.
    pub short: u64,
    /// Short proposals that were put together in the last life of each machine.
    pub put_together: u64,
    /// Questions for what a short proposal names.
    pub asked: u64,
    /// Contradictions proved.
    pub accused: u64,
    /// Messages of the ordering protocol.
    pub messages: u64,
    /// Events.
    pub events: u64,
    /// Longest time from the end of bad weather to two more blocks everywhere, in virtual milliseconds.
    pub slowest_recovery_ms: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        let figures = &outcome.figures;
        self.seeds += 1;
        self.with_faulty += u64::from(outcome.faulty > 0);
        self.blocks += outcome.blocks;
        self.highest_view = self.highest_view.max(outcome.highest_view);
        self.transactions += outcome.transactions as u64;
        self.applied += outcome.applied as u64;
        effects::add(&mut self.effects, &outcome.effects);
        effects::add(&mut self.refused, &outcome.refused);
        self.crashes += figures.crashes;
        self.view_changes += figures.view_changes;
        self.requests += figures.requests;
        self.falsified += figures.falsified;
        self.short += figures.short;
        self.put_together += figures.put_together;
        self.asked += figures.asked;
        self.accused += outcome.accused as u64;
        self.messages += figures.messages;
        self.events += figures.events;
        self.slowest_recovery_ms = self.slowest_recovery_ms.max(outcome.recovered_ms);
        self.virtual_ms += outcome.virtual_ms;
    }
}

/// Runs seeds from `settings.seed` on, on `threads` threads; `progress` hears of each seed that is done.
///
/// # Errors
/// The failure with the lowest seed among those found; no further seed is begun after one is found.
pub fn campaign(
    settings: &Settings,
    seeds: u64,
    threads: usize,
    progress: impl Fn() + Sync,
) -> Result<Summary, Box<Failure>> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let result: Mutex<(Summary, Option<Box<Failure>>)> = Mutex::new((Summary::default(), None));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let offset = next.fetch_add(1, Ordering::Relaxed);
            if offset >= seeds {
                return;
            }
            let one = Settings { seed: settings.seed.wrapping_add(offset), ..settings.clone() };
            let outcome = simulate(&one);
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(outcome) => result.0.add(&outcome),
                Err(failure) => {
                    stop.store(true, Ordering::Relaxed);
                    if result.1.as_ref().is_none_or(|found| failure.seed < found.seed) {
                        result.1 = Some(failure);
                    }
                }
            }
            drop(result);
            progress();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let (summary, failure) = result.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(summary), Err)
}
