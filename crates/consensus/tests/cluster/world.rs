//! The world: nodes, network and time. What every step of a node is held against is in [`checks`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use vostro_consensus::{
    Config, DecidedBlock, Effect, Effects, GuardMark, GuardRefusal, Input, Message, Offence, Position, Record, Replica,
    Seq, Signed, Statement, Timing, To, Withheld,
};
use vostro_crypto::{Hash, sha256};
use vostro_types::{Block, BlockId, Height, Time, ValidatorIndex, View};

use super::chain::{Chain, START, TIMING, executes_well};
use super::dice::Dice;
use super::disk::Disk;

mod checks;

/// Most events at one moment.
const MAX_AT_ONCE: u32 = 10_000;

/// A mark that forbids nothing and knows nothing: a twin signs as if its other half did not exist.
fn careless() -> GuardMark {
    GuardMark { digest: Hash([0xff; 32]), ..GuardMark::never_signed() }
}

/// Lines of trace that a failure prints.
const TRACE: usize = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Honest,
    /// Follows without a key.
    Observer,
    /// One of two nodes that share a key.
    Twin(u8),
    /// A real core whose messages are falsified on the way out.
    Liar,
}

pub struct Node {
    pub validator: ValidatorIndex,
    pub kind: Kind,
    pub replica: Option<Replica>,
    pub disk: Disk,
    pub incarnation: u64,
    /// How far its clock runs ahead.
    pub skew: u64,
    pub disk_stuck: bool,
    stuck: Vec<(usize, Option<GuardMark>, Option<Seq>)>,
    disk_free: u64,
    fetching: bool,
    wake: Option<u64>,
    /// When it decided each height.
    pub decided_at: BTreeMap<Height, u64>,
    pub withheld: usize,
    /// The greatest height decided in lives whose disk was lost, until it votes again.
    pub former: Option<Height>,
}

/// What the network and the machines do to a cluster. Chances are in 1/10,000.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub loss: u64,
    pub duplicate: u64,
    pub delay: (u64, u64),
    /// Chance of ten times the delay.
    pub slow: u64,
    pub disk: (u64, u64),
    pub work: (u64, u64),
    /// Chance of a crash at each effect.
    pub crash: u64,
    /// Chance that a node wants another block after one was decided.
    pub busy: u64,
}

impl Weather {
    pub const CALM: Weather =
        Weather { loss: 0, duplicate: 0, delay: (10, 10), slow: 0, disk: (0, 0), work: (0, 0), crash: 0, busy: 0 };
}

#[derive(Clone)]
pub struct Flight {
    pub from: usize,
    pub to: usize,
    pub life: u64,
    pub bytes: Rc<[u8]>,
    pub signed: Signed,
}

enum Event {
    /// `life` is the receiver's when it was sent: a connection does not outlive a process.
    Deliver {
        from: usize,
        to: usize,
        life: u64,
        bytes: Rc<[u8]>,
    },
    Synced {
        node: usize,
        incarnation: u64,
        length: usize,
        guard: Option<GuardMark>,
        seq: Option<Seq>,
    },
    Work {
        node: usize,
        incarnation: u64,
        input: Box<Input>,
    },
    Build {
        node: usize,
        incarnation: u64,
        height: Height,
        view: View,
        parent: BlockId,
        min_time: Time,
    },
    Wake {
        node: usize,
        incarnation: u64,
    },
    Fetch {
        node: usize,
        incarnation: u64,
        from: ValidatorIndex,
    },
    Restart {
        node: usize,
    },
}

