//! Crashes under load: one node, all nodes, the primary. Nothing that was acknowledged is lost, and the chain goes on.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use vostro_client::api::receipt::{OutcomeJson, ReceiptJson};
use vostro_client::{Chain, Client, Draft, Signed};
use vostro_node::keystore::own_account;
use vostro_types::transaction::{Deposit, Transfer};
use vostro_types::{AccountKind, Action, Hash, Height, Label, SecretKey};

use e2e::{Net, Process, Row, available, block_on, cents, dollars, earned, metric, rows, sample, until};

/// Orders that settle by themselves, enough that an import can be disturbed.
fn many_orders(rows: usize) -> String {
    sample(rows, |line| !line.ends_with("t+1") && !line.contains(",0.00,"))
}

fn all_settled(good: &[Row]) -> Value {
    let total = dollars(good.iter().map(|r| r.cents).sum());
    json!({ "SETTLED": { "orders": good.len(), "USD": total } })
}

/// Waits until the import has placed its first orders.
fn under_way(client: &Client, good: &[Row]) {
    let placed = |row: &&Row| {
        let id = Label::new(row.id.as_str()).unwrap();
        block_on(client.clone().with_attempts(1).order(&row.origin, &id)).is_ok()
    };
    until("the import to be under way", || good.iter().take(40).find(placed));
}

fn check_balances(net: &Net, client: &Client, good: &[Row]) {
    let accounts = net.accounts();
    for (who, sum) in earned(good) {
        assert_eq!(available(client, &accounts[&who]), sum, "{who:?}");
    }
}

/// A node saw no contradiction since its start.
fn accuses_nobody(net: &Net, at: usize) {
    for kind in ["E1", "E2", "E3"] {
        let name = format!("vostro_evidence_total{{kind=\"{kind}\",stage=\"detected\"}}");
        assert_eq!(metric(&net.node(at).metrics, &name), 0.0, "node {at}: {kind}");
    }
}

/// Kills a validator in the middle of the import and starts it again.
fn one_dies(victim: usize) {
    let file = many_orders(1_500);
    let good = rows(&file);
    let net = Net::new(4, &file);
    let mut devnet = net.up();
    under_way(&net.client(1), &good);
    net.kill(victim);
    let mut again = net.start(victim);
    until("its state tree", || again.stderr().contains("the state tree is made of its leaves").then_some(()));
    let summary = devnet.line();
    assert_eq!(summary["byState"], all_settled(&good), "{summary}");
    assert_eq!(summary["nodes"].as_array().unwrap().len(), 4);
    net.agreed();
    check_balances(&net, &net.client(victim), &good);
    again.signal("TERM");
    assert_eq!(again.wait(Duration::from_secs(10)).code(), Some(0), "{}", again.stderr());
    devnet.signal("INT");
    assert_eq!(devnet.wait(Duration::from_secs(15)).code(), Some(0), "{}", devnet.stderr());
    net.gone();
    net.audit();
}

#[test]
fn the_node_that_serves_the_import_dies_and_comes_back() {
    one_dies(0);
}

#[test]
fn another_node_dies_in_the_middle_of_the_import_and_comes_back() {
    one_dies(2);
}

/// A client of its own beside the import: pays itself round after round and remembers each receipt it was given.
struct Payer {
    chain: Chain,
    gateway: SecretKey,
    northwind: SecretKey,
}

impl Payer {
    fn new(net: &Net, asked: usize) -> Self {
        let chain = block_on(net.client(asked).chain(None)).unwrap();
        let key = |kind, name| net.key(kind, name);
        Payer {
            chain,
            gateway: key(AccountKind::Gateway, "gateway"),
            northwind: key(AccountKind::Platform, "northwind"),
        }
    }

