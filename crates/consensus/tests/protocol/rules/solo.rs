//! One replica under test among validators whose keys the test holds.

use std::sync::Arc;

use vostro_consensus::{
    Claim, Config, DecidedBlock, Durable, Effect, GuardMark, Input, Justification, Message, PrePrepare, PreparedAt,
    Record, Replica, Seq, Signed, Statement, Status, Timing, Tip, To, Verified, ViewChange, Vote,
};
use vostro_crypto::Hash;
use vostro_types::{Block, BlockId, Certificate, Height, Time, ValidatorIndex, View, VoteKind};

use crate::cluster::chain::{Chain, START, TIMING};

pub(crate) fn v(index: u16) -> ValidatorIndex {
    ValidatorIndex(index)
}

/// What is signed and decided, without a replica.
pub(crate) struct World {
    pub(crate) chain: Chain,
}

impl World {
    pub(crate) fn new() -> Self {
        World { chain: Chain::new(4) }
    }

    pub(crate) fn genesis(&self) -> BlockId {
        BlockId(self.chain.hash)
    }

    pub(crate) fn tip(&self) -> Tip {
        Tip { height: Height(0), block: self.genesis(), time: START, certificate: None }
    }

    /// A block of height 1 that tells itself from others by `tag`.
    pub(crate) fn block(&self, tag: u8) -> Arc<Block> {
        self.chain.block(Height(1), self.genesis(), START.plus(1), Hash([tag; 32]))
    }

    pub(crate) fn certificate(&self, kind: VoteKind, view: u64, block: &Block, signers: &[u16]) -> Certificate {
        let (height, view, id) = (block.header.height, View(view), block.id());
        let said = Statement::Vote { kind, height, view, block: id }.bytes(&self.chain.hash, &self.chain.set);
        let signatures = signers.iter().map(|i| (v(*i), self.chain.keys[usize::from(*i)].sign(&said))).collect();
        Certificate { kind, epoch: self.chain.set.epoch(), height, view, block: id, signatures }
    }

    /// A block that all decided but the validator under test, which would know of its own vote.
    pub(crate) fn decided(&self, block: &Arc<Block>, without: u16) -> DecidedBlock {
        let signers: Vec<u16> = (0..4).filter(|i| *i != without).collect();
        let certificate = self.certificate(VoteKind::Commit, 0, block, &signers);
        DecidedBlock::verify(block.clone(), certificate, &self.chain.hash, &self.chain.set).unwrap()
    }

    pub(crate) fn vote(block: &Block, view: u64) -> Vote {
        Vote { height: block.header.height, view: View(view), block: block.id() }
    }

    pub(crate) fn fresh(block: &Arc<Block>, view: u64, justification: Option<Justification>) -> Message {
        let (height, view) = (block.header.height, View(view));
        Message::PrePrepare(PrePrepare { height, view, block: block.clone(), justification })
    }

    /// View-changes of height 1 as a justification carries them; the certificate is that of the highest one.
    pub(crate) fn justification(&self, view: u64, from: &[u16], prepared: Option<Certificate>) -> Justification {
        let at = prepared.as_ref().map(|p| PreparedAt { view: p.view, block: p.block });
        let claim = |(k, i): (usize, &u16)| {
            let prepared = at.filter(|_| k == 0);
            let said = Statement::ViewChange { height: Height(1), view: View(view), prepared };
            let signature = self.chain.keys[usize::from(*i)].sign(&said.bytes(&self.chain.hash, &self.chain.set));
            Claim { validator: v(*i), prepared, signature }
        };
        Justification { claims: from.iter().enumerate().map(claim).collect(), prepared }
    }

    pub(crate) fn change(view: u64, prepared: Option<Certificate>, block: Option<Arc<Block>>) -> Message {
        Message::ViewChange(ViewChange { height: Height(1), view: View(view), prepared, block })
    }

    pub(crate) fn verified(&self, from: u16, message: Message) -> Verified {
        self.chain.sign(v(from), message).verify(&self.chain.hash, &self.chain.set).unwrap()
    }

    pub(crate) fn signed(&self, from: u16, message: Message) -> Signed {
        self.chain.sign(v(from), message)
    }
}

/// A replica whose disk answers at once unless told otherwise.
pub(crate) struct Solo {
    pub(crate) world: World,
    pub(crate) replica: Replica,
    pub(crate) now: Time,
    pub(crate) disk_answers: bool,
}

