//! Mempool, evidence, proposing, execution, catch-up and consensus in one pure value.
//!
//! ```text
//!   events   message · submitted · gossiped · accused · persisted · durable · connected · fetched · answered · tick
//!                                   │
//!                       Engine::step(now, event)        no clock, socket, disk or thread inside
//!                                   │
//!   actions  persist · commit · send · gossip · request · wake at · admitted · penalise · halt
//! ```
//!
//! Invariant: the decided chain grows only by blocks that carry a commit certificate and that this engine executed
//! itself with equal roots; what a client is told follows from blocks the host has made durable.

pub mod candidate;
mod candidates;
pub mod chain;
mod engine;
pub mod evidence;
mod gossip;
pub mod mempool;
pub mod packet;
pub mod recent;
pub mod sync;
pub mod wire;

pub use candidate::{BlockLimits, Candidate, Invalid, Known, Parent, validate};
pub use chain::{ChainEnd, StoredBlock, Unreadable};
pub use engine::{
    Action, Admission, AnswerEnd, Boot, Committed, Engine, EngineLimits, Event, FORWARD_AFTER_MS, Fetched,
    HELD_AFTER_MS, MAX_FETCHED_BYTES, MAX_UNDURABLE, MAX_UNDURABLE_BYTES, Missing, Refusal, Snapshot, check_answer,
};
pub use evidence::EvidencePool;
pub use mempool::MempoolLimits;
pub use recent::RecentIds;
