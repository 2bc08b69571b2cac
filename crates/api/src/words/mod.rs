//! Transactions in plain words: one sentence an action, the same on the command line, in the explorer and in the docs.
//!
//! Names that platforms choose are quoted, and characters that could turn the direction of the text around are
//! replaced, so a name cannot pretend to be part of the sentence. The text is plain: pages escape it.

mod events;
mod later;

pub use events::event_words;

use vostro_types::transaction::{CouponRef, ItemRef, OrderKey, PayMode, Price};
use vostro_types::{AccountId, AccountKind, AccountStatus, Action, Amount, AssetCode, Label, Ppm, Time, Transaction};

use crate::action::mode_text;
use crate::amount::AmountText;
use crate::lookup::Lookup;

/// A sentence for each action of a transaction, in order.
pub fn plain_words(transaction: &Transaction, lookup: &dyn Lookup) -> Vec<String> {
    let sender = transaction.body.sender;
    transaction.body.payload.actions().iter().map(|a| action_words(&sender, a, lookup)).collect()
}

/// The first characters of an account, or its name.
pub fn account_words(account: &AccountId, lookup: &dyn Lookup) -> String {
    match lookup.name(account) {
        Some(name) => clean(&name),
        None => {
            let text = account.to_string();
            format!("{}…{}", &text[..10], &text[text.len() - 6..])
        }
    }
}

/// A label in quotes, with what could end the quotes or disturb the line's direction replaced.
pub fn quoted(label: &Label) -> String {
    format!("\"{}\"", clean(label.as_str()).replace('"', "'"))
}

fn clean(text: &str) -> String {
    let turns = |c: char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
            || c.is_control()
    };
    text.chars().map(|c| if turns(c) { '\u{fffd}' } else { c }).collect()
}

fn money(amount: Amount, asset: Option<AssetCode>, lookup: &dyn Lookup) -> String {
    let known = asset.and_then(|code| lookup.asset(&code));
    let text = AmountText::of(amount, known.as_ref()).shown();
    match asset {
        Some(code) => format!("{text} {code}"),
        None => text,
    }
}

/// A rate in percent, to four digits after the point.
fn percent(rate: Ppm) -> String {
    let (whole, part) = (rate.parts() / 10_000, rate.parts() % 10_000);
    match format!("{part:04}").trim_end_matches('0') {
        "" => format!("{whole} %"),
        digits => format!("{whole}.{digits} %"),
    }
}

/// A time as JSON has it.
fn when(time: Time) -> String {
    crate::text::time::print(time)
}

/// A span of milliseconds in the largest unit that tells it whole.
fn span(ms: u64) -> String {
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "millisecond")];
    let (length, unit) = units.into_iter().find(|(length, _)| ms.is_multiple_of(*length)).unwrap_or((1, "millisecond"));
    match ms / length {
        1 => format!("1 {unit}"),
        n => format!("{n} {unit}s"),
    }
}

fn coupon_words(coupon: &CouponRef, lookup: &dyn Lookup) -> String {
    format!("coupon {} of {}", quoted(&coupon.serial), account_words(&coupon.platform, lookup))
}

fn with_coupon(coupon: Option<&CouponRef>, lookup: &dyn Lookup) -> String {
    coupon.map_or_else(String::new, |coupon| format!(" with {}", coupon_words(coupon, lookup)))
}

fn kind_words(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "a user account",
        AccountKind::Creator => "a creator account",
        AccountKind::Platform => "a platform account",
        AccountKind::Tax => "a tax account",
        AccountKind::NetworkFee => "a network fee account",
        AccountKind::Suspense => "a suspense account",
        AccountKind::Gateway => "a gateway account",
    }
}

fn item_words(item: &ItemRef, lookup: &dyn Lookup) -> String {
    format!("item {} (version {}) hosted by {}", quoted(&item.item), item.version, account_words(&item.host, lookup))
}

/// An order in words.
pub fn order_words(order: &OrderKey, lookup: &dyn Lookup) -> String {
    format!("order {} of {}", quoted(&order.order_id), account_words(&order.platform, lookup))
}

