//! The replica: one validator's share in ordering blocks.
//!
//! Invariant: every signature goes through [`Replica::sign`] and [`Replica::flush`]: the guard agrees, the record is
//! handed to the host, and the message waits in `held` until the host says that the record is durable. Only then is it
//! sent, and only then does it count here.
//!
//! Flow of a step: take the input, follow every consequence until nothing changes (`progress`), let due timers fire,
//! follow their consequences, hand out one [`Effect::Persist`] for all that was signed.

mod agreement;
mod boot;
mod filter;
mod rejoin;
mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use vostro_crypto::{Hash, SecretKey};
use vostro_types::{Block, BlockId, Certificate, Height, Time, ValidatorIndex, ValidatorSet, View, VoteKind};

use crate::effects::{Effect, Effects, Input, Record, Seq, To, Withheld};
use crate::guard::{Guard, GuardMark};
use crate::message::{Justification, MESSAGE_VERSION, Message, PrePrepare, Signed, Verified, ViewChange};
use crate::pacemaker::{Clock, Ticks, Timing};
use crate::view_change::ViewChanges;
use crate::votes::{VIEW_WINDOW, Votes};

use filter::Later;
use rejoin::Rejoin;
pub use rejoin::Waiting;

/// Most unanswered [`Effect::Persist`]; with more, the replica signs nothing new.
pub const MAX_UNPERSISTED: usize = 64;
/// Blocks of one height kept for deciding late or proposing again.
const MAX_BLOCKS: usize = 6;
/// A validator tells its decided height at least every this many repeat intervals.
const STATUS_REPEATS: u64 = 4;

/// What a replica is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Genesis hash.
    pub chain: Hash,
    /// The validators.
    pub validators: Arc<ValidatorSet>,
    /// The voting key; `None` for an observer, which follows and never votes. A key outside the set makes an observer.
    pub key: Option<SecretKey>,
    /// The protocol's times.
    pub timing: Timing,
}

/// The last decided block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height; 0 for genesis.
    pub height: Height,
    /// Its id; the genesis hash at height 0.
    pub block: BlockId,
    /// Its time; that of genesis at height 0.
    pub time: Time,
    /// Its commit certificate; `None` only at genesis.
    pub certificate: Option<Certificate>,
}

/// What the disk held when the node started.
#[derive(Clone, Debug)]
pub struct Durable {
    /// The last decided block of the log.
    pub tip: Tip,
    /// The guard's mark from its own file. `None` if it is lost: unless the records hold signatures, the key signs nothing
    /// until it is safe (a key that never signed has [`GuardMark::never_signed`]).
    pub guard: Option<GuardMark>,
    /// The log's records in order; of those at or below the tip only the guard takes notice.
    pub records: Vec<Record>,
}

/// How far this node got with the proposal of its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Its time lies ahead of this node's clock.
    Early,
    /// The host executes it.
    Executing,
    /// It may be prepared, and was if this node votes.
    Accepted,
    /// It will not be prepared here.
    Refused,
}

#[derive(Clone, Debug)]
struct Proposal {
    signed: Signed,
    block: Arc<Block>,
    id: BlockId,
    fresh: bool,
    progress: Progress,
}

impl Proposal {
    /// Whether the same proposal with another justification replaces this one. The primary does not sign the
    /// justification, and any quorum of claims is one: whoever passed the proposal on may have exchanged it, and so made
    /// a block that is carried over look fresh and too old.
    fn gives_way_to(&self, p: &PrePrepare) -> bool {
        self.fresh && !p.is_fresh() && matches!(self.progress, Progress::Early | Progress::Refused)
    }
}

/// A block asked of the host.
#[derive(Clone, Debug)]
struct Building {
    justification: Option<Justification>,
}

/// The latest durable messages of this validator at the height: what is repeated.
#[derive(Clone, Debug, Default)]
struct Spoken {
    pre_prepare: Option<Signed>,
    prepare: Option<Signed>,
    commit: Option<Signed>,
    view_change: Option<Signed>,
}

impl Spoken {
    fn anything(&self) -> bool {
        [&self.pre_prepare, &self.prepare, &self.commit, &self.view_change].iter().any(|m| m.is_some())
    }
}

