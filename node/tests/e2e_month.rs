//! A month of three platforms in a minute: whatever the contract knows happens once on four real nodes, one of which
//! dies in between; at the end every statement adds up.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use std::collections::BTreeSet;

use serde_json::json;
use vostro_crypto::sha256;
use vostro_node::cli::genesis::rfc3339;
use vostro_types::transaction::{ArchiveOrders, CloseWindow, PayMode, Price};
use vostro_types::{AccountKind, AccountStatus, Action, Hash, Height, Time};

use e2e::deeds::*;
use e2e::market::{Act, Market, Verdict, by, id, made_by, units};
use e2e::{block_on, books, until};

/// Spans that somebody must be in time for are minutes; those that somebody waits for are seconds.
const PARAMETERS: &str = r#"
[parameters]
dayMs = 1000
escrowMs = 600000
holdMs = 600000
disputeMs = 600000
resolveMs = 600000
archiveMs = 600000
windowMs = 0
maxDuePerBlock = 1000
feePeriodMs = 4000
debitCap = "100000000"
gatewayDailyCap = "10000000000"
[parameters.fee]
ratePpm = 10000
min = "0"
cap = "100000"
[[parameters.fee.tiers]]
volume = "200000"
ratePpm = 5000
"#;
const PEOPLE: [&str; 6] = ["ada", "ben", "cyn", "dov", "iris", "juno"];
const PERSONS: [&str; 3] = ["first", "second", "third"];
/// Length of a mandate's period.
const PERIOD_MS: u64 = 3_000;
/// Length of a period of fees.
const FEE_PERIOD_MS: u64 = 4_000;
/// How often a thing that must happen within a span is tried again in the next.
const TRIES: usize = 20;

/// Buys something; the origin signs too, since the payees bear the fee.
fn buys(who: &str, action: Action, origin: &str) -> Act {
    by(who, action).with(origin)
}

fn state(m: &Market, name: &str) -> String {
    let key = order(name);
    block_on(m.client().order(&key.platform.to_string(), &key.order_id)).unwrap().state
}

/// What each leg of an order got and gave back.
fn legs(m: &Market, name: &str) -> Vec<(u128, u128)> {
    let key = order(name);
    let order = block_on(m.client().order(&key.platform.to_string(), &key.order_id)).unwrap();
    order.legs.iter().map(|leg| (units(&leg.amount), units(&leg.returned))).collect()
}

/// Accounts, the catalog, money, and an arbiter of whose three persons two must agree.
fn opening(m: &Market) {
    // the first of each kind by a person's verbs
    m.wallet("account open --key @atlas --new-key @ada");
    m.wallet("plan --key @birch --plan plain --leg creator=70% --leg host=20% --leg origin=10%");
    let opened = [
        ("atlas", "ben", AccountKind::User),
        ("birch", "cyn", AccountKind::User),
        ("cedar", "dov", AccountKind::User),
        ("birch", "iris", AccountKind::Creator),
        ("cedar", "juno", AccountKind::Creator),
    ];
    let opened = opened.map(|(platform, name, kind)| by(platform, open(name, kind)).with(name));
    let plans = [by("cedar", register_plan("plain"))];
    let arbiter = PERSONS.iter().fold(by("arbiter", set_keys(2, &PERSONS)), |act, person| act.with(person));
    m.all(opened.into_iter().chain(plans).chain([arbiter]));
    m.wallet("deposit --key @gateway --channel bank --reference in-ada --to ~ada --amount 5000.00 --asset CNY");
    m.wallet(
        "item --key @birch --item course --asset CNY --price 100.00 --tax 6% --tax-account vat --plan plain \
         --creator ~iris --scope all",
    );
    let purses = [
        ("ben", "CNY", "3000.00"),
        ("cyn", "CNY", "3000.00"),
        ("dov", "CNY", "90000.00"),
        ("atlas", "CNY", "2000.00"),
        ("birch", "CNY", "2000.00"),
        ("cedar", "CNY", "2000.00"),
        ("delta", "USD", "1000.00"),
    ];
    let purses = purses.map(|(to, code, amount)| by("gateway", deposit(&format!("in-{to}"), to, code, amount)));
    let open_price = Price::Open { min: money("1.00"), max: money("5000.00") };
    let items = [
        by("birch", register_item("monthly", "iris", fixed("30.00"), None, None)).and(register_item(
            "minutes",
            "iris",
            fixed("50.00"),
            Some(60_000),
            Some(100),
        )),
        by("cedar", register_item("album", "juno", fixed("80.00"), None, None))
            .and(register_item("basket", "juno", open_price, None, None)),
    ];
    m.all(purses.into_iter().chain(items));
}

