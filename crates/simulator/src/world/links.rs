//! Links of the world: what is lost, late, doubled and cut, and what a liar puts on them.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use vostro_consensus::{Message, Signed, To, Verified};
use vostro_engine::packet::Packet;
use vostro_engine::wire::{GossipBatch, SyncRequest, SyncResponse};
use vostro_engine::{Event as Input, check_answer};
use vostro_types::transaction::verify_all;
use vostro_types::{Certificate, Evidence, Height, ValidatorIndex, VerifiedEvidence, VerifiedTransaction};

use super::{Checked, Event, World};
use crate::byzantine::{Liar, remember};
use crate::check::short;
use crate::machine::{Kind, Sabotage};

/// What honest validators heard is kept for so many heights below the highest decided one.
const KEPT_HEIGHTS: u64 = 3;

/// What travels over a link.
#[derive(Clone)]
pub(super) enum Parcel {
    Message(Rc<Said>),
    Batch(Rc<Batch>),
    Ask { number: u64, request: SyncRequest },
    Answer { number: u64, bytes: Option<Rc<[u8]>> },
}

/// Bytes of a message; whether they verify is a function of them alone, so it is found out once for all receivers. What a
/// short proposal comes to depends on what its receiver holds, and is found out there.
pub(super) struct Said {
    bytes: Vec<u8>,
    is_short: bool,
    pub(super) verified: OnceCell<Option<Verified>>,
}

impl Said {
    pub(super) fn new(bytes: Vec<u8>) -> Rc<Self> {
        Rc::new(Said { bytes, is_short: false, verified: OnceCell::new() })
    }

    fn short(bytes: Vec<u8>, whole: Option<Verified>) -> Rc<Self> {
        Rc::new(Said { bytes, is_short: true, verified: OnceCell::from(whole) })
    }
}

/// Bytes of a batch of transactions and evidence, likewise.
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) verified: OnceCell<(Vec<VerifiedTransaction>, Vec<VerifiedEvidence>)>,
}

impl World {
    pub(super) fn of(&self, validator: ValidatorIndex) -> Vec<usize> {
        (0..self.machines.len()).filter(|at| self.machines[*at].validator == validator).collect()
    }

    pub(super) fn send(&mut self, at: usize, to: To, bytes: Vec<u8>) -> Checked {
        let (signed, is_short) = match Packet::decode(&bytes) {
            Ok(Packet::Message(signed)) => (signed, false),
            Ok(Packet::Short(short)) => {
                let running = self.machines[at].running.as_ref();
                let Some(whole) = running.and_then(|running| running.engine.offered()) else {
                    return Err(format!("CODEC: {} sends short what it did not propose", self.names[at]));
                };
                if short.proposal().signature != whole.signature {
                    return Err(format!("CODEC: {} sends short another proposal than its last", self.names[at]));
                }
                (whole.clone(), true)
            }
            Ok(Packet::Ask(_)) => {
                self.figures.asked += 1;
                let said = Said::short(bytes, None);
                for other in self.receivers(at, to) {
                    self.post(at, other, Parcel::Message(said.clone()), "ask".into());
                }
                return Ok(());
            }
            Err(error) => return Err(format!("CODEC: {} sends what does not decode: {error}", self.names[at])),
        };
        let kind = self.machines[at].kind;
        let own = signed.message.statement().position().is_some() && signed.sender == self.machines[at].validator;
        if kind.is_honest() && own {
            if !self.machines[at].durable.contains(&signed.signature) {
                let text = describe(&signed);
                return Err(format!("DURABILITY: {} sends {text} before it is durable", self.names[at]));
            }
            self.checker.said(&signed)?;
        }
        if matches!(signed.message, Message::ViewChange(_)) {
            self.figures.view_changes += 1;
        }
        if let Message::PrePrepare(proposal) = &signed.message {
            self.proposed_at.entry(proposal.height).or_insert(self.now);
            remember(&mut self.blocks, (proposal.height, proposal.block.id()));
        }
        if self.habits.iter().any(Option::is_some) {
            remember(&mut self.archive, signed.encode());
        }
        let receivers = self.receivers(at, to);
        if let Some(habits) = self.habits[at] {
            let honest = signed.encode();
            for other in receivers {
                let liar = Liar {
                    key: &self.keys[usize::from(self.machines[at].validator.0)],
                    habits: &habits,
                    chain: &self.chain,
                    set: &self.set,
                    checker: &self.checker,
                    archive: &self.archive,
                    blocks: &self.blocks,
                };
                for (falsified, late) in liar.speak(&signed, other, &mut self.dice).messages {
                    self.figures.falsified += u64::from(falsified != honest);
                    let read = Packet::decode(&falsified).ok();
                    let said = read.as_ref().and_then(Packet::signed);
                    if let Some(Signed { message: Message::PrePrepare(proposal), .. }) = said {
                        remember(&mut self.blocks, (proposal.height, proposal.block.id()));
                    }
                    let what = said.map_or_else(|| "garbage".into(), describe);
                    let said = match read {
                        Some(Packet::Short(_)) => Said::short(falsified, None),
                        _ => Said::new(falsified),
                    };
                    self.post_late(at, other, Parcel::Message(said), what.into(), late);
                }
            }
            return Ok(());
        }
        let what: Rc<str> = describe(&signed).into();
        self.figures.short += u64::from(is_short);
        let said = if is_short {
            Said::short(bytes, signed.clone().verify(&self.chain, &self.set).ok())
        } else {
            Said::new(bytes)
        };
        for other in receivers {
            if matches!(signed.message, Message::Status(_)) {
                self.figures.statuses += 1;
            } else {
                self.figures.messages += 1;
                self.figures.bytes += said.bytes.len() as u64;
                self.figures.signatures += signatures(&signed);
            }
            self.post(at, other, Parcel::Message(said.clone()), what.clone());
        }
        Ok(())
    }

