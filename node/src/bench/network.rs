//! A network of real processes under load: validators with durable storage, clients that sign for their payers.
//!
//! Invariant: what is counted is settled on every validator, durably, and none of it was refused; CPU is that of the
//! validators' processes from the start of the load to its end, clients' CPU is not in it. Every process started here
//! ends with this one.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr, bail, ensure, eyre};
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};
use vostro_api::receipt::OutcomeJson;
use vostro_client::{Client, Signed};
use vostro_types::codec::encode;
use vostro_types::transaction::PayMode;
use vostro_types::{Genesis, Time, Transaction};

use super::load::{Kind, Outcome, Spec};
use super::measure::{Machine, Percentiles, Scratch, micros_each, round, verify_us_busy, verify_us_per_signature};
use super::shares::{Shares, Usage};
use super::workload::{ACTIONS, Cast, Choice};
use crate::devnet::{Devnet, Layout, NodeEntry, NodeResult, agreed, free_base_port, prepare_from, resident_mib};
use crate::host::wall_time;
use crate::keystore::KeyBook;
use crate::output::{Output, pairs, table};
use crate::recipe::{DEVNET, Recipe};

/// How long transactions are valid: the most that the chain allows, less the preparation's slack.
const VALID: Duration = Duration::from_secs(55 * 60);
/// Transactions of the preparation that wait together.
const TOGETHER: usize = 64;
/// How long one of them may take.
const PREPARED_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two looks at what validators have settled.
const LOOK: Duration = Duration::from_millis(20);
/// Validators are at rest when twice in a row, for so long each time, they use at most this share of a processor on average; their
/// stores write what waits after five seconds at the latest. How long that is waited for.
const REST: Duration = Duration::from_secs(3);
const REST_SHARE: f64 = 0.05;
const REST_WITHIN: Duration = Duration::from_secs(180);
/// Orders that are read back at the end.
const READ_BACK: u64 = 20;
/// What a network settles at the least; a run that is slower is given up.
const LEAST_PER_SECOND: u64 = 50;
/// Least settlement day of the profile in which all payments mature together.
const MATURITY_DAY: Duration = Duration::from_secs(5);
/// Payments a second that this profile expects to place.
const PLACED_PER_SECOND: u64 = 1000;

/// Which workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Split payments by distinct payers for items of many creators, a few far more popular than the rest
    Standard,
    /// Everybody buys from one creator
    Flash,
    /// Payments placed before, all of which mature together
    Maturity,
    /// Payments made before, all of which are refunded
    Refund,
    /// Payments that settle while one validator is down, which then comes back
    CatchUp,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Profile::Standard => "standard",
            Profile::Flash => "flash",
            Profile::Maturity => "maturity",
            Profile::Refund => "refund",
            Profile::CatchUp => "catch-up",
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Validators, each a process.
    pub validators: usize,
    /// Payments.
    pub payments: u64,
    /// Payers.
    pub accounts: u64,
    /// Client processes.
    pub clients: u64,
    /// Payments in a call.
    pub chunk: usize,
    /// Calls of a client whose payments are not settled yet, at most.
    pub in_flight: usize,
    /// Payments a second over all clients; as many as go if left out.
    pub rate: Option<f64>,
    /// Injected delay of messages between validators, one way.
    pub delay_ms: u64,
    /// Which workload.
    pub profile: Profile,
    /// Where the files go; a temporary directory if left out.
    pub dir: Option<std::path::PathBuf>,
    /// First port; the first free ones if left out.
    pub base_port: Option<u16>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    bench: &'static str,
    profile: &'static str,
    machine: Machine,
    validators: usize,
    clients: u64,
    accounts: u64,
    payments: u64,
    settled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    delay_ms: u64,
    payload_bytes: usize,
    duration_s: f64,
    payments_per_s: f64,
    cpu_us_per_payment_per_validator: f64,
    verify_us_per_signature: f64,
    /// The same while every processor verifies.
    verify_us_busy: f64,
    /// CPU a payment and validator against the verification of its signature.
    cpu_to_verify: f64,
    finality_ms: Percentiles,
    finality_samples: usize,
    blocks: u64,
    payments_per_block: f64,
    rss_mb: f64,
    /// Parts of the validators' CPU in %, summing to 100.
    shares: BTreeMap<String, f64>,
    /// The same in microseconds a payment and validator.
    us_per_payment: BTreeMap<String, f64>,
    /// Times a client was asked for patience.
    busy: u64,
    late_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up: Option<CatchUp>,
    nodes: Vec<NodeResult>,
}

