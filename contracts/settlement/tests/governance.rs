//! Votes on parameters, and what a change does to what is under way.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{APPLIED, REPLAYED, *};
use vostro_settlement::invariants::{check, check_step};
use vostro_settlement::model::{Proposal, ProposalState, Spending, Volume};
use vostro_settlement::table::{KeyPart, Table};
use vostro_settlement::tables::*;
use vostro_settlement::{Ledger, MAX_CHANGES_PER_BLOCK, MAX_LEAD, MAX_OPEN_PROPOSALS, PROPOSAL_MS, read};
use vostro_types::Parameter::*;
use vostro_types::codec::{Decode, Encode, encode};
use vostro_types::transaction::*;
use vostro_types::*;

/// Four validators, of which p runs one, q two and the risk desk one: three decide.
fn world() -> World {
    let mut w = World::new();
    w.validators(&[w.p, w.q, w.q, w.risk]);
    w
}

fn soon(w: &World) -> u64 {
    w.height + 2
}

fn proposal(w: &World, proposer: AccountId, name: &str) -> Proposal {
    read::proposal(&w.ledger, proposer, &label(name)).unwrap()
}

fn cap(w: &World) -> u64 {
    read::parameters(&w.ledger).debit_cap.units()
}

#[test]
fn proposing() {
    let mut base = world();
    base.ok(base.p, propose("cap", DebitCap, 5, 100));
    check_cases(
        &base,
        &[
            ("by a user", |w| w.run(w.alice, propose("x", DebitCap, 5, 100)), (106, "sender")),
            ("by a gateway", |w| w.run(w.gw, propose("x", DebitCap, 5, 100)), (106, "sender")),
            (
                "by a platform without a validator",
                |w| w.run(w.arbiter, propose("x", DebitCap, 5, 100)),
                (106, "sender"),
            ),
            ("by the risk desk's validator", |w| w.run(w.risk, propose("x", DebitCap, 5, 100)), APPLIED),
            ("again", |w| w.run(w.p, propose("cap", DebitCap, 5, 100)), REPLAYED),
            ("another body", |w| w.run(w.p, propose("cap", DayMs, 6, 101)), (502, "parameter value from_height")),
            ("another value", |w| w.run(w.p, propose("cap", DebitCap, 6, 100)), (502, "value")),
            ("another's name", |w| w.run(w.q, propose("cap", DebitCap, 6, 100)), APPLIED),
            ("below the bounds", |w| w.run(w.p, propose("x", DayMs, 0, 100)), (108, "value")),
            ("above the bounds", |w| w.run(w.p, propose("x", DebitCap, u64::MAX, 100)), (108, "value")),
            ("more than the type holds", |w| w.run(w.p, propose("x", MaxDuePerBlock, 1 << 32, 100)), (108, "value")),
            ("not fitting the others", |w| w.run(w.p, propose("x", FeeMin, 1, 100)), (108, "value")),
            ("what it is already", |w| w.run(w.p, propose("x", DebitCap, 100_000, 100)), APPLIED),
            ("from this block", |w| w.run(w.p, propose("x", DebitCap, 5, w.height + 1)), (507, "from_height")),
            ("from the next block", |w| w.run(w.p, propose("x", DebitCap, 5, w.height + 2)), APPLIED),
            ("from the first block", |w| w.run(w.p, propose("x", DebitCap, 5, 0)), (507, "from_height")),
            ("far ahead", |w| w.run(w.p, propose("x", DebitCap, 5, w.height + 1 + MAX_LEAD)), APPLIED),
            ("too far ahead", |w| w.run(w.p, propose("x", DebitCap, 5, w.height + 2 + MAX_LEAD)), (507, "from_height")),
            ("never", |w| w.run(w.p, propose("x", DebitCap, 5, u64::MAX)), (507, "from_height")),
            (
                "too many",
                |w| {
                    for i in 1..MAX_OPEN_PROPOSALS {
                        w.ok(w.p, propose(&format!("x{i}"), DebitCap, 5, 100));
                    }
                    w.ok(w.q, propose("x", DebitCap, 5, 100));
                    w.run(w.p, propose("x", DebitCap, 5, 100))
                },
                (504, "proposals"),
            ),
            (
                "too many in a batch",
                |w| w.batch(w.p, (0..16).map(|i| propose(&format!("x{i}"), DebitCap, 5, 100)).collect()),
                (504, "proposals actions[15]"),
            ),
            (
                "expired ones do not count",
                |w| {
                    for i in 1..MAX_OPEN_PROPOSALS {
                        w.ok(w.p, propose(&format!("x{i}"), DebitCap, 5, 100));
                    }
                    w.wait(PROPOSAL_MS);
                    w.run(w.p, propose("x", DebitCap, 5, 100))
                },
                APPLIED,
            ),
            (
                "nor do approved ones",
                |w| {
                    for i in 1..MAX_OPEN_PROPOSALS {
                        w.ok(w.p, propose(&format!("x{i}"), DebitCap, 5, 100));
                    }
                    w.ok(w.q, approve(w.p, "x7"));
                    w.run(w.p, propose("x", DebitCap, 5, 100))
                },
                APPLIED,
            ),
        ],
    );
    let (p, cap) = (base.p, label("cap"));
    let receipt = world().ok(p, propose("cap", DebitCap, 5, 100));
    let made = Event::ProposalMade {
        proposer: p,
        proposal: cap.clone(),
        parameter: DebitCap,
        value: 5,
        from_height: Height(100),
    };
    assert_eq!(receipt.events, [made, Event::ProposalApproved { proposer: p, proposal: cap, by: p, approvals: 1 }]);
}

