//! Limits on what users and creators move out of their accounts: per action, day, sliding day and year, by tier.
//!
//! Invariant: a movement counts on the day, the hour and the year of its block, all of them or none; hours older than
//! the last 24 are dropped, so a record has a bounded size. An account whose tier has no limit leaves no record.

use vostro_types::genesis::{Limits, Parameters};
use vostro_types::{AccountId, AccountKind, Amount, AssetCode};

use crate::BlockContext;
use crate::gateway::limit_day;
use crate::ledger::{Ledger, Reader};
use crate::model::{AccountHead, Spending};
use crate::rejection::{Rejection, refuse};
use crate::tables::SPENDING;

/// Hours that velocity looks at: the current one and those before it.
pub(crate) const VELOCITY_HOURS: u64 = 24;
const HOUR_MS: u64 = 3_600_000;

/// A movement within the limits, ready to be counted.
///
/// An action has at most one for an account and asset: a second one would not see the first, which counts only when it
/// is committed. An action that takes several sums of one account checks their sum.
pub(crate) struct Outflow(Option<((AccountId, AssetCode), Spending)>);

/// Checks a movement out of an account against the limits of its tier: per action (801), day (802), the last 24 hours
/// (803), year (405, because a higher tier may move more).
pub(crate) fn outflow(
    context: &BlockContext,
    reader: &dyn Reader,
    parameters: &Parameters,
    account: AccountId,
    head: &AccountHead,
    asset: AssetCode,
    amount: Amount,
) -> Result<Outflow, Rejection> {
    let limits = of_tier(parameters, head);
    if limits == Limits::default() {
        return Ok(Outflow(None));
    }
    let allows = |limit: Amount, sum: u128| limit.is_zero() || sum <= u128::from(limit.units());
    if !allows(limits.per_transaction, amount.units().into()) {
        return Err(refuse::per_transaction("amount"));
    }
    let key = (account, asset);
    let (day, hour) = (limit_day(context.time), context.time.0 / HOUR_MS);
    let old = SPENDING.get(reader, &key).unwrap_or_default();
    let sum = |before: (u64, Amount), now: u64| {
        let before = if before.0 == now { before.1 } else { Amount::ZERO };
        u128::from(before.units()) + u128::from(amount.units())
    };
    let (of_day, of_year) = (sum(old.day, day), sum(old.year, year_of(day)));
    if !allows(limits.daily, of_day) {
        return Err(refuse::daily("amount"));
    }
    let mut hours = old.hours;
    hours.retain(|(h, _)| h + VELOCITY_HOURS > hour);
    let lately = hours.iter().map(|(_, a)| u128::from(a.units())).sum::<u128>() + u128::from(amount.units());
    if !allows(limits.velocity, lately) {
        return Err(refuse::velocity("amount"));
    }
    if !allows(limits.yearly, of_year) {
        return Err(refuse::tier("amount"));
    }
    match hours.last_mut() {
        Some((h, a)) if *h == hour => *a = capped(u128::from(a.units()) + u128::from(amount.units())),
        _ => hours.push((hour, amount)),
    }
    let spending = Spending { day: (day, capped(of_day)), year: (year_of(day), capped(of_year)), hours };
    Ok(Outflow(Some((key, spending))))
}

impl Outflow {
    /// Counts it. Called behind the point of no return.
    pub(crate) fn commit(self, ledger: &mut dyn Ledger) {
        if let Some((key, spending)) = self.0 {
            SPENDING.put(ledger, &key, &spending);
        }
    }
}

/// What an account may move; platforms and the accounts of the network have no limits.
pub(crate) fn of_tier(parameters: &Parameters, head: &AccountHead) -> Limits {
    match head.kind {
        AccountKind::User | AccountKind::Creator => {
            let index = usize::from(head.tier).saturating_sub(1);
            parameters.limits.get(index).copied().unwrap_or_default()
        }
        AccountKind::Platform
        | AccountKind::Tax
        | AccountKind::NetworkFee
        | AccountKind::Suspense
        | AccountKind::Gateway => Limits::default(),
    }
}

/// A sum as it is stored. No limit is above [`Amount::MAX`], so a sum that stays there is refused by every limit: what
/// goes round while there is none may exceed it.
fn capped(sum: u128) -> Amount {
    u64::try_from(sum).ok().and_then(|units| Amount::new(units).ok()).unwrap_or(Amount::MAX)
}

/// Checks what a new account may receive by transfer (804).
pub(crate) fn cooling(
    context: &BlockContext,
    parameters: &Parameters,
    to: &AccountHead,
    amount: Amount,
) -> Result<(), Rejection> {
    let counts = matches!(to.kind, AccountKind::User | AccountKind::Creator);
    let new = context.time.since(to.opened) < parameters.cooling_ms;
    if counts && new && amount > parameters.cooling_amount { Err(refuse::cooling("to")) } else { Ok(()) }
}

/// The calendar year of a day that is counted from 1970-01-01.
///
/// The calendar repeats every 400 years, which are 146,097 days. Years are counted from 1601, the first of such a
/// cycle, so that within it the leap years end every 4 years, the missing ones every 100 years and the one that is not
/// missing ends the whole: a day's number divides into 400, 100, 4 and 1 years in turn. The last century of a cycle and
/// the last year of four are a day longer than the others, hence the two `min`.
pub(crate) fn year_of(day: u64) -> u64 {
    const FROM_1601_TO_1970: u64 = 134_774;
    let day = day + FROM_1601_TO_1970;
    let (cycles, day) = (day / 146_097, day % 146_097);
    let centuries = (day / 36_524).min(3);
    let day = day - centuries * 36_524;
    let (fours, day) = (day / 1461, day % 1461);
    1601 + 400 * cycles + 100 * centuries + 4 * fours + (day / 365).min(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vostro_types::Time;

    #[test]
    fn years_are_those_of_the_calendar() {
        let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let mut day = 0;
        for year in 1970..2800 {
            let length = if leap(year) { 366 } else { 365 };
            for within in [0, 1, 58, 59, 60, length - 2, length - 1] {
                assert_eq!(year_of(day + within), year);
            }
            day += length;
        }
        assert!(year_of(limit_day(Time(u64::MAX))) > 500_000_000);
    }

    #[test]
    fn a_year_begins_at_midnight_in_utc_plus_8() {
        let new_year = 1_767_196_800_000; // 2025-12-31T16:00:00Z
        assert_eq!(year_of(limit_day(Time(new_year - 1))), 2025);
        assert_eq!(year_of(limit_day(Time(new_year))), 2026);
    }
}
