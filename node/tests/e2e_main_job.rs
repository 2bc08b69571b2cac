//! The main job end to end: four processes settle an order file with good and bad rows; starts, stops and repeats.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use vostro_types::{Height, Label};

use e2e::{HEADER, Net, Row, alive, available, block_on, dollars, earned, rows, sample, until};

/// The network's own promise for a clean end is ten seconds a node.
const CLEAN_END: Duration = Duration::from_secs(15);

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// Bad lines with the code each is refused with.
fn bad_lines(first: &str, third: &str) -> Vec<(String, &'static str)> {
    let conflicting = first.replace(",northwind,", ",quill,");
    assert_ne!(conflicting, first);
    let line = |id: &str, origin: &str, asset: &str, amount: &str, mode: &str| {
        format!("{id},1997-01-01,c00004,{origin},harbor,creator-001,cds-1,{asset},{amount},{mode}")
    };
    vec![
        (line("bad-zero", "northwind", "USD", "0.00", "instant"), "201"),
        (line("bad-negative", "northwind", "USD", "-3.00", "instant"), "201"),
        (line("bad-number", "northwind", "USD", "three", "instant"), "108"),
        (line("bad-huge", "northwind", "USD", "99999999999999999999", "instant"), "202"),
        (line("bad-platform", "nowhere", "USD", "3.00", "instant"), "401"),
        (line("bad-asset", "northwind", "XYZ", "3.00", "instant"), "203"),
        (line("bad-mode", "northwind", "USD", "3.00", "tomorrow"), "108"),
        (third.to_string(), "104"),
        (conflicting, "502"),
        (String::new(), "108"),
        ("only,three,columns".to_string(), "108"),
        ("\"quote,1997-01-01".to_string(), "108"),
    ]
}

/// Good rows with bad ones among them: the file, the good rows, and the refused lines with their codes.
fn mixed_file() -> (String, Vec<Row>, BTreeMap<u64, &'static str>) {
    let good = sample(240, |line| !line.contains(",0.00,"));
    let good_lines: Vec<&str> = good.lines().skip(1).collect();
    let mut lines: Vec<String> = good_lines.iter().map(|l| (*l).to_string()).collect();
    let mut bad = BTreeMap::new();
    for (at, (text, code)) in bad_lines(good_lines[0], good_lines[2]).into_iter().enumerate() {
        let place = 20 + at * 15;
        lines.insert(place, text);
        bad.insert(place as u64 + 2, code);
    }
    (format!("{HEADER}\n{}\n", lines.join("\n")), rows(&good), bad)
}

/// The shape that INTERFACES fixes for the line at the end.
fn check_summary(summary: &Value, rows: usize, good: &[Row], bad: &BTreeMap<u64, &'static str>) {
    let fields = "validators rows accepted rejected acceptedTotal byState height stateRoot elapsedS paymentsPerS \
                  finalityMs nodes";
    assert_eq!(keys(summary), fields.split_whitespace().collect(), "{summary}");
    let mut rejected: BTreeMap<&str, u64> = BTreeMap::new();
    for code in bad.values() {
        *rejected.entry(*code).or_default() += 1;
    }
    let total = dollars(good.iter().map(|r| r.cents).sum());
    assert_eq!(summary["validators"], json!(4));
    assert_eq!(summary["rows"], json!(rows));
    assert_eq!(summary["accepted"], json!(good.len()));
    assert_eq!(summary["rejected"], json!(rejected));
    assert_eq!(summary["acceptedTotal"], json!({ "USD": total }));
    assert_eq!(summary["byState"], json!({ "SETTLED": { "orders": good.len(), "USD": total } }));
    assert!(summary["elapsedS"].as_f64().unwrap() > 0.0);
    assert_eq!(keys(&summary["finalityMs"]), ["p50", "p99"].into());
    let nodes = summary["nodes"].as_array().unwrap();
    let names: Vec<&str> = nodes.iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["northwind", "lantern", "quill", "harbor"]);
    for node in nodes {
        assert_eq!(keys(node), ["name", "height", "stateRoot", "cpuS", "rssMb"].into());
        assert_eq!((&node["height"], &node["stateRoot"]), (&summary["height"], &summary["stateRoot"]));
        assert!(node["rssMb"].as_f64().unwrap() > 0.0, "{node}");
    }
    assert!(summary["height"].as_u64().unwrap() > 0);
    assert_eq!(summary["stateRoot"].as_str().unwrap().len(), 64);
}