#[test]
fn approving() {
    let mut base = world();
    base.ok(base.p, propose("cap", DebitCap, 5, 100));
    check_cases(
        &base,
        &[
            ("by a user", |w| w.run(w.alice, approve(w.p, "cap")), (106, "sender")),
            ("by a platform without a validator", |w| w.run(w.auditor, approve(w.p, "cap")), (106, "sender")),
            ("nothing", |w| w.run(w.q, approve(w.p, "x")), (401, "proposal")),
            ("of another", |w| w.run(w.q, approve(w.q, "cap")), (401, "proposal")),
            ("its own", |w| w.run(w.p, approve(w.p, "cap")), REPLAYED),
            ("the last it needs", |w| w.run(w.q, approve(w.p, "cap")), APPLIED),
            ("one of two it needs", |w| w.run(w.risk, approve(w.p, "cap")), APPLIED),
            (
                "twice",
                |w| {
                    w.ok(w.risk, approve(w.p, "cap"));
                    w.run(w.risk, approve(w.p, "cap"))
                },
                REPLAYED,
            ),
            (
                "after it was decided",
                |w| {
                    w.ok(w.q, approve(w.p, "cap"));
                    w.run(w.risk, approve(w.p, "cap"))
                },
                (504, "proposal"),
            ),
            (
                "twice after it was decided",
                |w| {
                    w.ok(w.q, approve(w.p, "cap"));
                    w.run(w.q, approve(w.p, "cap"))
                },
                REPLAYED,
            ),
            (
                "after it took effect",
                |w| {
                    w.ok(w.q, approve(w.p, "cap"));
                    w.height = 100;
                    w.wait(0);
                    w.run(w.risk, approve(w.p, "cap"))
                },
                (504, "proposal"),
            ),
            (
                "at the last moment",
                |w| {
                    w.time += PROPOSAL_MS - 1;
                    w.run(w.q, approve(w.p, "cap"))
                },
                APPLIED,
            ),
            (
                "too late",
                |w| {
                    w.time += PROPOSAL_MS;
                    w.run(w.q, approve(w.p, "cap"))
                },
                (507, "proposal"),
            ),
            (
                "by a frozen platform",
                |w| {
                    w.status(w.q, AccountStatus::DebitFrozen);
                    w.run(w.q, approve(w.p, "cap"))
                },
                (402, "sender"),
            ),
        ],
    );
    let mut w = base.clone();
    let replay = w.run(w.p, approve(w.p, "cap"));
    assert_eq!(replay.outcome, Outcome::Replayed { original: proposal(&w, w.p, "cap").tx });
    let receipt = w.ok(w.q, approve(w.p, "cap"));
    let approved = Event::ProposalApproved { proposer: w.p, proposal: label("cap"), by: w.q, approvals: 3 };
    assert_eq!(receipt.events, [approved]);
}

