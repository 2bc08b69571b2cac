//! The state as the executor reads it: table [`Table::State`] alone, and reads that cannot fail.
//!
//! Invariant: a read either gives the true value or ends the process; an executor that took a device error for a
//! missing key would compute a wrong state root and sign it.

use vostro_execution::StateRead;

use super::StateReader;
use crate::Table;

/// The contract's table. The executor's reading trait is implemented for this type, here and nowhere else.
#[derive(Clone)]
pub struct ExecutionState(StateReader);

impl ExecutionState {
    /// Reads through this handle.
    pub fn new(reader: StateReader) -> Self {
        Self(reader)
    }

    /// The value of a key.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.0.get(Table::State, key) {
            Ok(value) => value,
            Err(error) => panic!("the state cannot be read: {error}"),
        }
    }

    /// At most `limit` entries of `from..to` in key order; an empty `to` is the end of the table.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        match self.0.scan(Table::State, from, to, limit) {
            Ok(entries) => entries,
            Err(error) => panic!("the state cannot be read: {error}"),
        }
    }
}

impl StateRead for ExecutionState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        ExecutionState::get(self, key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        ExecutionState::scan(self, from, to, limit)
    }
}
