//! PBFT among known validators as a pure value: one instance a height, justification instead of locks.
//!
//! ```text
//! inputs   message · firsthand · tick · demand · built · executed · persisted · synced · reconnected
//!                               │
//!                     Replica::step(now, input)          no clock, socket, disk, thread or randomness inside
//!                               │
//! effects  persist · send · wake at · build · execute · decide · behind · evidence · penalise
//! ```
//!
//! Invariant: nothing this validator signed leaves the core before the host has said that its record is durable
//! ([`Input::Persisted`]), and no two signatures of it contradict each other, over any number of restarts ([`Guard`]).
//! The rules R1 to R4, the safety argument and the tests of each are in `docs/protocol.md`.

mod accountability;
mod effects;
mod guard;
mod message;
mod pacemaker;
mod replica;
mod view_change;
mod votes;

pub use accountability::{Missing, NoFork, Testimony, Verdict};
pub use effects::{Effect, Effects, Input, Offence, Record, Seq, To, Withheld};
pub use guard::{Guard, GuardMark, GuardRefusal, Position, Step};
pub use message::{
    Authentic, Claim, DecidedBlock, Justification, MESSAGE_VERSION, Message, MessageError, Part, PrePrepare, Signed,
    Statement, Status, Verified, ViewChange, Vote,
};
pub use pacemaker::{MAX_DOUBLINGS, Timing};
pub use replica::{Config, Durable, MAX_UNPERSISTED, Replica, Tip, Waiting};
pub use vostro_types::{Contradiction, Evidence, EvidenceKind, PreparedAt};
pub use votes::VIEW_WINDOW;