#[test]
fn a_quorum_counts_validators() {
    for (approvers, decided) in [("q", false), ("r", false), ("qr", true), ("p", false), ("pr", false), ("pq", true)] {
        let mut w = world();
        let of = |c| match c {
            'p' => w.p,
            'q' => w.q,
            _ => w.risk,
        };
        let approvers: Vec<AccountId> = approvers.chars().map(of).collect();
        w.ok(approvers[0], propose("x", DebitCap, 5, 100));
        for approver in &approvers[1..] {
            w.ok(*approver, approve(approvers[0], "x"));
        }
        let state = proposal(&w, approvers[0], "x").state;
        assert_eq!(state == ProposalState::Approved, decided, "{approvers:?}");
    }
    // who runs a quorum decides alone
    let mut w = World::new();
    w.ok(w.p, propose("x", DebitCap, 5, 100));
    assert_eq!(proposal(&w, w.p, "x").state, ProposalState::Approved);
    let mut w = World::new();
    w.validators(&[w.q, w.q, w.q, w.p]);
    w.ok(w.q, propose("x", DebitCap, 5, 100));
    assert_eq!(proposal(&w, w.q, "x").state, ProposalState::Approved);
}

#[test]
fn a_change_takes_effect_with_the_block_it_names() {
    let mut w = world();
    w.ok(w.p, propose("cap", DebitCap, 5, w.height + 4));
    w.ok(w.q, approve(w.p, "cap"));
    assert_eq!(cap(&w), 100_000);
    assert_eq!(read::scheduled(&w.ledger, 9), [(Height(w.height + 2), w.p, label("cap"))]);
    let receipts = w.wait(0);
    // the block before works with the old value to its end
    assert_eq!(cap(&w), 5);
    let cause = Cause::ProposalDue { proposer: w.p, proposal: label("cap") };
    assert_eq!((receipts.len(), &receipts[0].cause), (1, &cause));
    assert_eq!(receipts[0].events, [Event::ParameterSet { parameter: DebitCap, value: 5 }]);
    assert_eq!(proposal(&w, w.p, "cap").state, ProposalState::Done);
    assert!(w.wait(0).is_empty());

    assert!(read::scheduled(&w.ledger, 9).is_empty());
    assert_eq!(read::proposals(&w.ledger, w.p, None, 9), [(label("cap"), proposal(&w, w.p, "cap"))]);
    assert!(read::proposals(&w.ledger, w.p, Some(&label("cap")), 9).is_empty());

    // approved after its height: with the next block
    w.ok(w.p, propose("late", DebitCap, 7, soon(&w)));
    w.wait(0);
    w.wait(0);
    assert_eq!(cap(&w), 5);
    let body = w.body(w.q, Payload::One(approve(w.p, "late")));
    let tx = w.sign(body, &[w.q]);
    let receipts = w.block(&[tx]);
    assert_eq!(receipts.len(), 2);
    assert_eq!(cap(&w), 7);
}

#[test]
fn changes_of_a_block_are_in_order_and_bounded() {
    let mut w = World::new();
    let height = w.height + 3;
    let many = |from: u64, to: u64| (from..to).map(|i| propose(&format!("n{i:02}"), DebitCap, i, height)).collect();
    let receipt = w.batch(w.p, many(10, 10 + MAX_CHANGES_PER_BLOCK as u64 + 1));
    assert!(receipt.applied(), "{receipt:?}");
    assert_eq!(w.wait(0).len(), MAX_CHANGES_PER_BLOCK);
    assert_eq!(cap(&w), 10 + MAX_CHANGES_PER_BLOCK as u64 - 1);
    assert_eq!(w.wait(0).len(), 1);
    assert_eq!(cap(&w), 10 + MAX_CHANGES_PER_BLOCK as u64);
    assert!(w.wait(0).is_empty());
}

