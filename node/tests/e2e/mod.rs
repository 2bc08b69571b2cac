//! What the end-to-end tests share: the real binary in real processes, free ports, and waiting for conditions.
//!
//! Invariant: every process started here ends with the test that started it, also when the test panics, and only
//! processes started here are signalled.
#![allow(dead_code, unreachable_pub)] // each test binary uses a part

pub mod books;
pub mod deeds;
pub mod market;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vostro_client::Client;
use vostro_client::api::chain::ChainStatus;
use vostro_node::devnet::{DevnetFile, NodeEntry};
use vostro_node::keystore::KeyBook;
use vostro_types::{AccountId, AccountKind, SecretKey};

/// Longest wait for anything. Reached only when something is wrong.
pub const BOUND: Duration = Duration::from_secs(120);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(25);
/// Ports that one node of a devnet takes.
const PER_NODE: u16 = 10;
/// Ports are taken from here, below those that the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// How often other ports are tried when some are taken in the meantime.
const TRIES: usize = 8;
/// Columns of an order file.
pub const HEADER: &str = "order_id,placed_at,buyer,origin,host,creator,item,asset,amount,mode";

/// Looks until there is something; panics with `what` after [`BOUND`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {} s in vain: {what}", BOUND.as_secs());
        std::thread::sleep(LOOK);
    }
}

/// Runs a future to its end on a runtime of the test process.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    runtime.block_on(future)
}

/// First port of a block of free ones. Blocks of one process never overlap, those of others are probed.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let width = u32::from(PORTS.end - PORTS.start);
    let start = std::process::id().wrapping_mul(997);
    for _ in 0..2_000 {
        let offset = start.wrapping_add(NEXT.fetch_add(u32::from(count), Ordering::Relaxed)) % width;
        let base = PORTS.start + u16::try_from(offset).unwrap();
        if base + count > PORTS.end {
            continue;
        }
        let bind = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)));
        if (base..base + count).map(bind).collect::<Result<Vec<_>, _>>().is_ok() {
            return base;
        }
    }
    panic!("no block of {count} free ports");
}

/// The binary, with an environment that no setting of the developer's leaks into.
pub fn vostro() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vostro"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VOSTRO_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env("RUST_LOG", "info").stdin(Stdio::null());
    command
}

/// A verb that was run to its end.
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON of a verb that must have succeeded.
    pub fn json(&self) -> Value {
        self.ok();
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|e| panic!("{e}: {:?}", self.stdout))
    }

    /// Panics unless the verb succeeded.
    pub fn ok(&self) -> &Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }

    /// The sentence of a verb that must have failed with exit code 1.
    pub fn sentence(&self) -> &str {
        assert_eq!(self.status.code(), Some(1), "{}\n{}", self.stdout, self.stderr);
        let errors: Vec<&str> = self.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "not one sentence: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        errors[0]
    }
}

/// Runs a verb to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    let scratch = tempfile::tempdir().unwrap();
    let mut process = Process::start(scratch.path(), args);
    let status = process.wait(BOUND);
    Ran { status, stdout: process.stdout(), stderr: process.stderr() }
}

