//! Crash points: one short run, and a crash at every place in it.
//!
//! Two enumerations. [`at_actions`] crashes one machine, or all, at every action of the run, and lets the run go on: it
//! must end as without the crash. [`at_bytes`] stops the disk at every byte of every group of writes, and starts a
//! machine from what is left: it must start, keep every block that was durable, and send nothing but what it had signed.

use std::sync::Arc;

use vostro_engine::Action;
use vostro_engine::packet::Packet;
use vostro_storage::disk::Crash;
use vostro_storage::{Batch, persist};
use vostro_types::{Genesis, Height, Time};

use crate::Failure;
use crate::check::Checker;
use crate::dice::Dice;
use crate::faults::{Clock, Weather};
use crate::machine::{Disks, Kind, Machine};
use crate::workload::{START, Workload};
use crate::world::{PlannedCrash, World};

/// Validators of the run.
const VALIDATORS: usize = 4;
/// The first primary is cut off until then, so that the run changes views. Virtual milliseconds.
const CUT_UNTIL: u64 = 900;
/// The run ends at this height at the latest.
const GOAL: Height = Height(5);
/// A run that takes longer has failed. Virtual milliseconds.
const BOUND: u64 = 120_000;
/// Most disk operations of a group.
const MAX_OPERATIONS: u64 = 64;

/// What was enumerated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Crashes at an action.
    pub actions: u64,
    /// Starts from a disk that was stopped at a byte.
    pub bytes: u64,
    /// Messages that these starts sent again.
    pub repeated: u64,
}

fn world() -> (World, Arc<Genesis>) {
    let mut dice = Dice::new(7);
    let Workload { genesis, validator_keys, mut payments } = Workload::new(VALIDATORS, 0, 1, &mut dice);
    payments.retain(|payment| payment.stage == 0);
    let kinds = vec![(Kind::Honest, Clock::default(), None); VALIDATORS];
    let mut world = World::new(genesis.clone(), validator_keys, payments, &kinds, 7, false);
    world.weather = Weather { disk: 3, ..Weather::CALM };
    world.materialise = 10_000;
    (world, genesis)
}

fn run(world: &mut World, mut seen: impl FnMut(&World) -> Result<(), String>) -> Result<(), String> {
    world.cut_off(1);
    world.boot_all()?;
    let mut fault = Ok(());
    let mut look = |w: &World, done: bool| {
        if fault.is_ok() {
            fault = seen(w);
        }
        done || fault.is_err()
    };
    world.run(CUT_UNTIL, |w| look(w, false))?;
    world.mend()?;
    let reached = |w: &World| w.all_settled() && w.machines.iter().all(|m| m.height() >= GOAL);
    let ended = world.run(BOUND, |w| look(w, reached(w)))?;
    fault?;
    if !ended {
        return Err(format!("LIVENESS: not everyone decided h{GOAL} within {BOUND} ms"));
    }
    world.audit()
}

fn failure(world: &World, what: String) -> Box<Failure> {
    let lines = world.trace.lines().map(str::to_owned).collect();
    Box::new(Failure {
        seed: 7,
        validators: VALIDATORS,
        step: world.figures.events,
        now: world.now,
        what,
        verdict: world.judge(),
        lines,
    })
}

/// Crashes at every `stride`-th action of every machine, alone and together with all others, with everything kept, lost
/// and torn.
///
/// # Errors
/// [`Failure`] for the first point after which a property does not hold.
pub fn at_actions(stride: u64) -> Result<Points, Box<Failure>> {
    let (mut calm, _) = world();
    run(&mut calm, |_| Ok(())).map_err(|what| failure(&calm, what))?;
    let mut points = Points::default();
    for at in 0..VALIDATORS {
        for after in (0..calm.actions[at]).step_by(stride.max(1) as usize) {
            for survive in [Crash::KeepAll, Crash::LoseAll, Crash::Random(after)] {
                for everyone in [false, true] {
                    let (mut world, _) = world();
                    let plan = PlannedCrash { at, after, everyone, survive };
                    world.planned = Some(plan);
                    run(&mut world, |_| Ok(())).map_err(|what| failure(&world, format!("{what} ({plan:?})")))?;
                    points.actions += 1;
                }
            }
        }
    }
    Ok(points)
}

