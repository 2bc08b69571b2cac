//! Random actions: campaigns, coupons and mandates.

use super::*;
use crate::common::campaigns::{campaign, cancel, charge, expire, issue, mandate, with_coupon};

/// What the family's actions and events are called.
pub(crate) const EXPECTED: &str = "CampaignCreated CampaignDeadline CampaignEnded CancelMandate Charge CouponIssued \
    CouponRestored CouponUsed CreateCampaign CreateMandate ExpireCampaign IssueCoupon MandateCancelled MandateCharged \
    MandateCreated";
/// Refusals that need a history.
pub(crate) const CODES: &[u16] = &[303, 507, 611, 621, 622, 623];

/// How many names campaigns and mandates have, and how many serials the coupons of a platform.
const NAMES: u8 = 6;
const SERIALS: u8 = 24;

/// A campaign with coupons and a mandate to begin with.
pub(crate) fn prepare(w: &mut World) {
    w.deposit(w.p, 1_500);
    let sale = CreateCampaign { budget: fen(1_500), ..campaign(w, "0", &[(w.p, 1_000_000)]) };
    let sale = CreateCampaign { value: CouponValue::Fixed(fen(150)), ends: Time(w.time + 400), ..sale };
    assert!(w.open_campaign(w.p, sale).applied());
    for serial in ["0", "1", "2"] {
        w.ok(w.p, issue("0", serial, None));
    }
    let terms = mandate(w, "0");
    let terms = CreateMandate { host: w.p, item: label("talk"), interval_ms: 40, ..terms };
    w.ok(w.alice, Action::CreateMandate(CreateMandate { ends: Time(w.time + 400), ..terms }));
}

type Chosen = Option<(AccountId, Vec<AccountId>, Action)>;

/// As [`super::action`], for this family's kinds. What has nothing to act on makes it instead.
pub(crate) fn action(w: &World, op: &Op) -> Chosen {
    match (op.kind, op.c) {
        (40, _) => create_campaign(w, op),
        (41, 0..7) => issue_coupon(w, op),
        (41, _) => expire_campaign(w, op),
        (42 | 43, 0..5) => redeem_coupon(w, op),
        (42 | 43, _) => refund_order(w, op).or_else(|| redeem_coupon(w, op)),
        (44, 0..7) => create_mandate(w, op),
        (_, 7) => cancel_mandate(w, op),
        _ => charge_mandate(w, op),
    }
}

fn alone(who: AccountId, action: Action) -> Chosen {
    Some((who, vec![], action))
}

fn platform(w: &World, op: &Op) -> AccountId {
    pick(&[w.p, w.q], op.b)
}

/// A name of few.
fn some_name(op: &Op) -> String {
    (op.a % NAMES).to_string()
}

fn create_campaign(w: &World, op: &Op) -> Chosen {
    let platform = platform(w, op);
    let others = pick(&[vec![], vec![w.alice], vec![w.p, w.dave], vec![w.alice, w.q]], op.c);
    let others = others.into_iter().filter(|account| *account != platform);
    let funders: Vec<AccountId> = others.chain([platform]).collect();
    let share = 1_000_000 / funders.len() as u32;
    let rest = 1_000_000 - share * (funders.len() as u32 - 1);
    let shares: Vec<_> = funders.iter().map(|f| (*f, if *f == platform { rest } else { share })).collect();
    let rate = CouponValue::Rate { rate: ppm(250_000), cap: fen(90) };
    let new = CreateCampaign {
        budget: fen(op.units % 1_200),
        value: if op.c < 4 { CouponValue::Fixed(fen(150)) } else { rate },
        scope: pick(&[CouponScope::Any, CouponScope::Any, CouponScope::Any, CouponScope::Host(w.q)], op.a),
        per_user: u32::from(op.c % 3),
        ends: Time(w.time + u64::from(op.b) * u64::from(op.b) * 20),
        ..campaign(w, &some_name(op), &shares)
    };
    Some((platform, funders, Action::CreateCampaign(new)))
}

/// Names of the platform's campaigns that run; now and then of all.
fn campaigns(w: &World, op: &Op) -> Vec<String> {
    let known = |name: &String| {
        let campaign = read::campaign(&w.ledger, platform(w, op), &label(name));
        campaign.is_some_and(|campaign| op.who == 0 || !campaign.ended)
    };
    (0..NAMES).map(|name| name.to_string()).filter(known).collect()
}

fn issue_coupon(w: &World, op: &Op) -> Chosen {
    let names = campaigns(w, op);
    if names.is_empty() {
        return create_campaign(w, op);
    }
    let holder = pick(&[None, None, None, Some(w.alice)], op.c);
    alone(platform(w, op), issue(&pick(&names, op.a), &((op.who * 3 + op.c) % SERIALS).to_string(), holder))
}

