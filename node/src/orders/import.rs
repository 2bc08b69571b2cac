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
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vostro_crypto::{SecretKey, sha256};
use vostro_types::transaction::{
    BODY_VERSION, CloseWindow, Confirm, Deposit, FeeBearer, ItemRef, LockCollateral, OpenAccount, OrderKey, Pay,
    PayMode, Price, RegisterItem, RegisterPlan, SettleWindow, Terms,
};
use vostro_types::{
    AccountId, AccountKind, Action, Amount, AssetCode, Body, Hash, KeyPolicy, Label, Payload, Time, Transaction,
};

use super::ledger::{AccountFacts, Facts, Ledger, OrderFacts, Verdict};
use super::parse::{BadRow, Row, code, parse_orders};
use super::plan::{PLAN, Plan, legs, plan_legs, reference};
use super::report::{Finality, ImportReport, Mismatch, money, rankings};
use super::rpc::RpcLedger;
use crate::keystore::{KeyBook, own_account};
use crate::output::Output;

/// Actions in one transaction of the preparation.
const ACTIONS: usize = 100;
/// Largest order file in bytes.
const MAX_FILE: u64 = 256 << 20;
/// Validity is rounded to this many milliseconds, so that a second try soon after makes the same transaction.
const SLOT_MS: u64 = 20 * 60 * 1000;
/// How long nothing may be decided before the import gives up.
const STALLED: Duration = Duration::from_secs(180);
/// First and longest pause between two looks at what is pending.
const POLL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// How often a chunk's pending transactions are submitted again, in case a node forgot them.
const RESUBMIT: Duration = Duration::from_secs(2);
/// Times a step that depends on what the chain holds is looked at again.
const ROUNDS: usize = 4;

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

/// A key and the account it opens.
#[derive(Clone)]
struct Party {
    key: SecretKey,
    account: AccountId,
}

impl Party {
    fn of(key: SecretKey) -> Self {
        Party { account: own_account(key.public()), key }
    }
}

/// Everybody the file names.
struct Parties {
    platforms: BTreeMap<Label, Party>,
    gateway: Option<Party>,
    buyers: BTreeMap<Label, Party>,
    creators: BTreeMap<Label, Party>,
}

impl Parties {
    fn of(plan: &Plan, facts: &Facts, book: &KeyBook) -> Result<Self> {
        let known = |name: &str, kind: AccountKind| -> Result<Party> {
            let key =
                book.key(kind, name).ok_or_else(|| eyre!("the key book has no key for {} {name}", kind.name()))?;
            let party = Party::of(key);
            let account = facts.accounts.get(name).map(|(id, _)| *id);
            ensure!(
                account == Some(party.account),
                "the key book's key for {name} is not that of its account on this chain"
            );
            Ok(party)
        };
        let names: BTreeSet<&Label> = plan.rows.iter().flat_map(|r| [&r.origin, &r.host]).collect();
        let mut platforms = BTreeMap::new();
        for name in names {
            platforms.insert(name.clone(), known(name.as_str(), AccountKind::Platform)?);
        }
        let gateways = facts.accounts.iter().filter(|(_, (_, kind))| *kind == AccountKind::Gateway);
        let gateway = gateways.map(|(name, _)| known(name, AccountKind::Gateway)).find_map(Result::ok);
        let derive = |names: &BTreeMap<Label, Label>, kind: AccountKind| -> BTreeMap<Label, Party> {
            let party = |name: &Label| book.key(kind, name.as_str()).map(|key| (name.clone(), Party::of(key)));
            names.keys().filter_map(party).collect()
        };
        let buyers = derive(&plan.buyers, AccountKind::User);
        let creators = derive(&plan.creators, AccountKind::Creator);
        Ok(Parties { platforms, gateway, buyers, creators })
    }

