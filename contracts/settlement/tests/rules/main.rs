//! Rule tables: given a small network, an action is refused with its code, or does what it says.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod catalog;
mod codes;
mod events;
mod money;
mod netting;
mod payments;
mod shared;
mod statuses;
mod waterfall;