pub struct World {
    /// Messages that were not taken in because they would have changed nothing.
    pub ignored: u64,
    pub seed: u64,
    pub chain: Chain,
    pub timing: Timing,
    pub now: u64,
    pub nodes: Vec<Node>,
    pub dice: Dice,
    pub weather: Weather,
    /// Whether messages wait in `flights` until a script delivers them.
    pub manual: bool,
    pub flights: Vec<Flight>,
    /// Pairs of nodes (from, to) that cannot talk.
    pub cut: BTreeSet<(usize, usize)>,
    pub decided: BTreeMap<Height, BlockId>,
    pub blocks: BTreeMap<BlockId, Arc<Block>>,
    pub evidence: BTreeSet<(ValidatorIndex, &'static str)>,
    pub lines: Vec<String>,
    pub sends: BTreeMap<&'static str, u64>,
    /// Crash this node at this many more effects; so many parts of 10,000 of what is unsynced survive.
    pub crash_at: Option<(usize, usize, u64)>,
    /// Whether everyone crashes with it.
    pub crash_all: bool,
    /// Virtual time a run took from the end of bad weather to its goal.
    pub recovered_in: u64,
    /// Messages that went by, for replays.
    pub archive: VecDeque<Signed>,
    names: BTreeMap<BlockId, String>,
    says: BTreeMap<(ValidatorIndex, Position), Hash>,
    events: BTreeMap<(u64, u64), Event>,
    counter: u64,
    /// Events since time last moved.
    at_once: u32,
}

impl World {
    pub fn new(n: usize, seed: u64, weather: Weather) -> Self {
        let mut world = World {
            ignored: 0,
            seed,
            chain: Chain::new(n),
            timing: TIMING,
            now: 0,
            nodes: Vec::new(),
            dice: Dice::new(seed),
            weather,
            manual: false,
            flights: Vec::new(),
            cut: BTreeSet::new(),
            decided: BTreeMap::new(),
            blocks: BTreeMap::new(),
            evidence: BTreeSet::new(),
            lines: Vec::new(),
            sends: BTreeMap::new(),
            crash_at: None,
            crash_all: false,
            recovered_in: 0,
            archive: VecDeque::new(),
            names: BTreeMap::new(),
            says: BTreeMap::new(),
            events: BTreeMap::new(),
            counter: 0,
            at_once: 0,
        };
        for i in 0..n {
            world.add(ValidatorIndex(i as u16), Kind::Honest);
        }
        world
    }

    pub fn add(&mut self, validator: ValidatorIndex, kind: Kind) {
        self.nodes.push(Node {
            validator,
            kind,
            replica: None,
            disk: Disk::default(),
            incarnation: 0,
            skew: 0,
            disk_stuck: false,
            stuck: Vec::new(),
            disk_free: 0,
            fetching: false,
            wake: None,
            decided_at: BTreeMap::new(),
            withheld: 0,
            former: None,
        });
    }

    pub fn boot_all(&mut self) {
        for i in 0..self.nodes.len() {
            self.restart(i);
        }
    }

    pub fn wall(&self, node: usize) -> Time {
        START.plus(self.now + self.nodes[node].skew)
    }

    pub fn is_honest(&self, validator: ValidatorIndex) -> bool {
        self.nodes.iter().filter(|n| n.validator == validator).all(|n| matches!(n.kind, Kind::Honest | Kind::Observer))
    }

