//! Counters and gauges of a node, in Prometheus' text format.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vostro_engine::Snapshot;
use vostro_types::{EvidenceKind, Header};

use crate::host::wall_time;

/// Name of the counter of CPU seconds by part; `/metrics` adds `_total`.
pub const PART_SECONDS: &str = "vostro_cpu_seconds";
/// Name of the counter of CPU seconds by thread; `/metrics` adds `_total`.
pub const THREAD_SECONDS: &str = "vostro_thread_cpu_seconds";

/// Parts of a node by which CPU time is counted. What the threads of log and state store do by themselves is not in
/// them; it is counted by thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Verifying signatures of transactions.
    Verify,
    /// Looking at transactions before they wait for a block.
    Admit,
    /// The contract.
    Execute,
    /// The state tree and the other roots of a header.
    StateRoot,
    /// Everything else the engine does: agreement, building and checking blocks.
    Consensus,
    /// Encoding what is logged.
    Log,
    /// Handing blocks' effects to state and indexes.
    Store,
    /// Connections to peers.
    Network,
    /// Connections of clients.
    Rpc,
}

impl Part {
    const ALL: [Part; 9] = [
        Part::Verify,
        Part::Admit,
        Part::Execute,
        Part::StateRoot,
        Part::Consensus,
        Part::Log,
        Part::Store,
        Part::Network,
        Part::Rpc,
    ];

    /// Its name in metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            Part::Verify => "verify",
            Part::Admit => "admit",
            Part::Execute => "execute",
            Part::StateRoot => "stateRoot",
            Part::Consensus => "consensus",
            Part::Log => "log",
            Part::Store => "store",
            Part::Network => "network",
            Part::Rpc => "rpc",
        }
    }
}

type Seconds = Counter<f64, AtomicU64>;

/// CPU seconds by thread, read when metrics are asked for.
#[derive(Debug)]
struct Threads;

impl Collector for Threads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "CPU seconds of the threads that live, by name";
        let mut family = encoder.encode_descriptor(THREAD_SECONDS, help, None, MetricType::Counter)?;
        for (thread, seconds) in crate::cpu::by_thread() {
            let label = [("thread", thread)];
            let mut one = family.encode_family(&label)?;
            one.encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
        }
        Ok(())
    }
}

/// Labels of the counter of evidence: its kind, and whether it was detected here or recorded by a block.
type EvidenceLabels = [(&'static str, &'static str); 2];

const DETECTED: &str = "detected";
const RECORDED: &str = "recorded";

fn evidence_labels(kind: EvidenceKind, stage: &'static str) -> EvidenceLabels {
    [("kind", kind.name()), ("stage", stage)]
}

