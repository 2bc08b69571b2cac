//! Agreement within a view: proposals, prepares, commits and the decision.
//!
//! Invariant: R1, R2 and R4 of `docs/protocol.md`, each at the one place where its signature or decision is made:
//! `accept`, `commit`, `decide`.

use vostro_types::{
    Block, BlockId, Certificate, Contradiction, Evidence, Height, PreparedAt, Signature, ValidatorIndex, View,
    VoteKind, block::HEADER_VERSION,
};

use crate::effects::{Effect, Offence, Record};
use crate::message::{DecidedBlock, Message, PrePrepare, Signed, Status, Verified, Vote};
use crate::pacemaker::Ticks;
use crate::votes::Added;

use super::filter::{Later, kind_of};
use super::{Instance, Progress, Proposal, Replica, Tip};

impl Replica {
    pub(super) fn on_message(&mut self, verified: Verified) {
        let from = verified.sender();
        // What this validator said counts when its own record is durable, never by way of the network.
        self.look_for_past(verified.message());
        if Some(from) == self.me {
            if verified.message().statement().position().is_some() {
                self.has_past();
            }
            return;
        }
        let height = verified.message().height();
        if !matches!(verified.message(), Message::Status(_)) {
            if height < self.instance.height {
                return self.on_earlier(from, height);
            }
            if height > self.instance.height {
                return self.on_later(from, verified);
            }
        }
        let signed = verified.into_signed();
        match &signed.message {
            Message::PrePrepare(p) => self.on_pre_prepare(p, &signed),
            Message::Prepare(vote) => self.on_vote(from, VoteKind::Prepare, vote, signed.signature),
            Message::Commit(vote) => self.on_vote(from, VoteKind::Commit, vote, signed.signature),
            Message::ViewChange(change) => self.on_view_change(from, change, signed.signature),
            Message::Status(status) => self.on_status(from, status),
        }
    }

    /// A message of a height this node has not reached. Of the next height one a validator and kind is kept, and one that
    /// contradicts it; the rest will be repeated. That this node is behind only a certificate can tell: it asks for one by telling its own height.
    fn on_later(&mut self, from: ValidatorIndex, verified: Verified) {
        let height = verified.message().height();
        if self.keeps_later(from, verified.message())
            && let Some(kind) = kind_of(verified.message())
        {
            Later::keep(self.next.entry((kind, from)), verified.without_attachment());
        }
        if self.answers_later(self.clock.ticks(), from, height) {
            self.answer(from);
        }
    }

    fn on_status(&mut self, from: ValidatorIndex, status: &Status) {
        let height = status.height();
        if height < self.tip.height {
            return self.answer(from);
        }
        let Some(certificate) = &status.certificate else { return };
        if height == self.tip.height {
            if status.block != self.tip.block {
                self.contradicted(certificate);
            }
        } else if height > self.instance.height {
            self.fall_behind(height, from);
        } else if self.instance.certificate.is_none() {
            self.instance.certificate = Some(certificate.clone());
            if self.instance.block(certificate.block).is_none() {
                self.fall_behind(height, from);
            }
        }
    }

    fn on_pre_prepare(&mut self, p: &PrePrepare, signed: &Signed) {
        let id = p.block.id();
        if let Some(certificate) = &self.instance.certificate {
            // decided already; only the block is missing
            if certificate.block == id {
                self.instance.keep_block(&p.block, id);
            }
            return;
        }
        for claim in p.justification.iter().flat_map(|j| &j.claims) {
            self.instance.changes.hear(claim.validator, p.view);
        }
        self.join();
        if p.view != self.instance.view {
            return;
        }
        if let Some(known) = &self.instance.proposal {
            if known.id != id {
                let first = (known.id, known.signed.signature);
                let second = (id, signed.signature);
                let (view, validator) = (p.view, signed.sender);
                self.accuse(validator, Contradiction::proposals(view, first, second));
                return;
            }
            if !known.gives_way_to(p) {
                return;
            }
        }
        self.instance.keep_block(&p.block, id);
        let (block, fresh) = (p.block.clone(), p.is_fresh());
        let progress = Progress::Early;
        self.instance.proposal = Some(Proposal { signed: signed.clone(), block, id, fresh, progress });
        self.consider();
    }

