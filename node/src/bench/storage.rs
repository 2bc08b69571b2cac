//! Storage alone: the block log and the state store as a node uses them, beside what a plain file on the same disk does.
//!
//! Invariant: everything measured is durable in the way a node needs it, and every file is below one directory that is
//! removed at the end. Latencies are wall time, because a disk is waited for; costs are CPU time of the whole process,
//! because the store has threads of its own.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use vostro_storage::disk::DirDisk;
use vostro_storage::log::{Check, LogOptions};
use vostro_storage::state::{Backend, Changes, DEFAULT_CACHE_BYTES};
use vostro_storage::{BlockLog, FIRST_HEIGHT, Table};

use super::measure::{Machine, Percentiles, Scratch, median, micros_each, process_cpu, round, seed, timed_wall};
use crate::devnet::resident_mib;
use crate::output::{Output, table};

/// Sizes of blocks whose latency is measured: one payment, a busy node's block, a full one.
const SIZES: [usize; 3] = [4 << 10, 256 << 10, 1 << 20];
/// Name of the chain in files that are thrown away.
const CHAIN: [u8; 32] = [7; 32];
/// Bytes of a value: about a balance or a small order.
const VALUE: usize = 96;
/// Updates in one batch of the store.
const BATCH: u64 = 1000;
/// Batches between two checkpoints.
const CHECKPOINT: u64 = 16;
/// Keys written at once while the store is filled.
const FILL: u64 = 10_000;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the files go; a temporary directory if left out.
    pub dir: Option<PathBuf>,
    /// Blocks of each size.
    pub blocks: u64,
    /// Keys in the store.
    pub keys: u64,
    /// Updates of random ones of them.
    pub updates: u64,
    /// The state store.
    pub backend: Backend,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    bench: &'static str,
    machine: Machine,
    dir: String,
    file_system: String,
    log: Vec<LogFigures>,
    store: StoreFigures,
    duration_s: f64,
}

/// Append and sync of blocks of one size, in milliseconds a block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogFigures {
    bytes: usize,
    blocks: u64,
    block_log_ms: Percentiles,
    block_log_cpu_us: f64,
    /// A plain file that grows.
    append_ms: Percentiles,
    /// A plain file whose bytes were written before: what a log that writes ahead can reach.
    overwrite_ms: Percentiles,
    /// The log's median against the cheaper of the two plain files.
    to_limit: f64,
}

/// Updates of the state store, in microseconds an update.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreFigures {
    store: &'static str,
    keys: u64,
    updates: u64,
    batch: u64,
    update_us: f64,
    update_cpu_us: f64,
    checkpoint_ms: Percentiles,
    read_us: f64,
    /// The same bytes appended to a plain file and made durable batch by batch.
    plain_file_us: f64,
    to_limit: f64,
    rss_mb: f64,
    disk_mb: f64,
}

/// Runs the benchmark.
///
/// # Errors
/// If the disk refuses.
pub fn run(options: &Options, output: Output) -> Result<Report> {
    let started = std::time::Instant::now();
    let machine = Machine::here();
    let scratch = Scratch::new(options.dir.as_deref())?;
    let dir = scratch.path();
    let bar = output.progress(options.blocks * SIZES.len() as u64 * 3, "blocks");
    let log = SIZES.iter().map(|bytes| log(dir, *bytes, options.blocks, &bar)).collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    let store = store(dir, options, output)?;
    Ok(Report {
        bench: "storage",
        machine,
        dir: dir.display().to_string(),
        file_system: file_system(dir),
        log,
        store,
        duration_s: round(started.elapsed().as_secs_f64(), 2),
    })
}

fn millis(times: &[Duration]) -> Percentiles {
    Percentiles::of(&mut times.iter().map(|time| time.as_secs_f64() * 1000.0).collect::<Vec<_>>())
}

