//! Assets and the decimal texts of amounts: the only place where money is parsed or printed.

use std::fmt;
use std::str::FromStr;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use rust_decimal::Decimal;

use crate::amount::Amount;
use crate::codec::refuse;

/// An asset's code: 2 to 8 of A–Z and 0–9. Eight bytes, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct AssetCode([u8; 8]);

/// Why a text is not an asset code or not an amount of an asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not 2 to 8 of A–Z0–9.
    #[error("an asset code is 2 to 8 of A-Z and 0-9, not {text:?}")]
    Code {
        /// What was given.
        text: String,
    },
    /// Not digits with at most one point between them.
    #[error("an amount is digits with an optional fraction, like 94.50, not {text:?}")]
    NotDecimal {
        /// What was given.
        text: String,
    },
    /// More digits after the point than the asset has.
    #[error("{text:?} has more than {scale} digits after the point")]
    TooFine {
        /// What was given.
        text: String,
        /// Digits the asset has.
        scale: u8,
    },
    /// Above 10^18 minor units.
    #[error("{text:?} exceeds 10^18 minor units")]
    TooLarge {
        /// What was given.
        text: String,
    },
    /// More than 6 digits after the point.
    #[error("an asset's scale is 0 to 6, not {scale}")]
    Scale {
        /// What was given.
        scale: u8,
    },
}

impl AssetCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(8);
        std::str::from_utf8(&self.0[..end]).expect("codes are checked to be ASCII")
    }

    /// The eight bytes, zero padded.
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    fn check(bytes: [u8; 8]) -> Option<Self> {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(8);
        let (text, pad) = bytes.split_at(end);
        let good = text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        (end >= 2 && good && pad.iter().all(|b| *b == 0)).then_some(AssetCode(bytes))
    }
}

impl FromStr for AssetCode {
    type Err = DecimalError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 8];
        let fits = s.len() <= 8;
        if fits {
            bytes[..s.len()].copy_from_slice(s.as_bytes());
        }
        AssetCode::check(bytes)
            .filter(|_| fits)
            .ok_or_else(|| DecimalError::Code { text: s.chars().take(40).collect() })
    }
}

impl fmt::Display for AssetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AssetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<Context> Decode<Context> for AssetCode {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        AssetCode::check(<[u8; 8]>::decode(decoder)?).ok_or_else(|| refuse("bad asset code".into()))
    }
}
bincode::impl_borrow_decode!(AssetCode);

/// A kind of money on the ledger. The scale never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Asset {
    /// Its code.
    pub code: AssetCode,
    /// Digits after the decimal point, 0 to 6: `10^scale` minor units make one.
    pub scale: u8,
}

impl Asset {
    /// Largest scale.
    pub const MAX_SCALE: u8 = 6;

    /// An asset.
    ///
    /// # Errors
    /// [`DecimalError::Scale`] above 6.
    pub fn new(code: AssetCode, scale: u8) -> Result<Self, DecimalError> {
        if scale > Self::MAX_SCALE { Err(DecimalError::Scale { scale }) } else { Ok(Asset { code, scale }) }
    }

    /// Prints an amount with all digits of the asset: 9450 fen of CNY are `94.50`.
    pub fn format(&self, amount: Amount) -> String {
        Decimal::from_i128_with_scale(i128::from(amount.units()), u32::from(self.scale)).to_string()
    }

    /// Prints a signed sum of minor units.
    pub fn format_signed(&self, units: i128) -> String {
        let magnitude = units.unsigned_abs();
        let one = 10u128.pow(u32::from(self.scale));
        let sign = if units < 0 { "-" } else { "" };
        if self.scale == 0 {
            return format!("{sign}{magnitude}");
        }
        format!("{sign}{}.{:0width$}", magnitude / one, magnitude % one, width = usize::from(self.scale))
    }

    /// Parses a decimal text such as `94.50` or `94.5`.
    ///
    /// # Errors
    /// Anything but `digits` or `digits.digits`, digits beyond the scale (zeros too), or more than 10^18 minor units.
    pub fn parse(&self, text: &str) -> Result<Amount, DecimalError> {
        let shown = || text.chars().take(40).collect::<String>();
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
        if !digits(whole) || !fraction.is_none_or(digits) {
            return Err(DecimalError::NotDecimal { text: shown() });
        }
        if fraction.is_some_and(|f| f.len() > usize::from(self.scale)) {
            return Err(DecimalError::TooFine { text: shown(), scale: self.scale });
        }
        let too_large = || DecimalError::TooLarge { text: shown() };
        let mut value = Decimal::from_str_exact(text).map_err(|_| too_large())?;
        if value > Decimal::from(Amount::MAX.units()) {
            return Err(too_large());
        }
        value.rescale(u32::from(self.scale));
        u64::try_from(value.mantissa()).ok().and_then(|units| Amount::new(units).ok()).ok_or_else(too_large)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn cny() -> Asset {
        Asset::new("CNY".parse().unwrap(), 2).unwrap()
    }

    #[test]
    fn parse_is_strict() {
        for (text, units) in [("94.50", 9450), ("94.5", 9450), ("94", 9400), ("0", 0), ("0.01", 1), ("007", 700)] {
            assert_eq!(cny().parse(text).unwrap().units(), units, "{text}");
        }
        for bad in ["", ".5", "5.", "1_000.5", "+1", "-1", "1e3", " 1", "1 ", "1,5", "١", "0x10", "1.2.3", "NaN"] {
            assert!(matches!(cny().parse(bad), Err(DecimalError::NotDecimal { .. })), "{bad}");
        }
        assert!(matches!(cny().parse("1.005"), Err(DecimalError::TooFine { .. })));
        assert!(matches!(cny().parse("1.000"), Err(DecimalError::TooFine { .. })));
        assert_eq!(cny().parse("10000000000000000.00").unwrap(), Amount::MAX);
        assert!(matches!(cny().parse("10000000000000000.01"), Err(DecimalError::TooLarge { .. })));
        assert!(matches!(cny().parse(&"9".repeat(60)), Err(DecimalError::TooLarge { .. })));
    }

    #[test]
    fn codes() {
        assert_eq!("USD".parse::<AssetCode>().unwrap().to_string(), "USD");
        assert_eq!("A1B2C3D4".parse::<AssetCode>().unwrap().to_string(), "A1B2C3D4");
        for bad in ["", "U", "usd", "ABCDEFGHI", "US D", "ÜSD"] {
            assert!(bad.parse::<AssetCode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn signed_sums() {
        assert_eq!(cny().format_signed(-5), "-0.05");
        assert_eq!(cny().format_signed(24409194), "244091.94");
    }

    proptest! {
        #[test]
        fn print_then_parse_is_identity(units in 0..=Amount::MAX.units(), scale in 0..=6u8) {
            let asset = Asset::new("XAU".parse().unwrap(), scale).unwrap();
            let amount = Amount::new(units).unwrap();
            prop_assert_eq!(asset.parse(&asset.format(amount)).unwrap(), amount);
            prop_assert_eq!(asset.format(amount), asset.format_signed(i128::from(units)));
        }
    }
}