#[test]
fn what_no_longer_fits_is_void() {
    let mut w = World::new();
    w.validators(&[w.p, w.p, w.p, w.q]);
    w.vote(FeeCap, 100);
    w.ok(w.p, propose("min", FeeMin, 50, w.height + 5));
    w.vote(FeeCap, 40);
    w.wait(0);
    let receipts = w.wait(0);
    let void = Event::ProposalVoid { proposer: w.p, proposal: label("min") };
    assert_eq!(receipts.iter().flat_map(|r| r.events.clone()).collect::<Vec<_>>(), [void]);
    let state = proposal(&w, w.p, "min").state;
    assert_eq!((state, read::parameters(&w.ledger).fee.min), (ProposalState::Void, Amount::ZERO));
    assert_eq!(refusal(&w.run(w.p, approve(w.p, "min"))), (0, "replayed".into()));
    assert_eq!(refusal(&w.run(w.q, approve(w.p, "min"))), (504, "proposal".into()));
}

#[test]
fn every_parameter_can_be_voted_on() {
    let mut w = World::new();
    w.vote(FeeCap, 1_000_000);
    w.vote(ArchiveMs, ArchiveMs.bounds().1);
    for parameter in Parameter::ALL {
        let (least, most) = parameter.bounds();
        let now = parameter.get(&read::parameters(&w.ledger));
        // these depend on others
        let depends = matches!(parameter, FeeTier2Rate | FeeTier2Volume | FeeTier3Rate | FeeTier3Volume | FeeTier1Rate);
        let depends = depends || matches!(parameter, FeeMin | ArchiveMs);
        for value in [most, least] {
            if !depends {
                w.vote(*parameter, value);
            }
        }
        if !depends {
            w.vote(*parameter, now);
        }
    }
    for (parameter, value) in [
        (FeeMin, 1_000_000),
        (FeeTier1Volume, 10),
        (FeeTier1Rate, 5),
        (FeeTier2Volume, 20),
        (FeeTier2Rate, 4),
        (FeeTier3Volume, 30),
        (FeeTier3Rate, 3),
        (ArchiveMs, 20_000),
        (DisputeMs, 1),
        (ArchiveMs, 1),
    ] {
        w.vote(parameter, value);
    }
    assert_eq!(w.no(w.p, propose("x", DisputeMs, 2, soon(&w))), (108, "value".into()));
    assert_eq!(w.no(w.p, propose("x", FeeTier1Volume, 20, soon(&w))), (108, "value".into()));
    assert_eq!(w.no(w.p, propose("x", FeeTier2Volume, 0, soon(&w))), (108, "value".into()));
}

/// p owes 600 in the open window.
fn owing() -> World {
    let mut w = World::new();
    w.offer(w.q, "book", vec![leg(Payee::Host, 1_000_000)], None);
    w.deposit(w.p, 10_000);
    w.ok(w.p, lock(10_000));
    w.ok(w.alice, window_order(&w, "1", 600));
    w
}

fn window_order(w: &World, id: &str, units: u64) -> Action {
    Action::Pay(Pay { mode: PayMode::Window, ..pay(w.p, id, w.q, "book", units) })
}

#[test]
fn a_cap_below_a_position_stops_it_from_growing() {
    let mut w = owing();
    w.vote(DebitCap, 500);
    assert_eq!(w.no(w.alice, window_order(&w, "2", 1)), (304, "origin".into()));
    w.ok(w.p, close_window(1));
    assert_eq!(w.no(w.alice, window_order(&w, "2", 1)), (304, "origin".into()));
    w.ok(w.q, settle_window(1));
    assert_eq!(w.available(w.q), 600);
    w.ok(w.alice, window_order(&w, "2", 500));
    assert_eq!(w.no(w.alice, window_order(&w, "3", 1)), (304, "origin".into()));
}

