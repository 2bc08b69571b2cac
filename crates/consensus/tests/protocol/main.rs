//! The protocol's rules, in tests that take two seconds together. One binary: a mutant of the core is built and linked
//! once for all of them (`docs/mutation.md`).

#![allow(clippy::unwrap_used, missing_docs)]

mod accountability;
mod bounds;
#[path = "../cluster/mod.rs"]
mod cluster;
mod good_case;
mod messages;
mod rules;
mod scenarios;
