//! Whole networks in virtual time: production engine, contract and storage formats; simulated clocks, links and disks.
//!
//! ```text
//!            Settings (seed, validators, faults)
//!                          │
//!   workload ── clients ─► World ◄── faults: weather, clocks, crashes        one event at a time
//!                          │  ▲
//!        machine: Engine ◄─┘  └─► Journal on MemDisk (loses, tears, flips)
//!                          │
//!   byzantine: a filter between a machine and its links        Checker: one reference ledger
//! ```
//!
//! Invariant: same settings, same trace. [`simulate`] gives what happened, or the [`Failure`] with the property that does
//! not hold and the lines that led there.

pub mod byzantine;
pub mod campaign;
pub mod check;
pub mod crashes;
pub mod dice;
pub mod effects;
pub mod faults;
pub mod machine;
pub mod scale;
pub mod trace;
pub mod twins;
pub mod workload;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;

use vostro_consensus::Verdict;
use vostro_crypto::Hash;

use crate::byzantine::{Habits, TWO_FACED};
use crate::dice::Dice;
use crate::effects::Counts;
use crate::faults::{Clock, Fault, Faults, Weather};
use crate::machine::{Kind, Sabotage};
use crate::workload::Workload;
use crate::world::{Figures, World};

/// Numbers of validators that a seed chooses among.
pub const SIZES: [usize; 6] = [4, 4, 4, 5, 7, 10];
/// Payments of the mix in a run.
const PAYMENTS: (u64, u64) = (12, 40);
/// How long bad weather lasts, in virtual milliseconds.
const BAD_WEATHER: (u64, u64) = (2500, 6000);

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every choice follows from it.
    pub seed: u64,
    /// Number of validators; the seed chooses if `None`.
    pub validators: Option<usize>,
    /// What may go wrong.
    pub faults: Faults,
    /// Whether the whole trace is kept.
    pub trace: bool,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Settings {
    /// A seed with everything that may go wrong but flipped bits.
    pub fn of(seed: u64) -> Self {
        Settings { seed, validators: None, faults: Faults::default(), trace: false, sabotage: None }
    }
}

/// What happened in a run in which everything held.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Validators.
    pub validators: usize,
    /// Liars, twins, lost and rotten disks among them.
    pub faulty: usize,
    /// Decided blocks.
    pub blocks: u64,
    /// Highest view in which one was decided.
    pub highest_view: u64,
    /// Transactions with a receipt.
    pub transactions: usize,
    /// Of these, how many took effect.
    pub applied: usize,
    /// What took effect, by name.
    pub effects: Counts,
    /// Refusals, by the contract's code.
    pub refused: BTreeMap<u16, u64>,
    /// Contradictions proved.
    pub accused: usize,
    /// Virtual milliseconds from the end of bad weather until all was settled.
    pub recovered_ms: u64,
    /// The bound that was asserted for it.
    pub bound_ms: u64,
    /// Virtual milliseconds in all.
    pub virtual_ms: u64,
    /// What was counted.
    pub figures: Figures,
    /// Hash over the trace.
    pub trace_hash: Hash,
    /// The trace, or its end.
    pub lines: Vec<String>,
}

/// A property that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Validators.
    pub validators: usize,
    /// Events before it.
    pub step: u64,
    /// Virtual milliseconds before it.
    pub now: u64,
    /// The property, and what was seen.
    pub what: String,
    /// Who is guilty, if the chain forked.
    pub verdict: Option<Verdict>,
    /// The trace, or its end.
    pub lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}, {} validators, step {}, {} ms", self.seed, self.validators, self.step, self.now)?;
        if let Some(verdict) = &self.verdict {
            for evidence in &verdict.evidence {
                writeln!(f, "guilty: v{} ({})", evidence.validator, evidence.name())?;
            }
        }
        write!(f, "{}", self.what)
    }
}

impl std::error::Error for Failure {}

/// Who is faulty and how, and everyone's clock.
fn cast(n: usize, f: usize, faults: &Faults, precision: u64, dice: &mut Dice) -> Vec<(Kind, Clock, Option<Habits>)> {
    let mut kinds: Vec<(Kind, Clock, Option<Habits>)> = (0..n)
        .map(|_| {
            let clock = Clock::draw(dice, precision, 20_000);
            (Kind::Honest, if faults.has(Fault::Skew) { clock } else { Clock::default() }, None)
        })
        .collect();
    let wanted: Vec<Fault> = [Fault::Byzantine, Fault::Twins, Fault::LostDisk, Fault::Bitrot]
        .into_iter()
        .filter(|fault| faults.has(*fault))
        .collect();
    let count = dice.below(f as u64 + 2).min(f as u64);
    for _ in 0..count {
        let who = dice.below(n as u64) as usize;
        if kinds[who].0 != Kind::Honest || wanted.is_empty() {
            continue;
        }
        let habits = Habits::draw(dice);
        match dice.pick(&wanted) {
            Fault::Byzantine => (kinds[who].0, kinds[who].2) = (Kind::Liar, Some(habits)),
            Fault::Twins => kinds[who].0 = Kind::Twin(0),
            Fault::LostDisk => kinds[who].0 = Kind::Forgetful,
            _ => kinds[who].0 = Kind::Rotten,
        }
    }
    kinds
}

