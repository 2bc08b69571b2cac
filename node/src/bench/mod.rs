//! The benchmarks: what a part costs alone, what a network of real processes does, and the unavoidable cost beside it.
//!
//! Invariant: everything runs the code that nodes run, and what cannot be avoided is measured in the same run on the
//! same machine, because figures move between machines and ratios do not.

pub mod consensus;
pub mod contract;
pub mod load;
pub mod measure;
pub mod network;
mod room;
pub mod shares;
pub mod storage;
pub mod workload;
