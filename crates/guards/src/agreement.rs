//! One validator's share in a height: a proposal and the others' votes go in, its own votes and a decision come out.

use std::collections::VecDeque;
use std::sync::Arc;

use vostro_consensus::{
    Config, Durable, Effect, GuardMark, Input, MESSAGE_VERSION, Message, PrePrepare, Replica, Signed, Timing, Tip,
    Verified, Vote,
};
use vostro_crypto::Hash;
use vostro_types::transaction::PayMode;
use vostro_types::{BlockId, Height, Time, ValidatorIndex, ValidatorSet, View};

use crate::cast::{Cast, START, VALIDATORS, block, validator_set, validators};

/// The chain that votes are for.
const CHAIN: Hash = Hash([7; 32]);
const TIMING: Timing =
    Timing { base_timeout_ms: 1000, heartbeat_ms: 5000, delay_ms: 500, precision_ms: 500, rebroadcast_ms: 250 };

/// Signs as that validator.
pub(crate) fn signed(sender: ValidatorIndex, message: Message) -> Signed {
    let (set, (keys, _)) = (validator_set(), validators());
    let signature = keys[usize::from(sender.0)].sign(&message.statement().bytes(&CHAIN, &set));
    Signed { version: MESSAGE_VERSION, sender, signature, message }
}

fn heard(set: &ValidatorSet, sender: ValidatorIndex, message: Message) -> Verified {
    signed(sender, message).verify(&CHAIN, set).expect("signed just now")
}

/// A validator at the first height, and what it will hear of it.
pub struct Waiting {
    replica: Replica,
    now: Time,
    heard: Vec<Verified>,
}

/// A validator that is not the primary, the proposal of a block of a hundred payments, and the votes of the others, all
/// verified. With a `key` it votes, which takes two signatures; without one it follows.
fn height(votes: bool) -> Waiting {
    let set = Arc::new(validator_set());
    let (height, view, now) = (Height(1), View(0), START.plus(10));
    let primary = set.primary(height, view);
    let me = ValidatorIndex((primary.0 + 1) % VALIDATORS as u16);
    let block = Arc::new(block(Cast::new().payments(PayMode::Instant), BlockId(CHAIN), now));
    let vote = Vote { height, view, block: block.id() };
    let others = || (0..VALIDATORS as u16).map(ValidatorIndex).filter(|index| *index != me);
    let proposal = PrePrepare { height, view, block, justification: None };
    let mut messages = vec![heard(&set, primary, Message::PrePrepare(proposal))];
    messages.extend(others().map(|index| heard(&set, index, Message::Prepare(vote))));
    messages.extend(others().map(|index| heard(&set, index, Message::Commit(vote))));
    let key = votes.then(|| validators().0.swap_remove(usize::from(me.0)));
    let config = Config { chain: CHAIN, validators: set, key, timing: TIMING };
    let tip = Tip { height: Height(0), block: BlockId(CHAIN), time: START, certificate: None };
    let durable = Durable { tip, guard: Some(GuardMark::never_signed()), records: Vec::new() };
    let (replica, _) = Replica::boot(config, durable, START);
    Waiting { replica, now, heard: messages }
}

/// A validator that votes; two signatures are made.
pub fn voter() -> Waiting {
    height(true)
}

/// A node that follows the same height without signing.
pub fn follower() -> Waiting {
    height(false)
}

/// Gives it all that it hears, answers what it asks for at once, and returns its actions.
pub fn decide(mut waiting: Waiting) -> (Vec<Effect>, Waiting) {
    let (now, mut done) = (waiting.now, Vec::new());
    for message in std::mem::take(&mut waiting.heard) {
        let mut effects: VecDeque<Effect> = waiting.replica.step(now, Input::Firsthand(message)).into();
        while let Some(effect) = effects.pop_front() {
            let answer = match &effect {
                Effect::Persist { seq, .. } => Some(Input::Persisted(*seq)),
                Effect::Execute { block } => Some(Input::Executed { block: block.id(), valid: true }),
                Effect::Decide(_) => Some(Input::Demand(false)),
                _ => None,
            };
            done.push(effect);
            if let Some(answer) = answer {
                effects.extend(waiting.replica.step(now, answer));
            }
        }
    }
    (done, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(effects: &[Effect]) -> Vec<&'static str> {
        let name = |effect: &Effect| match effect {
            Effect::Send { message, .. } => Some(message.message.name()),
            _ => None,
        };
        effects.iter().filter_map(name).collect()
    }

    #[test]
    fn a_voter_votes_twice_and_decides() {
        let (effects, _) = decide(voter());
        assert_eq!(sent(&effects), ["prepare", "commit"]);
        let decided = effects.iter().filter(|effect| matches!(effect, Effect::Decide(_)));
        assert_eq!(decided.count(), 1);
    }

    #[test]
    fn a_follower_decides_without_a_word() {
        let (effects, _) = decide(follower());
        assert!(sent(&effects).is_empty());
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Decide(_))));
    }
}
