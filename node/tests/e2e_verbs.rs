//! A network made by hand, as an operator makes it: keys, ceremony, homes, nodes, and a payment through the wallet.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vostro_client::Client;

use e2e::{Process, Ran, block_on, free_ports, http_get, run, until};

/// The promise for the end of a node.
const CLEAN_END: Duration = Duration::from_secs(10);

/// Where an operator works.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a verb with `--json`; words that begin with `@` are files of this desk.
    fn run(&self, words: &str) -> Ran {
        let word = |w: &str| w.strip_prefix('@').map_or_else(|| w.to_string(), |name| self.text(name));
        run(words.split_whitespace().map(word).chain(["--json".to_string()]))
    }

    fn json(&self, words: &str) -> Value {
        self.run(words).json()
    }

    fn start(&self, home: &str) -> Process {
        Process::start(self.dir.path(), ["start", "--json", "--home", &self.text(home)])
    }
}

/// Changes a home's settings.
fn configure(home: &Path, change: impl FnOnce(&mut toml::Table)) {
    let config = home.join("config/config.toml");
    let mut settings: toml::Table = fs::read_to_string(&config).unwrap().parse().unwrap();
    change(&mut settings);
    fs::write(&config, settings.to_string()).unwrap();
}

/// Puts a home on ports of its own and gives the addresses: peers, RPC, metrics.
fn assign_ports(home: &Path) -> (String, String, String) {
    let base = free_ports(3);
    let p2p = format!("/ip4/127.0.0.1/tcp/{base}");
    let (rpc, metrics) = (format!("127.0.0.1:{}", base + 1), format!("127.0.0.1:{}", base + 2));
    configure(home, |settings| {
        settings["network"]["listen"] = vec![p2p.clone()].into();
        settings["rpc"]["listen"] = rpc.clone().into();
        settings["metrics"]["listen"] = metrics.clone().into();
    });
    (p2p, format!("http://{rpc}"), format!("http://{metrics}/metrics"))
}

/// Allows a peer in a home's settings and says where it is.
fn add_peer(home: &Path, name: &str, network_key: Option<&str>, address: Option<&str>) {
    let mut peer = toml::Table::new();
    peer.insert("name".into(), name.into());
    peer.insert("addresses".into(), address.map(toml::Value::from).into_iter().collect::<Vec<_>>().into());
    if let Some(key) = network_key {
        peer.insert("network_key".into(), key.into());
    }
    configure(home, |settings| settings["network"]["peers"] = vec![toml::Value::from(peer)].into());
}

