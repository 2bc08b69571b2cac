//! A state machine: random blocks of honest and hostile senders over few accounts. After every block all invariants
//! hold, what did not take effect changed nothing (`World::block` looks at both), and replaying the blocks from the
//! genesis state gives the same bytes and the same receipts.
//!
//! `VOSTRO_STEPS=5000000 cargo test --profile fuzz -p vostro-settlement --test machine -- --ignored --nocapture` goes on
//! for that many actions; `VOSTRO_SEED=17` begins with that walk. What fails is shrunk and printed with its seed.
#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment; the contract sees none
#![allow(clippy::disallowed_methods)]

#[path = "../common/mod.rs"]
mod common;

mod campaigns;
mod exchange;
mod orders;
mod rules;

use std::cell::Cell;
use std::collections::BTreeSet;

use common::exchange::{htlc_lock, quote};
use common::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{BlockContext, apply, fire_deadlines, read};
use vostro_types::account::WeightedKey;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// Numbers that choose an action, its parts and its signers.
#[derive(Clone, Copy, Debug)]
struct Op {
    kind: u8,
    who: u8,
    a: u8,
    b: u8,
    c: u8,
    units: u64,
    honest: bool,
}

fn op() -> impl Strategy<Value = Op> {
    let units = prop_oneof![3 => 1..2_000u64, 1 => Just(0), 1 => 1..200_000u64];
    (0..58u8, 0..11u8, 0..12u8, 0..12u8, 0..8u8, units, prop::bool::weighted(0.85))
        .prop_map(|(kind, who, a, b, c, units, honest)| Op { kind, who, a, b, c, units, honest })
}

fn blocks() -> impl Strategy<Value = Vec<(u64, Vec<Op>)>> {
    walk(50)
}

/// Fewer blocks than `most`.
fn walk(most: usize) -> impl Strategy<Value = Vec<(u64, Vec<Op>)>> {
    prop::collection::vec((0..30u64, prop::collection::vec(op(), 0..5)), 1..most)
}

fn start() -> World {
    let change = |p: &mut genesis::Parameters| {
        p.fee = fee(30_000);
        p.window_ms = 50;
        p.escrow_ms = 40;
        p.day_ms = 15;
        p.max_due_per_block = 2;
        p.debit_cap = fen(6_000);
        p.gateway_daily_cap = fen(150_000);
        rules::parameters(p);
        orders::parameters(p);
    };
    let mut w = World::with(change, false);
    for account in [w.alice, w.bob, w.dave, w.p, w.q] {
        w.deposit(account, 12_000);
    }
    w.deposit_usd(w.dave, 2_000);
    w.deposit_usd(w.p, 2_000);
    w.ok(w.p, lock(1_000));
    w.ok(w.q, lock(8_000));
    let tax = TaxRule { rate: ppm(60_000), inclusive: true, account: w.tax };
    w.offer(w.q, "book", seventy(), Some(tax));
    let mixed = vec![
        PlanLeg { refund: RefundPolicy::BorneBy(w.p), ..leg(Payee::Creator, 600_000) },
        PlanLeg { refund: RefundPolicy::NonRefundable, ..leg(Payee::Network, 100_000) },
        PlanLeg { share: Share::Fixed(fen(50)), ..leg(Payee::Account(w.dave), 1) },
        leg(Payee::Host, 300_000),
    ];
    w.offer(w.p, "talk", mixed, None);
    orders::prepare(&mut w);
    campaigns::prepare(&mut w);
    for seed in 60..68 {
        w.newcomer(seed);
    }
    rules::prepare(&mut w);
    w
}

fn pick<T: Clone>(from: &[T], at: u8) -> T {
    from[usize::from(at) % from.len()].clone()
}

