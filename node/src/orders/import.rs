//! Replays an order file: opens accounts, brings money in, pays, confirms, waits, nets, and checks the result.
//!
//! Invariant: whatever is sent either has a business key that answers a repetition with the original, or is sent only
//! after the chain was seen to lack it, with an id that is the same in a second try. So a run that was cut short
//! anywhere is finished by the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr, bail, ensure, eyre};
use tokio::task::JoinSet;
use tokio::time::Instant;
use vostro_crypto::sha256;
use vostro_types::transaction::{
    CloseWindow, Confirm, Deposit, FeeBearer, ItemRef, LockCollateral, OpenAccount, OrderKey, Pay, PayMode, Price,
    RegisterItem, RegisterPlan, SettleWindow, Terms,
};
use vostro_types::{AccountId, AccountKind, Action, Amount, AssetCode, Hash, KeyPolicy, Label, Ppm};

use super::ledger::{Facts, Ledger, OrderFacts, Standing, Verdict};
use super::parse::{BadRow, Row, code, parse_orders};
use super::parties::{Parties, Party};
use super::plan::{PLAN, Plan, plan_legs, reference};
use super::report::{Finality, ImportReport};
use super::rpc::RpcLedger;
use super::send::{Job, Step};
use crate::keystore::KeyBook;
use crate::output::Output;

/// Largest order file in bytes.
const MAX_FILE: u64 = 256 << 20;
/// Times a step that depends on what the chain holds is looked at again.
pub(super) const ROUNDS: usize = 4;

/// How an import goes about it.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The file; the sample that comes with the program if left out.
    pub orders: Option<PathBuf>,
    /// Addresses of nodes of the chain; when one does not answer the next is asked.
    pub rpc: Vec<String>,
    /// The chain's genesis hash, if it is known; else the first node is believed.
    pub chain: Option<Hash>,
    /// The key book with the keys of platforms and gateway.
    pub book: PathBuf,
    /// Where to write `name,kind,account`.
    pub accounts_csv: Option<PathBuf>,
    /// Orders in one call.
    pub chunk: usize,
    /// Calls whose orders are not settled yet, at most.
    pub in_flight: usize,
    /// Payments whose time to settlement is measured.
    pub sample: usize,
    /// How long to wait for orders to mature.
    pub wait: Duration,
}

impl Default for ImportOptions {
    fn default() -> Self {
        ImportOptions {
            orders: None,
            rpc: Vec::new(),
            chain: None,
            book: PathBuf::new(),
            accounts_csv: None,
            chunk: 500,
            in_flight: 4,
            sample: 200,
            wait: Duration::from_secs(120),
        }
    }
}

/// Replays an order file through RPC.
///
/// # Errors
/// What keeps the whole file from being imported: no node, no keys, no progress. What keeps a row from it is in the
/// report, and so is a creator whose balance is not the sum of its legs.
pub async fn import(options: &ImportOptions, output: Output) -> Result<ImportReport> {
    let book = KeyBook::load(&options.book)?;
    let file = match &options.orders {
        None => crate::cli::orders::SAMPLE.to_vec(),
        Some(path) => {
            let length = std::fs::metadata(path).wrap_err_with(|| path.display().to_string())?.len();
            ensure!(length <= MAX_FILE, "{}: {length} bytes are more than the {MAX_FILE} allowed", path.display());
            std::fs::read(path).wrap_err_with(|| path.display().to_string())?
        }
    };
    let ledger = RpcLedger::connect(&options.rpc, options.chain).await?;
    import_on(Arc::new(ledger), &file, book, options, output).await
}