/// A process that ends with this value.
pub struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the binary; its output goes to files in `dir`.
    pub fn start<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (dir.join(format!("out-{number}")), dir.join(format!("err-{number}")));
        let mut command = vostro();
        command.args(args).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Process { child: command.spawn().unwrap(), out, err, ended: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.out).unwrap_or_default()).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.err).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let end = Instant::now() + within;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            if Instant::now() > end {
                panic!("did not end within {} s:\n{}\n{}", within.as_secs(), self.stdout(), self.stderr());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends a signal by name to this process alone.
    pub fn signal(&mut self, name: &str) {
        assert!(self.ended().is_none(), "it ended by itself: {}", self.stderr());
        signal(self.pid(), name);
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            // it may end between the check and here
            let _ = self.child.kill();
            self.ended = Some(self.child.wait().unwrap());
        }
    }

    /// Waits until `--json` printed a whole line, and gives it.
    pub fn line(&mut self) -> Value {
        until("a line of JSON on standard output", || {
            let text = self.stdout();
            if let Some(line) = text.lines().last().filter(|_| text.ends_with('\n')) {
                return Some(serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
            }
            let ended = self.ended();
            assert!(ended.is_none(), "{ended:?} without a result: {}", self.stderr());
            None
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.stderr();
            let lines: Vec<&str> = text.lines().rev().take(10).collect();
            let tail: Vec<&str> = lines.into_iter().rev().collect();
            eprintln!("--- end of what process {} said ({:?}) ---\n{}", self.pid(), self.ended, tail.join("\n"));
        }
        self.kill();
    }
}

/// Sends a signal to a process by id.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Whether a process runs and has `text` in its command line: ids are used again by the system.
pub fn alive(pid: u32, text: &str) -> bool {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&arguments).contains(text)
}

/// A development network in a directory of its own.
pub struct Net {
    scratch: TempDir,
    validators: u16,
    base: Cell<u16>,
}

