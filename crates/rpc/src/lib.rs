//! JSON-RPC and HTTP server: the node's face to programs and browsers.
//!
//! Invariant: everything here is a reader's view through [`Backend`]; no request can make the node hold more than the
//! limits of [`Limits`] say, wait longer than its time-outs, or change anything but the mempool.
//!
//! ```text
//! socket ── connections, header time-out ── routes ── rate, size, in-flight limits ── JSON-RPC ── Backend
//! ```

mod account;
mod backend;
mod buffers;
mod chain;
mod entitlement;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod limits;
mod methods;
mod metrics;
mod node;
mod objects;
mod openrpc;
mod order;
mod page;
mod params;
mod platform;
mod server;
mod statement;
mod tx;
mod validator;
mod view;

pub use backend::{Admitted, Backend, Proved, Status, StoredBlock};
pub use error::RpcError;
pub use limits::Limits;
pub use metrics::serve_metrics;
pub use server::{RpcConfig, Server, Wrap, serve, serve_wrapped};
pub use tx::MAX_SUBMIT;
