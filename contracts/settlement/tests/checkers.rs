//! Every checker is broken once on purpose: a state that was tampered with is found out, by the rule that it breaks.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::*;
use vostro_settlement::invariants::{check, check_step};
use vostro_settlement::model::*;
use vostro_settlement::table::{KeyPart, Table};
use vostro_settlement::tables::*;
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{Ledger, read};
use vostro_types::codec::{Decode, Encode, encode};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::*;
use vostro_types::*;

/// Rewrites an entry.
fn edit<K, V>(ledger: &mut MemLedger, table: &Table<K, V>, key: K, change: impl FnOnce(&mut V))
where
    K: KeyPart,
    V: Encode + Decode<()> + Default,
{
    let mut value = table.get(ledger, &key).unwrap_or_default();
    change(&mut value);
    ledger.put(&table.key(&key), &encode(&(1u8, value)));
}

fn edit_order(w: &mut World, id: &str, change: impl FnOnce(&mut Order)) {
    let key = key(w.p, id);
    let mut order = ORDERS.get(&w.ledger, &key).unwrap();
    change(&mut order);
    w.ledger.put(&ORDERS.key(&key), &encode(&(1u8, order)));
}

fn more(amount: &mut Amount) {
    *amount = amount.add(fen(1)).unwrap();
}

/// A state with something of everything.
fn busy() -> World {
    let mut w = World::with(|p| p.window_ms = 100_000, false);
    for account in [w.alice, w.p, w.q] {
        w.deposit(account, 50_000);
    }
    w.ok(w.p, lock(10_000));
    w.offer(w.q, "book", seventy(), None);
    for (id, mode) in [("i", PayMode::Instant), ("e", PayMode::Escrow), ("m", PayMode::Maturing(3))] {
        w.ok(w.alice, Action::Pay(Pay { mode, ..pay(w.p, id, w.q, "book", 1000) }));
    }
    for id in ["w", "v"] {
        let order = Pay { mode: PayMode::Window, ..pay(w.p, id, w.q, "book", 1000) };
        assert!(w.by(w.alice, &[w.alice, w.p], Action::Pay(order)).applied());
        if id == "w" {
            w.ok(w.p, close_window(1));
        }
    }
    w.ok(w.carol, transfer(w.dave, 700));
    w.ok(w.p, refund(w.p, "i", "r", 500));
    w.ok(w.alice, withdraw("w", w.gw, 100));
    w.ok(w.alice, withdraw("v", w.gw, 100));
    w.ok(w.gw, result(w.alice, "v", true, "paid"));
    w
}

type Tamper = fn(&mut World);

/// Records E1 against validator 2 at a height, in a block.
fn record(w: &mut World, height: u64, block: u64) {
    let (epoch, validator, kind) = (Epoch(0), ValidatorIndex(2), EvidenceKind::Votes);
    let key = EvidenceKey { epoch, validator, kind, height: Height(height) };
    edit(&mut w.ledger, &EVIDENCE, key, |record| record.block = Height(block));
}