    fn write_csv(&self, path: &std::path::Path) -> Result<()> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["name", "kind", "account"])?;
        let kinds = [
            (&self.platforms, AccountKind::Platform),
            (&self.creators, AccountKind::Creator),
            (&self.buyers, AccountKind::User),
        ];
        for (parties, kind) in kinds {
            for (name, party) in parties {
                csv.write_record([name.as_str(), kind.name(), &party.account.to_string()])?;
            }
        }
        let bytes = csv.into_inner().map_err(|e| eyre!("{e}"))?;
        std::fs::write(path, bytes).wrap_err_with(|| path.display().to_string())
    }

    fn platform(&self, name: &Label) -> &Party {
        self.platforms.get(name).expect("every platform of a good row was looked up")
    }

    fn buyer(&self, name: &Label) -> &Party {
        self.buyers.get(name).expect("every buyer of a good row has a key")
    }

    fn creator(&self, name: &Label) -> &Party {
        self.creators.get(name).expect("every creator of a good row has a key")
    }

    fn order(&self, row: &Row) -> OrderKey {
        OrderKey { platform: self.platform(&row.origin).account, order_id: row.order_id.clone() }
    }
}

/// A transaction to be signed when its turn comes.
#[derive(Clone)]
struct Job {
    sender: AccountId,
    actions: Vec<Action>,
    keys: Vec<SecretKey>,
    /// Set where a second try must have the same id.
    salt: Option<u64>,
}

impl Job {
    fn new(party: &Party, action: Action) -> Self {
        Job::batch(party, vec![action])
    }

    fn batch(party: &Party, actions: Vec<Action>) -> Self {
        Job { sender: party.account, actions, keys: vec![party.key.clone()], salt: None }
    }

    fn sign(&self, chain: &Hash, valid_until: Time) -> Result<Transaction> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|e| eyre!("no randomness: {e}"))?;
        let payload = match self.actions.as_slice() {
            [one] => Payload::One(one.clone()),
            many => Payload::Batch(many.to_vec()),
        };
        let salt = self.salt.unwrap_or(u64::from_le_bytes(salt));
        let body = Body { version: BODY_VERSION, sender: self.sender, valid_until, salt, payload };
        Ok(body.sign(chain, &self.keys.iter().collect::<Vec<_>>()))
    }
}

/// What a chunk of payments came to.
struct Paid {
    verdicts: Vec<(Row, Verdict)>,
    seen: Vec<Duration>,
    first: Instant,
    last: Instant,
}

/// Orders and the money of creators, read so that they belong together.
struct Snapshot {
    orders: Vec<Option<OrderFacts>>,
    creators: BTreeMap<Label, AccountFacts>,
}

struct Run<L> {
    ledger: Arc<L>,
    facts: Facts,
    parties: Parties,
    options: ImportOptions,
    output: Output,
}