    fn receivers(&self, at: usize, to: To) -> Vec<usize> {
        match to {
            To::All => (0..self.machines.len()).filter(|other| *other != at).collect(),
            To::One(validator) => self.of(validator).into_iter().filter(|other| *other != at).collect(),
        }
    }

    pub(super) fn post(&mut self, from: usize, to: usize, parcel: Parcel, what: Rc<str>) {
        self.post_late(from, to, parcel, what, 0);
    }

    pub(super) fn post_late(&mut self, from: usize, to: usize, parcel: Parcel, what: Rc<str>, late: u64) {
        if self.cut.contains(&(from, to)) || self.dice.chance(self.weather.loss) {
            return;
        }
        let copies = 1 + u64::from(self.dice.chance(self.weather.duplicate));
        for _ in 0..copies {
            let (low, high) = self.weather.delay;
            let slow = if self.dice.chance(self.weather.slow) { 10 } else { 1 };
            let delay = late + slow * self.dice.between(low, high);
            let (parcel, what) = (parcel.clone(), what.clone());
            self.at(self.now + delay, Event::Deliver { from, to, parcel, what });
        }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, parcel: Parcel, what: &str) -> Checked {
        if self.machines[to].running.is_none() || self.machines[to].sabotage == Some(Sabotage::Deaf) {
            return Ok(());
        }
        let line = format!("<- {} {what}", self.names[from]);
        self.note(to, &line);
        match parcel {
            Parcel::Message(said) => {
                let verified = said
                    .verified
                    .get_or_init(|| Signed::decode(&said.bytes).and_then(|s| s.verify(&self.chain, &self.set)).ok());
                let from = Some(self.machines[from].validator);
                if let Some(message) = verified {
                    let message = message.clone();
                    self.remember_heard(to, message.message().height(), &said);
                    if !said.is_short {
                        return self.step(to, Input::Verified { from, message });
                    }
                }
                self.step(to, Input::Message { from, bytes: said.bytes.clone() })
            }
            Parcel::Batch(batch) => {
                let (transactions, evidence) = batch.verified.get_or_init(|| {
                    let GossipBatch { transactions, evidence } =
                        GossipBatch::from_bytes(&batch.bytes).unwrap_or_default();
                    let proves = |piece: Evidence| piece.verify(&self.chain, &self.set).ok();
                    let transactions = verify_all(transactions, &self.chain).into_iter().flatten().collect();
                    (transactions, evidence.into_iter().filter_map(proves).collect())
                });
                if !evidence.is_empty() {
                    self.step(to, Input::Accused { evidence: evidence.clone() })?;
                }
                self.step(to, Input::Gossiped { transactions: transactions.clone() })
            }
            Parcel::Ask { number, request } => {
                let answer = self.machines[to].serve(request).and_then(|response| self.answer(to, response));
                let bytes = answer.map(|response| response.to_bytes().into());
                self.post(to, from, Parcel::Answer { number, bytes }, "answer".into());
                Ok(())
            }
            Parcel::Answer { number, bytes } => self.answered(to, number, bytes.map(|b| b.to_vec())),
        }
    }

    /// Keeps what honest validators hear about heights that may still fork.
    fn remember_heard(&mut self, at: usize, height: Height, said: &Rc<Said>) {
        let settled = self.checker.height().0.saturating_sub(KEPT_HEIGHTS);
        while self.heard.front().is_some_and(|(height, _)| height.0 < settled) {
            self.heard.pop_front();
        }
        if self.machines[at].kind.is_honest() && height.0 >= settled {
            self.heard.push_back((height, said.clone()));
        }
    }

    pub(super) fn answer(&mut self, at: usize, response: SyncResponse) -> Option<SyncResponse> {
        let Some(habits) = self.habits[at] else { return Some(response) };
        let liar = Liar {
            key: &self.keys[usize::from(self.machines[at].validator.0)],
            habits: &habits,
            chain: &self.chain,
            set: &self.set,
            checker: &self.checker,
            archive: &self.archive,
            blocks: &self.blocks,
        };
        liar.answer(response, &mut self.dice)
    }

