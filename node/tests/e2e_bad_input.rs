//! Damaged files, wrong settings, hostile bytes and transactions: each is refused or mended, and nothing else suffers.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vostro_client::api::chain::ChainStatus;
use vostro_client::api::encode_transaction;
use vostro_client::api::receipt::Status;
use vostro_client::{Chain, Client, ClientError, Draft, Signed};
use vostro_execution::Tree;
use vostro_node::keystore::own_account;
use vostro_storage::leaves::{Found, Leaves};
use vostro_types::transaction::{Deposit, Transfer};
use vostro_types::{AccountId, AccountKind, Action, Hash, Height, Label, SecretKey, Time};

use e2e::{Net, Process, alive, available, block_on, free_ports, http_get, http_post, run, sample, until};

/// A node ends cleanly in less.
const CLEAN_END: Duration = Duration::from_secs(10);
/// Where the frames of a log segment begin.
const FRAMES: usize = 4096;

fn small_file() -> String {
    sample(60, |line| line.ends_with("instant") && !line.contains(",0.00,"))
}

/// A network that has settled a few orders and has ended.
fn settled(validators: u16) -> (Net, Value) {
    let net = Net::new(validators, &small_file());
    let summary = net.settle();
    assert_eq!(summary["byState"]["SETTLED"]["orders"], json!(60));
    (net, summary)
}

/// Waits until a node that was started by hand answers.
fn answers(net: &Net, at: usize, process: &mut Process) -> ChainStatus {
    let client = net.client(at);
    until("the node to answer", || {
        assert!(process.ended().is_none(), "{}", process.stderr());
        e2e::status(&client)
    })
}

fn end(mut process: Process) {
    process.signal("TERM");
    assert_eq!(process.wait(CLEAN_END).code(), Some(0), "{}", process.stderr());
}

/// The newest segment of a log.
fn newest_segment(home: &Path, log: &str) -> PathBuf {
    let segments = fs::read_dir(home.join("data").join(log)).unwrap().map(|e| e.unwrap().path());
    segments.filter(|p| p.extension().is_some_and(|e| e == "log")).max().unwrap()
}

/// Where the data of a segment ends.
fn data_end(segment: &Path) -> usize {
    let bytes = fs::read(segment).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    assert!(end > FRAMES + 64, "{} holds no frames", segment.display());
    end
}

fn overwrite(file: &Path, offset: usize, bytes: &[u8]) {
    fs::File::options().write(true).open(file).unwrap().write_all_at(bytes, offset as u64).unwrap();
}

fn flip(file: &Path, offset: usize) {
    let mut byte = [0];
    fs::File::open(file).unwrap().read_exact_at(&mut byte, offset as u64).unwrap();
    overwrite(file, offset, &[byte[0] ^ 0x10]);
}

/// Everything a start or an audit says.
fn refused(home: &Path, verb: &str) -> String {
    let ran = run([verb, "--home", &home.display().to_string()]);
    format!("{} {}", ran.sentence(), ran.stdout)
}

/// The state root after each block and the id of each.
fn history(client: &Client) -> Vec<(u64, Hash, Hash)> {
    let tip = block_on(client.status()).unwrap().height;
    let header = |h| block_on(client.header(Height(h))).unwrap().header;
    (1..=tip).map(header).map(|h| (h.height, h.hash.0, h.state_root)).collect()
}

#[test]
fn a_torn_end_of_a_log_is_cut_and_the_only_validator_goes_on() {
    let (net, summary) = settled(1);
    let home = net.home(0);
    let mut process = net.start(0);
    answers(&net, 0, &mut process);
    let before = history(&net.client(0));
    end(process);
    for log in ["blocks", "consensus"] {
        let segment = newest_segment(&home, log);
        overwrite(&segment, data_end(&segment) - 6, &[0; 6]);
        let mut process = net.start(0);
        let height = answers(&net, 0, &mut process).height;
        assert!(process.stderr().contains("was cut"), "{log}: {}", process.stderr());
        let client = net.client(0);
        until("blocks above those it had", || {
            let now = e2e::status(&client)?.height;
            (now > before.len() as u64 && now > height).then_some(())
        });
        // the block that was cut was decided again, and as the same block
        let after = history(&client);
        assert_eq!(after[..before.len()], before[..], "{log}");
        assert_eq!(json!(block_on(client.status()).unwrap().state_root.to_string()), summary["stateRoot"]);
        end(process);
        net.audit();
    }
}

