//! What can go wrong when the server starts.

use std::net::SocketAddr;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", if source.kind() == std::io::ErrorKind::AddrInUse {
        "the port is in use by another program; choose another or stop it".to_string()
    } else {
        source.to_string()
    })]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A CORS origin that is none.
    #[error("{origin:?} is not an origin such as http://127.0.0.1:3000")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// A limit of zero, with which nothing could be served.
    #[error("rpc limit {name} must be above zero")]
    Limit {
        /// Which.
        name: &'static str,
    },
}
