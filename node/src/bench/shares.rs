//! What validators' processes have used, and which part of the program used it.
//!
//! Invariant: shares sum to 100 %: what no part claims is called unaccounted.

use std::collections::BTreeMap;
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::measure::{micros_each, round};
use crate::devnet::{NodeEntry, cpu_seconds};
use crate::metrics::{PART_SECONDS, THREAD_SECONDS};

/// How long a node may take to show its metrics.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Largest page of metrics that is read.
const MAX_PAGE: u64 = 4 << 20;
/// Threads of a node that belong to one part wholly.
const THREADS: [(&str, &str); 6] = [
    ("log-writer", "log"),
    ("state-writer", "store"),
    ("leaf-writer", "store"),
    ("leaf-merger", "store"),
    ("fjall", "store"),
    ("sled-io", "store"),
];
/// What no part claims.
const REST: &str = "unaccounted";

/// What validators' processes have used so far.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Transactions that each validator has made durable.
    pub settled: Vec<u64>,
    /// Of those, rejected ones, over all validators.
    pub rejected: u64,
    /// The highest height.
    pub height: u64,
    /// CPU of all processes.
    pub cpu: Duration,
    /// CPU by part, over all validators.
    pub parts: BTreeMap<String, Duration>,
}

/// Parts of a cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// In %.
    pub percent: BTreeMap<String, f64>,
    /// In microseconds a payment and validator.
    pub micros: BTreeMap<String, f64>,
}

/// One page of metrics: values by name with labels.
struct Page(BTreeMap<String, f64>);

impl Page {
    async fn of(node: &NodeEntry) -> Result<Self> {
        let text =
            timeout(ANSWER_WITHIN, fetch(&node.metrics)).await.wrap_err_with(|| format!("{} is silent", node.name))?;
        Ok(Self::parse(&text.wrap_err_with(|| format!("the metrics of {}", node.name))?))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_string(), value.parse().ok()?))
        });
        Page(values.collect())
    }

    fn count(&self, name: &str) -> Result<u64> {
        self.0.get(name).map(|value| *value as u64).ok_or_else(|| eyre!("the node does not show {name}"))
    }

    /// Values of a counter by its one label.
    fn labelled<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(key, value)| {
            let labels = key.strip_prefix(name)?.strip_prefix("_total{")?.strip_suffix('}')?;
            Some((labels.split_once('=')?.1.trim_matches('"'), *value))
        })
    }

    fn parts(&self) -> BTreeMap<String, f64> {
        let mut parts: BTreeMap<String, f64> = BTreeMap::new();
        for (part, seconds) in self.labelled(PART_SECONDS) {
            *parts.entry(part.to_string()).or_default() += seconds;
        }
        for (thread, seconds) in self.labelled(THREAD_SECONDS) {
            if let Some((_, part)) = THREADS.iter().find(|(name, _)| thread.starts_with(name)) {
                *parts.entry((*part).to_string()).or_default() += seconds;
            }
        }
        parts
    }
}

/// GETs a page by plain HTTP.
async fn fetch(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| eyre!("{url} is not plain HTTP"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(MAX_PAGE).read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{url} answers {:?}", answer.lines().next().unwrap_or_default());
    Ok(answer)
}

impl Usage {
    /// What these validators' processes have used so far.
    ///
    /// # Errors
    /// If one of them does not answer.
    pub async fn of(nodes: &[NodeEntry]) -> Result<Self> {
        let mut usage = Usage::default();
        for node in nodes {
            let page = Page::of(node).await?;
            usage.settled.push(page.count("vostro_transactions_total")?);
            usage.rejected += page.count("vostro_transactions_rejected_total")?;
            usage.height = usage.height.max(page.count("vostro_height")?);
            usage.cpu += Duration::from_secs_f64(cpu_seconds(node.pid));
            for (part, seconds) in page.parts() {
                *usage.parts.entry(part).or_default() += Duration::from_secs_f64(seconds.max(0.0));
            }
        }
        Ok(usage)
    }

    /// Transactions that one validator has made durable.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn settled_by(node: &NodeEntry) -> Result<u64> {
        Page::of(node).await?.count("vostro_transactions_total")
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Usage) -> Usage {
        let earlier = |part: &String| before.parts.get(part).copied().unwrap_or_default();
        Usage {
            settled: self.settled.iter().zip(&before.settled).map(|(now, then)| now.saturating_sub(*then)).collect(),
            rejected: self.rejected.saturating_sub(before.rejected),
            height: self.height.saturating_sub(before.height),
            cpu: self.cpu.saturating_sub(before.cpu),
            parts: self.parts.iter().map(|(part, now)| (part.clone(), now.saturating_sub(earlier(part)))).collect(),
        }
    }

    /// Which part used how much, for `each` payments times validators.
    pub fn shares(&self, each: u64) -> Shares {
        let claimed: Duration = self.parts.values().sum();
        // Clocks of parts are finer than that of the process: together they may claim a little more than it shows.
        let whole = self.cpu.max(claimed);
        let rest = (REST.to_string(), whole.saturating_sub(claimed));
        let parts: BTreeMap<String, Duration> = self.parts.clone().into_iter().chain([rest]).collect();
        let percent = |time: &Duration| 100.0 * time.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        Shares {
            percent: parts.iter().map(|(part, time)| (part.clone(), round(percent(time), 2))).collect(),
            micros: parts.iter().map(|(part, time)| (part.clone(), round(micros_each(*time, each), 3))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(cpu: u64, parts: &[(&str, u64)]) -> Usage {
        let parts = parts.iter().map(|(name, ms)| ((*name).to_string(), Duration::from_millis(*ms))).collect();
        Usage { cpu: Duration::from_millis(cpu), parts, ..Usage::default() }
    }

    #[test]
    fn shares_sum_to_a_hundred() {
        let before = usage(1000, &[("verify", 100), ("log", 50)]);
        let after = usage(3000, &[("verify", 1100), ("log", 150), ("rpc", 400)]);
        let shares = after.since(&before).shares(1000);
        let expected = [("verify", 50.0), ("log", 5.0), ("rpc", 20.0), ("unaccounted", 25.0)];
        assert_eq!(shares.percent, expected.iter().map(|(n, p)| ((*n).to_string(), *p)).collect());
        assert_eq!(shares.micros["verify"], 1000.0);
        assert_eq!(shares.percent.values().sum::<f64>(), 100.0);
        // more claimed than the coarse clock of the process shows
        let shares = usage(90, &[("verify", 75), ("log", 25)]).shares(1);
        assert_eq!((shares.percent["verify"], shares.percent["unaccounted"]), (75.0, 0.0));
        assert_eq!(usage(0, &[]).shares(0).percent["unaccounted"], 0.0);
    }

    #[test]
    fn pages_are_read_by_name_and_label() {
        let text = format!(
            "HTTP/1.1 200 OK\r\n\r\n# HELP x\nvostro_height 7\nvostro_transactions_total 12\n\
             {PART_SECONDS}_total{{part=\"verify\"}} 1.5\n{PART_SECONDS}_total{{part=\"log\"}} 0.25\n\
             {THREAD_SECONDS}_total{{thread=\"log-writer\"}} 0.5\n{THREAD_SECONDS}_total{{thread=\"engine\"}} 9.0\n"
        );
        let page = Page::parse(&text);
        assert_eq!(page.count("vostro_height").ok(), Some(7));
        assert!(page.count("vostro_width").is_err());
        let parts = page.parts();
        assert_eq!((parts["verify"], parts["log"], parts.len()), (1.5, 0.75, 2));
    }
}