    fn deposit(&self, number: u64) -> Signed {
        let asset = self.chain.asset("USD").unwrap();
        let action = Action::Deposit(Deposit {
            channel: Label::new("bank").unwrap(),
            channel_ref: Label::new(format!("e2e-{number}")).unwrap(),
            to: own_account(self.northwind.public()),
            asset: asset.code,
            amount: asset.parse("10.00").unwrap(),
        });
        let sender = own_account(self.gateway.public());
        Draft::new(sender).action(action).sign(&self.chain, &[&self.gateway]).unwrap()
    }

    fn transfer(&self) -> Signed {
        let asset = self.chain.asset("USD").unwrap();
        let to = self.chain.account("lantern").unwrap();
        let amount = asset.parse("2.50").unwrap();
        let action = Action::Transfer(Transfer { to, asset: asset.code, amount, memo: Hash::ZERO });
        let sender = own_account(self.northwind.public());
        Draft::new(sender).action(action).sign(&self.chain, &[&self.northwind]).unwrap()
    }

    fn settle(&self, client: &Client, signed: &Signed) -> Option<ReceiptJson> {
        let receipt =
            block_on(client.clone().with_attempts(1).submit_and_wait(signed, Duration::from_secs(15))).ok()?;
        assert_eq!(receipt.outcome, OutcomeJson::Applied, "{receipt:?}");
        Some(receipt)
    }
}

#[test]
fn all_nodes_die_at_once_and_nothing_acknowledged_is_lost() {
    let file = many_orders(2_000);
    let good = rows(&file);
    let net = Net::new(4, &file);
    let mut devnet = net.up();
    let genesis = net.file().genesis_hash;
    let payer = Payer::new(&net, 0);
    let acknowledged: Mutex<Vec<(Signed, ReceiptJson)>> = Mutex::default();
    let orders: Mutex<BTreeMap<String, (Value, ReceiptJson)>> = Mutex::default();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // each node is asked by a client of its own
        for at in 0..4 {
            let (payer, acknowledged, over, client) = (&payer, &acknowledged, &over, net.client(at));
            scope.spawn(move || {
                for number in 0.. {
                    let deposit = payer.deposit(at as u64 * 1_000_000 + number);
                    for signed in [deposit, payer.transfer()] {
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        match payer.settle(&client, &signed) {
                            Some(receipt) => acknowledged.lock().unwrap().push((signed, receipt)),
                            None => return,
                        }
                    }
                }
            });
        }
        // and the import's orders are watched
        let (good, orders, over, client) = (&good, &orders, &over, net.client(3).with_attempts(1));
        scope.spawn(move || {
            for row in good.iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let id = Label::new(row.id.as_str()).unwrap();
                let Ok(order) = block_on(client.order(&row.origin, &id)) else { continue };
                let Ok(receipt) = block_on(client.receipt(&order.placed_by)) else { continue };
                if order.state == "SETTLED" {
                    let order = serde_json::to_value(order).unwrap();
                    orders.lock().unwrap().insert(row.id.clone(), (order, receipt));
                }
            }
        });
        // a failure here must end the other threads too
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until("acknowledged payments and orders", || {
                let enough = acknowledged.lock().unwrap().len() >= 8 && orders.lock().unwrap().len() >= 5;
                enough.then_some(())
            });
            for node in net.file().nodes {
                e2e::signal(node.pid, "KILL");
            }
        }));
        over.store(true, Ordering::Relaxed);
        killed.unwrap();
    });
    devnet.kill();
    net.gone();

    let mut again: Vec<Process> = (0..4).map(|at| net.start(at)).collect();
    until("all nodes to be ready", || {
        for process in &mut again {
            assert!(process.ended().is_none(), "{}", process.stderr());
        }
        (0..4).all(|at| block_on(net.client(at).is_ready())).then_some(())
    });
    assert_eq!(net.file().genesis_hash, genesis);
    let before = net.agreed();
    let acknowledged = acknowledged.into_inner().unwrap();
    for at in 0..4 {
        let client = net.client(at);
        for (signed, receipt) in &acknowledged {
            assert_eq!(&block_on(client.receipt(&signed.id)).unwrap(), receipt, "on node {at}");
        }
    }
    for (id, (order, receipt)) in orders.into_inner().unwrap() {
        let platform = order["platform"].as_str().unwrap();
        let now = block_on(net.client(1).order(platform, &Label::new(id.as_str()).unwrap())).unwrap();
        assert_eq!(block_on(net.client(2).receipt(&now.placed_by)).unwrap(), receipt);
        assert_eq!(serde_json::to_value(now).unwrap(), order);
    }
    // said twice, done once
    let (signed, receipt) = &acknowledged[0];
    assert_eq!(payer.settle(&net.client(0), signed).as_ref(), Some(receipt));
    // the chain goes on
    assert!(payer.settle(&net.client(2), &payer.transfer()).is_some());
    assert!(net.agreed().height > before.height);
    let report = net.import();
    assert_eq!(report["byState"], all_settled(&good), "{report}");
    assert_eq!(report["mismatches"], json!([]));
    check_balances(&net, &net.client(3), &good);
    net.agreed();
    for process in &mut again {
        process.signal("TERM");
    }
    for process in &mut again {
        assert_eq!(process.wait(Duration::from_secs(10)).code(), Some(0), "{}", process.stderr());
    }
    net.audit();
}

