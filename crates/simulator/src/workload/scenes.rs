//! Scenes: a few transactions that belong together, so that every action of the contract takes its part in some seed.
//!
//! A scene has its own names and, where it takes rights away, its own accounts: what it does to them changes nothing
//! about who may sign what elsewhere.

use vostro_crypto::sha256;
use vostro_types::account::AccountStatus;
use vostro_types::transaction::*;
use vostro_types::{AccountKind, Action, Hash, Height, Parameter, Payload, SecretKey, Time};

use super::actions::{both, campaign, charge, convert, dispute, refund, resolve, transfer};
use super::genesis::{arbiter, auditor, gateway, risk};
use super::mix::{Faults, METERED, PERIOD_MS, PRICES, UNITS, any_item, pay};
use super::setup::leg;
use super::{
    CLOSING, Cast, Fate, OPENING, PEOPLE, PLATFORMS, START, When, cny, id, key, label, order, ppm, units, usd,
};
use crate::dice::Dice;

/// What goes wrong in a scene.
const FAULTS: Faults = Faults { poor: 0, duplicate: 1000, conflict: 500, stranger: 1500, forged: 300 };
/// The group of keys of accounts that a scene opens.
const EXTRAS: u8 = 7;
/// The group of keys that they sign with later.
const NEW_KEYS: u8 = 8;

#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    Hold,
    Dispute,
    Metered,
    Archive,
    Sale,
    Mandate,
    HashLock,
    Exchange,
    Report,
    Vote,
    Keys,
    Tier,
    Cover,
    Catalog,
    Status,
    Batch,
}

/// Every scene.
pub(super) const ALL: &[Scene] = &[
    Scene::Hold,
    Scene::Dispute,
    Scene::Metered,
    Scene::Archive,
    Scene::Sale,
    Scene::Mandate,
    Scene::HashLock,
    Scene::Exchange,
    Scene::Report,
    Scene::Vote,
    Scene::Keys,
    Scene::Tier,
    Scene::Cover,
    Scene::Catalog,
    Scene::Status,
    Scene::Batch,
];

/// What most scenes need: a buyer, the platform that sells to it, and names of the scene's own.
struct Set {
    number: usize,
    user: SecretKey,
    origin: SecretKey,
    partner: SecretKey,
}

impl Set {
    fn name(&self, what: &str) -> String {
        format!("{what} of scene {}", self.number)
    }

    /// An order of the scene's, and its price with the fee.
    fn pay(&self, what: &str, item: usize, mode: PayMode) -> (Pay, u64) {
        let pay = pay(&self.origin, self.name(what), item, mode);
        let total = pay.expected_total.units();
        (pay, total)
    }

    fn order(&self, what: &str) -> OrderKey {
        order(&self.origin, self.name(what))
    }
}

fn at(stage: u8) -> When {
    When::stage(stage)
}

impl Cast {
    /// Drafts a scene; `number` makes its names.
    pub(super) fn scene(&mut self, scene: Scene, number: usize, dice: &mut Dice) {
        let from = self.drafts.len();
        let (buyer, user, origin) = self.buyer(dice);
        let partner = self.platforms[(buyer / PEOPLE + 1) % PLATFORMS].clone();
        let set = Set { number, user, origin, partner };
        match scene {
            Scene::Hold => self.hold(&set, dice),
            Scene::Dispute => self.dispute(&set, dice),
            Scene::Metered => self.metered(&set, dice),
            Scene::Archive => self.archive(&set),
            Scene::Sale => self.sale(&set, dice),
            Scene::Mandate => self.mandate(&set, dice),
            Scene::HashLock => self.hash_lock(&set, dice),
            Scene::Exchange => self.exchange(&set, dice),
            Scene::Report => self.report(&set, dice),
            Scene::Vote => self.vote(&set, dice),
            Scene::Keys => self.keys(&set),
            Scene::Tier => self.tier(&set, dice),
            Scene::Cover => self.cover(&set, dice),
            Scene::Catalog => self.catalog(&set, dice),
            Scene::Status => self.status(&set, dice),
            Scene::Batch => self.batches(&set, dice),
        }
        self.spoil(from, &FAULTS, dice);
    }