/// How a validator that was down came back.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatchUp {
    /// From the start of its process until it had every block durable.
    duration_s: f64,
    /// Payments it caught up with, over that time.
    payments_per_s: f64,
    /// Against the rate at which the others had settled them.
    times_live: f64,
}

/// A client process.
struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    async fn line(&mut self, within: Duration) -> Result<String> {
        let line = timeout(within, self.lines.next_line()).await;
        match line.wrap_err("a client process said nothing in time")?? {
            Some(line) => Ok(line),
            None => {
                let status = self.child.wait().await?;
                bail!("a client process ended early ({status}); its reason is above")
            }
        }
    }
}

/// The measured part of a run.
struct Measured {
    outcome: Outcome,
    wall: Duration,
    usage: Usage,
    blocks: u64,
    catch_up: Option<CatchUp>,
}

/// A network with everything in place.
struct Bench<'a> {
    options: &'a Options,
    devnet: &'a mut Devnet,
    /// How many validators run, the first of them.
    live: usize,
    cast: Cast,
    clients: Vec<Client>,
    chain: vostro_client::Chain,
    until: Time,
    output: Output,
}

/// Runs the benchmark.
///
/// # Errors
/// If the network cannot be started, a payment is refused, or not everything is settled in time.
pub async fn run(options: &Options, output: Output) -> Result<Report> {
    ensure!(
        options.profile != Profile::CatchUp || options.validators >= 4,
        "of {} validators none can be spared; the profile catch-up needs four",
        options.validators
    );
    let machine = Machine::here();
    let scratch = Scratch::new(options.dir.as_deref())?;
    let layout = Layout { dir: scratch.path().to_path_buf() };
    let mut recipe = Recipe::parse(DEVNET)?.with_validators(options.validators);
    if options.profile == Profile::Maturity {
        let day = MATURITY_DAY + Duration::from_secs(options.payments.div_ceil(PLACED_PER_SECOND));
        recipe.parameters.day_ms = u64::try_from(day.as_millis())?;
    }
    let base_port = options.base_port.map_or_else(|| free_base_port(options.validators), Ok)?;
    let genesis = prepare_from(&layout, &recipe, base_port)?;
    let arguments =
        if options.delay_ms > 0 { vec!["--delay-ms".to_string(), options.delay_ms.to_string()] } else { Vec::new() };
    let mut devnet = Devnet::start_with(layout, &genesis, base_port, &arguments)?;
    let outcome = tokio::select! {
        outcome = measure(options, &mut devnet, &genesis, machine, output) => outcome,
        stopped = tokio::signal::ctrl_c() => Err(stopped.err().map_or_else(|| eyre!("stopped"), Into::into)),
    };
    devnet.stop().await;
    outcome
}