/// Courses sold across platforms in every mode but the window, with split and tax.
fn sales(m: &Market) {
    m.all([
        buys("ada", pay_now("atlas/a-1", "birch/course", "106.00"), "atlas"),
        buys("ben", pay_now("cedar/c-1", "birch/course", "106.00"), "cedar"),
        buys("cyn", pay_now("birch/b-1", "cedar/album", "80.00"), "birch"),
        buys("ada", pay("atlas/a-2", "cedar/album", "80.00", PayMode::Escrow), "atlas"),
        buys("dov", pay("cedar/c-2", "birch/course", "106.00", PayMode::Maturing(1)), "cedar"),
    ]);
    // 1 % of the net price, from the payees in proportion
    let paid = |amounts: [u128; 5]| amounts.map(|a| (a, 0)).to_vec();
    assert_eq!(legs(m, "atlas/a-1"), paid([6930, 1980, 990, 600, 100]));
    assert_eq!(legs(m, "cedar/c-1"), paid([6930, 1980, 990, 600, 100]));
    assert_eq!(state(m, "atlas/a-2"), "ESCROWED");
    m.applied(by("ada", confirm("atlas/a-2")));
    assert_eq!(state(m, "atlas/a-2"), "SETTLED");
    until("a day to pass", || (state(m, "cedar/c-2") == "SETTLED").then_some(()));
}

/// A mandate that is charged while the month goes on.
struct Renewals {
    starts: Time,
    charged: BTreeSet<u64>,
}

impl Renewals {
    fn begin(m: &Market) -> Self {
        m.wallet(
            "mandate create --key @ben --mandate monthly --payee birch --host birch --item monthly --asset CNY \
             --max-per-charge 30.00 --max-per-month 90.00 --every 3s",
        );
        let made = block_on(m.client().mandate(&id("ben").to_string(), &label("monthly"))).unwrap();
        assert_eq!(made.interval_ms, PERIOD_MS);
        Renewals { starts: made.starts, charged: BTreeSet::new() }
    }

    /// The charge of a period; its platform bears the fee.
    fn charge(period: u64) -> Act {
        by("birch", charge("ben", "monthly", period, &format!("birch/m-{period}"), "birch/monthly", "30.00"))
    }

