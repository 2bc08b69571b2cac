//! Counters and gauges of a node, in Prometheus' text format.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vostro_engine::Snapshot;
use vostro_types::Header;

use crate::host::wall_time;

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
    evidence: Gauge,
    blocks: Counter,
    transactions: Counter,
    rejected: Counter,
    finality: Histogram,
    block_age: Histogram,
    step: Histogram,
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
            evidence: Gauge::default(),
            blocks: Counter::default(),
            transactions: Counter::default(),
            rejected: Counter::default(),
            finality: seconds(),
            block_age: seconds(),
            step: Histogram::new(exponential_buckets(0.000_01, 4.0, 10)),
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
        registry.register("vostro_evidence", "Contradictions of validators since start", m.evidence.clone());
        registry.register("vostro_blocks", "Blocks made durable since start", m.blocks.clone());
        registry.register("vostro_transactions", "Transactions in those blocks", m.transactions.clone());
        registry.register("vostro_transactions_rejected", "Of those, rejected by a rule", m.rejected.clone());
        registry.register("vostro_finality_seconds", "From admission here to durable here", m.finality.clone());
        registry.register("vostro_block_age_seconds", "From a block's time to durable here", m.block_age.clone());
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
        set(&self.evidence, s.evidence);
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

    /// The engine made a step.
    pub fn step(&self, time: Duration) {
        self.step.observe(time.as_secs_f64());
    }
}
