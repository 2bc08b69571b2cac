//! What an order costs: discount, tax, fee and who bears it, as pure arithmetic.
//!
//! Invariant: each component rounds half up on its own, `total = net + tax`, and the parts of a fee sum to it.

use vostro_types::genesis::FeeSchedule;
use vostro_types::transaction::FeeBearer;
use vostro_types::{Amount, AmountError, Ppm, allocate};

/// A price taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Taken off the price.
    pub discount: Amount,
    /// What the plan splits and the fee is computed on.
    pub net: Amount,
    /// Tax on the net.
    pub tax: Amount,
    /// `net + tax`, before any fee.
    pub total: Amount,
}

/// Prices something whose tax comes on top: `net = price − hu(price·discount)`, `tax = hu(net·rate)`.
///
/// # Errors
/// [`AmountError::TooLarge`] if the total exceeds 10^18.
pub fn exclusive(price: Amount, discount: Ppm, tax_rate: Ppm) -> Result<Priced, AmountError> {
    let discount = price.rate(discount);
    let net = price.sub(discount)?;
    let tax = net.rate(tax_rate);
    Ok(Priced { discount, net, tax, total: net.add(tax)? })
}

/// Prices something whose tax is in the price: `net = hu(total·10^6/(10^6+rate))`, `tax = total − net`.
///
/// # Errors
/// Never in practice: every part is at most the price.
pub fn inclusive(price: Amount, discount: Ppm, tax_rate: Ppm) -> Result<Priced, AmountError> {
    let discount = price.rate(discount);
    let total = price.sub(discount)?;
    let net = total.without_inclusive(tax_rate);
    Ok(Priced { discount, net, tax: total.sub(net)?, total })
}

/// The network fee: `clamp(hu(base·rate), min, cap)`; the rate is that of the platform's tier.
pub fn fee(base: Amount, rate: Ppm, schedule: &FeeSchedule) -> Amount {
    base.rate(rate).max(schedule.min).min(schedule.cap)
}

/// Who pays how much of a fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeParts {
    /// On top of what the payer pays.
    pub payer: Amount,
    /// Taken from the payees' legs.
    pub payee: Amount,
    /// Paid by the origin platform.
    pub platform: Amount,
}

/// Splits a fee among its bearers.
///
/// # Errors
/// [`AmountError::NoWeights`] if there is a fee and no bearer.
pub fn bear(fee: Amount, bearer: &FeeBearer) -> Result<FeeParts, AmountError> {
    let weights = [bearer.payer, bearer.payee, bearer.platform].map(|p| u64::from(p.parts()));
    let parts = allocate(fee, &weights)?;
    Ok(FeeParts { payer: parts[0], payee: parts[1], platform: parts[2] })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn fen(units: u64) -> Amount {
        Amount::new(units).unwrap()
    }

    fn ppm(parts: u32) -> Ppm {
        Ppm::new(parts).unwrap()
    }

    fn units(p: Priced) -> [u64; 4] {
        [p.discount, p.net, p.tax, p.total].map(Amount::units)
    }

    #[test]
    fn g1_discount_tax_and_inclusive() {
        assert_eq!(units(exclusive(fen(10_000), ppm(100_000), ppm(50_000)).unwrap()), [1000, 9000, 450, 9450]);
        assert_eq!(units(inclusive(fen(9450), ppm(0), ppm(50_000)).unwrap()), [0, 9000, 450, 9450]);
        assert_eq!(units(exclusive(fen(6990), ppm(150_000), ppm(60_000)).unwrap()), [1049, 5941, 356, 6297]);
    }

    #[test]
    fn g2_fee_and_bearers() {
        let schedule = FeeSchedule { rate: ppm(30_000), min: fen(0), cap: fen(1_000_000), ..FeeSchedule::default() };
        let fee = fee(fen(8000), schedule.rate, &schedule);
        assert_eq!(fee, fen(240));
        assert_eq!(bear(fee, &FeeBearer::PAYER).unwrap().payer, fen(240));
        assert_eq!(bear(fee, &FeeBearer::PAYEE).unwrap().payee, fen(240));
        let third = FeeBearer { payer: ppm(333_333), payee: ppm(333_333), platform: ppm(333_334) };
        assert_eq!(bear(fen(100), &third).unwrap(), FeeParts { payer: fen(33), payee: fen(33), platform: fen(34) });
    }

    #[test]
    fn fees_are_clamped() {
        let schedule = FeeSchedule { rate: ppm(10_000), min: fen(5), cap: fen(100), ..FeeSchedule::default() };
        for (base, expect) in [(0, 5), (499, 5), (550, 6), (549, 5), (9_900, 99), (20_000, 100)] {
            assert_eq!(fee(fen(base), schedule.rate, &schedule), fen(expect), "{base}");
        }
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole(price in 0..=Amount::MAX.units() / 2, d in 0..=1_000_000u32, t in 0..=1_000_000u32) {
            for priced in [exclusive(fen(price), ppm(d), ppm(t)).unwrap(), inclusive(fen(price), ppm(d), ppm(t)).unwrap()] {
                prop_assert_eq!(priced.net.add(priced.tax).unwrap(), priced.total);
                prop_assert!(priced.discount <= fen(price));
            }
            let inclusive = inclusive(fen(price), ppm(0), ppm(t)).unwrap();
            prop_assert_eq!(inclusive.total, fen(price));
        }
    }
}
