//! Who may do what to whose object: every action is tried by every kind of sender, on objects of alice's, of p's and of
//! q's. One table says what happens; docs/contract.md shows it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::campaigns::*;
use common::exchange::*;
use common::*;
use vostro_settlement::Ledger;
use vostro_settlement::model::AccountHead;
use vostro_settlement::tables::ACCOUNTS;
use vostro_types::codec::encode;
use vostro_types::genesis::Parameters;
use vostro_types::transaction::*;
use vostro_types::*;

/// The columns.
const SENDERS: [&str; 13] = [
    "owner",
    "origin",
    "host",
    "platform",
    "validator",
    "creator",
    "user",
    "gateway",
    "other gateway",
    "risk",
    "arbiter",
    "auditor",
    "fee account",
];

/// An action, what there is before it, the action of a sender with who else signs, and what each sender is told.
struct Row {
    action: &'static str,
    /// What it is about.
    object: &'static str,
    given: fn(&mut Cast),
    act: fn(&Cast, AccountId) -> (Vec<AccountId>, Action),
    cells: &'static str,
}

/// Whoever does not take part, takes part in something else of the same kind.
struct Cast {
    w: World,
    /// A platform that has nothing to do with alice, p and q.
    other: AccountId,
    /// A platform that runs a validator.
    validator: AccountId,
    /// Another one, which proposes.
    proposer: AccountId,
}

impl Cast {
    fn new() -> Self {
        let mut w = World::new();
        // Roles stand alone here: whoever has one is nothing else.
        for id in [w.risk, w.arbiter, w.auditor] {
            let head = ACCOUNTS.get(&w.ledger, &id).unwrap();
            let head = AccountHead { kind: AccountKind::Suspense, ..head };
            w.ledger.put(&ACCOUNTS.key(&id), &encode(&(1u8, head)));
        }
        let [other, validator, proposer] = [70, 71, 72].map(|seed| w.join(seed));
        w.validators(&[proposer, validator, validator, validator]);
        let mut cast = Cast { w, other, validator, proposer };
        for sender in cast.senders() {
            cast.w.deposit(sender, 100_000);
        }
        let mut legs = seventy();
        legs.push(PlanLeg { share: Share::Fixed(fen(1)), ..leg(Payee::Account(cast.w.tax), 1) });
        for platform in [cast.w.p, cast.w.q, cast.other, cast.validator] {
            cast.w.offer(platform, "book", legs.clone(), None);
            cast.w.ok(platform, lock(10_000));
        }
        cast
    }

    fn senders(&self) -> [AccountId; 13] {
        let w = &self.w;
        [
            w.alice,
            w.p,
            w.q,
            self.other,
            self.validator,
            w.carol,
            w.bob,
            w.gw,
            w.gw2,
            w.risk,
            w.arbiter,
            w.auditor,
            w.fees,
        ]
    }

    /// An order of alice's, sold by p and hosted by q.
    fn order(&mut self, id: &str, mode: PayMode) {
        let w = &mut self.w;
        let p = w.p;
        let order = Pay { mode, ..pay(p, id, w.q, "book", 1000) };
        assert!(w.by(w.alice, &[w.alice, p], Action::Pay(order)).applied());
    }

    /// A campaign of p's that it funds alone.
    fn campaign(&mut self, name: &str) {
        let campaign = campaign(&self.w, name, &[(self.w.p, 1_000_000)]);
        self.w.ok(self.w.p, Action::CreateCampaign(campaign));
    }

    /// A mandate of alice's for p.
    fn mandate(&mut self, name: &str) {
        let mandate = mandate(&self.w, name);
        self.w.ok(self.w.alice, Action::CreateMandate(mandate));
    }

    /// A hold of alice's, sold by p and hosted by q.
    fn hold(&mut self, id: &str) {
        let order = hold(self.w.p, id, self.w.q, "book", 1000);
        self.w.ok(self.w.alice, Action::Hold(order));
    }
}

