//! Pay, and what every action that places an order shares: it is priced, split, funded and placed, and grants its
//! entitlement.
//!
//! Invariant: `Σ legs = Σ sources`, the payer pays exactly what it expected, and whatever the payer chooses at the cost
//! of others (price, version, who bears the fee) has the origin's keys.

use vostro_crypto::{Domain, hash};
use vostro_types::codec;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::{
    CouponRef, FeeBearer, ItemRef, OrderKey, Pay, PayMode, Payee, Price, RefundPolicy, Share,
};
use vostro_types::{AccountId, AccountKind, Amount, AssetCode, Event, Hash, Label, Ppm, allocate};

use crate::authority::{Call, require_active, require_kind, require_open};
use crate::books::Books;
use crate::campaign::{self, Purchase};
use crate::deadlines::{self, Due};
use crate::ledger::{Ledger, Reader};
use crate::model::{Item, Leg, Network, Order, Plan, Source};
use crate::netting::Recording;
use crate::orders::machine;
use crate::pricing::{self, FeeParts, Priced};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ARCHIVED, ITEMS, ORDERS, PLANS};
use crate::{Done, above_zero, fees, limits, orders};

/// Longest span of a maturing order, in settlement days.
pub const MAX_DAYS: u16 = 366;

/// What an order is placed with, whichever action places it.
pub(crate) struct Placement<'a> {
    pub(crate) payer: AccountId,
    pub(crate) origin: AccountId,
    pub(crate) order_id: &'a Label,
    pub(crate) item: &'a ItemRef,
    pub(crate) price: Option<Amount>,
    pub(crate) coupon: Option<&'a CouponRef>,
    /// The mandate and period that lets the origin charge the payer; else the payer is the sender.
    pub(crate) mandate: Option<(&'a Label, u64)>,
    pub(crate) mode: PayMode,
    pub(crate) fee_bearer: FeeBearer,
    pub(crate) expected_total: Amount,
}

impl Placement<'_> {
    /// Hash of the fields that a repeated body is compared by, for orders that are archived.
    fn digest(&self) -> Hash {
        let Placement { payer, item, price, coupon, mandate, mode, fee_bearer, expected_total, .. } = self;
        let body = codec::encode(&((payer, item, price, coupon), (mandate, mode, fee_bearer, expected_total)));
        hash(Domain::Business, &[&body])
    }

    /// The digest of what an order was placed with.
    pub(crate) fn digest_of(key: &OrderKey, order: &Order) -> Hash {
        let placement = Placement {
            payer: order.payer,
            origin: key.platform,
            order_id: &key.order_id,
            item: &order.item,
            price: order.price_named.then_some(order.price),
            coupon: order.coupon.as_ref(),
            mandate: order.mandate.as_ref().map(|(name, period)| (name, *period)),
            mode: order.mode,
            fee_bearer: order.fee_bearer,
            expected_total: order.total,
        };
        placement.digest()
    }
}

pub(crate) fn perform(call: &Call<'_>, action: &Pay, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    if action.mode == PayMode::Hold {
        return Err(refuse::malformed("mode"));
    }
    let placement = Placement {
        payer: call.sender,
        origin: action.origin,
        order_id: &action.order_id,
        item: &action.item,
        price: action.price,
        coupon: action.coupon.as_ref(),
        mandate: None,
        mode: action.mode,
        fee_bearer: action.fee_bearer,
        expected_total: action.expected_total,
    };
    place(call, &placement, ledger)
}