    pub(super) fn answered(&mut self, at: usize, number: u64, bytes: Option<Vec<u8>>) -> Checked {
        let Some(running) = &mut self.machines[at].running else { return Ok(()) };
        let Some(place) = running.requests.iter().position(|(asked, _)| *asked == number) else { return Ok(()) };
        let (_, from) = running.requests.swap_remove(place);
        let life = self.machines[at].life;
        let mut blocks = Vec::new();
        let end = check_answer(bytes, &self.chain, &self.set, |block| {
            blocks.push(Input::Fetched { from, block: Box::new(block) });
            true
        });
        // Verifying takes time, in which other things happen.
        let mut time = self.now;
        for input in blocks.into_iter().chain([Input::Answered { from, end }]) {
            time += self.dice.between(0, 3);
            self.at(time, Event::Checked { at, life, input });
        }
        Ok(())
    }

    /// One of two sides for each machine.
    pub(super) fn sides(&mut self) -> Vec<bool> {
        (0..self.machines.len()).map(|_| self.dice.chance(5000)).collect()
    }

    /// Cuts links at random, and keeps twins apart: each talks with its part of the others.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn recut(&mut self) -> Checked {
        let before = std::mem::take(&mut self.cut);
        let count = self.machines.len();
        if self.dice.chance(self.weather.cut) {
            let side = self.sides();
            let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
            self.cut.extend(pairs.filter(|(a, b)| side[*a] != side[*b]));
        }
        if self.dice.chance(self.weather.cut / 2) {
            // one direction only
            let (a, b) = (self.dice.below(count as u64) as usize, self.dice.below(count as u64) as usize);
            self.cut.insert((a, b));
        }
        let side = self.sides();
        for a in 0..count {
            if let Kind::Twin(mine) = self.machines[a].kind {
                for b in (0..count).filter(|b| side[*b] == (mine == 1)) {
                    self.cut.insert((a, b));
                    self.cut.insert((b, a));
                }
            }
        }
        self.changed_links(&before)
    }

    /// Cuts every link of a machine.
    pub fn cut_off(&mut self, at: usize) {
        for other in 0..self.machines.len() {
            self.cut.extend([(at, other), (other, at)]);
        }
    }

    /// Parts the machines into sides; only those of one side hear each other.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn part(&mut self, sides: &[u8]) -> Checked {
        let before = std::mem::take(&mut self.cut);
        for (a, mine) in sides.iter().enumerate() {
            for (b, theirs) in sides.iter().enumerate() {
                if mine != theirs {
                    self.cut.insert((a, b));
                }
            }
        }
        self.changed_links(&before)
    }

    /// Mends every link.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn mend(&mut self) -> Checked {
        let before = std::mem::take(&mut self.cut);
        self.changed_links(&before)
    }

    /// Sometimes the ends of a cut link notice at once; they always notice when it comes back.
    pub(super) fn changed_links(&mut self, before: &BTreeSet<(usize, usize)>) -> Checked {
        for a in 0..self.machines.len() {
            for b in 0..a {
                let (was, is) = (apart(before, a, b), apart(&self.cut, a, b));
                if was == is || (is && self.dice.chance(5000)) {
                    continue;
                }
                let (va, vb) = (self.machines[a].validator, self.machines[b].validator);
                let up = self.machines[a].running.is_some() && self.machines[b].running.is_some();
                let input = |v| if is { Input::Disconnected(v) } else { Input::Connected(v) };
                if is || up {
                    self.step(a, input(vb))?;
                    self.step(b, input(va))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether two machines hear nothing of each other: of a link that is cut in one direction the ends do not notice.
pub(super) fn apart(cut: &BTreeSet<(usize, usize)>, a: usize, b: usize) -> bool {
    cut.contains(&(a, b)) && cut.contains(&(b, a))
}

/// A message in a few words.
pub fn describe(signed: &Signed) -> String {
    let (height, view) = (signed.message.height(), signed.message.view());
    match &signed.message {
        Message::PrePrepare(p) => {
            let claims = p.justification.as_ref().map_or(0, |j| j.claims.len());
            format!(
                "pre-prepare h{height} v{view} {} {} tx, {claims} claims",
                short(&p.block.id()),
                p.block.transactions.len()
            )
        }
        Message::Prepare(vote) => format!("prepare h{height} v{view} {}", short(&vote.block)),
        Message::Commit(vote) => format!("commit h{height} v{view} {}", short(&vote.block)),
        Message::ViewChange(change) => match &change.prepared {
            Some(prepared) => {
                format!("view-change h{height} v{view}, prepared v{} {}", prepared.view, short(&prepared.block))
            }
            None => format!("view-change h{height} v{view}"),
        },
        Message::Status(_) => format!("status h{height}"),
    }
}

/// Signatures that whoever takes the message verifies, apart from those of transactions.
fn signatures(signed: &Signed) -> u64 {
    let certificate = |c: &Option<Certificate>| c.as_ref().map_or(0, |c| c.signatures.len() as u64);
    1 + match &signed.message {
        Message::PrePrepare(p) => {
            p.justification.as_ref().map_or(0, |j| j.claims.len() as u64 + certificate(&j.prepared))
        }
        Message::ViewChange(change) => certificate(&change.prepared),
        Message::Status(status) => certificate(&status.certificate),
        Message::Prepare(_) | Message::Commit(_) => 0,
    }
}
