//! Counters of the network, resolved once so that counting is one atomic addition.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a counter counts; direct channels come first, in the order of [`crate::Channel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Consensus,
    Status,
    Sync,
    Batch,
}

const LANES: [(Lane, &str); 4] =
    [(Lane::Consensus, "consensus"), (Lane::Status, "status"), (Lane::Sync, "sync"), (Lane::Batch, "batch")];

/// Why bytes went nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The outgoing queue was full.
    QueueFull,
    /// The peer disconnected with messages still queued.
    Disconnected,
    /// The peer was above its rate.
    Rate,
    /// The application did not take events fast enough.
    InboxFull,
    /// A batch had nobody to go to, or no queue had room.
    Unsent,
    /// The batch was published or seen within the last minute.
    Duplicate,
}

const REASONS: [(Reason, &str); 6] = [
    (Reason::QueueFull, "queue_full"),
    (Reason::Disconnected, "disconnected"),
    (Reason::Rate, "rate"),
    (Reason::InboxFull, "inbox_full"),
    (Reason::Unsent, "unsent"),
    (Reason::Duplicate, "duplicate"),
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    In,
    Out,
}

type Labels = [(&'static str, &'static str); 2];

#[derive(Debug)]
pub(crate) struct Metrics {
    messages: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    dropped: Family<Labels, Counter>,
    resolved_messages: [[Counter; 2]; LANES.len()],
    resolved_bytes: [[Counter; 2]; LANES.len()],
    resolved_dropped: [[Counter; REASONS.len()]; LANES.len()],
    pub(crate) connected: Gauge,
    pub(crate) peer_connected: Family<[(&'static str, String); 1], Gauge>,
    pub(crate) penalties: Counter,
    pub(crate) cool_downs: Counter,
    pub(crate) refused: Counter,
    pub(crate) dial_failures: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let messages = Family::<Labels, Counter>::default();
        let bytes = Family::<Labels, Counter>::default();
        let dropped = Family::<Labels, Counter>::default();
        let both = |family: &Family<Labels, Counter>| {
            LANES.map(|(_, lane)| {
                ["in", "out"].map(|way| family.get_or_create(&[("channel", lane), ("direction", way)]).clone())
            })
        };
        Metrics {
            resolved_messages: both(&messages),
            resolved_bytes: both(&bytes),
            resolved_dropped: LANES.map(|(_, lane)| {
                REASONS.map(|(_, reason)| dropped.get_or_create(&[("channel", lane), ("reason", reason)]).clone())
            }),
            messages,
            bytes,
            dropped,
            connected: Gauge::default(),
            peer_connected: Family::default(),
            penalties: Counter::default(),
            cool_downs: Counter::default(),
            refused: Counter::default(),
            dial_failures: Counter::default(),
        }
    }

    pub(crate) fn count(&self, lane: Lane, way: Way, bytes: usize) {
        self.resolved_messages[lane as usize][way as usize].inc();
        self.resolved_bytes[lane as usize][way as usize].inc_by(bytes as u64);
    }

    pub(crate) fn dropped(&self, lane: Lane, reason: Reason, count: u64) {
        self.resolved_dropped[lane as usize][reason as usize].inc_by(count);
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("vostro_network");
        registry.register("messages", "Messages, by channel and direction", self.messages.clone());
        registry.register("bytes", "Bytes of messages", self.bytes.clone());
        registry.register("dropped", "Messages dropped, by channel and reason", self.dropped.clone());
        registry.register("peers_connected", "Connected peers", self.connected.clone());
        registry.register("peer_connected", "1 if the named peer is connected", self.peer_connected.clone());
        registry.register("penalties", "Penalties given to peers", self.penalties.clone());
        registry.register("cool_downs", "Peers disconnected and refused for a while", self.cool_downs.clone());
        registry.register(
            "connections_refused",
            "Incoming connections that failed or were refused",
            self.refused.clone(),
        );
        registry.register("dial_failures", "Outgoing connections that failed", self.dial_failures.clone());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_index_of_a_counter_is_its_variant() {
        for (index, (lane, _)) in LANES.iter().enumerate() {
            assert_eq!(*lane as usize, index);
        }
        for (index, (reason, _)) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn counters_appear_in_the_registry() {
        let metrics = Metrics::new();
        metrics.count(Lane::Sync, Way::Out, 7);
        metrics.dropped(Lane::Batch, Reason::Rate, 3);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("vostro_network_bytes_total{channel=\"sync\",direction=\"out\"} 7"));
        assert!(text.contains("vostro_network_dropped_total{channel=\"batch\",reason=\"rate\"} 3"));
    }
}
