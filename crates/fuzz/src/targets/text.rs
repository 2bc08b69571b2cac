//! What people and programs hand over as text: JSON, TOML, CSV and single words.
//!
//! Invariant: what parses prints, and the print parses to the same; bytes that are no UTF-8 are refused where text is
//! asked for.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;

use vostro_api::action::{mode_from_text, mode_text};
use vostro_api::chain::SignedHeaderJson;
use vostro_api::ledger::StateProofJson;
use vostro_api::receipt::ReceiptProof;
use vostro_api::text::{base64, hexed, time};
use vostro_api::{BodyJson, Cursor, TransactionJson, encode_transaction, parse_transaction};
use vostro_client::Chain;
use vostro_node::config::{Config, StorageConfig};
use vostro_node::keystore::{Cost, KeyBook, KeyFile};
use vostro_node::orders::parse::{COLUMNS, parse_orders};
use vostro_node::recipe::{CONSORTIUM, DEVNET, Recipe};
use vostro_types::codec::{MAX_TRANSACTION, decode, encode};
use vostro_types::genesis::GenesisFile;
use vostro_types::transaction::Body;
use vostro_types::{AccountId, AccountKind, AssetCode, BlockId, Hash, Label, PublicKey, TxId, VoteKind};

use super::{Outcome, Target, text_budget};
use crate::corpus::{self, CHAIN, GENESIS, GENESIS_FILE, TRANSACTIONS, samples, secret};
use crate::mutate::Shape;

const LONG: usize = 64 << 10;

pub(super) fn targets() -> Vec<Target> {
    let text = |name, property, samples, run| Target {
        name,
        property,
        shape: Shape::Text,
        longest: LONG,
        budget: text_budget,
        samples,
        run,
    };
    vec![
        Target {
            budget: |length| text_budget(length) + super::wire_budget(length),
            ..text(
                "transaction_text",
                "one text for one transaction",
                || TRANSACTIONS.iter().map(|t| encode_transaction(t).into_bytes()).collect(),
                transaction_text,
            )
        },
        text(
            "body_json",
            "JSON and back is the same; what becomes a body encodes canonically",
            body_samples,
            body_json,
        ),
        text("texts", "what parses prints, and the print parses to the same", word_samples, texts),
        text(
            "rpc_request",
            "calls are counted and parameters read, or refused with the field's name",
            rpc_samples,
            rpc,
        ),
        text("proofs_json", "verifying never panics", proof_samples, proofs_json),
        text(
            "genesis_json",
            "what validates is canonical, and its hash is that of its meaning",
            || vec![json(&*GENESIS_FILE)],
            genesis_json,
        ),
        Target {
            budget: toml_budget,
            ..text(
                "recipe",
                "reading, drafting and checking never panic",
                || vec![DEVNET.into(), CONSORTIUM.into()],
                recipe,
            )
        },
        text(
            "orders_csv",
            "a line is one row or one bad row, in order; good rows are distinct and above zero",
            order_samples,
            orders_csv,
        ),
        text("key_file", "opening without a password never panics", key_samples, key_file),
        Target {
            budget: toml_budget,
            ..text("config_toml", "what parses prints, and the print parses to the same", config_samples, config_toml)
        },
    ]
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("it has a JSON form")
}

/// The TOML parser keeps events and errors of a file of brackets alone, about 300 bytes for each of its bytes; these
/// files are the operator's own.
fn toml_budget(length: usize) -> usize {
    512 * length + text_budget(0)
}

/// The text of an input, as readers of files and requests see it.
macro_rules! utf8 {
    ($bytes:expr) => {
        match std::str::from_utf8($bytes) {
            Ok(text) => text,
            Err(_) => return Outcome::refused("not UTF-8"),
        }
    };
}

fn transaction_text(bytes: &[u8]) -> Outcome {
    let text = utf8!(bytes);
    match parse_transaction(text) {
        Ok(transaction) => {
            assert!(encode_transaction(&transaction) == text, "a second text for one transaction");
            Outcome::accepted("transaction")
        }
        Err(e) => Outcome::refused(e.message),
    }
}

fn body_samples() -> Vec<Vec<u8>> {
    let known = samples::known();
    let bodies = TRANSACTIONS.iter().map(|t| json(&BodyJson::of(&t.body, &known)));
    let whole = TRANSACTIONS.iter().take(3).map(|t| json(&TransactionJson::of(t, &CHAIN, &known)));
    bodies.chain(whole).collect()
}