/// Stops the disk at every `step`-th byte, and at every operation, of every `stride`-th group of writes of the run.
///
/// # Errors
/// [`Failure`] for the first start that fails or contradicts what the validator had said.
pub fn at_bytes(stride: u64, step: u64) -> Result<Points, Box<Failure>> {
    let (mut world, genesis) = world();
    let mut points = Points::default();
    let mut last = [0; VALIDATORS];
    let mut groups = 0;
    let outcome = run(&mut world, |world| {
        for (at, machine) in world.machines.iter().enumerate() {
            let Some(ticket) = machine.writing().last().map(|batch| batch.ticket + (machine.life << 32)) else {
                continue;
            };
            if std::mem::replace(&mut last[at], ticket) == ticket {
                continue;
            }
            groups += 1;
            if groups % stride.max(1) == 0 {
                tear(machine, &genesis, &world.checker, world.now, step, &mut points)?;
            }
        }
        Ok(())
    });
    outcome.map_err(|what| failure(&world, what))?;
    Ok(points)
}

/// Every way in which the disks may be found if the power fails while the machine's group is written.
fn tear(
    machine: &Machine,
    genesis: &Arc<Genesis>,
    checker: &Checker,
    now: u64,
    step: u64,
    points: &mut Points,
) -> Result<(), String> {
    let whole = |d: &Disks| d.survivor(Crash::KeepAll, Crash::KeepAll, Crash::KeepAll);
    let before = starts(machine, whole(&machine.disks), genesis, checker, now, points)?;
    for disk in 0..3 {
        let mut largest: Option<(u64, Disks)> = None;
        for operations in 0..MAX_OPERATIONS {
            let disks = whole(&machine.disks);
            let Some(unsynced) = stopped(&disks, disk, operations, machine.writing(), genesis)? else { break };
            for survive in [Crash::LoseAll, Crash::KeepAll, Crash::Random(operations)] {
                let found = disks.survivor(survive, survive, survive);
                let height = starts(machine, found, genesis, checker, now, points)?;
                if height < before {
                    return Err(format!("LOST: v{} starts at h{height} instead of h{before}", machine.validator));
                }
            }
            if largest.as_ref().is_none_or(|(bytes, _)| *bytes < unsynced) {
                largest = Some((unsynced, disks));
            }
        }
        if let Some((unsynced, disks)) = largest {
            for bytes in (0..=unsynced).step_by(step.max(1) as usize).chain([unsynced]) {
                let prefix = Crash::Prefix(bytes);
                let found = disks.survivor(prefix, prefix, prefix);
                starts(machine, found, genesis, checker, now, points)?;
            }
        }
    }
    Ok(())
}

/// Writes the group on `disks` until one of them refuses its next operation; gives the bytes then not synced, or `None`
/// if all was written.
fn stopped(
    disks: &Disks,
    disk: usize,
    operations: u64,
    group: &[Batch],
    genesis: &Genesis,
) -> Result<Option<u64>, String> {
    let mut journal = disks.open(&genesis.hash()).map_err(|e| format!("BOOT: {e}"))?;
    disks.all()[disk].fail_after(operations);
    let failed = persist(&mut journal, group).is_err();
    drop(journal);
    Ok(failed.then(|| disks.all()[disk].unsynced_bytes()))
}

/// Starts a machine from disks and looks at what it says first.
fn starts(
    machine: &Machine,
    disks: Disks,
    genesis: &Arc<Genesis>,
    checker: &Checker,
    now: u64,
    points: &mut Points,
) -> Result<Height, String> {
    points.bytes += 1;
    let mut again = machine.on(disks);
    let actions = again
        .boot(genesis, Time(START + now))
        .map_err(|e| format!("BOOT: v{} does not start from a torn disk: {e}", machine.validator))?;
    for action in actions {
        let Action::Send { bytes, .. } = action else { continue };
        let packet = Packet::decode(&bytes).map_err(|e| format!("CODEC: {e}"))?;
        let Some(signed) = packet.signed() else { continue };
        if signed.sender != machine.validator || signed.message.statement().position().is_none() {
            continue;
        }
        points.repeated += 1;
        if !again.durable.contains(&signed.signature) {
            return Err(format!("DURABILITY: v{} starts with what its disk does not hold", machine.validator));
        }
        if checker.contradicts(signed) {
            return Err(format!("CONTRADICTION: v{} starts with another statement than before", machine.validator));
        }
    }
    Ok(again.height())
}
