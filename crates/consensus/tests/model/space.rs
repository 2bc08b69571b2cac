//! The states of a small cluster and the steps between them. `docs/model-checking.md` says what is reduced and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, RwLock};

use stateright::{Model, Property};
use vostro_consensus::{Effect, GuardMark, Input, Message, Record, Replica, Testimony};
use vostro_crypto::{Hash, sha256};
use vostro_types::{Time, ValidatorIndex, View, VoteKind};

use crate::broken::{Rule, shown};
use crate::host::{BAD, Change, Disk, H, Heard, Host, Names, Proof, Proposal, bits};

const BLOCKS: u8 = 3;

/// What is covered.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub n: usize,
    /// Byzantine validators as bits.
    pub byzantine: u8,
    /// The last view.
    pub last: u8,
    /// Crashes that may cost what was being written.
    pub crashes: u8,
    /// Whether a core runs on between steps, instead of starting from its disk each time.
    pub running: bool,
    /// Whether certificates and justifications are told apart by their signers.
    pub exact: bool,
    /// Rules that do not hold.
    pub broken: &'static [Rule],
}

impl Bounds {
    fn breaks(&self, rule: Rule) -> bool {
        self.broken.contains(&rule)
    }
}

/// All that a validator has said and holds.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Blocks as bits, by view.
    prepares: [u8; 4],
    commits: [u8; 4],
    changes: [Vec<Option<Proof>>; 4],
    proposals: [Vec<Proposal>; 4],
}

/// A validator between steps.
struct Local {
    who: u8,
    disk: Disk,
    replica: Option<(Replica, Time)>,
    view: u8,
    said: Said,
    /// Certificates on its disk.
    holds: Vec<Proof>,
    /// Contradicts itself, or holds a certificate that does not verify.
    broken: bool,
    /// Prepared a block that does not execute.
    invalid: bool,
}

type Id = u32;
/// Who claims which view and block.
type Claims = Vec<(u8, Option<(u8, u8)>)>;
/// What a step came to: the state after it, and the disks a crash in it could leave.
type Outcome = Arc<(Option<Id>, Vec<Id>)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// 0 for a Byzantine validator.
    locals: [Id; 4],
    crashes: u8,
}

/// A step of one validator to a new state of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub who: u8,
    pub heard: Heard,
    pub crash: bool,
    to: Id,
}

#[derive(Default)]
struct Table {
    locals: Vec<Arc<Local>>,
    ids: BTreeMap<(u8, Hash), Id>,
}

pub struct Cluster {
    pub bounds: Bounds,
    names: Names,
    table: RwLock<Table>,
    steps: RwLock<BTreeMap<(Id, Heard), Outcome>>,
    decisions: RwLock<BTreeMap<(Id, u8, u8), bool>>,
    verdicts: Mutex<BTreeMap<State, bool>>,
}

impl Ord for State {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.locals, self.crashes).cmp(&(other.locals, other.crashes))
    }
}

impl PartialOrd for State {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Action {}

impl Cluster {
    pub fn new(bounds: Bounds) -> Cluster {
        let names = Names { gullible: bounds.breaks(Rule::Execution), ..Names::new(bounds.n) };
        let (table, steps, decisions, verdicts) = Default::default();
        Cluster { bounds, names, table, steps, decisions, verdicts }
    }

    fn honest(&self) -> impl Iterator<Item = u8> + use<> {
        let byzantine = self.bounds.byzantine;
        (0..self.bounds.n as u8).filter(move |i| byzantine & (1 << i) == 0)
    }

    fn quorum(&self) -> usize {
        self.names.chain.set.quorum()
    }

    /// How many must really have signed where the core asks for a quorum.
    fn signers(&self, of: Rule) -> usize {
        self.quorum() - usize::from(self.bounds.breaks(of))
    }

    fn primary(&self, view: u8) -> u8 {
        self.names.chain.set.primary(H, View(u64::from(view))).0 as u8
    }

