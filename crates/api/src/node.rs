//! Shapes of `node_*` and `net_*` methods.

use serde::{Deserialize, Serialize};
use vostro_types::{Hash, PublicKey};

/// `node_info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// The node's name.
    pub name: String,
    /// Version of the software.
    pub version: String,
    /// `validator` or `observer`.
    pub role: String,
    /// Its voting key, if it is a validator.
    #[serde(with = "crate::text::option", default, skip_serializing_if = "Option::is_none")]
    pub validator_key: Option<PublicKey>,
    /// Its identity on the network.
    pub peer_id: String,
    /// Name of the chain.
    pub chain_id: String,
    /// The chain's genesis hash.
    #[serde(with = "crate::text")]
    pub genesis_hash: Hash,
    /// Seconds since the process started.
    pub uptime_s: u64,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// Its identity on the network.
    pub peer_id: String,
    /// Its validator name, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is connected, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether a connection is open.
    pub connected: bool,
    /// The height it last announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
}

/// `net_peers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    /// The peers, by identity.
    pub peers: Vec<PeerInfo>,
}

/// `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether the node serves.
    pub ready: bool,
    /// What stands in the way; empty when ready.
    #[serde(default)]
    pub reasons: Vec<String>,
}
