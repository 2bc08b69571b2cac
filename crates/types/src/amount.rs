//! Money in integer minor units, rates in parts per million, and the one rounding primitive.
//!
//! Invariant: an [`Amount`] is at most 10^18 and arithmetic that would leave the range is refused, never wrapped.

use std::fmt;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use crate::codec::refuse;

/// An amount of minor units of some asset, 0 to 10^18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode)]
pub struct Amount(u64);

/// Amount arithmetic that leaves the range 0 to 10^18, or shares without weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Above 10^18 minor units.
    #[error("the amount exceeds 10^18 minor units")]
    TooLarge,
    /// Below zero.
    #[error("the amount would be negative")]
    Negative,
    /// A positive total with all weights zero can go nowhere.
    #[error("nothing to allocate to: all weights are zero")]
    NoWeights,
}

// `add` and `sub` can fail, so they cannot be the operators of the same name.
#[allow(clippy::should_implement_trait)]
impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// The largest amount: 10^18 minor units.
    pub const MAX: Amount = Amount(1_000_000_000_000_000_000);

    /// `units` minor units.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] above 10^18.
    pub const fn new(units: u64) -> Result<Self, AmountError> {
        if units > Self::MAX.0 { Err(AmountError::TooLarge) } else { Ok(Amount(units)) }
    }

    fn from_u128(units: u128) -> Result<Self, AmountError> {
        u64::try_from(units).map_err(|_| AmountError::TooLarge).and_then(Amount::new)
    }

    /// Minor units.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] above 10^18.
    pub fn add(self, other: Amount) -> Result<Amount, AmountError> {
        Amount::from_u128(u128::from(self.0) + u128::from(other.0))
    }

    /// The difference.
    ///
    /// # Errors
    /// [`AmountError::Negative`] if `other` is larger.
    pub fn sub(self, other: Amount) -> Result<Amount, AmountError> {
        self.0.checked_sub(other.0).map(Amount).ok_or(AmountError::Negative)
    }

    /// The sum of many.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] above 10^18.
    pub fn sum<I: IntoIterator<Item = Amount>>(amounts: I) -> Result<Amount, AmountError> {
        amounts.into_iter().try_fold(Amount::ZERO, Amount::add)
    }

    /// `self · rate`, rounded half up to a minor unit. Never exceeds `self` because a rate is at most one.
    pub fn rate(self, rate: Ppm) -> Amount {
        let product = u128::from(self.0) * u128::from(rate.0);
        Amount(((product + u128::from(Ppm::ONE.0) / 2) / u128::from(Ppm::ONE.0)) as u64)
    }

    /// The part of a price that includes a tax at `rate` which is not tax: `self · 10^6 / (10^6 + rate)`, half up.
    pub fn without_inclusive(self, rate: Ppm) -> Amount {
        let divisor = u128::from(Ppm::ONE.0) + u128::from(rate.0);
        Amount(((u128::from(self.0) * u128::from(Ppm::ONE.0) + divisor / 2) / divisor) as u64)
    }

    /// The smaller of two.
    pub fn min(self, other: Amount) -> Amount {
        Ord::min(self, other)
    }
}

impl<Context> Decode<Context> for Amount {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Amount::new(u64::decode(decoder)?).map_err(|e| refuse(e.to_string()))
    }
}
bincode::impl_borrow_decode!(Amount);

/// Minor units, for logs; people see decimals through [`crate::Asset::format`].
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A rate in parts per million, 0 to 10^6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode)]
pub struct Ppm(u32);

impl Ppm {
    /// Nothing.
    pub const ZERO: Ppm = Ppm(0);
    /// The whole: 10^6.
    pub const ONE: Ppm = Ppm(1_000_000);

    /// `parts` per million; `None` above 10^6.
    pub const fn new(parts: u32) -> Option<Ppm> {
        if parts > Self::ONE.0 { None } else { Some(Ppm(parts)) }
    }

    /// Parts per million.
    pub const fn parts(self) -> u32 {
        self.0
    }
}

impl<Context> Decode<Context> for Ppm {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let parts = u32::decode(decoder)?;
        Ppm::new(parts).ok_or_else(|| refuse(format!("a rate of {parts} exceeds 1000000 parts per million")))
    }
}
bincode::impl_borrow_decode!(Ppm);

/// Splits `total` by `weights`: each share is floored, then one minor unit goes to each of the largest remainders, ties
/// to the lower index (SETTLEMENT §1).
///
/// The shares sum to `total`; each is within one unit of its ideal; a zero weight gets zero; weights that sum to
/// `total` come back unchanged.
///
/// # Errors
/// [`AmountError::NoWeights`] if `total` is positive and all weights are zero.
pub fn allocate(total: Amount, weights: &[u64]) -> Result<Vec<Amount>, AmountError> {
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    if sum == 0 {
        return if total.is_zero() { Ok(vec![Amount::ZERO; weights.len()]) } else { Err(AmountError::NoWeights) };
    }
    let part = |weight: u64| divide(total.0, weight, sum);
    let mut shares: Vec<Amount> = weights.iter().map(|w| Amount(part(*w).0)).collect();
    let given: u64 = shares.iter().map(|s| s.0).sum();
    let left = (total.0 - given) as usize;
    if left > 0 {
        let mut remainders: Vec<_> = weights.iter().map(|w| part(*w).1).zip(0..).collect();
        remainders.sort_unstable_by_key(|(remainder, at)| (std::cmp::Reverse(*remainder), *at));
        for (_, at) in remainders.into_iter().take(left) {
            shares[at].0 += 1;
        }
    }
    Ok(shares)
}

