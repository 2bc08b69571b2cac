//! One validator's machine in the model: the production core, a disk, and what a step of it may come to.

use std::collections::VecDeque;
use std::sync::Arc;

use vostro_consensus::{
    Claim, Config, DecidedBlock, Durable, Effect, GuardMark, Input, Justification, Message, PrePrepare, PreparedAt,
    Record, Replica, Signed, Statement, Timing, Tip, Verified, ViewChange, Vote,
};
use vostro_crypto::Hash;
use vostro_types::{Block, BlockId, Certificate, Height, Time, ValidatorIndex, View, VoteKind};

use crate::cluster::chain::{Chain, START};

pub const H: Height = Height(1);
/// Clocks never forbid a block here: the rule on time is not what is checked.
const TIMING: Timing =
    Timing { base_timeout_ms: 400, heartbeat_ms: 3000, delay_ms: 200, precision_ms: 1_000_000, rebroadcast_ms: 150 };
/// The third block does not execute.
pub const BAD: u8 = 2;

/// A certificate of prepares: view, block, signers as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proof {
    pub view: u8,
    pub block: u8,
    pub signers: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    pub who: u8,
    pub view: u8,
    pub prepared: Option<Proof>,
}

/// A proposal with its justification: the claims (who, view and block claimed) and the certificate carried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proposal {
    pub view: u8,
    pub block: u8,
    pub carried: Option<Proof>,
    pub claims: Vec<(u8, Option<(u8, u8)>)>,
}

/// What reaches a validator in one step: messages, of which the last has a consequence, or a time-out after them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heard {
    /// A restart, and nothing.
    Nothing,
    /// The host has a block for view 0.
    Build(u8),
    Propose(Proposal),
    Prepares {
        view: u8,
        block: u8,
        from: u8,
    },
    /// View-changes; the host answers a request to build with a block or not at all.
    Changes {
        changes: Vec<Change>,
        build: Option<u8>,
    },
    /// View-changes, then time passes.
    TimeOut(Vec<Change>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    pub records: Vec<Record>,
    pub mark: Option<GuardMark>,
}

/// Blocks, keys and statements by small numbers.
pub struct Names {
    pub chain: Chain,
    pub blocks: [Arc<Block>; 3],
    /// The host says of every block that it executes.
    pub gullible: bool,
}

impl Names {
    pub fn new(n: usize) -> Names {
        let chain = Chain::new(n);
        let block = |tag: u8| chain.block(H, BlockId(chain.hash), START.plus(1), Hash([tag; 32]));
        let mut bad = (*block(3)).clone();
        bad.header.state_root = Hash([0xee; 32]);
        let blocks = [block(1), block(2), Arc::new(bad)];
        Names { chain, blocks, gullible: false }
    }

    pub fn id(&self, block: u8) -> BlockId {
        self.blocks[usize::from(block)].id()
    }

    pub fn number(&self, id: BlockId) -> u8 {
        self.blocks.iter().position(|b| b.id() == id).unwrap() as u8
    }

    pub fn certificate(&self, kind: VoteKind, view: u8, block: u8, signers: u8) -> Certificate {
        let (view, block) = (View(u64::from(view)), self.id(block));
        let bytes = Statement::Vote { kind, height: H, view, block }.bytes(&self.chain.hash, &self.chain.set);
        let sign = |i: u8| (ValidatorIndex(u16::from(i)), self.chain.keys[usize::from(i)].sign(&bytes));
        let signatures = bits(signers).map(sign).collect();
        Certificate { kind, epoch: self.chain.set.epoch(), height: H, view, block, signatures }
    }

    fn proof(&self, proof: &Proof) -> Certificate {
        self.certificate(VoteKind::Prepare, proof.view, proof.block, proof.signers)
    }

    pub fn proof_of(&self, c: &Certificate) -> Proof {
        let signers = c.signatures.iter().fold(0, |mask, (i, _)| mask | 1 << i.0);
        Proof { view: c.view.0 as u8, block: self.number(c.block), signers }
    }

    pub fn proposal_of(&self, p: &PrePrepare) -> Proposal {
        let claim = |c: &Claim| (c.validator.0 as u8, c.prepared.map(|at| (at.view.0 as u8, self.number(at.block))));
        Proposal {
            view: p.view.0 as u8,
            block: self.number(p.block.id()),
            carried: p.justification.as_ref().and_then(|j| j.prepared.as_ref()).map(|c| self.proof_of(c)),
            claims: p.justification.iter().flat_map(|j| &j.claims).map(claim).collect(),
        }
    }

    fn signed(&self, who: u8, message: Message) -> Verified {
        let signed: Signed = self.chain.sign(ValidatorIndex(u16::from(who)), message);
        signed.verify(&self.chain.hash, &self.chain.set).expect("what the model delivers verifies")
    }

    pub fn vote(&self, kind: VoteKind, who: u8, view: u8, block: u8) -> Verified {
        let vote = Vote { height: H, view: View(u64::from(view)), block: self.id(block) };
        let message = match kind {
            VoteKind::Prepare => Message::Prepare(vote),
            VoteKind::Commit => Message::Commit(vote),
        };
        self.signed(who, message)
    }

    fn change(&self, change: &Change) -> Verified {
        let prepared = change.prepared.as_ref().map(|p| self.proof(p));
        let block = change.prepared.map(|p| self.blocks[usize::from(p.block)].clone());
        let view = View(u64::from(change.view));
        self.signed(change.who, Message::ViewChange(ViewChange { height: H, view, prepared, block }))
    }

