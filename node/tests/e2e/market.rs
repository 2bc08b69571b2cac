//! A market: four platforms with a validator each, on a chain whose parameters a test writes, and everybody's keys.
//!
//! Invariant: whoever acts is named, and whoever signs is named beside; an act is applied, replayed or refused with a
//! code, and a test says which.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use vostro_client::api::AmountText;
use vostro_client::api::receipt::{CauseJson, OutcomeJson, PostingJson, ReceiptJson};
use vostro_client::{Chain, Client, ClientError, Draft, Signed, Span};
use vostro_crypto::sha256;
use vostro_node::cli::init::{Past, make_home, new_config};
use vostro_node::config::{HomePaths, PeerConfig};
use vostro_node::host::wall_time;
use vostro_node::keystore::{KeyBook, KeyFile, own_account};
use vostro_node::recipe::{Recipe, RecipeKeys, ValidatorKeys, from_recipe};
use vostro_types::{AccountId, AccountKind, Action, Genesis, Height, SecretKey, Time, TxId};

use super::{BOUND, PER_NODE, Process, Ran, TRIES, block_on, cents, free_ports, metric, run, status, until};

/// The platforms, each with a validator of its name.
pub const PLATFORMS: [&str; 4] = ["atlas", "birch", "cedar", "delta"];
/// The other accounts of the genesis.
const OFFICES: [&str; 7] = ["network", "gateway", "vat", "risk", "arbiter", "auditor", "suspense"];

/// Parameters without a network fee and with spans that outlast a test, so that nothing falls due in it.
pub const LASTING: &str = r#"
[parameters]
dayMs = 600000
escrowMs = 600000
holdMs = 600000
disputeMs = 600000
resolveMs = 600000
archiveMs = 600000
windowMs = 0
maxDuePerBlock = 1000
debitCap = "100000000"
gatewayDailyCap = "10000000000"
[parameters.fee]
ratePpm = 0
min = "0"
cap = "0"
"#;
/// The time-out of view 0, in milliseconds, unless a test has another.
const BASE_TIMEOUT_MS: u64 = 2000;
/// What the chains of all markets share. Blocks come often, so that deadlines fire soon after they are due.
const RECIPE: &str = r#"
[[assets]]
code = "CNY"
scale = 2
[[assets]]
code = "USD"
scale = 2
[consensus]
baseTimeoutMs = 2000
heartbeatMs = 400
delayMs = 1000
precisionMs = 500
maxBlockTransactions = 1000
maxBlockBytes = 2097152
[[platforms]]
name = "atlas"
[[platforms]]
name = "birch"
[[platforms]]
name = "cedar"
[[platforms]]
name = "delta"
[[accounts]]
name = "network"
kind = "networkFee"
[[accounts]]
name = "gateway"
kind = "gateway"
[[accounts]]
name = "vat"
kind = "tax"
[[accounts]]
name = "risk"
kind = "suspense"
risk = true
[[accounts]]
name = "arbiter"
kind = "suspense"
arbiter = true
[[accounts]]
name = "auditor"
kind = "suspense"
auditor = true
[[accounts]]
name = "suspense"
kind = "suspense"
"#;

/// The key of a name: the same in every run.
pub fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(sha256(format!("market/{name}").as_bytes()).0)
}

/// The account of a name.
pub fn id(name: &str) -> AccountId {
    own_account(key(name).public())
}

/// What somebody does, and who signs.
#[derive(Clone)]
pub struct Act {
    sender: AccountId,
    keys: Vec<SecretKey>,
    actions: Vec<Action>,
}

/// `name` does something and signs it.
pub fn by(name: &str, action: Action) -> Act {
    Act { sender: id(name), keys: vec![key(name)], actions: vec![action] }
}

impl Act {
    /// Somebody else signs too.
    #[must_use]
    pub fn with(mut self, name: &str) -> Self {
        self.keys.push(key(name));
        self
    }

    /// These sign, and the sender's own key does not unless it is among them.
    #[must_use]
    pub fn signed_by(mut self, names: &[&str]) -> Self {
        self.keys = names.iter().map(|n| key(n)).collect();
        self
    }