async fn measure(
    options: &Options,
    devnet: &mut Devnet,
    genesis: &Genesis,
    machine: Machine,
    output: Output,
) -> Result<Report> {
    devnet.wait_ready().await?;
    let book = KeyBook::load(&devnet.layout.book())?;
    let cast = Cast::new(genesis, &book, options.accounts, options.payments.div_ceil(options.accounts))?;
    let clients = devnet.file.nodes.iter().map(|n| Client::new(&n.rpc)).collect::<Result<Vec<_>, _>>()?;
    let until = Time(wall_time().0 + u64::try_from(VALID.as_millis())?);
    let chain = vostro_client::Chain::of(genesis.clone());
    let mut bench = Bench { options, live: devnet.file.nodes.len(), devnet, cast, clients, chain, until, output };
    bench.prepare().await?;
    let payload = encode(&bench.cast.pay(0, PayMode::Instant, Choice::Skewed, until)).len();
    // Before the load: in it the processors are busy with the validators'.
    let verify = (verify_us_per_signature(payload), verify_us_busy(payload));
    let pay = |choice| Kind::Pay(choice);
    let measured = match options.profile {
        Profile::Standard => bench.load(pay(Choice::Skewed), options.rate, true).await?,
        Profile::Flash => bench.load(pay(Choice::OneCreator), options.rate, true).await?,
        Profile::Refund => {
            bench.load(pay(Choice::Skewed), None, false).await?;
            bench.rest().await?;
            bench.load(Kind::Refund, options.rate, true).await?
        }
        Profile::Maturity => {
            let placed = bench.load(Kind::Maturing, options.rate, false).await?;
            bench.mature(placed.outcome).await?
        }
        Profile::CatchUp => bench.leave_and_return().await?,
    };
    bench.report(machine, payload, verify, measured).await
}