#[test]
fn a_daily_cap_below_the_days_deposits_stops_more() {
    let mut w = World::new();
    w.deposit(w.alice, 600);
    w.vote(GatewayDailyCap, 500);
    assert_eq!(w.no(w.gw, deposit("bank", "x", w.alice, 1)), (702, "amount".into()));
    w.time += 24 * HOUR;
    w.ok(w.gw, deposit("bank", "x", w.alice, 500));
    assert_eq!(w.no(w.gw, deposit("bank", "y", w.alice, 1)), (702, "amount".into()));
}

#[test]
fn limits_count_from_the_vote_on() {
    let mut w = World::new();
    w.deposit(w.alice, 10_000);
    w.ok(w.alice, transfer(w.bob, 600));
    w.vote(Tier1Daily, 500);
    w.ok(w.alice, transfer(w.bob, 400));
    assert_eq!(w.no(w.alice, transfer(w.bob, 101)), (802, "amount".into()));
    w.vote(Tier1Daily, 300);
    assert_eq!(w.no(w.alice, transfer(w.bob, 1)), (802, "amount".into()));
    w.vote(Tier1Daily, 0);
    w.ok(w.alice, transfer(w.bob, 5000));
}

#[test]
fn what_is_under_way_keeps_its_times_and_fees() {
    let mut w = World::with(|p| p.fee = fee(30_000), false);
    w.offer(w.q, "book", seventy(), None);
    w.deposit(w.alice, 100_000);
    let escrow = |id: &str, total: u64| {
        Action::Pay(Pay { mode: PayMode::Escrow, expected_total: fen(total), ..pay(w.p, id, w.q, "book", 1000) })
    };
    let (first, second) = (escrow("1", 1030), escrow("2", 1010));
    w.ok(w.alice, first.clone());
    let due = w.order(w.p, "1").due;
    w.vote(EscrowMs, 10);
    w.vote(FeeRate, 10_000);
    assert_eq!(w.order(w.p, "1").due, due);
    assert_eq!(refusal(&w.run(w.alice, first)), (0, "replayed".into()), "the same body is the same order");
    w.ok(w.alice, second);
    let placed = w.time;
    assert_eq!(w.order(w.p, "2").due, Some(Time(placed + 10)));
    assert_eq!((w.order(w.p, "1").fee, w.order(w.p, "2").fee), (fen(30), fen(10)));
    w.wait(10);
    assert_eq!(w.state(w.p, "2"), vostro_types::receipt::OrderState::Settled);
    assert_eq!(w.state(w.p, "1"), vostro_types::receipt::OrderState::Escrowed);
    w.wait(5000);
    assert_eq!(w.state(w.p, "1"), vostro_types::receipt::OrderState::Settled);
}

/// A window that cannot close when its time comes, and whose span a vote took away, waits for a platform.
#[test]
fn a_window_without_a_span_leaves_the_queue() {
    let mut w = World::with(|p| p.window_ms = 1000, false);
    w.offer(w.q, "book", vec![leg(Payee::Host, 1_000_000)], None);
    w.deposit(w.p, 10_000);
    w.ok(w.p, lock(10_000));
    for i in 0..17u64 {
        w.ok(w.alice, window_order(&w, &i.to_string(), 10));
        if i < 16 {
            w.ok(w.p, close_window(i + 1));
        }
    }
    w.vote(WindowMs, 0);
    assert_eq!(w.wait(1000).len(), 1);
    assert_eq!(read::window(&w.ledger, cny(), 17).unwrap().due, None);
    assert_eq!(vostro_settlement::next_deadline(&w.ledger), None);
    w.ok(w.q, settle_window(1));
    w.ok(w.p, close_window(17));
}

fn edit<K, V>(w: &mut World, table: &Table<K, V>, key: K, change: impl FnOnce(&mut V))
where
    K: KeyPart,
    V: Encode + Decode<()>,
{
    let mut value = table.get(&w.ledger, &key).unwrap();
    change(&mut value);
    w.ledger.put(&table.key(&key), &encode(&(1u8, value)));
}

