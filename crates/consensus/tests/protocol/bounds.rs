//! What one hostile validator can make the others hold or do.

use std::sync::Arc;

use vostro_consensus::{
    Config, DecidedBlock, Durable, Effect, GuardMark, Input, Message, PrePrepare, Replica, Signed, Statement, Status,
    Tip, ViewChange, Vote,
};
use vostro_crypto::Hash;
use vostro_types::{Block, BlockId, Certificate, Height, Time, ValidatorIndex, View, VoteKind};

use crate::cluster::chain::{Chain, START, TIMING};

fn boot(chain: &Chain) -> Replica {
    let tip = Tip { height: Height(0), block: BlockId(chain.hash), time: START, certificate: None };
    let config =
        Config { chain: chain.hash, validators: chain.set.clone(), key: Some(chain.keys[0].clone()), timing: TIMING };
    Replica::boot(config, Durable { tip, guard: Some(GuardMark::never_signed()), records: Vec::new() }, START.plus(1)).0
}

/// Votes, view-changes and proposals without end, each signed, each different.
fn flood(chain: &Chain, k: u64) -> Signed {
    let sender = ValidatorIndex(3);
    let (height, view) = (Height(1 + k % 3), View(k * 7 % 1000));
    let mut tag = [0; 32];
    tag[..8].copy_from_slice(&k.to_le_bytes());
    let vote = Vote { height, view, block: BlockId(Hash(tag)) };
    let message = match k % 4 {
        0 => Message::Prepare(vote),
        1 => Message::Commit(vote),
        2 => Message::ViewChange(ViewChange { height, view: View(view.0 + 1), prepared: None, block: None }),
        _ => {
            // validator 3 is the primary of height 3 in view 0, of height 1 in view 2
            let (height, view) = if k % 8 == 3 { (Height(3), View(0)) } else { (Height(2), View(1)) };
            let block = chain.block(height, BlockId(chain.hash), START.plus(k), Hash(tag));
            Message::PrePrepare(PrePrepare { height, view, block, justification: None })
        }
    };
    chain.sign(sender, message)
}

#[test]
fn a_flood_by_one_validator_stays_within_bounds() {
    let chain = Chain::new(4);
    let mut replica = boot(&chain);
    let (mut sizes, mut effects) = (Vec::new(), Vec::new());
    for k in 0..6000 {
        if let Ok(verified) = flood(&chain, k).verify(&chain.hash, &chain.set) {
            effects.extend(replica.step(START.plus(2), Input::Message(verified)));
        }
        if k % 2000 == 1999 {
            sizes.push(format!("{replica:?}").len());
        }
    }
    // it fills its share and no more
    assert!(sizes[2] <= sizes[0] + 4096 && sizes[2] < 200_000, "{sizes:?}");
    // it moves nobody, makes nobody sign, and draws one answer and one accusation of each kind
    assert_eq!((replica.height(), replica.view()), (Height(1), View(0)));
    assert!(
        !effects.iter().any(|e| matches!(e, Effect::Persist { .. } | Effect::Execute { .. } | Effect::Build { .. }))
    );
    let count = |f: &dyn Fn(&Effect) -> bool| effects.iter().filter(|e| f(e)).count();
    assert_eq!(count(&|e| matches!(e, Effect::Send { .. })), 1);
    assert!((1..=3).contains(&count(&|e| matches!(e, Effect::Evidence(_)))));
}

#[test]
fn a_disk_that_never_answers_stops_the_signing() {
    let chain = Chain::new(1);
    let tip = Tip { height: Height(0), block: BlockId(chain.hash), time: START, certificate: None };
    let config =
        Config { chain: chain.hash, validators: chain.set.clone(), key: Some(chain.keys[0].clone()), timing: TIMING };
    let mut replica =
        Replica::boot(config, Durable { tip, guard: Some(GuardMark::never_signed()), records: Vec::new() }, START).0;
    let mut persists = 0;
    let mut now = START;
    for _ in 0..2000 {
        now = now.plus(500);
        for input in [Input::Demand(true), Input::Tick] {
            let effects = replica.step(now, input);
            persists += effects.iter().filter(|e| matches!(e, Effect::Persist { .. })).count();
            assert!(!effects.iter().any(|e| matches!(e, Effect::Send { message, .. }
                if !matches!(message.message, Message::Status(_)))));
        }
    }
    assert!(persists <= vostro_consensus::MAX_UNPERSISTED, "{persists}");
}

