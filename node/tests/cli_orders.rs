//! The importer against the real contract on a ledger in memory: whole, cut short, repeated, and with bad rows.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use color_eyre::eyre::{Result, bail};
use vostro_node::keystore::KeyBook;
use vostro_node::orders::ImportReport;
use vostro_node::orders::import::{ImportOptions, import_on};
use vostro_node::orders::ledger::{AccountFacts, Facts, Ledger, Money, OrderFacts, Standing, Verdict};
use vostro_node::output::Output;
use vostro_node::recipe::{self, Recipe, RecipeKeys, ValidatorKeys};
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{BlockContext, apply, fire_deadlines, open_genesis, read};
use vostro_types::transaction::{ArchiveOrders, BODY_VERSION, MAX_ARCHIVED, OrderKey};
use vostro_types::{
    AccountId, AccountKind, Action, Amount, Body, Genesis, Height, Label, Outcome, Payload, SecretKey, Time,
    Transaction, TxId,
};

/// Milliseconds from block to block: two of them are a devnet's day.
const STEP: u64 = 2_500;

#[derive(Default)]
struct State {
    ledger: MemLedger,
    height: u64,
    time: u64,
    pending: Vec<Transaction>,
    seen: BTreeMap<TxId, Outcome>,
    applied: u64,
    calls: u64,
    /// Calls after which nothing answers any more.
    dies_after: Option<u64>,
    /// A creator that the ledger shows with one unit less than it has.
    robbed: Option<AccountId>,
}

/// A chain of one validator without network, disk and clock.
struct Sim {
    genesis: Genesis,
    state: Mutex<State>,
}

impl Sim {
    fn new(genesis: Genesis) -> Arc<Self> {
        let mut state = State { time: genesis.time.0, ..State::default() };
        open_genesis(&genesis, &mut state.ledger);
        Arc::new(Sim { genesis, state: Mutex::new(state) })
    }

    fn call<T>(&self, answer: impl FnOnce(&mut State) -> T) -> Result<T> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        if state.dies_after.is_some_and(|n| state.calls > n) {
            bail!("nobody answers");
        }
        Ok(answer(&mut state))
    }

    fn block(&self, state: &mut State) {
        state.height += 1;
        state.time += STEP;
        let context = BlockContext { height: Height(state.height), time: Time(state.time) };
        for transaction in std::mem::take(&mut state.pending) {
            let verified = transaction.verify(&self.genesis.hash()).unwrap();
            if !state.seen.contains_key(&verified.id()) {
                let receipt = apply(&context, &verified, &mut state.ledger);
                state.applied += u64::from(receipt.applied());
                state.seen.insert(verified.id(), receipt.outcome);
            }
        }
        fire_deadlines(&context, &mut state.ledger);
    }

    fn verdict(&self, state: &State, transaction: &Transaction) -> Verdict {
        match state.seen.get(&transaction.body.id(&self.genesis.hash())) {
            None => Verdict::Pending,
            Some(Outcome::Rejected { code, about }) => {
                Verdict::Refused { code: *code, reason: format!("rule {code}: {about:?}") }
            }
            Some(_) => Verdict::Settled,
        }
    }

    fn money(&self, account: AccountId) -> Money {
        let state = self.state.lock().unwrap();
        let balance = read::balance(&state.ledger, account, "USD".parse().unwrap());
        Money { available: balance.available, held: balance.held, collateral: balance.collateral }
    }
}

impl Ledger for Sim {
    async fn facts(&self) -> Result<Facts> {
        let accounts = self.genesis.accounts.iter().map(|a| (a.name.to_string(), (a.id(), a.kind))).collect();
        Ok(Facts { chain: self.genesis.hash(), assets: self.genesis.assets.clone(), accounts })
    }

    async fn time(&self) -> Result<Time> {
        self.call(|state| {
            self.block(state);
            Time(state.time)
        })
    }

    async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<Option<AccountFacts>>> {
        self.call(|state| {
            let facts = |id: &AccountId| {
                let platform = Some(read::account(&state.ledger, *id)?.platform);
                let money = read::balances(&state.ledger, *id).into_iter().map(|b| {
                    let mut available = b.balance.available;
                    if state.robbed == Some(*id) {
                        available = Amount::new(available.units().saturating_sub(1)).unwrap();
                    }
                    (b.asset, Money { available, held: b.balance.held, collateral: b.balance.collateral })
                });
                Some(AccountFacts { platform, money: money.collect() })
            };
            ids.iter().map(facts).collect()
        })
    }