/// Places an order. The payer is the sender, or a mandate that the caller has checked speaks for it.
pub(crate) fn place(call: &Call<'_>, wanted: &Placement<'_>, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let mut books = Books::default();
    // No action changes its own sender, so this is its head still.
    books.set_head(call.sender, call.head);
    let origin = books.head(reader, wanted.origin).ok_or_else(|| refuse::missing("origin"))?;
    require_kind(&origin, AccountKind::Platform, "origin")?;
    let payer = books.head(reader, wanted.payer).ok_or_else(|| refuse::missing("payer"))?;
    let by_window = wanted.mode == PayMode::Window;
    let needs_origin = by_window || payer.platform != wanted.origin;
    if needs_origin && !call.signed_by(reader, wanted.origin) {
        return Err(refuse::threshold("origin"));
    }
    let key = OrderKey { platform: wanted.origin, order_id: wanted.order_id.clone() };
    if let Some(old) = ORDERS.get(reader, &key) {
        return replay(wanted, &old);
    }
    if let Some(old) = ARCHIVED.get(reader, &key) {
        same_or_conflict(&[("archived", old.body == wanted.digest())])?;
        return Ok(Done::Replayed(old.tx));
    }
    require_active(&payer, "payer")?;

    let bearer = &wanted.fee_bearer;
    let borne = [bearer.payer, bearer.payee, bearer.platform].iter().map(|p| u64::from(p.parts())).sum::<u64>();
    if borne != u64::from(Ppm::ONE.parts()) {
        return Err(refuse::malformed("fee_bearer"));
    }
    if let PayMode::Maturing(days) = wanted.mode
        && !(1..=MAX_DAYS).contains(&days)
    {
        return Err(refuse::malformed("mode"));
    }
    let ItemRef { host, item: name, version } = wanted.item;
    let item = ITEMS.shared(reader, &(*host, name.clone(), *version)).ok_or_else(|| refuse::missing("item"))?;
    let price = price(&item, wanted.price)?;
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let priced = priced(&item, price)?;
    let rate = fees::rate(call.context, reader, parameters, wanted.origin, item.asset);
    let fee = pricing::fee(priced.net, rate, &parameters.fee);
    let parts = pricing::bear(fee, bearer).map_err(|_| refuse::malformed("fee_bearer"))?;
    // What the catalog does not fix, the payer could set against the payees or the origin.
    let outdated = || ITEMS.contains(reader, &(*host, name.clone(), version.saturating_add(1)));
    let payees_bear = !fee.is_zero() && bearer.payee != Ppm::ZERO;
    let open = matches!(item.price, Price::Open { .. });
    let agreed_only = open || payees_bear || !parts.platform.is_zero() || outdated();
    if !needs_origin && agreed_only && !call.signed_by(reader, wanted.origin) {
        return Err(refuse::threshold("origin"));
    }
    let funding = priced.total.add(parts.payer).map_err(|_| refuse::overflow("total"))?;
    let redemption = match wanted.coupon {
        // What was collected off the ledger has no part that sponsors pay on it.
        Some(_) if by_window => return Err(refuse::coupon("mode")),
        Some(coupon) => {
            let (origin, payer) = (wanted.origin, wanted.payer);
            let purchase = Purchase { payer, origin, host: *host, name, item: &item, net: priced.net };
            Some(campaign::redeem(call.context, reader, coupon, &purchase)?)
        }
        None => None,
    };
    let sponsored = redemption.as_ref().map_or(Amount::ZERO, |r| r.amount);
    let total = funding.sub(sponsored).expect("a coupon pays at most the net price");
    if total != wanted.expected_total {
        return Err(refuse::price("expected_total"));
    }
    let funding = funding.add(parts.platform).map_err(|_| refuse::overflow("total"))?;
    let host = books.head(reader, *host).expect("an item's host exists");
    require_open(&host, "host")?;
    require_open(&origin, "origin")?;
    if by_window || !parts.platform.is_zero() {
        require_active(&origin, "origin")?;
    }
    let plan = PLANS
        .shared(reader, &(wanted.item.host, item.plan.clone(), item.plan_version))
        .expect("an item is registered with a plan that exists, and plans stay");
    let mut legs = legs(wanted, &item, &plan, &network, priced, fee, parts)?;
    for leg in legs.iter().take(plan.legs.len()) {
        require_open(&books.head(reader, leg.account).expect("payees of a plan exist"), "payee")?;
    }
    if by_window {
        reroute(reader, &mut books, item.asset, &mut legs);
    }

    let mut order = Order {
        tx: call.id(),
        payer: wanted.payer,
        item: wanted.item.clone(),
        asset: item.asset,
        placed: call.context.time,
        mode: wanted.mode,
        fee_bearer: wanted.fee_bearer,
        price,
        price_named: wanted.price.is_some(),
        coupon: wanted.coupon.cloned(),
        mandate: wanted.mandate.map(|(name, period)| (name.clone(), period)),
        tax: priced.tax,
        fee,
        total,
        state: OrderState::Settled,
        pot: Amount::ZERO,
        refunds: 0,
        due: None,
        window: None,
        captured: None,
        legs,
        sources: Vec::new(),
    };
    let source = |account, amount| Source { account, amount, returned: Amount::ZERO };
    let (mut recording, mut outflow) = (None, None);
    if by_window {
        order.sources.push(source(wanted.origin, funding));
        let collateral = books.balance(reader, wanted.origin, item.asset).collateral;
        let cap = parameters.debit_cap;
        recording = Recording::plan(reader, item.asset, wanted.origin, &order.legs, cap, collateral)?;
    } else {
        order.sources.push(source(wanted.payer, total));
        if let Some(redemption) = &redemption {
            order.sources.extend(redemption.parts.iter().map(|(sponsor, amount)| source(*sponsor, *amount)));
        }
        outflow = Some(limits::outflow(call.context, reader, parameters, wanted.payer, &payer, item.asset, total)?);
        let about = if wanted.mandate.is_some() { "payer" } else { "sender" };
        books.debit(reader, wanted.payer, item.asset, total, about)?;
        if !parts.platform.is_zero() {
            order.sources.push(source(wanted.origin, parts.platform));
            books.debit(reader, wanted.origin, item.asset, parts.platform, "origin")?;
        }
    }

    // Point of no return.
    order.state = machine::placed(wanted.mode, recording.is_some());
    match wanted.mode {
        PayMode::Instant => orders::release(reader, &mut books, &mut order),
        PayMode::Escrow => wait(&mut order, funding, parameters.escrow_ms),
        PayMode::Hold => wait(&mut order, funding, parameters.hold_ms),
        PayMode::Maturing(days) => {
            let wait_ms = parameters.day_ms.saturating_mul(u64::from(days));
            wait(&mut order, funding, wait_ms);
        }
        // An order all of whose legs are the origin's own owes nobody and is settled already.
        PayMode::Window => {
            if let Some(recording) = recording {
                order.window = Some(recording.window());
                recording.commit(call.context, parameters, &mut books, ledger);
            }
        }
    }
    if let Some(due) = order.due {
        deadlines::arm(ledger, due, Due::Order(key.clone()));
    }
    if let Some(outflow) = outflow {
        outflow.commit(ledger);
    }
    if let Some(redemption) = redemption {
        redemption.commit(&key, &mut books, ledger);
    }
    books.event(Event::OrderMoved { order: key.clone(), from: None, to: order.state });
    // What is only reserved is not sold yet.
    if order.state != OrderState::Held {
        books.effects.fee = (!fee.is_zero()).then_some((item.asset, fee));
        fees::sold(call.context, parameters, wanted.origin, item.asset, priced.net, ledger);
        orders::grant(call.context, &key, &item.terms, &order, &mut books, ledger);
    }
    ORDERS.put(ledger, &key, &order);
    Ok(Done::Applied(books.commit(ledger)))
}