    /// A reservation that is captured, voided, or runs out.
    fn hold(&mut self, set: &Set, dice: &mut Dice) {
        let (pay, total) = set.pay("hold", any_item(dice), PayMode::Hold);
        let hold = Hold {
            origin: pay.origin,
            order_id: pay.order_id,
            item: pay.item,
            price: None,
            coupon: None,
            fee_bearer: pay.fee_bearer,
            expected_total: pay.expected_total,
        };
        self.add(at(OPENING), &[&set.user], Action::Hold(hold));
        let order = set.order("hold");
        match dice.below(5) {
            0 | 1 => {
                let amount = units(if dice.chance(5000) { total } else { dice.between(1, total) });
                self.add(at(OPENING + 1), &[&set.origin], Action::Capture(Capture { order: order.clone(), amount }));
                let amount = dice.between(1, amount.units());
                self.add(at(OPENING + 2), &[&set.origin], refund(order, set.name("refund"), amount));
            }
            2 | 3 => {
                let void = Void { order, reason: label("out of stock") };
                self.add(at(OPENING + 1), &[&set.origin], Action::Void(void));
            }
            _ => {}
        }
    }

    /// Arbiters decide, or nobody does in time.
    fn dispute(&mut self, set: &Set, dice: &mut Dice) {
        let mode = *dice.pick(&[PayMode::Escrow, PayMode::Instant, PayMode::Maturing(3)]);
        let (pay, _) = set.pay("disputed", any_item(dice), mode);
        self.add(at(OPENING), &[&set.user], Action::Pay(pay));
        let order = set.order("disputed");
        self.add(at(OPENING + 1), &[&set.user], dispute(order.clone()));
        // refused while the dispute lasts
        self.add(at(OPENING + 2), &[&set.origin], refund(order.clone(), set.name("refund"), 100));
        if dice.chance(8000) {
            let share = *dice.pick(&[0, 333_333, 1_000_000]);
            self.add(at(OPENING + 2), &[&arbiter()], resolve(order, share));
        }
    }

    /// A host counts units, up to the last and one beyond.
    fn metered(&mut self, set: &Set, dice: &mut Dice) {
        let (pay, _) = set.pay("metered", METERED, PayMode::Instant);
        self.add(at(OPENING), &[&set.user], Action::Pay(pay));
        let host = self.platforms[METERED % PLATFORMS].clone();
        let (order, first) = (set.order("metered"), dice.between(1, UNITS - 1));
        let consume = |from, units| Action::Consume(Consume { order: order.clone(), from, units });
        self.add(at(OPENING + 1), &[&host], consume(0, first));
        self.batch(at(OPENING + 2), &[&host], vec![consume(0, first), consume(first, UNITS - first)]);
        self.add(at(OPENING + 3), &[&host], consume(UNITS, 1));
    }

    /// Closed orders give way to their digests; their keys answer as before.
    fn archive(&mut self, set: &Set) {
        let (pay, total) = set.pay("old", METERED, PayMode::Instant);
        self.add(at(OPENING), &[&set.user], Action::Pay(pay.clone()));
        let refund = refund(set.order("old"), set.name("refund"), total);
        self.add(at(OPENING + 1), &[&set.origin], refund.clone());
        let archive = Action::ArchiveOrders(ArchiveOrders { orders: vec![pay.order_id.clone()] });
        let late = at(CLOSING).later(1000);
        self.add(late, &[&set.origin], archive);
        self.add(late.later(1000), &[&set.user], Action::Pay(pay));
        self.add(late.later(1000), &[&set.origin], refund);
    }