    /// R1 but for execution. That the primary is right and the justification holds was checked on the way in.
    pub(super) fn consider(&mut self) {
        let Some(proposal) = self.instance.proposal.as_ref().filter(|p| p.progress == Progress::Early) else { return };
        if !self.extends_tip(&proposal.block) {
            return self.refuse();
        }
        if proposal.fresh {
            let (time, now, precision) = (proposal.block.header.time, self.clock.wall(), self.timing.precision_ms);
            if time > now.plus(precision) {
                return; // considered again when its time has come
            }
            let slack = self.timing.delay(self.instance.view).saturating_add(precision);
            if time < now.minus(slack) {
                // too old, which the network may have caused: no offence, the time-out leads on
                return self.set_progress(Progress::Refused);
            }
        }
        if self.instance.valid.contains(&proposal.id) {
            return self.accept();
        }
        let block = proposal.block.clone();
        self.set_progress(Progress::Executing);
        self.out.push(Effect::Execute { block });
    }

    /// Whether the header continues the decided chain under this set.
    pub(super) fn extends_tip(&self, block: &Block) -> bool {
        let header = &block.header;
        header.version == HEADER_VERSION
            && header.epoch == self.set.epoch()
            && header.height == self.instance.height
            && header.parent == self.tip.block
            && header.time > self.tip.time
            && header.validators == self.set.hash()
            && header.next_validators == self.set.hash()
    }

    pub(super) fn on_executed(&mut self, block: BlockId, valid: bool) {
        if valid && self.instance.blocks.iter().any(|b| b.id() == block) {
            self.instance.valid.insert(block);
        }
        let waiting =
            self.instance.proposal.as_ref().is_some_and(|p| p.id == block && p.progress == Progress::Executing);
        match (waiting, valid) {
            (false, _) => {}
            (true, true) => self.accept(),
            (true, false) => self.refuse(),
        }
    }

    /// The proposal breaks a rule. A primary that made it up itself has shown that its view is lost: leave at once.
    fn refuse(&mut self) {
        self.set_progress(Progress::Refused);
        let Some(proposal) = self.instance.proposal.as_ref().filter(|p| p.fresh) else { return };
        let (height, view, block, validator) =
            (self.instance.height, self.instance.view, proposal.id, proposal.signed.sender);
        self.out.push(Effect::Penalise { validator, offence: Offence::InvalidBlock { height, view, block } });
        if self.voter().is_some() {
            self.ask_for(view.next());
        }
    }

    /// R1: prepare, once in a view. The guard enforces the once.
    pub(super) fn accept(&mut self) {
        self.set_progress(Progress::Accepted);
        let Some(proposal) = &self.instance.proposal else { return };
        let accepted = (Some(proposal.signed.sender) != self.me).then(|| proposal.signed.clone());
        let vote = Vote { height: self.instance.height, view: self.instance.view, block: proposal.id };
        let Some(prepare) = self.sign(Message::Prepare(vote)) else { return };
        // The proposal's record comes first: whoever finds the prepare in the log finds the block.
        self.staged.extend(accepted.map(Record::Accepted));
        self.staged.push(Record::Own(prepare.clone()));
        self.staged_own.push(prepare);
    }

    fn set_progress(&mut self, progress: Progress) {
        if let Some(proposal) = &mut self.instance.proposal {
            proposal.progress = progress;
        }
    }

    fn on_vote(&mut self, from: ValidatorIndex, kind: VoteKind, vote: &Vote, signature: Signature) {
        let mine = self.instance.view;
        let votes = match kind {
            VoteKind::Prepare => &mut self.instance.prepares,
            VoteKind::Commit => &mut self.instance.commits,
        };
        match votes.add(mine, vote.view, from, vote.block, signature) {
            Added::New => self.check_forgotten(from),
            Added::Nothing => {}
            Added::Contradicts(block, earlier) => {
                let (first, second) = ((block, earlier), (vote.block, signature));
                self.accuse(from, Contradiction::votes(kind, vote.view, first, second));
            }
        }
    }

    /// E3: a commit, and a view-change beyond it that does not report the certificate the commit stood on.
    pub(super) fn check_forgotten(&mut self, from: ValidatorIndex) {
        let Some((asked, reported, view_change_signature)) = self.instance.changes.request_of(from) else { return };
        let is_hidden = |view: View| reported.is_none_or(|at| at.view < view);
        let hidden = self.instance.commits.below(asked, from).find(|(view, _, _)| is_hidden(*view));
        if let Some((view, block, commit_signature)) = hidden {
            let commit = PreparedAt { view, block };
            self.accuse(
                from,
                Contradiction::Forgotten { commit, commit_signature, asked, reported, view_change_signature },
            );
        }
    }

    /// Reports a contradiction, once a validator and kind at this height.
    fn accuse(&mut self, validator: ValidatorIndex, contradiction: Contradiction) {
        let evidence = Evidence { epoch: self.set.epoch(), validator, height: self.instance.height, contradiction };
        if self.instance.accused.insert((validator, evidence.name())) {
            self.out.push(Effect::Evidence(evidence));
            self.out.push(Effect::Penalise { validator, offence: Offence::Contradiction });
        }
    }

