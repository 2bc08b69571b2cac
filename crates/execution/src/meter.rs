//! Where a host with a clock may learn which part of executing a block took how long.
//!
//! Invariant: a meter sees and changes nothing of the result; this crate knows no clock, it only says where it is.

/// A part of the work on a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Verifying signatures that were not verified on admission.
    Verify,
    /// The contract: transactions and deadlines.
    Contract,
    /// The state tree and the roots of the header.
    Roots,
}

/// Told when a part begins and ends. Parts do not nest.
pub trait Meter: Send + Sync {
    /// A part begins.
    fn begin(&self, part: Part);

    /// It ends.
    fn end(&self, part: Part);
}

/// Measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn begin(&self, _: Part) {}

    fn end(&self, _: Part) {}
}

/// Does some work between the two calls.
pub fn metered<T>(meter: &dyn Meter, part: Part, work: impl FnOnce() -> T) -> T {
    meter.begin(part);
    let result = work();
    meter.end(part);
    result
}