#[test]
fn a_validator_that_lost_its_last_blocks_gets_them_from_the_others() {
    let (net, _) = settled(4);
    let mut devnet = net.up();
    devnet.line();
    let before = history(&net.client(0));
    devnet.signal("TERM");
    assert!(devnet.wait(Duration::from_secs(15)).success());
    net.gone();
    // One loses a third of its blocks, as a disk that lied about a sync would; another the tail of its votes.
    let segment = newest_segment(&net.home(1), "blocks");
    let end = data_end(&segment);
    let from = frames(&segment).into_iter().rev().nth(before.len() / 3).unwrap();
    overwrite(&segment, from, &vec![0; end - from]);
    let votes = newest_segment(&net.home(2), "consensus");
    overwrite(&votes, data_end(&votes) - 40, &[0; 40]);
    let mut devnet = net.up();
    devnet.line();
    net.agreed();
    for at in 0..4 {
        assert_eq!(history(&net.client(at))[..before.len()], before[..], "node {at}");
    }
    devnet.signal("TERM");
    assert!(devnet.wait(Duration::from_secs(15)).success());
    net.gone();
    net.audit();
}

/// Offsets of the frames of a segment (docs/storage.md).
fn frames(segment: &Path) -> Vec<usize> {
    let bytes = fs::read(segment).unwrap();
    let (mut at, mut found) = (FRAMES, Vec::new());
    while bytes[at..at + 24].iter().any(|b| *b != 0) {
        found.push(at);
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        at = (at + 24 + length).next_multiple_of(8);
    }
    found
}