    /// Charges the period that it is, once.
    fn renew(&mut self, m: &Market) {
        for _ in 0..TRIES {
            let period = m.now().since(self.starts) / PERIOD_MS;
            if self.charged.contains(&period) {
                m.wait_for(self.starts.plus((period + 1) * PERIOD_MS));
                continue;
            }
            m.refused(Self::charge(period + 1_000), 622, "period");
            match m.judge(&Self::charge(period)) {
                Verdict::Applied(receipt) => {
                    self.charged.insert(period);
                    m.replayed(Self::charge(period), made_by(&receipt));
                    return;
                }
                // the period ended while the charge was on its way
                Verdict::Refused { code: 507, .. } => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("no charge was in time");
    }

    fn end(self, m: &Market) {
        m.wallet("mandate cancel --key @ben --mandate monthly");
        let period = m.now().since(self.starts) / PERIOD_MS;
        m.refused(Self::charge(period + 1_000), 623, "mandate");
        let words = "charge --key @birch --payer ~ben --mandate monthly --order m-last --price 30.00 --total 30.00";
        let refused = m.cli(&format!("wallet {words}"));
        assert!(refused.sentence().contains("623"), "{}", refused.sentence());
        assert_eq!(self.charged.len(), 3);
        let mandate = block_on(m.client().mandate(&id("ben").to_string(), &label("monthly"))).unwrap();
        assert_eq!((units(&mandate.charged_in_month), mandate.cancelled_by.is_some()), (9000, true));
    }
}

/// Parts of orders and whole ones go back, from a pot and from those who were paid.
fn refunds(m: &Market) {
    let before = m.purse("ada");
    m.wallet("refund --key @atlas --platform atlas --order a-1 --refund r-1 --amount 53.00");
    assert_eq!(state(m, "atlas/a-1"), "PART_REFUNDED");
    assert_eq!(legs(m, "atlas/a-1"), [(6930, 3465), (1980, 990), (990, 495), (600, 300), (100, 50)]);
    assert_eq!(m.purse("ada") - before, 5300);
    m.refused(by("atlas", refund("atlas/a-1", "r-1", "53.01")), 502, "amount reason");
    m.refused(by("atlas", refund("atlas/a-1", "r-2", "53.01")), 505, "amount");
    m.applied(by("atlas", refund("atlas/a-1", "r-2", "53.00")));
    assert_eq!((state(m, "atlas/a-1").as_str(), m.purse("ada") - before), ("REFUNDED", 10_600));
    let access = block_on(m.client().entitlement(&id("ada"), "birch", &label("course"), false)).unwrap();
    assert!(!access.entitled, "{access:?}");

    m.applied(buys("ben", pay("cedar/c-3", "cedar/album", "80.00", PayMode::Maturing(300)), "cedar"));
    let before = m.purse("ben");
    m.applied(by("cedar", refund("cedar/c-3", "r-1", "80.00")));
    assert_eq!((state(m, "cedar/c-3").as_str(), m.purse("ben") - before), ("REFUNDED", 8000));
}

/// A campaign of two sponsors whose coupon is used, comes back and is used again; another one ends by itself.
fn coupons(m: &Market) {
    m.applied(by("cedar", campaign("flash", &["cedar", "juno"], "10.00", "5.00", 0, m.now().plus(5_000))).with("juno"));
    m.wallet(
        "campaign create --key @atlas --cosign @birch --campaign spring --asset CNY --sponsor atlas=50% \
         --sponsor birch=50% --budget 100.00 --value 20.00 --per-user 2 --for 1d",
    );
    m.wallet("campaign issue --key @atlas --campaign spring --serial s-1 --holder ~ada");
    m.applied(by("atlas", issue("spring", "s-2", None)));
    let coupon = || block_on(m.client().coupon("atlas", &label("s-1"))).unwrap();
    let spent = || units(&block_on(m.client().campaign("atlas", &label("spring"))).unwrap().spent);

    let before = m.purse("ada");
    m.applied(buys("ada", pay_with("atlas/k-1", "birch/course", "86.00", "atlas/s-1"), "atlas"));
    assert_eq!((before - m.purse("ada"), spent(), coupon().used.is_some()), (8600, 2000, true));
    let again = pay_with("atlas/k-2", "birch/course", "86.00", "atlas/s-1");
    m.refused(buys("ada", again.clone(), "atlas"), 611, "used");
    // all of it goes back: each source gets its own, and the coupon is good again
    let birch = m.purse("birch");
    m.applied(by("atlas", refund("atlas/k-1", "r-1", "106.00")));
    assert_eq!((m.purse("ada"), coupon().used.is_none()), (before, true));
    // birch gave back its leg as the host and got its half of the coupon
    assert_eq!(birch - m.purse("birch"), 1980 - 1000);
    m.applied(buys("ada", again, "atlas"));
    m.applied(by("atlas", refund("atlas/k-2", "r-1", "53.00")));
    assert_eq!((spent(), coupon().used.is_some()), (4000, true));
    m.applied(buys("ben", pay_with("atlas/k-3", "cedar/album", "60.00", "atlas/s-2"), "atlas"));
    let [atlas, birch] = ["atlas", "birch"].map(|s| m.purse(s));
    m.wallet("campaign end --key @atlas --campaign spring");
    // 100.00 less three coupons of 20.00, by halves
    assert_eq!(["atlas", "birch"].map(|s| m.purse(s)), [atlas + 2000, birch + 2000]);

    let flash = || block_on(m.client().campaign("cedar", &label("flash"))).unwrap();
    until("the campaign to end by itself", || flash().ended.then_some(()));
    assert_eq!(flash().sponsors.iter().map(|s| units(&s.returned)).collect::<Vec<_>>(), [500, 500]);
    m.refused(by("cedar", issue("flash", "f-1", None)), 504, "campaign");
}

/// A hold captured in part, one voided, and one that waits until its time is up; while a validator is dead.
fn holds(m: &Market) {
    let before = m.purse("ada");
    let hold_it = "--key @ada --origin atlas --host birch --item course --total 106.00 --origin-key @atlas";
    m.wallet(&format!("hold --order h-1 {hold_it}"));
    m.kill("cedar");
    m.wallet("capture --key @atlas --platform atlas --order h-1 --amount 53.00");
    assert_eq!((before - m.purse("ada"), state(m, "atlas/h-1").as_str()), (5300, "SETTLED"));
    m.refused(by("atlas", capture("atlas/h-1", "54.00")), 502, "amount");
    m.applied(buys("ada", hold("atlas/h-2", "birch/course", "106.00"), "atlas"));
    assert_eq!((before - m.purse("ada"), state(m, "atlas/h-2").as_str()), (5300 + 10_600, "HELD"));
    m.wallet("void --key @birch --platform atlas --order h-2");
    assert_eq!((before - m.purse("ada"), state(m, "atlas/h-2").as_str()), (5300, "VOIDED"));
    m.restart("cedar");
}

/// Two of three persons decide that 60 % of an order go back.
fn disputes(m: &Market) {
    m.applied(buys("ada", pay("atlas/d-1", "birch/course", "106.00", PayMode::Escrow), "atlas"));
    let before = m.purse("ada");
    m.wallet(&format!("dispute --key @ada --platform atlas --order d-1 --reason broken --evidence {}", Hash([7; 32])));
    m.refused(by("ada", confirm("atlas/d-1")), 504, "order");
    let decision = || by("arbiter", resolve("atlas/d-1", 600_000));
    m.refused(decision(), 101, "sender");
    m.refused(decision().signed_by(&["second"]), 107, "sender");
    m.wallet(
        "resolve --key @first --account arbiter --cosign @third --platform atlas --order d-1 --refund 60% --reason half",
    );
    assert_eq!((m.purse("ada") - before, state(m, "atlas/d-1").as_str()), (6360, "PART_REFUNDED"));
    assert_eq!(legs(m, "atlas/d-1"), [(6930, 4158), (1980, 1188), (990, 594), (600, 360), (100, 60)]);
}

/// Legs of a creator that the risk desk froze are held, and hers when she is free again.
fn freezing(m: &Market) {
    let before = m.balance("iris", "CNY");
    m.wallet("account status --key @risk --of ~iris --status frozen --reason review");
    m.refused(by("iris", transfer("juno", "1.00")), 403, "sender");
    m.applied(buys("dov", pay_now("cedar/c-4", "birch/course", "106.00"), "cedar"));
    m.applied(buys("dov", pay("cedar/c-5", "birch/course", "106.00", PayMode::Maturing(1)), "cedar"));
    until("a day to pass", || (state(m, "cedar/c-5") == "SETTLED").then_some(()));
    assert_eq!(m.balance("iris", "CNY"), [before[0], 2 * 6930, 0, 0]);
    m.applied(by("risk", set_status("iris", AccountStatus::Active)));
    assert_eq!(m.balance("iris", "CNY"), [before[0] + 2 * 6930, 0, 0, 0]);
    // a tier that the desk set is the desk's
    let tier = format!("account tier --of ~iris --attestation {}", Hash([4; 32]));
    m.wallet(&format!("{tier} --key @birch --tier 2"));
    m.wallet(&format!("{tier} --key @risk --tier 1"));
    let refused = m.cli(&format!("wallet {tier} --key @birch --tier 2"));
    assert!(refused.sentence().contains("106"), "{}", refused.sentence());
}

/// A hundred minutes are bought and used.
fn metering(m: &Market) {
    m.applied(buys("cyn", pay_now("birch/u-1", "birch/minutes", "53.00"), "birch"));
    m.wallet("consume --key @birch --platform birch --order u-1 --from 0 --units 30");
    let second = m.applied(by("birch", consume("birch/u-1", 30, 5)));
    m.replayed(by("birch", consume("birch/u-1", 30, 5)), made_by(&second));
    m.refused(by("birch", consume("birch/u-1", 35, 66)), 506, "units");
    let access = block_on(m.client().entitlement(&id("cyn"), "birch", &label("minutes"), false)).unwrap();
    assert_eq!((access.entitlements[0].used, access.entitlements[0].left), (35, Some(65)));
}

/// What platforms collected off the ledger for one another is netted; whoever asks may settle.
fn netting(m: &Market) {
    let before = ["atlas", "birch", "iris", "juno", "cedar", "vat", "network"].map(|who| m.purse(who));
    m.wallet("collateral lock --key @atlas --amount 300.00 --asset CNY");
    m.applied(by("birch", lock_collateral("300.00")));
    m.all([
        buys("ada", pay("atlas/w-1", "birch/course", "106.00", PayMode::Window), "atlas"),
        buys("cyn", pay("birch/w-2", "cedar/album", "80.00", PayMode::Window), "birch"),
    ]);
    let window = block_on(m.client().window(&asset("CNY"), None)).unwrap().window;
    m.refused(by("delta", Action::CloseWindow(CloseWindow { asset: asset("CNY"), window })), 106, "window");
    m.wallet(&format!("window close --key @birch --asset CNY --window {window}"));
    assert_eq!(state(m, "atlas/w-1"), "CLEARED");
    m.wallet(&format!("window settle --key @delta --asset CNY --window {window}"));
    assert_eq!((state(m, "atlas/w-1").as_str(), state(m, "birch/w-2").as_str()), ("SETTLED", "SETTLED"));
    for who in ["atlas", "birch"] {
        m.wallet(&format!("collateral unlock --key @{who} --amount 300.00 --asset CNY"));
    }
    // atlas owed all but its own 9.90, birch 55.44 to juno, 15.84 to cedar and 0.80 to the network
    let [atlas, birch, iris, juno, cedar, vat, network] = before;
    let after = [atlas - 9610, birch + 1980 - 7208, iris + 6930, juno + 5544, cedar + 1584, vat + 600, network + 180];
    assert_eq!(["atlas", "birch", "iris", "juno", "cedar", "vat", "network"].map(|who| m.purse(who)), after);
    m.wallet("fund contribute --key @cedar --amount 30.00 --asset CNY");
    m.wallet("fund release --key @cedar --amount 5.00 --asset CNY");
}

/// One withdrawal is paid out, another fails.
fn withdrawals(m: &Market) {
    let before = m.purse("iris");
    for (name, left) in [("out-1", before - 2000), ("out-2", before - 4000)] {
        let destination = Hash([9; 32]);
        m.wallet(&format!(
            "withdraw --key @iris --id {name} --gateway gateway --amount 20.00 --asset CNY --destination {destination}"
        ));
        assert_eq!(m.purse("iris"), left);
    }
    m.wallet("payout --key @gateway --owner ~iris --id out-1 --reference slip-1");
    m.wallet("payout --key @gateway --owner ~iris --id out-2 --reference slip-2 --failed");
    m.refused(by("gateway", withdraw_result("iris", "out-2", true, "slip-2")), 502, "ok");
    assert_eq!(m.purse("iris"), before - 2000);
    // while the gateway may not act, the risk desk answers for it
    m.wallet(&format!(
        "withdraw --key @iris --id out-3 --gateway gateway --amount 20.00 --asset CNY --destination {}",
        Hash([9; 32])
    ));
    m.refused(by("risk", withdraw_result("iris", "out-3", false, "gone")), 106, "sender");
    m.applied(by("risk", set_status("gateway", AccountStatus::Frozen)));
    m.refused(by("gateway", withdraw_result("iris", "out-3", false, "gone")), 403, "sender");
    m.wallet("payout --key @risk --owner ~iris --id out-3 --reference gone --failed");
    m.applied(by("risk", set_status("gateway", AccountStatus::Active)));
    assert_eq!(m.purse("iris"), before - 2000);
    m.wallet(&format!("anchor --key @auditor --channel bank --period 2026-11 --root {}", Hash([6; 32])));
}

/// Who sold for 2000.00 in a period pays half the fee in the next.
fn fee_tiers(m: &Market) {
    let sells = |name: String, price: &str| {
        buys("dov", pay_price(&format!("cedar/{name}"), "cedar/basket", price, price), "cedar")
    };
    let period = |time: Time| time.0 / FEE_PERIOD_MS;
    for number in 0..TRIES {
        let big = m.applied(sells(format!("big-{number}"), "2000.00"));
        m.wait_for(Time((period(big.time) + 1) * FEE_PERIOD_MS));
        let small = m.applied(sells(format!("small-{number}"), "10.00"));
        if period(small.time) == period(big.time) + 1 {
            assert_eq!(units(&small.fee), 5);
            return;
        }
        // it came too late
        assert_eq!(units(&small.fee), 10);
    }
    panic!("no sale fell into the period behind");
}

/// A maker's signed quote is taken; money is locked to a hash, claimed, and taken back.
fn exchange(m: &Market) {
    let preimage = [3; 32];
    let hash = sha256(&preimage);
    let soon = m.now().plus(5_000);
    m.applied(by("ada", htlc_lock("back", "dov", "15.00", hash, soon)));
    m.wallet(&format!("htlc lock --key @ada --id swap --to ~dov --amount 12.00 --asset CNY --hash {hash} --for 1h"));
    let before = m.purse("dov");
    m.wallet(&format!("htlc claim --key @dov --owner ~ada --id swap --preimage {}", Hash(preimage)));
    assert_eq!(m.purse("dov") - before, 1200);
    m.refused(by("ada", htlc_refund("ada", "swap")), 504, "htlc_id");

    // the maker signs in its own office, the taker takes what it sees
    let [cny, delta] = [m.purse("ada"), m.purse("delta")];
    m.write(
        "quote.json",
        &json!({
            "maker": id("delta").to_string(), "quoteId": "q-1", "taker": id("ada").to_string(), "givesAsset": "USD", "gives": "100.00",
            "takesAsset": "CNY", "takes": "710.00", "spread": "2.00", "spreadTo": id("network").to_string(),
            "expires": rfc3339(m.now().plus(LONG_MS).0),
        }),
    );
    let convert = m.cli("tx quote +quote.json --key @delta").json();
    m.write("convert.json", &convert);
    m.wallet("convert +convert.json --key @ada");
    assert_eq!([m.balance("ada", "USD")[0], m.balance("delta", "USD")[0]], [10_000, 90_000]);
    assert_eq!([cny - m.purse("ada"), m.purse("delta") - delta], [71_200, 71_000]);

    m.wait_for(soon);
    let before = m.purse("ada");
    m.applied(by("ada", htlc_refund("ada", "back")));
    assert_eq!(m.purse("ada") - before, 1500);
}

/// Three of four validators shorten spans: escrows and holds end by themselves, and old orders may be archived.
fn votes(m: &Market) {
    let archive = |names: &[&str]| {
        let orders = names.iter().map(|name| label(name)).collect();
        by("atlas", Action::ArchiveOrders(ArchiveOrders { orders }))
    };
    m.refused(archive(&["a-1"]), 622, "order");
    let of = |name: &str| {
        let list = block_on(m.client().params()).unwrap().list;
        list.into_iter().find(|p| p.name == name).unwrap().value.parse::<u64>().unwrap()
    };
    // the second vote would not fit before the first one took effect: what may be disputed is not archived
    let first = [("disputeMs", 1), ("escrowMs", 300), ("holdMs", 300)];
    m.refused(by("atlas", propose("archiveMs", "archiveMs", 1, Height(9_999))), 108, "value");
    for shorter in [&first[..], &[("archiveMs", 1)]] {
        let next = Height(block_on(m.client().status()).unwrap().height + 40);
        for (name, value) in shorter {
            m.wallet(&format!(
                "propose --key @atlas --proposal {name} --parameter {name} --value {value} --from-height {}",
                next.0
            ));
        }
        for (platform, decided) in [("birch", false), ("cedar", true)] {
            for (name, _) in shorter {
                m.wallet(&format!("approve --key @{platform} --proposer atlas --proposal {name}"));
            }
            let (name, value) = shorter[0];
            let proposal = block_on(m.client().proposal("atlas", &label(name))).unwrap();
            assert_eq!(proposal.state != "open", decided, "{proposal:?}");
            if !decided {
                assert_ne!(of(name), value);
            }
        }
        until("the vote to take effect", || shorter.iter().all(|(name, value)| of(name) == *value).then_some(()));
    }

    m.applied(buys("ada", pay("atlas/e-1", "cedar/album", "80.00", PayMode::Escrow), "atlas"));
    m.applied(buys("ben", hold("atlas/h-3", "cedar/album", "80.00"), "atlas"));
    until("the escrow to confirm itself", || (state(m, "atlas/e-1") == "SETTLED").then_some(()));
    until("the hold to return", || (state(m, "atlas/h-3") == "VOIDED").then_some(()));

    let first = block_on(m.client().order("atlas", &label("a-1"))).unwrap();
    let kept = m.cli("query order atlas a-1 --prove --keep +a-1.order").json();
    assert_eq!(kept["proofVerified"], json!(true));
    let early = m.cli("query order atlas a-1 --prove --kept +a-1.order");
    assert!(early.sentence().contains("not archived"), "{}", early.sentence());
    m.wallet("archive --key @atlas a-1 d-1 h-2");
    m.cli("query order atlas a-1 --prove --kept +a-1.order").ok();
    let other = m.cli("query order atlas d-1 --prove --kept +a-1.order");
    assert!(other.sentence().contains("digest"), "{}", other.sentence());
    let left = block_on(m.client().order_or_archived("atlas", &label("a-1"), false)).unwrap();
    assert_eq!(serde_json::to_value(&left).unwrap()["archived"], json!(true));
    // its key is not free again, and its original is known
    m.replayed(buys("ada", pay_now("atlas/a-1", "birch/course", "106.00"), "atlas"), first.placed_by);
    m.refused(buys("ada", pay_now("atlas/a-1", "cedar/album", "80.00"), "atlas"), 502, "archived");
    m.refused(by("atlas", refund("atlas/a-1", "r-9", "1.00")), 504, "archived");

    // what verbs show of objects and of an account's money
    for words in ["window CNY", "window CNY 1", "item birch course", "proposal atlas disputeMs"] {
        let proved = m.cli(&format!("query {words} --prove")).json();
        assert_eq!(proved["proofVerified"], json!(true), "{words}");
    }
    let statement = m.cli("query statement ~ada --asset CNY --limit 100").json();
    assert_eq!(
        (&statement["lines"][0]["balance"], &statement["fromHeight"]),
        (&statement["lines"][0]["amount"], &json!(1))
    );
}

#[test]
fn a_month_of_three_platforms_adds_up() {
    let people: Vec<&str> = PEOPLE.iter().chain(&PERSONS).copied().collect();
    let m = Market::open(PARAMETERS, &people);
    opening(&m);
    sales(&m);
    let mut renewals = Renewals::begin(&m);
    renewals.renew(&m);
    refunds(&m);
    coupons(&m);
    renewals.renew(&m);
    holds(&m);
    disputes(&m);
    freezing(&m);
    renewals.renew(&m);
    metering(&m);
    netting(&m);
    withdrawals(&m);
    fee_tiers(&m);
    exchange(&m);
    renewals.end(&m);
    votes(&m);
    // what came in less what was paid out; cedar's contribution is the only money in no account
    let inside = [("CNY", 10_700_000 - 2_000 - 2_500), ("USD", 100_000)];
    books::add_up(&m, &PEOPLE, &inside);
    m.close();
}
