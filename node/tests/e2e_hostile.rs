//! A hostile partner: the platform cedar, with its own keys, users, creator and validator, tries what it has no right
//! to. Each attempt is refused with its code, or answered with what was done before, and moves nobody's money.
#![allow(clippy::unwrap_used, missing_docs)]

mod e2e;

use vostro_crypto::sha256;
use vostro_types::transaction::{
    Approve, ArchiveOrders, CloseWindow, ExpireCampaign, FxConvert, PayMode, Payee, PlanLeg, RefundPolicy,
    RegisterPlan, SetTier, Share, UnlockCollateral, Withdraw,
};
use vostro_types::{AccountKind, AccountStatus, Action, FxQuote, Hash, Height, Time, TxId};

use e2e::deeds::*;
use e2e::market::{Act, Balances, LASTING, Market, PLATFORMS, Verdict, by, everybody, id, key, made_by};
use e2e::{block_on, books};

/// Beside [`LASTING`], whose lack of a fee lets each sale need the least consent that it may need.
const LIMITS: &str = r#"
[[parameters.limits]]
perTransaction = "100000"
velocity = "150000"
"#;
/// ada is atlas's user and iris birch's creator; the others are cedar's.
const PEOPLE: [&str; 6] = ["ada", "iris", "mal", "meg", "max", "moe"];
/// Length of a period of the mandate whose month is small.
const PERIOD_MS: u64 = 2_000;
const TRIES: usize = 20;
const PREIMAGE: [u8; 32] = [3; 32];

/// What must come of an attempt.
enum Expect {
    /// A rule refuses it, about this.
    Code(u16, &'static str),
    /// It was done before; this did it.
    Done(TxId),
}
use Expect::{Code, Done};

type Attempt = (&'static str, Act, Expect);

/// Everybody's money before the attempts.
struct Watch<'a> {
    m: &'a Market,
    before: Balances,
}

impl<'a> Watch<'a> {
    fn new(m: &'a Market) -> Self {
        Watch { m, before: m.balances(&everybody(&PEOPLE)) }
    }