impl Net {
    /// Nothing runs yet.
    pub fn new(validators: u16, orders: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("orders.csv"), orders).unwrap();
        Net { scratch, validators, base: Cell::new(free_ports(validators * PER_NODE)) }
    }

    pub fn dir(&self) -> PathBuf {
        self.scratch.path().join("net")
    }

    pub fn orders(&self) -> PathBuf {
        self.scratch.path().join("orders.csv")
    }

    /// For output of processes and files of the test.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn spawn(&self, extra: &[&str]) -> Process {
        let mut args: Vec<String> = vec!["devnet".into(), "--json".into()];
        for (flag, value) in [
            ("--validators", self.validators.to_string()),
            ("--dir", self.dir().display().to_string()),
            ("--base-port", self.base.get().to_string()),
            ("--orders", self.orders().display().to_string()),
        ] {
            args.extend([flag.to_string(), value]);
        }
        args.extend(extra.iter().map(|a| (*a).to_string()));
        Process::start(self.scratch(), args)
    }

    /// Starts `devnet` and waits until every node answers; on other ports if some were taken meanwhile.
    pub fn up(&self) -> Process {
        for _ in 0..TRIES {
            let mut process = self.spawn(&[]);
            let serving = until("the network to serve", || {
                if process.ended().is_some() {
                    return Some(false);
                }
                let file = self.try_file().filter(|f| f.nodes.iter().all(|n| alive(n.pid, &n.home)))?;
                let answers = |n: &NodeEntry| block_on(Client::new(&n.rpc).unwrap().with_attempts(1).status()).is_ok();
                file.nodes.iter().all(answers).then_some(true)
            });
            if serving {
                return process;
            }
            assert!(process.stderr().contains("in use"), "{}", process.stderr());
            self.base.set(free_ports(self.validators * PER_NODE));
        }
        panic!("no free ports");
    }

    /// Runs `devnet --exit` to its good end and gives the line it prints.
    pub fn settle(&self) -> Value {
        for _ in 0..TRIES {
            let mut process = self.spawn(&["--exit"]);
            let status = process.wait(BOUND);
            if status.code() == Some(1) && process.stderr().contains("in use") {
                self.base.set(free_ports(self.validators * PER_NODE));
                continue;
            }
            assert!(status.success(), "{status}: {}", process.stderr());
            return process.line();
        }
        panic!("no free ports");
    }

    fn try_file(&self) -> Option<DevnetFile> {
        serde_json::from_slice(&fs::read(self.dir().join("devnet.json")).ok()?).ok()
    }

    /// What `devnet.json` says.
    pub fn file(&self) -> DevnetFile {
        self.try_file().expect("devnet.json")
    }

    /// The node at a place.
    pub fn node(&self, at: usize) -> NodeEntry {
        self.file().nodes.remove(at)
    }

    pub fn home(&self, at: usize) -> PathBuf {
        self.node(at).home.into()
    }

    pub fn client(&self, at: usize) -> Client {
        Client::new(&self.node(at).rpc).unwrap()
    }

    /// Starts a node of the network by hand.
    pub fn start(&self, at: usize) -> Process {
        Process::start(self.scratch(), ["start", "--json", "--home", &self.node(at).home])
    }

    /// Kills a node that `devnet` started.
    pub fn kill(&self, at: usize) {
        let node = self.node(at);
        assert!(alive(node.pid, &node.home), "{} does not run", node.name);
        signal(node.pid, "KILL");
    }

    /// Waits until no node that `devnet` started runs any more.
    pub fn gone(&self) {
        for node in self.file().nodes {
            until(&format!("{} to end", node.name), || (!alive(node.pid, &node.home)).then_some(()));
        }
    }

    /// Waits until the nodes stand at one height with one root, and gives it.
    pub fn agreed(&self) -> ChainStatus {
        let clients: Vec<Client> = (0..usize::from(self.validators)).map(|at| self.client(at)).collect();
        until("the nodes to agree", || {
            let all: Vec<ChainStatus> = clients.iter().filter_map(status).collect();
            let first = all.first()?;
            let same = |s: &ChainStatus| (s.height, s.state_root) == (first.height, first.state_root);
            (all.len() == clients.len() && all.iter().all(same)).then(|| first.clone())
        })
    }

    /// Audits every home; each must be clean. The nodes must have ended.
    pub fn audit(&self) {
        for node in self.file().nodes {
            let audit = run(["audit", "--json", "--home", &node.home]).json();
            assert_eq!(audit["clean"], json!(true), "{audit}");
            assert!(audit["height"].as_u64().unwrap() > 0, "{audit}");
        }
    }

    /// Imports the order file into the running network.
    pub fn import(&self) -> Value {
        let (file, orders) = (self.file(), self.orders().display().to_string());
        let rpc = file.nodes.iter().map(|n| n.rpc.clone()).collect::<Vec<_>>().join(",");
        run(["orders", "import", "--json", &orders, "--rpc", &rpc, "--book", &file.key_book]).json()
    }

    pub fn book(&self) -> KeyBook {
        KeyBook::load(Path::new(&self.file().key_book)).unwrap()
    }

    /// The key of an account in the key book.
    pub fn key(&self, kind: AccountKind, name: &str) -> SecretKey {
        self.book().key(kind, name).unwrap()
    }

    /// Accounts by kind and name, as `accounts.csv` lists them.
    pub fn accounts(&self) -> BTreeMap<(String, String), AccountId> {
        let text = fs::read_to_string(self.file().accounts).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("name,kind,account"));
        let account = |line: &str| {
            let [name, kind, account] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            ((kind.to_string(), name.to_string()), account.parse().unwrap())
        };
        lines.map(account).collect()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let Some(file) = self.try_file() else { return };
        if std::thread::panicking() {
            for node in &file.nodes {
                let log = fs::read_to_string(Path::new(&node.home).join("node.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(15).collect();
                let tail: Vec<&str> = lines.into_iter().rev().collect();
                eprintln!("--- end of the log of {} ---\n{}", node.name, tail.join("\n"));
            }
        }
        // Nodes end when their devnet does; the command line tells that the id still stands for the same process.
        let end = Instant::now() + Duration::from_secs(10);
        for node in &file.nodes {
            while alive(node.pid, &node.home) && Instant::now() < end {
                std::thread::sleep(LOOK);
            }
            if alive(node.pid, &node.home) {
                // it may end between the check and here
                let _ = Command::new("kill").args(["-KILL", &node.pid.to_string()]).status();
            }
        }
    }
}

/// Where a node stands, if it answers.
pub fn status(client: &Client) -> Option<ChainStatus> {
    block_on(client.clone().with_attempts(1).status()).ok()
}