    fn local(&self, id: Id) -> Arc<Local> {
        self.table.read().unwrap().locals[id as usize].clone()
    }

    /// How many different states of one validator were met.
    pub fn locals(&self) -> usize {
        self.table.read().unwrap().locals.len()
    }

    /// How often the core was driven.
    pub fn steps(&self) -> usize {
        self.steps.read().unwrap().len()
    }

    // --- one validator -----------------------------------------------------------------------------------------------

    /// What tells a disk from others.
    fn trace(&self, disk: &Disk, exact: bool) -> Vec<u8> {
        let mut bytes: Vec<u8> = disk.records.iter().flat_map(|record| self.trace_of(record, exact)).collect();
        bytes.extend(disk.mark.iter().flat_map(|mark| mark.encode()));
        bytes
    }

    fn trace_of(&self, record: &Record, exact: bool) -> Vec<u8> {
        if exact {
            return record.encode();
        }
        // what was said, and whether a proposal was a fresh one; not who signed for it
        let (kind, signed) = match record {
            Record::Own(signed) => (0, signed),
            Record::Accepted(signed) => (1, signed),
            Record::Prepared(certificate) => {
                return vec![2, certificate.view.0 as u8, self.names.number(certificate.block)];
            }
        };
        let fresh = matches!(&signed.message, Message::PrePrepare(p) if p.is_fresh());
        let mut bytes = vec![kind, u8::from(fresh)];
        bytes.extend(signed.message.statement().bytes(&self.names.chain.hash, &self.names.chain.set));
        bytes
    }

    fn intern(&self, who: u8, disk: Disk, replica: Option<(Replica, Time)>) -> Id {
        let mut bytes = self.trace(&disk, self.bounds.exact);
        if let Some((core, _)) = &replica {
            bytes.extend(format!("{} {}", core.view(), core.phase()).into_bytes());
        }
        let key = (who, sha256(&bytes));
        if let Some(id) = self.table.read().unwrap().ids.get(&key) {
            return *id;
        }
        let local = self.look_at(who, disk, replica);
        let mut table = self.table.write().unwrap();
        let next = table.locals.len() as Id;
        let id = *table.ids.entry(key).or_insert(next);
        if id == next {
            table.locals.push(Arc::new(local));
        }
        id
    }

    fn look_at(&self, who: u8, disk: Disk, replica: Option<(Replica, Time)>) -> Local {
        let (chain, set) = (&self.names.chain.hash, &self.names.chain.set);
        let mut said = Said::default();
        let mut testimony = Testimony::new(chain, set, H);
        let mut broken = false;
        let mut holds = Vec::new();
        for record in &disk.records {
            if let Record::Prepared(certificate) = record {
                holds.push(self.names.proof_of(certificate));
            }
            let Record::Own(signed) = record else {
                // Of proposals that differ in claims alone one stands for all, so claims in it are not for use here.
                broken |= !Testimony::new(chain, set, H).add_record(record);
                continue;
            };
            broken |= !testimony.add_record(record);
            let view = signed.message.view().0 as usize;
            match &signed.message {
                Message::PrePrepare(p) => said.proposals[view].push(self.names.proposal_of(p)),
                Message::Prepare(vote) => said.prepares[view] |= 1 << self.names.number(vote.block),
                Message::Commit(vote) => said.commits[view] |= 1 << self.names.number(vote.block),
                Message::ViewChange(c) => {
                    said.changes[view].push(c.prepared.as_ref().map(|c| self.names.proof_of(c)));
                }
                Message::Status(_) => {}
            }
        }
        broken |= testimony.contradictions().iter().any(|e| e.validator == ValidatorIndex(u16::from(who)));
        let invalid = said.prepares.iter().chain(&said.commits).any(|blocks| blocks & (1 << BAD) != 0);
        let view = match &replica {
            Some((core, _)) => core.view(),
            None => Host::boot(&self.names, who, &disk).replica.view(),
        };
        Local { who, disk, replica, view: view.0 as u8, said, holds, broken, invalid }
    }