    /// Makes the attempts. All that went another way are named together.
    #[track_caller]
    fn attempts(&self, attempts: impl IntoIterator<Item = Attempt>) {
        let mut wrong = Vec::new();
        for (what, act, expect) in attempts {
            let verdict = self.m.judge(&act);
            let as_expected = match (&verdict, &expect) {
                (Verdict::Refused { code, about }, Code(expected, thing)) => {
                    (code, about.join(" ").as_str()) == (expected, *thing)
                }
                (Verdict::Replayed(original), Done(expected)) => original == expected,
                _ => false,
            };
            if !as_expected {
                wrong.push(format!("{what}: {verdict:?}"));
            }
            if self.m.balances(&everybody(&PEOPLE)) != self.before {
                wrong.push(format!("{what}: moved money"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// What is there to be abused, and what cedar did by right.
struct Scene {
    refund: TxId,
    charge: TxId,
    capture: TxId,
    consume: TxId,
    approval: TxId,
    exchange: TxId,
}

fn quote(m: &Market, name: &str) -> FxQuote {
    FxQuote {
        maker: id("delta"),
        quote_id: label(name),
        taker: None,
        gives_asset: asset("USD"),
        gives: money("10.00"),
        takes_asset: asset("CNY"),
        takes: money("71.00"),
        spread: money("0.00"),
        spread_to: id("network"),
        expires: m.now().plus(LONG_MS),
    }
}

/// Takes a quote that `maker` signed for a chain.
fn take(quote: &FxQuote, maker: &str, chain: &Hash) -> Action {
    Action::FxConvert(FxConvert { quote: quote.clone(), signatures: quote.sign(chain, &[&key(maker)]) })
}

fn withdraw(name: &str, amount: &str) -> Action {
    Action::Withdraw(Withdraw {
        withdrawal_id: label(name),
        gateway: id("gateway"),
        asset: asset("CNY"),
        amount: money(amount),
        destination: Hash([9; 32]),
    })
}

/// Accounts, items and money.
fn opening(m: &Market) {
    let user = |platform, name| by(platform, open(name, AccountKind::User)).with(name);
    let creator = |platform, name| by(platform, open(name, AccountKind::Creator)).with(name);
    m.all([
        user("atlas", "ada"),
        user("cedar", "mal"),
        user("cedar", "meg"),
        user("cedar", "max"),
        creator("birch", "iris"),
        creator("cedar", "moe"),
        by("birch", register_plan("plain")),
        by("cedar", register_plan("plain")),
    ]);
    let purses = ["ada", "mal", "meg", "max", "atlas", "birch", "cedar"];
    let purses = purses.map(|to| by("gateway", deposit(&format!("in-{to}"), to, "CNY", "3000.00")));
    let course = by("birch", register_item("course", "iris", fixed("100.00"), None, None));
    let junk = by("cedar", register_item("junk", "moe", fixed("100.00"), None, None));
    let gym = register_item("gym", "moe", fixed("10.00"), None, Some(10));
    let dollars = by("gateway", deposit("in-delta", "delta", "USD", "1000.00"));
    m.all(purses.into_iter().chain([course, junk.and(gym), dollars]));
}

/// Orders, a campaign, mandates, a hold, a dispute, a proposal and a quote, all by right.
fn scene(m: &Market, quoted: &FxQuote) -> Scene {
    let (now, later) = (m.now(), m.now().plus(LONG_MS));
    let poor = campaign("poor", &["cedar"], "30.00", "20.00", 0, later);
    let gone = campaign("gone", &["cedar"], "30.00", "20.00", 0, later);
    m.all([
        by("ada", pay_now("atlas/a-1", "birch/course", "100.00")),
        by("ada", hold("atlas/h-1", "birch/course", "100.00")),
        by("mal", pay_now("cedar/c-1", "birch/course", "100.00")),
        by("mal", pay_now("cedar/g-1", "cedar/gym", "10.00")),
        by("ada", pay_now("cedar/d-1", "birch/course", "100.00")).with("cedar"),
        by("ada", hold("cedar/h-1", "cedar/junk", "100.00")).with("cedar"),
        by("ada", hold("cedar/h-2", "cedar/junk", "100.00")).with("cedar"),
        by("ada", mandate("junk", "cedar/junk", "100.00", "100.00", LONG_MS, now)),
        by("ada", mandate("small", "cedar/junk", "99.99", "200.00", LONG_MS, now)),
        by("ada", mandate("over", "cedar/junk", "100.00", "200.00", LONG_MS, now)),
        by("ada", mandate("often", "cedar/junk", "100.00", "100.00", PERIOD_MS, now)),
        by("ada", mandate("birch", "birch/course", "100.00", "100.00", LONG_MS, now)),
        by("ada", withdraw("out-1", "10.00")),
        by("ada", htlc_lock("lock", "birch", "5.00", sha256(&PREIMAGE), later)),
        by("max", transfer("moe", "900.00")),
        by("cedar", campaign("promo", &["cedar"], "100.00", "20.00", 1, later))
            .and(poor)
            .and(gone)
            .and(issue("promo", "p-1", Some("mal")))
            .and(issue("promo", "p-2", None))
            .and(issue("promo", "p-3", Some("mal")))
            .and(issue("poor", "q-1", None))
            .and(issue("poor", "q-2", None))
            .and(issue("gone", "g-1", None)),
        by("atlas", campaign("spring", &["atlas"], "100.00", "20.00", 0, later)).and(issue("spring", "s-1", None)),
    ]);
    let exchange = by("mal", take(quoted, "delta", m.chain.genesis_hash()));
    let far = Height(1_000_000);
    let done = m.all([
        by("cedar", refund("cedar/c-1", "r-1", "30.00")),
        by("cedar", charge("ada", "junk", 0, "cedar/m-0", "cedar/junk", "100.00")),
        by("cedar", capture("cedar/h-1", "40.00")),
        by("cedar", consume("cedar/g-1", 0, 4)),
        by("cedar", propose("cheap", "fee.cap", 1, far)),
        exchange,
        by("ada", dispute("cedar/d-1")),
        by("ada", cancel_mandate("ada", "over")),
        by("mal", pay_with("cedar/k-1", "birch/course", "80.00", "cedar/p-1")),
        by("meg", pay_with("cedar/k-2", "birch/course", "80.00", "cedar/q-1")),
        by("cedar", Action::ExpireCampaign(ExpireCampaign { campaign: label("gone") })),
    ]);
    let [refund, charge, capture, consume, approval, exchange] = [0, 1, 2, 3, 4, 5].map(|at: usize| made_by(&done[at]));
    Scene { refund, charge, capture, consume, approval, exchange }
}

/// cedar's keys for what is not cedar's.
fn forged_authority(m: &Market) -> Vec<Attempt> {
    let borne_by_atlas = PlanLeg {
        payee: Payee::Origin,
        share: Share::Rate(parts(1_000_000)),
        refund: RefundPolicy::BorneBy(id("atlas")),
    };
    let plan = RegisterPlan { plan: label("free"), version: 1, legs: vec![borne_by_atlas] };
    let tier = SetTier { account: id("ada"), tier: 3, attestation: Hash([1; 32]) };
    let later = m.now().plus(LONG_MS);
    vec![
        (
            "pay for a user of atlas",
            by("ada", pay_now("cedar/x-1", "cedar/junk", "100.00")).signed_by(&["cedar"]),
            Code(101, "sender"),
        ),
        ("transfer for ada", by("ada", transfer("mal", "1.00")).signed_by(&["cedar", "mal"]), Code(101, "sender")),
        ("give ada cedar's key", by("ada", set_keys(1, &["cedar"])).signed_by(&["cedar"]), Code(101, "sender")),
        ("refund as atlas", by("atlas", refund("atlas/a-1", "x", "1.00")).signed_by(&["cedar"]), Code(101, "sender")),
        ("open an account without its key", by("cedar", open("nobody", AccountKind::User)), Code(107, "policy")),
        ("open a gateway", by("cedar", open("mint", AccountKind::Gateway)).with("mint"), Code(106, "kind")),
        ("freeze ada", by("cedar", set_status("ada", AccountStatus::Frozen)), Code(106, "account")),
        ("freeze atlas", by("cedar", set_status("atlas", AccountStatus::DebitFrozen)), Code(106, "account")),
        ("raise ada's tier", by("cedar", Action::SetTier(tier)), Code(106, "account")),
        ("bring money in", by("cedar", deposit("x", "cedar", "CNY", "1000.00")), Code(106, "sender")),
        ("answer ada's withdrawal", by("cedar", withdraw_result("ada", "out-1", true, "x")), Code(106, "sender")),
        ("let atlas bear refunds", by("cedar", Action::RegisterPlan(plan)), Code(107, "bearer")),
        (
            "let atlas sponsor",
            by("cedar", campaign("x", &["atlas", "cedar"], "10.00", "1.00", 0, later)),
            Code(107, "sponsor"),
        ),
        ("sell as atlas", by("mal", pay_now("atlas/x-1", "cedar/junk", "100.00")), Code(107, "origin")),
        ("claim birch's lock", by("cedar", htlc_claim("ada", "lock", PREIMAGE)), Code(106, "sender")),
        ("return ada's lock", by("cedar", htlc_refund("ada", "lock")), Code(106, "sender")),
        ("confirm for the payer", by("cedar", confirm("cedar/d-1")), Code(106, "sender")),
        ("spend as the fee account", by("network", transfer("mal", "1.00")).signed_by(&["cedar"]), Code(101, "sender")),
    ]
}

fn refunds(done: &Scene) -> Vec<Attempt> {
    let again = |amount| by("cedar", refund("cedar/c-1", "r-1", amount));
    vec![
        ("the same refund", again("30.00"), Done(done.refund)),
        ("the same name, more money", again("40.00"), Code(502, "amount")),
        ("more than is left", by("cedar", refund("cedar/c-1", "r-2", "70.01")), Code(505, "amount")),
        (
            "twice what is left, at once",
            by("cedar", refund("cedar/c-1", "r-3", "40.00")).and(refund("cedar/c-1", "r-4", "40.00")),
            Code(505, "amount actions[1]"),
        ),
        ("nothing", by("cedar", refund("cedar/c-1", "r-5", "0.00")), Code(201, "amount")),
        ("an order of atlas", by("cedar", refund("atlas/a-1", "r-1", "10.00")), Code(106, "sender")),
        ("an order of nobody", by("cedar", refund("cedar/none", "r-1", "10.00")), Code(503, "order")),
        ("by a user", by("mal", refund("cedar/c-1", "r-6", "10.00")), Code(106, "sender")),
        ("a hold", by("cedar", refund("cedar/h-2", "r-1", "10.00")), Code(504, "order")),
    ]
}

fn coupons() -> Vec<Attempt> {
    let use_it = |who: &str, name: &str, serial: &str| by(who, pay_with(name, "birch/course", "80.00", serial));
    let twice = use_it("meg", "cedar/x-2", "cedar/p-2");
    let twice = twice.and(pay_with("cedar/x-3", "birch/course", "80.00", "cedar/p-2"));
    vec![
        ("twice", use_it("mal", "cedar/x-1", "cedar/p-1"), Code(611, "used")),
        ("twice at once", twice, Code(611, "used actions[1]")),
        ("somebody else's", use_it("meg", "cedar/x-4", "cedar/p-3"), Code(611, "holder")),
        ("one more than allowed", use_it("mal", "cedar/x-5", "cedar/p-3"), Code(611, "per_user")),
        ("after the campaign", use_it("meg", "cedar/x-6", "cedar/g-1"), Code(611, "campaign")),
        ("beyond the budget", use_it("meg", "cedar/x-7", "cedar/q-2"), Code(303, "coupon")),
        ("of atlas", use_it("mal", "cedar/x-8", "atlas/s-1"), Code(611, "coupon")),
        ("not there", use_it("mal", "cedar/x-9", "cedar/none"), Code(611, "coupon")),
        ("for atlas's campaign", by("cedar", issue("spring", "x", None)), Code(401, "campaign")),
        ("a serial for another holder", by("cedar", issue("promo", "p-1", Some("meg"))), Code(502, "holder")),
    ]
}

/// cedar's names again with another body.
fn business_keys() -> Vec<Attempt> {
    let plan = RegisterPlan {
        plan: label("plain"),
        version: 1,
        legs: vec![PlanLeg {
            payee: Payee::Origin,
            share: Share::Rate(parts(1_000_000)),
            refund: RefundPolicy::NonRefundable,
        }],
    };
    let later = Time(1);
    vec![
        ("an order for another item", by("mal", pay_now("cedar/c-1", "cedar/junk", "100.00")), Code(502, "item")),
        ("an order of another payer", by("meg", pay_now("cedar/c-1", "birch/course", "100.00")), Code(502, "payer")),
        ("an order in another mode", by("mal", hold("cedar/c-1", "birch/course", "100.00")), Code(502, "mode")),
        ("a plan with other legs", by("cedar", Action::RegisterPlan(plan)), Code(502, "legs")),
        (
            "an item at another price",
            by("cedar", register_item("junk", "moe", fixed("99.00"), None, None)),
            Code(502, "price"),
        ),
        (
            "a campaign of less",
            by("cedar", campaign("promo", &["cedar"], "10.00", "20.00", 1, later)),
            Code(502, "budget ends"),
        ),
        ("an open account as a creator", by("cedar", open("mal", AccountKind::Creator)).with("mal"), Code(502, "kind")),
        ("ada as cedar's", by("cedar", open("ada", AccountKind::User)).with("ada"), Code(502, "platform")),
    ]
}

fn mandates(done: &Scene) -> Vec<Attempt> {
    let take = |mandate, period, order, item, total| by("cedar", charge("ada", mandate, period, order, item, total));
    let same = take("junk", 0, "cedar/m-0", "cedar/junk", "100.00");
    vec![
        ("the same charge", same, Done(done.charge)),
        ("the period again", take("junk", 0, "cedar/m-1", "cedar/junk", "100.00"), Code(502, "order_id")),
        ("the next period now", take("junk", 1, "cedar/m-2", "cedar/junk", "100.00"), Code(622, "period")),
        ("more than allowed", take("small", 0, "cedar/m-3", "cedar/junk", "100.00"), Code(621, "max_per_charge")),
        ("another item", take("small", 0, "cedar/m-4", "cedar/gym", "10.00"), Code(621, "item")),
        ("after the end", take("over", 0, "cedar/m-5", "cedar/junk", "100.00"), Code(623, "mandate")),
        ("given to birch", take("birch", 0, "cedar/m-6", "birch/course", "100.00"), Code(106, "sender")),
        ("never given", take("none", 0, "cedar/m-7", "cedar/junk", "100.00"), Code(401, "mandate")),
        (
            "in ada's name",
            by("ada", mandate("x", "cedar/junk", "1.00", "1.00", LONG_MS, Time(1))).signed_by(&["cedar"]),
            Code(101, "sender"),
        ),
    ]
}

/// What a month allows was charged in one period; the next one's charge is refused.
fn month_of_a_mandate(m: &Market) {
    let starts = block_on(m.client().mandate(&id("ada").to_string(), &label("often"))).unwrap().starts;
    let mut charged = None;
    for _ in 0..TRIES {
        let period = m.now().since(starts) / PERIOD_MS;
        let name = format!("cedar/often-{period}");
        let act = by("cedar", charge("ada", "often", period, &name, "cedar/junk", "100.00"));
        if charged == Some(period) {
            m.wait_for(starts.plus((period + 1) * PERIOD_MS));
            continue;
        }
        let before = m.balances(&everybody(&PEOPLE));
        match (m.judge(&act), charged) {
            (Verdict::Applied(_), None) => charged = Some(period),
            (Verdict::Refused { code: 621, about }, Some(_)) => {
                assert_eq!(about, ["max_per_month"]);
                assert_eq!(m.balances(&everybody(&PEOPLE)), before);
                return;
            }
            // the period ended while the charge was on its way
            (Verdict::Refused { code: 507, .. }, _) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
    panic!("no charge was in time");
}

/// max may move 1000.00 at once and 1500.00 in a day's hours, of which 900.00 are gone.
fn velocity(m: &Market) -> Vec<Attempt> {
    let split = by("max", transfer("moe", "200.00")).and(transfer("meg", "200.00")).and(transfer("mal", "200.01"));
    let lock = htlc_lock("x", "mal", "600.01", Hash([1; 32]), m.now().plus(LONG_MS));
    vec![
        ("too much at once", by("max", transfer("moe", "1000.01")), Code(801, "amount")),
        ("too much after all", by("max", transfer("moe", "600.01")), Code(803, "amount")),
        ("in pieces", split, Code(803, "amount actions[2]")),
        ("through a lock", by("max", lock), Code(803, "amount")),
        ("out of the network", by("max", withdraw("x", "600.01")), Code(803, "amount")),
    ]
}

fn units_and_holds(done: &Scene) -> Vec<Attempt> {
    let use_up = |from, units| by("cedar", consume("cedar/g-1", from, units));
    let take = |name, amount| by("cedar", capture(name, amount));
    vec![
        ("the same units", use_up(0, 4), Done(done.consume)),
        ("other units from there", use_up(0, 5), Code(502, "units")),
        ("units that are used", use_up(2, 2), Code(502, "from")),
        ("more than are left", use_up(4, 7), Code(506, "units")),
        ("units of birch's item", by("cedar", consume("cedar/c-1", 0, 1)), Code(106, "sender")),
        ("the same capture", take("cedar/h-1", "40.00"), Done(done.capture)),
        ("a second capture", take("cedar/h-1", "60.00"), Code(502, "amount")),
        ("more than is held", take("cedar/h-2", "100.01"), Code(506, "amount")),
        ("a hold of atlas's", take("atlas/h-1", "10.00"), Code(106, "sender")),
        ("return what was captured", by("cedar", void("cedar/h-1")), Code(504, "order")),
    ]
}

fn disputes() -> Vec<Attempt> {
    let archive = Action::ArchiveOrders(ArchiveOrders { orders: vec![label("d-1")] });
    vec![
        ("decide its own dispute", by("cedar", resolve("cedar/d-1", 0)), Code(106, "sender")),
        ("decide as the arbiter", by("arbiter", resolve("cedar/d-1", 0)).signed_by(&["cedar"]), Code(101, "sender")),
        ("refund the disputed", by("cedar", refund("cedar/d-1", "x", "1.00")), Code(504, "order")),
        ("archive the disputed", by("cedar", archive), Code(504, "order")),
        ("dispute for the payer", by("mal", dispute("atlas/a-1")), Code(106, "sender")),
    ]
}

fn votes(done: &Scene) -> Vec<Attempt> {
    let approve = || Action::Approve(Approve { proposer: id("cedar"), proposal: label("cheap") });
    let far = Height(1_000_000);
    vec![
        ("approve alone again", by("cedar", approve()), Done(done.approval)),
        ("approve as atlas", by("atlas", approve()).signed_by(&["cedar"]), Code(101, "sender")),
        ("approve as a user", by("mal", approve()), Code(106, "sender")),
        ("another value", by("cedar", propose("cheap", "fee.cap", 2, far)), Code(502, "value")),
        ("out of bounds", by("cedar", propose("x", "fee.ratePpm", 1_000_001, far)), Code(108, "value")),
        ("for the past", by("cedar", propose("y", "fee.cap", 1, Height(1))), Code(507, "from_height")),
    ]
}

fn quotes(m: &Market, quoted: &FxQuote, done: &Scene) -> Vec<Attempt> {
    let chain = *m.chain.genesis_hash();
    let other = FxQuote { quote_id: label("q-2"), ..quoted.clone() };
    let better = FxQuote { gives: money("500.00"), ..other.clone() };
    let for_ada = FxQuote { taker: Some(id("ada")), ..other.clone() };
    let late = FxQuote { expires: Time(1), ..other.clone() };
    let Action::FxConvert(honest) = take(&other, "delta", &chain) else { unreachable!() };
    let changed = Action::FxConvert(FxConvert { quote: better, signatures: honest.signatures });
    vec![
        ("the same taker again", by("mal", take(quoted, "delta", &chain)), Done(done.exchange)),
        ("another taker", by("cedar", take(quoted, "delta", &chain)), Code(911, "quote_id")),
        ("signed by cedar", by("mal", take(&other, "cedar", &chain)), Code(107, "maker")),
        ("signed for another chain", by("mal", take(&other, "delta", &Hash([5; 32]))), Code(101, "")),
        ("changed after it was signed", by("mal", changed), Code(101, "")),
        ("meant for ada", by("mal", take(&for_ada, "delta", &chain)), Code(911, "taker")),
        ("too late", by("mal", take(&late, "delta", &chain)), Code(911, "expires")),
    ]
}

fn windows() -> Vec<Attempt> {
    let (asset, window) = (asset("CNY"), 1);
    let owe = pay("cedar/w-1", "birch/course", "100.00", PayMode::Window);
    vec![
        ("owe without cover", by("mal", owe.clone()).with("cedar"), Code(305, "origin")),
        (
            "owe in atlas's name",
            by("mal", pay("atlas/w-1", "birch/course", "100.00", PayMode::Window)),
            Code(107, "origin"),
        ),
        ("owe by a user", by("mal", owe), Code(107, "origin")),
        ("close others' window", by("cedar", Action::CloseWindow(CloseWindow { asset, window })), Code(106, "window")),
        (
            "cover that is not there",
            by("cedar", Action::UnlockCollateral(UnlockCollateral { asset, amount: money("1.00") })),
            Code(301, "collateral"),
        ),
    ]
}

/// Bytes that were executed before, after every node was killed and came back.
fn replays_after_a_restart(m: &Market) {
    let once = m.sign(&by("mal", transfer("moe", "10.00")));
    let Verdict::Applied(first) = m.hand_in(&once) else { panic!("a plain transfer") };
    let refused = m.sign(&by("cedar", refund("atlas/a-1", "x", "10.00")));
    assert!(matches!(m.hand_in(&refused), Verdict::Refused { code: 106, .. }));
    let watch = Watch::new(m);
    for platform in PLATFORMS {
        m.kill(platform);
    }
    m.restart_all();
    for platform in PLATFORMS {
        m.ask(platform);
        match m.hand_in(&once) {
            // the answer of then, not another execution
            Verdict::Applied(again) => assert_eq!((again.height, again.index), (first.height, first.index)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(m.hand_in(&refused), Verdict::Refused { code: 106, .. }));
    }
    assert_eq!(m.balances(&everybody(&PEOPLE)), watch.before);
}

#[test]
fn a_hostile_partner_gets_codes_and_no_money() {
    let m = Market::open(&format!("{LASTING}{LIMITS}"), &PEOPLE);
    opening(&m);
    let quoted = quote(&m, "q-1");
    let done = scene(&m, &quoted);
    month_of_a_mandate(&m);
    // from here on cedar's own node is asked: it is no other judge
    m.ask("cedar");
    let parameters = block_on(m.client().params()).unwrap().parameters;
    let watch = Watch::new(&m);
    watch.attempts(forged_authority(&m));
    watch.attempts(refunds(&done));
    watch.attempts(coupons());
    watch.attempts(business_keys());
    watch.attempts(mandates(&done));
    watch.attempts(velocity(&m));
    watch.attempts(units_and_holds(&done));
    watch.attempts(disputes());
    watch.attempts(votes(&done));
    watch.attempts(quotes(&m, &quoted, &done));
    watch.attempts(windows());
    replays_after_a_restart(&m);
    assert_eq!(block_on(m.client().params()).unwrap().parameters, parameters);
    // in no account: two holds, a withdrawal, a lock, and what campaigns have left
    let outside = 10_000 + 10_000 + 1_000 + 500 + 8_000 + 1_000 + 10_000;
    books::add_up(&m, &PEOPLE, &[("CNY", 2_100_000 - outside), ("USD", 100_000)]);
    m.close();
}