/// Runs one network through bad weather and out of it.
///
/// # Errors
/// [`Failure`] for the first property that does not hold.
pub fn simulate(settings: &Settings) -> Result<Outcome, Box<Failure>> {
    let mut dice = Dice::new(settings.seed ^ 0x5eed_5eed);
    let n = settings.validators.unwrap_or_else(|| *dice.pick(&SIZES));
    let weather = Weather::draw(&settings.faults, &mut dice);
    let bad = dice.between(BAD_WEATHER.0, BAD_WEATHER.1);
    let payments = dice.between(PAYMENTS.0, PAYMENTS.1) as usize;
    let Workload { genesis, validator_keys, payments } = Workload::new(n, payments, bad / 3, &mut dice);
    let set = genesis.validator_set();
    let mut kinds = cast(n, set.faulty(), &settings.faults, genesis.consensus.precision_ms, &mut dice);
    if settings.sabotage == Some(Sabotage::Overpower) {
        for (at, (kind, _, habits)) in kinds.iter_mut().enumerate() {
            let liar = at < 2 * set.faulty();
            (*kind, *habits) = if liar { (Kind::Liar, Some(TWO_FACED)) } else { (Kind::Honest, None) };
        }
    }
    let faulty = kinds.iter().filter(|(kind, ..)| *kind != Kind::Honest).count();
    let parameters = genesis.consensus;
    let mut world = World::new(genesis, validator_keys, payments, &kinds, settings.seed, settings.trace);
    world.tears = settings.faults.has(Fault::Tear);
    if let Some(sabotage) = settings.sabotage {
        world.sabotage(sabotage);
    }
    let mut run = || -> Result<(u64, u64), String> {
        let calm_start = dice.chance(3000);
        world.weather = if calm_start { Weather::CALM } else { weather };
        world.boot_all()?;
        while world.now < bad {
            world.weather = weather;
            world.recut()?;
            for at in 0..world.machines.len() {
                let bears = world.machines[at].kind.may_crash();
                if bears && weather.crash > 0 && dice.chance(800) {
                    world.crash(at);
                    world.restart_later(at, dice.between(10, 1500));
                }
            }
            let end = world.now + dice.between(100, 800);
            world.run(end, |_| false)?;
        }
        // The weather clears: nothing is lost or cut, everyone is up. The faulty stay faulty.
        world.weather = Weather::CALM;
        for at in 0..world.machines.len() {
            world.boot(at)?;
        }
        world.mend()?;
        let start = world.now;
        let tip = world.checker.height();
        // Views come together within one time-out of the highest view; then one of the next f + 1 primaries is honest.
        // The heartbeat is demand where there is none. Twice that, and the same once more for what clients still want.
        let longest = parameters.base_timeout_ms << 5;
        let rounds = set.faulty() as u64 + 2;
        let bound = 2 * (parameters.heartbeat_ms + rounds * longest) + 5000;
        let honest = world.honest();
        let goal = tip.0 + 2;
        let reached =
            |w: &World| w.checker.height().0 >= goal && honest.iter().all(|at| w.machines[*at].height().0 >= goal);
        if !world.run(start + bound, reached)? {
            return Err(format!("LIVENESS: not everyone decided h{goal} within {bound} ms after the weather cleared"));
        }
        let recovered = world.now - start;
        // Every stage of the clients' work takes at most as long again.
        let bound_all = start + 8 * bound;
        let finished =
            |w: &World| w.all_settled() && honest.iter().all(|at| w.machines[*at].height() == w.checker.height());
        if !world.run(bound_all, finished)? {
            return Err(format!("LIVENESS: not everything was settled within {} ms", bound_all - start));
        }
        world.audit()?;
        Ok((recovered, bound))
    };
    let result = run();
    let lines = world.trace.lines().map(str::to_owned).collect();
    match result {
        Ok((recovered_ms, bound_ms)) => {
            let (transactions, applied) = world.settled();
            Ok(Outcome {
                seed: settings.seed,
                validators: n,
                faulty,
                blocks: world.checker.height().0,
                highest_view: world.checker.decided.iter().map(|decided| decided.certificate.view.0).max().unwrap_or(0),
                transactions,
                applied,
                effects: world.checker.effects.applied.clone(),
                refused: world.checker.effects.refused.clone(),
                accused: world.checker.accused.len(),
                recovered_ms,
                bound_ms,
                virtual_ms: world.now,
                figures: Figures { put_together: world.put_together(), ..world.figures },
                trace_hash: world.trace.hash(),
                lines,
            })
        }
        Err(what) => Err(Box::new(Failure {
            seed: settings.seed,
            validators: n,
            step: world.figures.events,
            now: world.now,
            what,
            verdict: world.judge(),
            lines,
        })),
    }
}