    async fn orders(&self, keys: &[OrderKey]) -> Result<Vec<Option<Standing>>> {
        self.call(|state| {
            let facts = |key: &OrderKey| {
                let Some(order) = read::order(&state.ledger, key) else {
                    let left = read::archived(&state.ledger, key)?;
                    return Some(Standing::Archived { state: left.state.name().to_string() });
                };
                Some(Standing::Kept(OrderFacts {
                    state: order.state.name().to_string(),
                    payer: order.payer,
                    host: order.item.host,
                    item: order.item.item,
                    mode: order.mode,
                    asset: order.asset,
                    total: order.total,
                    due: order.due,
                    window: order.window,
                }))
            };
            keys.iter().map(facts).collect()
        })
    }

    async fn items(&self, items: &[(AccountId, Label)]) -> Result<Vec<bool>> {
        self.call(|state| items.iter().map(|(h, i)| read::item(&state.ledger, *h, i, 1).is_some()).collect())
    }

    async fn submit(&self, transactions: &[Transaction]) -> Result<Vec<Verdict>> {
        self.call(|state| {
            let calls = state.calls;
            let mut take = |(i, transaction): (usize, &Transaction)| {
                let verdict = self.verdict(state, transaction);
                // now and then a node is too busy to take one
                if verdict == Verdict::Pending && (calls + i as u64).is_multiple_of(97) {
                    return Verdict::Busy;
                }
                if verdict == Verdict::Pending {
                    state.pending.push(transaction.clone());
                }
                verdict
            };
            transactions.iter().enumerate().map(&mut take).collect()
        })
    }

    async fn submit_and_wait(&self, transaction: &Transaction) -> Result<Verdict> {
        self.call(|state| {
            state.pending.push(transaction.clone());
            self.block(state);
            self.verdict(state, transaction)
        })
    }

    async fn decided(&self, transaction: &Transaction) -> Result<bool> {
        self.call(|state| {
            self.block(state);
            self.verdict(state, transaction) != Verdict::Pending
        })
    }
}

const PLATFORMS: [&str; 4] = ["northwind", "lantern", "quill", "harbor"];

fn devnet() -> (Arc<Sim>, KeyBook) {
    let recipe = Recipe::parse(recipe::DEVNET).unwrap();
    let kinds = PLATFORMS.map(|p| (p, AccountKind::Platform)).into_iter().chain([("gateway", AccountKind::Gateway)]);
    let book = KeyBook::generate(kinds).unwrap();
    let key = |seed: u8| SecretKey::from_seed([seed; 32]);
    let mut keys = RecipeKeys::default();
    for (name, kind) in book.names() {
        keys.accounts.insert(name.to_string(), book.key(kind, name).unwrap().public());
    }
    keys.accounts.insert("network".into(), key(1).public());
    keys.accounts.insert("risk".into(), key(2).public());
    keys.accounts.insert("suspense".into(), key(3).public());
    keys.accounts.insert("arbiter".into(), key(4).public());
    keys.accounts.insert("auditor".into(), key(5).public());
    for (i, (name, _)) in recipe.validators().into_iter().enumerate() {
        let i = 10 + 2 * i as u8;
        keys.validators.insert(name, ValidatorKeys { voting: key(i), network: key(i + 1).public() });
    }
    let file = recipe::from_recipe(&recipe, &keys, 1_700_000_000_000).unwrap();
    (Sim::new(file.parse().unwrap()), book)
}

fn options() -> ImportOptions {
    ImportOptions { wait: Duration::from_secs(60), sample: 20, ..ImportOptions::default() }
}

async fn import(sim: &Arc<Sim>, book: &KeyBook, file: &str) -> Result<ImportReport> {
    import_on(Arc::clone(sim), file.as_bytes(), book.clone(), &options(), Output { json: true }).await
}

fn sample() -> String {
    String::from_utf8(vostro_node::cli::orders::SAMPLE.to_vec()).unwrap()
}