/// The place of the primary of a height in view 0.
fn primary(client: &Client, height: u64) -> usize {
    let set = block_on(client.validators(None)).unwrap().validators;
    assert!(set.iter().enumerate().all(|(at, v)| usize::from(v.index) == at));
    usize::try_from(height).unwrap() % set.len()
}

#[test]
fn when_the_primary_dies_the_others_change_the_view() {
    let file = sample(20, |line| line.ends_with("instant"));
    let net = Net::new(4, &file);
    let mut devnet = net.up();
    devnet.line();
    let names: Vec<String> = net.file().nodes.into_iter().map(|n| n.name).collect();
    let set = block_on(net.client(0).validators(None)).unwrap().validators;
    assert_eq!(set.into_iter().map(|v| v.name).collect::<Vec<_>>(), names);
    // A heartbeat may slip in between; then the dead node's turn comes within four heights all the same.
    let height = block_on(net.client(0).status()).unwrap().height;
    let dead = primary(&net.client(0), height + 1);
    net.kill(dead);
    let living: Vec<usize> = (0..4).filter(|at| *at != dead).collect();
    let payer = Payer::new(&net, living[0]);
    let mut paid = 0;
    for number in 0..5 {
        let client = net.client(living[number % living.len()]);
        let signed = payer.deposit(number as u64);
        until("a deposit to settle without the primary", || payer.settle(&client, &signed));
        paid += cents("10.00");
    }
    let client = net.client(living[1]);
    until("the dead primary's turn to have passed", || e2e::status(&client).filter(|s| s.height >= height + 5));
    for at in living {
        let node = net.node(at);
        until("the view change to show in the metrics", || {
            (metric(&node.metrics, "vostro_view_changes") >= 1.0).then_some(())
        });
        let log = std::fs::read_to_string(Path::new(&node.home).join("node.log")).unwrap();
        assert!(log.lines().any(|l| l.contains("view change")), "{log}");
    }
    // some block of that time was decided in a higher view, signed without the dead node
    let tip = block_on(client.status()).unwrap().height;
    let blocks: Vec<_> = (height + 1..=tip).map(|h| block_on(client.block(Height(h))).unwrap().certificate).collect();
    assert!(blocks.iter().any(|c| c.view > 0), "no block in a higher view");
    let last = blocks.last().unwrap();
    assert!(last.signers.iter().all(|s| usize::from(s.index) != dead), "{last:?}");
    assert!(available(&client, &own_account(payer.northwind.public())) >= paid);
    // it comes back, catches up and takes part again
    let mut again = net.start(dead);
    net.agreed();
    until("a block that it signed", || {
        let tip = e2e::status(&client)?.height;
        let certificate = block_on(client.block(Height(tip))).ok()?.certificate;
        certificate.signers.iter().any(|s| usize::from(s.index) == dead).then_some(())
    });
    again.signal("TERM");
    assert_eq!(again.wait(Duration::from_secs(10)).code(), Some(0), "{}", again.stderr());
    devnet.signal("TERM");
    assert_eq!(devnet.wait(Duration::from_secs(15)).code(), Some(0), "{}", devnet.stderr());
    net.audit();
}