#[test]
fn damage_in_the_middle_of_a_log_is_named_and_never_repaired() {
    let (net, summary) = settled(1);
    let home = net.home(0);
    for log in ["blocks", "consensus"] {
        let segment = newest_segment(&home, log);
        let (name, all) = (segment.display().to_string(), frames(&segment));
        let frame = all[all.len() / 2];
        // in the payload, in the header's length, in the checksum
        for offset in [frame + 24 + 11, frame + 5, frame] {
            flip(&segment, offset);
            let whole = fs::read(&segment).unwrap();
            for verb in ["start", "audit"] {
                let said = refused(&home, verb);
                assert!(said.contains(&name) && said.contains(&format!("byte {frame}")), "{verb}: {said}");
            }
            assert!(fs::read(&segment).unwrap() == whole, "{name} was changed");
            flip(&segment, offset);
        }
        // a file that lost its end, or its header
        let length = fs::metadata(&segment).unwrap().len();
        let file = fs::File::options().write(true).open(&segment).unwrap();
        file.set_len(length / 2).unwrap();
        for verb in ["start", "audit"] {
            let said = refused(&home, verb);
            assert!(said.contains(&name) && said.contains("length"), "{verb}: {said}");
        }
        file.set_len(length).unwrap();
        flip(&segment, 20);
        let said = refused(&home, "start");
        assert!(said.contains(&name), "{said}");
        flip(&segment, 20);
    }
    let mut process = net.start(0);
    assert_eq!(json!(answers(&net, 0, &mut process).state_root.to_string()), summary["stateRoot"]);
    end(process);
    net.audit();
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_damaged_state_is_rebuilt_from_the_log() {
    let (net, summary) = settled(1);
    let home = net.home(0);
    let state = home.join("data/state");
    let each = |harm: &dyn Fn(&Path)| files(&state).iter().for_each(|file| harm(file));
    let damage: [(&str, &dyn Fn()); 6] = [
        ("deleted", &|| fs::remove_dir_all(&state).unwrap()),
        ("emptied files", &|| each(&|file| fs::write(file, []).unwrap())),
        ("garbage in the files", &|| {
            each(&|file| {
                let length = fs::metadata(file).unwrap().len();
                fs::write(file, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
            });
        }),
        ("flipped bytes in the files", &|| {
            each(&|file| {
                let length = usize::try_from(fs::metadata(file).unwrap().len()).unwrap();
                (0..length).step_by(211).for_each(|offset| flip(file, offset));
            });
        }),
        ("short files", &|| {
            each(&|path| {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            });
        }),
        ("the mark of another store", &|| fs::write(state.join("conf"), "no such thing").unwrap()),
    ];
    for (what, harm) in damage {
        harm();
        let mut process = net.start(0);
        let root = answers(&net, 0, &mut process).state_root.to_string();
        assert_eq!(json!(root), summary["stateRoot"], "{what}");
        let said = process.stderr();
        assert!(said.contains("rebuilt from the block log") || said.contains("replaying blocks"), "{what}: {said}");
        let client = net.client(0);
        let id = Label::new("cd-000001").unwrap();
        assert_eq!(block_on(client.order("northwind", &id)).unwrap().state, "SETTLED", "{what}");
        end(process);
        net.audit();
    }
}

#[test]
fn leaves_of_the_state_tree_are_made_anew_when_they_are_wrong() {
    let (net, summary) = settled(1);
    let home = net.home(0);
    let leaves = home.join("data/leaves");
    let base = || files(&leaves).into_iter().find(|file| file.extension().is_some_and(|kind| kind == "base")).unwrap();
    let flip_in = |from: usize| {
        let file = base();
        let length = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
        (from..length).step_by(61).for_each(|offset| flip(&file, offset));
    };
    let chain = net.file().genesis_hash.parse::<Hash>().unwrap().0;
    let others = || {
        let at = |height: &u64| Found::at(&leaves, chain, *height).unwrap().is_some();
        let height = (0..10_000).rev().find(at).unwrap();
        drop(Leaves::begin(&leaves, chain, height, &Tree::of([(Hash([1; 32]), Hash([2; 32]))])).unwrap());
    };
    let damage: [(&str, &str, &dyn Fn()); 6] = [
        ("of another state", "are not the state's", &others),
        ("deleted", "there are no leaves", &|| fs::remove_dir_all(&leaves).unwrap()),
        ("emptied", "cannot be used", &|| files(&leaves).iter().for_each(|file| fs::write(file, []).unwrap())),
        ("flipped bytes in a header", "cannot be used", &|| flip_in(0)),
        ("flipped bytes of leaves", "cannot be used", &|| flip_in(4096)),
        ("doubted", "there are no leaves", &|| fs::write(leaves.join("DOUBT"), []).unwrap()),
    ];
    for (what, said, harm) in damage {
        harm();
        for said in [said, "the state tree is made of its leaves"] {
            let mut process = net.start(0);
            let root = answers(&net, 0, &mut process).state_root.to_string();
            assert_eq!(json!(root), summary["stateRoot"], "{what}");
            let log = process.stderr();
            assert!(log.contains(said) && !log.contains("rebuilt from the block log"), "{what}: {log}");
            end(process);
        }
        net.audit();
    }
}

#[test]
fn wrong_settings_are_refused_in_one_sentence() {
    let (net, _) = settled(1);
    let home = net.home(0);
    let text = |path: &Path| fs::read_to_string(path).unwrap();

    // another genesis
    let genesis = home.join("config/genesis.json");
    let original = text(&genesis);
    fs::write(&genesis, original.replace("vostro-devnet", "vostro-devnet-2")).unwrap();
    for verb in ["start", "audit"] {
        let said = refused(&home, verb);
        assert!(said.contains("genesis.json") && said.contains(&net.file().genesis_hash), "{said}");
    }
    fs::write(&genesis, "{").unwrap();
    assert!(refused(&home, "start").contains("genesis.json"));
    fs::write(&genesis, &original).unwrap();

    // an unknown key
    let config = home.join("config/config.toml");
    let original = text(&config);
    fs::write(&config, format!("colour = 1\n{original}")).unwrap();
    let said = refused(&home, "start");
    assert!(said.contains("colour") && said.contains("config.toml"), "{said}");
    fs::write(&config, &original).unwrap();

    // no home
    let nowhere = net.scratch().join("nowhere");
    for verb in ["start", "audit"] {
        let said = refused(&nowhere, verb);
        assert!(said.contains(&nowhere.display().to_string()) && said.contains("not a node's home"), "{said}");
        assert!(!nowhere.exists());
    }

    // ports that others have
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home_text = home.display().to_string();
    let multiaddress = format!("/ip4/127.0.0.1/tcp/{}", address.port());
    for (flag, value) in [
        ("--rpc-listen", address.to_string()),
        ("--metrics-listen", address.to_string()),
        ("--p2p-listen", multiaddress),
    ] {
        let ran = run(["start", "--home", &home_text, flag, &value]);
        assert!(ran.sentence().contains(&value), "{flag}: {}", ran.stderr);
    }

    // a devnet on a port that is taken, or of another size than the one in its directory
    let (dir, port) = (net.dir().display().to_string(), address.port().to_string());
    let ran = run(["devnet", "--dir", &dir, "--validators", "1", "--base-port", &port, "--exit"]);
    assert!(ran.sentence().contains(&address.to_string()) && ran.stderr.contains("--base-port"), "{}", ran.stderr);
    let ran = run(["devnet", "--dir", &dir, "--validators", "4", "--exit"]);
    assert!(ran.sentence().contains("--validators 1"), "{}", ran.stderr);
    assert_eq!(run(["devnet", "--validators", "0"]).status.code(), Some(2));

    // a second process
    let mut process = net.start(0);
    answers(&net, 0, &mut process);
    let base = free_ports(3);
    let address = |offset: u16| format!("127.0.0.1:{}", base + offset);
    let p2p = format!("/ip4/127.0.0.1/tcp/{base}");
    let (rpc, metrics) = (address(1), address(2));
    let second = ["--p2p-listen", &p2p, "--rpc-listen", &rpc, "--metrics-listen", &metrics];
    let ran = run(["start", "--home", &home_text].into_iter().chain(second));
    assert!(ran.sentence().contains(&process.pid().to_string()), "{}", ran.stderr);
    assert!(refused(&home, "audit").contains(&process.pid().to_string()));
    assert!(e2e::status(&net.client(0)).is_some(), "the first goes on");
    end(process);
    net.audit();
}

/// Bytes without meaning, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn hostile_bytes_do_not_keep_a_node_from_serving() {
    let net = Net::new(4, &small_file());
    let mut devnet = net.up();
    devnet.line();
    let node = net.node(0);
    let rpc = node.rpc.strip_prefix("http://").unwrap().to_string();
    let p2p = format!("127.0.0.1:{}", node.p2p.rsplit('/').next().unwrap());
    let metrics = node.metrics.strip_prefix("http://").unwrap().split('/').next().unwrap().to_string();
    let mut open = Vec::new();
    for target in [&rpc, &p2p, &metrics] {
        for round in 0..20usize {
            let mut stream = TcpStream::connect(target).unwrap();
            // the node may hang up while this side still writes
            let _ = stream.write_all(&noise(1 << (round % 18)));
            if round % 2 == 0 {
                open.push(stream);
            }
        }
        for _ in 0..20 {
            open.push(TcpStream::connect(target).unwrap());
        }
    }
    for start in ["POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Le", "GET / HTTP/1.1\r\n", "\u{13}/multistream/1.0.0\n"] {
        for target in [&rpc, &p2p] {
            let mut stream = TcpStream::connect(target).unwrap();
            let _ = stream.write_all(start.as_bytes());
            open.push(stream);
        }
    }
    // a body that never ends
    let mut stream = TcpStream::connect(&rpc).unwrap();
    stream
        .write_all(b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        .unwrap();
    open.push(stream);

    let url = format!("http://{rpc}/rpc");
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("[]", -32600),
        ("[1,2]", -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"chain_status\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no_such\"}", -32601),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_block\",\"params\":{\"height\":-1}}", -32602),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_block\",\"params\":{\"height\":1,\"colour\":1}}", -32602),
    ] {
        let answer = http_post(&url, body);
        assert!(answer.contains(&format!("\"code\":{code}")), "{body}: {answer}");
    }
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{}", "[".repeat(200_000));
    assert!(http_post(&url, &deep).contains("-32"), "deep nesting");
    let large = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tx_submit\",\"params\":{{\"tx\":\"{}\"}}}}",
        "A".repeat(3 << 20)
    );
    assert!(too_large(&rpc, &large).starts_with("HTTP/1.1 413"), "an oversized request");
    let call = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"chain_status\"}";
    let batch = format!("[{}]", vec![call; 5_000].join(","));
    assert!(http_post(&url, &batch).starts_with("HTTP/1.1 413"), "an oversized batch");
    assert!(http_get(&format!("http://{rpc}/../../etc/passwd")).starts_with("HTTP/1.1 404"));

    let height = block_on(net.client(0).status()).unwrap().height;
    until("blocks in spite of all that", || e2e::status(&net.client(0)).filter(|s| s.height >= height + 2));
    net.agreed();
    assert!(http_get(&format!("http://{rpc}/readyz")).starts_with("HTTP/1.1 200"));
    assert!(http_get(&node.metrics).contains("vostro_height"));
    for node in net.file().nodes {
        assert!(alive(node.pid, &node.home), "{} ended", node.name);
        let log = fs::read_to_string(Path::new(&node.home).join("node.log")).unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
    drop(open);
    devnet.signal("TERM");
    assert!(devnet.wait(Duration::from_secs(15)).success(), "{}", devnet.stderr());
    net.audit();
}