    /// Something more in the same batch.
    #[must_use]
    pub fn and(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}

impl Act {
    /// The first of its actions, for the batch of another act.
    pub fn action(self) -> Action {
        self.actions.into_iter().next().unwrap()
    }
}

/// What came of an act.
#[derive(Debug)]
pub enum Verdict {
    Applied(Box<ReceiptJson>),
    Replayed(TxId),
    Refused { code: u16, about: Vec<String> },
}

/// Money of an account in an asset: available, held, collateral and owed, in minor units.
pub type Balances = BTreeMap<(AccountId, String), [u128; 4]>;

/// A running network.
pub struct Market {
    scratch: TempDir,
    homes: Vec<PathBuf>,
    urls: Vec<String>,
    p2p: Vec<u16>,
    processes: RefCell<Vec<Process>>,
    asked: Cell<usize>,
    pub chain: Chain,
}

impl Market {
    /// Starts the chain of these parameters (TOML) and waits until every node is ready. `people` have keys in the book
    /// that command lines take keys from.
    pub fn open(parameters: &str, people: &[&str]) -> Self {
        Self::open_timed(parameters, BASE_TIMEOUT_MS, people)
    }

    /// [`Market::open`] with another time-out of view 0.
    pub fn open_timed(parameters: &str, base_timeout_ms: u64, people: &[&str]) -> Self {
        let timed = RECIPE
            .replace(&format!("baseTimeoutMs = {BASE_TIMEOUT_MS}"), &format!("baseTimeoutMs = {base_timeout_ms}"));
        let recipe = Recipe::parse(&format!("chainId = \"market\"\n{parameters}\n{timed}")).unwrap();
        let mut keys = RecipeKeys::default();
        for name in PLATFORMS.iter().chain(&OFFICES) {
            keys.accounts.insert((*name).to_string(), key(name).public());
        }
        for name in PLATFORMS {
            let [voting, network] = node_keys(name);
            keys.validators.insert(name.into(), ValidatorKeys { voting, network: network.public() });
        }
        let file = from_recipe(&recipe, &keys, wall_time().0).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let genesis_file = scratch.path().join("genesis.json");
        std::fs::write(&genesis_file, serde_json::to_string_pretty(&file).unwrap()).unwrap();
        let mut book = KeyBook::generate([]).unwrap();
        for name in PLATFORMS.iter().chain(&OFFICES).chain(people) {
            book.insert(name, AccountKind::User, &key(name));
        }
        book.save(&scratch.path().join("book.json")).unwrap();

        let chain = Chain::of(file.parse().unwrap());
        let (homes, urls, p2p, processes) = (Vec::new(), Vec::new(), Vec::new(), RefCell::default());
        let mut market = Market { scratch, homes, urls, p2p, processes, asked: Cell::new(0), chain };
        for attempt in 0..TRIES {
            market.make_homes(attempt);
            let processes = (0..PLATFORMS.len()).map(|at| market.start(at)).collect();
            market.processes = RefCell::new(processes);
            if market.ready() {
                return market;
            }
        }
        panic!("no free ports");
    }

    /// Homes on ports that are free.
    fn make_homes(&mut self, attempt: usize) {
        let genesis: &Genesis = self.chain.genesis();
        let base = free_ports(PER_NODE * 4);
        let port = |at: usize, offset: u16| base + u16::try_from(at).unwrap() * PER_NODE + offset;
        let address = |at: usize| format!("/ip4/127.0.0.1/tcp/{}", port(at, 0));
        (self.homes, self.urls, self.p2p) = (Vec::new(), Vec::new(), Vec::new());
        for (at, name) in PLATFORMS.iter().enumerate() {
            let mut config = new_config(genesis);
            let others = PLATFORMS.iter().enumerate().filter(|(other, _)| *other != at);
            config.network.listen = vec![address(at)];
            config.network.peers = others
                .map(|(other, n)| PeerConfig {
                    name: (*n).to_string(),
                    network_key: None,
                    addresses: vec![address(other)],
                })
                .collect();
            config.rpc.listen = ([127, 0, 0, 1], port(at, 1)).into();
            config.metrics.listen = ([127, 0, 0, 1], port(at, 2)).into();
            let home = self.scratch.path().join(format!("{name}-{attempt}"));
            let [voting, network] = node_keys(name).map(|k| KeyFile::plaintext(name, &k).unwrap());
            let genesis_file = self.scratch.path().join("genesis.json");
            let validator = Some((&voting, Past::NeverSigned));
            make_home(&HomePaths::new(&home), &genesis_file, &config, &genesis.hash(), validator, &network).unwrap();
            self.homes.push(home);
            self.urls.push(format!("http://127.0.0.1:{}", port(at, 1)));
            self.p2p.push(port(at, 0));
        }
    }