/// `total · weight / sum` and what remains, for a weight that is part of the sum: the quotient is at most the total.
fn divide(total: u64, weight: u64, sum: u128) -> (u64, u128) {
    match (total.checked_mul(weight), u64::try_from(sum)) {
        // Nearly always, and several times as fast.
        (Some(product), Ok(sum)) => (product / sum, u128::from(product % sum)),
        _ => {
            let product = u128::from(total) * u128::from(weight);
            ((product / sum) as u64, product % sum)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn fen(units: u64) -> Amount {
        Amount::new(units).unwrap()
    }

    fn split(total: u64, weights: &[u64]) -> Vec<u64> {
        allocate(fen(total), weights).unwrap().into_iter().map(Amount::units).collect()
    }

    #[test]
    fn golden_allocations() {
        let plan = [700_000, 200_000, 80_000, 20_000];
        assert_eq!(split(9000, &plan), [6300, 1800, 720, 180]); // G3
        assert_eq!(split(9999, &plan), [6999, 2000, 800, 200]); // G4
        assert_eq!(split(3333, &[6999, 2000, 800, 200]), [2333, 667, 267, 66]);
        assert_eq!(split(3333, &[4666, 1333, 533, 134]), [2333, 667, 266, 67]);
        assert_eq!(split(3333, &[2333, 666, 267, 67]), [2333, 666, 267, 67]);
        assert_eq!(split(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(split(500, &[7000, 2000, 800, 200, 500]), [333, 95, 38, 10, 24]); // G5
    }

    #[test]
    fn golden_rates() {
        let ppm = |p| Ppm::new(p).unwrap();
        assert_eq!(fen(10_000).rate(ppm(100_000)), fen(1000)); // G1
        assert_eq!(fen(9000).rate(ppm(50_000)), fen(450));
        assert_eq!(fen(9450).without_inclusive(ppm(50_000)), fen(9000));
        assert_eq!(fen(6990).rate(ppm(150_000)), fen(1049));
        assert_eq!(fen(5941).rate(ppm(60_000)), fen(356));
        assert_eq!(fen(8000).rate(ppm(30_000)), fen(240)); // G2
    }

    #[test]
    fn bounds() {
        assert_eq!(Amount::new(Amount::MAX.units() + 1), Err(AmountError::TooLarge));
        assert_eq!(Amount::MAX.add(fen(1)), Err(AmountError::TooLarge));
        assert_eq!(Amount::ZERO.sub(fen(1)), Err(AmountError::Negative));
        assert_eq!(allocate(fen(1), &[0, 0]), Err(AmountError::NoWeights));
        assert_eq!(allocate(Amount::ZERO, &[0, 0]), Ok(vec![Amount::ZERO; 2]));
        assert_eq!(allocate(Amount::MAX, &[u64::MAX, u64::MAX]).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn allocation_is_exact_fair_and_stable(
            total in 0..=Amount::MAX.units(),
            weights in prop::collection::vec(prop_oneof![Just(0u64), 0..10u64, 0..=Amount::MAX.units()], 1..12),
        ) {
            let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
            prop_assume!(sum > 0);
            let shares = split(total, &weights);
            prop_assert_eq!(shares.iter().map(|s| u128::from(*s)).sum::<u128>(), u128::from(total));
            for (share, weight) in shares.iter().zip(&weights) {
                let ideal = u128::from(total) * u128::from(*weight);
                prop_assert!(u128::from(*share) * sum < ideal + sum && (u128::from(*share) + 1) * sum > ideal);
                prop_assert!(*weight != 0 || *share == 0);
            }
            if let Some(same) = u64::try_from(sum).ok().filter(|s| *s <= Amount::MAX.units()) {
                prop_assert_eq!(split(same, &weights), weights);
            }
        }

        #[test]
        fn refunds_in_parts_end_at_zero(total in 1..1_000_000u64, cuts in prop::collection::vec(1..400_000u64, 0..6)) {
            let mut legs = split(total, &[700_000, 200_000, 80_000, 20_000]);
            let mut left = total;
            for part in cuts.into_iter().chain([u64::MAX]) {
                let part = part.min(left);
                let back = split(part, &legs);
                if part == 0 { break; }
                for (leg, b) in legs.iter_mut().zip(back) {
                    prop_assert!(b <= *leg);
                    *leg -= b;
                }
                left -= part;
            }
            prop_assert!(legs.iter().all(|l| *l == 0));
        }
    }
}
