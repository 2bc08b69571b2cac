//! The thread that runs the engine: feeds it events and carries its actions out in order.
//!
//! Invariant: a block's effects are seen by clients (state, indexes, waiters) only after the log writer has reported
//! the block durable, and every write reaches the log in the order in which the engine asked for it. The engine may wait
//! for the log writer, never the log writer for the engine ([`crate::under_way`]).
//!
//! ```text
//!   network task ─┐                         ┌─► log writer thread ─► reports (before events) ─┐
//!   RPC ──────────┼─► events (bounded) ─► engine thread ─► network handle                       │
//!   timers ───────┘          ▲              └─► state, indexes, waiters                         │
//!                            └───────────────────────────────────────────────────────────────────┘
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use color_eyre::eyre::{Result, WrapErr};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use vostro_consensus::{Record, Seq, To};
use vostro_engine::chain::MAX_RECEIPTS;
use vostro_engine::{Action, AnswerEnd, Committed, Engine, Event, Fetched};
use vostro_network::{Channel, PeerId, RequestId, Room};
use vostro_storage::leaves::{self, Leaves};
use vostro_storage::log::MAX_RECORD;
use vostro_storage::state::State;
use vostro_storage::{Journal, Report, Write, Writer};
use vostro_types::codec::{MAX_BLOCK, encode};
use vostro_types::{Time, TxId, ValidatorIndex, VerifiedEvidence, VerifiedTransaction};

use crate::cpu::{EngineMeter, timed};
use crate::delay::Outbox;
use crate::index::index_changes;
use crate::metrics::Part;
use crate::net::Turn;
use crate::shared::{AdmitReply, Shared};
use crate::signer;
use crate::under_way::{REPORTS, UnderWay};

/// A decided block is stored whole, or the node stops: block, receipts, and 1 MiB for certificate and lengths fit a record.
const _: () = assert!(MAX_BLOCK + MAX_RECEIPTS + (1 << 20) <= MAX_RECORD);

/// Events that may wait for the engine; above it the network and RPC wait. A flood of one peer delays the others' messages
/// by so many of its own. What the events hold is bounded where it came in: messages by the room of their peer, batches by
/// their turns at verification, submissions by the bytes of requests that RPC takes in, fetched blocks by the one answer that
/// they are of.
pub const EVENT_QUEUE: usize = 512;
/// Waiting submissions that are handed to the engine as one.
const COALESCE: usize = 256;
/// A log is told of view changes no more often: while a validator is down there is one at each of its turns.
const VIEW_TOLD_EVERY: Duration = Duration::from_secs(10);
/// How often expired transactions leave the list of pending ones.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Consensus records are pruned once for so many blocks.
const PRUNE_INTERVAL: u64 = 64;

/// What other threads tell the engine's.
pub enum Msg {
    /// An event as it is.
    Event(Event),
    /// A message of the ordering protocol, as [`Event::Message`].
    Heard {
        /// Which validator's connection brought it.
        from: Option<ValidatorIndex>,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its place among what waits of its peer.
        room: Room,
    },
    /// What a peer sent and the node verified, as [`Event::Accused`] and [`Event::Gossiped`].
    Gossip {
        /// Evidence.
        evidence: Vec<VerifiedEvidence>,
        /// Transactions.
        transactions: Vec<VerifiedTransaction>,
        /// Its place among what waits of all peers.
        turn: Turn,
    },
    /// Transactions from RPC, with the way to answer.
    Submit {
        /// Verified.
        transactions: Vec<VerifiedTransaction>,
        /// Gets one result each.
        reply: AdmitReply,
    },
    /// A block of the answer to a request to a peer.
    Fetched {
        /// Which request.
        id: RequestId,
        /// The block.
        block: Box<Fetched>,
    },
    /// The answer to a request to a peer is over.
    Answered {
        /// Which request.
        id: RequestId,
        /// What is to be said of it.
        end: AnswerEnd,
    },
    /// End, after everything handed in is written.
    Stop,
}