fn body_json(bytes: &[u8]) -> Outcome {
    let known = samples::known();
    if let Ok(json) = serde_json::from_slice::<TransactionJson>(bytes) {
        return match json.transaction(&CHAIN, &known) {
            Ok(transaction) => {
                let back = TransactionJson::of(&transaction, &CHAIN, &known);
                assert!(back.transaction(&CHAIN, &known).as_ref() == Ok(&transaction), "JSON changes a transaction");
                Outcome::accepted("transaction")
            }
            Err(e) => Outcome::refused(e.message),
        };
    }
    let json = match serde_json::from_slice::<BodyJson>(bytes) {
        Ok(json) => json,
        Err(e) => return Outcome::refused(e),
    };
    match json.body(&known) {
        Ok(body) => {
            let back = BodyJson::of(&body, &known);
            assert!(back.body(&known).as_ref() == Ok(&body), "JSON changes a body");
            // What is signed must be what the network can decode, or the signature was for nothing.
            let bytes = encode(&body);
            if bytes.len() <= MAX_TRANSACTION {
                let decoded: Result<Body, _> = decode(&bytes, MAX_TRANSACTION);
                assert!(decoded.as_ref() == Ok(&body), "a body from JSON cannot be decoded: {decoded:?}");
            }
            Outcome::accepted("body")
        }
        Err(e) => Outcome::refused(e.message),
    }
}

fn word_samples() -> Vec<Vec<u8>> {
    let account = samples::account(3).to_string();
    let cursor = Cursor { list: vostro_api::cursor::List::History, height: 7, index: 3 }.to_string();
    let hash = Hash([0xa7; 32]).to_string();
    let key = secret(1).public().to_string();
    let words = ["2026-11-21T07:00:00.000Z", "29.33", "t+7", "instant", "USD", "course-7", "bWFueSBoYW5kcw=="];
    words.into_iter().map(String::from).chain([account, cursor, hash, key]).map(String::into_bytes).collect()
}

/// Whether it parses; if so its print must parse to the same.
fn round<T: FromStr + Display + PartialEq>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let printed = value.to_string();
    assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} prints as {printed:?}, another value");
    true
}

fn texts(bytes: &[u8]) -> Outcome {
    let text = utf8!(bytes);
    let mut kinds = 0_u32;
    let mut note = |parsed: bool| kinds = kinds << 1 | u32::from(parsed);
    note(round::<AccountId>(text));
    note(round::<Hash>(text));
    note(round::<TxId>(text));
    note(round::<BlockId>(text));
    note(round::<PublicKey>(text));
    note(round::<AssetCode>(text));
    note(round::<Label>(text));
    note(round::<Cursor>(text));
    note(time::parse(text).is_ok_and(|parsed| {
        let printed = time::print(parsed);
        assert!(time::parse(&printed) == Ok(parsed), "{text:?} prints as {printed:?}, another time");
        true
    }));
    for asset in samples::known().0.assets() {
        note(asset.parse(text).is_ok_and(|parsed| {
            let printed = asset.format(parsed);
            assert!(asset.parse(&printed) == Ok(parsed), "{text:?} prints as {printed:?}, another amount");
            true
        }));
    }
    note(mode_from_text(text).is_some_and(|mode| {
        assert!(mode_from_text(&mode_text(mode)) == Some(mode), "{text:?} is a mode that prints as another");
        true
    }));
    note(base64::parse(text).is_ok_and(|parsed| {
        assert!(base64::print(&parsed) == text, "a second base64 text for the same bytes");
        true
    }));
    note(hexed::parse::<16>(text).is_ok());
    // words are kinds of answers here, so the number is spelled in letters
    let class: String = format!("{kinds:b}").chars().map(|bit| if bit == '1' { 'y' } else { 'n' }).collect();
    if kinds == 0 { Outcome::refused(class) } else { Outcome::accepted(class) }
}