    fn start(&self, at: usize) -> Process {
        Process::start(self.scratch.path(), ["start", "--json", "--home", &self.homes[at].display().to_string()])
    }

    /// Whether all came up; false if a port was taken in the meantime.
    fn ready(&self) -> bool {
        until("the market to open", || {
            for process in self.processes.borrow_mut().iter_mut() {
                if process.ended().is_some() {
                    assert!(process.stderr().contains("in use"), "{}", process.stderr());
                    return Some(false);
                }
            }
            (0..PLATFORMS.len()).all(|at| block_on(self.client_of(at).is_ready())).then_some(true)
        })
    }

    fn client_of(&self, at: usize) -> Client {
        Client::new(&self.urls[at]).unwrap()
    }

    /// The node that is asked.
    pub fn client(&self) -> Client {
        self.client_of(self.asked.get())
    }

    /// From now on this platform's node is asked, once it has what the one before had.
    pub fn ask(&self, platform: &str) {
        let before = block_on(self.client().status()).unwrap().height;
        self.asked.set(place(platform));
        until("the other node to be as far", || status(&self.client()).filter(|s| s.height >= before));
    }

    /// The process of a platform's validator.
    pub fn pid(&self, platform: &str) -> u32 {
        self.processes.borrow()[place(platform)].pid()
    }

    /// The port at which a platform's validator listens for others.
    pub fn p2p(&self, platform: &str) -> u16 {
        self.p2p[place(platform)]
    }

    /// The port at which a platform's validator answers clients.
    pub fn rpc(&self, platform: &str) -> &str {
        self.urls[place(platform)].strip_prefix("http://").unwrap()
    }

    /// A number of a platform's validator.
    pub fn metric(&self, platform: &str, name: &str) -> f64 {
        metric(&format!("http://127.0.0.1:{}/metrics", self.p2p(platform) + 2), name)
    }

    /// Where a platform's validator stands.
    pub fn height(&self, platform: &str) -> u64 {
        until("an answer", || status(&self.client_of(place(platform)))).height
    }

    /// Kills a validator without warning.
    pub fn kill(&self, platform: &str) {
        self.processes.borrow_mut()[place(platform)].kill();
    }

    /// Starts a validator that was killed and waits until it has caught up.
    pub fn restart(&self, platform: &str) {
        let at = place(platform);
        let height = block_on(self.client().status()).unwrap().height;
        self.processes.borrow_mut()[at] = self.start(at);
        until("the validator to catch up", || status(&self.client_of(at)).filter(|s| s.height >= height));
    }

    /// Starts all validators after they were killed, and waits until they agree on new blocks.
    pub fn restart_all(&self) {
        for at in 0..PLATFORMS.len() {
            self.processes.borrow_mut()[at] = self.start(at);
        }
        assert!(self.ready());
        let height = until("an answer", || status(&self.client())).height;
        until("a new block", || status(&self.client()).filter(|s| s.height > height));
    }

    /// The agreed time.
    pub fn now(&self) -> Time {
        block_on(self.client().status()).unwrap().time
    }

    /// Waits until a block's time is `time` or later.
    pub fn wait_for(&self, time: Time) {
        until("the agreed time", || status(&self.client()).filter(|s| s.time >= time));
    }

    /// Signs an act, with another id each time.
    pub fn sign(&self, act: &Act) -> Signed {
        let keys: Vec<&SecretKey> = act.keys.iter().collect();
        let draft = act.actions.iter().fold(Draft::new(act.sender), |draft, action| draft.action(action.clone()));
        draft.sign(&self.chain, &keys).unwrap()
    }