/// The action, its sender if it is honest, and who else must sign.
fn action(w: &World, op: &Op) -> (AccountId, Vec<AccountId>, Action) {
    let people = [w.alice, w.bob, w.carol, w.dave];
    let everyone = [w.p, w.q, w.risk, w.gw, w.gw2, w.alice, w.bob, w.carol, w.dave, w.fees, w.tax];
    let (to, platform) = (pick(&everyone, op.a), pick(&[w.p, w.q], op.b));
    let (id, order) = (format!("{}", op.a), key(platform, &op.a.to_string()));
    let alone = |who: AccountId, action| (who, vec![], action);
    let payer_of = |order: &OrderKey| read::order(&w.ledger, order).map(|o| o.payer);
    match op.kind {
        0..=3 => alone(w.gw, deposit("bank", &id, to, op.units)),
        4 => alone(pick(&people, op.who), withdraw(&id, pick(&[w.gw, w.gw2], op.b), op.units)),
        5 => {
            // an open withdrawal if there is one
            let open = people.iter().flat_map(|owner| {
                let listed = read::withdrawals(&w.ledger, *owner, None, 9).into_iter();
                listed.filter(|(_, w)| op.a < 2 || w.end.is_none()).map(|(id, w)| (*owner, id, w.gateway))
            });
            let open: Vec<_> = open.collect();
            let nothing = (w.alice, label(&id), w.gw);
            let (owner, id, gateway) = if open.is_empty() { nothing } else { pick(&open, op.b) };
            // the risk desk answers for a gateway that may not
            let dead = read::account(&w.ledger, gateway).is_some_and(|g| g.status != AccountStatus::Active);
            let by = if dead && op.c > 1 { w.risk } else { gateway };
            alone(by, result(owner, id.as_str(), op.c.is_multiple_of(2), &format!("p{}{}", op.a, op.c)))
        }
        6 => alone(pick(&everyone, op.who), transfer(to, op.units)),
        // a payee moves all it has, so that later refunds find nothing
        7 | 29 => {
            let from = pick(&[w.carol, w.dave, w.q, w.p], op.who);
            alone(from, transfer(to, w.available(from)))
        }
        8..=16 => {
            let payer = pick(&people, op.who);
            let (host, name) = pick(&[(w.q, "book"), (w.p, "talk")], op.c);
            let mode = pick(&[PayMode::Instant, PayMode::Escrow, PayMode::Maturing(2), PayMode::Window], op.c / 2);
            let fee_bearer = pick(&[FeeBearer::PAYER, FeeBearer::PAYEE, FeeBearer::PLATFORM], op.b / 2);
            let priced = pay(platform, &id, host, name, op.units);
            let talk = u128::from(op.units);
            let net = if name == "book" { ((talk * 1_000_000 + 530_000) / 1_060_000) as u64 } else { op.units };
            let (rate, schedule) =
                (read::fee_rate(&w.ledger, platform, cny(), Time(w.time)), read::parameters(&w.ledger).fee);
            let fee = vostro_settlement::pricing::fee(fen(net), rate, &schedule).units();
            let on_top = if fee_bearer == FeeBearer::PAYER { fee } else { 0 };
            let wrong = u64::from(op.a == 11);
            let expected_total = fen(op.units + on_top + wrong);
            (payer, vec![platform], Action::Pay(Pay { mode, fee_bearer, expected_total, ..priced }))
        }
        17 | 18 => {
            // an order that waits for it if there is one, or any
            let waits = |order: &read::Order| order.state == OrderState::Escrowed;
            let listed = read::orders_of(&w.ledger, platform, None, 20).into_iter();
            let waiting: Vec<OrderKey> = listed.filter(|(_, order)| waits(order)).map(|(key, _)| key).collect();
            let order = if op.c < 2 || waiting.is_empty() { order } else { pick(&waiting, op.a) };
            let payer = payer_of(&order).unwrap_or(w.alice);
            alone(payer, Action::Confirm(Confirm { order }))
        }
        19..=22 => {
            // the whole of an order that exists, or anything of anything
            let orders = read::orders_of(&w.ledger, platform, None, 20);
            let of = |(key, order): &(OrderKey, read::Order)| (key.order_id.clone(), order.refundable().units());
            let whole: Vec<(Label, u64)> = orders.iter().map(of).filter(|(_, units)| *units > 0).collect();
            let (id, units) = if op.c < 3 || whole.is_empty() { (label(&id), op.units) } else { pick(&whole, op.a) };
            let agrees = if op.who.is_multiple_of(2) { vec![platform] } else { vec![] };
            (pick(&[w.p, w.q], op.c), agrees, refund(platform, id.as_str(), &format!("r{}", op.c / 2), units))
        }
        23 => alone(platform, lock(op.units)),
        24 => alone(platform, close_window(u64::from(op.a % 3) + read::netting(&w.ledger, cny()).open - 1)),
        25 | 26 => alone(platform, settle_window(read::netting(&w.ledger, cny()).settled + u64::from(op.a % 3))),
        27 => {
            use AccountStatus::{Active, Closed, DebitFrozen, Frozen};
            let status = pick(&[Active, Active, Active, Active, DebitFrozen, Frozen, Closed, Active], op.c);
            alone(w.risk, set_status(pick(&[w.alice, w.bob, w.carol, w.dave, w.p, w.q, w.gw2], op.a), status))
        }
        28 => {
            let policy = KeyPolicy::single(secret(60 + op.c).public());
            let kind = pick(&[AccountKind::User, AccountKind::Creator, AccountKind::Platform], op.a);
            let owner = policy.account_id(&[0; 16]);
            (platform, vec![owner], Action::OpenAccount(OpenAccount { kind, policy, salt: [op.b; 16] }))
        }
        34..=39 => orders::action(w, op).unwrap_or_else(|| alone(w.alice, transfer(to, op.units))),
        40..=45 => campaigns::action(w, op).unwrap_or_else(|| alone(w.alice, transfer(to, op.units))),
        46..=51 => rules::action(w, op).unwrap_or_else(|| alone(w.alice, transfer(to, op.units))),
        52..=57 => exchange::action(w, op).unwrap_or_else(|| alone(w.alice, transfer(to, op.units))),
        _ if op.c.is_multiple_of(2) => alone(platform, plan("later", 1 + u32::from(op.a / 6), seventy())),
        _ => {
            let creator = pick(&people, op.who);
            let item = RegisterItem { plan: label("later"), ..item("later", 1 + u32::from(op.a / 8), creator) };
            alone(platform, Action::RegisterItem(item))
        }
    }
}