    /// Every reachable state, without the signers of certificates and justifications.
    pub fn reached(&self) -> BTreeSet<(Vec<Vec<u8>>, u8)> {
        let mut met: BTreeSet<State> = self.init_states().into_iter().collect();
        let mut open: Vec<State> = met.iter().copied().collect();
        while let Some(state) = open.pop() {
            let mut actions = Vec::new();
            self.actions(&state, &mut actions);
            let next = actions.into_iter().filter_map(|action| self.next_state(&state, action));
            open.extend(next.filter(|next| met.insert(*next)));
        }
        let plain = |state: &State| {
            let all = self.all(state);
            (all.iter().flatten().map(|local| self.trace(&local.disk, false)).collect(), state.crashes)
        };
        met.iter().map(plain).collect()
    }

    fn step(&self, from: Id, heard: &Heard) -> Outcome {
        let key = (from, heard.clone());
        if let Some(outcome) = self.steps.read().unwrap().get(&key) {
            return outcome.clone();
        }
        let local = self.local(from);
        let mut host = self.host(&local, heard);
        host.hear(heard);
        self.tell_truth(&local, &mut host);
        let within = |disk: &Disk| {
            disk.records.iter().all(|r| match r {
                Record::Own(signed) => signed.message.view().0 <= u64::from(self.bounds.last),
                Record::Accepted(_) | Record::Prepared(_) => true,
            })
        };
        let mut crashes = Vec::new();
        if self.bounds.crashes > 0 {
            for disk in host.crashes.iter().filter(|disk| within(disk)) {
                let running = self.bounds.running.then(|| Host::boot(&self.names, local.who, disk));
                // a start writes too, if it finds a proposal of its own that it did not prepare
                let (disk, core) = match running {
                    Some(host) => (host.disk, Some((host.replica, host.now))),
                    None => (disk.clone(), None),
                };
                crashes.push(self.intern(local.who, disk, core));
            }
        }
        crashes.sort_unstable();
        crashes.dedup();
        crashes.retain(|id| *id != from);
        let in_view = host.replica.view().0 <= u64::from(self.bounds.last);
        let after = (within(&host.disk) && in_view && host.decided.is_none()).then(|| {
            let core = self.bounds.running.then_some((host.replica, host.now));
            self.intern(local.who, host.disk, core)
        });
        let outcome = Arc::new((after.filter(|id| *id != from), crashes));
        self.steps.write().unwrap().entry(key).or_insert(outcome).clone()
    }

    fn host(&self, local: &Local, heard: &Heard) -> Host<'_> {
        match &local.replica {
            Some((core, now)) if heard != &Heard::Nothing => Host::resume(&self.names, core.clone(), &local.disk, *now),
            _ => {
                let disk = shown(&self.names, self.bounds.broken, local.who, &local.disk, heard);
                Host::boot(&self.names, local.who, &disk)
            }
        }
    }

    /// Puts back on the disk what the core was not shown.
    fn tell_truth(&self, before: &Local, host: &mut Host) {
        if self.bounds.broken.is_empty() {
            return;
        }
        let exact = self.bounds.exact;
        let restore = |disk: &mut Disk| {
            let shown = std::mem::replace(disk, before.disk.clone());
            for record in shown.records {
                let trace = self.trace_of(&record, exact);
                if !disk.records.iter().any(|known| self.trace_of(known, exact) == trace) {
                    disk.records.push(record);
                }
            }
            let position = |mark: &Option<GuardMark>| mark.map(|mark| mark.position);
            if position(&shown.mark) >= position(&disk.mark) {
                disk.mark = shown.mark;
            }
        };
        if self.bounds.breaks(Rule::CertificateFirst) {
            let mut torn = host.disk.clone();
            let new = torn.records.split_off(before.disk.records.len().min(torn.records.len()));
            torn.records.extend(new.into_iter().filter(|record| !matches!(record, Record::Prepared(_))));
            host.crashes.push(torn);
        }
        host.crashes.iter_mut().for_each(restore);
        restore(&mut host.disk);
    }