    /// Hands in what is signed.
    pub fn hand_in(&self, signed: &Signed) -> Verdict {
        match block_on(self.client().submit_and_wait(signed, BOUND)) {
            Ok(receipt) => match receipt.outcome.clone() {
                OutcomeJson::Applied => Verdict::Applied(Box::new(receipt)),
                OutcomeJson::Replayed { original } => {
                    assert!(receipt.postings.is_empty(), "{receipt:?}");
                    Verdict::Replayed(original)
                }
                OutcomeJson::Rejected { code, about, .. } => {
                    assert!(receipt.postings.is_empty() && receipt.events.is_empty(), "{receipt:?}");
                    Verdict::Refused { code, about }
                }
            },
            Err(ClientError::Rpc(error)) if error.contract_code().is_some() => {
                Verdict::Refused { code: error.contract_code().unwrap(), about: error.data.about }
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn judge(&self, act: &Act) -> Verdict {
        self.hand_in(&self.sign(act))
    }

    /// Does something that must take effect.
    #[track_caller]
    pub fn applied(&self, act: Act) -> ReceiptJson {
        match self.judge(&act) {
            Verdict::Applied(receipt) => *receipt,
            other => panic!("{other:?}: {:?}", act.actions),
        }
    }

    /// Does several things that must take effect and do not need one another, as one call.
    #[track_caller]
    pub fn all(&self, acts: impl IntoIterator<Item = Act>) -> Vec<ReceiptJson> {
        let signed: Vec<Signed> = acts.into_iter().map(|act| self.sign(&act)).collect();
        for item in block_on(self.client().submit_batch(&signed)).unwrap() {
            assert!(item.error.is_none(), "{item:?}");
        }
        let receipt = |signed: &Signed| {
            let receipt = block_on(self.client().wait(&signed.id, BOUND)).unwrap();
            assert_eq!(receipt.outcome, OutcomeJson::Applied, "{receipt:?} {:?}", signed.transaction.body.payload);
            receipt
        };
        signed.iter().map(receipt).collect()
    }

    /// Does something that was done before: nothing happens, and the original is named.
    #[track_caller]
    pub fn replayed(&self, act: Act, original: TxId) {
        match self.judge(&act) {
            Verdict::Replayed(named) => assert_eq!(named, original),
            other => panic!("{other:?}: {:?}", act.actions),
        }
    }

    /// Tries something that a rule must refuse, with this code and about this.
    #[track_caller]
    pub fn refused(&self, act: Act, code: u16, about: &str) {
        match self.judge(&act) {
            Verdict::Refused { code: got, about: what } => {
                assert_eq!((got, what.join(" ").as_str()), (code, about), "{:?}", act.actions);
            }
            other => panic!("{other:?}: {:?}", act.actions),
        }
    }

    /// Runs a verb with `--json`. `@ada` is ada's key, `~ada` her account, `+quote.json` a file of this market.
    pub fn cli(&self, words: &str) -> Ran {
        let file = |name: &str| self.scratch.path().join(name).display().to_string();
        let word = |word: &str| match (word.chars().next(), &word[1..]) {
            (Some('@'), name) => format!("{}#{name}", file("book.json")),
            (Some('~'), name) => id(name).to_string(),
            (Some('+'), name) => file(name),
            _ => word.to_string(),
        };
        let node = ["--json".to_string(), "--rpc".into(), self.client().url().into()];
        let chain = ["--chain".to_string(), self.chain.genesis_hash().to_string()];
        run(words.split_whitespace().map(word).chain(node).chain(chain))
    }

    /// A wallet verb that must settle; gives its receipt.
    pub fn wallet(&self, words: &str) -> Value {
        let receipt = self.cli(&format!("wallet {words}")).json();
        assert_eq!(
            (&receipt["status"], &receipt["outcome"]["kind"]),
            (&"settled".into(), &"applied".into()),
            "{receipt}"
        );
        receipt
    }

    /// Writes a file that [`Market::cli`] may name.
    pub fn write(&self, name: &str, value: &Value) {
        std::fs::write(self.scratch.path().join(name), value.to_string()).unwrap();
    }

    /// What somebody has in an asset.
    pub fn balance(&self, name: &str, asset: &str) -> [u128; 4] {
        self.balance_of(&id(name)).remove(asset).unwrap_or_default()
    }

    /// What somebody may spend of CNY.
    pub fn purse(&self, name: &str) -> u128 {
        self.balance(name, "CNY")[0]
    }

    fn balance_of(&self, account: &AccountId) -> BTreeMap<String, [u128; 4]> {
        let account = block_on(self.client().account(account)).unwrap();
        let of = |b: &vostro_client::api::ledger::BalanceJson| {
            (b.asset.to_string(), [&b.available, &b.held, &b.collateral, &b.owed].map(units))
        };
        account.balances.iter().map(of).collect()
    }

    /// Everything that accounts have.
    pub fn balances(&self, accounts: &BTreeSet<AccountId>) -> Balances {
        let of = |account: &AccountId| {
            let account = *account;
            self.balance_of(&account).into_iter().map(move |(asset, sums)| ((account, asset), sums))
        };
        accounts.iter().flat_map(of).filter(|(_, sums)| *sums != [0; 4]).collect()
    }

    /// Every receipt of the chain, in order.
    pub fn receipts(&self) -> Vec<ReceiptJson> {
        let tip = block_on(self.client().status()).unwrap().height;
        let mut all = Vec::new();
        for height in 1..=tip {
            let block = block_on(self.client().block(Height(height))).unwrap();
            all.extend(block.transactions.into_iter().map(|t| t.receipt));
            all.extend(block.deadlines);
        }
        all
    }

    /// All postings of an account by its history, the oldest first.
    pub fn history(&self, account: &AccountId) -> Vec<PostingJson> {
        let (mut lines, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = block_on(self.client().history(account, cursor.as_deref(), Some(7))).unwrap();
            lines.extend(page.entries);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return lines.into_iter().rev().flat_map(|line| line.postings).collect();
            }
        }
    }

    /// An account's statement, page by page: the closing of each balance that moved, and how many lines led to it. Every
    /// page adds up and begins where the one before closed.
    pub fn statement(&self, account: &AccountId) -> (BTreeMap<(String, String), u128>, usize) {
        let (mut closings, mut count, mut cursor) = (BTreeMap::new(), 0, None::<String>);
        loop {
            let span = Span { cursor: cursor.as_deref(), limit: Some(20), ..Span::default() };
            let page = block_on(self.client().statement(account, &span)).unwrap();
            page.check(self.chain.directory()).unwrap();
            for sum in &page.sums {
                let key = (sum.asset.to_string(), sum.bucket.clone());
                let before = closings.insert(key, units(&sum.closing)).unwrap_or(0);
                assert_eq!(units(&sum.opening), before, "{account}: {sum:?}");
            }
            count += page.lines.len();
            cursor = page.next_cursor;
            if cursor.is_none() {
                return (closings, count);
            }
        }
    }

    /// Waits until all nodes stand at one height with one root, ends them, and audits each home.
    pub fn close(self) {
        until("the nodes to agree", || {
            let all: Vec<_> = (0..PLATFORMS.len()).filter_map(|at| status(&self.client_of(at))).collect();
            let same = all.windows(2).all(|w| (w[0].height, w[0].state_root) == (w[1].height, w[1].state_root));
            (all.len() == PLATFORMS.len() && same).then_some(())
        });
        for process in self.processes.borrow_mut().iter_mut() {
            process.signal("TERM");
        }
        for process in self.processes.borrow_mut().iter_mut() {
            assert_eq!(process.wait(BOUND).code(), Some(0), "{}", process.stderr());
        }
        for home in &self.homes {
            let audit = run(["audit", "--json", "--home", &home.display().to_string()]).json();
            assert_eq!(audit["clean"], Value::Bool(true), "{audit}");
        }
    }
}

/// The transaction that made a receipt.
pub fn made_by(receipt: &ReceiptJson) -> TxId {
    match &receipt.cause {
        CauseJson::Transaction { id } => *id,
        other => panic!("{other:?}"),
    }
}

/// An amount in minor units; both assets have two decimals.
pub fn units(amount: &AmountText) -> u128 {
    match amount {
        AmountText::Decimal(text) => cents(text),
        AmountText::Units(units) => units.units.parse().unwrap(),
    }
}

/// Accounts of the genesis and those of `people`.
pub fn everybody(people: &[&str]) -> BTreeSet<AccountId> {
    PLATFORMS.iter().chain(&OFFICES).chain(people).map(|name| id(name)).collect()
}

/// The keys of a platform's validator: the one that votes, and the one of its connections.
pub fn node_keys(platform: &str) -> [SecretKey; 2] {
    ["voting", "network"].map(|part| key(&format!("{platform}/{part}")))
}

fn place(platform: &str) -> usize {
    PLATFORMS.iter().position(|p| *p == platform).unwrap()
}