fn log(dir: &Path, bytes: usize, blocks: u64, bar: &indicatif::ProgressBar) -> Result<LogFigures> {
    let block = vec![0x5a; bytes];
    let turn = |result: Result<()>| result.inspect(|()| bar.inc(1));
    let disk = DirDisk::open(dir.join(format!("log-{bytes}"))).wrap_err("cannot open a log directory")?;
    let options = LogOptions { segment_bytes: 64 << 20, check: Check::Tail };
    let (mut log, _) = BlockLog::open(Arc::new(disk), CHAIN, options, FIRST_HEIGHT)?;
    let before = process_cpu();
    let mut times = Vec::new();
    for height in FIRST_HEIGHT..FIRST_HEIGHT + blocks {
        let (written, time) = timed_wall(|| log.append(height, &block, &[], &[]).and_then(|()| log.sync()));
        turn(written.map_err(Into::into))?;
        times.push(time);
    }
    let cpu = process_cpu().saturating_sub(before);

    let mut plain = File::create(dir.join("append"))?;
    let mut appends = Vec::new();
    for _ in 0..blocks {
        let (written, time) = timed_wall(|| plain.write_all(&block).and_then(|()| plain.sync_data()));
        turn(written.map_err(Into::into))?;
        appends.push(time);
    }

    let plain = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(dir.join("overwrite"))?;
    for at in 0..blocks {
        plain.write_all_at(&block, at * bytes as u64)?;
    }
    plain.sync_all()?;
    let mut overwrites = Vec::new();
    for at in 0..blocks {
        let write = || plain.write_all_at(&block, at * bytes as u64).and_then(|()| plain.sync_data());
        let (written, time) = timed_wall(write);
        turn(written.map_err(Into::into))?;
        overwrites.push(time);
    }

    let (block_log_ms, append_ms, overwrite_ms) = (millis(&times), millis(&appends), millis(&overwrites));
    let limit = append_ms.p50.min(overwrite_ms.p50).max(f64::MIN_POSITIVE);
    Ok(LogFigures {
        bytes,
        blocks,
        block_log_cpu_us: round(micros_each(cpu, blocks), 1),
        to_limit: round(block_log_ms.p50 / limit, 2),
        block_log_ms,
        append_ms,
        overwrite_ms,
    })
}

fn key(number: u64) -> Vec<u8> {
    let mut key = vec![Table::State as u8];
    key.extend_from_slice(&seed("key", number).0);
    key
}

fn value(number: u64) -> Vec<u8> {
    let mut value = vec![0; VALUE];
    value[..8].copy_from_slice(&number.to_le_bytes());
    value
}

fn store(dir: &Path, options: &Options, output: Output) -> Result<StoreFigures> {
    let keys = options.keys.max(1);
    let store = options.backend.open(&dir.join("state"), CHAIN, DEFAULT_CACHE_BYTES)?;
    let bar = output.progress(keys, "filling the store");
    let mut height = 0;
    for first in (0..keys).step_by(FILL as usize) {
        let some = first..(first + FILL).min(keys);
        let changes: Changes = some.clone().map(|number| (key(number).into(), Some(value(number)))).collect();
        store.apply(height, &changes)?;
        height += 1;
        bar.inc(some.end - some.start);
    }
    store.checkpoint()?;
    bar.finish_and_clear();

    let bar = output.progress(options.updates, "updates");
    let chosen = |update: u64| {
        let [a, b, c, d, e, f, g, h, ..] = seed("choice", update).0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) % keys
    };
    // Made before the clocks start.
    let batches: Vec<Changes> = (0..options.updates.div_ceil(BATCH))
        .map(|batch| (batch * BATCH..(batch + 1) * BATCH).map(|u| (key(chosen(u)).into(), Some(value(u)))).collect())
        .collect();
    let updates: u64 = batches.iter().map(|batch| batch.len() as u64).sum();
    let (mut wall, mut checkpoints) = (Duration::ZERO, Vec::new());
    let before = process_cpu();
    for (at, batch) in (1..).zip(&batches) {
        let (applied, time) = timed_wall(|| store.apply(height, batch));
        applied?;
        wall += time;
        height += 1;
        if at % CHECKPOINT == 0 || at == batches.len() as u64 {
            let (done, time) = timed_wall(|| store.checkpoint());
            done?;
            wall += time;
            checkpoints.push(time);
        }
        bar.inc(batch.len() as u64);
    }
    let cpu = process_cpu().saturating_sub(before);
    bar.finish_and_clear();

    let reads = updates.min(50_000);
    let read_keys: Vec<Vec<u8>> = (0..reads).map(|read| key(chosen(updates + read))).collect();
    let (found, reading) = timed_wall(|| read_keys.iter().filter(|key| matches!(store.get(key), Ok(Some(_)))).count());
    ensure!(found as u64 == reads, "the store lost keys");

    let mut plain = File::create(dir.join("updates"))?;
    let mut times = Vec::new();
    for batch in &batches {
        let mut bytes = Vec::with_capacity(batch.len() * (VALUE + 40));
        for (key, value) in batch {
            bytes.extend_from_slice(key);
            bytes.extend(value.iter().flatten());
        }
        let (written, time) = timed_wall(|| plain.write_all(&bytes).and_then(|()| plain.sync_data()));
        written?;
        times.push(micros_each(time, batch.len() as u64));
    }
    let plain_file_us = round(median(&mut times), 3);
    let update_us = micros_each(wall, updates);
    Ok(StoreFigures {
        store: options.backend.name(),
        keys,
        updates,
        batch: BATCH,
        update_us: round(update_us, 2),
        update_cpu_us: round(micros_each(cpu, updates), 2),
        checkpoint_ms: millis(&checkpoints),
        read_us: round(micros_each(reading, reads), 2),
        plain_file_us,
        to_limit: round(update_us / plain_file_us.max(f64::MIN_POSITIVE), 1),
        rss_mb: resident_mib(std::process::id()),
        disk_mb: round(bytes_below(&dir.join("state")) as f64 / f64::from(1 << 20), 1),
    })
}