fn alone(action: Action) -> (Vec<AccountId>, Action) {
    (vec![], action)
}

const ROWS: &[Row] = &[
    Row {
        action: "OpenAccount",
        object: "a new account",
        given: |c| {
            c.w.newcomer(50);
        },
        act: |_, _| {
            let owner = KeyPolicy::single(secret(50).public()).account_id(&[0; 16]);
            (vec![owner], open_account(AccountKind::User, 50))
        },
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "SetStatus",
        object: "the owner's account",
        given: |_| {},
        act: |c, _| alone(set_status(c.w.alice, AccountStatus::DebitFrozen)),
        cells: "106 ok 106 106 106 106 106 106 106 ok 106 106 106",
    },
    Row {
        action: "SetKeys",
        object: "the sender's account",
        given: |_| {},
        act: |c, sender| {
            let key = account::WeightedKey { key: c.w.keys[&sender].public(), weight: 2 };
            alone(set_keys(KeyPolicy::new(2, vec![key]).unwrap()))
        },
        cells: "ok ok ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "SetTier",
        object: "the owner's account",
        given: |_| {},
        act: |c, _| alone(set_tier(c.w.alice, 2)),
        cells: "106 ok 106 106 106 106 106 106 106 ok 106 106 106",
    },
    Row {
        action: "Deposit",
        object: "the owner's account",
        given: |_| {},
        act: |c, _| alone(deposit("bank", "new", c.w.alice, 10)),
        cells: "106 106 106 106 106 106 106 ok ok 106 106 106 106",
    },
    Row {
        action: "Withdraw",
        object: "the sender's money",
        given: |_| {},
        act: |c, _| alone(withdraw("new", c.w.gw, 10)),
        cells: "ok ok ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "WithdrawResult",
        object: "the owner's withdrawal by the gateway",
        given: |c| {
            let gw = c.w.gw;
            c.w.ok(c.w.alice, withdraw("w", gw, 10));
        },
        act: |c, _| alone(result(c.w.alice, "w", true, "paid")),
        cells: "106 106 106 106 106 106 106 ok 106 106 106 106 106",
    },
    Row {
        action: "Transfer",
        object: "the sender's money",
        given: |_| {},
        act: |c, _| alone(transfer(c.w.tax, 10)),
        cells: "ok ok ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "RegisterPlan",
        object: "the sender's plan",
        given: |_| {},
        act: |_, _| alone(plan("new", 1, seventy())),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "RegisterItem",
        object: "the sender's item",
        given: |_| {},
        act: |c, _| alone(Action::RegisterItem(RegisterItem { plan: label("book"), ..item("new", 1, c.w.carol) })),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "Pay",
        object: "an order of the sender's at the origin",
        given: |_| {},
        act: |c, _| (vec![c.w.p], Action::Pay(pay(c.w.p, "new", c.w.q, "book", 1000))),
        cells: "ok ok ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "Confirm",
        object: "the owner's order",
        given: |c| c.order("1", PayMode::Escrow),
        act: |c, _| alone(confirm(c.w.p, "1")),
        cells: "ok 106 106 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "Refund",
        object: "the owner's order",
        given: |c| c.order("1", PayMode::Instant),
        act: |c, _| (vec![c.w.p], refund(c.w.p, "1", "r", 10)),
        cells: "106 ok ok 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "Hold",
        object: "an order of the sender's at the origin",
        given: |_| {},
        act: |c, _| (vec![c.w.p], Action::Hold(hold(c.w.p, "new", c.w.q, "book", 1000))),
        cells: "ok ok ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "Capture",
        object: "the owner's hold",
        given: |c| c.hold("1"),
        act: |c, _| alone(capture(c.w.p, "1", 600)),
        cells: "106 ok 106 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "Void",
        object: "the owner's hold",
        given: |c| c.hold("1"),
        act: |c, _| alone(void(c.w.p, "1")),
        cells: "106 ok ok 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "OpenDispute",
        object: "the owner's order",
        given: |c| c.order("1", PayMode::Escrow),
        act: |c, _| alone(dispute(c.w.p, "1")),
        cells: "ok 106 106 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "Resolve",
        object: "the owner's dispute",
        given: |c| {
            c.order("1", PayMode::Escrow);
            c.w.ok(c.w.alice, dispute(c.w.p, "1"));
        },
        act: |c, _| alone(resolve(c.w.p, "1", 500_000)),
        cells: "106 106 106 106 106 106 106 106 106 106 ok 106 106",
    },
    Row {
        action: "Consume",
        object: "the owner's entitlement",
        given: |c| {
            let api = RegisterItem { terms: metered(9, None), plan: label("book"), ..item("api", 1, c.w.carol) };
            c.w.ok(c.w.q, Action::RegisterItem(api));
            c.w.ok(c.w.alice, Action::Pay(pay(c.w.p, "1", c.w.q, "api", 1000)));
        },
        act: |c, _| alone(consume(c.w.p, "1", 0, 1)),
        cells: "106 106 ok 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "ArchiveOrders",
        object: "the owner's order",
        given: |c| {
            c.order("1", PayMode::Instant);
            c.w.wait(Parameters::BASE.archive_ms);
        },
        act: |_, _| alone(archive(&["1"])),
        cells: "106 ok 503 503 503 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "CreateCampaign",
        object: "the sender's money",
        given: |_| {},
        act: |c, sender| alone(Action::CreateCampaign(campaign(&c.w, "new", &[(sender, 1_000_000)]))),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "IssueCoupon",
        object: "the origin's campaign",
        given: |c| c.campaign("1"),
        act: |_, _| alone(issue("1", "new", None)),
        cells: "401 ok 401 401 401 401 401 401 401 401 401 401 401",
    },
    Row {
        action: "ExpireCampaign",
        object: "the origin's campaign",
        given: |c| c.campaign("1"),
        act: |_, _| alone(expire("1")),
        cells: "401 ok 401 401 401 401 401 401 401 401 401 401 401",
    },
    Row {
        action: "CreateMandate",
        object: "the sender's money, for the origin",
        given: |_| {},
        act: |c, _| alone(Action::CreateMandate(mandate(&c.w, "new"))),
        cells: "ok 406 ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "Charge",
        object: "the owner's mandate for the origin",
        given: |c| c.mandate("1"),
        act: |c, _| alone(Action::Charge(charge(&c.w, c.w.alice, "1", 0, "new", 1000))),
        cells: "106 ok 106 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "CancelMandate",
        object: "the owner's mandate for the origin",
        given: |c| c.mandate("1"),
        act: |c, _| alone(cancel(c.w.alice, "1")),
        cells: "ok ok 106 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "LockCollateral",
        object: "the sender's money",
        given: |_| {},
        act: |_, _| alone(lock(10)),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "UnlockCollateral",
        object: "the sender's cover",
        given: |_| {},
        act: |_, _| alone(unlock(10)),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "FundContribute",
        object: "the sender's money",
        given: |_| {},
        act: |_, _| alone(contribute(10)),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "FundRelease",
        object: "the sender's contribution",
        given: |c| {
            for platform in [c.w.p, c.w.q] {
                c.w.ok(platform, contribute(10));
            }
        },
        act: |_, _| alone(release(10)),
        cells: "106 ok ok 301 301 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "CloseWindow",
        object: "a window of origin and host",
        given: |c| c.order("1", PayMode::Window),
        act: |_, _| alone(close_window(1)),
        cells: "106 ok ok 106 106 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "SettleWindow",
        object: "a window of origin and host",
        given: |c| {
            c.order("1", PayMode::Window);
            c.w.ok(c.w.p, close_window(1));
        },
        act: |_, _| alone(settle_window(1)),
        cells: "106 ok ok ok ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "HtlcLock",
        object: "the sender's money",
        given: |_| {},
        act: |c, _| alone(Action::HtlcLock(htlc_lock("new", c.w.tax, 10, c.w.time + 1000))),
        cells: "ok ok ok ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "HtlcClaim",
        object: "the owner's lock for the creator",
        given: |c| {
            let lock = htlc_lock("1", c.w.carol, 10, c.w.time + 1000);
            c.w.ok(c.w.alice, Action::HtlcLock(lock));
        },
        act: |c, _| alone(htlc_claim(c.w.alice, "1", PREIMAGE)),
        cells: "106 106 106 106 106 ok 106 106 106 106 106 106 106",
    },
    Row {
        action: "HtlcRefund",
        object: "the owner's lock",
        given: |c| {
            let lock = htlc_lock("1", c.w.carol, 10, c.w.time + 1000);
            c.w.ok(c.w.alice, Action::HtlcLock(lock));
            c.w.wait(1000);
        },
        act: |c, _| alone(htlc_refund(c.w.alice, "1")),
        cells: "ok ok 106 106 106 106 106 106 106 ok 106 106 106",
    },
    Row {
        action: "FxConvert",
        object: "the host's quote",
        given: |c| c.w.deposit_usd(c.w.q, 1000),
        act: |c, _| alone(convert(&c.w, quote(&c.w, c.w.q, "1"))),
        cells: "ok ok 406 ok ok ok ok ok ok ok ok ok ok",
    },
    Row {
        action: "AnchorReport",
        object: "a report of the sender's",
        given: |_| {},
        act: |_, _| alone(report("bank", "2026-11", 1)),
        cells: "106 106 106 106 106 106 106 ok ok 106 106 ok 106",
    },
    Row {
        action: "Propose",
        object: "a proposal of the sender's",
        given: |_| {},
        act: |c, _| alone(propose("new", Parameter::DebitCap, 5, c.w.height + 9)),
        cells: "106 106 106 106 ok 106 106 106 106 106 106 106 106",
    },
    Row {
        action: "Approve",
        object: "another validator's proposal",
        given: |c| {
            let height = c.w.height + 9;
            c.w.ok(c.proposer, propose("1", Parameter::DebitCap, 5, height));
        },
        act: |c, _| alone(approve(c.proposer, "1")),
        cells: "106 106 106 106 ok 106 106 106 106 106 106 106 106",
    },
];