#[test]
fn tampering_with_a_state_is_found_out() {
    let base = busy();
    let summary = check(&base.ledger).unwrap();
    assert_eq!((summary.orders, summary.deadlines), (5, 3));
    assert_eq!(summary.money[&cny()].accounts, 150_000 - 100 - 2000 - 100);
    assert_eq!((summary.money[&cny()].orders, summary.money[&cny()].withdrawals), (2000, 100));
    let cases: &[(&str, Tamper)] = &[
        ("differs from custody", |w| {
            edit(&mut w.ledger, &BALANCES, (w.alice, cny()), |b| more(&mut b.available));
        }),
        ("custody is deposits and paid", |w| edit(&mut w.ledger, &CUSTODY, cny(), |c| c.deposited += 1)),
        ("a gateway's mirror", |w| edit(&mut w.ledger, &GATEWAY_CUSTODY, (w.gw, cny()), |c| c.withdrawn += 1)),
        ("payout references", |w| w.ledger.delete(&PAYOUTS.key(&(w.gw, label("paid"))))),
        ("holds back only if frozen", |w| {
            edit(&mut w.ledger, &BALANCES, (w.alice, cny()), |b| more(&mut b.held));
        }),
        ("owes the sum", |w| edit(&mut w.ledger, &BALANCES, (w.carol, cny()), |b| more(&mut b.owed))),
        ("owes, so it has a balance", |w| {
            edit(&mut w.ledger, &RECEIVABLES, (w.tax, cny()), |r| {
                r.push(Receivable { creditor: w.p, amount: fen(1) });
            });
        }),
        ("has keys", |w| w.ledger.delete(&POLICIES.key(&w.dave))),
        ("has money, so it exists", |w| w.ledger.delete(&ACCOUNTS.key(&w.carol))),
        ("closed accounts are empty", |w| {
            let head = ACCOUNTS.get(&w.ledger, &w.alice).unwrap();
            let head = AccountHead { status: AccountStatus::Closed, ..head };
            w.ledger.put(&ACCOUNTS.key(&w.alice), &encode(&(1u8, head)));
        }),
        ("opened by a platform", |w| {
            let head = ACCOUNTS.get(&w.ledger, &w.dave).unwrap();
            let head = AccountHead { platform: w.alice, ..head };
            w.ledger.put(&ACCOUNTS.key(&w.dave), &encode(&(1u8, head)));
        }),
        ("its legs are its funding", |w| edit_order(w, "i", |o| more(&mut o.legs[0].amount))),
        ("what legs gave back", |w| edit_order(w, "i", |o| more(&mut o.legs[0].returned))),
        ("a leg gives back at most", |w| edit_order(w, "i", |o| o.legs[0].returned = fen(5000))),
        ("a source gets back at most", |w| edit_order(w, "i", |o| o.sources[0].returned = fen(5000))),
        ("its pot is what", |w| edit_order(w, "e", |o| more(&mut o.pot))),
        ("its state fits", |w| edit_order(w, "e", |o| o.state = OrderState::Maturing)),
        ("its state fits", |w| edit_order(w, "i", |o| o.state = OrderState::Refunded)),
        ("only window orders", |w| edit_order(w, "i", |o| o.window = Some(1))),
        ("waits in the queue if", |w| edit_order(w, "e", |o| o.due = Some(Time(1)))),
        ("the queue names orders", |w| w.ledger.delete(&ORDERS.key(&key(w.p, "e")))),
        ("gave back what its refunds", |w| w.ledger.delete(&REFUNDS.key(&(key(w.p, "i"), label("r"))))),
        ("granted access", |w| {
            let (at, _) = read::entitlement(&w.ledger, &key(w.p, "i")).unwrap();
            w.ledger.delete(&at);
        }),
        ("if and only if revoked", |w| {
            let (at, mut entitlement) = read::entitlement(&w.ledger, &key(w.p, "i")).unwrap();
            entitlement.status = EntitlementStatus::Revoked;
            w.ledger.put(&at, &encode(&(1u8, entitlement)));
        }),
        ("nets are those", |w| edit(&mut w.ledger, &NETS, (cny(), 1, w.p), |n| *n += 1)),
        ("every obligation is netted", |w| w.ledger.delete(&NETS.key(&(cny(), 1, w.p)))),
        ("gross and count", |w| {
            edit(&mut w.ledger, &OBLIGATIONS, (cny(), 1, w.p, w.q), |o| o.count += 1);
        }),
        ("waits in the queue as it says", |w| {
            let window = WINDOWS.get(&w.ledger, &(cny(), 2)).unwrap();
            w.ledger.put(&WINDOWS.key(&(cny(), 2)), &encode(&(1u8, Window { due: None, ..window })));
        }),
        ("participants", |w| {
            let window = WINDOWS.get(&w.ledger, &(cny(), 1)).unwrap();
            w.ledger.put(&WINDOWS.key(&(cny(), 1)), &encode(&(1u8, Window { participants: 9, ..window })));
        }),
        ("closed if before", |w| edit(&mut w.ledger, &NETTINGS, cny(), |n| n.open += 1)),
        ("settled if within", |w| edit(&mut w.ledger, &NETTINGS, cny(), |n| n.settled += 1)),
        ("at most the collateral", |w| {
            edit(&mut w.ledger, &BALANCES, (w.p, cny()), |b| {
                b.available = b.available.add(b.collateral).unwrap();
                b.collateral = Amount::ZERO;
            });
        }),
        ("evidence is about heights up to", |w| record(w, 9, 8)),
        ("a bounded amount of evidence", |w| (1..=17).for_each(|height| record(w, height, 20))),
        ("is malformed", |w| w.ledger.put(&[0x01, 0x00], &[1])),
        ("is malformed", |w| w.ledger.put(&[0x70], &[1])),
        ("is malformed", |w| w.ledger.put(&BALANCES.key(&(w.alice, cny())), &[2; 33])),
    ];
    for (rule, tamper) in cases {
        let mut w = base.clone();
        tamper(&mut w);
        let violation = check(&w.ledger).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
}

#[test]
fn a_wrong_step_is_found_out() {
    let mut w = busy();
    w.ok(w.p, refund(w.p, "e", "all", 1000));
    record(&mut w, 3, 4);
    let before = w.ledger.clone();
    let receipt = w.ok(w.alice, transfer(w.bob, 5));
    let receipts = [receipt.clone()];
    check_step(&before, &w.ledger, &receipts).unwrap();
    let wrong = |ledger: &MemLedger, receipts: &[Receipt], rule: &str| {
        let violation = check_step(&before, ledger, receipts).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    };
    wrong(&w.ledger, &[], "every change of a balance is posted");
    wrong(&before, &receipts, "every change of a balance is posted");
    let mut lying = receipt.clone();
    more(&mut lying.postings[0].balance);
    wrong(&w.ledger, &[lying], "balance after = balance before");
    let mut loud = receipt.clone();
    loud.outcome = Outcome::Rejected { code: 301, about: vec![] };
    wrong(&w.ledger, &[loud], "only what took effect");
    let step = |rule: &str, tamper: Tamper| {
        let mut w = w.clone();
        tamper(&mut w);
        wrong(&w.ledger, &receipts, rule);
    };
    step("along its diagram", |w| edit_order(w, "i", |o| o.state = OrderState::Escrowed));
    step("once refunded", |w| edit_order(w, "e", |o| more(&mut o.price)));
    step("stays for ever", |w| w.ledger.delete(&ORDERS.key(&key(w.p, "i"))));
    step("refunds stay", |w| w.ledger.delete(&REFUNDS.key(&(key(w.p, "i"), label("r")))));
    step("ended withdrawals stay", |w| w.ledger.delete(&WITHDRAWALS.key(&(w.alice, label("v")))));
    step("evidence stays", |w| record(w, 3, 5));
    step("plans stay", |w| w.ledger.delete(&PLANS.key(&(w.q, label("book"), 1))));
    step("items stay", |w| w.ledger.delete(&ITEMS.key(&(w.q, label("book"), 1))));
    step("closed is final", |w| w.ledger.delete(&ACCOUNTS.key(&w.tax)));
}

/// The page for people lists every table and every code.
#[test]
fn the_page_lists_tables_and_codes() {
    let page = include_str!("../../../docs/contract.md");
    for (prefix, name) in ALL {
        let row = format!("| `{prefix:02x}` | {name} |");
        assert!(page.contains(&row), "{row}");
    }
    for (code, name) in vostro_settlement::Rejection::CODES {
        let row = format!("| {code} | `{name}` |");
        assert!(page.contains(&row), "{row}");
    }
    let actions = "OpenAccount SetStatus Deposit Withdraw WithdrawResult Transfer RegisterPlan RegisterItem Pay \
        Confirm Refund LockCollateral CloseWindow SettleWindow UnlockCollateral FundContribute FundRelease HtlcLock \
        HtlcClaim HtlcRefund FxConvert AnchorReport Batch SetKeys SetTier Propose Approve CreateCampaign IssueCoupon \
        ExpireCampaign CreateMandate Charge CancelMandate";
    for action in actions.split_whitespace() {
        assert!(page.contains(&format!("### {action}\n")), "{action}");
    }
}

/// Hash locks, quotes, reports and the fund: the rules of their own.
#[test]
fn tampering_with_locks_and_the_fund_is_found_out() {
    use common::exchange::{PREIMAGE, contribute, convert, htlc_claim, htlc_lock, quote, report};
    let mut w = busy();
    w.deposit_usd(w.dave, 1000);
    for id in ["open", "claimed"] {
        w.ok(w.alice, Action::HtlcLock(htlc_lock(id, w.bob, 30, w.time + 1000)));
    }
    w.ok(w.bob, htlc_claim(w.alice, "claimed", PREIMAGE));
    w.deposit(w.bob, 10_000);
    let taken = convert(&w, quote(&w, w.dave, "q"));
    w.ok(w.bob, taken);
    w.ok(w.gw, report("bank", "11", 1));
    w.ok(w.q, contribute(50));
    let summary = check(&w.ledger).unwrap();
    assert_eq!((summary.money[&cny()].htlcs, summary.money[&cny()].fund), (30, 50));
    fn edit_lock(w: &mut World, id: &str, change: impl FnOnce(&mut Htlc)) {
        let key = (w.alice, label(id));
        let mut htlc = HTLCS.get(&w.ledger, &key).unwrap();
        change(&mut htlc);
        w.ledger.put(&HTLCS.key(&key), &encode(&(1u8, htlc)));
    }
    let states: Vec<(&str, Tamper)> = vec![
        ("differs from custody", |w| edit_lock(w, "open", |h| more(&mut h.amount))),
        ("differs from custody", |w| edit(&mut w.ledger, &FUND, (cny(), w.q), more)),
        ("between accounts that exist", |w| edit_lock(w, "open", |h| h.to = AccountId([9; 32]))),
        ("assets that exist", |w| edit_lock(w, "open", |h| h.asset = "EUR".parse().unwrap())),
        ("opened by its preimage", |w| edit_lock(w, "claimed", |h| h.hash = Hash([1; 32]))),
        ("as a platform", |w| edit(&mut w.ledger, &FUND, (cny(), w.alice), more)),
        ("contributes something", |w| edit(&mut w.ledger, &FUND, (cny(), w.p), |_| {})),
    ];
    for (rule, tamper) in states {
        let mut w = w.clone();
        tamper(&mut w);
        let violation = check(&w.ledger).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
    let steps: Vec<(&str, Tamper)> = vec![
        ("a lock changes once", |w| edit_lock(w, "open", |h| h.deadline = Time(1))),
        ("a lock changes once", |w| edit_lock(w, "claimed", |h| h.end = None)),
        ("quotes that were taken stay", |w| w.ledger.delete(&QUOTES.key(&(w.dave, label("q"))))),
        ("reports stay", |w| w.ledger.delete(&REPORTS.key(&(w.gw, label("bank"), label("11"))))),
    ];
    for (rule, tamper) in steps {
        let mut after = w.clone();
        tamper(&mut after);
        let violation = check_step(&w.ledger, &after.ledger, &[]).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
}

/// Campaigns, coupons and mandates: the rules of their own.
#[test]
fn tampering_with_campaigns_and_mandates_is_found_out() {
    use common::campaigns::{campaign, charge, expire, issue, mandate, with_coupon};
    let mut w = busy();
    for name in ["runs", "over"] {
        let new = campaign(&w, name, &[(w.p, 600_000), (w.q, 400_000)]);
        assert!(w.open_campaign(w.p, CreateCampaign { per_user: 2, ..new }).applied());
        w.ok(w.p, issue(name, &format!("{name}-used"), None));
        w.ok(w.p, issue(name, &format!("{name}-free"), None));
        w.ok(w.alice, with_coupon(pay(w.p, name, w.q, "book", 6_000), &format!("{name}-used"), 5_000));
    }
    w.ok(w.p, expire("over"));
    for name in ["m", "n"] {
        let new = mandate(&w, name);
        w.ok(w.alice, Action::CreateMandate(new));
    }
    let charged = charge(&w, w.alice, "m", 0, "charged", 3_000);
    w.ok(w.p, Action::Charge(charged));
    w.ok(w.alice, common::campaigns::cancel(w.alice, "n"));
    assert_eq!(check(&w.ledger).unwrap().money[&cny()].campaigns, 5_000);
    fn edit_campaign(w: &mut World, name: &str, change: impl FnOnce(&mut Campaign)) {
        let key = (w.p, label(name));
        let mut campaign = CAMPAIGNS.get(&w.ledger, &key).unwrap();
        change(&mut campaign);
        w.ledger.put(&CAMPAIGNS.key(&key), &encode(&(1u8, campaign)));
    }
    fn edit_coupon(w: &mut World, serial: &str, change: impl FnOnce(&mut Coupon)) {
        let key = (w.p, label(serial));
        let mut coupon = COUPONS.get(&w.ledger, &key).unwrap();
        change(&mut coupon);
        w.ledger.put(&COUPONS.key(&key), &encode(&(1u8, coupon)));
    }
    fn edit_mandate(w: &mut World, name: &str, change: impl FnOnce(&mut Mandate)) {
        let key = (w.alice, label(name));
        let mut mandate = MANDATES.get(&w.ledger, &key).unwrap();
        change(&mut mandate);
        w.ledger.put(&MANDATES.key(&key), &encode(&(1u8, mandate)));
    }
    fn edit_charge(w: &mut World, change: impl FnOnce(&mut ChargeRecord)) {
        let key = (w.alice, label("m"), 0);
        let mut charge = CHARGES.get(&w.ledger, &key).unwrap();
        change(&mut charge);
        w.ledger.put(&CHARGES.key(&key), &encode(&(1u8, charge)));
    }
    let states: Vec<(&str, Tamper)> = vec![
        ("differs from custody", |w| edit_campaign(w, "runs", |c| more(&mut c.sponsors[0].spent))),
        ("campaigns are in assets", |w| edit_campaign(w, "runs", |c| c.asset = "EUR".parse().unwrap())),
        ("waits in the queue until", |w| edit_campaign(w, "runs", |c| c.ends = Time(1))),
        ("waits in the queue until", |w| {
            edit_campaign(w, "runs", |c| {
                c.ended = true;
                c.sponsors.iter_mut().for_each(|s| s.returned = s.left());
            });
        }),
        ("queue names campaigns", |w| w.ledger.delete(&CAMPAIGNS.key(&(w.p, label("runs"))))),
        ("stand in order", |w| edit_campaign(w, "runs", |c| c.sponsors.reverse())),
        ("stand in order", |w| edit_campaign(w, "runs", |c| c.sponsors[0].share = Ppm::ZERO)),
        ("sponsors are accounts", |w| edit_campaign(w, "runs", |c| c.sponsors[1].account = AccountId([255; 32]))),
        ("what its sponsors brought", |w| edit_campaign(w, "runs", |c| more(&mut c.budget))),
        ("is left and was returned", |w| edit_campaign(w, "over", |c| more(&mut c.sponsors[0].returned))),
        ("is left and was returned", |w| edit_campaign(w, "runs", |c| c.sponsors[0].spent = Amount::MAX)),
        ("returns all that is left", |w| edit_campaign(w, "runs", |c| c.sponsors[0].returned = fen(1))),
        ("returns all that is left", |w| edit_campaign(w, "over", |c| c.sponsors[0].returned = Amount::ZERO)),
        ("what was ended has ended", |w| edit_campaign(w, "runs", |c| c.ended_by = Some(c.tx))),
        ("coupons are of campaigns", |w| edit_coupon(w, "runs-free", |c| c.campaign = label("none"))),
        ("was used for its order", |w| edit_coupon(w, "runs-free", |c| c.used = Some(key(AccountId([9; 32]), "none")))),
        ("its coupon is used for it", |w| {
            edit_coupon(w, "runs-used", |c| c.used = None);
            edit(&mut w.ledger, &COUPON_USES, (w.p, label("runs"), w.alice), |n| *n = 0);
            w.ledger.delete(&COUPON_USES.key(&(w.p, label("runs"), w.alice)));
        }),
        ("its coupon exists", |w| {
            w.ledger.delete(&COUPONS.key(&(w.p, label("runs-used"))));
            w.ledger.delete(&COUPON_USES.key(&(w.p, label("runs"), w.alice)));
        }),
        ("at most its number", |w| edit(&mut w.ledger, &COUPON_USES, (w.p, label("runs"), w.alice), |n| *n = 3)),
        ("at most its number", |w| edit(&mut w.ledger, &COUPON_USES, (w.p, label("runs"), w.bob), |_| {})),
        ("uses of coupons", |w| edit(&mut w.ledger, &COUPON_USES, (w.p, label("runs"), w.alice), |n| *n = 2)),
        ("uses of coupons", |w| w.ledger.delete(&COUPON_USES.key(&(w.p, label("runs"), w.alice)))),
        ("was spent by the campaign", |w| {
            edit_order(w, "runs", |o| {
                more(&mut o.sources[1].amount);
                o.sources[0].amount = o.sources[0].amount.sub(fen(1)).unwrap();
                o.total = o.sources[0].amount;
            });
        }),
        ("given to platforms", |w| edit_mandate(w, "n", |m| m.payee = AccountId([9; 32]))),
        ("items that exist", |w| edit_mandate(w, "n", |m| m.item = label("none"))),
        ("limits that can be", |w| edit_mandate(w, "n", |m| m.max_per_charge = Amount::ZERO)),
        ("limits that can be", |w| edit_mandate(w, "n", |m| m.interval_ms = 0)),
        ("within its limit", |w| edit_mandate(w, "n", |m| m.month.1 = fen(7_001))),
        ("the sum of its charges", |w| edit_mandate(w, "m", |m| more(&mut m.month.1))),
        ("that of its last charge", |w| {
            edit_mandate(w, "m", |m| (m.interval_ms, m.ends) = (u64::MAX, Time(u64::MAX)));
            edit_order(w, "charged", |o| o.placed = o.placed.plus(MANDATE_SPAN_MS));
        }),
        ("mandates that exist", |w| w.ledger.delete(&MANDATES.key(&(w.alice, label("m"))))),
        ("a charge placed an order", |w| edit_charge(w, |c| c.order.order_id = label("none"))),
        ("as the mandate says", |w| edit_charge(w, |c| c.order.order_id = label("runs"))),
        ("as the mandate says", |w| edit_charge(w, |c| c.tx = TxId(Hash([1; 32])))),
        ("as the mandate says", |w| {
            edit_order(w, "charged", |o| {
                more(&mut o.total);
                more(&mut o.sources[0].amount);
                more(&mut o.legs[0].amount);
            });
        }),
        ("in its period", |w| edit_order(w, "charged", |o| o.placed = Time(0))),
        ("was charged", |w| {
            w.ledger.delete(&CHARGES.key(&(w.alice, label("m"), 0)));
            edit_mandate(w, "m", |m| m.month.1 = Amount::ZERO);
        }),
    ];
    for (rule, tamper) in states {
        let mut w = w.clone();
        tamper(&mut w);
        let violation = check(&w.ledger).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
    let steps: Vec<(&str, Tamper)> = vec![
        ("campaigns only spend", |w| edit_campaign(w, "runs", |c| c.per_user = 9)),
        ("campaigns only spend", |w| edit_campaign(w, "runs", |c| c.sponsors[0].spent = Amount::ZERO)),
        ("campaigns only spend", |w| edit_campaign(w, "over", |c| c.ended = false)),
        ("coupons change by their use", |w| edit_coupon(w, "runs-free", |c| c.holder = Some(AccountId([1; 32])))),
        ("coupons change by their use", |w| w.ledger.delete(&COUPONS.key(&(w.p, label("runs-free"))))),
        ("mandates change by", |w| edit_mandate(w, "m", |m| m.max_per_charge = fen(1))),
        ("mandates change by", |w| edit_mandate(w, "n", |m| m.cancelled = None)),
        ("charges stay", |w| w.ledger.delete(&CHARGES.key(&(w.alice, label("m"), 0)))),
    ];
    for (rule, tamper) in steps {
        let mut after = w.clone();
        tamper(&mut after);
        let violation = check_step(&w.ledger, &after.ledger, &[]).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
}

/// What every node asks of every block sees a unit more or less wherever money stands.
#[test]
fn money_made_or_lost_by_a_block_is_found_out() {
    let mut base = busy();
    base.ok(base.q, Action::FundContribute(FundContribute { asset: cny(), amount: fen(100) }));
    let lock = common::exchange::htlc_lock("h", base.bob, 300, base.time + 1000);
    base.ok(base.alice, Action::HtlcLock(lock));
    let campaign = common::campaigns::campaign(&base, "c", &[(base.q, 1_000_000)]);
    base.ok(base.q, Action::CreateCampaign(campaign));
    let money = "a block makes and loses no money";
    let cases: &[(&str, Tamper)] = &[
        (money, |w| edit(&mut w.ledger, &BALANCES, (w.alice, cny()), |b| more(&mut b.available))),
        (money, |w| edit(&mut w.ledger, &BALANCES, (w.alice, cny()), |b| more(&mut b.held))),
        (money, |w| edit(&mut w.ledger, &BALANCES, (w.p, cny()), |b| more(&mut b.collateral))),
        (money, |w| w.ledger.delete(&BALANCES.key(&(w.alice, cny())))),
        (money, |w| edit_order(w, "e", |o| more(&mut o.pot))),
        (money, |w| w.ledger.delete(&ORDERS.key(&key(w.p, "e")))),
        (money, |w| edit(&mut w.ledger, &CUSTODY, cny(), |c| c.deposited += 1)),
        (money, |w| edit(&mut w.ledger, &FUND, (cny(), w.q), more)),
        (money, |w| {
            let mut open = WITHDRAWALS.get(&w.ledger, &(w.alice, label("w"))).unwrap();
            more(&mut open.amount);
            w.ledger.put(&WITHDRAWALS.key(&(w.alice, label("w"))), &encode(&(1u8, open)));
        }),
        (money, |w| {
            let mut htlc = HTLCS.get(&w.ledger, &(w.alice, label("h"))).unwrap();
            more(&mut htlc.amount);
            w.ledger.put(&HTLCS.key(&(w.alice, label("h"))), &encode(&(1u8, htlc)));
        }),
        (money, |w| {
            let mut campaign = CAMPAIGNS.get(&w.ledger, &(w.q, label("c"))).unwrap();
            more(&mut campaign.sponsors[0].spent);
            w.ledger.put(&CAMPAIGNS.key(&(w.q, label("c"))), &encode(&(1u8, campaign)));
        }),
        ("nets sum to zero", |w| edit(&mut w.ledger, &NETS, (cny(), 1, w.p), |n| *n += 1)),
        ("malformed", |w| w.ledger.put(&CUSTODY.key(&cny()), &[1, 2, 3])),
    ];
    for (rule, tamper) in cases {
        let mut w = base.clone();
        tamper(&mut w);
        let violation = check_changes(&base.ledger, &w.ledger).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
    check_changes(&base.ledger, &base.ledger).unwrap();
}