fn bytes_below(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The kind of file system a directory is on: one in memory makes every latency meaningless.
fn file_system(dir: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let on = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (_, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        dir.starts_with(point).then_some((point.len(), kind.to_string()))
    });
    on.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".into(), |(_, kind)| kind)
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let header =
            ["block", "block log p50/p99 ms", "cpu µs", "plain append p50/p99", "plain overwrite p50/p99", "to limit"];
        let ms = |p: &Percentiles| format!("{:.2} / {:.2}", p.p50, p.p99);
        let rows = self.log.iter().map(|l| {
            [
                format!("{} KiB", l.bytes >> 10),
                ms(&l.block_log_ms),
                format!("{}", l.block_log_cpu_us),
                ms(&l.append_ms),
                ms(&l.overwrite_ms),
                format!("{} ×", l.to_limit),
            ]
        });
        let s = &self.store;
        let store = crate::output::pairs([
            ("state store", format!("{}, {} keys, {} updates in batches of {}", s.store, s.keys, s.updates, s.batch)),
            ("an update", format!("{} µs, of CPU {} µs", s.update_us, s.update_cpu_us)),
            ("unavoidable", format!("{} µs to append it to a plain file ({} ×)", s.plain_file_us, s.to_limit)),
            ("a read", format!("{} µs", s.read_us)),
            ("a checkpoint", format!("{} ms", ms(&s.checkpoint_ms))),
            ("memory, disk", format!("{} MiB, {} MiB", s.rss_mb, s.disk_mb)),
            ("files", format!("{} ({})", self.dir, self.file_system)),
            ("machine", self.machine.text()),
        ]);
        format!("{}\n\n{store}", table(header, rows))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_are_measured_and_nothing_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("files");
        let options = Options { dir: Some(dir.clone()), blocks: 3, keys: 500, updates: 1500, backend: Backend::Fjall };
        let report = run(&options, Output { json: true }).unwrap();
        assert_eq!(report.log.iter().map(|l| l.bytes).collect::<Vec<_>>(), SIZES);
        assert!(report.log.iter().all(|l| l.block_log_ms.p50 > 0.0 && l.overwrite_ms.p99 > 0.0));
        assert!(report.store.update_cpu_us > 0.0 && report.store.plain_file_us > 0.0);
        assert!(!dir.exists());
        assert_eq!(file_system(Path::new("/proc/self")), "proc");
    }
}
