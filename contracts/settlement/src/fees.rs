//! Fee tiers: which rate a platform's volume of the period before gives it, and the volumes themselves.
//!
//! Periods are numbered from 1970 by their length. A vote that changes the length numbers them anew, so counting begins
//! again: a number other than the last one or its next, earlier ones included, starts from zero.

use vostro_types::genesis::Parameters;
use vostro_types::{AccountId, Amount, AssetCode, Event, Ppm, Time};

use crate::BlockContext;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::Volume;
use crate::tables::VOLUMES;

/// The rate of a platform in an asset now: that of the highest tier whose volume it reached in the period before.
pub(crate) fn rate(
    context: &BlockContext,
    reader: &dyn Reader,
    parameters: &Parameters,
    platform: AccountId,
    asset: AssetCode,
) -> Ppm {
    rate_at(context.time, reader, parameters, platform, asset)
}

/// The same at a time.
pub(crate) fn rate_at(
    time: Time,
    reader: &dyn Reader,
    parameters: &Parameters,
    platform: AccountId,
    asset: AssetCode,
) -> Ppm {
    let fee = &parameters.fee;
    if !in_tiers(parameters) {
        return fee.rate;
    }
    let volume = VOLUMES.get(reader, &(platform, asset)).unwrap_or_default();
    let before = in_period(volume, period(parameters, time)).before;
    let reached = |volume: Amount| !volume.is_zero() && u128::from(volume.units()) <= before;
    fee.tiers.iter().rev().find(|tier| reached(tier.volume)).map_or(fee.rate, |tier| tier.rate)
}

fn in_tiers(parameters: &Parameters) -> bool {
    parameters.fee.tiers.iter().any(|tier| !tier.volume.is_zero())
}

fn period(parameters: &Parameters, time: Time) -> u64 {
    time.0 / parameters.fee_period_ms.max(1)
}

/// What a record says in a period.
fn in_period(volume: Volume, period: u64) -> Volume {
    if volume.period == period {
        return volume;
    }
    let follows = volume.period.checked_add(1) == Some(period);
    Volume { period, before: if follows { volume.sold } else { 0 }, ..Volume::default() }
}

/// Counts a sale of a net price. Called behind the point of no return.
pub(crate) fn sold(
    context: &BlockContext,
    parameters: &Parameters,
    platform: AccountId,
    asset: AssetCode,
    net: Amount,
    ledger: &mut dyn Ledger,
) {
    change(context, parameters, platform, asset, ledger, |volume| {
        volume.sold = volume.sold.saturating_add(net.units().into());
    });
}

/// Counts a refund, and raises the alarm if it is time. Called behind the point of no return.
pub(crate) fn refunded(
    context: &BlockContext,
    parameters: &Parameters,
    platform: AccountId,
    asset: AssetCode,
    amount: Amount,
    books: &mut Books,
    ledger: &mut dyn Ledger,
) {
    let alarm = u128::from(parameters.refund_alarm.parts());
    change(context, parameters, platform, asset, ledger, |volume| {
        volume.refunded = volume.refunded.saturating_add(amount.units().into());
        let whole = u128::from(Ppm::ONE.parts());
        let reached = volume.refunded.saturating_mul(whole) >= volume.sold.saturating_mul(alarm);
        if alarm > 0 && reached && !volume.alarmed {
            volume.alarmed = true;
            books.event(Event::RefundAlarm { platform, asset, refunded: volume.refunded, volume: volume.sold });
        }
    });
}

/// Changes a platform's volume, unless no rule looks at volumes.
fn change(
    context: &BlockContext,
    parameters: &Parameters,
    platform: AccountId,
    asset: AssetCode,
    ledger: &mut dyn Ledger,
    change: impl FnOnce(&mut Volume),
) {
    if !in_tiers(parameters) && parameters.refund_alarm == Ppm::ZERO {
        return;
    }
    let key = (platform, asset);
    let volume = VOLUMES.get(&*ledger, &key).unwrap_or_default();
    let mut volume = in_period(volume, period(parameters, context.time));
    change(&mut volume);
    VOLUMES.put(ledger, &key, &volume);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_roll_from_period_to_period() {
        let volume = Volume { period: 7, sold: 10, refunded: 4, alarmed: true, before: 3 };
        assert_eq!(in_period(volume, 7), volume);
        let fresh = |period, before| Volume { period, before, ..Volume::default() };
        assert_eq!(in_period(volume, 8), fresh(8, 10));
        assert_eq!(in_period(volume, 9), fresh(9, 0));
        assert_eq!(in_period(volume, 6), fresh(6, 0));
        assert_eq!(in_period(Volume { period: u64::MAX, ..volume }, 0), fresh(0, 0));
    }
}