    /// A short campaign: a coupon pays and comes back, and what is left returns to the sponsors, early or in time.
    fn sale(&mut self, set: &Set, dice: &mut Dice) {
        let name = set.name("sale");
        let value = CouponValue::Rate { rate: ppm(250_000), cap: units(4000) };
        let lasts = dice.between(5000, 12_000);
        let terms = campaign(&name, &set.origin, &set.partner, value, 10_000, lasts);
        self.add(at(2), &[&set.origin, &set.partner], Action::CreateCampaign(terms));
        let serial = label(set.name("coupon"));
        let issue = IssueCoupon { campaign: label(&*name), serial: serial.clone(), holder: Some(id(&set.user)) };
        self.add(at(OPENING), &[&set.origin], Action::IssueCoupon(issue));
        let number = any_item(dice);
        let (mut pay, total) = set.pay("sold", number, PayMode::Escrow);
        let off = units(PRICES[number].1).rate(ppm(250_000)).min(units(4000)).units();
        (pay.coupon, pay.expected_total) = (Some(CouponRef { platform: id(&set.origin), serial }), units(total - off));
        self.add(at(OPENING + 1), &[&set.user], Action::Pay(pay));
        self.add(at(OPENING + 2), &[&set.origin], refund(set.order("sold"), set.name("refund"), total));
        if dice.chance(5000) {
            let expire = ExpireCampaign { campaign: label(name) };
            self.add(at(CLOSING), &[&set.origin], Action::ExpireCampaign(expire));
        }
    }

    /// A renewal is charged once, and not at all when the payer ended the mandate.
    fn mandate(&mut self, set: &Set, dice: &mut Dice) {
        let (number, mandate) = (any_item(dice), label(set.name("mandate")));
        let (pay, total) = set.pay("renewal", number, PayMode::Instant);
        let terms = CreateMandate {
            mandate: mandate.clone(),
            payee: id(&set.origin),
            host: pay.item.host,
            item: pay.item.item.clone(),
            asset: cny(),
            max_per_charge: units(total),
            max_per_month: units(total),
            interval_ms: PERIOD_MS,
            starts: Time(START),
            ends: Time(START + PERIOD_MS),
        };
        self.add(at(2), &[&set.user], Action::CreateMandate(terms));
        let (charged, cancelled) = if dice.chance(5000) { (OPENING, OPENING + 1) } else { (OPENING + 1, OPENING) };
        self.add(at(charged), &[&set.origin], charge(&set.user, mandate.clone(), pay));
        let cancel = CancelMandate { payer: id(&set.user), mandate };
        let by = if dice.chance(5000) { &set.user } else { &set.origin };
        self.add(at(cancelled), &[by], Action::CancelMandate(cancel));
    }

    /// Money waits for a preimage, right or wrong, or for its deadline.
    fn hash_lock(&mut self, set: &Set, dice: &mut Dice) {
        let preimage = [set.number as u8; 32];
        let to = dice.pick(&self.creators).clone();
        let lasts = if dice.chance(5000) { PERIOD_MS } else { dice.between(3500, 8000) };
        let htlc_id = label(set.name("lock"));
        let lock = HtlcLock {
            htlc_id: htlc_id.clone(),
            to: id(&to),
            asset: cny(),
            amount: units(dice.between(1, 20_000)),
            hash: sha256(&preimage),
            deadline: Time(START + lasts),
        };
        self.add(at(OPENING), &[&set.user], Action::HtlcLock(lock));
        let owner = id(&set.user);
        if dice.chance(5000) {
            let preimage = if dice.chance(8000) { preimage } else { [99; 32] };
            let claim = HtlcClaim { owner, htlc_id: htlc_id.clone(), preimage };
            self.add(at(OPENING + 1), &[&to], Action::HtlcClaim(claim));
        }
        let by = if dice.chance(7000) { &set.user } else { &set.origin };
        let back = HtlcRefund { owner, htlc_id };
        self.add(at(CLOSING).later(dice.between(0, 3000)), &[by], Action::HtlcRefund(back));
    }

    /// Two takers of one quote.
    fn exchange(&mut self, set: &Set, dice: &mut Dice) {
        self.deposit(at(1), id(&set.partner), usd(), set.name("dollars"), 1000);
        let convert = convert(&self.chain, &set.partner, set.name("quote"), dice);
        self.add(at(OPENING), &[&set.user], convert.clone());
        let other = dice.pick(&self.users).clone();
        self.add(at(OPENING + 1), &[&other], convert);
    }

