//! Rules a single validator keeps, each shown at the point where it begins to hold.

mod answers;
mod durable;
mod filter;
mod memory;
mod proposals;
mod rejoin;
mod solo;
mod views;
