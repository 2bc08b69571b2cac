//! The mix of payments, its coupons and mandates, and the faults that real files have.

use vostro_settlement::pricing;
use vostro_types::transaction::*;
use vostro_types::{Action, Amount, Hash, Payload, SecretKey, Time};

use super::actions::{campaign, charge, dispute, refund, resolve, transfer};
use super::genesis::{arbiter, gateway, risk, schedule, stranger};
use super::{CLOSING, Cast, Draft, FEE, Fate, PEOPLE, PLATFORMS, START, When, cny, id, key, label, order, ppm, units};
use crate::dice::Dice;

/// Prices in minor units and their weights in %, from the standard workload. Item n has price n.
pub(super) const PRICES: [(u64, u64); 9] =
    [(20, 990), (15, 1990), (10, 2990), (10, 4900), (20, 9900), (15, 19_900), (6, 29_900), (3, 39_900), (1, 99_900)];
/// The item whose access is counted in units.
pub(super) const METERED: usize = 0;
/// Units of its access.
pub(super) const UNITS: u64 = 100;
/// What users do, in 1/1000.
const MIX: [(u64, Draw); 13] = [
    (520, Draw::Pay(PayMode::Instant)),
    (80, Draw::Pay(PayMode::Escrow)),
    (60, Draw::Pay(PayMode::Maturing(1))),
    (50, Draw::Pay(PayMode::Window)),
    (50, Draw::Confirm),
    (60, Draw::Transfer),
    (70, Draw::Deposit),
    (30, Draw::Withdraw),
    (40, Draw::Charge),
    (25, Draw::Refund),
    (10, Draw::Consume),
    (3, Draw::Dispute),
    (2, Draw::Admin),
];
/// Pays with a coupon, in 1/10,000.
const COUPONS: u64 = 2500;
/// Refunds of a part, in 1/10,000 of refunds.
const PARTIAL: u64 = 2000;
/// What goes wrong in the mix.
const MIX_FAULTS: Faults = Faults { poor: 200, duplicate: 100, conflict: 20, stranger: 100, forged: 150 };
/// Most coupons of a campaign, whose batch creates it too.
const COUPONS_AT_ONCE: usize = MAX_BATCH - 1;
/// Length of a mandate's period: longer than any run, so that period 0 is the current one.
pub(super) const PERIOD_MS: u64 = 3_600_000;

#[derive(Clone, Copy)]
enum Draw {
    Pay(PayMode),
    Confirm,
    Transfer,
    Deposit,
    Withdraw,
    Charge,
    Refund,
    Consume,
    Dispute,
    Admin,
}

/// How often something goes wrong with what a client does, in 1/10,000.
pub(super) struct Faults {
    /// It is a transfer that its sender cannot afford.
    pub poor: u64,
    /// It is sent twice, with other salts.
    pub duplicate: u64,
    /// It is sent with another body and the same business key, too.
    pub conflict: u64,
    /// A stranger sends the same.
    pub stranger: u64,
    /// Somebody else signs the same.
    pub forged: u64,
}

/// Orders that the mix places, and what must be there before.
#[derive(Default)]
pub(super) struct Orders {
    placed: Vec<Placed>,
    /// Platform, serial and holder of each coupon.
    coupons: Vec<(usize, IssueCoupon)>,
    mandates: Vec<(usize, CreateMandate)>,
}

#[derive(Clone)]
struct Placed {
    buyer: usize,
    number: usize,
    item: usize,
    mode: PayMode,
    when: When,
}

pub(super) fn fee(price: u64) -> Amount {
    pricing::fee(units(price), ppm(FEE), &schedule())
}

pub(super) fn item(number: usize) -> ItemRef {
    ItemRef { host: id(&key(1, number % PLATFORMS)), item: label(format!("item {number}")), version: 1 }
}

/// An item, by the weights of their prices.
pub(super) fn any_item(dice: &mut Dice) -> usize {
    let weights: Vec<(u64, usize)> = PRICES.iter().enumerate().map(|(i, (weight, _))| (*weight, i)).collect();
    *dice.weighted(&weights)
}