    /// A quorum prepared the block this node prepared in this view, its own durable prepare among the votes counted.
    pub(super) fn collect_prepares(&mut self) -> bool {
        let instance = &self.instance;
        let (height, view) = (instance.height, instance.view);
        let Some(proposal) = instance.proposal.as_ref().filter(|p| p.progress == Progress::Accepted) else {
            return false;
        };
        let own = self.me.and_then(|me| instance.prepares.of(view, me));
        if own.is_none_or(|(block, _)| block != proposal.id)
            || instance.prepared.as_ref().is_some_and(|p| p.view >= view)
        {
            return false;
        }
        let Some(certificate) = instance.prepares.certificate(&self.set, height, view, proposal.id) else {
            return false;
        };
        self.instance.prepared = Some(certificate.clone());
        self.staged.push(Record::Prepared(certificate));
        true
    }

    /// R2: commit on the prepared certificate of this view, whose record goes to disk before the commit's.
    pub(super) fn commit(&mut self) -> bool {
        let instance = &self.instance;
        let (height, view) = (instance.height, instance.view);
        let accepted = instance.proposal.as_ref().filter(|p| p.progress == Progress::Accepted).map(|p| p.id);
        let Some(block) = instance.prepared.as_ref().filter(|p| p.view == view).map(|p| p.block) else { return false };
        if accepted != Some(block) || instance.committed >= Some(view) {
            return false;
        }
        self.instance.committed = Some(view);
        self.say(Message::Commit(Vote { height, view, block }));
        true
    }

    /// R4: decide on a quorum of commits of one view, whichever view this node is in.
    pub(super) fn decide(&mut self) -> bool {
        if self.instance.certificate.is_none() {
            self.instance.certificate = self.instance.commits.any_certificate(&self.set, self.instance.height);
            let Some(certificate) = &self.instance.certificate else { return false };
            let (height, block) = (certificate.height, certificate.block);
            let other = certificate.signatures.iter().map(|(from, _)| *from).find(|from| Some(*from) != self.me);
            if self.instance.block(block).is_none()
                && let Some(from) = other
            {
                self.fall_behind(height, from);
            }
        }
        let Some(certificate) = &self.instance.certificate else { return false };
        let Some(block) = self.instance.block(certificate.block) else { return false };
        let decided = DecidedBlock::new(block, certificate.clone());
        self.finish_height(decided)
    }

    pub(super) fn on_synced(&mut self, decided: DecidedBlock) {
        // Consensus may have decided the height while the host fetched it: then there is nothing to do.
        if decided.certificate().height == self.instance.height {
            self.finish_height(decided);
        }
    }

    /// The one path to a decision, by votes or by catching up.
    fn finish_height(&mut self, decided: DecidedBlock) -> bool {
        let header = &decided.block().header;
        if header.parent != self.tip.block {
            self.contradicted(decided.certificate());
            return false;
        }
        self.tip = Tip {
            height: header.height,
            block: decided.certificate().block,
            time: header.time,
            certificate: Some(decided.certificate().clone()),
        };
        self.look_for_own(self.tip.certificate.clone().as_ref());
        self.out.push(Effect::Decide(decided));
        self.instance = Instance::new(self.tip.height.next(), self.clock.ticks());
        self.follow();
        self.demand = false;
        self.status = None;
        self.ready.extend(std::mem::take(&mut self.next).into_values().flat_map(Later::into_messages));
        true
    }

    /// Two certificates contradict each other: nothing this node could sign from here on would be worth anything.
    fn contradicted(&mut self, certificate: &Certificate) {
        self.conflict = true;
        self.out.push(Effect::Conflict(certificate.clone()));
    }

    /// Asks the host to fetch, not more often than the repeat interval unless there is more to fetch.
    pub(super) fn fall_behind(&mut self, height: Height, from: ValidatorIndex) {
        let now = self.clock.ticks();
        if height == self.instance.height && self.instance.repeat_at.is_none() {
            self.instance.repeat_at = Some(now.plus(self.timing.rebroadcast_ms));
        }
        if self.is_fetch_due(now, height) {
            self.behind = Some((height, now));
            self.out.push(Effect::Behind { height, from });
        }
    }

    pub(super) fn is_fetch_due(&self, now: Ticks, height: Height) -> bool {
        self.behind.is_none_or(|(h, at)| height > h || now >= at.plus(self.timing.rebroadcast_ms))
    }
}
