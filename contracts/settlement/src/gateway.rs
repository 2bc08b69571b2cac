//! Money that comes in and goes out: Deposit, Withdraw and WithdrawResult.
//!
//! Invariant: an asset's custody is what was deposited less what was paid out, never more than 10^18 minor units.

use vostro_types::transaction::{Deposit, Withdraw, WithdrawResult};
use vostro_types::{AccountId, AccountKind, AccountStatus, Amount, AssetCode, Event, Time};

use crate::authority::{Call, open_account, require_asset, require_kind};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::{Custody, DepositRecord, GatewayDay, Withdrawal};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ACCOUNTS, CUSTODY, DEPOSITS, GATEWAY_CUSTODY, GATEWAY_DAYS, PAYOUTS, WITHDRAWALS};
use crate::{Done, above_zero, limits};

const DAY_MS: u64 = 86_400_000;
/// Days of limits begin at midnight in UTC+8.
const DAY_OFFSET_MS: u64 = 8 * 3_600_000;

/// Days since 1970 in UTC+8.
pub(crate) fn limit_day(time: Time) -> u64 {
    time.plus(DAY_OFFSET_MS).0 / DAY_MS
}

pub(crate) fn deposit(call: &Call<'_>, action: &Deposit, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    call.require_kind(AccountKind::Gateway)?;
    let (gateway, asset, amount) = (call.sender, action.asset, action.amount);
    let key = (gateway, action.channel.clone(), action.channel_ref.clone());
    if let Some(old) = DEPOSITS.get(reader, &key) {
        let same = [("to", old.to == action.to), ("asset", old.asset == asset), ("amount", old.amount == amount)];
        same_or_conflict(&same)?;
        return Ok(Done::Replayed(old.tx));
    }
    above_zero(amount, "amount")?;
    require_asset(reader, asset)?;
    open_account(reader, action.to, "to")?;
    let today = GatewayDay { day: limit_day(call.context.time), total: Amount::ZERO };
    let mut day = GATEWAY_DAYS.get(reader, &(gateway, asset)).filter(|d| d.day == today.day).unwrap_or(today);
    let cap = crate::read::network(reader).parameters.gateway_daily_cap;
    day.total = day.total.add(amount).ok().filter(|t| *t <= cap).ok_or_else(|| refuse::gateway_cap("amount"))?;
    let mut custody = CUSTODY.get(reader, &asset).unwrap_or_default();
    custody.deposited += u128::from(amount.units());
    if custody.net() > i128::from(Amount::MAX.units()) {
        return Err(refuse::overflow("custody"));
    }

    // Point of no return.
    let mut books = Books::default();
    books.credit(reader, action.to, asset, amount);
    books.event(Event::Deposited { gateway, channel_ref: action.channel_ref.clone() });
    CUSTODY.put(ledger, &asset, &custody);
    change_mirror(ledger, gateway, asset, |c| c.deposited += u128::from(amount.units()));
    GATEWAY_DAYS.put(ledger, &(gateway, asset), &day);
    DEPOSITS.put(ledger, &key, &DepositRecord { tx: call.id(), to: action.to, asset, amount });
    Ok(Done::Applied(books.commit(ledger)))
}

fn change_mirror(ledger: &mut dyn Ledger, gateway: AccountId, asset: AssetCode, change: impl FnOnce(&mut Custody)) {
    let mut mirror = GATEWAY_CUSTODY.get(&*ledger, &(gateway, asset)).unwrap_or_default();
    change(&mut mirror);
    GATEWAY_CUSTODY.put(ledger, &(gateway, asset), &mirror);
}

pub(crate) fn withdraw(call: &Call<'_>, action: &Withdraw, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = (call.sender, action.withdrawal_id.clone());
    if let Some(old) = WITHDRAWALS.get(reader, &key) {
        same_or_conflict(&[
            ("gateway", old.gateway == action.gateway),
            ("asset", old.asset == action.asset),
            ("amount", old.amount == action.amount),
            ("destination", old.destination == action.destination),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    above_zero(action.amount, "amount")?;
    require_asset(reader, action.asset)?;
    let gateway = open_account(reader, action.gateway, "gateway")?;
    require_kind(&gateway, AccountKind::Gateway, "gateway")?;
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let outflow =
        limits::outflow(call.context, reader, parameters, call.sender, &call.head, action.asset, action.amount)?;
    let mut books = Books::default();
    books.debit(reader, call.sender, action.asset, action.amount, "sender")?;

    // Point of no return.
    outflow.commit(ledger);
    let withdrawal = Withdrawal {
        tx: call.id(),
        gateway: action.gateway,
        asset: action.asset,
        amount: action.amount,
        destination: action.destination,
        end: None,
    };
    WITHDRAWALS.put(ledger, &key, &withdrawal);
    books.event(Event::WithdrawalRequested { owner: call.sender, withdrawal_id: key.1 });
    Ok(Done::Applied(books.commit(ledger)))
}

/// Whether the sender answers for a gateway: the Risk role does while the gateway itself may not, which is that role's own
/// doing. Else what its owners withdrew would wait for ever.
fn stands_in(call: &Call<'_>, reader: &dyn Reader, gateway: AccountId) -> bool {
    let head = ACCOUNTS.get(reader, &gateway).expect("withdrawals name gateways that exist");
    call.head.roles.risk && head.status != AccountStatus::Active
}

pub(crate) fn withdraw_result(
    call: &Call<'_>,
    action: &WithdrawResult,
    ledger: &mut dyn Ledger,
) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = (action.owner, action.withdrawal_id.clone());
    let mut withdrawal = WITHDRAWALS.get(reader, &key).ok_or_else(|| refuse::missing("withdrawal_id"))?;
    let gateway = withdrawal.gateway;
    if call.sender != gateway && !stands_in(call, reader, gateway) {
        return Err(refuse::role("sender"));
    }
    if let Some(old) = &withdrawal.end {
        same_or_conflict(&[("ok", old.ok == action.ok), ("payout_ref", old.payout_ref == action.payout_ref)])?;
        return Ok(Done::Replayed(old.tx));
    }
    let payout = (gateway, action.payout_ref.clone());
    if action.ok && PAYOUTS.contains(reader, &payout) {
        return Err(refuse::reference_used("payout_ref"));
    }

    // Point of no return.
    let (asset, amount) = (withdrawal.asset, withdrawal.amount);
    let mut books = Books::default();
    if action.ok {
        let units = u128::from(amount.units());
        let mut custody = CUSTODY.get(reader, &asset).unwrap_or_default();
        custody.withdrawn += units;
        CUSTODY.put(ledger, &asset, &custody);
        change_mirror(ledger, gateway, asset, |c| c.withdrawn += units);
        PAYOUTS.put(ledger, &payout, &key);
    } else {
        books.credit(reader, action.owner, asset, amount);
    }
    withdrawal.end = Some(Withdrawal::ended(call.id(), action));
    WITHDRAWALS.put(ledger, &key, &withdrawal);
    books.event(Event::WithdrawalEnded { owner: key.0, withdrawal_id: key.1, ok: action.ok });
    Ok(Done::Applied(books.commit(ledger)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_utc_plus_8() {
        assert_eq!(limit_day(Time(0)), 0);
        assert_eq!(limit_day(Time(16 * 3_600_000 - 1)), 0);
        assert_eq!(limit_day(Time(16 * 3_600_000)), 1);
    }
}