    /// Whether the core, given a quorum of commits, decides that block with a certificate that verifies.
    fn decides(&self, id: Id, view: u8, block: u8, committers: u8) -> bool {
        if let Some(known) = self.decisions.read().unwrap().get(&(id, view, block)) {
            return *known;
        }
        let local = self.local(id);
        let mut host = self.host(&local, &Heard::Build(0));
        for who in bits(committers & !(1 << local.who)) {
            host.input(Input::Message(self.names.vote(VoteKind::Commit, who, view, block)));
        }
        if host.decided.is_none() {
            // the certificate is complete and the block is not here: it is fetched
            let certificate = self.names.certificate(VoteKind::Commit, view, block, committers);
            let body = self.names.blocks[usize::from(block)].clone();
            let (chain, set) = (&self.names.chain.hash, &self.names.chain.set);
            let fetched = vostro_consensus::DecidedBlock::verify(body, certificate, chain, set).unwrap();
            let effects = host.replica.step(host.now, Input::Synced(fetched));
            host.decided = effects.into_iter().find_map(|e| match e {
                Effect::Decide(decided) => Some(decided),
                _ => None,
            });
        }
        let good = host.decided.is_some_and(|decided| {
            let certificate = decided.certificate().clone();
            let right = certificate.block == self.names.id(block);
            right && certificate.verify(&self.names.chain.hash, &self.names.chain.set).is_ok()
        });
        self.decisions.write().unwrap().insert((id, view, block), good);
        good
    }

    // --- what signatures exist ---------------------------------------------------------------------------------------

    fn all(&self, state: &State) -> Vec<Option<Arc<Local>>> {
        let table = self.table.read().unwrap();
        let honest: Vec<u8> = self.honest().collect();
        let of = |i: u8| honest.contains(&i).then(|| table.locals[state.locals[usize::from(i)] as usize].clone());
        (0..self.bounds.n as u8).map(of).collect()
    }

    fn voters(&self, all: &[Option<Arc<Local>>], kind: VoteKind, view: u8, block: u8) -> u8 {
        let voted = |local: &Arc<Local>| {
            let votes = if kind == VoteKind::Prepare { &local.said.prepares } else { &local.said.commits };
            votes[usize::from(view)] & (1 << block) != 0
        };
        let honest = all.iter().flatten().filter(|l| voted(l)).fold(0, |mask, l| mask | 1 << l.who);
        honest | self.bounds.byzantine
    }

    /// Certificates of commits that the signatures in existence add up to: view, block, signers.
    fn certified(&self, all: &[Option<Arc<Local>>]) -> Vec<(u8, u8, u8)> {
        let mut found = Vec::new();
        for view in 0..=self.bounds.last {
            for block in 0..BLOCKS {
                let voters = self.voters(all, VoteKind::Commit, view, block);
                if voters.count_ones() as usize >= self.signers(Rule::QuorumOfCommits) {
                    found.push((view, block, voters));
                }
            }
        }
        found
    }

    /// Prepared certificates in views below `below`, by their signers if they are told apart.
    fn proofs(&self, all: &[Option<Arc<Local>>], below: u8) -> Vec<Proof> {
        let mut found = Vec::new();
        for view in 0..below {
            for block in 0..BLOCKS {
                let voters = self.voters(all, VoteKind::Prepare, view, block);
                let mut signers = self.subsets(voters, self.signers(Rule::QuorumOfPrepares));
                let holds = |l: &Local| l.holds.iter().any(|held| (held.view, held.block) == (view, block));
                if signers.is_empty() && all.iter().flatten().any(|l| holds(l)) {
                    // a rule is broken: it verifies, and not all of them signed it
                    signers.push(0);
                }
                found.extend(signers.into_iter().map(|signers| Proof { view, block, signers }));
            }
        }
        found
    }

