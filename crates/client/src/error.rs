//! What can go wrong between a program and a node.

use vostro_api::ApiError;
use vostro_types::{Hash, Label, TxId};

use crate::light::LightError;

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of the node cannot be used.
    #[error("{url:?} is not the address of a node: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer came: nobody listens, the connection broke, or it took too long. Repeating the call is safe.
    #[error("no answer from {url}: {reason}")]
    Transport {
        /// Whom was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Something that is not this RPC answered.
    #[error("{url} answered with HTTP status {status}, which is no JSON-RPC: {body}")]
    NotRpc {
        /// Whom was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// The first characters of the answer.
        body: String,
    },
    /// The node answered with an error.
    #[error("{} (code {}, {}){}", .0.message, .0.code, .0.data.name, hint(.0))]
    Rpc(ApiError),
    /// The result is not what the method promises.
    #[error("{method}: the node's answer cannot be read: {reason}")]
    Shape {
        /// The method called.
        method: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The node is on another chain than the pinned one, or lies about its genesis.
    #[error("the node's chain is {got}, not {expected}")]
    OtherChain {
        /// The pinned hash, or the one the node claims.
        expected: Hash,
        /// The hash of the genesis it sent.
        got: Hash,
    },
    /// The time is over and the transaction is in no block yet. It may still settle; ask again with the id.
    #[error("transaction {id} is still pending")]
    StillPending {
        /// Its id.
        id: TxId,
    },
    /// An order of which only the digest is left.
    #[error("order {order_id} is archived; its digest is {digest}")]
    Archived {
        /// Its name at the platform that sold it.
        order_id: Label,
        /// Hash of the order as it stood.
        digest: Hash,
    },
    /// A draft that cannot be signed.
    #[error("the transaction cannot be built: {reason}")]
    Draft {
        /// What is missing or wrong.
        reason: String,
    },
    /// Something the node said does not verify.
    #[error("the node's proof does not verify: {rule}")]
    Proof {
        /// The rule it breaks.
        #[from]
        rule: LightError,
    },
}

fn hint(error: &ApiError) -> String {
    if error.data.hint.is_empty() { String::new() } else { format!(". {}", error.data.hint) }
}

impl ClientError {
    /// Whether the same call may succeed later as it is.
    pub fn retryable(&self) -> bool {
        match self {
            ClientError::Transport { .. } | ClientError::StillPending { .. } => true,
            ClientError::Rpc(error) => error.data.retryable,
            ClientError::NotRpc { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            ClientError::Url { .. }
            | ClientError::Shape { .. }
            | ClientError::OtherChain { .. }
            | ClientError::Archived { .. }
            | ClientError::Draft { .. }
            | ClientError::Proof { .. } => false,
        }
    }

    /// The RPC's error code, if the node answered with one.
    pub fn code(&self) -> Option<i32> {
        match self {
            ClientError::Rpc(error) => Some(error.code),
            _ => None,
        }
    }
}
