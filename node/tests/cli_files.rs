//! The binary as people and scripts run it, for verbs that need no node: exit codes, pure JSON, one-sentence errors.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vostro"));
        command.args(args).current_dir(self.0.path()).env_clear().env("HOME", self.0.path());
        command.env("VOSTRO_PASSWORD", "correct horse").stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a verb that must succeed, with `--json`.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", err(&output));
        one_json(&output)
    }

    /// Runs a verb that must fail with `code`; gives its one sentence.
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}{}", out(&output), err(&output));
        assert_eq!(out(&output), "", "{args:?}: a failure prints nothing on standard output");
        err(&output)
    }

    fn feed(&self, args: &[&str], input: &str) -> Output {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn one_json(output: &Output) -> Value {
    let text = out(output);
    assert_eq!(text.lines().count(), 1, "one line of JSON and nothing else: {text}");
    serde_json::from_str(&text).unwrap()
}

fn field(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_string()
}

#[test]
fn help_names_every_verb_and_each_verb_has_help() {
    let home = Home::new();
    let help = out(&home.run(&["--help"]));
    for verb in ["keys", "genesis", "wallet", "tx", "query", "orders", "completions", "version"] {
        assert!(help.contains(&format!("  {verb}")), "{verb} in {help}");
        let output = home.run(&[verb, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(out(&output).contains("Usage: vostro"), "{verb}");
        assert!(!out(&output).contains('\u{1b}'), "no colours where no terminal is");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let home = Home::new();
    for args in [
        &["no-such-verb"][..],
        &[],
        &["keys"],
        &["keys", "new"],
        &["keys", "new", "a", "--insecure-plaintext", "--password-file", "x"],
        &["genesis", "new"],
        &["genesis", "new", "--chain-id", "x", "--asset", "USD"],
        &["tx", "status", "not-an-id"],
        &["orders", "import", "x.csv"],
        &["orders", "import", "x.csv", "--rpc", "http://127.0.0.1:9", "--book", "b", "--chunk", "0"],
        &["completions", "no-such-shell"],
    ] {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{args:?}");
        assert!(!err(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn version_and_completions() {
    let home = Home::new();
    let version = home.json(&["version"]);
    assert_eq!(version["name"], "vostro");
    assert_eq!(version["transactionVersion"], 1);
    assert!(out(&home.run(&["version"])).starts_with("vostro "));
    for shell in ["bash", "zsh", "fish"] {
        let output = home.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("add-validator"), "{shell}");
    }
}

#[test]
fn keys_are_encrypted_private_and_shown_without_their_secret() {
    let home = Home::new();
    let made = home.json(&["keys", "new", "alice", "--dir", "k"]);
    let file = home.path("k/alice.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let exported = home.json(&["keys", "export", "alice", "--dir", "k", "--yes"]);
    let seed = field(&exported, "seed");
    assert_eq!(seed.len(), 64);
    let shown = home.json(&["keys", "show", "alice", "--dir", "k"]);
    assert_eq!(shown, made);
    let listed = home.run(&["keys", "list", "--dir", "k"]);
    for text in [made.to_string(), out(&listed), std::fs::read_to_string(&file).unwrap()] {
        assert!(!text.contains(&seed), "the secret is in {text}");
    }
    assert!(out(&listed).contains("alice") && out(&listed).contains("encrypted"));

    let sentence = home.fails(1, &["keys", "new", "alice", "--dir", "k"]);
    assert!(sentence.contains("exists already"), "{sentence}");
    let sentence = home.fails(2, &["keys", "export", "alice", "--dir", "k"]);
    assert!(sentence.contains("--yes"), "{sentence}");
    let wrong = home
        .command(&["keys", "export", "alice", "--dir", "k", "--yes"])
        .env("VOSTRO_PASSWORD", "wrong")
        .output()
        .unwrap();
    assert_eq!((wrong.status.code(), out(&wrong)), (Some(1), String::new()));
    assert_eq!(err(&wrong).lines().count(), 1, "one sentence: {}", err(&wrong));
    assert!(err(&wrong).contains("wrong password"));
    let none = home.command(&["keys", "export", "alice", "--dir", "k", "--yes"]).env_remove("VOSTRO_PASSWORD").output();
    assert_eq!(none.unwrap().status.code(), Some(2), "no password and no terminal to ask on");
    let empty = home.command(&["keys", "new", "bob", "--dir", "k"]).env("VOSTRO_PASSWORD", "").output().unwrap();
    assert_eq!(empty.status.code(), Some(2));
    assert!(!Path::new(&home.path("k/bob.json")).exists());
}

#[test]
fn words_bring_a_key_back() {
    let home = Home::new();
    let made = home.json(&["keys", "new", "alice", "--dir", "k", "--insecure-plaintext"]);
    assert_eq!(made["encrypted"], false);
    let words = field(&home.json(&["keys", "export", "alice", "--dir", "k", "--yes", "--words"]), "words");
    assert_eq!(words.split(' ').count(), 24);
    std::fs::write(home.path("password"), "from a file\nsecond line\n").unwrap();
    let import = ["keys", "import", "again", "--dir", "k", "--password-file", "password", "--json"];
    let output = home.feed(&import, &format!("{words}\n"));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let again = one_json(&output);
    assert_eq!((&again["public"], &again["account"]), (&made["public"], &made["account"]));
    let opened = home.json(&["keys", "export", "again", "--dir", "k", "--yes", "--password-file", "password"]);
    let seed = field(&opened, "seed");
    assert_eq!(field(&home.json(&["keys", "export", "alice", "--dir", "k", "--yes"]), "seed"), seed);
    for bad in ["", "12", "abandon abandon"] {
        let output = home.feed(&["keys", "import", "bad", "--dir", "k"], bad);
        assert_eq!(output.status.code(), Some(1), "{bad:?}");
    }
    let sentence = home.fails(1, &["keys", "new", "../escape", "--dir", "k", "--insecure-plaintext"]);
    assert!(sentence.contains("a key's name"), "{sentence}");
}

fn plain_key(home: &Home, name: &str) -> Value {
    home.json(&["keys", "new", name, "--dir", "k", "--insecure-plaintext"])
}

#[test]
fn the_ceremony_makes_a_genesis_and_names_what_is_wrong() {
    let home = Home::new();
    for name in ["acme", "acme-vote", "acme-net", "fees", "gate", "two"] {
        plain_key(&home, name);
    }
    let made = home.json(&["genesis", "new", "--chain-id", "test-1", "--asset", "USD:2", "--asset", "CNY:2"]);
    assert_eq!((&made["complete"], &made["assets"]), (&Value::Bool(false), &Value::from(2)));
    let sentence = home.fails(1, &["genesis", "new", "--chain-id", "test-2", "--asset", "USD:2"]);
    assert!(sentence.contains("exists already"), "{sentence}");
    home.fails(1, &["genesis", "validate"]);

    let add = |verb: &str, rest: &[&str]| [&["genesis", verb, "--dir", "k"], rest].concat().join(" ");
    let good = |text: String| home.json(&text.split(' ').collect::<Vec<_>>());
    let bad = |text: String| home.fails(1, &text.split(' ').collect::<Vec<_>>());
    let validator = ["--name", "acme-1", "--platform", "acme", "--key", "acme-vote", "--network-key", "acme-net"];
    let before = std::fs::read_to_string(home.path("genesis.json")).unwrap();
    let sentence = bad(add("add-validator", &validator));
    assert!(sentence.contains("validators[0].platform"), "{sentence}");
    assert_eq!(std::fs::read_to_string(home.path("genesis.json")).unwrap(), before, "a refused change leaves the file");

    good(add("add-platform", &["--name", "acme", "--key", "acme"]));
    let sentence = bad(add("add-platform", &["--name", "acme", "--key", "two"]));
    assert!(sentence.contains("accounts[1].name") && sentence.contains("twice"), "{sentence}");
    good(add("add-validator", &validator));
    let sentence = bad(add("add-account", &["--name", "x", "--kind", "user", "--key", "two"]));
    assert!(sentence.contains("accounts[1].kind"), "{sentence}");
    let sentence = bad(add("add-account", &["--name", "x", "--kind", "gateway", "--key", &"00".repeat(32)]));
    assert!(sentence.contains("accounts[1].keys"), "{sentence}");
    good(add("add-account", &["--name", "fees", "--kind", "networkFee", "--key", "fees"]));
    let weighted = ["--name", "gate", "--kind", "gateway", "--key", "gate:2", "--key", "two", "--threshold", "3"];
    let last = good(add("add-account", &weighted));
    assert_eq!((&last["complete"], &last["validators"]), (&Value::Bool(true), &Value::from(1)));

    let hash = field(&home.json(&["genesis", "hash"]), "hash");
    assert_eq!(out(&home.run(&["genesis", "hash"])).trim(), hash);
    assert_eq!(field(&home.json(&["genesis", "validate"]), "hash"), hash);
    // spacing does not matter, meaning does
    let text = std::fs::read_to_string(home.path("genesis.json")).unwrap();
    std::fs::write(home.path("compact.json"), text.split_whitespace().collect::<String>()).unwrap();
    assert_eq!(field(&home.json(&["genesis", "hash", "-g", "compact.json"]), "hash"), hash);
    std::fs::write(home.path("other.json"), text.replace("test-1", "test-2")).unwrap();
    assert_ne!(field(&home.json(&["genesis", "hash", "-g", "other.json"]), "hash"), hash);
    std::fs::write(home.path("wrong.json"), text.replace("\"dayMs\"", "\"dayMS\"")).unwrap();
    let sentence = home.fails(1, &["genesis", "hash", "-g", "wrong.json"]);
    assert!(sentence.contains("dayMS"), "{sentence}");
    let sentence = home.fails(1, &["genesis", "hash", "-g", "nowhere.json"]);
    assert!(sentence.contains("nowhere.json"), "{sentence}");
}

#[test]
fn a_recipe_starts_a_genesis() {
    let home = Home::new();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../genesis/consortium.example.toml");
    let args = ["genesis", "new", "--recipe", recipe, "--out", "g.json", "--time", "2026-01-01T00:00:00Z"];
    let made = home.json(&args);
    assert_eq!(field(&made, "time"), "2026-01-01T00:00:00Z");
    assert!(made["missing"].as_array().unwrap().contains(&"validator acme-1".into()), "{made}");
    home.fails(2, &["genesis", "new", "--recipe", recipe, "--out", "h.json", "--time", "yesterday"]);
    std::fs::write(home.path("bad.toml"), "chainId = 1").unwrap();
    let sentence = home.fails(1, &["genesis", "new", "--recipe", "bad.toml", "--out", "h.json"]);
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    assert!(sentence.contains("chainId"), "{sentence}");
}

/// A chain of one platform, in `genesis.json`.
fn small_chain(home: &Home) {
    for name in ["acme", "acme-vote", "acme-net", "fees"] {
        plain_key(home, name);
    }
    home.json(&["genesis", "new", "--chain-id", "test-1", "--asset", "USD:2"]);
    home.json(&["genesis", "add-platform", "--dir", "k", "--name", "acme", "--key", "acme"]);
    home.json(&["genesis", "add-account", "--dir", "k", "--name", "fees", "--kind", "networkFee", "--key", "fees"]);
    let names = ["--name", "v", "--platform", "acme", "--key", "acme-vote", "--network-key", "acme-net"];
    home.json(&[&["genesis", "add-validator", "--dir", "k"][..], &names].concat());
}

#[test]
fn a_transaction_is_encoded_signed_and_decoded_without_a_node() {
    let home = Home::new();
    small_chain(&home);
    let account = |name: &str| field(&home.json(&["keys", "show", name, "--dir", "k"]), "account");
    let body = serde_json::json!({
        "sender": account("acme"),
        "validUntil": "2026-01-01T00:00:00.000Z",
        "salt": "7",
        "action": {"kind": "transfer", "to": account("fees"), "asset": "USD", "amount": "2.50", "memo": "0".repeat(64)},
    });
    std::fs::write(home.path("body.json"), body.to_string()).unwrap();
    let chain = ["--genesis", "genesis.json"];
    let encoded = home.json(&[&["tx", "encode", "body.json"][..], &chain].concat());
    let signed = home.json(&[&["tx", "sign", "body.json", "--key", "acme", "--dir", "k"][..], &chain].concat());
    assert_eq!(encoded["id"], signed["id"], "the id does not depend on signatures");
    // one length byte, then the domain tag "vostro/tx/1"
    assert!(field(&encoded, "signingBytes").starts_with("0b766f7374726f2f74782f31"), "{encoded}");
    let tx = field(&signed, "tx");
    let decoded = home.json(&[&["tx", "decode", &tx][..], &chain].concat());
    assert_eq!(decoded["signaturesValid"], true);
    assert_eq!(decoded["transaction"]["body"], body);
    assert!(decoded["words"][0].as_str().unwrap().contains("2.50 USD"), "{decoded}");
    // the JSON of the transaction goes back to the same bytes, and a second signer can be added to it
    std::fs::write(home.path("tx.json"), decoded["transaction"].to_string()).unwrap();
    assert_eq!(field(&home.json(&[&["tx", "encode", "tx.json"][..], &chain].concat()), "tx"), tx);
    let both = home.json(&[&["tx", "sign", "tx.json", "--key", "fees", "--dir", "k"][..], &chain].concat());
    assert_eq!(both["id"], signed["id"]);
    let both = home.json(&[&["tx", "decode", &field(&both, "tx")][..], &chain].concat());
    assert_eq!(both["transaction"]["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(both["signaturesValid"], true);

    let offline = home.json(&["tx", "decode", &tx, "--offline"]);
    assert!(offline["transaction"].get("id").is_none(), "without the chain there is no id");
    let piped = home.feed(&["tx", "decode", "-", "--offline"], &format!("{tx}\n"));
    assert_eq!(piped.status.code(), Some(0), "{}", err(&piped));
    // only the transaction goes to a pipe; what it says goes beside it
    let output = home.run(&[&["tx", "sign", "body.json", "--key", "acme", "--dir", "k"][..], &chain].concat());
    assert_eq!(out(&output).trim(), tx);
    assert!(err(&output).contains("2.50 USD"));

    for bad in ["!!!!", "AAAA", &tx[..tx.len() - 4]] {
        let sentence = home.fails(1, &["tx", "decode", bad, "--offline"]);
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
    let wrong = body.to_string().replace("2.50", "2.505");
    std::fs::write(home.path("wrong.json"), wrong).unwrap();
    let sentence = home.fails(1, &[&["tx", "encode", "wrong.json"][..], &chain].concat());
    assert!(sentence.contains("amount"), "{sentence}");
}

#[test]
fn a_maker_signs_a_quote_and_a_taker_adds_co_signatures() {
    let home = Home::new();
    small_chain(&home);
    let account = |name: &str| field(&home.json(&["keys", "show", name, "--dir", "k"]), "account");
    let quote = serde_json::json!({
        "maker": account("fees"),
        "quoteId": "q-1",
        "givesAsset": "USD",
        "gives": "2.50",
        "takesAsset": "USD",
        "takes": "3.00",
        "spread": "0.01",
        "spreadTo": account("acme"),
        "expires": "2026-01-01T00:00:00.000Z",
    });
    std::fs::write(home.path("quote.json"), quote.to_string()).unwrap();
    let chain = ["--dir", "k", "--genesis", "genesis.json"];
    let convert = home.json(&[&["tx", "quote", "quote.json", "--key", "fees"][..], &chain].concat());
    assert_eq!((&convert["kind"], &convert["quote"]), (&"fxConvert".into(), &quote));
    // a second key of the maker signs what the first made
    std::fs::write(home.path("convert.json"), convert.to_string()).unwrap();
    let both = home.json(&[&["tx", "quote", "convert.json", "--key", "acme-net"][..], &chain].concat());
    assert_eq!(both["signatures"].as_array().unwrap().len(), 2);

    let body = serde_json::json!({
        "sender": account("acme"),
        "validUntil": "2026-01-01T00:00:00.000Z",
        "salt": "7",
        "action": both,
    });
    std::fs::write(home.path("body.json"), body.to_string()).unwrap();
    let sign = ["tx", "sign", "body.json", "--key", "acme", "--cosign", "acme-vote", "--cosign", "fees"];
    let signed = home.json(&[&sign[..], &chain].concat());
    assert!(signed["words"][0].as_str().unwrap().contains("gives 3.00 USD"), "{signed}");
    let decoded = home.json(&["tx", "decode", &field(&signed, "tx"), "--genesis", "genesis.json"]);
    assert_eq!((&decoded["signaturesValid"], &decoded["transaction"]["body"]), (&true.into(), &body));
    assert_eq!(decoded["transaction"]["signatures"].as_array().unwrap().len(), 3);

    let mut forged = body.clone();
    forged["action"]["quote"]["gives"] = "2.51".into();
    std::fs::write(home.path("body.json"), forged.to_string()).unwrap();
    let signed = home.json(&[&sign[..], &chain].concat());
    let decoded = home.json(&["tx", "decode", &field(&signed, "tx"), "--genesis", "genesis.json"]);
    assert_eq!(decoded["signaturesValid"], false, "a changed quote is not its maker's");

    std::fs::write(home.path("bad.json"), quote.to_string().replace("2.50", "2.505")).unwrap();
    let sentence = home.fails(1, &[&["tx", "quote", "bad.json", "--key", "fees"][..], &chain].concat());
    assert!(sentence.contains("gives"), "{sentence}");
}

#[test]
fn the_wallets_verbs_check_what_they_are_given() {
    let home = Home::new();
    plain_key(&home, "me");
    let node = ["--key", "me", "--dir", "k", "--rpc", "http://127.0.0.1:9"];
    let order = ["--platform", "northwind", "--order", "A-1"];
    for args in [
        [&["wallet", "capture", "--amount", "1.00"][..], &order].concat(),
        [&["wallet", "void"][..], &order].concat(),
        [&["wallet", "dispute", "--reason", "late", "--evidence", &"00".repeat(32)][..], &order].concat(),
        vec!["wallet", "mandate", "cancel", "--mandate", "club"],
        vec!["wallet", "htlc", "claim", "--owner", "bank", "--id", "x", "--preimage", &"00".repeat(32)],
        vec!["wallet", "htlc", "refund", "--id", "x"],
        vec!["wallet", "set-keys", "--new-key", "me:2", "--threshold", "2"],
        vec!["wallet", "account", "open", "--new-key", "me"],
        vec!["wallet", "account", "status", "--of", "b", "--status", "debitFrozen", "--reason", "x"],
        vec!["wallet", "account", "tier", "--of", "b", "--tier", "2", "--attestation", &"00".repeat(32)],
        vec!["wallet", "plan", "--plan", "p", "--leg", "creator=70%", "--leg", "host=30%/none"],
        vec![
            "wallet",
            "item",
            "--item",
            "i",
            "--least",
            "1",
            "--most",
            "2",
            "--plan",
            "p",
            "--creator",
            "c",
            "--scope",
            "s",
        ],
        vec!["wallet", "charge", "--payer", "b", "--mandate", "m", "--order", "o", "--total", "1"],
        [&["wallet", "consume", "--from", "0", "--units", "1"][..], &order].concat(),
        vec!["wallet", "archive", "A-1", "A-2"],
        vec![
            "wallet",
            "campaign",
            "create",
            "--campaign",
            "c",
            "--budget",
            "9",
            "--rate",
            "5%",
            "--cap",
            "1",
            "--for",
            "1d",
        ],
        vec!["wallet", "campaign", "issue", "--campaign", "c", "--serial", "s"],
        vec!["wallet", "campaign", "end", "--campaign", "c"],
        vec!["wallet", "collateral", "lock", "--amount", "1"],
        vec!["wallet", "collateral", "unlock", "--amount", "1"],
        vec!["wallet", "fund", "contribute", "--amount", "1"],
        vec!["wallet", "fund", "release", "--amount", "1"],
        vec!["wallet", "window", "close", "--window", "1"],
        vec!["wallet", "window", "settle", "--window", "1"],
        vec!["wallet", "deposit", "--channel", "c", "--reference", "r", "--to", "b", "--amount", "1"],
        vec!["wallet", "payout", "--owner", "b", "--id", "w", "--reference", "r", "--failed"],
        [&["wallet", "resolve", "--refund", "60%", "--reason", "x"][..], &order].concat(),
        vec!["wallet", "anchor", "--channel", "c", "--period", "p", "--root", &"00".repeat(32)],
        vec!["wallet", "propose", "--proposal", "x", "--parameter", "dayMs", "--value", "1", "--from-height", "9"],
        vec!["wallet", "approve", "--proposer", "n", "--proposal", "x"],
    ] {
        let sentence = home.fails(1, &[&args[..], &node].concat());
        assert!(sentence.contains("127.0.0.1:9"), "{args:?}: {sentence}");
    }
    let purchase = ["--origin", "n", "--order", "A-1", "--host", "h", "--item", "i", "--total", "1.00"];
    for (args, part) in [
        ([&["wallet", "pay", "--mode", "hold"][..], &purchase].concat(), "--mode is instant"),
        ([&["wallet", "hold", "--fee-bearer", "me"][..], &purchase].concat(), "--fee-bearer is payer"),
        (vec!["wallet", "htlc", "lock", "--id", "x", "--to", "b", "--amount", "1", "--for", "soon"], "a span is"),
        (vec!["wallet", "htlc", "claim", "--owner", "b", "--id", "x", "--preimage", "00"], "--preimage"),
        (vec!["wallet", "account", "status", "--of", "b", "--status", "shut", "--reason", "x"], "--status is active"),
        (vec!["wallet", "account", "open", "--kind", "bank", "--new-key", "me"], "--kind is user"),
        (vec!["wallet", "plan", "--plan", "p", "--leg", "creator=70"], "a leg is"),
        (vec!["wallet", "item", "--item", "i", "--plan", "p", "--creator", "c", "--scope", "s"], "--price"),
        (
            vec!["wallet", "campaign", "create", "--campaign", "c", "--budget", "9", "--rate", "5%", "--for", "1d"],
            "--cap",
        ),
        ([&["wallet", "resolve", "--refund", "60", "--reason", "x"][..], &order].concat(), "a share is"),
        (
            vec!["wallet", "propose", "--proposal", "x", "--parameter", "day", "--value", "1", "--from-height", "9"],
            "no parameter",
        ),
    ] {
        let sentence = home.fails(2, &[&args[..], &node].concat());
        assert!(sentence.contains(part), "{args:?}: {sentence}");
    }
    let sentence = home.fails(1, &[&["wallet", "set-keys", "--new-key", "me", "--threshold", "2"][..], &node].concat());
    assert!(sentence.contains("new keys"), "{sentence}");
}

#[test]
fn no_node_is_one_sentence_on_standard_error() {
    let home = Home::new();
    plain_key(&home, "me");
    std::fs::write(home.path("book.json"), "{}").unwrap();
    let rpc = ["--rpc", "http://127.0.0.1:9"];
    for args in [
        &["query", "status"][..],
        &["wallet", "balance", "--key", "me", "--dir", "k"],
        &["tx", "status", &"00".repeat(32)],
        &["query", "order", "northwind", "cd-1", "--json"],
    ] {
        let sentence = home.fails(1, &[args, &rpc].concat());
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        assert!(sentence.starts_with("error: ") && sentence.contains("127.0.0.1:9"), "{sentence}");
    }
    let sentence = home.fails(1, &["query", "status", "--rpc", "ftp://x"]);
    assert!(sentence.contains("http://"), "{sentence}");
    let sentence = home.fails(1, &[&["orders", "import", "x.csv", "--book", "book.json"][..], &rpc].concat());
    assert!(sentence.contains("book.json is not a key file"), "{sentence}");
}

#[test]
fn logs_go_to_standard_error_without_colours() {
    let home = Home::new();
    let args = ["query", "status", "--rpc", "http://127.0.0.1:9"];
    let output = home.command(&args).env("RUST_LOG", "trace").env("NO_COLOR", "1").output().unwrap();
    assert_eq!(out(&output), "");
    assert!(!err(&output).contains('\u{1b}'), "{}", err(&output));
    let output = home.command(&["version", "--json"]).env("RUST_LOG", "trace").output().unwrap();
    one_json(&output);
}
