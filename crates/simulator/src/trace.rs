//! What happened, as one line an event, and the hash over all lines by which two runs are compared.

use std::collections::VecDeque;
use std::fmt::Write;

use vostro_crypto::{Hash, sha256};

/// Lines that a failure shows if the whole trace is not kept.
pub const TAIL: usize = 60;

/// Lines of one run.
#[derive(Debug, Default)]
pub struct Trace {
    keep_all: bool,
    lines: VecDeque<String>,
    digest: Hash,
    pending: String,
    count: u64,
}

/// Bytes of lines that are hashed at once.
const CHUNK: usize = 16 << 10;

impl Trace {
    /// An empty trace that keeps all its lines, or the last [`TAIL`].
    pub fn new(keep_all: bool) -> Self {
        Trace { keep_all, digest: Hash([0; 32]), ..Trace::default() }
    }

    /// Adds a line.
    pub fn line(&mut self, now: u64, who: &str, what: &str) {
        let mut line = String::with_capacity(16 + who.len() + what.len());
        // Writing to a string cannot fail.
        let _ = write!(line, "{now:>6} {who:<5} {what}");
        self.count += 1;
        self.pending.push_str(&line);
        self.pending.push('\n');
        if self.pending.len() >= CHUNK {
            self.fold();
        }
        if !self.keep_all && self.lines.len() == TAIL {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn fold(&mut self) {
        self.digest = sha256(&[self.digest.0.as_slice(), self.pending.as_bytes()].concat());
        self.pending.clear();
    }

    /// Hash over all lines so far.
    pub fn hash(&mut self) -> Hash {
        self.fold();
        self.digest
    }

    /// Lines so far, kept or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
