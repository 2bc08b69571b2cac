//! What ordering a block costs as the number of validators grows: delays, messages, bytes and signature checks.

use vostro_types::Height;

use crate::Failure;
use crate::dice::Dice;
use crate::faults::{Clock, Weather};
use crate::machine::Kind;
use crate::workload::Workload;
use crate::world::World;

/// Blocks that are measured.
const BLOCKS: u64 = 5;

/// Cost of a block in a calm network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Message delays from proposal to decision at the last validator.
    pub delays: f64,
    /// Messages of the ordering protocol sent by all, one for each receiver.
    pub messages: f64,
    /// Their bytes.
    pub bytes: f64,
    /// Signatures of messages, certificates and claims that each validator checks.
    pub checks: f64,
}

/// Measures blocks without transactions among `n` validators, with one delay of 10 ms on every link.
///
/// # Errors
/// [`Failure`] if a property does not hold.
pub fn measure(n: usize) -> Result<Scale, Box<Failure>> {
    let mut dice = Dice::new(1);
    let Workload { genesis, validator_keys, .. } = Workload::new(n, 0, 1, &mut dice);
    let heartbeat = genesis.consensus.heartbeat_ms;
    let kinds = vec![(Kind::Honest, Clock::default(), None); n];
    let mut world = World::new(genesis, validator_keys, Vec::new(), &kinds, 1, false);
    world.weather = Weather::CALM;
    let mut run = || -> Result<Scale, String> {
        world.boot_all()?;
        // The first block is behind us when the figures begin: whoever starts says where it is.
        let end = heartbeat * 3;
        if !world.run(end, |w| w.machines.iter().all(|m| m.height().0 >= 1))? {
            return Err(format!("LIVENESS: no block within {end} ms"));
        }
        let (first, before) = (world.checker.height(), world.figures);
        let mut delays = 0;
        for block in 1..=BLOCKS {
            let goal = Height(first.0 + block);
            if !world.run(world.now + 3 * heartbeat, |w| w.machines.iter().all(|m| m.height() >= goal))? {
                return Err(format!("LIVENESS: no block h{goal} within {} ms", 3 * heartbeat));
            }
            delays += world.now - world.proposed_at.get(&goal).copied().unwrap_or(world.now);
        }
        let (after, blocks) = (world.figures, BLOCKS as f64);
        Ok(Scale {
            delays: delays as f64 / blocks / Weather::CALM.delay.0 as f64,
            messages: (after.messages - before.messages) as f64 / blocks,
            bytes: (after.bytes - before.bytes) as f64 / blocks,
            checks: (after.signatures - before.signatures) as f64 / blocks / n as f64,
        })
    };
    run().map_err(|what| {
        let lines = Vec::new();
        Box::new(Failure { seed: 1, validators: n, step: 0, now: 0, what, verdict: world.judge(), lines })
    })
}