/// The instance of the height being decided.
#[derive(Clone, Debug)]
struct Instance {
    height: Height,
    started: Ticks,
    view: View,
    /// Whether a quorum asked for `view` or a later one: only then does its timer run and its primary propose.
    entered: bool,
    /// Whether this node still has to ask for `view`: its disk was too far behind when it left the view before.
    unasked: bool,
    /// When this node left the view before; its time-out counts from there, a message delay apart.
    moved: Ticks,
    deadline: Option<Ticks>,
    /// When to repeat; set while there is something to repeat.
    repeat_at: Option<Ticks>,
    proposal: Option<Proposal>,
    building: Option<Building>,
    prepares: Votes,
    commits: Votes,
    changes: ViewChanges,
    /// The highest prepared certificate; recorded before anything that depends on it.
    prepared: Option<Certificate>,
    /// The highest view a commit was signed in, or withheld.
    committed: Option<View>,
    /// A commit certificate whose block is not here yet.
    certificate: Option<Certificate>,
    /// Blocks of this height, oldest first.
    blocks: Vec<Arc<Block>>,
    /// Blocks that executed well.
    valid: BTreeSet<BlockId>,
    spoken: Spoken,
    accused: BTreeSet<(ValidatorIndex, &'static str)>,
}

impl Instance {
    fn new(height: Height, now: Ticks) -> Self {
        Instance {
            height,
            started: now,
            view: View(0),
            entered: true,
            unasked: false,
            moved: now,
            deadline: None,
            repeat_at: None,
            proposal: None,
            building: None,
            prepares: Votes::new(VoteKind::Prepare),
            commits: Votes::new(VoteKind::Commit),
            changes: ViewChanges::default(),
            prepared: None,
            committed: None,
            certificate: None,
            blocks: Vec::new(),
            valid: BTreeSet::new(),
            spoken: Spoken::default(),
            accused: BTreeSet::new(),
        }
    }

    /// Keeps a block; beyond the limit the oldest goes that no certificate names.
    fn keep_block(&mut self, block: &Arc<Block>, id: BlockId) {
        if self.blocks.iter().any(|b| b.id() == id) {
            return;
        }
        self.blocks.push(block.clone());
        if self.blocks.len() > MAX_BLOCKS {
            let named = [&self.prepared, &self.certificate].map(|c| c.as_ref().map(|c| c.block));
            let spare = self.blocks.iter().position(|b| !named.contains(&Some(b.id())));
            let gone = self.blocks.remove(spare.unwrap_or(0));
            self.valid.remove(&gone.id());
        }
    }

    fn block(&self, id: BlockId) -> Option<Arc<Block>> {
        self.blocks.iter().find(|b| b.id() == id).cloned().or_else(|| self.changes.block(id))
    }

    fn move_to(&mut self, view: View, now: Ticks) {
        self.view = view;
        self.moved = now;
        self.entered = false;
        self.unasked = false;
        self.deadline = None;
        self.proposal = None;
        self.building = None;
        self.spoken.pre_prepare = None;
        self.spoken.prepare = None;
        self.prepares.forget_below(view);
        self.commits.forget_below(View(view.0.saturating_sub(VIEW_WINDOW)));
    }
}

/// One validator's share in ordering blocks.
#[derive(Clone, Debug)]
pub struct Replica {
    chain: Hash,
    set: Arc<ValidatorSet>,
    timing: Timing,
    me: Option<ValidatorIndex>,
    guard: Option<Guard>,
    /// Set while this validator may have signed what it no longer knows: it signs nothing.
    rejoin: Option<Rejoin>,
    clock: Clock,
    tip: Tip,
    instance: Instance,
    demand: bool,
    /// Messages of the next height, by validator and kind: see [`Replica::keeps_later`].
    next: BTreeMap<(u8, ValidatorIndex), Later>,
    /// Those of them whose height has come.
    ready: VecDeque<Verified>,
    seq: Seq,
    staged: Vec<Record>,
    staged_own: Vec<Signed>,
    guard_reported: Option<GuardMark>,
    held: VecDeque<(Seq, Vec<Signed>)>,
    status: Option<Signed>,
    status_at: Ticks,
    answered: BTreeMap<ValidatorIndex, Ticks>,
    /// Validators that there is no connection to, and since when.
    away: BTreeMap<ValidatorIndex, Ticks>,
    behind: Option<(Height, Ticks)>,
    asked: usize,
    conflict: bool,
    wake: Option<Time>,
    out: Effects,
}

impl Replica {
    /// Takes one input at wall time `now` and says what has to be done.
    pub fn step(&mut self, now: Time, input: Input) -> Effects {
        if self.conflict {
            return Effects::new();
        }
        self.clock.advance(now);
        match input {
            Input::Message(message) => self.on_message(message),
            Input::Firsthand(message) => self.on_firsthand(message),
            Input::Tick => {}
            Input::Demand(wanted) => self.demand = wanted,
            Input::Built { height, view, block } => self.on_built(height, view, block),
            Input::Executed { block, valid } => self.on_executed(block, valid),
            Input::Persisted(seq) => self.on_persisted(seq),
            Input::Synced(decided) => self.on_synced(decided),
            Input::Reconnected(peer) => {
                self.away.remove(&peer);
                self.speak_to(peer);
            }
            Input::Disconnected(peer) => self.on_disconnected(peer),
        }
        self.finish_step()
    }

