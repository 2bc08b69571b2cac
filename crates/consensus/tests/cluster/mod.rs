//! A cluster in virtual time: the production core, a virtual network, disks that lose what was not synced, and checks
//! that look at every effect.

#![allow(dead_code, missing_docs, clippy::unwrap_used, unreachable_pub)]

pub mod adversary;
pub mod chain;
pub mod dice;
pub mod disk;
pub mod world;