    /// Subsets of a size: all if signers are told apart, else the first.
    fn subsets(&self, of: u8, size: usize) -> Vec<u8> {
        let sized = (1..=of).filter(|s| s & !of == 0 && s.count_ones() as usize == size);
        if self.bounds.exact { sized.collect() } else { sized.take(1).collect() }
    }

    /// Proposals a Byzantine primary can make and justify; where justification is broken, others too to who is in the view.
    fn lies(&self, all: &[Option<Arc<Local>>], view: u8, is_own: bool) -> Vec<Proposal> {
        let fresh = |claims: Vec<_>| {
            (0..BLOCKS).map(move |block| Proposal { view, block, carried: None, claims: claims.clone() })
        };
        if view == 0 {
            return fresh(Vec::new()).collect();
        }
        let mut found = Vec::new();
        for claims in self.claims(all, view, None) {
            found.extend(fresh(claims));
        }
        if self.bounds.breaks(Rule::Justification) && is_own {
            found.extend(fresh(Vec::new()));
        }
        for proof in self.proofs(all, view) {
            if self.bounds.breaks(Rule::HighestCertificate) && is_own {
                found.push(Proposal { view, block: proof.block, carried: Some(proof), claims: Vec::new() });
            }
            for claims in self.claims(all, view, Some(proof)) {
                found.push(Proposal { view, block: proof.block, carried: Some(proof), claims });
            }
        }
        found
    }

    /// Quorums of claims of which `highest` is the highest. A Byzantine validator claims just that: of all it could
    /// claim, it leaves the least trace.
    fn claims(&self, all: &[Option<Arc<Local>>], view: u8, highest: Option<Proof>) -> Vec<Claims> {
        let top = highest.map(|p| (p.view, p.block));
        let mut possible = BTreeMap::new();
        for who in bits(self.bounds.byzantine) {
            possible.insert(who, top);
        }
        for local in all.iter().flatten() {
            for prepared in &local.said.changes[usize::from(view)] {
                let at = prepared.map(|p| (p.view, p.block));
                if at.map(|at| at.0) <= top.map(|at| at.0) {
                    possible.insert(local.who, at);
                }
            }
        }
        let mask: u8 = possible.keys().fold(0, |mask, who| mask | 1 << who);
        let reaches =
            |claims: &Claims| claims.iter().filter_map(|(_, at)| *at).map(|at| at.0).max() == top.map(|at| at.0);
        let sized =
            (1..=mask).filter(|s| s & !mask == 0 && s.count_ones() as usize == self.signers(Rule::QuorumOfClaims));
        let all = sized.map(|s| bits(s).map(|who| (who, possible[&who])).collect()).filter(reaches);
        if self.bounds.exact { all.collect() } else { all.take(1).collect() }
    }

    /// View-changes of others for one view: an honest one's as it is, a Byzantine one's any that verifies.
    fn changes_of(&self, all: &[Option<Arc<Local>>], who: u8, view: u8) -> Vec<Change> {
        let change = |prepared| Change { who, view, prepared };
        match &all[usize::from(who)] {
            Some(local) if view <= self.bounds.last => {
                local.said.changes[usize::from(view)].iter().copied().map(change).collect()
            }
            Some(_) => Vec::new(),
            None if view > self.bounds.last => vec![change(None)],
            None => {
                let proofs = self.proofs(all, view).into_iter().map(Some);
                std::iter::once(None).chain(proofs).map(change).collect()
            }
        }
    }

    // --- steps -------------------------------------------------------------------------------------------------------