fn head(lines: usize) -> String {
    sample().lines().take(lines).map(|l| format!("{l}\n")).collect()
}

fn settled(report: &ImportReport) -> (u64, String) {
    assert_eq!(report.by_state.keys().collect::<Vec<_>>(), ["SETTLED"], "{:?}", report.by_state);
    let total = &report.by_state["SETTLED"];
    (total["orders"].as_u64().unwrap(), total["USD"].as_str().unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_settles_and_a_second_import_changes_nothing() {
    let (sim, book) = devnet();
    let report = import(&sim, &book, &sample()).await.unwrap();
    assert_eq!((report.rows, report.accepted), (6919, 6911));
    assert_eq!(report.rejected, BTreeMap::from([("201".to_string(), 8)]));
    assert_eq!(report.accepted_total["USD"], "244091.94");
    assert_eq!(settled(&report), (6911, "244091.94".to_string()));
    assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
    assert_eq!((report.creators.len(), report.platforms.len()), (10, 4));
    assert_eq!(report.finality_ms.samples, 20);
    let (before, applied) = {
        let state = sim.state.lock().unwrap();
        (state.ledger.clone(), state.applied)
    };
    let again = import(&sim, &book, &sample()).await.unwrap();
    assert_eq!((again.accepted, again.already_there), (6911, 6911));
    assert_eq!(again.by_state, report.by_state);
    assert!(again.mismatches.is_empty());
    let state = sim.state.lock().unwrap();
    assert_eq!(state.applied, applied, "no transaction took effect");
    assert!(state.ledger == before, "not a byte of the state changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_cut_short_anywhere_is_finished_by_the_next() {
    let file = head(200);
    let (whole, whole_book) = devnet();
    let expected = import(&whole, &whole_book, &file).await.unwrap();
    let usd = "USD".parse().unwrap();
    let custody = |sim: &Sim| read::custody(&sim.state.lock().unwrap().ledger, usd);
    for step in [1, 3, 7, 19] {
        let (sim, book) = devnet();
        let mut cuts = 0;
        let report = loop {
            {
                let mut state = sim.state.lock().unwrap();
                // a killed process leaves what it sent with the nodes
                state.dies_after = Some(state.calls + 4 + step * (cuts + 1));
            }
            match import(&sim, &book, &file).await {
                Ok(report) => break report,
                Err(_) => cuts += 1,
            }
            assert!(cuts < 200, "no progress with steps of {step}");
        };
        assert!(cuts > 0, "it was cut at least once");
        assert_eq!(settled(&report), settled(&expected), "steps of {step}, {cuts} cuts");
        assert_eq!(report.rejected, expected.rejected);
        assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
        assert_eq!(custody(&sim), custody(&whole), "no deposit was made twice");
        for name in PLATFORMS {
            let id = |book: &KeyBook| {
                vostro_node::keystore::own_account(book.key(AccountKind::Platform, name).unwrap().public())
            };
            assert_eq!(sim.money(id(&book)), whole.money(id(&whole_book)), "{name}, steps of {step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_grown_brings_in_the_money_of_its_new_rows_only() {
    let (sim, book) = devnet();
    let usd = "USD".parse().unwrap();
    let custody = || read::custody(&sim.state.lock().unwrap().ledger, usd).net();
    import(&sim, &book, &head(100)).await.unwrap();
    let before = custody();
    // the same rows in another order are the same rows
    let mut lines: Vec<String> = head(100).lines().map(str::to_string).collect();
    lines[1..].reverse();
    import(&sim, &book, &(lines.join("\n") + "\n")).await.unwrap();
    assert_eq!(custody(), before);
    let grown = head(100) + "new-1,1998-01-01,c00004,northwind,harbor,creator-091,cds-2,USD,10.00,instant\n";
    let report = import(&sim, &book, &grown).await.unwrap();
    assert_eq!((report.accepted, report.already_there), (100, 99));
    assert_eq!(custody(), before + 1000);
    assert!(report.mismatches.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_reported_by_line_and_disturb_nothing() {
    let (sim, book) = devnet();
    let header = sample().lines().next().unwrap().to_string();
    let good = |id: &str, buyer: &str, origin: &str, amount: &str, mode: &str| {
        format!("{id},1997-01-01,{buyer},{origin},quill,maker,course,USD,{amount},{mode}")
    };
    let lines = [
        header,
        good("1", "ann", "northwind", "10.00", "instant"),
        good("2", "ann", "northwind", "0.00", "instant"),
        String::new(),
        good("1", "ann", "northwind", "10.00", "instant"),
        good("1", "bob", "northwind", "11.00", "instant"),
        good("3", "ann", "atlantis", "5.00", "instant"),
        good("4", "ann", "lantern", "-5.00", "instant"),
        good("5", "ann", "lantern", "ten", "instant"),
        good("6", "ann", "lantern", "7.77", "window"),
        good("7", "ann", "harbor", "3.33", "t+1"),
        good("8", "bob", "quill", "1.00", "escrow"),
        "short,row".to_string(),
    ];
    let report = import(&sim, &book, &lines.join("\n")).await.unwrap();
    let refused: Vec<(u64, u16)> = report.refusals.iter().map(|b| (b.line, b.code)).collect();
    assert_eq!(refused, [(3, 201), (4, 108), (5, 104), (6, 502), (7, 401), (8, 201), (9, 108), (13, 108)]);
    assert_eq!((report.rows, report.accepted), (12, 4));
    assert_eq!(settled(&report), (4, "22.10".to_string()));
    assert!(report.mismatches.is_empty());
    let maker = vostro_node::keystore::own_account(book.key(AccountKind::Creator, "maker").unwrap().public());
    // 7.00 + 5.44 + 2.33 + 0.70: largest remainders of each order by itself
    assert_eq!(sim.money(maker).available.units(), 1547);
    let text = report.text();
    assert!(text.contains("northwind") && text.contains("502"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_on_the_chain_with_another_body_is_a_conflict() {
    let (sim, book) = devnet();
    let file = head(40);
    import(&sim, &book, &file).await.unwrap();
    let changed = file.replacen(",29.33,", ",29.34,", 1);
    let report = import(&sim, &book, &changed).await.unwrap();
    let refusal = &report.refusals[0];
    assert_eq!((refusal.line, refusal.code), (2, 502));
    assert!(refusal.reason.contains("amount"), "{}", refusal.reason);
    assert_eq!(report.accepted, report.already_there);
    assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
}

/// Every order of a platform's, archived as the contract lets it, in as many transactions as it takes.
fn archive_all(sim: &Sim, book: &KeyBook) -> usize {
    let mut archived = 0;
    for name in PLATFORMS {
        let key = book.key(AccountKind::Platform, name).unwrap();
        let platform = vostro_node::keystore::own_account(key.public());
        let mut state = sim.state.lock().unwrap();
        let orders = read::orders_of(&state.ledger, platform, None, 1000);
        let names: Vec<Label> = orders.into_iter().map(|(key, _)| key.order_id).collect();
        for some in names.chunks(MAX_ARCHIVED) {
            let payload = Payload::One(Action::ArchiveOrders(ArchiveOrders { orders: some.to_vec() }));
            let valid_until = Time(state.time + 60_000);
            let body = Body { version: BODY_VERSION, sender: platform, valid_until, salt: archived as u64, payload };
            let transaction = body.sign(&sim.genesis.hash(), &[&key]);
            state.pending.push(transaction.clone());
            sim.block(&mut state);
            assert_eq!(sim.verdict(&state, &transaction), Verdict::Settled);
            archived += some.len();
        }
    }
    archived
}

/// How transactions ended since some time, by rule; 0 for replays.
fn outcomes(sim: &Sim, before: &BTreeMap<TxId, Outcome>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for (_, outcome) in sim.state.lock().unwrap().seen.iter().filter(|(id, _)| !before.contains_key(id)) {
        let code = match outcome {
            Outcome::Rejected { code, .. } => *code,
            Outcome::Replayed { .. } => 0,
            Outcome::Applied => panic!("something took effect"),
        };
        *counts.entry(code).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_archived_are_known_once_each_and_paid_never_again() {
    let (sim, book) = devnet();
    let file = head(60);
    let first = import(&sim, &book, &file).await.unwrap();
    assert_eq!((first.accepted, first.already_there), (59, 0));
    let parameters = read::parameters(&sim.state.lock().unwrap().ledger);
    sim.state.lock().unwrap().time += parameters.archive_ms.max(parameters.dispute_ms);
    assert_eq!(archive_all(&sim, &book), 59);
    let (before, seen) = {
        let state = sim.state.lock().unwrap();
        (state.ledger.clone(), state.seen.clone())
    };

    let again = import(&sim, &book, &file).await.unwrap();
    assert_eq!((again.accepted, again.already_there), (59, 59));
    assert_eq!((&again.by_state, &again.accepted_total), (&first.by_state, &first.accepted_total));
    assert!(again.mismatches.is_empty() && again.rejected == first.rejected, "{:?}", again.mismatches);
    assert!(sim.state.lock().unwrap().ledger == before, "not a byte of the state changed");
    assert_eq!(outcomes(&sim, &seen), BTreeMap::from([(0, 59)]), "each order was answered once, with the original");

    // the same names with another amount: refused, once each, and nobody brings money in for them
    let seen = sim.state.lock().unwrap().seen.clone();
    let changed: Vec<String> = file
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let mut fields: Vec<&str> = line.split(',').collect();
            fields[8] = if at == 0 { "amount" } else { "123456.78" };
            fields.join(",")
        })
        .collect();
    let other = import(&sim, &book, &changed.join("\n")).await.unwrap();
    assert_eq!((other.accepted, &other.rejected), (0, &BTreeMap::from([("502".to_string(), 59)])));
    assert_eq!(other.refusals.iter().map(|bad| bad.line).collect::<Vec<_>>(), (2..=60).collect::<Vec<_>>());
    assert!(sim.state.lock().unwrap().ledger == before, "not a byte of the state changed");
    assert_eq!(outcomes(&sim, &seen), BTreeMap::from([(502, 59)]));

    // beside them a new order is paid, with the money of that one alone
    let usd = "USD".parse().unwrap();
    let custody = || read::custody(&sim.state.lock().unwrap().ledger, usd).net();
    let held = custody();
    let grown = file + "new-1,1998-01-01,c00004,northwind,harbor,creator-091,cds-2,USD,10.00,instant\n";
    let report = import(&sim, &book, &grown).await.unwrap();
    assert_eq!((report.accepted, report.already_there), (60, 59));
    assert_eq!(custody(), held + 1000);
    assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_with_the_same_creators_adds_to_what_they_had() {
    let (sim, book) = devnet();
    import(&sim, &book, &head(150)).await.unwrap();
    let mut rest = head(1);
    rest.extend(sample().lines().skip(150).take(150).map(|l| format!("{l}\n")));
    let report = import(&sim, &book, &rest).await.unwrap();
    assert_eq!((report.rows, report.already_there), (150, 0));
    assert!(report.mismatches.is_empty(), "{:?}", report.mismatches);
    settled(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creator_that_got_less_than_its_legs_is_noticed() {
    let (sim, book) = devnet();
    let creator = vostro_node::keystore::own_account(book.key(AccountKind::Creator, "creator-091").unwrap().public());
    sim.state.lock().unwrap().robbed = Some(creator);
    let report = import(&sim, &book, &head(10)).await.unwrap();
    assert_eq!(report.mismatches.len(), 1);
    assert_eq!(report.mismatches[0].creator, "creator-091");
    assert_eq!((report.mismatches[0].expected.as_str(), report.mismatches[0].actual.as_str()), ("20.53", "20.52"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_of_another_chain_is_refused_before_anything_is_sent() {
    let (sim, _) = devnet();
    let (_, other) = devnet();
    let error = import(&sim, &other, &head(10)).await.unwrap_err().to_string();
    assert!(error.contains("is not that of its account on this chain"), "{error}");
    assert!(sim.state.lock().unwrap().seen.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_by_name() {
    let (sim, book) = devnet();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("accounts.csv");
    let options = ImportOptions { accounts_csv: Some(path.clone()), ..options() };
    import_on(sim, head(5).as_bytes(), book, &options, Output { json: true }).await.unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("name,kind,account\n"));
    assert!(text.lines().any(|l| l.starts_with("c00004,user,vo1")), "{text}");
    assert!(text.lines().any(|l| l.starts_with("creator-091,creator,vo1")), "{text}");
    assert!(text.lines().any(|l| l.starts_with("northwind,platform,vo1")), "{text}");
}
