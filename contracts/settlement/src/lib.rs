//! The settlement contract: what a payment does to accounts.
//!
//! A pure function of state, block time and transaction. Invariant: every check of an action comes before its first
//! write and nothing fails after it, so an action takes effect wholly or not at all; money is conserved; a business key
//! is used once for ever ([`invariants`] says it all and checks it). docs/contract.md describes every action.
//!
//! ```text
//! VerifiedTransaction ─ authority ─ action (checks │ writes) ─ Receipt
//!                                      │    │
//!                                   tables  books (balances, postings)
//! ```
//!
//! A new action is one file with a `perform` and its line in `dispatch`; it shares `books` (money), `orders` (release),
//! `deadlines` (what fires by itself) and `authority` (who may).

pub mod deadlines;
pub mod evidence;
pub mod invariants;
pub mod ledger;
pub mod model;
pub mod pricing;
pub mod read;
pub mod rejection;
pub mod table;
pub mod tables;
pub mod testing;

mod accounts;
mod archive;
mod authority;
mod books;
mod campaign;
mod catalog;
mod confirm;
mod consume;
mod dispute;
mod fees;
mod fund;
mod fx;
mod gateway;
mod genesis;
mod governance;
mod hold;
mod htlc;
mod limits;
mod mandate;
pub mod netting;
mod orders;
mod pay;
mod refund;
mod report;
mod transfer;

pub use books::MAX_RECEIVABLES;
pub use campaign::MAX_CAMPAIGN_MS;
pub use evidence::record_evidence;
pub use genesis::open_genesis;
pub use governance::{MAX_CHANGES_PER_BLOCK, MAX_LEAD, MAX_OPEN_PROPOSALS, PROPOSAL_MS};
pub use htlc::MAX_LOCK_MS;
pub use ledger::{Ledger, Reader};
pub use mandate::MAX_MANDATE_MS;
pub use orders::machine;
pub use pay::MAX_DAYS;
pub use refund::MAX_REFUNDS;
pub use rejection::Rejection;

use vostro_types::codec::encode;
use vostro_types::transaction::MAX_VALIDITY_MS;
use vostro_types::{
    Action, Amount, AssetCode, Cause, Height, Label, Outcome, Payload, Receipt, Time, TxId, VerifiedTransaction,
};

use authority::Call;
use books::Effects;
use deadlines::Due;
use ledger::Draft;
use rejection::refuse;

/// What an action knows of the block it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The block's height.
    pub height: Height,
    /// The block's agreed time; the contract knows no other clock.
    pub time: Time,
}

/// How an action ended well.
pub(crate) enum Done {
    /// It took effect.
    Applied(Effects),
    /// Its business key was used before with the same body; nothing changed.
    Replayed(TxId),
}

/// Applies a transaction. Its signatures are verified by its type; whether it was executed before is the caller's to
/// know, because ids are remembered with the blocks and not in the state.
///
/// A batch takes effect as a whole or not at all, with one receipt. An action in it whose business key was used before
/// with the same body does nothing; if all are so, the batch itself is a replay.
pub fn apply(context: &BlockContext, tx: &VerifiedTransaction, ledger: &mut dyn Ledger) -> Receipt {
    let cause = Cause::Transaction(tx.id());
    match execute(context, tx, ledger) {
        Ok(Done::Applied(effects)) => receipt(cause, Outcome::Applied, effects),
        Ok(Done::Replayed(original)) => receipt(cause, Outcome::Replayed { original }, Effects::default()),
        Err((rejection, place)) => {
            let mut about = rejection.about();
            about.extend(place);
            receipt(cause, Outcome::Rejected { code: rejection.code(), about }, Effects::default())
        }
    }
}

/// What [`apply`] would say, without writing anything.
pub fn foresee(context: &BlockContext, tx: &VerifiedTransaction, reader: &dyn Reader) -> Receipt {
    apply(context, tx, &mut Draft::new(reader))
}

fn receipt(cause: Cause, outcome: Outcome, effects: Effects) -> Receipt {
    let fee = effects.fee.map_or(Amount::ZERO, |(_, fee)| fee);
    Receipt { cause, outcome, fee, postings: effects.postings, events: effects.events }
}

