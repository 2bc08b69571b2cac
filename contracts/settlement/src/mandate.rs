//! Mandates: a payer lets a platform charge for renewals.
//!
//! Invariant: a mandate is charged by the platform that it names, for the item that it names, at most once a period and
//! within its limits, and never once it is cancelled or over.

use vostro_types::transaction::{CancelMandate, Charge, CreateMandate, MANDATE_SPAN_MS, OrderKey, PayMode};
use vostro_types::{AccountKind, Amount, Event, Time};

use crate::authority::{Call, open_account, require_kind};
use crate::books::Effects;
use crate::ledger::{Ledger, Reader};
use crate::model::{ChargeRecord, Mandate};
use crate::pay::{Placement, place};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{CHARGES, ITEMS, MANDATES, ORDERS};
use crate::{Done, above_zero};

/// Longest time until a mandate ends: ten years of 366 days, in milliseconds.
pub const MAX_MANDATE_MS: u64 = 10 * 366 * 86_400_000;

pub(crate) fn create(call: &Call<'_>, action: &CreateMandate, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (payer, payee) = (call.sender, action.payee);
    let key = (payer, action.mandate.clone());
    if let Some(old) = MANDATES.get(reader, &key) {
        same_or_conflict(&[
            ("payee", old.payee == payee),
            ("host", old.host == action.host),
            ("item", old.item == action.item),
            ("asset", old.asset == action.asset),
            ("max_per_charge", old.max_per_charge == action.max_per_charge),
            ("max_per_month", old.max_per_month == action.max_per_month),
            ("interval_ms", old.interval_ms == action.interval_ms),
            ("starts", old.starts == action.starts),
            ("ends", old.ends == action.ends),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    above_zero(action.max_per_charge, "max_per_charge")?;
    if action.max_per_month < action.max_per_charge {
        return Err(refuse::malformed("max_per_month"));
    }
    if action.interval_ms == 0 {
        return Err(refuse::malformed("interval_ms"));
    }
    let now = call.context.time;
    if action.ends <= action.starts || action.ends <= now || action.ends > now.plus(MAX_MANDATE_MS) {
        return Err(refuse::malformed("ends"));
    }
    if payee == payer {
        return Err(refuse::same_account("payee"));
    }
    require_kind(&open_account(reader, payee, "payee")?, AccountKind::Platform, "payee")?;
    require_kind(&open_account(reader, action.host, "host")?, AccountKind::Platform, "host")?;
    let first = (action.host, action.item.clone(), 1);
    let item = ITEMS.get(reader, &first).ok_or_else(|| refuse::missing("item"))?;
    if item.asset != action.asset {
        return Err(refuse::asset("asset"));
    }

    // Point of no return.
    let mandate = Mandate {
        tx: call.id(),
        payee,
        host: action.host,
        item: action.item.clone(),
        asset: action.asset,
        max_per_charge: action.max_per_charge,
        max_per_month: action.max_per_month,
        interval_ms: action.interval_ms,
        starts: action.starts,
        ends: action.ends,
        month: (0, Amount::ZERO),
        cancelled: None,
    };
    MANDATES.put(ledger, &key, &mandate);
    Ok(applied(Event::MandateCreated { payer, mandate: key.1, payee }))
}

fn applied(event: Event) -> Done {
    Done::Applied(Effects { events: vec![event], ..Effects::default() })
}

pub(crate) fn charge(call: &Call<'_>, action: &Charge, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (payer, name, period) = (action.payer, &action.mandate, action.period);
    let key = (payer, name.clone());
    let mut mandate = MANDATES.get(reader, &key).ok_or_else(|| refuse::missing("mandate"))?;
    if call.sender != mandate.payee {
        return Err(refuse::role("sender"));
    }
    let placement = Placement {
        payer,
        origin: call.sender,
        order_id: &action.order_id,
        item: &action.item,
        price: action.price,
        coupon: None,
        mandate: Some((name, period)),
        mode: PayMode::Instant,
        fee_bearer: action.fee_bearer,
        expected_total: action.expected_total,
    };
    let order = OrderKey { platform: call.sender, order_id: action.order_id.clone() };
    let charge_key = (payer, name.clone(), period);
    if let Some(old) = CHARGES.get(reader, &charge_key) {
        if old.order != order {
            return Err(Rejection::Conflict(differences(reader, action, &old)));
        }
        // The order has the same body or names what differs.
        return place(call, &placement, ledger);
    }
    let now = call.context.time;
    if mandate.cancelled.is_some() {
        return Err(refuse::revoked("mandate"));
    }
    if action.item.host != mandate.host || action.item.item != mandate.item {
        return Err(refuse::mandate_limit("item"));
    }
    let begins = mandate.starts.plus(period.saturating_mul(mandate.interval_ms));
    if now < begins {
        return Err(refuse::too_early("period"));
    }
    if now >= begins.plus(mandate.interval_ms) {
        return Err(refuse::deadline("period"));
    }
    if now >= mandate.ends {
        return Err(refuse::deadline("ends"));
    }
    if action.expected_total > mandate.max_per_charge {
        return Err(refuse::mandate_limit("max_per_charge"));
    }
    let month = span(&mandate, now);
    let before = if mandate.month.0 == month { mandate.month.1 } else { Amount::ZERO };
    let sum = before.add(action.expected_total).ok().filter(|sum| *sum <= mandate.max_per_month);
    let sum = sum.ok_or_else(|| refuse::mandate_limit("max_per_month"))?;
    // A later version of the item may be sold in another asset, in which the limits would mean something else.
    let at = (action.item.host, action.item.item.clone(), action.item.version);
    if ITEMS.get(reader, &at).is_some_and(|item| item.asset != mandate.asset) {
        return Err(refuse::asset("item"));
    }
    let mut effects = match place(call, &placement, ledger)? {
        Done::Applied(effects) => effects,
        replayed @ Done::Replayed(_) => return Ok(replayed),
    };

    // The order is placed; nothing can fail any more.
    mandate.month = (month, sum);
    MANDATES.put(ledger, &key, &mandate);
    CHARGES.put(ledger, &charge_key, &ChargeRecord { tx: call.id(), order: order.clone() });
    effects.events.push(Event::MandateCharged { payer, mandate: key.1, period, order });
    Ok(Done::Applied(effects))
}

/// Which fields of a charge differ from the one that used its period for another order.
fn differences(reader: &dyn Reader, action: &Charge, old: &ChargeRecord) -> Vec<&'static str> {
    let mut differ = vec!["order_id"];
    if let Some(order) = ORDERS.get(reader, &old.order) {
        let same = same_or_conflict(&[
            ("item", order.item == action.item),
            ("price", order.price_named.then_some(order.price) == action.price),
            ("fee_bearer", order.fee_bearer == action.fee_bearer),
            ("expected_total", order.total == action.expected_total),
        ]);
        differ.extend(same.err().iter().flat_map(|conflict| conflict.about_names()));
    }
    differ
}

/// Which span of 30 days since the mandate's start a time is in; times before the start are in the first.
pub(crate) fn span(mandate: &Mandate, time: Time) -> u64 {
    time.0.saturating_sub(mandate.starts.0) / MANDATE_SPAN_MS
}

pub(crate) fn cancel(call: &Call<'_>, action: &CancelMandate, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let (payer, by) = (action.payer, call.sender);
    let key = (payer, action.mandate.clone());
    let mut mandate = MANDATES.get(&*ledger, &key).ok_or_else(|| refuse::missing("mandate"))?;
    if by != payer && by != mandate.payee {
        return Err(refuse::role("sender"));
    }
    if let Some(tx) = mandate.cancelled {
        return Ok(Done::Replayed(tx));
    }

    // Point of no return.
    mandate.cancelled = Some(call.id());
    MANDATES.put(ledger, &key, &mandate);
    Ok(applied(Event::MandateCancelled { payer, mandate: key.1, by }))
}