/// An order for an item at its price, with the fee on top.
pub(super) fn pay(origin: &SecretKey, order_id: String, number: usize, mode: PayMode) -> Pay {
    let price = PRICES[number].1;
    Pay {
        origin: id(origin),
        order_id: label(order_id),
        item: item(number),
        price: None,
        coupon: None,
        mode,
        fee_bearer: FeeBearer::PAYER,
        expected_total: units(price + fee(price).units()),
    }
}

/// What a coupon of a platform's campaign in the mix pays.
fn coupon_value(platform: usize) -> CouponValue {
    match platform {
        1 => CouponValue::Rate { rate: ppm(200_000), cap: units(3000) },
        _ => CouponValue::Fixed(units(500)),
    }
}

fn worth(platform: usize, price: u64) -> u64 {
    match coupon_value(platform) {
        CouponValue::Fixed(amount) => amount.units().min(price),
        CouponValue::Rate { rate, cap } => units(price).rate(rate).min(cap).units(),
    }
}

impl Cast {
    /// One draw of the mix; `number` makes its business keys.
    pub(super) fn mix(&mut self, number: usize, when: When, dice: &mut Dice) {
        let from = self.drafts.len();
        let (buyer, user, origin) = self.buyer(dice);
        match *dice.weighted(&MIX) {
            _ if dice.chance(MIX_FAULTS.poor) => {
                let to = id(&self.users[(buyer + 1) % self.users.len()]);
                self.add(when, &[&user], transfer(to, 40_000_000));
            }
            Draw::Pay(mode) => {
                let maturing = PayMode::Maturing(dice.between(1, 3) as u16);
                let mode = if matches!(mode, PayMode::Maturing(_)) { maturing } else { mode };
                let item = any_item(dice);
                self.place(Placed { buyer, number, item, mode, when }, dice);
            }
            Draw::Confirm => {
                let escrow = self.earlier(when, number, &[PayMode::Escrow], None, dice);
                let (payer, order) = (self.users[escrow.buyer].clone(), self.order_of(&escrow));
                self.add(when.next(), &[&payer], Action::Confirm(Confirm { order }));
            }
            Draw::Transfer => {
                let to = id(&self.users[(buyer + 1) % self.users.len()]);
                self.add(when, &[&user], transfer(to, dice.between(1, 5000)));
            }
            Draw::Deposit => {
                self.deposit(when, id(&user), cny(), format!("top-up {number}"), dice.between(1, 50_000));
            }
            Draw::Withdraw => self.withdraw(&user, number, when, dice),
            Draw::Charge => {
                let (item, mandate) = (any_item(dice), label(format!("mandate {number}")));
                let total = units(PRICES[item].1 + fee(PRICES[item].1).units());
                let ItemRef { host, item: name, .. } = super::mix::item(item);
                let terms = CreateMandate {
                    mandate: mandate.clone(),
                    payee: id(&origin),
                    host,
                    item: name,
                    asset: cny(),
                    max_per_charge: total,
                    max_per_month: total,
                    interval_ms: PERIOD_MS,
                    starts: Time(START),
                    ends: Time(START + PERIOD_MS),
                };
                self.orders.mandates.push((buyer, terms));
                let order_id = format!("charge {number}");
                self.add(when, &[&origin], charge(&user, mandate, pay(&origin, order_id, item, PayMode::Instant)));
            }
            Draw::Refund => {
                let modes = [PayMode::Instant, PayMode::Escrow, PayMode::Maturing(1)];
                let paid = self.earlier(when, number, &modes, None, dice);
                let (seller, order) = (self.platforms[paid.buyer / PEOPLE].clone(), self.order_of(&paid));
                let all = PRICES[paid.item].1 + fee(PRICES[paid.item].1).units();
                let amount = if dice.chance(PARTIAL) { dice.between(1, all) } else { all };
                self.add(when.next(), &[&seller], refund(order, format!("refund {number}"), amount));
            }
            Draw::Consume => {
                let access = self.earlier(when, number, &[PayMode::Instant], Some(METERED), dice);
                let (order, units) = (self.order_of(&access), dice.between(1, UNITS));
                let host = self.platforms[METERED % PLATFORMS].clone();
                self.add(when.next(), &[&host], Action::Consume(Consume { order, from: 0, units }));
            }
            Draw::Dispute => {
                let paid = self.earlier(when, number, &[PayMode::Escrow, PayMode::Instant], None, dice);
                let (payer, order) = (self.users[paid.buyer].clone(), self.order_of(&paid));
                self.add(when.next(), &[&payer], dispute(order.clone()));
                let share = *dice.pick(&[0, 400_000, 1_000_000]);
                self.add(when.next().next(), &[&arbiter()], resolve(order, share));
            }
            Draw::Admin => {
                let creator = id(dice.pick(&self.creators));
                let (tier, attestation) = (dice.between(1, 3) as u8, Hash([number as u8; 32]));
                let action = SetTier { account: creator, tier, attestation };
                self.add(when, &[&risk()], Action::SetTier(action));
            }
        }
        self.spoil(from, &MIX_FAULTS, dice);
    }