impl<L: Ledger> Run<L> {
    async fn run(self: &Arc<Self>, plan: Plan, mut refusals: Vec<BadRow>) -> Result<ImportReport> {
        let buyers = self.open_accounts(&plan).await?;
        let before = self.snapshot(&plan.rows).await?;
        let mut missing = Vec::new();
        let mut standing = Vec::new();
        for (row, order) in plan.rows.iter().zip(&before.orders) {
            match order {
                None => missing.push(row.clone()),
                Some(order) => match self.differences(row, order) {
                    differ if differ.is_empty() => standing.push((row.clone(), order.clone())),
                    differ => refusals.push(BadRow {
                        line: row.line,
                        code: code::CONFLICT,
                        reason: format!("order {} is on the chain with another {}", row.order_id, differ.join(", ")),
                    }),
                },
            }
        }
        self.register_items(&plan, &missing).await?;
        self.fund_buyers(&plan, &missing).await?;
        self.cover_windows(&missing, &standing).await?;
        let (paid, finality) = self.pay(missing, &buyers).await?;
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

    // --- sending ---

    async fn valid_until(&self) -> Result<Time> {
        Ok(Time((self.ledger.time().await?.0 / SLOT_MS + 2) * SLOT_MS))
    }

    /// Sends jobs and waits until each is decided.
    async fn settle(&self, jobs: &[Job]) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::Pending; jobs.len()];
        for _ in 0..ROUNDS {
            let open: Vec<usize> = (0..jobs.len()).filter(|i| verdicts[*i] == Verdict::Pending).collect();
            if open.is_empty() {
                break;
            }
            let until = self.valid_until().await?;
            let chosen: Vec<Job> = open.iter().map(|i| jobs[*i].clone()).collect();
            let chain = self.facts.chain;
            // signing a chunk takes milliseconds that the runtime's threads should not spend
            let signed = tokio::task::spawn_blocking(move || {
                chosen.iter().map(|job| job.sign(&chain, until)).collect::<Result<Vec<_>>>()
            });
            let decided = self.follow(&signed.await??).await?;
            for (i, verdict) in open.into_iter().zip(decided) {
                // too late for its block: signed again with a new time
                let expired = matches!(verdict, Verdict::Refused { code: 103, .. });
                verdicts[i] = if expired { Verdict::Pending } else { verdict };
            }
        }
        for verdict in &mut verdicts {
            if *verdict == Verdict::Pending {
                *verdict =
                    Verdict::Refused { code: 103, reason: "it expired before a block took it, again and again".into() };
            }
        }
        Ok(verdicts)
    }

    /// Submits transactions, the same bytes again where needed, until each is decided.
    async fn follow(&self, transactions: &[Transaction]) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::Busy; transactions.len()];
        let (mut pause, longest) = POLL;
        let (mut progress, mut asked) = (Instant::now(), Instant::now());
        // whether to ask for those that a node took already too
        let mut all = false;
        loop {
            let open = |v: &Verdict| matches!(v, Verdict::Pending | Verdict::Busy);
            let Some(last) = verdicts.iter().rposition(open) else { return Ok(verdicts) };
            let chosen: Vec<usize> = (0..verdicts.len())
                .filter(|i| verdicts[*i] == Verdict::Busy || (all && verdicts[*i] == Verdict::Pending))
                .collect();
            let again: Vec<Transaction> = chosen.iter().map(|i| transactions[*i].clone()).collect();
            for (i, verdict) in chosen.into_iter().zip(self.ledger.submit(&again).await?) {
                if !open(&verdict) {
                    (progress, pause) = (Instant::now(), POLL.0);
                }
                verdicts[i] = verdict;
            }
            ensure!(progress.elapsed() < STALLED, "no block took a transaction for {} s", STALLED.as_secs());
            if verdicts.contains(&Verdict::Busy) {
                // the nodes have enough to do: those that were not taken wait
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
                all = asked.elapsed() > RESUBMIT;
            } else {
                // the last of them tells when to ask for all
                while asked.elapsed() < RESUBMIT
                    && verdicts[last] == Verdict::Pending
                    && !self.ledger.decided(&transactions[last]).await?
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                all = true;
            }
            if all {
                asked = Instant::now();
            }
        }
    }

    /// Sends actions of one sender in batches; where a batch is refused, its actions one by one. Counts what was
    /// refused and why.
    async fn settle_actions(&self, bar: &ProgressBar, work: Vec<(Party, Vec<Action>)>) -> Result<Vec<String>> {
        let mut jobs = Vec::new();
        for (party, actions) in &work {
            jobs.extend(actions.chunks(ACTIONS).map(|chunk| Job::batch(party, chunk.to_vec())));
        }
        let mut singles = Vec::new();
        for some in jobs.chunks(8) {
            for (job, verdict) in some.iter().zip(self.settle(some).await?) {
                match verdict {
                    Verdict::Refused { .. } => {
                        let single = |action: &Action| Job { actions: vec![action.clone()], ..job.clone() };
                        singles.extend(job.actions.iter().map(single));
                    }
                    _ => bar.inc(job.actions.len() as u64),
                }
            }
        }
        let mut refused = Vec::new();
        for some in singles.chunks(self.options.chunk.max(1)) {
            for verdict in self.settle(some).await? {
                match verdict {
                    Verdict::Refused { reason, .. } => refused.push(reason),
                    _ => bar.inc(1),
                }
            }
        }
        Ok(refused)
    }

    // --- preparation ---

    /// Opens the accounts that are missing. Gives the platform that each buyer's account belongs to.
    async fn open_accounts(&self, plan: &Plan) -> Result<BTreeMap<Label, AccountId>> {
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
            let mut work: BTreeMap<&Label, Vec<Action>> = BTreeMap::new();
            for ((party, home, kind), account) in wanted.iter().zip(&there) {
                if account.is_none() {
                    let policy = KeyPolicy::single(party.key.public());
                    let open = OpenAccount { kind: *kind, policy, salt: [0; 16] };
                    work.entry(*home).or_default().push(Action::OpenAccount(open));
                }
            }
            if work.is_empty() {
                let platforms = there.into_iter().skip(plan.creators.len()).map(|a| a.and_then(|a| a.platform));
                let homes = plan.buyers.iter().zip(platforms).map(|((name, home), platform)| {
                    (name.clone(), platform.unwrap_or(self.parties.platform(home).account))
                });
                return Ok(homes.collect());
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
        let mut work: BTreeMap<&Label, Vec<Action>> = BTreeMap::new();
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
                tax: None,
                plan: name.clone(),
                plan_version: 1,
                creator: self.parties.creator(creator).account,
                terms: Terms { duration_ms: None, units: None, scope: Label::new("all").expect("a good name") },
            };
            work.entry(host).or_default().push(Action::RegisterItem(register));
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

    fn warn(&self, what: &str, refused: &[String]) {
        if let Some(first) = refused.first() {
            tracing::warn!(count = refused.len(), "{what}: {first}");
        }
    }

    /// Brings in what buyers need for the rows still to be placed and do not have.
    async fn fund_buyers(&self, plan: &Plan, missing: &[Row]) -> Result<()> {
        let mut open: BTreeMap<(Label, AssetCode), u128> = BTreeMap::new();
        for row in missing.iter().filter(|r| r.mode != PayMode::Window) {
            *open.entry((row.buyer.clone(), row.asset)).or_default() += u128::from(row.amount.units());
        }
        let ids: Vec<AccountId> = open.keys().map(|(buyer, _)| self.parties.buyer(buyer).account).collect();
        let accounts = self.ledger.accounts(&ids).await?;
        let mut actions = Vec::new();
        for (((buyer, asset), needed), account) in open.into_iter().zip(accounts) {
            let has = account.and_then(|a| a.money.get(&asset).copied()).unwrap_or_default().available;
            let need = &plan.needs[&(buyer.clone(), asset)];
            // A deposit that was made already answers as it did then, so the whole sum is named again, not the rest.
            if let Some(amount) = Some(need.amount).filter(|_| u128::from(has.units()) < needed).and_then(amount_of) {
                let to = self.parties.buyer(&buyer).account;
                actions.push(deposit(need.reference.clone(), to, asset, amount));
            }
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
        let refused = self.settle_actions(&bar, vec![(gateway, actions)]).await?;
        bar.finish_and_clear();
        self.warn("deposits were refused", &refused);
        Ok(())
    }

    /// Locks cover for the window orders still to be placed, beside what those that wait for netting need.
    async fn cover_windows(&self, missing: &[Row], standing: &[(Row, OrderFacts)]) -> Result<()> {
        let mut needs: BTreeMap<(Label, AssetCode), (u128, bool)> = BTreeMap::new();
        let mut need = |row: &Row, fresh: bool| {
            let entry = needs.entry((row.origin.clone(), row.asset)).or_default();
            entry.0 += u128::from(row.amount.units());
            entry.1 |= fresh;
        };
        missing.iter().filter(|r| r.mode == PayMode::Window).for_each(|row| need(row, true));
        standing.iter().filter(|(_, o)| o.state == CLEARED).for_each(|(row, _)| need(row, false));
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

    fn pay_job(&self, row: &Row, homes: &BTreeMap<Label, AccountId>) -> Job {
        let (buyer, origin) = (self.parties.buyer(&row.buyer), self.parties.platform(&row.origin));
        let host = self.parties.platform(&row.host).account;
        let pay = Pay {
            origin: origin.account,
            order_id: row.order_id.clone(),
            item: ItemRef { host, item: row.item.clone(), version: 1 },
            price: Some(row.amount),
            mode: row.mode,
            fee_bearer: FeeBearer::PAYEE,
            expected_total: row.amount,
        };
        let mut job = Job::new(buyer, Action::Pay(pay));
        if row.mode == PayMode::Window || homes.get(&row.buyer) != Some(&origin.account) {
            job.keys.push(origin.key.clone());
        }
        job
    }

    /// Places orders in chunks, a bounded number at a time.
    async fn pay(
        self: &Arc<Self>,
        rows: Vec<Row>,
        homes: &BTreeMap<Label, AccountId>,
    ) -> Result<(Vec<Paid>, Finality)> {
        let bar = self.output.progress(rows.len() as u64, "paying");
        let every = (rows.len() / self.options.sample.max(1)).max(1);
        let mut work: Vec<Vec<(Row, Job, bool)>> = Vec::new();
        for (i, row) in rows.into_iter().enumerate() {
            if i % self.options.chunk.max(1) == 0 {
                work.push(Vec::new());
            }
            let job = self.pay_job(&row, homes);
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

    async fn confirm_standing(&self, standing: &[(Row, OrderFacts)]) -> Result<()> {
        self.confirm(standing.iter().filter(|(_, o)| o.state == ESCROWED).map(|(row, _)| row)).await
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
                match order {
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
            if let Some((order, window)) =
                order.and_then(|o| o.window.map(|w| (o, w))).filter(|(o, _)| o.state == CLEARED)
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

    // --- reading back ---

    /// What differs between a row and the order that has its name.
    fn differences(&self, row: &Row, order: &OrderFacts) -> Vec<&'static str> {
        let host = self.parties.platform(&row.host).account;
        let checks = [
            ("buyer", order.payer == self.parties.buyer(&row.buyer).account),
            ("item", order.host == host && order.item == row.item),
            ("asset", order.asset == row.asset),
            ("amount", order.total == row.amount),
            ("mode", order.mode == row.mode),
        ];
        checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// Reads the rows' orders and the creators' money, again while money moves in between.
    async fn snapshot(&self, rows: &[Row]) -> Result<Snapshot> {
        let keys: Vec<OrderKey> = rows.iter().map(|row| self.parties.order(row)).collect();
        let (names, ids): (Vec<&Label>, Vec<AccountId>) =
            self.parties.creators.iter().map(|(name, party)| (name, party.account)).unzip();
        let mut creators = self.ledger.accounts(&ids).await?;
        for round in 1.. {
            let orders = self.ledger.orders(&keys).await?;
            let after = self.ledger.accounts(&ids).await?;
            if after == creators || round == ROUNDS {
                let creators = names.into_iter().zip(after).map(|(n, a)| (n.clone(), a.unwrap_or_default())).collect();
                return Ok(Snapshot { orders, creators });
            }
            creators = after;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the last round returns")
    }

    async fn report(
        &self,
        standing_before: &[(Row, OrderFacts)],
        before: Snapshot,
        accepted: &[Row],
        mut refusals: Vec<BadRow>,
    ) -> Result<ImportReport> {
        let after = self.snapshot(accepted).await?;
        let assets = &self.facts.assets;
        let mut standing: Vec<(&Row, &OrderFacts)> = Vec::new();
        for (row, order) in accepted.iter().zip(&after.orders) {
            match order {
                Some(order) => standing.push((row, order)),
                None => refusals.push(BadRow {
                    line: row.line,
                    code: 503,
                    reason: "the nodes do not show the order".into(),
                }),
            }
        }
        let mut states: BTreeMap<&str, (u64, BTreeMap<AssetCode, u128>)> = BTreeMap::new();
        let mut total: BTreeMap<AssetCode, u128> = BTreeMap::new();
        for (_, order) in &standing {
            let units = u128::from(order.total.units());
            let (count, sums) = states.entry(&order.state).or_default();
            *count += 1;
            *sums.entry(order.asset).or_default() += units;
            *total.entry(order.asset).or_default() += units;
        }
        let by_state = states.into_iter().map(|(state, (count, sums))| {
            let amounts = money(&sums, assets).into_iter().map(|(asset, sum)| (asset, sum.into()));
            (state.to_string(), std::iter::once(("orders".to_string(), count.into())).chain(amounts).collect())
        });
        let earlier = creator_legs(standing_before.iter().map(|(row, order)| (row, order)));
        let now = creator_legs(standing.iter().copied());
        let (creators_checked, mismatches) = self.check_creators(&before, &earlier, &after, &now);
        let account = |name: &Label, creator: bool| {
            let parties = if creator { &self.parties.creators } else { &self.parties.platforms };
            parties.get(name).map(|p| p.account)
        };
        let (platforms, creators) = rankings(standing.iter().map(|(row, _)| *row), assets, account);
        let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
        for bad in &refusals {
            *rejected.entry(bad.code.to_string()).or_default() += 1;
        }
        Ok(ImportReport {
            accepted: standing.len() as u64,
            rejected,
            refusals,
            accepted_total: money(&total, assets),
            by_state: by_state.collect(),
            platforms,
            creators,
            creators_checked,
            mismatches,
            ..ImportReport::default()
        })
    }

    /// Holds each creator's balance against the sum of its legs, beside what it had from elsewhere before.
    fn check_creators(
        &self,
        before: &Snapshot,
        earlier: &Earned,
        after: &Snapshot,
        now: &Earned,
    ) -> (u64, Vec<Mismatch>) {
        let mut mismatches = Vec::new();
        for (name, account) in &after.creators {
            let held = |snapshot: &Snapshot, asset: &AssetCode| {
                let money = snapshot.creators.get(name).and_then(|a| a.money.get(asset)).copied().unwrap_or_default();
                i128::try_from(money.total()).unwrap_or(i128::MAX)
            };
            let earned = |sums: &Earned, asset: &AssetCode| {
                i128::try_from(sums.get(&(name.clone(), *asset)).copied().unwrap_or(0)).unwrap_or(i128::MAX)
            };
            let mut assets: BTreeSet<AssetCode> = account.money.keys().copied().collect();
            assets.extend(now.keys().filter(|(n, _)| n == name).map(|(_, a)| *a));
            for asset in assets {
                // less than nothing from elsewhere would hide what is missing now
                let elsewhere = (held(before, &asset) - earned(earlier, &asset)).max(0);
                let (expected, actual) = (elsewhere + earned(now, &asset), held(after, &asset));
                if expected != actual {
                    let text = |units: i128| {
                        let known = self.facts.assets.iter().find(|a| a.code == asset);
                        known.map_or_else(|| units.to_string(), |a| a.format_signed(units))
                    };
                    mismatches.push(Mismatch {
                        creator: name.to_string(),
                        asset: asset.to_string(),
                        expected: text(expected),
                        actual: text(actual),
                    });
                }
            }
        }
        (after.creators.len() as u64, mismatches)
    }
}

const ESCROWED: &str = "ESCROWED";
const MATURING: &str = "MATURING";
const CLEARED: &str = "CLEARED";
const SETTLED: &str = "SETTLED";

/// What creators earned, in minor units.
type Earned = BTreeMap<(Label, AssetCode), u128>;

/// The creators' legs of settled orders, computed from the rows alone.
fn creator_legs<'a>(orders: impl Iterator<Item = (&'a Row, &'a OrderFacts)>) -> Earned {
    let mut sums = Earned::new();
    for (row, _) in orders.filter(|(_, order)| order.state == SETTLED) {
        let [creator, ..] = legs(row.amount);
        *sums.entry((row.creator.clone(), row.asset)).or_default() += u128::from(creator.units());
    }
    sums
}

fn amount_of(units: u128) -> Option<Amount> {
    u64::try_from(units).ok().and_then(|u| Amount::new(u).ok())
}

fn deposit(channel_ref: Label, to: AccountId, asset: AssetCode, amount: Amount) -> Action {
    let channel = Label::new("import").expect("a good name");
    Action::Deposit(Deposit { channel, channel_ref, to, asset, amount })
}