fn execute(
    context: &BlockContext,
    tx: &VerifiedTransaction,
    ledger: &mut dyn Ledger,
) -> Result<Done, (Rejection, Option<Label>)> {
    let body = tx.body();
    if body.valid_until < context.time || body.valid_until > context.time.plus(MAX_VALIDITY_MS) {
        return Err((refuse::expired("valid_until"), None));
    }
    let call = Call::open(context, tx, &*ledger).map_err(|e| (e, None))?;
    match &body.payload {
        Payload::One(action) => dispatch(&call, action, ledger).map_err(|e| (e, None)),
        Payload::Batch(actions) => batch(&call, actions, ledger),
    }
}

fn batch(call: &Call<'_>, actions: &[Action], ledger: &mut dyn Ledger) -> Result<Done, (Rejection, Option<Label>)> {
    // What a window's settlement costs is bounded by its taking effect once. Were there actions behind it that fail, it
    // could be undone and asked for again without end, at the cost of a few hundred bytes each time.
    let settles = |action: &Action| matches!(action, Action::SettleWindow(_));
    let last = actions.len().saturating_sub(1);
    if let Some(i) = actions.iter().take(last).position(settles) {
        return Err((refuse::malformed("order"), Label::new(format!("actions[{i}]")).ok()));
    }
    let mut draft = Draft::new(&*ledger);
    let mut whole = Effects::default();
    let (mut first, mut applied) = (None, false);
    for (i, action) in actions.iter().enumerate() {
        let at = |e| (e, Label::new(format!("actions[{i}]")).ok());
        match dispatch(call, action, &mut draft).map_err(at)? {
            Done::Applied(effects) => {
                applied = true;
                whole.fee = add_fees(whole.fee, effects.fee).map_err(at)?;
                whole.postings.extend(effects.postings);
                whole.events.extend(effects.events);
            }
            Done::Replayed(original) => first = first.or(Some(original)),
        }
    }
    if let (false, Some(original)) = (applied, first) {
        return Ok(Done::Replayed(original));
    }
    // Point of no return: every action of the batch has succeeded in the draft.
    for (key, value) in draft.into_writes() {
        match value {
            Some(value) => ledger.put(&key, &value),
            None => ledger.delete(&key),
        }
    }
    Ok(Done::Applied(whole))
}

/// A receipt has one sum of fees, so the fees in it must be of one asset (203).
fn add_fees(
    sum: Option<(AssetCode, Amount)>,
    fee: Option<(AssetCode, Amount)>,
) -> Result<Option<(AssetCode, Amount)>, Rejection> {
    match (sum, fee) {
        (Some((asset, sum)), Some((of, fee))) if asset == of => {
            Ok(Some((asset, sum.add(fee).map_err(|_| refuse::overflow("fee"))?)))
        }
        (Some(_), Some(_)) => Err(refuse::asset("fee")),
        (sum, fee) => Ok(sum.or(fee)),
    }
}