/// Counters and gauges of a node.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    height: Gauge,
    view: Gauge,
    target: Gauge,
    mempool: Gauge,
    mempool_bytes: Gauge,
    view_changes: Gauge,
    proposed: Gauge,
    refused: Gauge,
    ignored: Gauge,
    put_together: Gauge,
    asked: Gauge,
    evidence: Family<EvidenceLabels, Counter>,
    evidence_waiting: Gauge,
    waiting: Gauge,
    blocks: Counter,
    transactions: Counter,
    rejected: Counter,
    finality: Histogram,
    block_age: Histogram,
    step: Histogram,
    cpu: Family<[(&'static str, &'static str); 1], Seconds>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registered, all at zero.
    pub fn new() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let metrics = Metrics {
            registry: Arc::default(),
            height: Gauge::default(),
            view: Gauge::default(),
            target: Gauge::default(),
            mempool: Gauge::default(),
            mempool_bytes: Gauge::default(),
            view_changes: Gauge::default(),
            proposed: Gauge::default(),
            refused: Gauge::default(),
            ignored: Gauge::default(),
            put_together: Gauge::default(),
            asked: Gauge::default(),
            evidence: Family::default(),
            evidence_waiting: Gauge::default(),
            waiting: Gauge::default(),
            blocks: Counter::default(),
            transactions: Counter::default(),
            rejected: Counter::default(),
            finality: seconds(),
            block_age: seconds(),
            step: Histogram::new(exponential_buckets(0.000_01, 4.0, 10)),
            cpu: Family::default(),
        };
        let mut registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let m = &metrics;
        registry.register("vostro_height", "Decided height", m.height.clone());
        registry.register("vostro_view", "View of the height being decided", m.view.clone());
        registry.register("vostro_target_height", "Highest height known to be decided", m.target.clone());
        registry.register("vostro_mempool_transactions", "Transactions that wait", m.mempool.clone());
        registry.register("vostro_mempool_bytes", "Bytes of transactions that wait", m.mempool_bytes.clone());
        registry.register("vostro_view_changes", "Views entered above 0 since start", m.view_changes.clone());
        registry.register("vostro_blocks_proposed", "Blocks proposed since start", m.proposed.clone());
        registry.register("vostro_messages_refused", "Consensus messages refused since start", m.refused.clone());
        let ignored = "Consensus messages since start that would have changed nothing and were not verified";
        registry.register("vostro_messages_ignored", ignored, m.ignored.clone());
        let put_together = "Short proposals since start that were put together here";
        registry.register("vostro_proposals_put_together", put_together, m.put_together.clone());
        let asked = "Short proposals since start that named transactions which were not here";
        registry.register("vostro_proposals_asked_about", asked, m.asked.clone());
        for kind in EvidenceKind::ALL {
            for stage in [DETECTED, RECORDED] {
                // Shown from the start, at zero.
                drop(m.evidence.get_or_create(&evidence_labels(kind, stage)));
            }
        }
        let evidence = "Contradictions of validators since start: detected here, recorded by a block";
        registry.register("vostro_evidence", evidence, m.evidence.clone());
        registry.register("vostro_evidence_waiting", "Evidence that waits for a block", m.evidence_waiting.clone());
        let waiting = "1 while a validator follows without voting because it lost its memory of what it signed";
        registry.register("vostro_rejoining", waiting, m.waiting.clone());
        registry.register("vostro_blocks", "Blocks made durable since start", m.blocks.clone());
        registry.register("vostro_transactions", "Transactions in those blocks", m.transactions.clone());
        registry.register("vostro_transactions_rejected", "Of those, rejected by a rule", m.rejected.clone());
        registry.register("vostro_finality_seconds", "From admission here to durable here", m.finality.clone());
        registry.register("vostro_block_age_seconds", "From a block's time to durable here", m.block_age.clone());
        for part in Part::ALL {
            // Shown from the start, at zero.
            drop(m.cpu.get_or_create(&[("part", part.name())]));
        }
        registry.register(PART_SECONDS, "CPU seconds by part of the node", m.cpu.clone());
        registry.register_collector(Box::new(Threads));
        registry.register("vostro_engine_step_seconds", "Time in one step of the engine", m.step.clone());
        drop(registry);
        metrics
    }

    /// The registry, for others to register in and for `/metrics` to encode.
    pub fn registry(&self) -> Arc<Mutex<Registry>> {
        self.registry.clone()
    }

    /// Takes over the engine's figures.
    pub fn observe(&self, s: &Snapshot) {
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.height, s.height.0);
        set(&self.view, s.view.0);
        set(&self.target, s.target.0);
        set(&self.mempool, s.mempool as u64);
        set(&self.mempool_bytes, s.mempool_bytes as u64);
        set(&self.view_changes, s.view_changes);
        set(&self.proposed, s.proposed);
        set(&self.refused, s.refused_messages);
        set(&self.ignored, s.ignored_messages);
        set(&self.put_together, s.put_together);
        set(&self.asked, s.asked);
        set(&self.evidence_waiting, s.evidence_waiting as u64);
        set(&self.waiting, u64::from(s.waiting.is_some()));
    }

    /// This node saw a contradiction.
    pub fn detected(&self, kind: EvidenceKind) {
        self.evidence.get_or_create(&evidence_labels(kind, DETECTED)).inc();
    }

    /// A durable block holds evidence.
    pub fn recorded(&self, kind: EvidenceKind) {
        self.evidence.get_or_create(&evidence_labels(kind, RECORDED)).inc();
    }

    /// A block is durable.
    pub fn block(&self, header: &Header, transactions: u64, rejected: u64) {
        self.blocks.inc();
        self.transactions.inc_by(transactions);
        self.rejected.inc_by(rejected);
        self.block_age.observe(wall_time().since(header.time) as f64 / 1000.0);
    }

    /// A transaction admitted here is durable.
    pub fn settled_after(&self, time: Duration) {
        self.finality.observe(time.as_secs_f64());
    }

    /// A part of the node used the processor.
    pub fn used(&self, part: Part, time: Duration) {
        self.cpu.get_or_create(&[("part", part.name())]).inc_by(time.as_secs_f64());
    }

    /// CPU seconds that a part has used.
    pub fn used_by(&self, part: Part) -> f64 {
        self.cpu.get_or_create(&[("part", part.name())]).get()
    }

    /// The engine made a step.
    pub fn step(&self, time: Duration) {
        self.step.observe(time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_engine_refused_ignored_and_missed_is_shown() {
        let metrics = Metrics::new();
        let figures = Snapshot { refused_messages: 3, ignored_messages: 5, asked: 7, ..Snapshot::default() };
        metrics.observe(&figures);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry().lock().unwrap()).unwrap();
        for line in ["vostro_messages_refused 3", "vostro_messages_ignored 5", "vostro_proposals_asked_about 7"] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn evidence_is_counted_by_kind_and_stage() {
        let metrics = Metrics::new();
        metrics.detected(EvidenceKind::Votes);
        metrics.recorded(EvidenceKind::Votes);
        metrics.recorded(EvidenceKind::Forgotten);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry().lock().unwrap()).unwrap();
        for line in [
            r#"vostro_evidence_total{kind="E1",stage="detected"} 1"#,
            r#"vostro_evidence_total{kind="E1",stage="recorded"} 1"#,
            r#"vostro_evidence_total{kind="E2",stage="detected"} 0"#,
            r#"vostro_evidence_total{kind="E3",stage="recorded"} 1"#,
            "vostro_evidence_waiting 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