    fn report(&mut self, set: &Set, dice: &mut Dice) {
        let by = if dice.chance(5000) { auditor() } else { gateway() };
        let report = AnchorReport { period: label("2023-11"), channel: label(set.name("bank")), root: Hash([5; 32]) };
        self.add(at(OPENING), &[&by], Action::AnchorReport(report));
    }

    /// The partners change a parameter that changes nothing about who must sign.
    fn vote(&mut self, set: &Set, dice: &mut Dice) {
        let (parameter, value) = *dice.pick(&[
            (Parameter::MaxDuePerBlock, 5),
            (Parameter::EscrowMs, 900),
            (Parameter::HoldMs, 600),
            (Parameter::FeeMin, 12),
            (Parameter::Tier1PerTransaction, 15_000),
            (Parameter::Tier2Daily, 40_000),
            (Parameter::DebitCap, 60_000),
            (Parameter::FeeCap, 5),
        ]);
        let proposal = label(set.name("vote"));
        let from_height = Height(dice.between(10, 40));
        let propose = Propose { proposal: proposal.clone(), parameter, value, from_height };
        self.add(at(1), &[&set.origin], Action::Propose(propose));
        let proposer = id(&set.origin);
        for platform in self.platforms.clone().iter().filter(|platform| id(platform) != proposer) {
            let approve = Approve { proposer, proposal: proposal.clone() };
            self.add(at(2), &[platform], Action::Approve(approve));
        }
    }

    /// An account asks for two keys from now on: what the old one signs alone is nobody's word any more.
    fn keys(&mut self, set: &Set) {
        let (owner, new) = (key(EXTRAS, set.number), key(NEW_KEYS, set.number));
        self.open(at(0), AccountKind::User, &set.origin, &owner);
        self.deposit(at(1), id(&owner), cny(), set.name("purse"), 10_000);
        self.add(at(2), &[&owner, &new], Action::SetKeys(SetKeys { policy: both(&owner, &new) }));
        let to = id(&set.user);
        self.add(at(OPENING), &[&owner, &new], transfer(to, 500));
        self.draft(at(OPENING), &[&owner], Payload::One(transfer(to, 700)), Fate::Never);
    }

    fn tier(&mut self, set: &Set, dice: &mut Dice) {
        let by = if dice.chance(5000) { set.origin.clone() } else { risk() };
        let set_tier = SetTier { account: id(&set.user), tier: dice.between(1, 4) as u8, attestation: Hash([6; 32]) };
        self.add(at(OPENING), &[&by], Action::SetTier(set_tier));
    }

    /// Cover comes back as far as positions allow, and a contribution as far as nothing waits.
    fn cover(&mut self, set: &Set, dice: &mut Dice) {
        let amount = |units: u64| (cny(), super::units(units));
        let (asset, sum) = amount(dice.between(1, 50_000));
        self.add(at(2), &[&set.origin], Action::FundContribute(FundContribute { asset, amount: sum }));
        let (asset, sum) = amount(dice.between(1, 30_000));
        let release = Action::FundRelease(FundRelease { asset, amount: sum });
        self.add(at(OPENING), &[&set.origin], release.clone());
        self.add(at(CLOSING).later(900), &[&set.origin], release);
        let (asset, sum) = amount(dice.between(1, 1_100_000));
        self.add(at(OPENING + 1), &[&set.origin], Action::UnlockCollateral(UnlockCollateral { asset, amount: sum }));
    }