    fn order_of(&self, placed: &Placed) -> OrderKey {
        order(&self.platforms[placed.buyer / PEOPLE], format!("order {}", placed.number))
    }

    /// An order of an earlier stage in one of the modes, or a new one.
    fn earlier(
        &mut self,
        when: When,
        number: usize,
        modes: &[PayMode],
        item: Option<usize>,
        dice: &mut Dice,
    ) -> Placed {
        let fits = |placed: &Placed| {
            let same = |mode: &PayMode| std::mem::discriminant(mode) == std::mem::discriminant(&placed.mode);
            placed.when.stage <= when.stage && modes.iter().any(same) && item.is_none_or(|item| placed.item == item)
        };
        if let Some(found) = self.orders.placed.iter().position(fits) {
            return self.orders.placed.remove(found);
        }
        let (buyer, ..) = self.buyer(dice);
        let item = item.unwrap_or_else(|| any_item(dice));
        let placed = Placed { buyer, number, item, mode: modes[0], when };
        self.place(placed.clone(), dice);
        self.orders.placed.retain(|placed| placed.number != number);
        placed
    }

    /// Places an order, some with a coupon.
    fn place(&mut self, placed: Placed, dice: &mut Dice) {
        let Placed { buyer, number, item, mode, when } = placed;
        let (user, platform) = (self.users[buyer].clone(), buyer / PEOPLE);
        let origin = self.platforms[platform].clone();
        let mut pay = pay(&origin, format!("order {number}"), item, mode);
        if mode != PayMode::Window && dice.chance(COUPONS) {
            let serial = label(format!("coupon {number}"));
            pay.coupon = Some(CouponRef { platform: id(&origin), serial: serial.clone() });
            pay.expected_total = units(pay.expected_total.units() - worth(platform, PRICES[item].1));
            let holder = dice.chance(5000).then(|| id(&user));
            self.orders.coupons.push((platform, IssueCoupon { campaign: label("mix"), serial, holder }));
        }
        if mode == PayMode::Window {
            self.add(when, &[&user, &origin], Action::Pay(pay.clone()));
            if dice.chance(1000) {
                // without the consent of who owes it
                self.draft(when, &[&user], Payload::One(Action::Pay(pay)), Fate::Never);
            }
        } else {
            self.add(when, &[&user], Action::Pay(pay));
        }
        self.orders.placed.push(placed);
    }

    pub(super) fn withdraw(&mut self, user: &SecretKey, number: usize, when: When, dice: &mut Dice) {
        let withdrawal_id = label(format!("withdrawal {number}"));
        let (amount, destination) = (units(dice.between(1, 20_000)), Hash([1; 32]));
        let gateway = gateway();
        let (by, asset) = (id(&gateway), cny());
        let withdraw = Withdraw { withdrawal_id: withdrawal_id.clone(), gateway: by, asset, amount, destination };
        self.add(when, &[user], Action::Withdraw(withdraw));
        let (owner, payout_ref) = (id(user), label(format!("payout {number}")));
        let result = WithdrawResult { owner, withdrawal_id, ok: dice.chance(7000), payout_ref };
        self.add(when.next(), &[&gateway], Action::WithdrawResult(result));
    }