    fn proposal(&self, p: &Proposal) -> Verified {
        let view = View(u64::from(p.view));
        let claim = |(who, at): &(u8, Option<(u8, u8)>)| {
            let prepared = at.map(|(view, block)| PreparedAt { view: View(u64::from(view)), block: self.id(block) });
            let said = Statement::ViewChange { height: H, view, prepared };
            let signature = self.chain.keys[usize::from(*who)].sign(&said.bytes(&self.chain.hash, &self.chain.set));
            Claim { validator: ValidatorIndex(u16::from(*who)), prepared, signature }
        };
        let justification = (p.view > 0).then(|| Justification {
            claims: p.claims.iter().map(claim).collect(),
            prepared: p.carried.as_ref().map(|c| self.proof(c)),
        });
        let block = self.blocks[usize::from(p.block)].clone();
        let primary = self.chain.set.primary(H, view);
        self.signed(primary.0 as u8, Message::PrePrepare(PrePrepare { height: H, view, block, justification }))
    }
}

pub fn bits(mask: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |i| mask & (1 << i) != 0)
}

/// A running core, its disk, and where a crash on the way would have left the disk.
pub struct Host<'a> {
    names: &'a Names,
    pub replica: Replica,
    pub disk: Disk,
    pub now: Time,
    pub crashes: Vec<Disk>,
    pub decided: Option<DecidedBlock>,
    build: Option<u8>,
}

impl<'a> Host<'a> {
    pub fn boot(names: &'a Names, who: u8, disk: &Disk) -> Host<'a> {
        let config = Config {
            chain: names.chain.hash,
            validators: names.chain.set.clone(),
            key: Some(names.chain.keys[usize::from(who)].clone()),
            timing: TIMING,
        };
        let tip = Tip { height: Height(0), block: BlockId(names.chain.hash), time: START, certificate: None };
        let durable = Durable { tip, guard: disk.mark, records: disk.records.clone() };
        let now = START.plus(10);
        let (replica, effects) = Replica::boot(config, durable, now);
        let (crashes, decided, build) = Default::default();
        let mut host = Host { names, replica, disk: disk.clone(), now, crashes, decided, build };
        host.carry_out(effects);
        host.input(Input::Demand(true));
        host
    }

    /// Goes on with a core that never stopped.
    pub fn resume(names: &'a Names, replica: Replica, disk: &Disk, now: Time) -> Host<'a> {
        let (crashes, decided, build) = Default::default();
        Host { names, replica, disk: disk.clone(), now, crashes, decided, build }
    }

    pub fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Build(block) => {
                self.build = Some(*block);
                // asks anew if an earlier request was never answered
                self.input(Input::Demand(true));
                let (height, view) = (H, View(0));
                self.input(Input::Built { height, view, block: self.names.blocks[usize::from(*block)].clone() });
            }
            Heard::Propose(proposal) => self.input(Input::Message(self.names.proposal(proposal))),
            Heard::Prepares { view, block, from } => {
                for who in bits(*from) {
                    self.input(Input::Message(self.names.vote(VoteKind::Prepare, who, *view, *block)));
                }
            }
            Heard::Changes { changes, build } => {
                self.build = *build;
                changes.iter().for_each(|change| self.input(Input::Message(self.names.change(change))));
                if let Some(block) = self.build.take() {
                    // asked for in an earlier step, answered now
                    let block = self.names.blocks[usize::from(block)].clone();
                    self.input(Input::Built { height: H, view: self.replica.view(), block });
                }
            }
            Heard::TimeOut(changes) => {
                changes.iter().for_each(|change| self.input(Input::Message(self.names.change(change))));
                self.now = self.now.plus(TIMING.timeout(self.replica.view()));
                self.input(Input::Tick);
            }
        }
    }

    pub fn input(&mut self, input: Input) {
        let effects = self.replica.step(self.now, input);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let answer = match effect {
                Effect::Persist { seq, records, guard } => {
                    self.write(records, guard);
                    Input::Persisted(seq)
                }
                Effect::Build { height, view, .. } => {
                    let Some(block) = self.build.take() else { continue };
                    Input::Built { height, view, block: self.names.blocks[usize::from(block)].clone() }
                }
                Effect::Execute { block } => {
                    let id = block.id();
                    Input::Executed { block: id, valid: self.names.gullible || self.names.number(id) != BAD }
                }
                Effect::Decide(decided) => {
                    self.decided = Some(decided);
                    continue;
                }
                Effect::Conflict(_) => panic!("a decided chain of one block cannot be contradicted"),
                Effect::Send { .. }
                | Effect::WakeAt(_)
                | Effect::Behind { .. }
                | Effect::Evidence(_)
                | Effect::Penalise { .. }
                | Effect::Withheld(_) => continue,
            };
            queue.extend(self.replica.step(self.now, answer));
        }
    }

    /// A crash keeps any part of the records, and the guard's new mark or its old one.
    fn write(&mut self, records: Vec<Record>, guard: Option<GuardMark>) {
        let (before, new) = (self.disk.clone(), guard.or(self.disk.mark));
        for kept in 0..=records.len() {
            for mark in [before.mark, new] {
                let mut disk = Disk { records: before.records.clone(), mark };
                disk.records.extend(records[..kept].iter().cloned());
                self.crashes.push(disk);
            }
        }
        self.disk.records.extend(records);
        self.disk.mark = new;
    }
}