    fn heard(&self, local: &Local, all: &[Option<Arc<Local>>]) -> Vec<Heard> {
        let mut heard = vec![Heard::Nothing];
        let (me, view, last) = (local.who, local.view, self.bounds.last);
        let spoke = |view: u8| !local.said.proposals[usize::from(view)].is_empty();
        if view == 0 && self.primary(0) == me && !spoke(0) {
            heard.extend([0, 1].map(Heard::Build));
        }
        let back = self.bounds.breaks(Rule::NoVoteBelow);
        for in_view in if back { 0 } else { view }..=last {
            let proposals = match &all[usize::from(self.primary(in_view))] {
                Some(primary) if primary.who == me => Vec::new(),
                Some(primary) => primary.said.proposals[usize::from(in_view)].clone(),
                None => self.lies(all, in_view, in_view == view),
            };
            heard.extend(proposals.into_iter().map(Heard::Propose));
        }
        for in_view in if back { 0 } else { view }..=view {
            for block in 0..BLOCKS {
                let mine = local.said.prepares[usize::from(in_view)] & (1 << block) != 0;
                let done = local.said.commits[usize::from(in_view)] & (1 << block) != 0;
                if mine && !done {
                    let from = self.quorums_with(me, all, in_view, block);
                    heard.extend(from.into_iter().map(|from| Heard::Prepares { view: in_view, block, from }));
                }
            }
        }
        self.hear_changes(local, all, &mut heard);
        if !self.bounds.exact {
            heard.iter_mut().for_each(|heard| self.by_others(me, heard));
        }
        heard
    }

    /// Others whose prepares and that of `me` make a certificate.
    fn quorums_with(&self, me: u8, all: &[Option<Arc<Local>>], view: u8, block: u8) -> Vec<u8> {
        let others = self.voters(all, VoteKind::Prepare, view, block) & !(1 << me);
        let everyone = (0..self.bounds.n as u8).fold(0, |mask, i| mask | 1 << i) & !(1 << me);
        let needed = self.signers(Rule::QuorumOfPrepares) - 1;
        if self.bounds.breaks(Rule::CommitPrepared) || needed + 1 < self.quorum() {
            let enough = self.bounds.breaks(Rule::CommitPrepared) || others.count_ones() as usize >= needed;
            return if enough { self.subsets(everyone, self.quorum() - 1) } else { Vec::new() };
        }
        self.subsets(others, needed)
    }

    /// Puts others in the place of all signers. A core looks for its own signature in what it hears, and one that has not
    /// signed must not find it there; to one that has signed it is nothing new.
    fn by_others(&self, me: u8, heard: &mut Heard) {
        let others: u8 = (0..self.bounds.n as u8).filter(|i| *i != me).take(self.quorum()).map(|i| 1 << i).sum();
        match heard {
            Heard::Propose(proposal) => {
                let top = proposal.carried.as_mut().map(|carried| {
                    carried.signers = others;
                    (carried.view, carried.block)
                });
                if proposal.view > 0 {
                    proposal.claims = bits(others).map(|who| (who, top)).collect();
                }
            }
            Heard::Changes { changes, .. } | Heard::TimeOut(changes) => {
                changes.iter_mut().flat_map(|c| &mut c.prepared).for_each(|proof| proof.signers = others);
            }
            Heard::Nothing | Heard::Build(_) | Heard::Prepares { .. } => {}
        }
    }