    /// Campaigns with the coupons and payers with the mandates that the mix uses.
    pub(super) fn prepare_orders(&mut self, dice: &mut Dice) {
        let Orders { coupons, mandates, .. } = std::mem::take(&mut self.orders);
        for platform in 0..PLATFORMS {
            let issued = coupons.iter().filter(|(of, _)| *of == platform).map(|(_, issue)| issue.clone());
            let issued: Vec<Action> = issued.map(Action::IssueCoupon).take(COUPONS_AT_ONCE).collect();
            if issued.is_empty() {
                continue;
            }
            let (by, partner) = (self.platforms[platform].clone(), self.platforms[(platform + 1) % PLATFORMS].clone());
            let budget = if dice.chance(1000) { 700 } else { 200_000 };
            let campaign = campaign("mix", &by, &partner, coupon_value(platform), budget, PERIOD_MS);
            let actions = [Action::CreateCampaign(campaign)].into_iter().chain(issued).collect();
            self.batch(When::stage(2), &[&by, &partner], actions);
            if dice.chance(3000) {
                let expire = ExpireCampaign { campaign: label("mix") };
                self.add(When::stage(CLOSING), &[&by], Action::ExpireCampaign(expire));
            }
        }
        for buyer in 0..self.users.len() {
            let terms = mandates.iter().filter(|(of, _)| *of == buyer).map(|(_, terms)| terms.clone());
            let terms: Vec<Action> = terms.map(Action::CreateMandate).collect();
            if !terms.is_empty() {
                let user = self.users[buyer].clone();
                self.batch(When::stage(2), &[&user], terms);
            }
        }
    }

    /// Makes the mistakes and attempts that go with what was drafted since `from`.
    pub(super) fn spoil(&mut self, from: usize, faults: &Faults, dice: &mut Dice) {
        for at in from..self.drafts.len() {
            let draft = self.drafts[at].clone();
            if draft.fate != Fate::Settles {
                continue;
            }
            let soon = draft.when.later(dice.below(100));
            if dice.chance(faults.duplicate) {
                self.drafts.push(Draft { when: soon, ..draft.clone() });
            }
            if dice.chance(faults.conflict)
                && let Payload::One(action) = &draft.payload
                && let Some(other) = contradiction(action)
            {
                self.drafts.push(Draft { when: soon, payload: Payload::One(other), ..draft.clone() });
            }
            if dice.chance(faults.stranger) && !draft.payload.actions().iter().all(anybody_may) {
                let stranger = stranger();
                let (sender, signers) = (id(&stranger), vec![stranger]);
                self.drafts.push(Draft { when: soon, sender, signers, fate: Fate::Refused, ..draft.clone() });
            }
            if dice.chance(faults.forged) {
                self.drafts.push(Draft { when: soon, signers: vec![key(9, 9)], fate: Fate::Never, ..draft });
            }
        }
    }
}

/// Whether an action is about the sender's own money alone, so that anybody may send it.
fn anybody_may(action: &Action) -> bool {
    use Action::*;
    matches!(
        action,
        SetKeys(_) | Withdraw(_) | Transfer(_) | Pay(_) | Hold(_) | CreateMandate(_) | HtlcLock(_) | FxConvert(_)
    )
}

/// Another body with the same business key.
fn contradiction(action: &Action) -> Option<Action> {
    let more = |amount: Amount| units(amount.units() + 1);
    let mut other = action.clone();
    match &mut other {
        Action::Deposit(it) => it.amount = more(it.amount),
        Action::Withdraw(it) => it.amount = more(it.amount),
        Action::WithdrawResult(it) => it.ok = !it.ok,
        Action::Pay(it) => it.expected_total = more(it.expected_total),
        Action::Refund(it) => it.amount = more(it.amount),
        Action::Hold(it) => it.expected_total = more(it.expected_total),
        Action::Capture(it) => it.amount = more(it.amount),
        Action::OpenDispute(it) => it.evidence = Hash([9; 32]),
        Action::Resolve(it) => it.reason = label("otherwise"),
        Action::Charge(it) => it.expected_total = more(it.expected_total),
        Action::Consume(it) => it.units += 1,
        Action::HtlcLock(it) => it.amount = more(it.amount),
        Action::AnchorReport(it) => it.root = Hash([9; 32]),
        Action::Propose(it) => it.value += 1,
        Action::CreateMandate(it) => it.interval_ms += 1,
        _ => return None,
    }
    Some(other)
}
