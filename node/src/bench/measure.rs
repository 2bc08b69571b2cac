//! What benchmarks have in common: clocks, percentiles, the machine, and the cost of a signature.
//!
//! Invariant: costs are CPU time, not wall time, unless their name says otherwise: other programs on the machine move
//! wall time.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, WrapErr, eyre};
use serde::Serialize;
use vostro_crypto::{Batch, Hash, PublicKey, SecretKey, Signature, sha256};

pub use crate::cpu::{process_cpu, timed};

/// Signatures in one batch of the unavoidable cost: what a busy node verifies at once.
const BATCH: usize = 512;
/// How often the batch is verified; the median counts.
const BATCH_RUNS: usize = 9;

/// A result and the wall time that it took.
pub fn timed_wall<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = Instant::now();
    let result = work();
    (result, before.elapsed())
}

/// Microseconds of `time` for each of `count`; 0 for none.
pub fn micros_each(time: Duration, count: u64) -> f64 {
    if count == 0 { 0.0 } else { time.as_secs_f64() * 1e6 / count as f64 }
}

/// How many a second.
pub fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// `value` with `digits` behind the point.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// The value below or at which `share` of `values` lie (nearest rank); 0 without values.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// The middle value; 0 without values.
pub fn median(values: &mut [f64]) -> f64 {
    percentile(values, 0.5)
}

/// Two percentiles of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at or below it.
    pub p50: f64,
    /// 99 in 100 are at or below it.
    pub p99: f64,
}

impl Percentiles {
    /// Of these values.
    pub fn of(values: &mut [f64]) -> Self {
        Percentiles { p50: round(percentile(values, 0.5), 3), p99: round(percentile(values, 0.99), 3) }
    }
}

/// Where and with what a figure was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The source's commit, if the program stands in its repository.
    pub commit: Option<String>,
    /// `release`, or `debug`, whose figures say nothing.
    pub build: &'static str,
    /// The processor's own name.
    pub processor: String,
    /// Of the processor's features, those that arithmetic and hashing use.
    pub cpu_features: Vec<String>,
    /// Processors this process may use.
    pub processors: usize,
    /// Processes that wanted to run in the last minute, on average, when the benchmark began.
    pub load_average: f64,
}

/// Features of processors that signatures and hashes gain from.
const FEATURES: [&str; 6] = ["avx2", "avx512f", "avx512ifma", "sha_ni", "asimd", "sha2"];

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_string()).unwrap_or_default()
        };
        let flags = format!("{} {}", field("flags"), field("Features"));
        let has = |feature: &&str| flags.split_whitespace().any(|flag| flag == *feature);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Machine {
            commit: commit(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            processor: field("model name"),
            cpu_features: FEATURES
                .iter()
                .filter(|feature| has(feature))
                .map(|feature| (*feature).to_string())
                .collect(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            load_average: load.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let commit = self.commit.as_deref().map(|commit| format!("commit {commit}, ")).unwrap_or_default();
        format!(
            "{commit}{} build, {} x {} ({}), load average {}",
            self.build,
            self.processors,
            self.processor,
            self.cpu_features.join(" "),
            self.load_average
        )
    }
}

/// The commit of the repository that the program was built in, with a mark if files differ from it.
fn commit() -> Option<String> {
    let describe = std::process::Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=10"])
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let name = String::from_utf8(describe.stdout).ok()?.trim().to_string();
    (describe.status.success() && !name.is_empty()).then_some(name)
}

/// Batches of signatures over messages of `bytes` bytes. Every one is by a key of its own that was never met, because keys
/// that were met are remembered.
fn batches(bytes: usize) -> Vec<Vec<(PublicKey, Vec<u8>, Signature)>> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let signed = || {
        let i = NEXT.fetch_add(1, Ordering::Relaxed);
        let key = SecretKey::from_seed(seed("verify", i).0);
        let mut message = vec![0; bytes.max(8)];
        message[..8].copy_from_slice(&i.to_le_bytes());
        let signature = key.sign(&message);
        (key.public(), message, signature)
    };
    (0..BATCH_RUNS).map(|_| (0..BATCH).map(|_| signed()).collect()).collect()
}

/// CPU microseconds to verify one signature of these batches, the median.
fn verify_us(batches: &[Vec<(PublicKey, Vec<u8>, Signature)>]) -> f64 {
    let once = |signed: &Vec<(PublicKey, Vec<u8>, Signature)>| {
        let verify = || {
            let mut batch = Batch::new();
            for (key, message, signature) in signed {
                batch.push(key, message, signature);
            }
            assert!(batch.verify().is_ok(), "signatures made here verify");
        };
        micros_each(timed(verify).1, BATCH as u64)
    };
    median(&mut batches.iter().map(once).collect::<Vec<f64>>())
}

/// CPU microseconds to verify one of many signatures by distinct keys over messages of `bytes` bytes, in batches, key
/// decompression included: what no validator can avoid the first time it meets a key.
pub fn verify_us_per_signature(bytes: usize) -> f64 {
    round(verify_us(&batches(bytes)), 2)
}

/// The same while every processor verifies, as under load. Processors share execution units and caches, so it is more.
pub fn verify_us_busy(bytes: usize) -> f64 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let together = Barrier::new(processors);
    let run = || {
        let batches = batches(bytes);
        together.wait();
        verify_us(&batches)
    };
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("verification does not panic")).collect()
    });
    round(median(&mut times), 2)
}

/// A directory for a benchmark's files, removed when the value is dropped.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes `dir`, which must not exist, or a new directory among the system's temporary ones.
    ///
    /// # Errors
    /// If it exists or cannot be made.
    pub fn new(dir: Option<&Path>) -> Result<Self> {
        let path = match dir {
            Some(dir) => dir.to_path_buf(),
            None => {
                let mut tag = [0; 6];
                getrandom::fill(&mut tag).map_err(|e| eyre!("no randomness: {e}"))?;
                std::env::temp_dir().join(format!("vostro-bench-{}", hex::encode(tag)))
            }
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).wrap_err_with(|| format!("cannot make {}", parent.display()))?;
        }
        // Whatever is below it will be removed, so it must be this run's own.
        std::fs::create_dir(&path).wrap_err_with(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch { path: std::path::absolute(&path)? })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the benchmark's files could not be removed");
        }
    }
}

/// A seed that follows from a purpose and a number.
pub fn seed(purpose: &str, number: u64) -> Hash {
    sha256(&[b"vostro/bench/", purpose.as_bytes(), &[0], &number.to_le_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.5), 50.0);
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut values, 1.0), 100.0);
        assert_eq!(percentile(&mut values, 0.0), 1.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
        assert_eq!(median(&mut [3.0]), 3.0);
        assert_eq!(Percentiles::of(&mut [2.0, 1.0, 3.0]), Percentiles { p50: 2.0, p99: 3.0 });
    }

    #[test]
    fn rates_of_nothing_are_zero() {
        assert_eq!(micros_each(Duration::from_millis(3), 1000), 3.0);
        assert_eq!(micros_each(Duration::from_millis(3), 0), 0.0);
        assert_eq!(per_second(500, Duration::from_millis(250)), 2000.0);
        assert_eq!(per_second(500, Duration::ZERO), 0.0);
        assert_eq!(round(1.23456, 2), 1.23);
    }
}