    fn finish_step(&mut self) -> Effects {
        self.progress();
        self.fire_timers();
        self.progress();
        self.flush();
        self.set_wake();
        std::mem::take(&mut self.out)
    }

    /// Follows the consequences of what is known until nothing changes. Each of these either signs at a higher
    /// position, moves to a higher view or height, consumes a message or makes up for a request, so the loop ends.
    fn progress(&mut self) {
        while !self.conflict {
            if let Some(message) = self.ready.pop_front() {
                self.on_message(message);
            } else if !(self.decide()
                || self.join()
                || self.ask_late()
                || self.enter()
                || self.propose()
                || self.collect_prepares()
                || self.commit())
            {
                break;
            }
        }
        self.set_deadline();
    }

    /// Signs, if this node votes, the guard agrees and the disk keeps up.
    fn sign(&mut self, message: Message) -> Option<Signed> {
        let (sender, guard) = (self.voter()?, self.guard.as_mut().filter(|_| !self.conflict)?);
        let statement = message.statement();
        if self.held.len() >= MAX_UNPERSISTED && statement.position().is_some() {
            self.out.push(Effect::Withheld(Withheld::Disk { waiting: self.held.len() }));
            return None;
        }
        match guard.sign(&statement, &self.chain, &self.set) {
            Ok(signature) => Some(Signed { version: MESSAGE_VERSION, sender, signature, message }),
            Err(refusal) => {
                self.out.push(Effect::Withheld(Withheld::Guard(refusal)));
                None
            }
        }
    }

    /// Signs, records, and sends once the record is durable. Whether it was signed.
    fn say(&mut self, message: Message) -> bool {
        let Some(signed) = self.sign(message) else { return false };
        self.staged.push(Record::Own(signed.clone()));
        self.staged_own.push(signed);
        true
    }

    /// Hands everything signed in this step to the disk as one write.
    fn flush(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        self.seq = Seq(self.seq.0 + 1);
        let mark = self.guard.as_ref().and_then(Guard::mark);
        let guard = mark.filter(|_| mark != self.guard_reported);
        self.guard_reported = mark;
        let (seq, records) = (self.seq, std::mem::take(&mut self.staged));
        self.held.push_back((seq, std::mem::take(&mut self.staged_own)));
        self.out.push(Effect::Persist { seq, records, guard });
    }

    /// The records up to `seq` are durable: their messages leave, and count here as everyone else's do.
    fn on_persisted(&mut self, seq: Seq) {
        while self.held.front().is_some_and(|(first, _)| *first <= seq) {
            let (_, own) = self.held.pop_front().expect("the loop condition saw it");
            for signed in own {
                self.send_own(&signed, To::All);
                self.count_own(signed);
            }
        }
    }

