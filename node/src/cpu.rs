//! CPU time of threads, and what follows from it: which part of a node used how much.
//!
//! Invariant: measuring changes nothing of what is measured but its time, by two clock readings for each piece of work; of
//! tasks' polls, which are many and short, one in [`SAMPLE`] is measured and stands for the others.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};
use vostro_execution::{Meter, Part as EnginePart};

use crate::metrics::{Metrics, Part};

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    of(ClockId::ThreadCPUTime)
}

/// CPU time of this process, all threads.
pub fn process_cpu() -> Duration {
    of(ClockId::ProcessCPUTime)
}

fn of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A result and the CPU time of this thread that it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = thread_cpu();
    let result = work();
    (result, thread_cpu().saturating_sub(before))
}

thread_local! {
    /// CPU time that the poll under way on this thread used for another part than its task's.
    static APART: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// As [`timed`], of work that counts for another part than the task which does it.
pub fn timed_apart<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let (result, time) = timed(work);
    APART.set(APART.get() + time);
    (result, time)
}

/// Of so many polls one is measured: a reading of the thread's clock costs as much as many a poll. A prime, so that tasks
/// which take turns are all measured.
const SAMPLE: u32 = 17;

/// A future whose polls count for a part.
struct Metered {
    inner: BoxFuture<'static, ()>,
    metrics: Metrics,
    part: Part,
    /// Polls of all futures of the same wrapper.
    polls: Arc<AtomicU32>,
}

impl Future for Metered {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.polls.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE) {
            return self.inner.as_mut().poll(context);
        }
        APART.set(Duration::ZERO);
        let (outcome, time) = timed(|| self.inner.as_mut().poll(context));
        self.metrics.used(self.part, time.saturating_sub(APART.take()) * SAMPLE);
        outcome
    }
}

/// Makes futures count for a part.
pub fn wrapper(
    metrics: &Metrics,
    part: Part,
) -> Arc<dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync> {
    let (metrics, polls) = (metrics.clone(), Arc::new(AtomicU32::new(0)));
    Arc::new(move |inner| Box::pin(Metered { inner, metrics: metrics.clone(), part, polls: polls.clone() }))
}

/// Counts the parts of the engine's work on blocks; the engine's thread alone calls it.
pub struct EngineMeter {
    metrics: Metrics,
    /// When the part under way began, in nanoseconds of the thread's clock.
    begun: AtomicU64,
    /// Nanoseconds of all parts since [`EngineMeter::take`].
    counted: AtomicU64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl EngineMeter {
    /// Counts into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        EngineMeter { metrics, begun: AtomicU64::new(0), counted: AtomicU64::new(0) }
    }

    /// CPU time of all parts since the last call: the rest of a step belongs to nobody else.
    pub fn take(&self) -> Duration {
        Duration::from_nanos(self.counted.swap(0, Ordering::Relaxed))
    }
}

impl Meter for EngineMeter {
    fn begin(&self, _: EnginePart) {
        self.begun.store(nanos(thread_cpu()), Ordering::Relaxed);
    }

    fn end(&self, part: EnginePart) {
        let spent = nanos(thread_cpu()).saturating_sub(self.begun.load(Ordering::Relaxed));
        self.counted.fetch_add(spent, Ordering::Relaxed);
        let part = match part {
            EnginePart::Verify => Part::Verify,
            EnginePart::Contract => Part::Execute,
            EnginePart::Roots => Part::StateRoot,
        };
        self.metrics.used(part, Duration::from_nanos(spent));
    }
}

/// CPU seconds of this process's living threads, by name (proc(5), `schedstat`; its first field is nanoseconds).
pub fn by_thread() -> Vec<(String, f64)> {
    let mut threads = std::collections::BTreeMap::<String, f64>::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let spent = read("schedstat").split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok());
        if let Some(spent) = spent {
            *threads.entry(read("comm").trim().to_string()).or_default() += spent as f64 / 1e9;
        }
    }
    threads.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> u64 {
        (0..3_000_000u64).fold(1, |a, b| a.rotate_left(5) ^ b.wrapping_mul(a | 1))
    }

    #[test]
    fn a_threads_clock_counts_work_and_not_sleep() {
        let (sum, time) = timed(work);
        assert!(time > Duration::ZERO && sum != 0);
        let ((), asleep) = timed(|| std::thread::sleep(Duration::from_millis(50)));
        assert!(asleep < Duration::from_millis(50), "sleep is not work");
        assert!(process_cpu() >= thread_cpu());
    }

    #[test]
    fn parts_of_a_step_are_counted_apart_and_in_sum() {
        let metrics = Metrics::new();
        let meter = EngineMeter::new(metrics.clone());
        for part in [EnginePart::Contract, EnginePart::Roots, EnginePart::Verify] {
            meter.begin(part);
            assert_ne!(work(), 0);
            meter.end(part);
        }
        let parts = [Part::Execute, Part::StateRoot, Part::Verify].map(|part| metrics.used_by(part));
        assert!(parts.iter().all(|seconds| *seconds > 0.0), "{parts:?}");
        let sum: f64 = parts.iter().sum();
        assert!((meter.take().as_secs_f64() - sum).abs() < 1e-6);
        assert_eq!(meter.take(), Duration::ZERO);
    }

    #[tokio::test]
    async fn polls_of_a_wrapped_future_count() {
        let metrics = Metrics::new();
        let wrap = wrapper(&metrics, Part::Rpc);
        wrap(Box::pin(async {
            assert_ne!(work(), 0);
            tokio::task::yield_now().await;
            assert_ne!(work(), 0);
        }))
        .await;
        assert!(metrics.used_by(Part::Rpc) > 0.0);
        assert_eq!(metrics.used_by(Part::Network), 0.0);
    }

    #[tokio::test]
    async fn work_for_another_part_does_not_count_for_the_task_that_does_it() {
        let metrics = Metrics::new();
        let wrap = wrapper(&metrics, Part::Rpc);
        let inside = metrics.clone();
        wrap(Box::pin(async move {
            let (sum, time) = timed_apart(work);
            assert_ne!(sum, 0);
            inside.used(Part::Verify, time);
        }))
        .await;
        let (task, apart) = (metrics.used_by(Part::Rpc) / f64::from(SAMPLE), metrics.used_by(Part::Verify));
        assert!(apart > 0.0 && task < apart / 2.0, "{task} beside {apart}");
    }

    #[tokio::test]
    async fn one_poll_in_so_many_stands_for_all() {
        let metrics = Metrics::new();
        let wrap = wrapper(&metrics, Part::Rpc);
        let one = || wrap(Box::pin(async { assert_ne!(work(), 0) }));
        one().await;
        let first = metrics.used_by(Part::Rpc);
        for _ in 1..SAMPLE {
            one().await;
        }
        assert_eq!(metrics.used_by(Part::Rpc), first, "the first stands for them");
        one().await;
        assert!(metrics.used_by(Part::Rpc) > first);
    }
}