    fn hear_changes(&self, local: &Local, all: &[Option<Arc<Local>>], heard: &mut Vec<Heard>) {
        let (me, view, last) = (local.who, local.view, self.bounds.last);
        // A crash may keep the guard's mark of a request and lose the request: then the view counts as entered, and three
        // others are needed for what is otherwise done by an own request and two more.
        let asked = !local.said.changes[usize::from(view)].is_empty();
        if view < last && !asked {
            heard.push(Heard::TimeOut(Vec::new()));
        }
        let others: Vec<u8> = (0..self.bounds.n as u8).filter(|i| *i != me).collect();
        // pairs of view-changes for `low` and `high`, by two others
        let pairs = |low: u8, high: u8| {
            let mut found = Vec::new();
            if self.bounds.breaks(Rule::QuorumOfClaims) {
                // one other is enough, and the second was never signed
                for a in &others {
                    let b = others.iter().find(|b| *b != a).copied().unwrap_or_default();
                    let forged = Change { who: b, view: high, prepared: None };
                    found.extend(self.changes_of(all, *a, low).into_iter().map(|first| vec![first, forged]));
                }
                return found;
            }
            for a in &others {
                for b in others.iter().filter(|b| *b != a && (low != high || a < *b)) {
                    for first in self.changes_of(all, *a, low) {
                        for second in self.changes_of(all, *b, high) {
                            found.push(vec![first, second]);
                        }
                    }
                }
            }
            found
        };
        // An own request and two more enter the view; one of them for a later view justifies no proposal, and so the
        // primary too may let its view pass. With two for this view it proposes on the way if one of them reports a
        // certificate: then which two they are makes a difference.
        let ways = |low: u8, highs: std::ops::RangeInclusive<u8>| {
            let split = highs.flat_map(|high| pairs(low, high)).next();
            let count = if split.is_none() && self.primary(low) == me { usize::MAX } else { 1 };
            match split {
                Some(split) => vec![split],
                None => pairs(low, low).into_iter().take(count).collect(),
            }
        };
        if view > 0 && view < last {
            heard.extend(ways(view, view + 1..=view + 1).into_iter().map(Heard::TimeOut));
        }
        for target in view + 1..=last {
            let found = ways(target, target + 1..=last + 1).into_iter();
            heard.extend(found.map(|changes| Heard::Changes { changes, build: None }));
        }
        let spoke = !local.said.proposals[usize::from(view)].is_empty();
        if view > 0 && self.primary(view) == me && !spoke {
            let quorums = if asked {
                pairs(view, view)
            } else {
                let third = |pair: &Vec<Change>| {
                    let rest = others.iter().filter(|c| pair[1].who < **c);
                    rest.flat_map(|c| self.changes_of(all, *c, view)).collect::<Vec<_>>()
                };
                let join = |pair: Vec<Change>| third(&pair).into_iter().map(move |c| [pair.clone(), vec![c]].concat());
                pairs(view, view).into_iter().flat_map(join).collect()
            };
            for changes in quorums {
                let carried = changes.iter().any(|c| c.prepared.is_some());
                let own = local.said.changes[usize::from(view)].iter().any(|p| p.is_some());
                let builds = if carried || own { vec![None] } else { vec![Some(0), Some(1)] };
                heard.extend(builds.into_iter().map(|build| Heard::Changes { changes: changes.clone(), build }));
            }
        }
    }

    // --- properties --------------------------------------------------------------------------------------------------

    fn forked(&self, state: &State) -> bool {
        let certified = self.certified(&self.all(state));
        certified.iter().any(|a| certified.iter().any(|b| a.1 != b.1))
    }

    /// Whether every fork that the signatures in existence add up to is told from the honest logs: n − 2f named, each
    /// with proof, and no honest one.
    fn accounted(&self, state: &State) -> bool {
        let key = State { crashes: 0, ..*state };
        if let Some(known) = self.verdicts.lock().unwrap().get(&key) {
            return *known;
        }
        let all = self.all(state);
        let (chain, set) = (&self.names.chain.hash, &self.names.chain.set);
        let mut papers = Testimony::new(chain, set, H);
        for record in all.iter().flatten().flat_map(|local| &local.disk.records) {
            papers.add_record(record);
        }
        let certified = self.certified(&all);
        let smallest = |(view, block, voters): (u8, u8, u8)| {
            let sized = (1..=voters).filter(move |s| s & !voters == 0 && s.count_ones() as usize == self.quorum());
            sized.map(move |signers| self.names.certificate(VoteKind::Commit, view, block, signers))
        };
        let mut good = true;
        for a in &certified {
            for b in certified.iter().filter(|b| a.1 < b.1) {
                for first in smallest(*a) {
                    for second in smallest(*b) {
                        let verdict = papers.clone().judge(&first, &second).expect("it is a fork");
                        let accused = verdict.accused();
                        let guilty = |v: &ValidatorIndex| self.bounds.byzantine & (1 << v.0) != 0;
                        good &= accused.len() >= set.len() - 2 * set.faulty() && accused.iter().all(guilty);
                        good &= verdict.evidence.iter().all(|e| e.clone().verify(chain, set).is_ok());
                    }
                }
            }
        }
        self.verdicts.lock().unwrap().insert(key, good);
        good
    }
}

