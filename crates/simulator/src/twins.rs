//! Twins (Bano et al. 2021, "Twins: BFT systems made robust"): a validator that runs twice with one key, under every way
//! of parting the network, round by round.
//!
//! A round lasts as long as a view: within it the machines are on sides, and only those of one side hear each other.
//! After the last round the network is whole, and everyone has to decide.

use crate::Failure;
use crate::dice::Dice;
use crate::faults::{Clock, Weather};
use crate::machine::Kind;
use crate::workload::Workload;
use crate::world::World;

/// Validators; a twin makes one machine more.
const VALIDATORS: usize = 4;
/// Machines of a run.
pub const MACHINES: usize = VALIDATORS + 1;
/// How long a round lasts, in virtual milliseconds: the time-out of view 0.
const ROUND: u64 = 400;

/// The side of every machine in a round; machine 4 is the second of the twins.
pub type Sides = [u8; MACHINES];

/// Every way to part the machines into at most two sides.
pub fn two_sides() -> Vec<Sides> {
    // Machine 0 is on side 0: the names of the sides do not matter.
    let of = |mask: u8| std::array::from_fn(|at| if at == 0 { 0 } else { (mask >> (at - 1)) & 1 });
    (0..1 << (MACHINES - 1)).map(of).collect()
}

/// Runs one scenario: validator `twin` twice, a round for each of `rounds`, then calm.
///
/// # Errors
/// [`Failure`] for the first property that does not hold.
pub fn scenario(twin: usize, rounds: &[Sides]) -> Result<u64, Box<Failure>> {
    let mut dice = Dice::new(3);
    let Workload { genesis, validator_keys, mut payments } = Workload::new(VALIDATORS, 0, 1, &mut dice);
    payments.retain(|payment| payment.stage == 0);
    // Few transactions, handed in at machines that differ: the twins' blocks differ too.
    payments.truncate(4);
    let mut kinds = vec![(Kind::Honest, Clock::default(), None); VALIDATORS];
    kinds[twin].0 = Kind::Twin(0);
    let (heartbeat, timeout) = (genesis.consensus.heartbeat_ms, genesis.consensus.base_timeout_ms);
    let mut world = World::new(genesis, validator_keys, payments, &kinds, 3, false);
    world.weather = Weather::CALM;
    let mut run = || -> Result<u64, String> {
        let mut booted = false;
        for sides in rounds {
            world.part(sides)?;
            if !booted {
                world.boot_all()?;
                booted = true;
            }
            world.run(world.now + ROUND, |_| false)?;
        }
        world.part(&[0; MACHINES])?;
        let goal = world.checker.height().0 + 1;
        let honest = world.honest();
        let bound = 2 * (heartbeat + 8 * timeout);
        let reached = |w: &World| w.all_settled() && honest.iter().all(|at| w.machines[*at].height().0 >= goal);
        if !world.run(world.now + bound, reached)? {
            return Err(format!("LIVENESS: not everyone decided h{goal} within {bound} ms"));
        }
        Ok(world.checker.accused.len() as u64)
    };
    run().map_err(|what| {
        let lines = world.trace.lines().map(str::to_owned).collect();
        let what = format!("{what} (twin {twin}, rounds {rounds:?})");
        Box::new(Failure {
            seed: 3,
            validators: VALIDATORS,
            step: world.figures.events,
            now: world.now,
            what,
            verdict: world.judge(),
            lines,
        })
    })
}
