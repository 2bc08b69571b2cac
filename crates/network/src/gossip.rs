//! Gossip of batches: one topic a chain, forwarded only after a verdict, known by the hash of their content.
//!
//! Batches carry neither author nor signature: what is in them is signed by those whom it binds, the connection says which
//! listed peer forwarded them, and that peer answers for them.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, Message, MessageAuthenticity,
    MessageId, ValidationMode, WhitelistSubscriptionFilter,
};
use sha2::{Digest, Sha256};

use crate::{Error, MAX_BATCH_BYTES};

/// Room for the envelope of a batch (its topic) and for control messages beside it.
const ENVELOPE_BYTES: usize = 64 * 1024;
/// Messages in one protocol frame; one batch a frame is the norm.
const MAX_MESSAGES_PER_FRAME: usize = 64;
/// Frames waiting for one slow peer; above it gossipsub drops.
const HANDLER_QUEUE: usize = 64;
/// Subscriptions in one protocol frame; one is the norm. What a peer says of other topics than the chain's is forgotten, for
/// gossipsub would keep every topic that a peer ever named.
const MAX_SUBSCRIPTIONS_PER_FRAME: usize = 16;
/// Seen batches are remembered this long; a batch published again within it goes nowhere.
const DUPLICATE_CACHE: Duration = Duration::from_secs(60);
/// Heartbeats for which a batch is kept for peers that ask for it, and within which its verdict must come.
const HISTORY: usize = 5;

pub(crate) fn topic(chain: &str) -> IdentTopic {
    IdentTopic::new(format!("vostro/{chain}/batch/2"))
}

/// SHA-256 of the content alone: who made or forwarded a batch does not make it another one.
fn message_id(message: &Message) -> MessageId {
    MessageId::from(Sha256::digest(&message.data).to_vec())
}

pub(crate) type Behaviour =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

fn filter(topic: &IdentTopic) -> MaxCountSubscriptionFilter<WhitelistSubscriptionFilter> {
    MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(HashSet::from([topic.hash()])),
        max_subscribed_topics: 1,
        max_subscriptions_per_request: MAX_SUBSCRIPTIONS_PER_FRAME,
    }
}

pub(crate) fn behaviour(chain: &str) -> Result<Behaviour, Error> {
    let topic = topic(chain);
    let setup = |error: &dyn std::fmt::Display| Error::Setup(error.to_string());
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(MAX_BATCH_BYTES + ENVELOPE_BYTES)
        .max_publish_messages(MAX_MESSAGES_PER_FRAME)
        .connection_handler_queue_len(HANDLER_QUEUE)
        .duplicate_cache_time(DUPLICATE_CACHE)
        .history_length(HISTORY)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .heartbeat_interval(Duration::from_secs(1))
        // Networks of up to nine nodes are one full mesh; larger ones pay for eight copies, not for one a peer.
        .mesh_n(8)
        .mesh_n_low(6)
        .mesh_n_high(12)
        .flood_publish(false)
        .build()
        .map_err(|error| setup(&error))?;
    let mut gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter(&topic))
        .map_err(|error| setup(&error))?;
    gossip.subscribe(&topic).map_err(|error| setup(&error))?;
    Ok(gossip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::gossipsub::TopicSubscriptionFilter;

    /// A peer may name topics without end; only the chain's is remembered.
    #[test]
    fn topics_of_others_are_forgotten() {
        let own = topic("00");
        let mut filter = filter(&own);
        assert!(filter.can_subscribe(&own.hash()));
        assert!((0..1000).all(|n| !filter.can_subscribe(&topic(&n.to_string()).hash())));
        assert_eq!((filter.max_subscribed_topics, filter.max_subscriptions_per_request), (1, 16));
    }

    #[test]
    fn the_id_depends_on_the_content_alone() {
        let message = |data: &[u8], number| Message {
            source: None,
            data: data.to_vec(),
            sequence_number: Some(number),
            topic: topic("00").hash(),
        };
        assert_eq!(message_id(&message(b"a", 1)), message_id(&message(b"a", 2)));
        assert_ne!(message_id(&message(b"a", 1)), message_id(&message(b"b", 1)));
    }
}
