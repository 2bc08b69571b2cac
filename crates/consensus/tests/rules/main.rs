//! Rules a single validator keeps, each shown at the point where it begins to hold.

#![allow(clippy::unwrap_used, missing_docs)]

mod answers;
#[path = "../cluster/mod.rs"]
mod cluster;
mod durable;
mod filter;
mod memory;
mod proposals;
mod solo;
mod views;