/// Wall time in milliseconds.
pub fn wall_time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn bytes_of(write: &Write) -> usize {
    match write {
        Write::Consensus { payload, .. } | Write::Guard(payload) => payload.len(),
        Write::Block { block, certificate, receipts, .. } => block.len() + certificate.len() + receipts.len(),
        Write::PruneConsensus { .. } => 0,
    }
}

/// What waits for a ticket of the log writer.
enum Waiting {
    Seq(Seq),
    Block(Box<Committed>),
    Prune,
}

/// The engine's thread while it runs.
pub struct Host {
    engine: Engine,
    writer: Writer,
    state: State,
    leaves: Option<Leaves>,
    /// The home.
    root: PathBuf,
    outbox: Outbox,
    meter: Arc<EngineMeter>,
    peers: Arc<Peers>,
    shared: Arc<Shared>,
    under_way: UnderWay<Waiting>,
    /// Who waits for the answer to the submission under way: the step that takes it gives the answer.
    submission: Option<(u64, AdmitReply, Vec<TxId>)>,
    next_submission: u64,
    /// The engine asks one peer at a time.
    request: Option<(RequestId, ValidatorIndex)>,
    wake: Option<Time>,
    /// When the log was last told of a view change.
    view_told: Option<Instant>,
    halted: Option<String>,
    stopping: bool,
}

/// Which validator has which network identity.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    by_index: Vec<PeerId>,
}

impl Peers {
    /// The network identities of the validators, in order.
    pub fn new(by_index: Vec<PeerId>) -> Self {
        Peers { by_index }
    }

    /// The validator with a network identity.
    pub fn index(&self, peer: &PeerId) -> Option<ValidatorIndex> {
        self.by_index.iter().position(|p| p == peer).map(|i| ValidatorIndex(i as u16))
    }

    /// The network identity of a validator.
    pub fn peer(&self, index: ValidatorIndex) -> Option<PeerId> {
        self.by_index.get(usize::from(index.0)).copied()
    }
}

/// What a [`Host`] is made of.
pub struct Parts {
    /// The engine and what it asked for at boot.
    pub engine: (Engine, Vec<Action>),
    /// Logs and guard.
    pub journal: Journal,
    /// State, at the engine's tip.
    pub state: State,
    /// Leaves of the state tree, at the engine's tip.
    pub leaves: Option<Leaves>,
    /// The home.
    pub root: PathBuf,
    /// The way to the network.
    pub outbox: Outbox,
    /// Network identities of validators.
    pub peers: Arc<Peers>,
    /// What RPC reads.
    pub shared: Arc<Shared>,
}

/// The engine's thread, seen from outside.
pub struct Running {
    events: Sender<Msg>,
    thread: std::thread::JoinHandle<Result<()>>,
}

impl Running {
    /// Ends the thread after everything handed in is written, and closes the state.
    ///
    /// # Errors
    /// Why the engine had halted, or what failed on the way out.
    pub fn stop(self) -> Result<()> {
        // A closed channel means that the thread has ended already.
        let _ = self.events.send(Msg::Stop);
        self.thread.join().unwrap_or_else(|_| Err(color_eyre::eyre::eyre!("the engine's thread panicked")))
    }

