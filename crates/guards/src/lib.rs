//! Work whose instructions are counted: a fixed piece of each pure crate.
//!
//! Invariant: an input and what is done with it are the same in every run and on every machine. What an input costs to
//! make does not count, signatures and their verification least of all (but for the two that a vote takes); outputs and
//! inputs are given back, so that freeing them does not count either.
//!
//! | module | what is counted |
//! |---|---|
//! | [`codec`] | a payment, a block of a hundred and a commit, encoded and decoded |
//! | [`contract`] | a split payment, its refund, a hundred deadlines; a block of a hundred payments with every root |
//! | [`state`] | 300 keys of a tree of 100,000 changed; sixteen proved |
//! | [`agreement`] | one validator's share in a height among four |
//!
//! `benches/guards.rs` runs them under callgrind, [`judge`] compares, `scripts/guards` does both.

pub mod agreement;
pub mod codec;
pub mod contract;
pub mod judge;
pub mod state;

mod cast;