    /// A plan with everything that a leg may have, an item with tax and a price of the order's own, in two versions.
    fn catalog(&mut self, set: &Set, dice: &mut Dice) {
        let (tax, creator) = (key(EXTRAS, set.number), dice.pick(&self.creators).clone());
        self.open(at(0), AccountKind::Tax, &set.origin, &tax);
        let legs = vec![
            PlanLeg { refund: RefundPolicy::BorneBy(id(&set.partner)), ..leg(Payee::Creator, 600_000) },
            PlanLeg { refund: RefundPolicy::NonRefundable, ..leg(Payee::Network, 100_000) },
            PlanLeg { share: Share::Fixed(units(50)), ..leg(Payee::Account(id(&set.user)), 1) },
            leg(Payee::Host, 300_000),
        ];
        let plan = RegisterPlan { plan: label(set.name("plan")), version: 1, legs };
        self.add(at(1), &[&set.origin, &set.partner], Action::RegisterPlan(plan));
        let offer = RegisterItem {
            item: label(set.name("basket")),
            version: 1,
            asset: cny(),
            price: Price::Open { min: units(100), max: units(5000) },
            discount: ppm(0),
            tax: Some(TaxRule { rate: ppm(60_000), inclusive: true, account: id(&tax) }),
            plan: label(set.name("plan")),
            plan_version: 1,
            creator: id(&creator),
            terms: Terms { duration_ms: Some(60_000), units: None, scope: label("all") },
        };
        let newer = RegisterItem { version: 2, discount: ppm(100_000), ..offer.clone() };
        self.add(at(2), &[&set.origin], Action::RegisterItem(offer.clone()));
        self.add(at(OPENING), &[&set.origin], Action::RegisterItem(newer));
        let price = units(dice.between(90, 5100));
        let pay = Pay {
            item: ItemRef { host: id(&set.origin), item: offer.item, version: 1 },
            price: Some(price),
            fee_bearer: if dice.chance(5000) { FeeBearer::PLATFORM } else { FeeBearer::PAYEE },
            expected_total: price,
            ..pay(&set.origin, set.name("basket"), 0, PayMode::Instant)
        };
        self.add(at(OPENING), &[&set.user, &set.origin], Action::Pay(pay));
        let back = dice.between(1, price.units());
        self.add(at(OPENING + 1), &[&set.origin], refund(set.order("basket"), set.name("refund"), back));
    }

    /// One account of the scene's own is frozen for a while, another is closed.
    fn status(&mut self, set: &Set, dice: &mut Dice) {
        let (frozen, closed) = (key(EXTRAS, set.number), key(NEW_KEYS, set.number));
        for owner in [&frozen, &closed] {
            self.open(at(0), AccountKind::User, &set.origin, owner);
        }
        self.deposit(at(1), id(&frozen), cny(), set.name("purse"), 10_000);
        let by = if dice.chance(5000) { set.origin.clone() } else { risk() };
        let new = |account: &SecretKey, status| {
            Action::SetStatus(SetStatus { account: id(account), status, reason: label("looked at") })
        };
        let how = *dice.pick(&[AccountStatus::Frozen, AccountStatus::DebitFrozen]);
        self.add(at(2), &[&by], new(&frozen, how));
        self.add(at(2), &[&set.origin, &closed], new(&closed, AccountStatus::Closed));
        self.add(at(OPENING), &[&frozen], transfer(id(&set.user), 100));
        for to in [&frozen, &closed] {
            self.add(at(OPENING), &[&set.user], transfer(id(to), 100));
        }
        self.add(at(OPENING + 1), &[&by], new(&frozen, AccountStatus::Active));
        self.add(at(OPENING + 2), &[&frozen], transfer(id(&set.user), 10_100));
    }

    /// All or nothing: a batch that works, the same with an end that fails, and one that partly happened before.
    fn batches(&mut self, set: &Set, dice: &mut Dice) {
        let to = id(dice.pick(&self.creators));
        let order = |what| Action::Pay(set.pay(what, 1, PayMode::Instant).0);
        let withdraw = Withdraw {
            withdrawal_id: label(set.name("withdrawal")),
            gateway: id(&gateway()),
            asset: cny(),
            amount: units(300),
            destination: Hash([1; 32]),
        };
        let good = vec![order("first"), Action::Withdraw(withdraw), order("second")];
        self.batch(at(OPENING), &[&set.user], good.clone());
        let poor = good.iter().cloned().chain([transfer(to, 40_000_000)]).collect();
        self.batch(at(OPENING), &[&set.user], poor);
        self.batch(at(OPENING + 1), &[&set.user], vec![order("second"), order("third"), transfer(to, 7)]);
        self.batch(at(OPENING + 2), &[&set.user], vec![order("first"), order("third")]);
    }
}