fn put<K, V>(w: &mut World, table: &Table<K, V>, key: K, value: V)
where
    K: KeyPart,
    V: Encode + Decode<()>,
{
    w.ledger.put(&table.key(&key), &encode(&(1u8, value)));
}

/// A state with proposals in every state, limits that were used, and volumes.
fn voted() -> World {
    let mut w = owing();
    w.time += 100 * 24 * HOUR;
    w.set_parameters(|p| {
        p.limits[0].daily = fen(50_000);
        p.refund_alarm = ppm(1);
    });
    w.deposit(w.alice, 20_000);
    w.ok(w.alice, transfer(w.bob, 500));
    w.time += HOUR;
    w.ok(w.alice, Action::Pay(pay(w.p, "i", w.q, "book", 1000)));
    w.ok(w.p, refund(w.p, "i", "r", 400));
    w.ok(w.p, set_tier(w.alice, 1));
    w.ok(w.p, propose("cap", FeeCap, 5, soon(&w)));
    w.ok(w.p, propose("min", FeeMin, 4, w.height + 4));
    w.ok(w.p, propose("cap2", FeeCap, 3, soon(&w)));
    w.wait(0);
    w.ok(w.p, propose("later", DebitCap, 5, 1000));
    w.validators(&[w.p, w.p, w.p, w.q]);
    w.ok(w.q, propose("open", DebitCap, 6, 1000));
    w
}

type Tamper = fn(&mut World);

#[test]
fn tampering_with_rules_is_found_out() {
    use ProposalState::{Approved, Done, Void};
    let base = voted();
    let states = ["cap", "min", "cap2", "later"].map(|name| proposal(&base, base.p, name).state);
    assert_eq!(states, [Done, Void, Done, Approved]);
    check(&base.ledger).unwrap();
    let cases: &[(&str, Tamper)] = &[
        ("parameters are within bounds", |w| w.set_parameters(|p| p.day_ms = 0)),
        ("a proposed value is within", |w| edit(w, &PROPOSALS, (w.p, label("later")), |p| p.value = u64::MAX)),
        ("the proposer approves first", |w| {
            edit(w, &PROPOSALS, (w.q, label("open")), |p| p.approvals.clear());
        }),
        ("the proposer approves first", |w| {
            let other = w.p;
            edit(w, &PROPOSALS, (w.q, label("open")), |p| p.approvals[0].0 = other);
        }),
        ("validators' platforms approve", |w| {
            let stranger = w.risk;
            edit(w, &PROPOSALS, (w.q, label("open")), |p| p.approvals.push((stranger, p.tx)));
        }),
        ("validators' platforms approve", |w| {
            edit(w, &PROPOSALS, (w.q, label("open")), |p| p.approvals.push(p.approvals[0]));
        }),
        ("a quorum of approvals decides", |w| {
            let other = w.p;
            edit(w, &PROPOSALS, (w.q, label("open")), |p| p.approvals.push((other, p.tx)));
        }),
        ("a quorum of approvals decides", |w| edit(w, &PROPOSALS, (w.q, label("open")), |p| p.state = Done)),
        ("what is approved is scheduled", |w| w.ledger.delete(&SCHEDULE.key(&(1000, w.p, label("later"))))),
        ("what is approved is scheduled", |w| put(w, &SCHEDULE, (1000, w.p, label("cap")), ())),
        ("what is approved is scheduled", |w| {
            edit(w, &PROPOSALS, (w.p, label("later")), |p| p.from_height = Height(1001));
        }),
        ("scheduled once", |w| put(w, &SCHEDULE, (1001, w.p, label("later")), ())),
        ("the schedule names", |w| put(w, &SCHEDULE, (1000, w.p, label("nothing")), ())),
        ("listed proposals are open", |w| put(w, &OPEN_PROPOSALS, w.q, vec![label("nothing")])),
        ("listed proposals are open", |w| put(w, &OPEN_PROPOSALS, w.p, vec![label("cap")])),
        ("listed proposals are open", |w| put(w, &OPEN_PROPOSALS, w.p, vec![])),
        ("listed proposals are open", |w| put(w, &OPEN_PROPOSALS, w.q, vec![label("open"), label("open")])),
        ("has a tier", |w| edit(w, &ACCOUNTS, w.alice, |head| head.tier = 4)),
        ("has a tier", |w| edit(w, &ACCOUNTS, w.alice, |head| head.tier = 0)),
        ("attestations are about", |w| put(w, &ATTESTATIONS, w.p, Hash::ZERO)),
        ("so it has limits", |w| {
            let spending = read::spending(&w.ledger, w.alice, cny());
            put(w, &SPENDING, (w.p, cny()), spending);
        }),
        ("counts the hours", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.hours.clear())),
        ("counts at most the last 24", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.hours[0].0 -= 24)),
        ("counts at most the last 24", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.hours.reverse())),
        ("counts a movement in its hour", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.hours[0].1 = fen(1))),
        ("counts a movement in its hour", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.day.1 = fen(1))),
        ("counts a movement in its hour", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.year.1 = fen(1))),
        ("counts a movement in its hour", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.year.0 += 1)),
        ("so it has a volume", |w| put(w, &VOLUMES, (w.alice, cny()), Volume::default())),
        ("before the alarm", |w| edit(w, &VOLUMES, (w.p, cny()), |v| v.refunded = 0)),
    ];
    for (rule, tamper) in cases {
        let mut w = base.clone();
        tamper(&mut w);
        let violation = check(&w.ledger).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
}