/// Every good order is settled and placed once; everybody has what the file says.
fn check_ledger(net: &Net, good: &[Row]) {
    let accounts = net.accounts();
    let names: BTreeSet<(String, String)> = good
        .iter()
        .flat_map(|r| [("user", &r.buyer), ("creator", &r.creator), ("platform", &r.origin), ("platform", &r.host)])
        .map(|(kind, name)| (kind.to_string(), name.clone()))
        .collect();
    assert_eq!(accounts.keys().cloned().collect::<BTreeSet<_>>(), names, "accounts.csv");
    for at in [0, 2] {
        let client = net.client(at);
        for (who, sum) in earned(good) {
            assert_eq!(available(&client, &accounts[&who]), sum, "{who:?} on node {at}");
        }
    }
    let client = net.client(1);
    for row in good {
        let order = block_on(client.order(&row.origin, &Label::new(row.id.as_str()).unwrap())).unwrap();
        assert_eq!((order.state.as_str(), order.mode.as_str()), ("SETTLED", row.mode.as_str()), "{}", row.id);
    }
    // payments that took effect, counted in the blocks
    let mut placed: BTreeMap<String, u64> = BTreeMap::new();
    let tip = block_on(client.status()).unwrap().height;
    for height in 1..=tip {
        let block = serde_json::to_value(block_on(client.block(Height(height))).unwrap()).unwrap();
        for executed in block["transactions"].as_array().unwrap() {
            if executed["receipt"]["outcome"]["kind"] == "applied" {
                for event in executed["receipt"]["events"].as_array().unwrap() {
                    if event["kind"] == "orderMoved" && event["from"].is_null() {
                        *placed.entry(event["order"]["orderId"].as_str().unwrap().to_string()).or_default() += 1;
                    }
                }
            }
        }
    }
    let once: BTreeMap<String, u64> = good.iter().map(|r| (r.id.clone(), 1)).collect();
    assert_eq!(placed, once);
}

#[test]
fn good_rows_settle_bad_rows_are_named_and_a_second_run_changes_nothing() {
    let (file, good, bad) = mixed_file();
    let net = Net::new(4, &file);
    let first = net.settle();
    check_summary(&first, good.len() + bad.len(), &good, &bad);
    assert!(first["paymentsPerS"].as_f64().unwrap() > 0.0);
    assert!(first["finalityMs"]["p50"].as_f64().unwrap() > 0.0);
    let pids: Vec<u32> = net.file().nodes.iter().map(|n| n.pid).collect();
    for node in net.file().nodes {
        assert!(!alive(node.pid, &node.home), "{} outlived its devnet", node.name);
    }

    let text = std::fs::read_to_string(net.dir().join("devnet.json")).unwrap();
    let listed: Value = serde_json::from_str(&text).unwrap();
    for node in listed["nodes"].as_array().unwrap() {
        assert_eq!(keys(node), ["name", "home", "pid", "rpc", "p2p", "metrics", "peerId"].into());
        assert!(std::path::Path::new(node["home"].as_str().unwrap()).join("config/config.toml").exists());
    }

    let mut again = net.up();
    let second = again.line();
    check_summary(&second, good.len() + bad.len(), &good, &bad);
    assert!(second["height"].as_u64() >= first["height"].as_u64(), "{second}");
    assert_ne!(pids, net.file().nodes.iter().map(|n| n.pid).collect::<Vec<_>>());
    check_ledger(&net, &good);

    let third = net.import();
    assert_eq!((&third["accepted"], &third["alreadyThere"]), (&json!(good.len()), &json!(good.len())), "{third}");
    assert_eq!(third["mismatches"], json!([]));
    let refused: BTreeMap<u64, String> = third["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["line"].as_u64().unwrap(), r["code"].to_string()))
        .collect();
    assert_eq!(refused, bad.iter().map(|(line, code)| (*line, code.to_string())).collect());
    check_ledger(&net, &good);

    again.signal("INT");
    assert!(again.wait(CLEAN_END).success(), "{}", again.stderr());
    net.gone();
    net.audit();
}

#[test]
fn every_way_to_end_a_devnet_ends_its_nodes_and_the_chain_goes_on() {
    let file = sample(200, |line| line.ends_with("instant") && !line.contains(",0.00,"));
    let good = rows(&file);
    let net = Net::new(4, &file);
    let total = json!({ "SETTLED": { "orders": good.len(), "USD": dollars(good.iter().map(|r| r.cents).sum()) } });

    // Ctrl-C while the orders are being settled
    let mut devnet = net.up();
    let client = net.client(0);
    until("the first block", || e2e::status(&client).filter(|s| s.height >= 1));
    devnet.signal("INT");
    assert_eq!(devnet.wait(CLEAN_END).code(), Some(0), "{}", devnet.stderr());
    net.gone();
    let genesis = net.file().genesis_hash;

    // SIGTERM once they are
    let mut devnet = net.up();
    assert_eq!(devnet.line()["byState"], total);
    devnet.signal("TERM");
    assert_eq!(devnet.wait(CLEAN_END).code(), Some(0), "{}", devnet.stderr());
    net.gone();

    // no chance to say goodbye
    let mut devnet = net.up();
    assert_eq!(devnet.line()["byState"], total);
    devnet.kill();
    net.gone();

    // a node that is asked by itself ends alone, and the others go on
    let mut devnet = net.up();
    let last = devnet.line();
    assert_eq!(last["byState"], total);
    let node = net.node(3);
    e2e::signal(node.pid, "TERM");
    until("the node to end", || (!alive(node.pid, &node.home)).then_some(()));
    let height = block_on(client.status()).unwrap().height;
    until("a block without it", || e2e::status(&net.client(0)).filter(|s| s.height > height));
    devnet.signal("TERM");
    assert_eq!(devnet.wait(CLEAN_END).code(), Some(0), "{}", devnet.stderr());
    net.gone();
    assert_eq!(net.file().genesis_hash, genesis);
    net.audit();
}