/// What was sent before, to be sent again under another id.
type Sent = Vec<(AccountId, Vec<AccountId>, Payload)>;

fn transaction(w: &mut World, ops: &[Op], batch: bool, sent: &mut Sent) -> VerifiedTransaction {
    if ops[0].kind == 33 && !sent.is_empty() {
        let (sender, signers, payload) = pick(sent, ops[0].a.wrapping_mul(19).wrapping_add(ops[0].b));
        let body = w.body(sender, payload);
        return w.sign(body, &signers);
    }
    let (mut sender, mut others, first) = action(w, &ops[0]);
    let everyone: Vec<AccountId> = w.keys.keys().copied().collect();
    if !ops[0].honest {
        if ops[0].c.is_multiple_of(2) {
            others.clear();
        }
        sender = pick(&everyone, ops[0].who.wrapping_mul(7));
    }
    let mut signers = vec![sender];
    signers.extend(others);
    if !ops[0].honest && ops[0].b.is_multiple_of(2) {
        signers = vec![pick(&everyone, ops[0].b)];
    }
    let payload =
        if batch { Payload::Batch(ops.iter().map(|op| action(w, op).2).collect()) } else { Payload::One(first) };
    sent.push((sender, signers.clone(), payload.clone()));
    let body = w.body(sender, payload);
    w.sign(body, &signers)
}

/// Runs the blocks, then replays them. Returns every receipt with its transaction.
fn run(blocks: &[(u64, Vec<Op>)]) -> Vec<(Option<VerifiedTransaction>, Receipt)> {
    let mut w = start();
    let genesis: MemLedger = w.ledger.clone();
    let mut sent = Sent::new();
    let mut log: Vec<(BlockContext, Vec<VerifiedTransaction>, Vec<Receipt>)> = Vec::new();
    for (wait, ops) in blocks {
        w.time += wait;
        let batch = ops.len() == 3; // now and then one transaction of all of them
        let txs: Vec<VerifiedTransaction> = if batch {
            vec![transaction(&mut w, ops, true, &mut sent)]
        } else {
            ops.iter().map(|op| transaction(&mut w, &[*op], false, &mut sent)).collect()
        };
        let receipts = w.block(&txs);
        log.push((w.context(), txs, receipts));
    }
    let mut again = genesis;
    for (context, txs, receipts) in &log {
        let mut replayed: Vec<Receipt> = txs.iter().map(|tx| apply(context, tx, &mut again)).collect();
        replayed.extend(fire_deadlines(context, &mut again));
        assert_eq!(&replayed, receipts);
    }
    assert!(again == w.ledger, "a replay of the blocks gave another state");
    let paired = log.into_iter().flat_map(|(_, txs, receipts)| {
        let txs: Vec<_> = txs.into_iter().map(Some).chain(std::iter::repeat(None)).take(receipts.len()).collect();
        txs.into_iter().zip(receipts)
    });
    paired.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_block(blocks in blocks()) {
        run(&blocks);
    }
}

