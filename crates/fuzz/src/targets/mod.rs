//! The table of targets.
//!
//! Invariant: names are distinct and stable, because commands and stored inputs mention them.

mod disk;
mod text;
mod wire;

use std::fmt::{self, Display, Write as _};

use vostro_types::codec::memory_limit;

use crate::mutate::Shape;

/// How a decoder answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// Whether the input is a value.
    pub accepted: bool,
    /// Tells answers apart: of a refusal its words, of a value what kind it is.
    pub class: u64,
}

impl Outcome {
    fn accepted(kind: impl Display) -> Self {
        Outcome { accepted: true, class: fingerprint(kind) }
    }

    fn refused(reason: impl Display) -> Self {
        Outcome { accepted: false, class: fingerprint(reason) }
    }

    fn of<T, E: Display>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Outcome::accepted("value"),
            Err(e) => Outcome::refused(e),
        }
    }
}

/// One decoder with its property.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name in commands and files.
    pub name: &'static str,
    /// What must hold, in a sentence.
    pub property: &'static str,
    /// What inputs look like.
    pub shape: Shape,
    /// Longest input that is tried.
    pub longest: usize,
    /// The declared cap: most bytes that may be allocated at one moment, given the input's length.
    pub budget: fn(usize) -> usize,
    /// Good inputs.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Executes it once; panics when the property is broken.
    pub run: fn(&[u8]) -> Outcome,
}

/// All targets.
pub fn targets() -> Vec<Target> {
    [wire::targets(), disk::targets(), text::targets()].concat()
}

/// The target with a name.
pub fn find(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}

/// Memory for messages of errors, hashes and the like.
const SLACK: usize = 64 << 10;

/// What the codec may claim, what re-encoding takes (twice, for a vector grows by copying), and what is made of a value
/// to check its property.
fn wire_budget(length: usize) -> usize {
    memory_limit(length) + 16 * length + SLACK
}

/// What a text parser keeps: values for words. A JSON value of two bytes (`0,`) takes 32 bytes, in a list that doubles.
fn text_budget(length: usize) -> usize {
    160 * length + 4 * SLACK
}

/// A number that is the same for messages that differ in numbers and quoted text only.
pub(crate) fn fingerprint(text: impl Display) -> u64 {
    struct Fnv {
        hash: u64,
        quoted: bool,
        left: u32,
    }
    impl fmt::Write for Fnv {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                if matches!(byte, b'"' | b'`') {
                    self.quoted = !self.quoted;
                }
                if self.quoted || self.left == 0 || !(byte.is_ascii_alphabetic() || byte == b' ') {
                    continue;
                }
                self.left -= 1;
                self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut fnv = Fnv { hash: 0xcbf2_9ce4_8422_2325, quoted: false, left: 160 };
    // the writer never fails, and a value that cannot be shown has no other fingerprint to give
    let _ = write!(fnv, "{text}");
    fnv.hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_every_sample_is_accepted() {
        let all = targets();
        let names: std::collections::BTreeSet<_> = all.iter().map(|t| t.name).collect();
        assert_eq!(names.len(), all.len());
        for target in all {
            let samples = (target.samples)();
            assert!(!samples.is_empty(), "{}", target.name);
            for (i, sample) in samples.iter().enumerate() {
                assert!(sample.len() <= target.longest, "{}: sample {i} has {} bytes", target.name, sample.len());
                assert!((target.run)(sample).accepted, "{}: sample {i} is refused", target.name);
            }
        }
    }

    #[test]
    fn fingerprints_ignore_numbers_and_quoted_text() {
        assert_eq!(fingerprint("17 bytes follow"), fingerprint("4 bytes follow"));
        assert_eq!(fingerprint("no field \"a\" here"), fingerprint("no field \"bcd\" here"));
        assert_ne!(fingerprint("not canonical"), fingerprint("malformed"));
    }
}