fn expire_campaign(w: &World, op: &Op) -> Chosen {
    let names = campaigns(w, op);
    alone(platform(w, op), expire(&if names.is_empty() { some_name(op) } else { pick(&names, op.a) }))
}

fn redeem_coupon(w: &World, op: &Op) -> Chosen {
    let platform = platform(w, op);
    let coupons = (0..SERIALS).filter_map(|serial| {
        let coupon = read::coupon(&w.ledger, platform, &label(&serial.to_string()))?;
        let campaign = w.campaign(platform, coupon.campaign.as_str());
        let good = coupon.used.is_none() && !campaign.ended;
        (good || op.who == 0).then_some((serial.to_string(), coupon, campaign.value))
    });
    let coupons: Vec<_> = coupons.collect();
    if coupons.is_empty() {
        return issue_coupon(w, op);
    }
    let (serial, coupon, value) = pick(&coupons, op.a);
    let price = op.units.clamp(100, 1_500);
    let worth = match value {
        CouponValue::Fixed(amount) => amount.units().min(price),
        CouponValue::Rate { rate, cap } => fen(price).rate(rate).min(cap).units(),
    };
    let mode = pick(&[PayMode::Instant, PayMode::Escrow, PayMode::Maturing(2)], op.c);
    let order = pay(platform, &format!("c{}{}", op.who, op.c), w.p, "talk", price);
    let order = Pay { mode, fee_bearer: FeeBearer::PAYEE, ..order };
    let payer = coupon.holder.filter(|_| op.who < 9).unwrap_or(pick(&[w.alice, w.bob, w.dave], op.who));
    Some((payer, vec![platform], with_coupon(order, &serial, worth)))
}

/// The whole of an order that a coupon paid.
fn refund_order(w: &World, op: &Op) -> Chosen {
    let platform = platform(w, op);
    let orders = read::orders_of(&w.ledger, platform, None, 60).into_iter();
    let paid = orders.filter(|(_, order)| order.coupon.is_some() && !order.refundable().is_zero());
    let paid: Vec<_> = paid.map(|(key, order)| (key.order_id, order.refundable().units())).collect();
    if paid.is_empty() {
        return None;
    }
    let (id, units) = pick(&paid, op.a);
    alone(platform, refund(platform, id.as_str(), &format!("c{}", op.who), units))
}

fn payers(w: &World) -> [AccountId; 4] {
    [w.alice, w.bob, w.dave, w.q]
}

fn create_mandate(w: &World, op: &Op) -> Chosen {
    let new = CreateMandate {
        payee: pick(&[w.p, w.p, w.q], op.a),
        host: w.p,
        item: label("talk"),
        max_per_charge: fen(400),
        max_per_month: fen(1_000),
        interval_ms: 20 + u64::from(op.b),
        starts: Time(w.time + u64::from(op.c % 3) * 10),
        ends: Time(w.time + 10 + u64::from(op.b) * 60),
        ..mandate(w, &some_name(op))
    };
    alone(pick(&payers(w), op.who), Action::CreateMandate(new))
}

/// Mandates that are open; now and then all.
fn mandates(w: &World, op: &Op) -> Vec<(AccountId, String, read::Mandate)> {
    let named = payers(w).into_iter().flat_map(|payer| (0..NAMES).map(move |name| (payer, name.to_string())));
    let known = named.filter_map(|(payer, name)| {
        let mandate = read::mandate(&w.ledger, payer, &label(&name))?;
        let open = mandate.cancelled.is_none() && w.time < mandate.ends.0;
        (open || op.who < 2).then_some((payer, name, mandate))
    });
    known.collect()
}

fn cancel_mandate(w: &World, op: &Op) -> Chosen {
    let known = mandates(w, op);
    if known.is_empty() {
        return create_mandate(w, op);
    }
    let (payer, name, mandate) = pick(&known, op.a);
    alone(pick(&[payer, mandate.payee], op.b), cancel(payer, &name))
}

fn charge_mandate(w: &World, op: &Op) -> Chosen {
    let known = mandates(w, op);
    if known.is_empty() {
        return create_mandate(w, op);
    }
    let (payer, name, mandate) = pick(&known, op.a);
    let current = (w.time + 1).saturating_sub(mandate.starts.0) / mandate.interval_ms;
    let period = match op.c {
        0 => current + 1,
        1 => current.saturating_sub(1),
        _ => current,
    };
    let price = if op.b == 11 { op.units.max(100) } else { op.units.clamp(100, 400) };
    let new = Charge {
        item: ItemRef { host: w.p, item: label("talk"), version: 1 },
        fee_bearer: FeeBearer::PAYEE,
        ..charge(w, payer, &name, period, &format!("m{}", op.who), price)
    };
    alone(mandate.payee, Action::Charge(new))
}