#[test]
fn a_frozen_validator_is_waited_for_by_nobody_and_catches_up() {
    let file = sample(20, |line| line.ends_with("instant"));
    let net = Net::new(4, &file);
    let mut devnet = net.up();
    devnet.line();
    let height = block_on(net.client(0).status()).unwrap().height;
    let frozen = primary(&net.client(0), height + 1);
    let (node, asked) = (net.node(frozen), (frozen + 1) % 4);
    e2e::signal(node.pid, "STOP");
    let (payer, client) = (Payer::new(&net, asked), net.client(asked));
    for number in 0..3 {
        let signed = payer.deposit(number);
        until("a deposit to settle without the frozen node", || payer.settle(&client, &signed));
    }
    until("its turn to have passed", || e2e::status(&client).filter(|s| s.height >= height + 4));
    e2e::signal(node.pid, "CONT");
    let agreed = net.agreed();
    assert!(agreed.height >= height + 4);
    // nothing of what it had wanted to say counts as a contradiction
    for at in 0..4 {
        accuses_nobody(&net, at);
    }
    devnet.signal("TERM");
    assert_eq!(devnet.wait(Duration::from_secs(15)).code(), Some(0), "{}", devnet.stderr());
    net.gone();
    net.audit();
}

/// The machine burned down: data and signer's memory of one validator are gone, its keys and settings were restored.
#[test]
fn a_validator_that_lost_its_disk_catches_up_waits_and_votes_again() {
    let file = many_orders(300);
    let net = Net::new(4, &file);
    let mut devnet = net.up();
    // A node that ends before the import begins ends the devnet.
    under_way(&net.client(1), &rows(&file));
    let before = net.agreed().height;
    net.kill(2);
    let (home, lost) = (net.home(2), net.node(2));
    until("the killed node to end", || (!e2e::alive(lost.pid, &lost.home)).then_some(()));
    std::fs::remove_dir_all(home.join("data")).unwrap();
    std::fs::remove_dir_all(home.join("signer")).unwrap();
    let mut again = net.start(2);
    let payer = Payer::new(&net, 0);
    let mut number = 0;
    until("the validator to vote again", || {
        // blocks for it to follow
        number += 1;
        payer.settle(&net.client(0), &payer.deposit(number));
        assert!(again.ended().is_none(), "{}", again.stderr());
        again.stderr().contains("this validator votes again").then_some(())
    });
    assert!(again.stderr().contains("this validator follows without voting"), "{}", again.stderr());
    until("it to be ready", || block_on(net.client(2).is_ready()).then_some(()));
    // with another one down its vote is needed
    net.kill(3);
    payer.settle(&net.client(0), &payer.deposit(1_000_000)).expect("three of four decide");
    let caught_up = until("it to have the last block", || {
        let (here, there) = (e2e::status(&net.client(2))?, e2e::status(&net.client(0))?);
        (here.height == there.height && here.state_root == there.state_root).then_some(here)
    });
    assert!(caught_up.height > before);
    for at in 0..3 {
        accuses_nobody(&net, at);
    }
    again.signal("TERM");
    assert_eq!(again.wait(Duration::from_secs(10)).code(), Some(0), "{}", again.stderr());
    devnet.signal("INT");
    devnet.wait(Duration::from_secs(15));
    net.gone();
    net.audit();
}