/// The machine reaches what it is meant to test: every action takes effect somewhere, and so do deadlines, receivables,
/// replays and the refusals that need a history.
#[test]
fn the_machine_gets_everywhere() {
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut codes) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..400 {
        let blocks = blocks().new_tree(&mut runner).unwrap().current();
        for (tx, receipt) in run(&blocks) {
            match &receipt.outcome {
                Outcome::Applied => {
                    let actions = tx.iter().flat_map(|tx| tx.body().payload.actions());
                    seen.extend(actions.map(|a| name(&format!("{a:?}"))));
                    seen.extend(receipt.events.iter().map(|e| name(&format!("{e:?}"))));
                    seen.insert(name(&format!("{:?}", receipt.cause)));
                }
                Outcome::Replayed { .. } => {
                    seen.insert("Replayed".into());
                }
                Outcome::Rejected { code, .. } => {
                    codes.insert(*code);
                }
            }
        }
    }
    let expected = "AccountOpened AnchorReport CloseWindow CollateralLocked CollateralUnlocked Confirm Deadline Deposit Deposited EntitlementGranted \
        EntitlementRevoked FundContribute FundContributed FundRelease FundReleased FxConvert FxConverted HtlcClaim \
        HtlcClaimed HtlcLock HtlcLocked HtlcRefund HtlcRefunded ItemRegistered LockCollateral ObligationRecorded OpenAccount OrderMoved OrderRefunded Pay \
        PlanRegistered ReceivablePaid ReceivableRaised Refund RegisterItem RegisterPlan Replayed ReportAnchored SetStatus \
        SettleWindow StatusSet Transaction Transfer Transferred UnlockCollateral WindowClosed WindowDeadline WindowSettled Withdraw \
        WithdrawResult WithdrawalEnded WithdrawalRequested";
    let expected = [expected, rules::EXPECTED, orders::EXPECTED, campaigns::EXPECTED].join(" ");
    let missing: Vec<_> = expected.split_whitespace().filter(|n| !seen.contains(*n)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    let expected =
        [101, 106, 107, 201, 205, 301, 302, 304, 305, 401, 402, 403, 406, 502, 503, 504, 505, 702, 902, 911, 921, 922];
    let expected = expected.iter().chain(rules::CODES).chain(orders::CODES).chain(campaigns::CODES);
    let missing: Vec<_> = expected.filter(|c| !codes.contains(c)).collect();
    assert!(missing.is_empty(), "never refused: {missing:?}");
}

/// Blocks of the longest walks: enough for windows, months of mandates and archives to come round often.
const LONG: usize = 250;

#[test]
#[ignore = "as long as wanted: see the top of the file"]
fn the_machine_walks_on() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let (goal, first) = (number("VOSTRO_STEPS").unwrap_or(1_000_000), number("VOSTRO_SEED").unwrap_or(0));
    let (steps, applied) = (Cell::new(0u64), Cell::new(0u64));
    for seed in first.. {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config =
            ProptestConfig { cases: 1, max_shrink_iters: 2000, failure_persistence: None, ..Default::default() };
        let most = if seed.is_multiple_of(4) { LONG } else { 50 };
        let result = TestRunner::new_with_rng(config, rng).run(&walk(most), |blocks| {
            for (tx, receipt) in run(&blocks) {
                let actions = tx.map_or(1, |tx| tx.body().payload.actions().len() as u64);
                steps.set(steps.get() + actions);
                applied.set(applied.get() + u64::from(receipt.applied()) * actions);
            }
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("walk {seed}: {failure}"));
        if steps.get() >= goal {
            println!("{} steps, {} of them took effect, in walks {first} to {seed}", steps.get(), applied.get());
            return;
        }
    }
}

fn name(debug: &str) -> String {
    debug.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_string()
}