    /// Counts a durable message of this validator and keeps it for repeating.
    fn count_own(&mut self, signed: Signed) {
        let Some(me) = self.me else { return };
        let (height, view) = (signed.message.height(), signed.message.view());
        if height != self.instance.height {
            return;
        }
        let instance = &mut self.instance;
        if instance.repeat_at.is_none() {
            instance.repeat_at = Some(self.clock.ticks().plus(self.timing.rebroadcast_ms));
        }
        match &signed.message {
            Message::PrePrepare(_) => {
                if view == instance.view {
                    instance.spoken.pre_prepare = Some(signed);
                }
            }
            Message::Prepare(vote) => {
                instance.prepares.add(instance.view, view, me, vote.block, signed.signature);
                if view == instance.view {
                    instance.spoken.prepare = Some(signed);
                }
            }
            Message::Commit(vote) => {
                instance.commits.add(instance.view, view, me, vote.block, signed.signature);
                instance.spoken.commit = Some(signed);
            }
            Message::ViewChange(change) => {
                instance.changes.add(me, change, signed.signature, false);
                instance.spoken.view_change = Some(signed);
            }
            Message::Status(_) => {}
        }
    }

    fn send(&mut self, to: To, message: Signed) {
        self.out.push(Effect::Send { to, message });
    }

    /// Sends an own message. While the new view has no proposal, its primary gets the block behind a view-change's
    /// certificate with it, since it may have to propose that block again.
    fn send_own(&mut self, signed: &Signed, to: To) {
        if let Message::ViewChange(change) = &signed.message
            && change.height == self.instance.height
            && self.instance.proposal.is_none()
            && let Some(block) = change.prepared.as_ref().and_then(|p| self.instance.block(p.block))
        {
            let primary = self.set.primary(change.height, change.view);
            if self.me != Some(primary) && (to == To::All || to == To::One(primary)) {
                let whole = ViewChange { block: Some(block), ..change.clone() };
                self.send(To::One(primary), Signed { message: Message::ViewChange(whole), ..signed.clone() });
            }
        }
        self.send(to, signed.clone());
    }

    /// Asks for one tick at the next time that something is due here.
    fn set_wake(&mut self) {
        let instance = &self.instance;
        let mut due: Vec<Time> = instance.repeat_at.map(|at| self.clock.wall_at(at)).into_iter().collect();
        if self.voter().is_some() {
            due.push(self.clock.wall_at(self.status_at));
        }
        if let Some(deadline) = self.deadline() {
            due.push(self.clock.wall_at(deadline));
        } else if !self.is_wanted() {
            due.push(self.clock.wall_at(self.heartbeat_at()));
        }
        if let Some(early) = instance.proposal.as_ref().filter(|p| p.progress == Progress::Early) {
            due.push(early.block.header.time.minus(self.timing.precision_ms));
        }
        let now = self.clock.wall();
        let next = due.into_iter().min().map(|t| t.max(now.plus(1)));
        // It lies after `now`, so one that equals the last is still to come.
        if let Some(at) = next
            && self.wake != next
        {
            self.wake = next;
            self.out.push(Effect::WakeAt(at));
        }
    }

    /// The last decided block.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The height being decided.
    pub fn height(&self) -> Height {
        self.instance.height
    }

    /// The view at that height.
    pub fn view(&self) -> View {
        self.instance.view
    }

    /// The primary of that view.
    pub fn primary(&self) -> ValidatorIndex {
        self.set.primary(self.instance.height, self.instance.view)
    }

    /// This node's place in the set; `None` for an observer.
    pub fn me(&self) -> Option<ValidatorIndex> {
        self.me
    }

    /// The validators.
    pub fn validators(&self) -> &Arc<ValidatorSet> {
        &self.set
    }

    /// The phase for people: `idle`, `proposed`, `accepted`, `prepared`, `certified`, `changing view`, `rejoining` or
    /// `stopped`.
    pub fn phase(&self) -> &'static str {
        let instance = &self.instance;
        if self.conflict {
            "stopped"
        } else if self.rejoin.is_some() {
            "rejoining"
        } else if instance.certificate.is_some() {
            "certified"
        } else if !instance.entered {
            "changing view"
        } else if instance.prepared.as_ref().is_some_and(|p| p.view == instance.view) {
            "prepared"
        } else {
            match instance.proposal.as_ref().map(|p| p.progress) {
                None => "idle",
                Some(Progress::Accepted) => "accepted",
                Some(Progress::Early | Progress::Executing | Progress::Refused) => "proposed",
            }
        }
    }
}
