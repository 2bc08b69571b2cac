//! How an input is changed into the next one.
//!
//! Invariant: the change follows from the random stream alone, and the result is no longer than the target reads.

use crate::random::Random;

/// What an input looks like, which decides how it is worth changing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Fixed-width little-endian fields and lengths.
    Binary,
    /// JSON, TOML, CSV and the like.
    Text,
}

/// Values that sit on edges of the limits in this project.
const EDGES: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    1 << 20,
    8 << 20,
    32 << 20,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1_000_000_000_000_000_000,
    1_000_000_000_000_000_001,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Where headers are.
const FRONT: usize = 128;

/// Pieces that texts of this project give a meaning to, and a few that trip parsers.
const TOKENS: [&str; 48] = [
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    ":",
    ",",
    ".",
    "-",
    "+",
    "@",
    "/",
    "=",
    "#",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u{feff}",
    "\u{202e}",
    "\u{0}",
    "é",
    "界",
    "null",
    "true",
    "false",
    "NaN",
    "1e999",
    "-0",
    "0x10",
    "0.1",
    "1_000",
    "1000000000000000000",
    "1000000000000000001",
    "18446744073709551615",
    "18446744073709551616",
    "t+65535",
    "t+0",
    "vo1",
    "9999-12-31T23:59:59.999Z",
    "1969-12-31T23:59:59Z",
    "instant",
];

/// Changes inputs of one target.
#[derive(Debug)]
pub struct Mutator {
    shape: Shape,
    longest: usize,
}

impl Mutator {
    /// For inputs of a shape, at most `longest` bytes long.
    pub fn new(shape: Shape, longest: usize) -> Self {
        Mutator { shape, longest }
    }

    /// A changed copy of `input` in `out`; `corpus` lends pieces and is not empty.
    pub fn mutate(&self, random: &mut Random, input: &[u8], corpus: &[Vec<u8>], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(input);
        // Mostly few changes: a decoder stops at the first field it refuses, and what lies behind it should be seen.
        let changes = 1 + random.below(4).min(random.below(4)) + if random.one_in(16) { random.below(16) } else { 0 };
        for _ in 0..changes {
            let text = self.shape == Shape::Text && !random.one_in(3);
            if text { change_text(random, out, corpus) } else { change_bytes(random, out, corpus) }
        }
        out.truncate(self.longest);
    }
}

