//! `bench network` end to end: real validators, real clients, every profile, with tiny numbers.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::collections::BTreeSet;

use serde_json::Value;

use e2e::{Ran, free_ports, run, until};

/// Ports that four validators take.
const PORTS: u16 = 40;
const PARTS: [&str; 10] =
    ["verify", "admit", "execute", "stateRoot", "consensus", "log", "store", "network", "rpc", "unaccounted"];

/// Runs it, on other ports if somebody else took these in the meantime.
fn bench(words: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    let ran: Ran = until("free ports for a benchmark", || {
        let port = free_ports(PORTS).to_string();
        let fixed = ["bench", "network", "--json", "--base-port", &port, "--dir", files.to_str().unwrap()];
        let ran = run(fixed.into_iter().chain(words.split_whitespace()).map(str::to_string));
        (!ran.stderr.contains("in use")).then_some(ran)
    });
    let report = ran.ok().json();
    assert!(!files.exists(), "nothing is left behind");
    report
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number {path} in {report}"))
}

fn check(report: &Value, payments: u64) {
    assert_eq!((report["payments"].as_u64(), report["settled"].as_u64()), (Some(payments), Some(payments)), "{report}");
    for path in [
        "/paymentsPerS",
        "/cpuUsPerPaymentPerValidator",
        "/verifyUsPerSignature",
        "/cpuToVerify",
        "/finalityMs/p50",
        "/finalityMs/p99",
        "/finalitySamples",
        "/blocks",
        "/rssMb",
        "/durationS",
        "/payloadBytes",
        "/machine/processors",
    ] {
        assert!(number(report, path) > 0.0, "{path} in {report}");
    }
    let shares = report["shares"].as_object().unwrap();
    assert_eq!(shares.keys().map(String::as_str).collect::<BTreeSet<_>>(), PARTS.into());
    let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
    assert!((sum - 100.0).abs() < 0.2, "shares sum to {sum}: {report}");
    assert!(number(report, "/shares/verify") > 0.0 && number(report, "/shares/store") > 0.0, "{report}");
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 4);
    assert!(nodes.iter().all(|n| n["stateRoot"] == nodes[0]["stateRoot"]));
}

#[test]
fn payments_of_distinct_payers_are_settled_and_accounted_for() {
    let report = bench("--validators 4 --payments 200 --accounts 100 --chunk 20");
    check(&report, 200);
    assert_eq!(report["profile"], "standard");
}

#[test]
fn a_fixed_load_over_a_delayed_network_reports_latency() {
    let report = bench("--payments 60 --accounts 20 --rate 100 --delay-ms 5 --profile flash");
    check(&report, 60);
    // Proposal, prepare and commit follow one another, each held back for 5 ms.
    assert!(number(&report, "/finalityMs/p50") >= 15.0, "{report}");
    assert_eq!((number(&report, "/rate"), number(&report, "/delayMs")), (100.0, 5.0));
}

#[test]
fn refunds_and_maturing_orders_are_workloads_too() {
    let report = bench("--payments 80 --accounts 20 --chunk 10 --profile refund");
    check(&report, 80);
    let report = bench("--payments 80 --accounts 20 --chunk 10 --profile maturity");
    check(&report, 80);
}

#[test]
fn a_validator_that_was_down_comes_back() {
    let report = bench("--payments 80 --accounts 20 --chunk 10 --profile catch-up");
    check(&report, 80);
    for path in ["/catchUp/durationS", "/catchUp/paymentsPerS", "/catchUp/timesLive"] {
        assert!(number(&report, path) > 0.0, "{path} in {report}");
    }
}