/// A number that `/metrics` shows.
pub fn metric(url: &str, name: &str) -> f64 {
    let text = http_get(url);
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

fn address(url: &str) -> (&str, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    (address, format!("/{path}"))
}

/// Sends bytes to a TCP port and gives what comes back until the other side closes, which it must do in time.
pub fn exchange(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    // the other side may refuse while this side still writes
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The whole answer to a GET, with its head.
pub fn http_get(url: &str) -> String {
    let (address, path) = address(url);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    String::from_utf8_lossy(&exchange(address, request.as_bytes())).into_owned()
}

/// The whole answer to a POST of JSON, with its head.
pub fn http_post(url: &str, body: &str) -> String {
    let (address, path) = address(url);
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    let request = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    String::from_utf8_lossy(&exchange(address, request.as_bytes())).into_owned()
}

/// A row of an order file.
#[derive(Clone, Debug)]
pub struct Row {
    pub line: u64,
    pub id: String,
    pub buyer: String,
    pub origin: String,
    pub host: String,
    pub creator: String,
    pub cents: u128,
    pub mode: String,
}

/// The first lines of the sample order file that `keep` likes, with their header.
pub fn sample(rows: usize, keep: impl Fn(&str) -> bool) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../genesis/cdnow-sample.csv");
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let chosen: Vec<&str> = lines.filter(|l| keep(l)).take(rows).collect();
    assert_eq!(chosen.len(), rows);
    format!("{HEADER}\n{}\n", chosen.join("\n"))
}

/// The rows of a file of well-formed lines, read without any code of the program.
pub fn rows(file: &str) -> Vec<Row> {
    let row = |(at, text): (usize, &str)| {
        let fields: Vec<&str> = text.split(',').collect();
        Row {
            line: at as u64 + 1,
            id: fields[0].into(),
            buyer: fields[2].into(),
            origin: fields[3].into(),
            host: fields[4].into(),
            creator: fields[5].into(),
            cents: cents(fields[8]),
            mode: fields[9].into(),
        }
    };
    file.lines().enumerate().skip(1).map(row).collect()
}

/// `"12.34"` in cents.
pub fn cents(text: &str) -> u128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
    assert_eq!(part.len(), 2, "{text}");
    whole.parse::<u128>().unwrap() * 100 + part.parse::<u128>().unwrap()
}

/// Cents as `"12.34"`.
pub fn dollars(cents: u128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// What creator, host, origin and network get of an amount: 70, 20, 8 and 2 in 100, each rounded down, then a cent to
/// each of the largest remainders, the earlier first.
pub fn split(cents: u128) -> [u128; 4] {
    let percent = [70, 20, 8, 2];
    let mut shares = percent.map(|p| cents * p / 100);
    let left = cents - shares.iter().sum::<u128>();
    let mut order = [0, 1, 2, 3];
    order.sort_by_key(|i: &usize| (100 - cents * percent[*i] % 100, *i));
    for i in order.into_iter().take(usize::try_from(left).unwrap()) {
        shares[i] += 1;
    }
    shares
}

/// What everybody must have once all rows are settled, by kind and name. Buyers spend what they bring in. What the
/// origin collected off the ledger it gives to the others through netting.
pub fn earned(rows: &[Row]) -> BTreeMap<(String, String), u128> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let [creator, ..] = split(row.cents);
        *sums.entry(("creator".to_string(), row.creator.clone())).or_default() += creator;
        sums.entry(("user".to_string(), row.buyer.clone())).or_insert(0);
    }
    sums
}

/// What an account has free, in cents.
pub fn available(client: &Client, account: &AccountId) -> u128 {
    let account = serde_json::to_value(block_on(client.account(account)).unwrap()).unwrap();
    match account["balances"].as_array().unwrap().as_slice() {
        [] => 0,
        [only] => cents(only["available"].as_str().unwrap()),
        several => panic!("{several:?}"),
    }
}