#[test]
fn inputs_that_answer_nothing_change_nothing() {
    let chain = Chain::new(4);
    let mut replica = boot(&chain);
    let block = chain.block(Height(1), BlockId(chain.hash), START.plus(5), Hash([1; 32]));
    let strange = [
        Input::Persisted(vostro_consensus::Seq(9)),
        Input::Executed { block: block.id(), valid: true },
        Input::Executed { block: block.id(), valid: false },
        Input::Built { height: Height(1), view: View(0), block: block.clone() },
        Input::Built { height: Height(7), view: View(3), block },
        Input::Reconnected(ValidatorIndex(99)),
        Input::Reconnected(ValidatorIndex(0)),
    ];
    for input in strange {
        let effects = replica.step(START.plus(2), input.clone());
        assert!(effects.iter().all(|e| matches!(e, Effect::WakeAt(_))), "{input:?} led to {effects:?}");
    }
    // nobody is away who is no validator, or from itself
    for peer in [99, 0] {
        let before = format!("{replica:?}");
        replica.step(START.plus(2), Input::Disconnected(ValidatorIndex(peer)));
        assert_eq!(format!("{replica:?}"), before);
    }
    // a clock set to zero or to the end of time harms nothing
    for now in [Time(0), Time(u64::MAX), START] {
        replica.step(now, Input::Tick);
    }
    assert_eq!(replica.height(), Height(1));
}

fn decided(chain: &Chain, block: &Arc<Block>) -> DecidedBlock {
    let (height, id, view) = (block.header.height, block.id(), View(0));
    let said = Statement::Vote { kind: VoteKind::Commit, height, view, block: id }.bytes(&chain.hash, &chain.set);
    let signatures = (0..4).map(|i| (ValidatorIndex(i), chain.keys[usize::from(i)].sign(&said))).collect();
    let epoch = chain.set.epoch();
    let certificate = Certificate { kind: VoteKind::Commit, epoch, height, view, block: id, signatures };
    DecidedBlock::verify(block.clone(), certificate, &chain.hash, &chain.set).unwrap()
}

/// More than f faulty validators can make contradicting certificates. No replica follows the second one.
#[test]
fn a_certificate_against_the_decided_chain_stops_the_node() {
    let chain = Chain::new(4);
    let genesis = BlockId(chain.hash);
    let one = chain.block(Height(1), genesis, START.plus(1), Hash([1; 32]));
    let other = chain.block(Height(1), genesis, START.plus(1), Hash([2; 32]));
    let on_other = chain.block(Height(2), other.id(), START.plus(2), Hash([3; 32]));
    let stops = |replica: &mut Replica, input: Input| {
        let effects = replica.step(START.plus(5), input);
        assert!(effects.iter().any(|e| matches!(e, Effect::Conflict(_))), "{effects:?}");
        assert!(!effects.iter().any(|e| matches!(e, Effect::Decide(_))));
        assert_eq!(replica.phase(), "stopped");
        assert!(replica.step(START.plus(90_000), Input::Demand(true)).is_empty());
    };
    let mut replica = boot(&chain);
    replica.step(START.plus(2), Input::Synced(decided(&chain, &one)));
    assert_eq!(replica.tip().block, one.id());
    // a decided height is not decided again
    assert!(replica.step(START.plus(3), Input::Synced(decided(&chain, &other))).is_empty());
    let mut twin = replica.clone();
    stops(&mut replica, Input::Synced(decided(&chain, &on_other)));

    let certificate = Some(decided(&chain, &other).certificate().clone());
    let status = Message::Status(Status { block: other.id(), certificate });
    let told = chain.sign(ValidatorIndex(2), status).verify(&chain.hash, &chain.set).unwrap();
    stops(&mut twin, Input::Message(told));
}