    pub fn honest(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].kind == Kind::Honest).collect()
    }

    pub fn height(&self, node: usize) -> Height {
        self.nodes[node].replica.as_ref().map_or(Height(0), |r| r.tip().height)
    }

    // --- nodes -------------------------------------------------------------------------------------------------------

    pub fn restart(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        if node.replica.is_some() {
            return;
        }
        let observer = node.kind == Kind::Observer;
        let key = self.chain.keys[usize::from(node.validator.0)].clone();
        let config = Config {
            chain: self.chain.hash,
            validators: self.chain.set.clone(),
            key: (!observer).then_some(key),
            timing: self.timing,
        };
        if node.incarnation == 0 {
            let twin = matches!(node.kind, Kind::Twin(_));
            node.disk.guard = Some(if twin { careless() } else { GuardMark::never_signed() });
        }
        let durable = node.disk.durable(&self.chain);
        node.incarnation += 1;
        (node.disk_free, node.fetching, node.wake) = (self.now, false, None);
        let now = self.wall(i);
        let (replica, effects) = Replica::boot(config, durable, now);
        self.nodes[i].replica = Some(replica);
        self.note(i, "boots".into());
        self.carry_out(i, effects);
    }

    /// Power fails. Some of what was not synced may have reached the disk all the same.
    pub fn crash(&mut self, i: usize) {
        let unsynced = self.nodes[i].disk.unsynced() as u64;
        let kept = if self.manual { 0 } else { self.dice.below(unsynced + 1) as usize };
        let guard_kept = !self.manual && self.dice.chance(5000);
        self.crash_keeping(i, kept, guard_kept);
    }

    fn crash_keeping(&mut self, i: usize, kept: usize, guard_kept: bool) {
        let unsynced = self.nodes[i].disk.unsynced();
        let node = &mut self.nodes[i];
        node.replica = None;
        node.incarnation += 1;
        node.stuck.clear();
        node.disk.crash(kept, guard_kept);
        self.note(i, format!("crashes, {kept} of {unsynced} unsynced entries kept"));
    }

    pub fn input(&mut self, i: usize, input: Input) {
        let now = self.wall(i);
        if let Some(replica) = &mut self.nodes[i].replica {
            let effects = replica.step(now, input);
            self.check_rejoin(i);
            self.carry_out(i, effects);
        }
    }

    fn carry_out(&mut self, i: usize, effects: Effects) {
        for effect in effects {
            if self.weather.crash > 0 && self.nodes[i].kind == Kind::Honest && self.dice.chance(self.weather.crash) {
                self.crash(i);
                let after = self.now + self.dice.between(50, 2000);
                self.at(after, Event::Restart { node: i });
                return;
            }
            if let Some((who, left, kept)) = self.crash_at
                && who == i
            {
                if left == 0 {
                    self.crash_at = None;
                    let all = 0..self.nodes.len();
                    for j in all.filter(|j| *j == i || self.crash_all).collect::<Vec<_>>() {
                        let unsynced = self.nodes[j].disk.unsynced() as u64;
                        self.crash_keeping(j, (unsynced * kept / 10_000) as usize, kept > 0);
                        self.restart_later(j, 100 + 7 * j as u64);
                    }
                    return;
                }
                self.crash_at = Some((who, left - 1, kept));
            }
            self.carry_out_one(i, effect);
        }
    }

    fn carry_out_one(&mut self, i: usize, effect: Effect) {
        let incarnation = self.nodes[i].incarnation;
        match effect {
            Effect::Persist { seq, records, guard } => {
                let mut parts: Vec<String> = records.iter().map(|r| self.describe_record(r)).collect();
                if let Some(mark) = guard.filter(GuardMark::is_unsigned) {
                    let known = mark != GuardMark::unknown();
                    let height = mark.position.height;
                    parts.push(if known { format!("a vote from h{height}") } else { "a past unknown".into() });
                }
                self.note(i, format!("persists {}", parts.join(", ")));
                self.nodes[i].disk.append(&records, guard);
                self.sync_later(i, guard, Some(seq));
            }
            Effect::Send { to, message } => {
                self.check_send(i, &message);
                let receiver = match to {
                    To::All => "all".to_string(),
                    To::One(v) => v.to_string(),
                };
                let text = self.describe(&message);
                if !matches!(message.message, Message::Status(_)) {
                    self.note(i, format!("-> {receiver} {text}"));
                }
                *self.sends.entry(message.message.name()).or_default() += 1;
                self.route(i, to, message);
            }
            Effect::WakeAt(time) => {
                let at = time.since(START).saturating_sub(self.nodes[i].skew).max(self.now);
                self.nodes[i].wake = Some(at);
                self.at(at, Event::Wake { node: i, incarnation });
            }
            Effect::Build { height, view, parent, min_time } => {
                self.note(i, format!("builds h{height} v{view}"));
                let after = self.now + self.work_time();
                self.at(after, Event::Build { node: i, incarnation, height, view, parent, min_time });
            }
            Effect::Execute { block } => {
                let name = self.name(block.id());
                self.note(i, format!("executes {name}"));
                let input = Input::Executed { block: block.id(), valid: executes_well(&block) };
                let after = self.now + self.work_time();
                self.at(after, Event::Work { node: i, incarnation, input: Box::new(input) });
            }
            Effect::Decide(decided) => self.on_decide(i, decided),
            Effect::Behind { height, from } => {
                self.note(i, format!("is behind h{height}, asks {from}"));
                if !self.manual && !self.nodes[i].fetching {
                    self.nodes[i].fetching = true;
                    let after = self.now + 2 * self.delay();
                    self.at(after, Event::Fetch { node: i, incarnation, from });
                }
            }
            Effect::Evidence(evidence) => {
                let (who, name) = (evidence.validator, evidence.name());
                self.note(i, format!("holds {name} against {who}"));
                if let Err(error) = evidence.check(&self.chain.hash, &self.chain.set) {
                    self.fail(format!("{evidence:?} does not verify: {error}"));
                }
                if self.is_honest(who) {
                    self.fail(format!("evidence against honest {who}: {evidence:?}"));
                }
                self.evidence.insert((who, name));
            }
            Effect::Penalise { validator, offence } => {
                let text = match offence {
                    Offence::InvalidBlock { block, .. } => format!("invalid {}", self.name(block)),
                    Offence::Contradiction => "contradiction".into(),
                };
                self.note(i, format!("penalises {validator}: {text}"));
                if self.is_honest(validator) {
                    self.fail(format!("{i} penalises honest {validator} for {offence:?}"));
                }
            }
            Effect::Withheld(why) => {
                self.nodes[i].withheld += 1;
                let text = match why {
                    Withheld::Guard(GuardRefusal::Unknown { asked }) => {
                        self.fail(format!("{i} asks its guard for {asked:?} without memory"))
                    }
                    Withheld::Guard(GuardRefusal::Position { asked, .. }) => {
                        format!("guard refuses {:?} h{} v{}", asked.step, asked.height, asked.view)
                    }
                    Withheld::Guard(GuardRefusal::Hidden { asked, committed, .. }) => {
                        format!("guard refuses to ask for v{asked} and hide the commit in v{committed}")
                    }
                    Withheld::Disk { waiting } => format!("{waiting} writes wait for the disk"),
                };
                self.note(i, format!("withholds: {text}"));
            }
            Effect::Conflict(certificate) => {
                self.note(i, format!("sees a conflict at h{}", certificate.height));
                self.fail("two certificates contradict each other".into());
            }
        }
    }

    fn work_time(&mut self) -> u64 {
        self.dice.between(self.weather.work.0, self.weather.work.1)
    }

    fn delay(&mut self) -> u64 {
        let delay = self.dice.between(self.weather.delay.0, self.weather.delay.1);
        if self.dice.chance(self.weather.slow) { delay * 10 } else { delay }
    }

    fn sync_later(&mut self, i: usize, guard: Option<GuardMark>, seq: Option<Seq>) {
        let takes = self.dice.between(self.weather.disk.0, self.weather.disk.1);
        let node = &mut self.nodes[i];
        let (length, incarnation) = (node.disk.log.len(), node.incarnation);
        if node.disk_stuck {
            node.stuck.push((length, guard, seq));
            return;
        }
        node.disk_free = node.disk_free.max(self.now) + takes;
        let at = node.disk_free;
        self.at(at, Event::Synced { node: i, incarnation, length, guard, seq });
    }

    pub fn free_disk(&mut self, i: usize) {
        self.nodes[i].disk_stuck = false;
        for (length, guard, seq) in std::mem::take(&mut self.nodes[i].stuck) {
            let incarnation = self.nodes[i].incarnation;
            self.at(self.now, Event::Synced { node: i, incarnation, length, guard, seq });
        }
    }

    /// The disk is gone, and with it what the node had signed.
    pub fn lose_disk(&mut self, i: usize) {
        if self.nodes[i].replica.is_some() {
            self.crash(i);
        }
        let decided = self.nodes[i].decided_at.keys().next_back().copied().unwrap_or_default();
        let node = &mut self.nodes[i];
        node.disk.lose_all();
        node.former = Some(decided.max(node.former.unwrap_or_default()));
        self.note(i, "loses its disk".into());
    }

    fn on_decide(&mut self, i: usize, decided: DecidedBlock) {
        let (block, certificate) = (decided.block().clone(), decided.certificate().clone());
        let (height, id) = (certificate.height, certificate.block);
        let signers: Vec<String> = certificate.signatures.iter().map(|(v, _)| v.to_string()).collect();
        let name = self.name(id);
        self.note(i, format!("decides h{height} {name} in v{} by {}", certificate.view, signers.join(" ")));
        if self.nodes[i].kind == Kind::Honest || self.nodes[i].kind == Kind::Observer {
            let checked = DecidedBlock::verify(block.clone(), certificate, &self.chain.hash, &self.chain.set);
            if let Err(error) = checked {
                self.fail(format!("{i} decides on a bad certificate: {error}"));
            }
            if !executes_well(&block) {
                self.fail(format!("{i} decides an invalid block"));
            }
            let parent =
                if height.0 == 1 { Some(BlockId(self.chain.hash)) } else { self.decided.get(&height.prev()).copied() };
            if parent != Some(block.header.parent) {
                self.fail(format!("{i} decides a block without its parent"));
            }
            let first = *self.decided.entry(height).or_insert(id);
            if first != id {
                let other = self.name(first);
                self.fail(format!("AGREEMENT: {i} decides {name} at h{height}, others {other}"));
            }
            if self.nodes[i].decided_at.insert(height, self.now).is_some() && self.nodes[i].incarnation == 1 {
                self.fail(format!("{i} decides h{height} twice"));
            }
        }
        self.nodes[i].disk.append_decided(&decided);
        self.sync_later(i, None, None);
        if self.dice.chance(self.weather.busy) {
            let after = self.now + self.dice.below(50);
            let incarnation = self.nodes[i].incarnation;
            self.at(after, Event::Work { node: i, incarnation, input: Box::new(Input::Demand(true)) });
        }
    }

    pub fn fail(&self, why: String) -> ! {
        let from = self.lines.len().saturating_sub(TRACE);
        panic!("seed {}: {why}\n{}", self.seed, self.lines[from..].join("\n"));
    }

    // --- network -----------------------------------------------------------------------------------------------------

    fn route(&mut self, from: usize, to: To, message: Signed) {
        let sender = self.nodes[from].validator;
        if self.nodes[from].kind != Kind::Honest || self.archive.len() < 64 {
            self.archive.push_back(message.clone());
        } else {
            let slot = self.dice.below(64) as usize;
            self.archive[slot] = message.clone();
        }
        self.archive.truncate(256);
        for target in 0..self.nodes.len() {
            let node = &self.nodes[target];
            let observes = node.kind == Kind::Observer && to == To::All;
            let addressed = to == To::All || to == To::One(node.validator);
            let meant = observes || (addressed && node.validator != sender && node.kind != Kind::Observer);
            if !meant || self.cut.contains(&(from, target)) {
                continue;
            }
            let messages =
                if self.nodes[from].kind == Kind::Liar { self.falsify(&message) } else { vec![message.clone()] };
            for signed in messages {
                self.transmit(from, target, signed);
            }
        }
    }

    pub fn transmit(&mut self, from: usize, to: usize, signed: Signed) {
        let bytes: Rc<[u8]> = signed.encode().into();
        let life = self.nodes[to].incarnation;
        if self.manual {
            self.flights.push(Flight { from, to, life, bytes, signed });
            return;
        }
        if self.dice.chance(self.weather.loss) {
            return;
        }
        let copies = if self.dice.chance(self.weather.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let at = self.now + self.delay();
            self.at(at, Event::Deliver { from, to, life, bytes: bytes.clone() });
        }
    }

    /// What the wire carries is decoded and verified as in production.
    pub fn deliver(&mut self, from: usize, to: usize, life: u64, bytes: &[u8]) {
        if self.nodes[to].replica.is_none() {
            return;
        }
        let signed = Signed::decode(bytes);
        let ignored = signed.as_ref().is_ok_and(|signed| self.is_ignored(to, signed));
        let verified = signed.and_then(|s| s.verify(&self.chain.hash, &self.chain.set));
        match verified {
            Ok(verified) if ignored => self.check_ignored(to, verified),
            Ok(verified) if verified.sender() == self.nodes[from].validator && life == self.nodes[to].incarnation => {
                self.input(to, Input::Firsthand(verified));
            }
            Ok(verified) => self.input(to, Input::Message(verified)),
            Err(error) if self.nodes[from].kind == Kind::Honest => {
                self.fail(format!("a message of honest {from} is refused: {error}"))
            }
            Err(error) => self.note(to, format!("refuses a message of {from}: {error}")),
        }
    }

    fn is_ignored(&self, to: usize, signed: &Signed) -> bool {
        self.nodes[to].replica.as_ref().is_some_and(|replica| replica.ignores(self.wall(to), signed))
    }

    // --- time --------------------------------------------------------------------------------------------------------

    fn at(&mut self, time: u64, event: Event) {
        self.counter += 1;
        self.events.insert((time, self.counter), event);
    }

    pub fn demand(&mut self, i: usize) {
        self.input(i, Input::Demand(true));
    }

    /// Runs until nothing is due before `end`.
    pub fn run_to(&mut self, end: u64) {
        while self.step_to(end) {}
        self.now = end;
    }

    /// Runs until `done` or until `end`; whether it was done in time.
    pub fn run_until(&mut self, end: u64, done: impl Fn(&World) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            if !self.step_to(end) {
                self.now = end;
                return false;
            }
        }
    }

    fn step_to(&mut self, end: u64) -> bool {
        let Some(((time, _), _)) = self.events.first_key_value() else { return false };
        if *time > end {
            return false;
        }
        let ((time, _), event) = self.events.pop_first().unwrap();
        self.at_once = if time > self.now { 0 } else { self.at_once + 1 };
        if self.at_once > MAX_AT_ONCE {
            self.fail("time stands still: a node answers itself without end".to_owned());
        }
        self.now = self.now.max(time);
        self.happen(event);
        true
    }

    fn lives(&self, node: usize, incarnation: u64) -> bool {
        self.nodes[node].incarnation == incarnation && self.nodes[node].replica.is_some()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, life, bytes } => self.deliver(from, to, life, &bytes),
            Event::Synced { node, incarnation, length, guard, seq } => {
                if self.lives(node, incarnation) {
                    self.nodes[node].disk.sync(length, guard);
                    if let Some(seq) = seq {
                        self.input(node, Input::Persisted(seq));
                    }
                }
            }
            Event::Work { node, incarnation, input } => {
                if self.lives(node, incarnation) {
                    self.input(node, *input);
                }
            }
            Event::Build { node, incarnation, height, view, parent, min_time } => {
                if self.lives(node, incarnation) {
                    let payload = sha256(format!("{node} {height} {view} {incarnation}").as_bytes());
                    let block = self.chain.block(height, parent, min_time.max(self.wall(node)), payload);
                    self.know(&block);
                    self.input(node, Input::Built { height, view, block });
                }
            }
            Event::Wake { node, incarnation } => {
                if self.lives(node, incarnation) && self.nodes[node].wake == Some(self.now) {
                    self.input(node, Input::Tick);
                }
            }
            Event::Fetch { node, incarnation, from } => {
                if self.lives(node, incarnation) {
                    self.nodes[node].fetching = false;
                    self.fetch(node, from);
                }
            }
            Event::Restart { node } => self.restart(node),
        }
    }

    pub fn restart_later(&mut self, node: usize, delay: u64) {
        self.at(self.now + delay, Event::Restart { node });
    }

    /// A range of decided blocks from a validator that is alive and within reach.
    pub fn fetch(&mut self, node: usize, from: ValidatorIndex) {
        let source = (0..self.nodes.len()).find(|j| {
            let reachable = !self.cut.contains(&(node, *j)) && !self.cut.contains(&(*j, node));
            self.nodes[*j].validator == from && *j != node && self.nodes[*j].replica.is_some() && reachable
        });
        let Some(source) = source else { return };
        loop {
            let next = self.height(node).next();
            let Some(found) = self.nodes[source].disk.decided(next).cloned() else { return };
            let (block, certificate) = found.into_parts();
            let decided = DecidedBlock::verify(block, certificate, &self.chain.hash, &self.chain.set).unwrap();
            self.input(node, Input::Synced(decided));
            if self.height(node) < next {
                return; // it crashed on the way
            }
        }
    }

    /// Cuts every link between the two sides of a mask of nodes.
    pub fn partition(&mut self, mask: u64) {
        self.cut.clear();
        for a in 0..self.nodes.len() {
            for b in 0..self.nodes.len() {
                if (mask >> a) & 1 != (mask >> b) & 1 {
                    self.cut.insert((a, b));
                }
            }
        }
    }

    // --- words -------------------------------------------------------------------------------------------------------

    pub fn know(&mut self, block: &Arc<Block>) {
        self.blocks.insert(block.id(), block.clone());
        self.name(block.id());
    }

    pub fn name(&mut self, id: BlockId) -> String {
        let count = self.names.len() + 1;
        self.names.entry(id).or_insert_with(|| format!("B{count}")).clone()
    }

    pub fn block_named(&self, name: &str) -> Option<Arc<Block>> {
        let id = self.names.iter().find(|(_, n)| *n == name)?.0;
        self.blocks.get(id).cloned()
    }

    pub fn note(&mut self, i: usize, text: String) {
        let clock = if self.manual { String::new() } else { format!("{:>6} ", self.now) };
        self.lines.push(format!("{clock}{i} {text}"));
    }

    pub fn describe(&mut self, signed: &Signed) -> String {
        let name = signed.message.name();
        let mut text = match signed.message.statement() {
            Statement::PrePrepare { height, view, block } | Statement::Vote { height, view, block, .. } => {
                format!("{name} h{height} v{view} {}", self.name(block))
            }
            Statement::ViewChange { height, view, prepared } => {
                let reported =
                    prepared.map_or("nothing".into(), |at| format!("{} in v{}", self.name(at.block), at.view));
                format!("{name} h{height} v{view} prepared {reported}")
            }
            Statement::Status { height, .. } => format!("{name} h{height}"),
        };
        if let Message::PrePrepare(p) = &signed.message
            && let Some(justification) = &p.justification
        {
            let claims: Vec<String> = justification.claims.iter().map(|c| c.validator.to_string()).collect();
            write!(text, " justified by {}", claims.join(" ")).unwrap();
        }
        if let Message::ViewChange(change) = &signed.message
            && change.block.is_some()
        {
            text.push_str(" with the block");
        }
        text
    }

    fn describe_record(&mut self, record: &Record) -> String {
        match record {
            Record::Own(signed) => self.describe(signed),
            Record::Accepted(signed) => format!("accepted {}", self.describe(signed)),
            Record::Prepared(c) => format!("certificate h{} v{} {}", c.height, c.view, self.name(c.block)),
        }
    }
}