impl Bench<'_> {
    /// Opens accounts, registers items and brings money in.
    async fn prepare(&mut self) -> Result<()> {
        for list in self.cast.catalog(self.until) {
            self.settle(list).await?;
        }
        let chunks = self.cast.payer_chunks();
        let bar = self.output.progress(self.cast.payers() * 2, "opening accounts");
        let numbers: Vec<u64> = (0..chunks).collect();
        for some in numbers.chunks(TOGETHER) {
            for sign in [Cast::open_payers, Cast::fund_payers] {
                let (cast, until, some) = (self.cast.clone(), self.until, some.to_vec());
                let signed = move || some.iter().map(|chunk| sign(&cast, *chunk, until)).collect::<Vec<_>>();
                let transactions = tokio::task::spawn_blocking(signed).await?;
                let opened = transactions.len() as u64 * ACTIONS;
                self.settle(transactions).await?;
                bar.inc(opened);
            }
        }
        bar.finish_and_clear();
        self.rest().await
    }

    /// Waits until validators have done what they put off, above all merging tables of the state store: it belongs to what
    /// was done before. Goes on after [`REST_WITHIN`].
    async fn rest(&self) -> Result<()> {
        let bar = self.output.progress(1, "validators come to rest");
        let most = REST.mul_f64(REST_SHARE * self.live as f64);
        let until = Instant::now() + REST_WITHIN;
        let (mut before, mut quiet) = (Usage::of(self.nodes()).await?.cpu, 0);
        while quiet < 2 && Instant::now() < until {
            sleep(REST).await;
            let now = Usage::of(self.nodes()).await?.cpu;
            quiet = if now.saturating_sub(before) <= most { quiet + 1 } else { 0 };
            before = now;
        }
        bar.finish_and_clear();
        if quiet < 2 {
            self.output.note("validators are still busy with what was done before; some of it counts below");
        }
        Ok(())
    }

    /// Hands transactions of the preparation in and waits until all have taken effect.
    async fn settle(&mut self, transactions: Vec<Transaction>) -> Result<()> {
        let signed: Vec<Signed> = transactions.into_iter().map(|tx| Signed::known(tx, &self.chain)).collect();
        let client = &self.clients[0];
        for item in client.submit_batch(&signed).await? {
            if let Some(error) = item.error {
                bail!("the preparation was refused: {}", error.message);
            }
        }
        for one in &signed {
            let receipt = client.wait(&one.id, PREPARED_WITHIN).await?;
            ensure!(receipt.outcome == OutcomeJson::Applied, "the preparation was refused: {:?}", receipt.outcome);
        }
        Ok(())
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60 + self.options.payments / LEAST_PER_SECOND)
    }

    /// Starts the clients and waits until they have signed everything.
    async fn workers(&self, kind: Kind, rate: Option<f64>) -> Result<Vec<Worker>> {
        let options = self.options;
        let program = std::env::current_exe().wrap_err("cannot find this program's own file")?;
        let count = options.clients.clamp(1, options.payments.max(1));
        let mut workers = Vec::new();
        for at in 0..count {
            let spec = Spec {
                genesis: self.devnet.layout.genesis(),
                book: self.devnet.layout.book(),
                rpc: self.nodes()[at as usize % self.live].rpc.clone(),
                payers: options.accounts,
                payments_each: options.payments.div_ceil(options.accounts),
                first: at,
                stride: count,
                count: (options.payments - at).div_ceil(count),
                kind,
                valid_until: self.until.0,
                chunk: options.chunk,
                in_flight: options.in_flight,
                rate: rate.map(|rate| rate / count as f64),
                deadline_ms: u64::try_from(self.deadline().as_millis())?,
            };
            let mut child = Command::new(&program)
                .args(["bench", "client"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .wrap_err("cannot start a client process")?;
            let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
            let mut stdin = stdin.ok_or_else(|| eyre!("a client process has no input"))?;
            let stdout = stdout.ok_or_else(|| eyre!("a client process has no output"))?;
            stdin.write_all(format!("{}\n", serde_json::to_string(&spec)?).as_bytes()).await?;
            workers.push(Worker { child, stdin, lines: BufReader::new(stdout).lines() });
        }
        for worker in &mut workers {
            worker.line(self.deadline()).await?;
        }
        Ok(workers)
    }

    /// Lets the clients make their payments and waits until every validator has settled all of them.
    async fn load(&mut self, kind: Kind, rate: Option<f64>, shown: bool) -> Result<Measured> {
        let mut workers = self.workers(kind, rate).await?;
        let before = Usage::of(self.nodes()).await?;
        let goal = before.settled.iter().map(|settled| settled + self.options.payments).collect::<Vec<_>>();
        let what = if shown { "payments" } else { "payments before the clock starts" };
        let bar = self.output.progress(self.options.payments, what);
        let started = Instant::now();
        for worker in &mut workers {
            worker.stdin.write_all(b"go\n").await?;
        }
        let mut outcome = Outcome::default();
        let deadline = self.deadline();
        let mut answers = Box::pin(async {
            for worker in &mut workers {
                let line = worker.line(deadline + Duration::from_secs(5)).await?;
                outcome.add(serde_json::from_str(&line).wrap_err("a client process said something else")?);
            }
            Ok::<_, color_eyre::Report>(())
        });
        loop {
            tokio::select! {
                answered = &mut answers => break answered?,
                () = sleep(Duration::from_secs(1)) => self.show(&bar, before.settled[0]).await,
            }
        }
        drop(answers);
        let after = self.settled(&goal, started + deadline).await?;
        let wall = started.elapsed();
        bar.finish_and_clear();
        if let Some((reason, count)) = outcome.refused.iter().next() {
            bail!("{count} payments were refused: {reason}");
        }
        ensure!(after.rejected == before.rejected, "validators rejected payments that clients did not ask about");
        let (usage, blocks) = (after.since(&before), after.height.saturating_sub(before.height));
        Ok(Measured { outcome, wall, usage, blocks, catch_up: None })
    }

    /// Validators that run.
    fn nodes(&self) -> &[NodeEntry] {
        &self.devnet.file.nodes[..self.live]
    }

    /// Stops the last validator, lets the others settle everything, and measures how long it takes to come back.
    async fn leave_and_return(&mut self) -> Result<Measured> {
        let last = self.live - 1;
        self.devnet.stop_one(last).await;
        self.live = last;
        let measured = self.load(Kind::Pay(Choice::Skewed), self.options.rate, true).await?;
        let goal = self.clients[0].status().await?.height;
        let bar = self.output.progress(1, "waiting for the validator that was down");
        let started = Instant::now();
        self.devnet.start_again(last)?;
        let deadline = started + self.deadline();
        while self.clients[last].status().await.map_or(0, |status| status.height) < goal {
            if let Some((name, how)) = self.devnet.ended().first() {
                bail!("{name} ended ({how})");
            }
            ensure!(Instant::now() < deadline, "the validator that was down has not come back in time");
            sleep(LOOK).await;
        }
        bar.finish_and_clear();
        let (back, live) = (started.elapsed().as_secs_f64(), measured.wall.as_secs_f64());
        let catch_up = CatchUp {
            duration_s: round(back, 3),
            payments_per_s: round(self.options.payments as f64 / back, 1),
            times_live: round(live / back, 2),
        };
        Ok(Measured { catch_up: Some(catch_up), ..measured })
    }

    async fn show(&self, bar: &ProgressBar, from: u64) {
        if !bar.is_hidden()
            && let Ok(now) = Usage::settled_by(&self.devnet.file.nodes[0]).await
        {
            bar.set_position(now.saturating_sub(from));
        }
    }

    /// Waits until every validator has made so many transactions durable.
    async fn settled(&mut self, goal: &[u64], until: Instant) -> Result<Usage> {
        loop {
            let now = Usage::of(self.nodes()).await?;
            if now.settled.iter().zip(goal).all(|(settled, goal)| settled >= goal) {
                return Ok(now);
            }
            if let Some((name, how)) = self.devnet.ended().first() {
                bail!("{name} ended ({how})");
            }
            ensure!(Instant::now() < until, "not everything was settled in time: {:?} of {goal:?}", now.settled);
            sleep(LOOK).await;
        }
    }

    /// Waits until all payments have matured; what counts begins shortly before the first is due.
    async fn mature(&mut self, outcome: Outcome) -> Result<Measured> {
        let payments = self.options.payments;
        let first = self.order_state(0).await?;
        ensure!(first.0 == "MATURING", "payments began to mature before all were placed; try fewer of them");
        let due = first.1.ok_or_else(|| eyre!("a maturing order has no due time"))?;
        sleep(Duration::from_millis(due.since(wall_time()).saturating_sub(200))).await;
        let before = Usage::of(&self.devnet.file.nodes).await?;
        let started = Instant::now();
        let bar = self.output.progress(READ_BACK, "orders that have matured, of a sample");
        let until = started + self.deadline();
        for at in 0..READ_BACK.min(payments) {
            let number = payments - 1 - at;
            while self.order_state(number).await?.0 != "SETTLED" {
                ensure!(Instant::now() < until, "order {number} has not matured in time");
                sleep(LOOK).await;
            }
            bar.inc(1);
        }
        let heights = self.clients[0].status().await?.height;
        for client in &self.clients {
            while client.status().await?.height < heights {
                ensure!(Instant::now() < until, "a validator stays behind");
                sleep(LOOK).await;
            }
        }
        bar.finish_and_clear();
        // The first is due 200 ms after the clock started.
        let wall = started.elapsed().saturating_sub(Duration::from_millis(200));
        let after = Usage::of(&self.devnet.file.nodes).await?;
        let (usage, blocks) = (after.since(&before), after.height.saturating_sub(before.height));
        Ok(Measured { outcome, wall, usage, blocks, catch_up: None })
    }

    async fn order_state(&self, number: u64) -> Result<(String, Option<Time>)> {
        let order = self.cast.order(number);
        let view = self.clients[0].order(&order.platform.to_string(), &order.order_id).await?;
        Ok((view.state, view.due_at))
    }

    async fn report(
        self,
        machine: Machine,
        payload_bytes: usize,
        (verify, busy_verify): (f64, f64),
        measured: Measured,
    ) -> Result<Report> {
        let options = self.options;
        let Measured { mut outcome, wall, usage, blocks, catch_up } = measured;
        let wanted = if options.profile == Profile::Refund { "REFUNDED" } else { "SETTLED" };
        for at in 0..READ_BACK.min(options.payments) {
            let number = at * options.payments / READ_BACK.min(options.payments);
            let state = self.order_state(number).await?.0;
            ensure!(state == wanted, "order {number} is {state}, not {wanted}");
        }
        let nodes = agreed(&self.devnet.file.nodes, Duration::from_secs(30)).await?;
        let rss = self.devnet.file.nodes.iter().map(|n| resident_mib(n.pid)).fold(0.0, f64::max);
        // What matures by itself is in no transaction; that all of it did was read back.
        let counted = usage.settled.iter().min().copied().unwrap_or(0);
        let settled = if options.profile == Profile::Maturity { options.payments } else { counted };
        let each = options.payments * self.live as u64;
        let cpu = micros_each(usage.cpu, each);
        let Shares { percent, micros } = usage.shares(each);
        Ok(Report {
            bench: "network",
            profile: options.profile.name(),
            machine,
            validators: options.validators,
            clients: options.clients,
            accounts: options.accounts,
            payments: options.payments,
            settled,
            rate: options.rate,
            delay_ms: options.delay_ms,
            payload_bytes,
            duration_s: round(wall.as_secs_f64(), 3),
            payments_per_s: round(options.payments as f64 / wall.as_secs_f64().max(1e-3), 1),
            cpu_us_per_payment_per_validator: round(cpu, 2),
            verify_us_per_signature: verify,
            verify_us_busy: busy_verify,
            cpu_to_verify: round(cpu / verify, 2),
            finality_samples: outcome.latencies_ms.len(),
            finality_ms: Percentiles::of(&mut outcome.latencies_ms),
            blocks,
            payments_per_block: round(options.payments as f64 / blocks.max(1) as f64, 1),
            rss_mb: rss,
            shares: percent,
            us_per_payment: micros,
            busy: outcome.busy,
            late_ms: round(outcome.late_ms, 1),
            catch_up,
            nodes,
        })
    }
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut head = vec![
            (
                "settled",
                format!("{} payments in {} s: {} a second", self.settled, self.duration_s, self.payments_per_s),
            ),
            ("CPU", format!("{} µs a payment and validator", self.cpu_us_per_payment_per_validator)),
            (
                "unavoidable",
                format!(
                    "{} µs to verify its signature in a batch ({} ×); {} µs with every processor busy",
                    self.verify_us_per_signature, self.cpu_to_verify, self.verify_us_busy
                ),
            ),
            (
                "finality",
                format!(
                    "p50 {} ms, p99 {} ms ({} samples)",
                    self.finality_ms.p50, self.finality_ms.p99, self.finality_samples
                ),
            ),
            ("blocks", format!("{}, {} payments each", self.blocks, self.payments_per_block)),
            ("memory", format!("{} MiB in the largest process", self.rss_mb)),
            (
                "load",
                format!(
                    "{} profile, {} validators, {} client processes, {} payers, {} bytes a payment{}{}",
                    self.profile,
                    self.validators,
                    self.clients,
                    self.accounts,
                    self.payload_bytes,
                    self.rate.map(|rate| format!(", {rate} a second")).unwrap_or_default(),
                    if self.delay_ms > 0 { format!(", {} ms one way", self.delay_ms) } else { String::new() },
                ),
            ),
            ("machine", self.machine.text()),
        ];
        if let Some(CatchUp { duration_s, payments_per_s, times_live }) = self.catch_up {
            let text =
                format!("after {duration_s} s: {payments_per_s} payments a second, {times_live} × the live rate");
            head.insert(1, ("back", text));
        }
        let mut parts: Vec<_> = self.shares.iter().collect();
        parts.sort_by(|a, b| b.1.total_cmp(a.1));
        let rows = parts.into_iter().map(|(part, share)| {
            let micros = self.us_per_payment.get(part).copied().unwrap_or_default();
            [part.clone(), format!("{share:.1} %"), format!("{micros:.2}")]
        });
        format!("{}\n\n{}", pairs(head), table(["part", "share of CPU", "µs a payment and validator"], rows))
    }
}