#[test]
fn every_sender_tries_every_action() {
    let base = Cast::new();
    let mut wrong = Vec::new();
    for row in ROWS {
        let mut given = Cast { w: base.w.clone(), ..base };
        (row.given)(&mut given);
        let cells: Vec<String> = given
            .senders()
            .iter()
            .map(|sender| {
                let mut cast = Cast { w: given.w.clone(), ..given };
                let (mut signers, action) = (row.act)(&cast, *sender);
                let kind = format!("{action:?}");
                assert_eq!(kind.split('(').next(), Some(row.action));
                signers.push(*sender);
                match refusal(&cast.w.by(*sender, &signers, action)) {
                    (0, _) => "ok".into(),
                    (code, _) => code.to_string(),
                }
            })
            .collect();
        if cells.join(" ") != row.cells {
            wrong.push(format!("{}: {}", row.action, cells.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The page shows this table, and a row of it for every action that it describes.
#[test]
fn the_page_shows_the_table() {
    let page = include_str!("../../../docs/contract.md");
    let mut lines = vec![format!("| action | on | {} |", SENDERS.join(" | "))];
    for row in ROWS {
        let cells: Vec<&str> = row.cells.split(' ').map(|cell| if cell == "ok" { "✓" } else { cell }).collect();
        assert_eq!(cells.len(), SENDERS.len(), "{}", row.action);
        lines.push(format!("| {} | {} | {} |", row.action, row.object, cells.join(" | ")));
    }
    let missing: Vec<&String> = lines.iter().filter(|line| !page.lines().any(|shown| shown == *line)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    for action in page.lines().filter_map(|line| line.strip_prefix("### ")).filter(|action| *action != "Batch") {
        assert!(ROWS.iter().any(|row| row.action == action), "{action} has no row");
    }
}