fn change_bytes(random: &mut Random, out: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    // Versions, counts and lengths stand in front, so that is where a third of the changes go.
    let end = if random.one_in(3) { out.len().min(FRONT) } else { out.len() };
    let at = random.below(end);
    match random.below(14) {
        0..=2 => {
            if let Some(byte) = out.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        3 => {
            if let Some(byte) = out.get_mut(at) {
                *byte = random.bits() as u8;
            }
        }
        4 | 5 => number(random, out, at),
        6 => out.truncate(at),
        7 => {
            let end = (at + 1 + length(random)).min(out.len());
            out.drain(at.min(end)..end);
        }
        8 => {
            let fresh: Vec<u8> = (0..1 + length(random)).map(|_| random.bits() as u8).collect();
            out.splice(at..at, fresh);
        }
        9 => {
            let byte = *random.pick(&[0, 0, 0xff, 1]);
            let many = 1 + length(random);
            out.splice(at..at, std::iter::repeat_n(byte, many));
        }
        10 => {
            let end = (at + 1 + length(random)).min(out.len());
            let copy = out[at.min(end)..end].to_vec();
            let to = random.below(out.len() + 1);
            out.splice(to..to, copy);
        }
        11 => {
            // a piece of another input in the place of a piece of this one
            let other = random.pick(corpus);
            let from = random.below(other.len());
            let piece = &other[from..(from + 1 + length(random)).min(other.len())];
            let end = (at + if random.one_in(2) { piece.len() } else { length(random) }).min(out.len());
            out.splice(at.min(end)..end, piece.iter().copied());
        }
        12 => {
            let other = random.pick(corpus);
            out.truncate(at);
            out.extend_from_slice(&other[random.below(other.len())..]);
        }
        _ => {
            let other = random.below(out.len());
            let many = length(random).min(out.len() - at.max(other));
            for i in 0..many {
                out.swap(at + i, other + i);
            }
        }
    }
}

/// A length that is small more often than not.
fn length(random: &mut Random) -> usize {
    let most = *random.pick(&[4, 8, 32, 64, 256, 4096]);
    random.below(most)
}

/// Overwrites a field of 1, 2, 4 or 8 bytes with a number on an edge, or moves it by a little.
fn number(random: &mut Random, out: &mut [u8], at: usize) {
    let width = *random.pick(&[1, 2, 4, 4, 8, 8, 8]);
    let Some(field) = out.get_mut(at..at + width) else { return };
    let mut held = [0; 8];
    held[..width].copy_from_slice(field);
    let held = u64::from_le_bytes(held);
    let value = match random.below(4) {
        0 => held.wrapping_add(1 + random.below(16) as u64),
        1 => held.wrapping_sub(1 + random.below(16) as u64),
        _ => *random.pick(&EDGES),
    };
    if random.one_in(4) {
        field.copy_from_slice(&value.to_be_bytes()[8 - width..]);
    } else {
        field.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

fn change_text(random: &mut Random, out: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(out.len() + 1);
    match random.below(9) {
        0 | 1 => {
            out.splice(at..at, random.pick(&TOKENS).bytes());
        }
        2 => {
            let (start, end) = run(out, at, |b| b.is_ascii_digit());
            let number = if random.one_in(2) { random.pick(&EDGES).to_string() } else { random.below(100).to_string() };
            out.splice(start..end, number.into_bytes());
        }
        3 | 4 => {
            // a word of another input, which may be a name this place knows, in the place of a word
            let other = random.pick(corpus);
            let from = random.below(other.len());
            let (a, b) = run(other, from, word);
            let (start, end) = run(out, at, word);
            out.splice(start..end, other[a..b].iter().copied());
        }
        5 => {
            let (start, end) = run(out, at, word);
            out.drain(start..end);
        }
        6 => {
            let (start, end) = run(out, at, |b| b != b'\n');
            let mut line = out[start..end].to_vec();
            line.push(b'\n');
            let times = if random.one_in(64) { 1 + random.below(64) } else { 1 };
            let many: Vec<u8> = line.iter().copied().cycle().take(line.len() * times).collect();
            out.splice(start..start, many);
        }
        7 => {
            let (start, end) = run(out, at, |b| b != b'\n');
            out.drain(start..(end + 1).min(out.len()));
        }
        _ => {
            // nesting, now and then deeper than any parser should follow
            let (open, close) = *random.pick(&[(b'[', b']'), (b'{', b'}'), (b'(', b')')]);
            let deep = if random.one_in(256) { 10_000 } else { 1 + random.below(8) };
            let to = at + random.below(out.len() + 1 - at);
            if random.one_in(2) {
                out.splice(to..to, std::iter::repeat_n(close, deep));
            }
            out.splice(at..at, std::iter::repeat_n(open, deep));
        }
    }
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_-+".contains(&byte)
}

/// The longest run around `at` whose bytes all are `inside`; empty if the byte there is not.
fn run(bytes: &[u8], at: usize, inside: impl Fn(u8) -> bool) -> (usize, usize) {
    let start = bytes[..at].iter().rposition(|b| !inside(*b)).map_or(0, |i| i + 1);
    let end = bytes[at..].iter().position(|b| !inside(*b)).map_or(bytes.len(), |i| at + i);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_within_the_limit() {
        let corpus = vec![b"{\"a\": 12, \"b\": [true]}\n".to_vec(), Vec::new(), vec![0; 100]];
        for shape in [Shape::Binary, Shape::Text] {
            let mutator = Mutator::new(shape, 200);
            let stream = || {
                let mut random = Random::new(7);
                let mut all = Vec::new();
                for i in 0..20_000 {
                    let mut out = Vec::new();
                    mutator.mutate(&mut random, &corpus[i % 3], &corpus, &mut out);
                    assert!(out.len() <= 200);
                    all.push(out);
                }
                all
            };
            let first = stream();
            assert_eq!(first, stream());
            let distinct: std::collections::BTreeSet<_> = first.iter().collect();
            assert!(distinct.len() > 10_000, "{} of 20000 are distinct", distinct.len());
        }
    }
}