#[test]
fn a_network_made_by_hand_settles_a_transfer_and_ends_cleanly() {
    let desk = Desk { dir: tempfile::tempdir().unwrap() };
    // Keys: the platform's under a password, the others throw-away.
    fs::write(desk.path("password"), "correct horse battery staple\n").unwrap();
    let acme = desk.json("keys new acme --dir @keys --password-file @password");
    assert_eq!(acme["encrypted"], json!(true));
    let names = ["birch", "bank", "fees", "risk", "acme-validator", "acme-network", "watch-network"];
    for name in names {
        desk.json(&format!("keys new {name} --dir @keys --insecure-plaintext"));
    }
    assert_eq!(desk.json("keys list --dir @keys").as_array().unwrap().len(), names.len() + 1);
    let key_file = fs::read_to_string(desk.path("keys/acme.json")).unwrap();
    assert!(!key_file.contains("correct horse"));

    // The ceremony.
    let draft = desk.json("genesis new --chain-id by-hand-1 --asset USD:2 --out @genesis.json");
    assert_eq!((&draft["complete"], &draft["accounts"]), (&json!(false), &json!(0)));
    assert!(desk.run("genesis validate --genesis @genesis.json").sentence().contains("genesis"));
    for line in [
        "add-platform --name acme --key acme",
        "add-platform --name birch --key birch",
        "add-account --name bank --kind gateway --key bank",
        "add-account --name fees --kind networkFee --key fees",
        "add-account --name risk --kind suspense --key risk --risk",
        "add-validator --name acme-1 --platform acme --key acme-validator --network-key acme-network",
    ] {
        desk.json(&format!("genesis {line} --genesis @genesis.json --dir @keys"));
    }
    let twice = desk.run("genesis add-platform --name acme --key birch --genesis @genesis.json --dir @keys");
    assert!(twice.sentence().contains("accounts["), "{}", twice.stderr);
    let whole = desk.json("genesis validate --genesis @genesis.json");
    assert_eq!((&whole["complete"], &whole["validators"]), (&json!(true), &json!(1)));
    let hash = desk.json("genesis hash --genesis @genesis.json")["hash"].as_str().unwrap().to_string();
    assert_eq!(whole["hash"], json!(hash));

    // Homes: a validator and an observer.
    let made = desk.json(
        "init --home @one --genesis @genesis.json --validator-key @keys/acme-validator.json \
         --network-key @keys/acme-network.json",
    );
    assert_eq!((&made["role"], &made["genesisHash"]), (&json!("validator"), &json!(hash)));
    let again = desk.run("init --home @one --genesis @genesis.json --network-key @keys/acme-network.json");
    assert!(again.sentence().contains("exists"), "{}", again.stderr);
    let made = desk.json("init --home @two --genesis @genesis.json --network-key @keys/watch-network.json");
    assert_eq!(made["role"], json!("observer"));
    let wrong = desk.run(
        "init --home @three --genesis @genesis.json --validator-key @keys/birch.json \
         --network-key @keys/acme-network.json",
    );
    assert!(wrong.sentence().contains("no validator"), "{}", wrong.stderr);
    assert!(!desk.path("three").exists());

    let (p2p, rpc, metrics) = assign_ports(&desk.path("one"));
    let (_, watch_rpc, _) = assign_ports(&desk.path("two"));
    let watch_key = desk.json("keys show watch-network --dir @keys")["public"].as_str().unwrap().to_string();
    add_peer(&desk.path("one"), "watch", Some(&watch_key), None);
    add_peer(&desk.path("two"), "acme-1", None, Some(&p2p));
    let mut one = desk.start("one");
    let serving = one.line();
    assert_eq!(serving["rpc"], json!(format!("{rpc}/rpc")));
    assert_eq!(serving["metrics"], json!(metrics));
    let mut two = desk.start("two");
    two.line();
    let client = Client::new(&rpc).unwrap();
    until("the validator to be ready", || block_on(client.is_ready()).then_some(()));
    assert!(http_get(&format!("{rpc}/livez")).starts_with("HTTP/1.1 200"));

    // Money comes in through the gateway, by a program's verbs.
    let bank = desk.json("keys show bank --dir @keys")["account"].as_str().unwrap().to_string();
    let account = acme["account"].as_str().unwrap().to_string();
    let valid_until = vostro_node::cli::genesis::rfc3339(vostro_node::host::wall_time().0 + 600_000);
    let body = json!({
        "sender": bank, "validUntil": valid_until, "salt": "7",
        "action": { "kind": "deposit", "channel": "bank", "channelRef": "slip-1", "to": account, "asset": "USD",
                    "amount": "100.00" }
    });
    fs::write(desk.path("deposit.json"), body.to_string()).unwrap();
    let signed = desk.json("tx sign @deposit.json --key bank --dir @keys --genesis @genesis.json");
    assert!(signed["words"][0].as_str().unwrap().contains("100.00"), "{signed}");
    let tx = signed["tx"].as_str().unwrap();
    let decoded = desk.json(&format!("tx decode {tx} --genesis @genesis.json"));
    assert_eq!((&decoded["signaturesValid"], &decoded["words"]), (&json!(true), &signed["words"]));
    let receipt = desk.json(&format!("tx submit {tx} --wait 60 --rpc {rpc} --chain {hash}"));
    assert_eq!((&receipt["status"], &receipt["id"]), (&json!("settled"), &signed["id"]));
    let id = signed["id"].as_str().unwrap().to_string();
    assert_eq!(desk.json(&format!("tx submit {tx} --rpc {rpc}"))["status"], json!("settled"));
    assert_eq!(desk.json(&format!("tx status {id} --rpc {rpc}"))["status"], json!("settled"));

    // And a person pays another.
    let signer = "--key acme --dir @keys --password-file @password";
    let paid = desk.json(&format!("wallet transfer --rpc {rpc} {signer} --to birch --amount 12.34 --memo lunch"));
    assert_eq!(paid["status"], json!("settled"), "{paid}");
    let balance = desk.json(&format!("wallet balance --rpc {rpc} {signer}"));
    assert_eq!((&balance["id"], &balance["name"]), (&json!(account), &json!("acme")));
    assert_eq!(balance["balances"][0]["available"], json!("87.66"));
    let history = desk.json(&format!("wallet history --rpc {rpc} {signer}"));
    assert_eq!(history["entries"].as_array().unwrap().len(), 2, "{history}");
    let refused = desk.run(&format!("wallet transfer --rpc {rpc} {signer} --to birch --amount 87.67"));
    assert!(refused.sentence().contains("301"), "{}", refused.stderr);
    let wrong = desk.run(&format!("query status --rpc {rpc} --chain {}", "0".repeat(64)));
    assert!(wrong.sentence().contains(&hash), "{}", wrong.stderr);
    assert_eq!(desk.run("query status --rpc ftp://nowhere").status.code(), Some(1));
    assert_eq!(desk.run("query nonsense").status.code(), Some(2));

    // Reads, with proofs, from both nodes: the observer follows.
    let status = desk.json(&format!("query status --rpc {rpc}"));
    let (height, root) = (status["height"].as_u64().unwrap(), &status["stateRoot"]);
    assert!(height >= 2, "{status}");
    assert_eq!((&status["validators"], &status["validatorsOnline"]), (&json!(1), &json!(1)));
    let watcher = Client::new(&watch_rpc).unwrap();
    until("the observer to catch up", || e2e::status(&watcher).filter(|s| s.height >= height));
    let birch = desk.json(&format!("query account birch --rpc {watch_rpc}"));
    assert_eq!(birch["balances"][0]["available"], json!("12.34"));
    let proved = desk.json(&format!("query tx {id} --prove --rpc {watch_rpc} --chain {hash}"));
    assert_eq!((&proved["proofVerified"], &proved["tx"]["status"]), (&json!(true), &json!("settled")), "{proved}");
    let proved = desk.json(&format!("query account birch --prove --rpc {watch_rpc} --chain {hash}"));
    assert_eq!(proved["proofVerified"], json!(true), "{proved}");
    desk.json(&format!("query block {height} --prove --rpc {watch_rpc}"));
    assert_eq!(block_on(watcher.node_info()).unwrap().role, "observer");
    assert_eq!(desk.json(&format!("query validators --rpc {watch_rpc}"))["validators"][0]["name"], json!("acme-1"));
    let params = desk.json(&format!("query params --rpc {rpc}"));
    assert!(params.to_string().contains("dayMs"), "{params}");
    // what was given to the observer reaches the validator
    let through = desk.json(&format!("wallet transfer --rpc {watch_rpc} {signer} --to birch --amount 1.00 --wait 60"));
    assert_eq!(through["status"], json!("settled"));

    for node in [&mut one, &mut two] {
        node.signal("TERM");
        assert_eq!(node.wait(CLEAN_END).code(), Some(0), "{}", node.stderr());
    }
    for home in ["one", "two"] {
        let audit = desk.json(&format!("audit --home @{home}"));
        assert_eq!(audit["clean"], json!(true), "{audit}");
    }
    // the same chain goes on
    let mut one = desk.start("one");
    one.line();
    let status = desk.json(&format!("query status --rpc {rpc}"));
    assert!(status["height"].as_u64().unwrap() > height);
    assert_ne!(&status["stateRoot"], root);
    let birch = desk.json(&format!("query account birch --rpc {rpc}"));
    assert_eq!(birch["balances"][0]["available"], json!("13.34"));
    one.signal("INT");
    assert_eq!(one.wait(CLEAN_END).code(), Some(0), "{}", one.stderr());
}
