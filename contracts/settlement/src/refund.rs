//! Refund: legs give back, sources get back, and a waterfall finds the money.
//!
//! Invariant: what legs give back and what sources get back are equal at all times, and a refund is funded wholly or
//! has no effect. The origin stands in for others only if its own keys signed.

use vostro_types::receipt::{Bucket, OrderState};
use vostro_types::transaction::{OrderKey, PayMode, Refund, RefundPolicy};
use vostro_types::{AccountId, AccountStatus, Amount, AssetCode, Event, allocate};

use crate::authority::Call;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::{Leg, Order, RefundRecord, Source};
use crate::orders::machine::{self, Trigger};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ORDERS, REFUNDS};
use crate::{Done, above_zero, fees, netting, orders};

/// Most refunds of an order. Each one rounds, so many small ones could shift the loss among the legs; the last takes
/// all that is left.
pub const MAX_REFUNDS: u32 = 32;

pub(crate) fn perform(call: &Call<'_>, action: &Refund, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = &action.order;
    let found = orders::find(reader, key);
    if let Ok(order) = &found
        && call.sender != key.platform
        && call.sender != order.item.host
    {
        return Err(refuse::role("sender"));
    }
    let refund_key = (key.clone(), action.refund_id.clone());
    if let Some(old) = REFUNDS.get(reader, &refund_key) {
        same_or_conflict(&[
            ("sender", old.by == call.sender),
            ("amount", old.amount == action.amount),
            ("reason", old.reason == action.reason),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    let mut order = found?;
    let amount = action.amount;
    above_zero(amount, "amount")?;
    let whole = amount == order.refundable();
    let to = machine::next(reader, &order, if whole { Trigger::RefundWhole } else { Trigger::RefundPart })?;
    if amount > order.refundable() {
        return Err(refuse::over_refund("amount"));
    }
    if order.refunds + 1 >= MAX_REFUNDS && !whole {
        return Err(refuse::state("refunds"));
    }
    order.refunds += 1;
    let mut books = Books::default();
    let agreed = call.sender == key.platform || call.signed_by(reader, key.platform);
    let gets = give_back(reader, &mut books, key, &mut order, amount, agreed)?;

    // Point of no return.
    pay_sources(reader, &mut books, &order, gets);
    books.event(Event::OrderRefunded { order: key.clone(), refund_id: action.refund_id.clone(), amount });
    orders::advance(reader, &mut books, key, &mut order, to);
    if to == OrderState::Refunded {
        orders::close(call.context, key, &mut order, &mut books, ledger);
    }
    let network = crate::read::network(&*ledger);
    let parameters = &network.parameters;
    fees::refunded(call.context, parameters, key.platform, order.asset, amount, &mut books, ledger);
    ORDERS.put(ledger, key, &order);
    let record = RefundRecord { tx: call.id(), by: call.sender, amount, reason: action.reason.clone() };
    REFUNDS.put(ledger, &refund_key, &record);
    Ok(Done::Applied(books.commit(ledger)))
}

/// Takes an amount from the order's legs for its sources: from the pot while the order holds one, else by the waterfall,
/// in which the origin stands in for others only if that is `agreed`. Refuses (302), or says what each source gets.
pub(crate) fn give_back(
    reader: &dyn Reader,
    books: &mut Books,
    key: &OrderKey,
    order: &mut Order,
    amount: Amount,
    agreed: bool,
) -> Result<Vec<Amount>, Rejection> {
    let gives = give(order, amount);
    let mut kept = Amount::ZERO;
    if order.pot.is_zero() {
        kept = collect(reader, books, key, order, &gives, agreed)?;
    } else {
        order.pot = order.pot.sub(amount).expect("the pot is what the legs have left");
    }
    let mut gets = get(order, amount);
    for get in &mut gets {
        // Only window orders keep something back, and they have one source.
        *get = get.sub(kept).expect("what moves no money is part of the refund");
    }
    Ok(gets)
}

/// Credits the order's sources. Called behind the point of no return.
pub(crate) fn pay_sources(reader: &dyn Reader, books: &mut Books, order: &Order, gets: Vec<Amount>) {
    for (source, amount) in order.sources.iter().zip(gets) {
        books.credit(reader, source.account, order.asset, amount);
    }
}

/// Lets legs give back `allocate(amount, what each may still give)`.
fn give(order: &mut Order, amount: Amount) -> Vec<Amount> {
    let weights: Vec<u64> = order.legs.iter().map(|l| l.refundable().units()).collect();
    let gives = allocate(amount, &weights).expect("no more than what is refundable");
    for (leg, give) in order.legs.iter_mut().zip(&gives) {
        leg.returned = leg.returned.add(*give).expect("a share is no more than what the leg may give");
    }
    gives
}

/// Lets sources get back `allocate(amount, what each has still in)`.
fn get(order: &mut Order, amount: Amount) -> Vec<Amount> {
    let weights: Vec<u64> = order.sources.iter().map(|s: &Source| s.left().units()).collect();
    let gets = allocate(amount, &weights).expect("sources have at least in what legs may give");
    for (source, get) in order.sources.iter_mut().zip(&gets) {
        source.returned = source.returned.add(*get).expect("a share is no more than what the source has in");
    }
    gets
}

/// Collects what paid legs give back. A window order pays back to the origin, so what the origin owes itself, or stands
/// in for, moves no money; the sum of that is the result.
fn collect(
    reader: &dyn Reader,
    books: &mut Books,
    key: &OrderKey,
    order: &Order,
    gives: &[Amount],
    agreed: bool,
) -> Result<Amount, Rejection> {
    let mut kept = Amount::ZERO;
    for (leg, give) in order.legs.iter().zip(gives) {
        let bearer = bearer(leg);
        if give.is_zero() {
            continue;
        }
        if order.mode == PayMode::Window && bearer == key.platform {
            kept = kept.add(*give).expect("parts of the refund");
            continue;
        }
        let missing = waterfall(reader, books, order.asset, bearer, *give);
        if missing.is_zero() {
            continue;
        }
        if bearer == key.platform || !may_pay(reader, books, key.platform) {
            return Err(refuse::unfunded("leg"));
        }
        if order.mode == PayMode::Window {
            kept = kept.add(missing).expect("parts of the refund");
        } else {
            books.debit(reader, key.platform, order.asset, missing, "leg").map_err(|_| refuse::unfunded("leg"))?;
        }
        // Last, so that a refusal that is not about signatures is the same whoever signed: 302 is recorded under the
        // transaction's id, and whoever takes a signature away on the way must not choose it.
        if !agreed {
            return Err(refuse::threshold("origin"));
        }
        books.raise_receivable(reader, bearer, key.platform, order.asset, missing)?;
    }
    Ok(kept)
}

fn bearer(leg: &Leg) -> AccountId {
    match leg.refund {
        RefundPolicy::Proportional | RefundPolicy::NonRefundable => leg.account,
        RefundPolicy::BorneBy(bearer) => bearer,
    }
}

/// Takes the bearer's available, then its collateral above what its window positions need; says what is missing. Money
/// of an account that may not pay stays where it is.
fn waterfall(reader: &dyn Reader, books: &mut Books, asset: AssetCode, bearer: AccountId, amount: Amount) -> Amount {
    if !may_pay(reader, books, bearer) {
        return amount;
    }
    let missing = books.take(reader, bearer, asset, Bucket::Available, amount, Amount::ZERO);
    if missing.is_zero() || books.balance(reader, bearer, asset).collateral.is_zero() {
        return missing;
    }
    let cover = netting::cover_needed(&netting::unsettled_nets(reader, asset, bearer));
    books.take(reader, bearer, asset, Bucket::Collateral, missing, cover)
}

fn may_pay(reader: &dyn Reader, books: &mut Books, account: AccountId) -> bool {
    books.head(reader, account).is_some_and(|head| head.status == AccountStatus::Active)
}