impl Solo {
    /// Validator `me`, or an observer, at height 1 with the disk of a new home.
    pub(crate) fn new(me: Option<u16>) -> Self {
        Self::boot(me, None, Vec::new()).0
    }

    pub(crate) fn boot(me: Option<u16>, guard: Option<GuardMark>, records: Vec<Record>) -> (Self, Vec<Effect>) {
        Self::boot_timed(me, guard, records, TIMING)
    }

    pub(crate) fn boot_timed(
        me: Option<u16>,
        guard: Option<GuardMark>,
        records: Vec<Record>,
        timing: Timing,
    ) -> (Self, Vec<Effect>) {
        let world = World::new();
        let key = me.map(|i| world.chain.keys[usize::from(i)].clone());
        let config = Config { chain: world.chain.hash, validators: world.chain.set.clone(), key, timing };
        let guard = guard.or(Some(GuardMark::never_signed()));
        let durable = Durable { tip: world.tip(), guard, records };
        let (replica, effects) = Replica::boot(config, durable, START);
        let mut solo = Solo { world, replica, now: START, disk_answers: true };
        let effects = solo.answered(effects);
        (solo, effects)
    }

    fn answered(&mut self, first: Vec<Effect>) -> Vec<Effect> {
        let mut all = first;
        let mut at = 0;
        while at < all.len() {
            if let Effect::Persist { seq, .. } = all[at]
                && self.disk_answers
            {
                all.extend(self.replica.step(self.now, Input::Persisted(seq)));
            }
            at += 1;
        }
        all
    }

    pub(crate) fn step(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.replica.step(self.now, input);
        self.answered(effects)
    }

    pub(crate) fn hear(&mut self, from: u16, message: Message) -> Vec<Effect> {
        let verified = self.world.verified(from, message);
        self.step(Input::Message(verified))
    }

    /// Lets time pass and gives one tick.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<Effect> {
        self.now = self.now.plus(ms);
        self.step(Input::Tick)
    }

    /// The proposal of height 1, executed well.
    pub(crate) fn accept(&mut self, block: &Arc<Block>) -> Vec<Effect> {
        let mut effects = self.hear(1, World::fresh(block, 0, None));
        effects.extend(self.step(Input::Executed { block: block.id(), valid: true }));
        effects
    }

    pub(crate) fn persisted(&mut self, seq: u64) -> Vec<Effect> {
        self.step(Input::Persisted(Seq(seq)))
    }
}

/// Messages sent to one validator, by name.
pub(crate) fn sent_to(effects: &[Effect], peer: u16) -> Vec<&'static str> {
    let name = |e: &Effect| match e {
        Effect::Send { to: To::One(to), message } if *to == v(peer) => Some(message.message.name()),
        _ => None,
    };
    effects.iter().filter_map(name).collect()
}

/// Messages sent to everyone, by name.
pub(crate) fn sent_to_all(effects: &[Effect]) -> Vec<&'static str> {
    let name = |e: &Effect| match e {
        Effect::Send { to: To::All, message } => Some(message.message.name()),
        _ => None,
    };
    effects.iter().filter_map(name).collect()
}

/// Whom the host is asked to fetch from.
pub(crate) fn asked(effects: &[Effect]) -> Vec<(u64, u16)> {
    let behind = |e: &Effect| match e {
        Effect::Behind { height, from } => Some((height.0, from.0)),
        _ => None,
    };
    effects.iter().filter_map(behind).collect()
}

pub(crate) fn executes(effects: &[Effect]) -> Vec<BlockId> {
    let block = |e: &Effect| match e {
        Effect::Execute { block } => Some(block.id()),
        _ => None,
    };
    effects.iter().filter_map(block).collect()
}

pub(crate) fn decides(effects: &[Effect]) -> Vec<BlockId> {
    let block = |e: &Effect| match e {
        Effect::Decide(decided) => Some(decided.block().id()),
        _ => None,
    };
    effects.iter().filter_map(block).collect()
}

/// A status of a decided block, with its proof.
pub(crate) fn status(world: &World, block: &Block) -> Message {
    let certificate = Some(world.certificate(VoteKind::Commit, 0, block, &[1, 2, 3]));
    Message::Status(Status { block: block.id(), certificate })
}