fn rpc_samples() -> Vec<Vec<u8>> {
    [
        r#"{"id":"vo1x","limit":3,"prove":true,"txs":["a","b"]}"#,
        r#"["vo1x",100,null,[]]"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"account_history","params":{"id":"vo1x","limit":3}}"#,
        r#"[{"jsonrpc":"2.0","id":"a","method":"chain_status"},{"jsonrpc":"2.0","method":"tx_get","params":["x"]}]"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn rpc(bytes: &[u8]) -> Outcome {
    let calls = vostro_rpc::fuzzing::calls(bytes);
    if let Ok(calls) = &calls {
        assert!((1..=bytes.len() as u32).contains(calls), "{calls} calls in {} bytes", bytes.len());
    }
    let params = vostro_rpc::fuzzing::params(utf8!(bytes));
    if let Ok((_, limit, texts)) = &params {
        assert!((1..=100).contains(limit) && *texts <= bytes.len());
    }
    match (calls, params) {
        (Ok(1), _) => Outcome::accepted("a call"),
        (Ok(_), Err(_)) => Outcome::accepted("a batch"),
        (_, Ok(_)) => Outcome::accepted("parameters"),
        (Err(call), Err(field)) => Outcome::refused(format_args!("{} {}", call.message, field.message)),
    }
}

thread_local! {
    /// The sample genesis as a client knows it; its validators are not those of the sample certificates.
    static KNOWN_CHAIN: Chain = Chain::of(GENESIS.clone());
}

fn proof_samples() -> Vec<Vec<u8>> {
    let block = corpus::block(7);
    let certificate = encode(&corpus::certificate(VoteKind::Commit, &block, 0));
    let header = encode(&block.header);
    let receipts = corpus::receipts();
    let path = vostro_execution::proofs::prove_receipt(&receipts, 1).expect("there are three");
    vec![
        json(&ReceiptProof {
            receipt: encode(&receipts[1]),
            path: encode(&path),
            header: header.clone(),
            certificate: certificate.clone(),
        }),
        json(&StateProofJson { header, certificate, entries: Vec::new() }),
    ]
}

fn proofs_json(bytes: &[u8]) -> Outcome {
    KNOWN_CHAIN.with(|chain| {
        if let Ok(proof) = serde_json::from_slice::<ReceiptProof>(bytes) {
            return match chain.verify_receipt(&proof) {
                Ok(_) => panic!("a receipt of another chain's validators was believed"),
                Err(e) => Outcome::accepted(e),
            };
        }
        if let Ok(header) = serde_json::from_slice::<SignedHeaderJson>(bytes) {
            assert!(chain.verify_header(&header).is_err(), "a header of another chain's validators was believed");
            return Outcome::accepted("header");
        }
        match serde_json::from_slice::<StateProofJson>(bytes) {
            Ok(proof) => match chain.verify_state(&proof) {
                Ok(_) => panic!("a state of another chain's validators was believed"),
                Err(e) => Outcome::accepted(e),
            },
            Err(e) => Outcome::refused(e),
        }
    })
}

fn genesis_json(bytes: &[u8]) -> Outcome {
    let file: GenesisFile = match serde_json::from_slice(bytes) {
        Ok(file) => file,
        Err(e) => return Outcome::refused(e),
    };
    match file.parse() {
        Ok(genesis) => {
            genesis.fee_account();
            let hash = genesis.hash();
            let again: GenesisFile = serde_json::from_slice(&json(&file)).expect("what was read is written");
            assert!(again.parse().is_ok_and(|g| g.hash() == hash), "JSON changes a genesis");
            assert!(Chain::decode(&encode(&genesis), hash).is_ok(), "a client refuses a genesis that validates");
            Outcome::accepted("genesis")
        }
        Err(e) => Outcome::refused(e),
    }
}

fn recipe(bytes: &[u8]) -> Outcome {
    let recipe = match Recipe::parse(utf8!(bytes)) {
        Ok(recipe) => recipe,
        Err(e) => return Outcome::refused(last_line(&e.to_string())),
    };
    let drafted = recipe.draft(1_700_000_000_000);
    let seven = recipe.with_validators(7);
    assert!(seven.platforms.is_empty() || seven.validators().len() == 7);
    match drafted {
        Ok(_) => Outcome::accepted("draft"),
        Err(e) => Outcome::accepted(format_args!("no draft: {e}")),
    }
}

fn order_samples() -> Vec<Vec<u8>> {
    let rows = "cd-1,1997-01-01,c1,northwind,lantern,creator-1,cds-1,CNY,29.33,instant\n\
        cd-2,1997-01-02,c2,lantern,lantern,creator-2,cds-2,JPY,29,escrow\n\
        cd-3,1997-01-02,c2,lantern,lantern,creator-2,\"a, b\",CNY,0.01,t+3\n\
        cd-4,1997-01-02,c2,lantern,northwind,creator-2,cds-2,CNY,1000000,window\n";
    vec![format!("{}\n{rows}", COLUMNS.join(",")).into_bytes()]
}

fn orders_csv(bytes: &[u8]) -> Outcome {
    let platforms: BTreeSet<String> = ["northwind", "lantern"].map(String::from).into();
    let assets: Vec<_> = samples::known().0.assets().copied().collect();
    let rows = parse_orders(bytes, &platforms, &assets);
    let lines = bytes.split(|b| *b == b'\n').count();
    let ended = usize::from(bytes.last().is_none_or(|b| *b == b'\n'));
    // A header that is none is one bad row and nothing else; that row names line 1, which no order has.
    if let [Err(bad)] = rows.as_slice()
        && bad.line == 1
    {
        return Outcome::refused(&bad.reason);
    }
    assert!(rows.len() == (lines - 1).saturating_sub(ended), "{} rows of {lines} lines", rows.len());
    let mut ids = BTreeSet::new();
    let mut class = Outcome::accepted("rows");
    for (row, line) in rows.iter().zip(2_u64..) {
        match row {
            Ok(row) => {
                assert!(row.line == line && !row.amount.is_zero() && platforms.contains(row.origin.as_str()));
                assert!(ids.insert(&row.order_id), "two rows with one order id");
            }
            Err(bad) => {
                assert!(bad.line == line);
                class = Outcome::accepted(format_args!("a bad row: {}", bad.reason));
            }
        }
    }
    class
}

fn key_samples() -> Vec<Vec<u8>> {
    let cheap = Cost { memory_kib: 64, iterations: 1, lanes: 1 };
    let mut book = KeyBook::generate([]).expect("the system has randomness");
    book.insert("northwind", AccountKind::Platform, &secret(2));
    // The salt, the nonce and the book's master are drawn; runs follow from their seed only if they are not.
    let text = |value: Vec<u8>| String::from_utf8(value).expect("JSON is UTF-8");
    let sealed = KeyFile::encrypt("ann", &secret(1), "password", cheap).expect("a good name");
    let files = [
        text(json(&sealed)),
        text(json(&KeyFile::plaintext("ann", &secret(1)).expect("a good name"))),
        text(json(&book)),
    ];
    files.map(|file| still(&file).into_bytes()).to_vec()
}

/// Replaces what was drawn by zeros.
fn still(file: &str) -> String {
    let drawn = ["\"salt\"", "\"nonce\"", "\"ciphertext\"", "\"master\""];
    let line = |line: &str| {
        if !drawn.iter().any(|field| line.trim_start().starts_with(field)) {
            return line.to_string();
        }
        let at = line.find(": ").map_or(line.len(), |at| at + 2);
        let zeros = line[at..].chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c });
        line[..at].chars().chain(zeros).collect()
    };
    file.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn key_file(bytes: &[u8]) -> Outcome {
    let (text, path) = (utf8!(bytes), Path::new("key.json"));
    if let Ok(book) = KeyBook::parse(path, text) {
        for (name, kind) in book.names() {
            assert!(book.key(kind, name).is_some(), "a named key is not in its book");
        }
        return Outcome::accepted("book");
    }
    let file = match KeyFile::parse(path, text) {
        Ok(file) => file,
        Err(e) => return Outcome::refused(e),
    };
    // Without a password: deriving a key is slow on purpose, and what a file may ask for is bounded by its own check.
    match file.open(path, None) {
        Ok(secret) => {
            assert!(file.public(path).is_ok_and(|public| public == secret.public()), "another key than the file names");
            Outcome::accepted("opened")
        }
        Err(e) => Outcome::accepted(e),
    }
}

fn config_samples() -> Vec<Vec<u8>> {
    let full = "genesis_hash = \"c4\"\n[network]\nlisten = [\"/ip4/127.0.0.1/tcp/26600\"]\n\
        [[network.peers]]\nname = \"lantern\"\naddresses = [\"/dns4/lantern/tcp/26600\"]\n";
    let config = Config::parse(Path::new("config.toml"), full).expect("a good file");
    assert!(config.storage == StorageConfig::default());
    vec![full.into(), config.to_toml().into_bytes()]
}

fn config_toml(bytes: &[u8]) -> Outcome {
    let path = Path::new("config.toml");
    match Config::parse(path, utf8!(bytes)) {
        Ok(config) => {
            same(&Config::parse(path, &config.to_toml()), &config);
            Outcome::accepted("config")
        }
        Err(e) => Outcome::refused(last_line(&e.to_string())),
    }
}

/// Errors of TOML quote the file first and say what is wrong last.
fn last_line(error: &str) -> &str {
    error.lines().last().unwrap_or_default()
}

fn same<T: PartialEq + Debug, E: Debug>(again: &Result<T, E>, value: &T) {
    assert!(again.as_ref().is_ok_and(|again| again == value), "{value:?} is written and read as {again:?}");
}