/// Replays the bytes of an order file on a ledger.
///
/// # Errors
/// As [`import`].
pub async fn import_on<L: Ledger>(
    ledger: Arc<L>,
    file: &[u8],
    book: KeyBook,
    options: &ImportOptions,
    output: Output,
) -> Result<ImportReport> {
    let started = Instant::now();
    let facts = ledger.facts().await?;
    let is_platform = |(_, kind): &(AccountId, AccountKind)| *kind == AccountKind::Platform;
    let platforms: BTreeSet<String> =
        facts.accounts.iter().filter(|(_, a)| is_platform(a)).map(|(n, _)| n.clone()).collect();
    let parsed = parse_orders(file, &platforms, &facts.assets);
    let rows = parsed.len() as u64;
    let (mut good, mut refusals) = (Vec::new(), Vec::new());
    for row in parsed {
        match row {
            Ok(row) => good.push(row),
            Err(bad) => refusals.push(bad),
        }
    }
    let plan = Plan::of(good);
    let parties = Parties::of(&plan, &facts, &book)?;
    if let Some(path) = &options.accounts_csv {
        parties.write_csv(path)?;
    }
    let run = Arc::new(Run { ledger, facts, parties, options: options.clone(), output });
    let mut report = run.run(plan, refusals).await?;
    report.rows = rows;
    report.elapsed_s = seconds(started.elapsed());
    Ok(report)
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What a chunk of payments came to.
struct Paid {
    verdicts: Vec<(Row, Verdict)>,
    seen: Vec<Duration>,
    first: Instant,
    last: Instant,
}

/// An import under way.
pub(super) struct Run<L> {
    pub(super) ledger: Arc<L>,
    pub(super) facts: Facts,
    pub(super) parties: Parties,
    pub(super) options: ImportOptions,
    output: Output,
}

impl<L: Ledger> Run<L> {
    async fn run(self: &Arc<Self>, plan: Plan, mut refusals: Vec<BadRow>) -> Result<ImportReport> {
        self.open_accounts(&plan).await?;
        let before = self.snapshot(&plan.rows).await?;
        let mut missing = Vec::new();
        let mut standing = Vec::new();
        let mut archived = Vec::new();
        for (row, there) in plan.rows.iter().zip(&before.orders) {
            match there {
                None => missing.push(row.clone()),
                Some(there @ Standing::Archived { .. }) => archived.push((row.clone(), there.clone())),
                Some(Standing::Kept(order)) => match self.differences(row, order) {
                    differ if differ.is_empty() => standing.push((row.clone(), Standing::Kept(order.clone()))),
                    differ => refusals.push(BadRow {
                        line: row.line,
                        code: code::CONFLICT,
                        reason: format!("order {} is on the chain with another {}", row.order_id, differ.join(", ")),
                    }),
                },
            }
        }
        // No money is brought in for what was paid long ago.
        let (known, other) = self.ask_archived(archived).await?;
        standing.extend(known);
        refusals.extend(other);
        self.register_items(&plan, &missing).await?;
        self.fund_buyers(&missing).await?;
        self.cover_windows(&missing, &standing).await?;
        let (paid, finality) = self.pay(missing).await?;
        let mut accepted: Vec<Row> = standing.iter().map(|(row, _)| row.clone()).collect();
        let already_there = accepted.len() as u64;
        let mut placed = 0u64;
        let (mut first, mut last) = (None::<Instant>, None::<Instant>);
        for chunk in paid {
            first = Some(first.map_or(chunk.first, |f| f.min(chunk.first)));
            last = Some(last.map_or(chunk.last, |l| l.max(chunk.last)));
            for (row, verdict) in chunk.verdicts {
                match verdict {
                    Verdict::Refused { code, reason } => refusals.push(BadRow { line: row.line, code, reason }),
                    _ => {
                        placed += 1;
                        accepted.push(row);
                    }
                }
            }
        }
        self.confirm_standing(&standing).await?;
        self.wait_for_maturity(&accepted).await?;
        self.settle_windows(&accepted).await?;
        accepted.sort_by_key(|row| row.line);
        refusals.sort_by_key(|bad| bad.line);
        let mut report = self.report(&standing, before, &accepted, refusals).await?;
        report.already_there = already_there;
        report.finality_ms = finality;
        if let (Some(first), Some(last)) = (first, last) {
            let span = last.duration_since(first).as_secs_f64().max(0.001);
            report.payments_per_s = (placed as f64 / span * 10.0).round() / 10.0;
        }
        Ok(report)
    }

    // --- preparation ---

    /// Opens the accounts that are missing.
    async fn open_accounts(&self, plan: &Plan) -> Result<()> {
        let mut why = Vec::new();
        for _ in 0..ROUNDS {
            let wanted: Vec<(&Party, &Label, AccountKind)> = plan
                .creators
                .iter()
                .map(|(name, host)| (self.parties.creator(name), host, AccountKind::Creator))
                .chain(plan.buyers.iter().map(|(name, home)| (self.parties.buyer(name), home, AccountKind::User)))
                .collect();
            let ids: Vec<AccountId> = wanted.iter().map(|(party, ..)| party.account).collect();
            let there = self.ledger.accounts(&ids).await?;
            let mut work: BTreeMap<&Label, Vec<Step>> = BTreeMap::new();
            for ((party, home, kind), account) in wanted.iter().zip(&there) {
                if account.is_none() {
                    let policy = KeyPolicy::single(party.key.public());
                    let open = OpenAccount { kind: *kind, policy, salt: [0; 16] };
                    // The owner consents to being opened here with its own key.
                    let consent = Some(party.key.clone());
                    work.entry(*home).or_default().push(Step { action: Action::OpenAccount(open), consent });
                }
            }
            if work.is_empty() {
                return Ok(());
            }
            let bar = self.output.progress(work.values().map(|a| a.len() as u64).sum(), "opening accounts");
            let work = work.into_iter().map(|(home, actions)| (self.parties.platform(home).clone(), actions)).collect();
            why = self.settle_actions(&bar, work).await?;
            bar.finish_and_clear();
        }
        bail!("accounts could not be opened: {}", why.first().map_or("the nodes do not show them", String::as_str))
    }

    /// Registers the plan and the items that rows still to be placed need.
    async fn register_items(&self, plan: &Plan, missing: &[Row]) -> Result<()> {
        let wanted: BTreeSet<(Label, Label)> = missing.iter().map(|r| (r.host.clone(), r.item.clone())).collect();
        let keys: Vec<(AccountId, Label)> =
            wanted.iter().map(|(host, item)| (self.parties.platform(host).account, item.clone())).collect();
        let there = self.ledger.items(&keys).await?;
        let name = Label::new(PLAN).expect("a good name");
        let mut work: BTreeMap<&Label, Vec<Step>> = BTreeMap::new();
        for ((host, item), there) in wanted.iter().zip(there) {
            if there {
                continue;
            }
            let (creator, asset) = &plan.items[&(host.clone(), item.clone())];
            let register = RegisterItem {
                item: item.clone(),
                version: 1,
                asset: *asset,
                price: Price::Open { min: Amount::new(1).expect("one unit"), max: Amount::MAX },
                discount: Ppm::ZERO,
                tax: None,
                plan: name.clone(),
                plan_version: 1,
                creator: self.parties.creator(creator).account,
                terms: Terms { duration_ms: None, units: None, scope: Label::new("all").expect("a good name") },
            };
            work.entry(host).or_default().push(Action::RegisterItem(register).into());
        }
        if work.is_empty() {
            return Ok(());
        }
        let bar = self.output.progress(work.values().map(|a| a.len() as u64).sum(), "registering items");
        let plans = work.keys().map(|host| {
            let register = RegisterPlan { plan: name.clone(), version: 1, legs: plan_legs() };
            Job::new(self.parties.platform(host), Action::RegisterPlan(register))
        });
        for verdict in self.settle(&plans.collect::<Vec<_>>()).await? {
            if let Verdict::Refused { reason, .. } = verdict {
                bail!("the plan {PLAN:?} could not be registered: {reason}");
            }
        }
        let work = work.into_iter().map(|(host, actions)| (self.parties.platform(host).clone(), actions)).collect();
        let refused = self.settle_actions(&bar, work).await?;
        bar.finish_and_clear();
        self.warn("items were not registered", &refused);
        Ok(())
    }

    pub(super) fn warn(&self, what: &str, refused: &[String]) {
        if let Some(first) = refused.first() {
            tracing::warn!(count = refused.len(), "{what}: {first}");
        }
    }

    /// Brings in what buyers need for the rows still to be placed and do not have. The reference follows from exactly
    /// these rows, and the deposit is their whole sum: made again before it took effect it is the same one, and a file
    /// that has grown brings in the money of its new rows only.
    async fn fund_buyers(&self, missing: &[Row]) -> Result<()> {
        type Rows<'a> = BTreeMap<(&'a Label, &'a Label), Amount>;
        let mut open: BTreeMap<(Label, AssetCode), Rows<'_>> = BTreeMap::new();
        for row in missing.iter().filter(|r| r.mode != PayMode::Window) {
            open.entry((row.buyer.clone(), row.asset)).or_default().insert((&row.origin, &row.order_id), row.amount);
        }
        let ids: Vec<AccountId> = open.keys().map(|(buyer, _)| self.parties.buyer(buyer).account).collect();
        let accounts = self.ledger.accounts(&ids).await?;
        let mut actions = Vec::new();
        for (((buyer, asset), rows), account) in open.into_iter().zip(accounts) {
            let has = account.and_then(|a| a.money.get(&asset).copied()).unwrap_or_default().available;
            let needed: u128 = rows.values().map(|amount| u128::from(amount.units())).sum();
            let Some(amount) = Some(needed).filter(|n| u128::from(has.units()) < *n).and_then(amount_of) else {
                continue;
            };
            let mut digest = Vec::new();
            for ((origin, order_id), amount) in &rows {
                for part in [origin, order_id] {
                    digest.extend_from_slice(part.as_str().as_bytes());
                    digest.push(0); // labels hold no zeros
                }
                digest.extend_from_slice(&amount.units().to_le_bytes());
            }
            let reference = reference("orders", &[buyer.as_str().as_bytes(), asset.bytes(), &digest]);
            actions.push(deposit(reference, self.parties.buyer(&buyer).account, asset, amount));
        }
        self.deposit("bringing money in", actions).await
    }

    async fn deposit(&self, what: &str, actions: Vec<Action>) -> Result<()> {
        if actions.is_empty() {
            return Ok(());
        }
        let gateway = self.parties.gateway.clone();
        let gateway = gateway.ok_or_else(|| eyre!("the key book has no key for a gateway of this chain"))?;
        let bar = self.output.progress(actions.len() as u64, what);
        let refused = self.settle_actions(&bar, vec![(gateway, actions.into_iter().map(Step::from).collect())]).await?;
        bar.finish_and_clear();
        self.warn("deposits were refused", &refused);
        Ok(())
    }

    /// Locks cover for the window orders still to be placed, beside what those that wait for netting need.
    async fn cover_windows(&self, missing: &[Row], standing: &[(Row, Standing)]) -> Result<()> {
        let mut needs: BTreeMap<(Label, AssetCode), (u128, bool)> = BTreeMap::new();
        let mut need = |row: &Row, fresh: bool| {
            let entry = needs.entry((row.origin.clone(), row.asset)).or_default();
            entry.0 += u128::from(row.amount.units());
            entry.1 |= fresh;
        };
        missing.iter().filter(|r| r.mode == PayMode::Window).for_each(|row| need(row, true));
        standing.iter().filter(|(_, o)| o.state() == CLEARED).for_each(|(row, _)| need(row, false));
        needs.retain(|_, (_, fresh)| *fresh);
        let ids: Vec<AccountId> = needs.keys().map(|(name, _)| self.parties.platform(name).account).collect();
        let accounts = self.ledger.accounts(&ids).await?;
        let (mut deposits, mut locks) = (Vec::new(), Vec::new());
        for (((name, asset), (needed, _)), account) in needs.into_iter().zip(accounts) {
            let has = account.and_then(|a| a.money.get(&asset).copied()).unwrap_or_default().collateral;
            let Some(more) = needed.checked_sub(u128::from(has.units())).filter(|m| *m > 0).and_then(amount_of) else {
                continue;
            };
            let platform = self.parties.platform(&name);
            // Named by what is locked now: a second try before the lock took effect is the same deposit and lock.
            let parts: [&[u8]; 4] =
                [name.as_str().as_bytes(), asset.bytes(), &has.units().to_le_bytes(), &more.units().to_le_bytes()];
            let reference = reference("cover", &parts);
            let salt = sha256(reference.as_str().as_bytes()).0;
            let salt = u64::from_le_bytes(*salt.first_chunk().expect("a hash has more than 8 bytes"));
            deposits.push(deposit(reference, platform.account, asset, more));
            let lock = Action::LockCollateral(LockCollateral { asset, amount: more });
            locks.push(Job { salt: Some(salt), ..Job::new(platform, lock) });
        }
        self.deposit("bringing cover in", deposits).await?;
        for verdict in self.settle(&locks).await? {
            if let Verdict::Refused { reason, .. } = verdict {
                self.warn("collateral was not locked", &[reason]);
            }
        }
        Ok(())
    }

    // --- payments ---

    /// Lets the contract say which rows are the orders that are archived under their names: placed again, the same order
    /// is known and changes nothing, another one is refused.
    async fn ask_archived(&self, rows: Vec<(Row, Standing)>) -> Result<(Vec<(Row, Standing)>, Vec<BadRow>)> {
        let (mut known, mut other) = (Vec::new(), Vec::new());
        for some in rows.chunks(self.options.chunk.max(1)) {
            let jobs: Vec<Job> = some.iter().map(|(row, _)| self.pay_job(row)).collect();
            for ((row, there), verdict) in some.iter().zip(self.settle(&jobs).await?) {
                match verdict {
                    Verdict::Refused { code, .. } if code == code::CONFLICT => {
                        let reason = format!("order {} is archived, placed with something else", row.order_id);
                        other.push(BadRow { line: row.line, code, reason });
                    }
                    Verdict::Refused { code, reason } => other.push(BadRow { line: row.line, code, reason }),
                    _ => known.push((row.clone(), there.clone())),
                }
            }
        }
        Ok((known, other))
    }

    fn pay_job(&self, row: &Row) -> Job {
        let (buyer, origin) = (self.parties.buyer(&row.buyer), self.parties.platform(&row.origin));
        let host = self.parties.platform(&row.host).account;
        let pay = Pay {
            origin: origin.account,
            order_id: row.order_id.clone(),
            item: ItemRef { host, item: row.item.clone(), version: 1 },
            price: Some(row.amount),
            coupon: None,
            mode: row.mode,
            fee_bearer: FeeBearer::PAYEE,
            expected_total: row.amount,
        };
        // The items have open prices, so the selling platform vouches for each with its own signature.
        let mut job = Job::new(buyer, Action::Pay(pay));
        job.keys.push(origin.key.clone());
        job
    }

    /// Places orders in chunks, a bounded number at a time.
    async fn pay(self: &Arc<Self>, rows: Vec<Row>) -> Result<(Vec<Paid>, Finality)> {
        let bar = self.output.progress(rows.len() as u64, "paying");
        let every = (rows.len() / self.options.sample.max(1)).max(1);
        let mut work: Vec<Vec<(Row, Job, bool)>> = Vec::new();
        for (i, row) in rows.into_iter().enumerate() {
            if i % self.options.chunk.max(1) == 0 {
                work.push(Vec::new());
            }
            let job = self.pay_job(&row);
            let sampled = self.options.sample > 0 && i % every == every / 2;
            work.last_mut().expect("pushed above").push((row, job, sampled));
        }
        let mut waiting = work.into_iter();
        let mut running = JoinSet::new();
        let mut done: Vec<Paid> = Vec::new();
        loop {
            while running.len() < self.options.in_flight.max(1) {
                let Some(chunk) = waiting.next() else { break };
                let run = Arc::clone(self);
                running.spawn(async move { run.pay_chunk(chunk).await });
            }
            let Some(joined) = running.join_next().await else { break };
            let paid = joined.wrap_err("a chunk of orders stopped")??;
            bar.inc(paid.verdicts.len() as u64);
            done.push(paid);
        }
        bar.finish_and_clear();
        let seen = done.iter_mut().flat_map(|p| std::mem::take(&mut p.seen)).collect();
        Ok((done, Finality::of(seen)))
    }

    async fn pay_chunk(self: Arc<Self>, chunk: Vec<(Row, Job, bool)>) -> Result<Paid> {
        let until = self.valid_until().await?;
        let first = Instant::now();
        let mut samples = JoinSet::new();
        for (i, (_, job, _)) in chunk.iter().enumerate().filter(|(_, (_, _, sampled))| *sampled) {
            let (transaction, ledger) = (job.sign(&self.facts.chain, until)?, self.ledger.clone());
            samples.spawn(async move {
                let sent = Instant::now();
                let verdict = ledger.submit_and_wait(&transaction).await?;
                Ok::<_, color_eyre::Report>((i, verdict, sent.elapsed()))
            });
        }
        let mut verdicts = vec![Verdict::Pending; chunk.len()];
        let rest: Vec<usize> = (0..chunk.len()).filter(|i| !chunk[*i].2).collect();
        self.settle_into(&mut verdicts, &chunk, &rest).await?;
        let mut seen = Vec::new();
        while let Some(sample) = samples.join_next().await {
            let (i, verdict, time) = sample.wrap_err("a measured payment stopped")??;
            if verdict == Verdict::Settled {
                seen.push(time);
            }
            verdicts[i] = verdict;
        }
        // what a measured payment did not learn is learned the usual way; the order's key keeps it from acting twice
        let open = |v: &Verdict| matches!(v, Verdict::Pending | Verdict::Busy | Verdict::Refused { code: 103, .. });
        let unclear: Vec<usize> = (0..chunk.len()).filter(|i| open(&verdicts[*i])).collect();
        self.settle_into(&mut verdicts, &chunk, &unclear).await?;
        let last = Instant::now();
        let verdicts: Vec<(Row, Verdict)> = chunk.into_iter().map(|(row, ..)| row).zip(verdicts).collect();
        let escrows = verdicts.iter().filter(|(row, v)| row.mode == PayMode::Escrow && *v == Verdict::Settled);
        self.confirm(escrows.map(|(row, _)| row)).await?;
        Ok(Paid { verdicts, seen, first, last })
    }

    async fn settle_into(&self, verdicts: &mut [Verdict], chunk: &[(Row, Job, bool)], chosen: &[usize]) -> Result<()> {
        let jobs: Vec<Job> = chosen.iter().map(|i| chunk[*i].1.clone()).collect();
        for (i, verdict) in chosen.iter().zip(self.settle(&jobs).await?) {
            verdicts[*i] = verdict;
        }
        Ok(())
    }

    /// Confirms escrows as their buyers. One that confirmed itself in the meantime refuses, and is settled all the same.
    async fn confirm<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> Result<()> {
        let confirm = |row: &Row| {
            let action = Action::Confirm(Confirm { order: self.parties.order(row) });
            Job::new(self.parties.buyer(&row.buyer), action)
        };
        let jobs: Vec<Job> = rows.map(confirm).collect();
        for some in jobs.chunks(self.options.chunk.max(1)) {
            self.settle(some).await?;
        }
        Ok(())
    }

    async fn confirm_standing(&self, standing: &[(Row, Standing)]) -> Result<()> {
        self.confirm(standing.iter().filter(|(_, o)| o.state() == ESCROWED).map(|(row, _)| row)).await
    }

    // --- the end ---

    async fn wait_for_maturity(&self, rows: &[Row]) -> Result<()> {
        let waits = |row: &&Row| matches!(row.mode, PayMode::Maturing(_) | PayMode::Escrow);
        let mut keys: Vec<OrderKey> = rows.iter().filter(waits).map(|row| self.parties.order(row)).collect();
        let bar = self.output.progress(keys.len() as u64, "waiting for maturity");
        let deadline = Instant::now() + self.options.wait;
        loop {
            let orders = self.ledger.orders(&keys).await?;
            let open = |o: &OrderFacts| [ESCROWED, MATURING].contains(&o.state.as_str());
            let mut latest = None;
            let mut left = Vec::new();
            for (key, order) in keys.into_iter().zip(orders) {
                match order.and_then(Standing::kept) {
                    Some(order) if open(&order) => {
                        latest = latest.max(order.due);
                        left.push(key);
                    }
                    _ => bar.inc(1),
                }
            }
            keys = left;
            let budget = deadline.saturating_duration_since(Instant::now());
            if keys.is_empty() || budget.is_zero() {
                break;
            }
            if let Some(due) = latest {
                let ahead = due.since(self.ledger.time().await?);
                if u128::from(ahead) > budget.as_millis() {
                    self.output.note(&format!("{} orders mature later than this import waits", keys.len()));
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Closes and settles the windows that hold orders of the file.
    async fn settle_windows(&self, rows: &[Row]) -> Result<()> {
        let window_rows: Vec<&Row> = rows.iter().filter(|r| r.mode == PayMode::Window).collect();
        let keys: Vec<OrderKey> = window_rows.iter().map(|row| self.parties.order(row)).collect();
        let orders = self.ledger.orders(&keys).await?;
        let mut open: BTreeMap<(AssetCode, u64), &Label> = BTreeMap::new();
        for (row, order) in window_rows.iter().zip(orders) {
            if let Some((order, window)) = order
                .and_then(Standing::kept)
                .and_then(|o| o.window.map(|w| (o, w)))
                .filter(|(o, _)| o.state == CLEARED)
            {
                open.entry((order.asset, window)).or_insert(&row.origin);
            }
        }
        for ((asset, window), origin) in open {
            let platform = self.parties.platform(origin);
            let close = Job::new(platform, Action::CloseWindow(CloseWindow { asset, window }));
            let settle = Job::new(platform, Action::SettleWindow(SettleWindow { asset, window }));
            for (job, what) in [(close, "closed"), (settle, "settled")] {
                if let Some(Verdict::Refused { code, reason }) = self.settle(&[job]).await?.into_iter().next() {
                    // 901: somebody was faster, or an earlier run was cut short here
                    if code != 901 {
                        self.warn(
                            "a window stays open",
                            &[format!("{asset} window {window} was not {what}: {reason}")],
                        );
                    }
                }
            }
        }
        Ok(())
    }
}

const ESCROWED: &str = "ESCROWED";
const MATURING: &str = "MATURING";
const CLEARED: &str = "CLEARED";

fn amount_of(units: u128) -> Option<Amount> {
    u64::try_from(units).ok().and_then(|u| Amount::new(u).ok())
}

fn deposit(channel_ref: Label, to: AccountId, asset: AssetCode, amount: Amount) -> Action {
    let channel = Label::new("import").expect("a good name");
    Action::Deposit(Deposit { channel, channel_ref, to, asset, amount })
}
