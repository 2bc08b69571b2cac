//! Runs one target many times: chooses an input, changes it, executes, and judges panic and memory.
//!
//! Invariant: a run follows from target, seed and number of executions; a failing input is kept with the least of it
//! that still fails.
//!
//! Inputs that made the decoder answer in a way not seen before join the corpus. That is no coverage, but it leads the
//! run past a decoder's first checks, and needs nothing but a stable compiler.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::MEMORY;
use crate::mutate::Mutator;
use crate::random::Random;
use crate::targets::{Outcome, Target};

/// Inputs a run collects beyond the samples, at most.
const MAX_FOUND: usize = 4096;
/// Executions spent on making a failing input smaller.
const MINIMISE: usize = 2000;
/// Executions between two calls of the progress function.
const TICK: u64 = 256;
/// An execution above this is a failure of its own: a decoder that hangs.
const SLOWEST: Duration = Duration::from_secs(20);

/// Figures of the process are those of one run only while one runs.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How much to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Executions.
    pub executions: u64,
    /// Everything follows from it.
    pub seed: u64,
    /// Stops earlier when this much time has gone by.
    pub at_most: Option<Duration>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Executions so far.
    pub executions: u64,
    /// Most memory one of them took.
    pub peak: usize,
    /// Distinct outcomes so far.
    pub outcomes: usize,
}

/// What a run saw.
#[derive(Clone, Debug)]
pub struct Report {
    /// Executions.
    pub executions: u64,
    /// Of them, decoded.
    pub accepted: u64,
    /// Distinct answers of the decoder, by the words of its errors.
    pub outcomes: usize,
    /// Most bytes allocated at one moment of one execution.
    pub peak: usize,
    /// Length of the input that took them.
    pub peak_input: usize,
    /// The longest execution.
    pub slowest: Duration,
    /// Wall time of all.
    pub elapsed: Duration,
    /// The first failure, which ends the run.
    pub failure: Option<Failure>,
}

/// An input that broke a property.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The execution, from 1; 0 for one that was replayed.
    pub execution: u64,
    /// What went wrong.
    pub what: String,
    /// The input, made smaller.
    pub input: Vec<u8>,
    /// Its length before.
    pub found_as: usize,
}

struct Execution {
    outcome: Result<Outcome, String>,
    peak: usize,
    took: Duration,
}

fn lock() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn execute(target: &Target, input: &[u8]) -> Execution {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = start.elapsed();
    let peak = MEMORY.peak_usage().saturating_sub(before);
    let budget = (target.budget)(input.len());
    let outcome = match outcome {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")))
        }
        Ok(_) if peak > budget => Err(format!("{peak} bytes allocated for {} of input, above {budget}", input.len())),
        Ok(_) if took > SLOWEST => Err(format!("took {took:?}")),
        Ok(outcome) => Ok(outcome),
    };
    Execution { outcome, peak, took }
}

/// Makes a failing input smaller while it goes on failing: cuts pieces, large ones first, then turns bytes to zero.
fn minimise(target: &Target, mut input: Vec<u8>) -> (Vec<u8>, Option<String>) {
    let mut left = MINIMISE;
    let mut what = None;
    let mut piece = input.len().div_ceil(2);
    let start = Instant::now();
    while piece > 0 && left > 0 && start.elapsed() < SLOWEST {
        let mut at = 0;
        while at < input.len() && left > 0 {
            let mut shorter = input.clone();
            shorter.drain(at..(at + piece).min(input.len()));
            left -= 1;
            match execute(target, &shorter).outcome {
                Err(text) => (input, what) = (shorter, Some(text)),
                Ok(_) => at += piece,
            }
        }
        piece /= 2;
    }
    for at in 0..input.len().min(left) {
        let held = std::mem::replace(&mut input[at], 0);
        match execute(target, &input).outcome {
            Err(text) => what = Some(text),
            Ok(_) => input[at] = held,
        }
    }
    (input, what)
}

impl Failure {
    /// Runs one input alone.
    ///
    /// # Errors
    /// The failure, as it is.
    pub fn replay(target: &Target, input: &[u8]) -> Result<Outcome, Failure> {
        let _one = lock();
        execute(target, input).outcome.map_err(|what| Failure {
            execution: 0,
            what,
            input: input.to_vec(),
            found_as: input.len(),
        })
    }
}

/// Runs a target; every sample first as it is, then changed ones.
pub fn run(target: &Target, options: &Options, mut progress: impl FnMut(Tick)) -> Report {
    let _one = lock();
    let mut random = Random::new(options.seed ^ crate::targets::fingerprint(target.name));
    let mut corpus = (target.samples)();
    let samples = corpus.len();
    let mutator = Mutator::new(target.shape, target.longest);
    let mut seen = BTreeSet::new();
    let mut input = Vec::new();
    let start = Instant::now();
    let mut report = Report {
        executions: 0,
        accepted: 0,
        outcomes: 0,
        peak: 0,
        peak_input: 0,
        slowest: Duration::ZERO,
        elapsed: Duration::ZERO,
        failure: None,
    };
    while report.executions < options.executions {
        match corpus.get(report.executions as usize) {
            Some(sample) if report.executions < samples as u64 => input.clone_from(sample),
            // What was found lately is behind more checks than the samples are.
            _ => {
                let late = corpus.len() - corpus.len().div_ceil(4);
                let at = if random.one_in(2) {
                    late + random.below(corpus.len() - late)
                } else {
                    random.below(corpus.len())
                };
                mutator.mutate(&mut random, &corpus[at], &corpus, &mut input);
            }
        }
        report.executions += 1;
        let Execution { outcome, peak, took } = execute(target, &input);
        if peak > report.peak {
            (report.peak, report.peak_input) = (peak, input.len());
        }
        report.slowest = report.slowest.max(took);
        match outcome {
            Ok(outcome) => {
                report.accepted += u64::from(outcome.accepted);
                if seen.insert(outcome) && corpus.len() < samples + MAX_FOUND {
                    corpus.push(input.clone());
                }
            }
            Err(what) => {
                let (smaller, said) = minimise(target, input.clone());
                report.failure = Some(Failure {
                    execution: report.executions,
                    what: said.unwrap_or(what),
                    input: smaller,
                    found_as: input.len(),
                });
                break;
            }
        }
        if report.executions.is_multiple_of(TICK) {
            progress(Tick { executions: report.executions, peak: report.peak, outcomes: seen.len() });
            if options.at_most.is_some_and(|most| start.elapsed() >= most) {
                break;
            }
        }
    }
    report.outcomes = seen.len();
    report.elapsed = start.elapsed();
    report
}