/// Sends a request that the server refuses before it has read it all.
fn too_large(address: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(e2e::BOUND)).unwrap();
    let head = format!(
        "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap();
    // what follows may meet a closed door
    let _ = stream.write_all(body.as_bytes());
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

struct Hostile {
    client: Client,
    chain: Chain,
    northwind: SecretKey,
    gateway: SecretKey,
    lantern: AccountId,
}

impl Hostile {
    fn transfer(&self, amount: &str) -> Draft {
        let asset = self.chain.asset("USD").unwrap();
        let transfer =
            Transfer { to: self.lantern, asset: asset.code, amount: asset.parse(amount).unwrap(), memo: Hash::ZERO };
        Draft::new(own_account(self.northwind.public())).action(Action::Transfer(transfer))
    }

    fn sign(&self, draft: Draft) -> Signed {
        draft.sign(&self.chain, &[&self.northwind]).unwrap()
    }

    fn code(&self, signed: &Signed) -> i32 {
        self.code_of(&encode_transaction(&signed.transaction))
    }

    /// The error of `tx_submit`; batches must answer the same for the item.
    fn code_of(&self, text: &str) -> i32 {
        let params = json!({ "tx": text });
        match block_on(self.client.call::<Value>("tx_submit", params)) {
            Err(ClientError::Rpc(error)) => {
                assert_eq!(error.data.code, error.code);
                assert!(!error.data.hint.is_empty() && !error.data.retryable, "{error:?}");
                let batch: Value = block_on(self.client.call("tx_submitBatch", json!({ "txs": [text] }))).unwrap();
                assert_eq!(batch["items"][0]["error"]["code"], json!(error.code), "{batch}");
                error.code
            }
            other => panic!("{other:?}"),
        }
    }

    fn balances(&self) -> BTreeMap<AccountId, u128> {
        let accounts = self.chain.genesis().accounts.iter().map(|a| self.chain.account(a.name.as_str()).unwrap());
        accounts.map(|id| (id, available(&self.client, &id))).collect()
    }

    fn settle(&self, signed: &Signed) -> vostro_client::api::receipt::ReceiptJson {
        block_on(self.client.submit_and_wait(signed, e2e::BOUND)).unwrap()
    }
}

fn now() -> u64 {
    vostro_node::host::wall_time().0
}

#[test]
fn hostile_transactions_are_refused_with_their_codes_and_move_nothing() {
    let net = Net::new(1, &small_file());
    let mut devnet = net.up();
    devnet.line();
    let client = net.client(0);
    let chain = block_on(client.chain(None)).unwrap();
    let hostile = Hostile {
        northwind: net.key(AccountKind::Platform, "northwind"),
        gateway: net.key(AccountKind::Gateway, "gateway"),
        lantern: chain.account("lantern").unwrap(),
        chain,
        client,
    };
    let before = hostile.balances();
    let good = hostile.sign(hostile.transfer("1.00"));
    let text = encode_transaction(&good.transaction);

    // malformed: no base64, no transaction, one byte more, one byte less
    assert_eq!(hostile.code_of("***"), 1108);
    assert_eq!(hostile.code_of(""), 1108);
    assert_eq!(hostile.code_of(&"A".repeat(400)), 1108);
    assert_eq!(hostile.code_of(&text[..text.len() - 4]), 1108);
    assert_eq!(hostile.code_of(&format!("{}AAAA", text.trim_end_matches('='))), 1108);

    // a signature of somebody else, of another content, for another chain
    let mut forged = good.clone();
    forged.transaction.body.salt ^= 1;
    assert_eq!(hostile.code(&forged), 1101);
    let sender = hostile.transfer("1.00");
    let stranger = SecretKey::from_seed([9; 32]);
    assert_eq!(hostile.code(&sender.sign(&hostile.chain, &[&stranger]).unwrap()), 1101);
    let body = hostile.transfer("1.00").body().unwrap();
    let foreign = Signed::known(body.sign(&Hash([7; 32]), &[&hostile.northwind]), &hostile.chain);
    assert_eq!(hostile.code(&foreign), 1101);

    // too late, too early
    let until_time = |ms: u64| hostile.sign(hostile.transfer("1.00").valid_until(Time(ms)));
    assert_eq!(hostile.code(&until_time(now() - 60_000)), 1103);
    assert_eq!(hostile.code(&until_time(0)), 1103);
    assert_eq!(hostile.code(&until_time(now() + 2 * 3_600_000)), 1103);
    assert_eq!(hostile.code(&until_time(u64::MAX)), 1103);

    // nobody's account
    let nobody = Draft::new(own_account(stranger.public()));
    let asset = hostile.chain.asset("USD").unwrap();
    let transfer = |amount| Transfer { to: hostile.lantern, asset: asset.code, amount, memo: Hash::ZERO };
    let nobody = nobody.action(Action::Transfer(transfer(asset.parse("1.00").unwrap())));
    assert_eq!(hostile.code(&nobody.sign(&hostile.chain, &[&stranger]).unwrap()), 1401);
    assert_eq!(hostile.balances(), before);

    // more than there is, and nothing at all: a receipt says no
    let too_much = hostile.settle(&hostile.sign(hostile.transfer("900000000.00")));
    assert_eq!(too_much.status, Status::Rejected);
    assert_eq!(serde_json::to_value(&too_much.outcome).unwrap()["code"], json!(301));
    let nothing = hostile.sign(hostile.transfer("0.00"));
    match block_on(hostile.client.submit_and_wait(&nothing, e2e::BOUND)) {
        Ok(receipt) => assert_eq!(serde_json::to_value(&receipt.outcome).unwrap()["code"], json!(201)),
        Err(error) => assert!(matches!(error.code(), Some(1108 | 1201)), "{error}"),
    }
    // money that only a gateway may bring in
    let deposit = |to, reference: &str| {
        Action::Deposit(Deposit {
            channel: Label::new("bank").unwrap(),
            channel_ref: Label::new(reference).unwrap(),
            to,
            asset: asset.code,
            amount: asset.parse("5.00").unwrap(),
        })
    };
    let me = own_account(hostile.northwind.public());
    let stolen = hostile.settle(&hostile.sign(Draft::new(me).action(deposit(me, "stolen"))));
    assert_eq!(stolen.status, Status::Rejected, "{stolen:?}");
    assert_eq!(hostile.balances(), before);

    // known is success, and nothing moves twice
    let gateway = own_account(hostile.gateway.public());
    let paid_in = |reference| Draft::new(gateway).action(deposit(me, reference));
    let first = paid_in("a").sign(&hostile.chain, &[&hostile.gateway]).unwrap();
    assert_eq!(hostile.settle(&first).status, Status::Settled);
    let transfer = hostile.sign(hostile.transfer("1.25"));
    let receipt = hostile.settle(&transfer);
    assert_eq!(receipt.status, Status::Settled);
    let moved = hostile.balances();
    assert_eq!(moved[&me], before[&me] + 500 - 125);
    assert_eq!(moved[&hostile.lantern], before[&hostile.lantern] + 125);
    for _ in 0..3 {
        for known in [&first, &transfer] {
            let again = block_on(hostile.client.submit(known)).unwrap();
            assert_eq!((again.id, again.status), (known.id, Status::Settled));
        }
        assert_eq!(hostile.settle(&transfer), receipt);
    }
    // the same reference in another transaction answers as the first did, another amount under it is refused
    let again = hostile.settle(&paid_in("a").sign(&hostile.chain, &[&hostile.gateway]).unwrap());
    assert_eq!(serde_json::to_value(&again.outcome).unwrap()["kind"], json!("replayed"), "{again:?}");
    assert_eq!(hostile.balances(), moved);

    devnet.signal("TERM");
    assert!(devnet.wait(Duration::from_secs(15)).success());
    net.audit();
}