    /// Whether the thread has ended by itself, which means that something is wrong.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// The channel to the engine.
pub fn channel() -> (Sender<Msg>, Receiver<Msg>) {
    bounded(EVENT_QUEUE)
}

/// Starts the engine's thread and the log writer's.
///
/// # Errors
/// If the operating system refuses a thread.
pub fn start(parts: Parts, sender: Sender<Msg>, events: Receiver<Msg>) -> Result<Running> {
    let (report, reports) = bounded(REPORTS);
    let writer = Writer::start(parts.journal, move |r| {
        let _ = report.send(r);
    })?;
    let (mut engine, actions) = parts.engine;
    let meter = Arc::new(EngineMeter::new(parts.shared.metrics.clone()));
    engine.set_meter(meter.clone());
    let mut host = Host {
        engine,
        writer,
        state: parts.state,
        leaves: parts.leaves,
        root: parts.root,
        outbox: parts.outbox,
        meter,
        peers: parts.peers,
        shared: parts.shared,
        under_way: UnderWay::default(),
        submission: None,
        next_submission: 1,
        request: None,
        wake: None,
        view_told: None,
        halted: None,
        stopping: false,
    };
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let outcome = host.perform(actions).and_then(|()| host.run(&events, &reports));
            if let Err(error) = &outcome {
                tracing::error!(reason = %format!("{error:#}"), "the engine stops");
                host.shared.halt(format!("{error:#}"));
                leaves::doubt(&host.root);
            }
            let root = host.root.clone();
            let closed = host.close();
            match &closed {
                Ok(()) => leaves::closed(&root),
                Err(_) => leaves::doubt(&root),
            }
            outcome.and(closed)
        })
        .wrap_err("cannot start the engine's thread")?;
    Ok(Running { events: sender, thread })
}

impl Host {
    fn run(&mut self, events: &Receiver<Msg>, reports: &Receiver<Report>) -> Result<()> {
        let mut swept = Instant::now();
        loop {
            let pause = self.wake.map_or(SWEEP_INTERVAL, |at| Duration::from_millis(at.since(wall_time())));
            let pause = pause.min(SWEEP_INTERVAL);
            if let Ok(report) = reports.try_recv() {
                self.report(report)?;
            } else if !self.under_way.has_room() {
                // Whatever comes next could lead to more writes: first the disk has to get on.
                match reports.recv_timeout(SWEEP_INTERVAL) {
                    Ok(report) => self.report(report)?,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => color_eyre::eyre::bail!("the log writer is gone"),
                }
            } else {
                select! {
                    recv(reports) -> report => match report {
                        Ok(report) => self.report(report)?,
                        Err(_) => color_eyre::eyre::bail!("the log writer is gone"),
                    },
                    recv(events) -> msg => match msg {
                        Ok(msg) => self.message(msg, events)?,
                        Err(_) => self.stopping = true,
                    },
                    default(pause) => {}
                }
            }
            if self.stopping {
                return self.drain(reports);
            }
            if self.under_way.has_room() && self.wake.is_some_and(|at| at <= wall_time()) {
                self.wake = None;
                self.step(Event::Tick)?;
            }
            if swept.elapsed() >= SWEEP_INTERVAL {
                swept = Instant::now();
                let engine = &self.engine;
                self.shared.keep_pending(|id| engine.is_pending(id));
            }
            if let Some(reason) = self.halted.take() {
                color_eyre::eyre::bail!(reason);
            }
        }
    }