/// One line an action. No wildcard: the compiler asks for the line of a new one.
fn dispatch(call: &Call<'_>, action: &Action, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    match action {
        Action::OpenAccount(a) => accounts::open(call, a, ledger),
        Action::SetStatus(a) => accounts::set_status(call, a, ledger),
        Action::Deposit(a) => gateway::deposit(call, a, ledger),
        Action::Withdraw(a) => gateway::withdraw(call, a, ledger),
        Action::WithdrawResult(a) => gateway::withdraw_result(call, a, ledger),
        Action::Transfer(a) => transfer::perform(call, a, ledger),
        Action::RegisterPlan(a) => catalog::register_plan(call, a, ledger),
        Action::RegisterItem(a) => catalog::register_item(call, a, ledger),
        Action::Pay(a) => pay::perform(call, a, ledger),
        Action::Confirm(a) => confirm::perform(call, a, ledger),
        Action::Refund(a) => refund::perform(call, a, ledger),
        Action::LockCollateral(a) => netting::lock(call, a, ledger),
        Action::CloseWindow(a) => netting::close(call, a, ledger),
        Action::SettleWindow(a) => netting::settle(call, a, ledger),
        Action::SetKeys(a) => accounts::set_keys(call, a, ledger),
        Action::SetTier(a) => accounts::set_tier(call, a, ledger),
        Action::Hold(a) => hold::perform(call, a, ledger),
        Action::Capture(a) => hold::capture(call, a, ledger),
        Action::Void(a) => hold::void(call, a, ledger),
        Action::OpenDispute(a) => dispute::open(call, a, ledger),
        Action::Resolve(a) => dispute::resolve(call, a, ledger),
        Action::CreateCampaign(a) => campaign::create(call, a, ledger),
        Action::IssueCoupon(a) => campaign::issue(call, a, ledger),
        Action::ExpireCampaign(a) => campaign::expire(call, a, ledger),
        Action::CreateMandate(a) => mandate::create(call, a, ledger),
        Action::Charge(a) => mandate::charge(call, a, ledger),
        Action::CancelMandate(a) => mandate::cancel(call, a, ledger),
        Action::Consume(a) => consume::perform(call, a, ledger),
        Action::HtlcLock(a) => htlc::lock(call, a, ledger),
        Action::HtlcClaim(a) => htlc::claim(call, a, ledger),
        Action::HtlcRefund(a) => htlc::refund(call, a, ledger),
        Action::FxConvert(a) => fx::perform(call, a, ledger),
        Action::AnchorReport(a) => report::perform(call, a, ledger),
        Action::Propose(a) => governance::propose(call, a, ledger),
        Action::Approve(a) => governance::approve(call, a, ledger),
        Action::UnlockCollateral(a) => netting::unlock(call, a, ledger),
        Action::FundContribute(a) => fund::contribute(call, a, ledger),
        Action::FundRelease(a) => fund::release(call, a, ledger),
        Action::ArchiveOrders(a) => archive::perform(call, a, ledger),
    }
}

/// Bytes that the receipt of every action stays below, and that a block has room for: else a window whose settlement
/// needed more could never be settled (tests/rules/bounds.rs builds the largest). A batch of large actions may exceed it; then
/// no block takes it.
pub const MAX_RECEIPT: usize = 16 << 20;

/// Bytes of receipts after which no further deadline fires in a block. A release pays up to a plan's legs and three, each
/// of which may first pay a list of receivables, so the number alone bounds the receipts badly.
pub const MAX_DUE_RECEIPTS: usize = 2 << 20;

/// Fires what came due, in order of (time, id): at the end of a block, at most `max_due_per_block` of them, and none once
/// their receipts have [`MAX_DUE_RECEIPTS`] bytes. What is left fires with the next block.
pub fn fire_deadlines(context: &BlockContext, ledger: &mut dyn Ledger) -> Vec<Receipt> {
    let limit = read::network(&*ledger).parameters.max_due_per_block as usize;
    let (mut receipts, mut bytes) = (Vec::new(), 0);
    // Firing one neither arms another that is due already nor disarms one, so the list stays true.
    for due in deadlines::due(&*ledger, context.time, limit) {
        let (cause, effects) = match due {
            Due::Order(order) => (Cause::Deadline(order.clone()), orders::fire(context, &order, ledger)),
            Due::Window(asset, window) => {
                (Cause::WindowDeadline { asset, window }, netting::fire(context, asset, window, ledger))
            }
            Due::Campaign(platform, campaign) => {
                let effects = campaign::fire(platform, &campaign, ledger);
                (Cause::CampaignDeadline { platform, campaign }, effects)
            }
        };
        let receipt = receipt(cause, Outcome::Applied, effects);
        bytes += encode(&receipt).len();
        receipts.push(receipt);
        if bytes >= MAX_DUE_RECEIPTS {
            break;
        }
    }
    // Parameters change last, so that a whole block works with the same ones.
    for ((proposer, proposal), effects) in governance::fire(context, ledger) {
        receipts.push(receipt(Cause::ProposalDue { proposer, proposal }, Outcome::Applied, effects));
    }
    receipts
}

/// When the next deadline comes due, so that an idle chain knows when to make a block.
pub fn next_deadline(reader: &dyn Reader) -> Option<Time> {
    deadlines::first(reader).map(|(time, _)| time)
}

/// Refuses an amount of zero.
pub(crate) fn above_zero(amount: Amount, about: rejection::About) -> Result<(), Rejection> {
    if amount.is_zero() { Err(refuse::zero(about)) } else { Ok(()) }
}