fn decided_in(cluster: &Cluster, state: &State, view: u8) -> bool {
    cluster.certified(&cluster.all(state)).iter().any(|found| found.0 == view)
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut locals = [0; 4];
        for who in self.honest() {
            // a key that never signed: what `init` writes
            let new = Disk { records: Vec::new(), mark: Some(GuardMark::never_signed()) };
            let host = Host::boot(&self.names, who, &new);
            let core = self.bounds.running.then_some((host.replica, host.now));
            locals[usize::from(who)] = self.intern(who, host.disk, core);
        }
        vec![State { locals, crashes: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let all = self.all(state);
        for local in all.iter().flatten() {
            let id = state.locals[usize::from(local.who)];
            let mut seen = Vec::new();
            for heard in self.heard(local, &all) {
                let outcome = self.step(id, &heard);
                let crashes = if state.crashes < self.bounds.crashes { &outcome.1[..] } else { &[] };
                let all = outcome.0.iter().map(|to| (false, *to)).chain(crashes.iter().map(|to| (true, *to)));
                for (crash, to) in all {
                    if !seen.contains(&(crash, to)) {
                        seen.push((crash, to));
                        actions.push(Action { who: local.who, heard: heard.clone(), crash, to });
                    }
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        next.locals[usize::from(action.who)] = action.to;
        next.crashes += u8::from(action.crash);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if !self.bounds.broken.is_empty() {
            let agreement = Property::always("agreement", |m: &Self, s: &State| !m.forked(s));
            let validity =
                Property::always("validity", |m: &Self, s: &State| !m.all(s).iter().flatten().any(|l| l.invalid));
            return vec![if self.bounds.breaks(Rule::Execution) { validity } else { agreement }];
        }
        let mut all: Vec<Property<Self>> = vec![
            Property::always("no honest validator contradicts itself", |m: &Self, s: &State| {
                !m.all(s).iter().flatten().any(|local| local.broken)
            }),
            Property::always("validity", |m: &Self, s: &State| !m.all(s).iter().flatten().any(|local| local.invalid)),
            Property::always("decisions are proved", |m: &Self, s: &State| {
                let certified = m.certified(&m.all(s));
                m.honest().all(|who| {
                    let id = s.locals[usize::from(who)];
                    certified.iter().all(|(view, block, voters)| m.decides(id, *view, *block, *voters))
                })
            }),
            Property::sometimes("decided in view 0", |m: &Self, s: &State| decided_in(m, s, 0)),
        ];
        if self.bounds.byzantine.count_ones() as usize > self.names.chain.set.faulty() {
            all.push(Property::sometimes("fork", |m: &Self, s: &State| m.forked(s)));
            all.push(Property::always("a fork names the guilty", |m: &Self, s: &State| !m.forked(s) || m.accounted(s)));
        } else {
            all.push(Property::always("agreement", |m: &Self, s: &State| !m.forked(s)));
        }
        if self.bounds.last >= 1 {
            all.push(Property::sometimes("decided in view 1", |m: &Self, s: &State| decided_in(m, s, 1)));
        }
        if self.bounds.last >= 2 {
            all.push(Property::sometimes("decided in view 2", |m: &Self, s: &State| decided_in(m, s, 2)));
        }
        all
    }
}
