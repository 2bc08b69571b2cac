//! Orders after they are placed: every refusal, every replay, every pair of state and event.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod archives;
mod company;
mod consume;
mod disputes;
mod freezing;
mod holds;
mod states;