/// An obligation to a closed account (for tax; a closed payee is refused) is one to whoever stands in for it, because
/// settling a window does not look at orders again.
fn reroute(reader: &dyn Reader, books: &mut Books, asset: AssetCode, legs: &mut [Leg]) {
    for leg in legs {
        let (from, to) = (leg.account, books.receiver(reader, leg.account));
        if from != to {
            books.event(Event::Rerouted { from, to, asset, amount: leg.amount });
            leg.account = to;
        }
    }
}

fn wait(order: &mut Order, funding: Amount, wait_ms: u64) {
    order.pot = funding;
    order.due = Some(order.placed.plus(wait_ms));
}

fn replay(wanted: &Placement<'_>, old: &Order) -> Result<Done, Rejection> {
    let named = old.price_named.then_some(old.price);
    same_or_conflict(&[
        ("payer", old.payer == wanted.payer),
        ("item", old.item == *wanted.item),
        ("price", named == wanted.price),
        ("coupon", old.coupon.as_ref() == wanted.coupon),
        ("mandate", old.mandate.as_ref().map(|(name, period)| (name, *period)) == wanted.mandate),
        ("mode", old.mode == wanted.mode),
        ("fee_bearer", old.fee_bearer == wanted.fee_bearer),
        ("expected_total", old.total == wanted.expected_total),
    ])?;
    Ok(Done::Replayed(old.tx))
}