/// One action in words; `sender` is who acts.
pub fn action_words(sender: &AccountId, action: &Action, lookup: &dyn Lookup) -> String {
    let who = account_words(sender, lookup);
    let name = |account: &AccountId| account_words(account, lookup);
    match action {
        Action::OpenAccount(a) => {
            let (keys, threshold) = (a.policy.keys().len(), a.policy.threshold());
            let signers = if keys == 1 { "one key".to_string() } else { format!("{keys} keys, threshold {threshold}") };
            format!("{who} opens {} {} with {signers}.", kind_words(a.kind), name(&a.policy.account_id(&a.salt)))
        }
        Action::SetStatus(a) => {
            let verb = match a.status {
                AccountStatus::Active => "reactivates",
                AccountStatus::DebitFrozen => "blocks payments from",
                AccountStatus::Frozen => "freezes",
                AccountStatus::Closed => "closes",
            };
            format!("{who} {verb} {}, reason {}.", name(&a.account), quoted(&a.reason))
        }
        Action::Deposit(a) => format!(
            "{who} brings in {} for {} through {}, reference {}.",
            money(a.amount, Some(a.asset), lookup),
            name(&a.to),
            quoted(&a.channel),
            quoted(&a.channel_ref)
        ),
        Action::Withdraw(a) => format!(
            "{who} withdraws {} through {} as withdrawal {}.",
            money(a.amount, Some(a.asset), lookup),
            name(&a.gateway),
            quoted(&a.withdrawal_id)
        ),
        Action::WithdrawResult(a) => {
            let outcome = if a.ok { "was paid out" } else { "failed and is given back" };
            format!(
                "{who} reports that withdrawal {} of {} {outcome}, reference {}.",
                quoted(&a.withdrawal_id),
                name(&a.owner),
                quoted(&a.payout_ref)
            )
        }
        Action::Transfer(a) => {
            format!("{who} transfers {} to {}.", money(a.amount, Some(a.asset), lookup), name(&a.to))
        }
        Action::RegisterPlan(a) => {
            let legs = if a.legs.len() == 1 { "1 leg".to_string() } else { format!("{} legs", a.legs.len()) };
            format!("{who} registers version {} of split plan {} with {legs}.", a.version, quoted(&a.plan))
        }
        Action::RegisterItem(a) => {
            let price = match a.price {
                Price::Fixed(price) => money(price, Some(a.asset), lookup),
                Price::Open { min, max } => {
                    format!("between {} and {}", money(min, Some(a.asset), lookup), money(max, Some(a.asset), lookup))
                }
            };
            let discount = match a.discount {
                Ppm::ZERO => String::new(),
                discount => format!(" less {}", percent(discount)),
            };
            format!(
                "{who} registers version {} of item {} by {}, priced {price}{discount}, split by plan {} version {}.",
                a.version,
                quoted(&a.item),
                name(&a.creator),
                quoted(&a.plan),
                a.plan_version
            )
        }
        Action::Pay(a) => {
            let when = match a.mode {
                PayMode::Instant => "settled at once".to_string(),
                PayMode::Escrow => "held in escrow until confirmed".to_string(),
                PayMode::Maturing(_) => format!("settled after {}", mode_text(a.mode).to_uppercase()),
                PayMode::Window => "owed through the netting window".to_string(),
                PayMode::Hold => "reserved until captured".to_string(),
            };
            format!(
                "{who} pays {} for {}{}, order {} of {}, {when}.",
                money(a.expected_total, lookup.item_asset(&a.item), lookup),
                item_words(&a.item, lookup),
                with_coupon(a.coupon.as_ref(), lookup),
                quoted(&a.order_id),
                name(&a.origin)
            )
        }
        Action::Confirm(a) => format!("{who} confirms {}, which releases its escrow.", order_words(&a.order, lookup)),
        Action::Refund(a) => format!(
            "{who} refunds {} of {} as refund {}, reason {}.",
            money(a.amount, lookup.order_asset(&a.order), lookup),
            order_words(&a.order, lookup),
            quoted(&a.refund_id),
            quoted(&a.reason)
        ),
        Action::LockCollateral(a) => {
            format!("{who} locks {} as collateral.", money(a.amount, Some(a.asset), lookup))
        }
        Action::CloseWindow(a) => format!("{who} closes netting window {} in {}.", a.window, a.asset),
        Action::SettleWindow(a) => format!("{who} settles netting window {} in {}.", a.window, a.asset),
        later => later::words(&who, later, lookup),
    }
}
