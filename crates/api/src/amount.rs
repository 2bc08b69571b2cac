//! Amounts in JSON: a decimal string where the asset is known, minor units under their own name where it is not.
//!
//! Most amounts stand beside their asset. A refund, a payment and a plan's fixed leg do not name one on the wire: it
//! follows from the order or the item. Where a reader can look that up it prints `asset` beside the decimal; else it
//! prints `{"units": "9450"}`, which needs no scale and cannot be mistaken for a decimal.

use serde::{Deserialize, Serialize};
use vostro_types::{Amount, Asset};

use crate::error::ApiError;

/// An amount as JSON has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AmountText {
    /// By the asset's scale, such as `"94.50"`.
    Decimal(String),
    /// Minor units of an asset that is not known here.
    Units(Units),
}

/// Minor units, in digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// 0 to 10^18.
    pub units: String,
}

impl AmountText {
    /// An amount of an asset, or minor units without one.
    pub fn of(amount: Amount, asset: Option<&Asset>) -> Self {
        match asset {
            Some(asset) => AmountText::Decimal(asset.format(amount)),
            None => AmountText::Units(Units { units: amount.units().to_string() }),
        }
    }

    /// Reads the amount; `field` names it in errors.
    ///
    /// # Errors
    /// A decimal without an asset to read it by, or a text that is no amount.
    pub fn amount(&self, field: &str, asset: Option<&Asset>) -> Result<Amount, ApiError> {
        let wrong = |reason: String| ApiError::invalid_params(field, reason);
        match self {
            AmountText::Decimal(text) => match asset {
                Some(asset) => asset.parse(text).map_err(|e| wrong(e.to_string())),
                None => {
                    Err(wrong("a decimal needs an asset of this chain beside it; or give {\"units\": \"…\"}".into()))
                }
            },
            AmountText::Units(Units { units }) => {
                let digits = !units.is_empty() && units.bytes().all(|b| b.is_ascii_digit());
                let parsed = units.parse::<u64>().ok().filter(|_| digits).and_then(|u| Amount::new(u).ok());
                parsed.ok_or_else(|| wrong("minor units are digits, at most 10^18".into()))
            }
        }
    }

    /// The text a person reads: decimals, or units named as such.
    pub fn shown(&self) -> String {
        match self {
            AmountText::Decimal(text) => text.clone(),
            AmountText::Units(Units { units }) => format!("{units} minor units"),
        }
    }
}