    /// Waits for what was handed to the writer, so that nothing decided is left to a replay.
    fn drain(&mut self, reports: &Receiver<Report>) -> Result<()> {
        while !self.under_way.is_empty() {
            let report = reports.recv().wrap_err("the log writer is gone")?;
            if let Report::Persisted { ticket, consensus_next } = report {
                self.finish(ticket, consensus_next, false)?;
            } else {
                return self.report(report);
            }
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        let written = self.writer.close().map(|_| ());
        drop(self.leaves);
        let closed = self.state.close().map(|_| ());
        written.and(closed).wrap_err("closing the node's storage")
    }

    fn message(&mut self, msg: Msg, events: &Receiver<Msg>) -> Result<()> {
        match msg {
            Msg::Event(event) => self.step(event),
            Msg::Heard { from, bytes, room } => {
                let done = self.step(Event::Message { from, bytes });
                // Only now the peer may send more.
                drop(room);
                done
            }
            Msg::Gossip { evidence, transactions, turn } => {
                if !evidence.is_empty() {
                    self.step(Event::Accused { evidence })?;
                }
                let done = self.step(Event::Gossiped { transactions });
                drop(turn);
                done
            }
            Msg::Submit { transactions, reply } => {
                let mut next = Some((transactions, reply));
                // Submissions that wait together are gossiped together.
                let mut all = Vec::new();
                let mut after = None;
                let mut ticket_replies = Vec::new();
                while let Some((transactions, reply)) = next.take() {
                    ticket_replies.push((transactions.len(), reply));
                    all.extend(transactions);
                    if ticket_replies.len() < COALESCE {
                        match events.try_recv() {
                            Ok(Msg::Submit { transactions, reply }) => next = Some((transactions, reply)),
                            Ok(other) => after = Some(other),
                            Err(_) => {}
                        }
                    }
                }
                let ticket = self.next_submission;
                self.next_submission += 1;
                let ids = all.iter().map(VerifiedTransaction::id).collect();
                self.submission = Some((ticket, AdmitReply::merged(ticket_replies), ids));
                self.step(Event::Submitted { ticket, transactions: all })?;
                match after {
                    // What was taken out too much has its turn now; a stop is honoured by the caller.
                    Some(Msg::Stop) => {
                        self.stopping = true;
                        Ok(())
                    }
                    Some(other) => self.message(other, events),
                    None => Ok(()),
                }
            }
            Msg::Fetched { id, block } => match self.request {
                Some((request, from)) if request == id => self.step(Event::Fetched { from, block }),
                _ => Ok(()),
            },
            Msg::Answered { id, end } => {
                let Some((_, from)) = self.request.take_if(|(request, _)| *request == id) else { return Ok(()) };
                self.step(Event::Answered { from, end })
            }
            Msg::Stop => {
                self.stopping = true;
                Ok(())
            }
        }
    }

    fn step(&mut self, event: Event) -> Result<()> {
        let rest = match event {
            Event::Submitted { .. } | Event::Gossiped { .. } => Part::Admit,
            _ => Part::Consensus,
        };
        let started = Instant::now();
        let (actions, spent) = timed(|| self.engine.step(wall_time(), event));
        self.shared.metrics.step(started.elapsed());
        self.shared.metrics.used(rest, spent.saturating_sub(self.meter.take()));
        self.perform(actions)
    }

    fn ticket(&mut self, waiting: Waiting, writes: Vec<Write>) -> Result<()> {
        let bytes = writes.iter().map(bytes_of).sum();
        let ticket = self.under_way.add(bytes, waiting)?;
        Ok(self.writer.submit(ticket, writes)?)
    }

    fn perform(&mut self, actions: Vec<Action>) -> Result<()> {
        let mut unasked = Vec::new();
        for action in actions {
            match action {
                Action::Persist { seq, records, guard } => {
                    let (writes, spent) = timed(|| {
                        let record = |r: &Record| Write::Consensus { kind: 1, payload: r.encode() };
                        let mark = guard.map(|mark| Write::Guard(encode(&mark)));
                        records.iter().map(record).chain(mark).collect()
                    });
                    self.shared.metrics.used(Part::Log, spent);
                    self.ticket(Waiting::Seq(seq), writes)?;
                }
                Action::Commit(mut committed) => {
                    let (write, spent) = timed(|| Write::Block {
                        height: committed.block.header.height.0,
                        block: encode(&*committed.block),
                        certificate: encode(&committed.certificate),
                        receipts: std::mem::take(&mut committed.receipt_list),
                    });
                    self.shared.metrics.used(Part::Log, spent);
                    self.ticket(Waiting::Block(committed), vec![write])?;
                }
                Action::Send { to: To::All, bytes } => {
                    self.outbox.broadcast(Channel::Consensus, bytes);
                }
                Action::Send { to: To::One(to), bytes } => self.send(to, Channel::Consensus, bytes),
                Action::Gossip(bytes) => {
                    self.outbox.publish(bytes);
                }
                Action::Forward { to, bytes } => self.send(to, Channel::Status, bytes),
                Action::Request { to, request } => {
                    let asked = self.peers.peer(to).map(|peer| self.outbox.network().request(peer, request.to_bytes()));
                    match asked {
                        Some(Ok(id)) => self.request = Some((id, to)),
                        _ => unasked.push(to),
                    }
                }
                Action::WakeAt(time) => self.wake = Some(time),
                Action::Admitted { ticket, results } => {
                    if let Some((_, reply, ids)) = self.submission.take_if(|(asked, _, _)| *asked == ticket) {
                        self.shared.admitted(&ids, &results);
                        reply.send(results);
                    }
                }
                Action::Penalise { validator, reason } => {
                    tracing::warn!(%validator, %reason, "a validator misbehaved");
                    if let Some(peer) = self.peers.peer(validator) {
                        let _ = self.outbox.network().penalise(peer, reason);
                    }
                }
                Action::Evidence(evidence) => {
                    let key = evidence.key();
                    tracing::error!(validator = %key.validator, kind = key.kind.name(), height = %key.height,
                        "a validator signed two contradictory statements");
                    self.shared.metrics.detected(key.kind);
                }
                Action::Warn(text) => tracing::warn!("{text}"),
                Action::Halt(reason) => self.halted = Some(reason),
            }
        }
        // The engine hears of the failure as of any other, and sets the peer aside for a while. Only now: what it says to
        // that, above all when to wake it, comes after what it said before.
        for from in unasked {
            self.step(Event::Answered { from, end: AnswerEnd::Missing })?;
        }
        let snapshot = self.engine.snapshot();
        if snapshot.view.0 > 0
            && self.shared.snapshot().view != snapshot.view
            && self.view_told.is_none_or(|at| at.elapsed() >= VIEW_TOLD_EVERY)
        {
            self.view_told = Some(Instant::now());
            tracing::warn!(height = %snapshot.height.next(), view = %snapshot.view, "view change");
        }
        signer::tell(self.shared.snapshot().waiting, snapshot.waiting);
        self.shared.observe(snapshot);
        Ok(())
    }

    fn send(&self, to: ValidatorIndex, channel: Channel, bytes: Vec<u8>) {
        if let Some(peer) = self.peers.peer(to) {
            self.outbox.send(peer, channel, bytes);
        }
    }

    fn report(&mut self, report: Report) -> Result<()> {
        match report {
            Report::Persisted { ticket, consensus_next } => self.finish(ticket, consensus_next, true),
            Report::Fatal(error) => {
                Err(error).wrap_err("the log could not be written; nothing after it may be signed or acknowledged")
            }
        }
    }

    /// A ticket is durable: what waited for it goes on. Without `go_on` the engine hears nothing more (the node ends).
    fn finish(&mut self, ticket: u64, consensus_next: u64, go_on: bool) -> Result<()> {
        while let Some(waiting) = self.under_way.finish(ticket) {
            match waiting {
                Waiting::Seq(seq) if go_on => self.step(Event::Persisted(seq))?,
                Waiting::Seq(_) | Waiting::Prune => {}
                Waiting::Block(mut committed) => {
                    let height = committed.block.header.height;
                    let (applied, spent) = timed(|| {
                        // Before the state: what its store has, the leaves have too.
                        if let Some(leaves) = &mut self.leaves {
                            let changes = std::mem::take(&mut committed.leaves);
                            leaves.apply(height.0, changes, self.state.flushed_height());
                        }
                        let index = index_changes(&committed.block, &committed.ids, &committed.receipts);
                        let changes = committed.changes.iter().map(|(key, value)| (key, value.clone()));
                        self.state.apply(height.0, changes, index)
                    });
                    self.shared.metrics.used(Part::Store, spent);
                    applied?;
                    self.shared.committed(*committed);
                    if go_on {
                        if height.0 % PRUNE_INTERVAL == 0 {
                            // Records written before this block's ticket belong to its height or below.
                            self.ticket(Waiting::Prune, vec![Write::PruneConsensus { below: consensus_next }])?;
                        }
                        self.step(Event::Durable(height))?;
                    }
                }
            }
        }
        Ok(())
    }
}
