//! What is sold and how it is split: RegisterPlan and RegisterItem. Versions never change once they exist.

use vostro_types::transaction::{
    ItemRef, MAX_LEGS, Payee, PlanLeg, Price, RefundPolicy, RegisterItem, RegisterPlan, Share,
};
use vostro_types::{AccountId, AccountKind, Amount, Event, Ppm};

use crate::authority::{Call, open_account, require_asset, require_kind};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::{Item, Plan};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ITEMS, PLANS};
use crate::{Done, above_zero};

pub(crate) fn register_plan(
    call: &Call<'_>,
    action: &RegisterPlan,
    ledger: &mut dyn Ledger,
) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    call.require_kind(AccountKind::Platform)?;
    let key = (call.sender, action.plan.clone(), action.version);
    if let Some(old) = PLANS.get(reader, &key) {
        same_or_conflict(&[("legs", old.legs == action.legs)])?;
        return Ok(Done::Replayed(old.tx));
    }
    let before = |version| PLANS.contains(reader, &(call.sender, action.plan.clone(), version));
    require_next(action.version, before)?;
    check_legs(call, reader, &action.legs)?;

    // Point of no return.
    PLANS.put(ledger, &key, &Plan { tx: call.id(), legs: action.legs.clone() });
    let mut books = Books::default();
    books.event(Event::PlanRegistered { platform: key.0, plan: key.1, version: key.2 });
    Ok(Done::Applied(books.commit(ledger)))
}

/// Versions count from 1 without gaps (504); the version itself is known not to exist.
fn require_next(version: u32, exists: impl Fn(u32) -> bool) -> Result<(), Rejection> {
    match version {
        0 => Err(refuse::malformed("version")),
        1 => Ok(()),
        later if exists(later - 1) => Ok(()),
        _ => Err(refuse::state("version")),
    }
}

fn check_legs(call: &Call<'_>, reader: &dyn Reader, legs: &[PlanLeg]) -> Result<(), Rejection> {
    if legs.is_empty() || legs.len() > MAX_LEGS {
        return Err(refuse::plan("legs"));
    }
    let (mut rates, mut fixed) = (0u64, Amount::ZERO);
    for leg in legs {
        match leg.share {
            Share::Rate(Ppm::ZERO) | Share::Fixed(Amount::ZERO) => return Err(refuse::plan("share")),
            Share::Rate(rate) => rates += u64::from(rate.parts()),
            Share::Fixed(amount) => fixed = fixed.add(amount).map_err(|_| refuse::overflow("fixed"))?,
        }
        match leg.payee {
            Payee::Account(account) => {
                open_account(reader, account, "payee")?;
            }
            Payee::Creator | Payee::Host | Payee::Origin | Payee::Network => {}
        }
        match leg.refund {
            RefundPolicy::Proportional | RefundPolicy::NonRefundable => {}
            RefundPolicy::BorneBy(bearer) => check_bearer(call, reader, bearer)?,
        }
    }
    if rates != u64::from(Ppm::ONE.parts()) {
        return Err(refuse::plan("rates"));
    }
    Ok(())
}

/// Whoever bears refunds is debited by them later, so it is the platform itself or agrees with its own keys: that the
/// platform opened it is no consent.
fn check_bearer(call: &Call<'_>, reader: &dyn Reader, bearer: AccountId) -> Result<(), Rejection> {
    open_account(reader, bearer, "bearer")?;
    if bearer == call.sender || call.signed_by(reader, bearer) { Ok(()) } else { Err(refuse::threshold("bearer")) }
}

pub(crate) fn register_item(
    call: &Call<'_>,
    action: &RegisterItem,
    ledger: &mut dyn Ledger,
) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    call.require_kind(AccountKind::Platform)?;
    let key = (call.sender, action.item.clone(), action.version);
    if let Some(old) = ITEMS.get(reader, &key) {
        same_or_conflict(&[
            ("asset", old.asset == action.asset),
            ("price", old.price == action.price),
            ("discount", old.discount == action.discount),
            ("tax", old.tax == action.tax),
            ("plan", old.plan == action.plan),
            ("plan_version", old.plan_version == action.plan_version),
            ("creator", old.creator == action.creator),
            ("terms", old.terms == action.terms),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    let before = |version| ITEMS.contains(reader, &(call.sender, action.item.clone(), version));
    require_next(action.version, before)?;
    require_asset(reader, action.asset)?;
    match action.price {
        Price::Fixed(price) => above_zero(price, "price")?,
        Price::Open { min, max } => {
            above_zero(min, "price")?;
            if min > max {
                return Err(refuse::malformed("price"));
            }
        }
    }
    if action.terms.duration_ms == Some(0) || action.terms.units == Some(0) {
        return Err(refuse::malformed("terms"));
    }
    if !PLANS.contains(reader, &(call.sender, action.plan.clone(), action.plan_version)) {
        return Err(refuse::missing("plan"));
    }
    open_account(reader, action.creator, "creator")?;
    if let Some(tax) = &action.tax {
        let head = open_account(reader, tax.account, "tax")?;
        require_kind(&head, AccountKind::Tax, "tax")?;
    }

    // Point of no return.
    let item = Item {
        tx: call.id(),
        asset: action.asset,
        price: action.price,
        discount: action.discount,
        tax: action.tax,
        plan: action.plan.clone(),
        plan_version: action.plan_version,
        creator: action.creator,
        terms: action.terms.clone(),
    };
    ITEMS.put(ledger, &key, &item);
    let mut books = Books::default();
    books.event(Event::ItemRegistered { item: ItemRef { host: key.0, item: key.1, version: key.2 } });
    Ok(Done::Applied(books.commit(ledger)))
}