#[test]
fn wrong_steps_of_rules_are_found_out() {
    let base = voted();
    let steps: &[(&str, Tamper)] = &[
        ("the validators are those of the genesis", |w| w.validators(&[w.p])),
        ("parameters are what votes", |w| w.set_parameters(|p| p.debit_cap = fen(1))),
        ("proposals stay", |w| w.ledger.delete(&PROPOSALS.key(&(w.q, label("open"))))),
        ("proposals stay", |w| edit(w, &PROPOSALS, (w.q, label("open")), |p| p.value += 1)),
        ("proposals stay", |w| edit(w, &PROPOSALS, (w.q, label("open")), |p| p.approvals.clear())),
        ("proposals stay", |w| edit(w, &PROPOSALS, (w.p, label("cap")), |p| p.state = ProposalState::Void)),
        ("proposals stay", |w| edit(w, &PROPOSALS, (w.p, label("later")), |p| p.state = ProposalState::Open)),
        ("proposals stay", |w| {
            let by = (w.q, proposal(w, w.q, "open").tx);
            edit(w, &PROPOSALS, (w.p, label("later")), |p| p.approvals.push(by));
        }),
        ("at most its daily cap", |w| edit(w, &GATEWAY_DAYS, (w.gw, cny()), |d| d.total = Amount::MAX)),
        ("grows to the debit cap", |w| edit(w, &NETS, (cny(), 1, w.p), |net| *net = 100_001)),
        ("moves no more than its limits", |w| edit(w, &SPENDING, (w.alice, cny()), |s| s.day.1 = fen(50_001))),
        ("only grows", |w| edit(w, &VOLUMES, (w.p, cny()), |v| v.sold -= 1)),
        ("only grows", |w| edit(w, &VOLUMES, (w.p, cny()), |v| v.before += 1)),
        ("only grows", |w| edit(w, &VOLUMES, (w.p, cny()), |v| v.alarmed = false)),
    ];
    for (rule, tamper) in steps {
        let mut w = base.clone();
        tamper(&mut w);
        let violation = check_step(&base.ledger, &w.ledger, &[]).expect_err(rule).to_string();
        assert!(violation.contains(rule), "{rule}: {violation}");
    }
    let moved = Spending { day: (1, fen(60_000)), ..Spending::default() };
    let mut w = base.clone();
    let bob = w.bob;
    put(&mut w, &SPENDING, (bob, cny()), moved);
    assert!(check_step(&base.ledger, &w.ledger, &[]).is_err());
}