fn price(item: &Item, named: Option<Amount>) -> Result<Amount, Rejection> {
    if let Some(price) = named {
        above_zero(price, "price")?;
    }
    match (item.price, named) {
        (Price::Fixed(price), None) => Ok(price),
        (Price::Fixed(price), Some(named)) if named == price => Ok(price),
        (Price::Open { min, max }, Some(named)) if min <= named && named <= max => Ok(named),
        (Price::Fixed(_), Some(_)) | (Price::Open { .. }, _) => Err(refuse::price("price")),
    }
}

fn priced(item: &Item, price: Amount) -> Result<Priced, Rejection> {
    let priced = match &item.tax {
        None => pricing::exclusive(price, item.discount, Ppm::ZERO),
        Some(tax) if tax.inclusive => pricing::inclusive(price, item.discount, tax.rate),
        Some(tax) => pricing::exclusive(price, item.discount, tax.rate),
    };
    priced.map_err(|_| refuse::overflow("total"))
}

/// The order's legs: the plan's on the net price, fixed ones first, less the payees' part of the fee; then tax and fee.
fn legs(
    wanted: &Placement<'_>,
    item: &Item,
    plan: &Plan,
    network: &Network,
    priced: Priced,
    fee: Amount,
    parts: FeeParts,
) -> Result<Vec<Leg>, Rejection> {
    let fixed = Amount::sum(plan.legs.iter().filter_map(|l| match l.share {
        Share::Fixed(amount) => Some(amount),
        Share::Rate(_) => None,
    }));
    let rest = fixed.and_then(|fixed| priced.net.sub(fixed)).map_err(|_| refuse::plan("fixed"))?;
    let weights: Vec<u64> = plan.legs.iter().map(|l| rate_weight(l.share)).collect();
    let mut amounts = allocate(rest, &weights).expect("the rates of a plan sum to one");
    for (amount, leg) in amounts.iter_mut().zip(&plan.legs) {
        if let Share::Fixed(fixed) = leg.share {
            *amount = fixed;
        }
    }
    if parts.payee > priced.net {
        return Err(refuse::plan("fee"));
    }
    let weights: Vec<u64> = amounts.iter().map(|a| a.units()).collect();
    let taken = allocate(parts.payee, &weights).expect("the legs sum to the net, which is at least the fee's part");
    let mut legs = Vec::with_capacity(plan.legs.len() + 2);
    for ((leg, amount), taken) in plan.legs.iter().zip(amounts).zip(taken) {
        let amount = amount.sub(taken).expect("a share of no more than the sum is no more than the leg");
        legs.push(Leg {
            account: payee(leg.payee, wanted, item, network),
            amount,
            returned: Amount::ZERO,
            refund: leg.refund,
        });
    }
    let mut add = |account: AccountId, amount: Amount| {
        if !amount.is_zero() {
            legs.push(Leg { account, amount, returned: Amount::ZERO, refund: RefundPolicy::Proportional });
        }
    };
    if let Some(tax) = &item.tax {
        add(tax.account, priced.tax);
    }
    add(network.fee_account, fee);
    Ok(legs)
}

fn rate_weight(share: Share) -> u64 {
    match share {
        Share::Rate(rate) => rate.parts().into(),
        Share::Fixed(_) => 0,
    }
}

fn payee(payee: Payee, wanted: &Placement<'_>, item: &Item, network: &Network) -> AccountId {
    match payee {
        Payee::Account(account) => account,
        Payee::Creator => item.creator,
        Payee::Host => wanted.item.host,
        Payee::Origin => wanted.origin,
        Payee::Network => network.fee_account,
    }
}
