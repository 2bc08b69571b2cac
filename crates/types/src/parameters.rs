//! The numbers the contract works with, and how partners may change them by vote.
//!
//! Invariant: every parameter has a name, a number on the wire and bounds in one table, which the genesis, votes and
//! documentation share; a value out of bounds never enters the state.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Ppm};
use crate::genesis::{GenesisError, wrong};

/// Tiers of accounts, by identity checks: 1 to this.
pub const ACCOUNT_TIERS: usize = 3;
/// Tiers of the fee above the base rate.
pub const FEE_TIERS: usize = 3;

/// A rate for platforms that sold much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FeeTier {
    /// Volume of the period before from which on the rate counts, in minor units; 0 for a tier that is not in use.
    pub volume: Amount,
    /// Rate on the order's net price.
    pub rate: Ppm,
}

/// The network fee: `clamp(base · rate, min, cap)` in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FeeSchedule {
    /// Rate on the order's net price.
    pub rate: Ppm,
    /// Least fee.
    pub min: Amount,
    /// Highest fee.
    pub cap: Amount,
    /// Other rates by the volume that the selling platform had in the asset in the period before; volumes rise.
    pub tiers: [FeeTier; FEE_TIERS],
}

/// What a user or creator of one tier may move out of an account in an asset, in minor units; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Limits {
    /// In one action.
    pub per_transaction: Amount,
    /// In one day (UTC+8).
    pub daily: Amount,
    /// In the current hour and the 23 before it.
    pub velocity: Amount,
    /// In one year (UTC+8).
    pub yearly: Amount,
}

/// Numbers the contract works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Parameters {
    /// Length of a settlement day (the N of T+N) in milliseconds.
    pub day_ms: u64,
    /// When an escrow confirms itself, in milliseconds.
    pub escrow_ms: u64,
    /// When a hold returns by itself, in milliseconds.
    pub hold_ms: u64,
    /// How long after an order was placed its payer may open a dispute, in milliseconds.
    pub dispute_ms: u64,
    /// When a dispute that no arbiter resolved ends by itself in favour of the payees, in milliseconds.
    pub resolve_ms: u64,
    /// When an open netting window with obligations closes itself, in milliseconds; 0 for never.
    pub window_ms: u64,
    /// Deadlines that fire in one block at most.
    pub max_due_per_block: u32,
    /// The network fee.
    pub fee: FeeSchedule,
    /// Length of the periods by whose volumes fee tiers go, in milliseconds.
    pub fee_period_ms: u64,
    /// Highest net position an account may owe over all unsettled windows of an asset.
    pub debit_cap: Amount,
    /// Most a gateway may bring in during one day (UTC+8) and asset.
    pub gateway_daily_cap: Amount,
    /// Limits of users and creators by tier, the first of tier 1.
    pub limits: [Limits; ACCOUNT_TIERS],
    /// How long an account counts as new, in milliseconds; 0 for never.
    pub cooling_ms: u64,
    /// Most a transfer may bring to a new account, in minor units.
    pub cooling_amount: Amount,
    /// Share of a period's volume from which on a platform's refunds raise the alarm; 0 for never.
    pub refund_alarm: Ppm,
    /// How old a closed order must be before it may be archived, in milliseconds; no less than `dispute_ms`.
    pub archive_ms: u64,
}

impl Parameters {
    /// What a genesis file that says nothing gets: no fee, no limits, no netting and no deposits.
    pub const BASE: Parameters = Parameters {
        day_ms: DAY_MS,
        escrow_ms: 7 * DAY_MS,
        hold_ms: 7 * DAY_MS,
        dispute_ms: 30 * DAY_MS,
        resolve_ms: 30 * DAY_MS,
        window_ms: 0,
        max_due_per_block: 1000,
        fee: FeeSchedule {
            rate: Ppm::ZERO,
            min: Amount::ZERO,
            cap: Amount::ZERO,
            tiers: [FeeTier { volume: Amount::ZERO, rate: Ppm::ZERO }; FEE_TIERS],
        },
        fee_period_ms: 30 * DAY_MS,
        debit_cap: Amount::ZERO,
        gateway_daily_cap: Amount::ZERO,
        limits: [Limits {
            per_transaction: Amount::ZERO,
            daily: Amount::ZERO,
            velocity: Amount::ZERO,
            yearly: Amount::ZERO,
        }; ACCOUNT_TIERS],
        cooling_ms: 0,
        cooling_amount: Amount::ZERO,
        refund_alarm: Ppm::ZERO,
        archive_ms: 90 * DAY_MS,
    };

    /// Checks every parameter against its bounds, and those that depend on one another.
    ///
    /// # Errors
    /// [`GenesisError::Field`] with the parameter's name.
    pub fn validate(&self) -> Result<(), GenesisError> {
        for parameter in Parameter::ALL {
            let (value, (least, most)) = (parameter.get(self), parameter.bounds());
            if !(least..=most).contains(&value) {
                let name = format!("parameters.{}", parameter.name());
                return Err(wrong(name, format!("{value} is not within {least} to {most}")));
            }
        }
        if self.fee.min > self.fee.cap {
            return Err(wrong("parameters.fee", "min exceeds cap"));
        }
        // What may still be disputed must not be gone.
        if self.archive_ms < self.dispute_ms {
            return Err(wrong("parameters.archiveMs", "is below disputeMs"));
        }
        let used = self.fee.tiers.iter().take_while(|t| !t.volume.is_zero()).count();
        let rising = self.fee.tiers[..used].is_sorted_by(|a, b| a.volume < b.volume);
        // A tier that is not in use may have a rate, so that one vote can set the rate before another begins the tier.
        if !rising || self.fee.tiers[used..].iter().any(|t| !t.volume.is_zero()) {
            return Err(wrong("parameters.fee.tiers", "volumes rise, and tiers without one come last"));
        }
        Ok(())
    }

    /// The parameters with one of them changed, if the value is within bounds and fits the others.
    pub fn with(&self, parameter: Parameter, value: u64) -> Option<Self> {
        let mut changed = *self;
        parameter.set(&mut changed, value)?;
        changed.validate().ok().map(|()| changed)
    }
}

const DAY_MS: u64 = 86_400_000;
/// Longest span a parameter may ask for: ten years.
const MAX_SPAN_MS: u64 = 3652 * DAY_MS;
const MAX_UNITS: u64 = 1_000_000_000_000_000_000;
const MAX_PPM: u64 = 1_000_000;

/// A number that a vote may set.
trait Value: Sized {
    fn units(&self) -> u64;
    fn from_units(units: u64) -> Option<Self>;
}

impl Value for u64 {
    fn units(&self) -> u64 {
        *self
    }

    fn from_units(units: u64) -> Option<Self> {
        Some(units)
    }
}

impl Value for u32 {
    fn units(&self) -> u64 {
        (*self).into()
    }

    fn from_units(units: u64) -> Option<Self> {
        units.try_into().ok()
    }
}

impl Value for Amount {
    fn units(&self) -> u64 {
        Amount::units(*self)
    }

    fn from_units(units: u64) -> Option<Self> {
        Amount::new(units).ok()
    }
}

impl Value for Ppm {
    fn units(&self) -> u64 {
        self.parts().into()
    }

    fn from_units(units: u64) -> Option<Self> {
        Ppm::new(units.try_into().ok()?)
    }
}

macro_rules! parameters {
    ($($variant:ident $name:literal [$least:expr, $most:expr] $($path:ident).+ $([$index:literal] . $part:ident)?;)+) => {
        /// A parameter by name. Numbers on the wire are the order here; new ones go to the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
        #[allow(missing_docs)] // each is the parameter of its name
        pub enum Parameter { $($variant,)+ }

        impl Parameter {
            /// Every parameter, in order.
            pub const ALL: &[Parameter] = &[$(Parameter::$variant,)+];

            /// Its name in files, JSON and documents.
            pub fn name(self) -> &'static str {
                match self { $(Parameter::$variant => $name,)+ }
            }

            /// Its least and highest value, in milliseconds, minor units, parts per million or as a count.
            pub fn bounds(self) -> (u64, u64) {
                match self { $(Parameter::$variant => ($least, $most),)+ }
            }

            /// Its value.
            pub fn get(self, from: &Parameters) -> u64 {
                match self { $(Parameter::$variant => from.$($path).+$([$index].$part)?.units(),)+ }
            }

            fn set(self, on: &mut Parameters, value: u64) -> Option<()> {
                match self {
                    $(Parameter::$variant => on.$($path).+$([$index].$part)? = Value::from_units(value)?,)+
                }
                Some(())
            }
        }
    };
}

parameters! {
    DayMs "dayMs" [1, MAX_SPAN_MS] day_ms;
    EscrowMs "escrowMs" [1, MAX_SPAN_MS] escrow_ms;
    HoldMs "holdMs" [1, MAX_SPAN_MS] hold_ms;
    DisputeMs "disputeMs" [1, MAX_SPAN_MS] dispute_ms;
    ResolveMs "resolveMs" [1, MAX_SPAN_MS] resolve_ms;
    WindowMs "windowMs" [0, MAX_SPAN_MS] window_ms;
    MaxDuePerBlock "maxDuePerBlock" [1, 10_000] max_due_per_block;
    FeeRate "fee.ratePpm" [0, MAX_PPM] fee.rate;
    FeeMin "fee.min" [0, MAX_UNITS] fee.min;
    FeeCap "fee.cap" [0, MAX_UNITS] fee.cap;
    FeeTier1Volume "fee.tiers[0].volume" [0, MAX_UNITS] fee.tiers[0].volume;
    FeeTier1Rate "fee.tiers[0].ratePpm" [0, MAX_PPM] fee.tiers[0].rate;
    FeeTier2Volume "fee.tiers[1].volume" [0, MAX_UNITS] fee.tiers[1].volume;
    FeeTier2Rate "fee.tiers[1].ratePpm" [0, MAX_PPM] fee.tiers[1].rate;
    FeeTier3Volume "fee.tiers[2].volume" [0, MAX_UNITS] fee.tiers[2].volume;
    FeeTier3Rate "fee.tiers[2].ratePpm" [0, MAX_PPM] fee.tiers[2].rate;
    FeePeriodMs "feePeriodMs" [1, MAX_SPAN_MS] fee_period_ms;
    DebitCap "debitCap" [0, MAX_UNITS] debit_cap;
    GatewayDailyCap "gatewayDailyCap" [0, MAX_UNITS] gateway_daily_cap;
    Tier1PerTransaction "limits[0].perTransaction" [0, MAX_UNITS] limits[0].per_transaction;
    Tier1Daily "limits[0].daily" [0, MAX_UNITS] limits[0].daily;
    Tier1Velocity "limits[0].velocity" [0, MAX_UNITS] limits[0].velocity;
    Tier1Yearly "limits[0].yearly" [0, MAX_UNITS] limits[0].yearly;
    Tier2PerTransaction "limits[1].perTransaction" [0, MAX_UNITS] limits[1].per_transaction;
    Tier2Daily "limits[1].daily" [0, MAX_UNITS] limits[1].daily;
    Tier2Velocity "limits[1].velocity" [0, MAX_UNITS] limits[1].velocity;
    Tier2Yearly "limits[1].yearly" [0, MAX_UNITS] limits[1].yearly;
    Tier3PerTransaction "limits[2].perTransaction" [0, MAX_UNITS] limits[2].per_transaction;
    Tier3Daily "limits[2].daily" [0, MAX_UNITS] limits[2].daily;
    Tier3Velocity "limits[2].velocity" [0, MAX_UNITS] limits[2].velocity;
    Tier3Yearly "limits[2].yearly" [0, MAX_UNITS] limits[2].yearly;
    CoolingMs "coolingMs" [0, MAX_SPAN_MS] cooling_ms;
    CoolingAmount "coolingAmount" [0, MAX_UNITS] cooling_amount;
    RefundAlarm "refundAlarmPpm" [0, MAX_PPM] refund_alarm;
    ArchiveMs "archiveMs" [1, MAX_SPAN_MS] archive_ms;
}

impl Parameter {
    /// The parameter with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.name() == name)
    }
}

/// The file form of [`FeeSchedule`]: minor units are text. What is left out is zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct FeeFile {
    pub rate_ppm: u32,
    pub min: String,
    pub cap: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<FeeTierFile>,
}

/// The file form of [`FeeTier`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct FeeTierFile {
    pub volume: String,
    pub rate_ppm: u32,
}

/// The file form of [`Limits`]: minor units are text, absent is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct LimitsFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_transaction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub velocity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly: Option<String>,
}

/// The file form of [`Parameters`]. Optional fields that are absent are as in [`Parameters::BASE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // each field is the text of the field of the same name above
pub struct ParametersFile {
    pub day_ms: u64,
    pub escrow_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_ms: Option<u64>,
    pub window_ms: u64,
    pub max_due_per_block: u32,
    pub fee: FeeFile,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_period_ms: Option<u64>,
    /// Minor units, as text.
    pub debit_cap: String,
    /// Minor units, as text.
    pub gateway_daily_cap: String,
    /// By tier, the first of tier 1; at most [`ACCOUNT_TIERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitsFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling_ms: Option<u64>,
    /// Minor units, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling_amount: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_alarm_ppm: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_ms: Option<u64>,
}

impl Default for ParametersFile {
    /// The file of [`Parameters::BASE`], with the optional fields left out.
    fn default() -> Self {
        let base = Parameters::BASE;
        ParametersFile {
            day_ms: base.day_ms,
            escrow_ms: base.escrow_ms,
            hold_ms: None,
            dispute_ms: None,
            resolve_ms: None,
            window_ms: base.window_ms,
            max_due_per_block: base.max_due_per_block,
            fee: FeeFile { rate_ppm: 0, min: "0".into(), cap: "0".into(), tiers: Vec::new() },
            fee_period_ms: None,
            debit_cap: "0".into(),
            gateway_daily_cap: "0".into(),
            limits: Vec::new(),
            cooling_ms: None,
            cooling_amount: None,
            refund_alarm_ppm: None,
            archive_ms: None,
        }
    }
}

fn units(field: &str, text: &str) -> Result<Amount, GenesisError> {
    let parsed = text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let units = parsed.ok_or_else(|| wrong(field, format!("minor units are digits, not {text:?}")))?;
    Amount::new(units).map_err(|e| wrong(field, e))
}

fn units_or_zero(field: &str, text: &Option<String>) -> Result<Amount, GenesisError> {
    text.as_ref().map_or(Ok(Amount::ZERO), |text| units(field, text))
}

fn ppm(field: &str, parts: u32) -> Result<Ppm, GenesisError> {
    Ppm::new(parts).ok_or_else(|| wrong(field, "exceeds 1000000"))
}

impl ParametersFile {
    /// The whole of the parameters: nothing is left out.
    pub fn of(p: &Parameters) -> Self {
        let text = |amount: Amount| amount.units().to_string();
        let limit = |amount: Amount| (!amount.is_zero()).then(|| text(amount));
        let named = p.fee.tiers.iter().rposition(|t| *t != FeeTier::default()).map_or(0, |last| last + 1);
        let tiers = p.fee.tiers[..named].iter();
        ParametersFile {
            day_ms: p.day_ms,
            escrow_ms: p.escrow_ms,
            hold_ms: Some(p.hold_ms),
            dispute_ms: Some(p.dispute_ms),
            resolve_ms: Some(p.resolve_ms),
            window_ms: p.window_ms,
            max_due_per_block: p.max_due_per_block,
            fee: FeeFile {
                rate_ppm: p.fee.rate.parts(),
                min: text(p.fee.min),
                cap: text(p.fee.cap),
                tiers: tiers.map(|t| FeeTierFile { volume: text(t.volume), rate_ppm: t.rate.parts() }).collect(),
            },
            fee_period_ms: Some(p.fee_period_ms),
            debit_cap: text(p.debit_cap),
            gateway_daily_cap: text(p.gateway_daily_cap),
            limits: p
                .limits
                .iter()
                .map(|l| LimitsFile {
                    per_transaction: limit(l.per_transaction),
                    daily: limit(l.daily),
                    velocity: limit(l.velocity),
                    yearly: limit(l.yearly),
                })
                .collect(),
            cooling_ms: Some(p.cooling_ms),
            cooling_amount: Some(text(p.cooling_amount)),
            refund_alarm_ppm: Some(p.refund_alarm.parts()),
            archive_ms: Some(p.archive_ms),
        }
    }

    /// The parameters.
    ///
    /// # Errors
    /// [`GenesisError::Field`] for the first field that is wrong.
    pub fn parse(&self) -> Result<Parameters, GenesisError> {
        let base = Parameters::BASE;
        let mut fee = FeeSchedule {
            rate: ppm("parameters.fee.ratePpm", self.fee.rate_ppm)?,
            min: units("parameters.fee.min", &self.fee.min)?,
            cap: units("parameters.fee.cap", &self.fee.cap)?,
            ..base.fee
        };
        if self.fee.tiers.len() > FEE_TIERS {
            return Err(wrong("parameters.fee.tiers", format!("at most {FEE_TIERS}")));
        }
        for (i, (tier, file)) in fee.tiers.iter_mut().zip(&self.fee.tiers).enumerate() {
            tier.volume = units(&format!("parameters.fee.tiers[{i}].volume"), &file.volume)?;
            tier.rate = ppm(&format!("parameters.fee.tiers[{i}].ratePpm"), file.rate_ppm)?;
        }
        let mut limits = base.limits;
        if self.limits.len() > ACCOUNT_TIERS {
            return Err(wrong("parameters.limits", format!("at most {ACCOUNT_TIERS}, one a tier")));
        }
        for (i, (limits, file)) in limits.iter_mut().zip(&self.limits).enumerate() {
            let at = |field: &str| format!("parameters.limits[{i}].{field}");
            *limits = Limits {
                per_transaction: units_or_zero(&at("perTransaction"), &file.per_transaction)?,
                daily: units_or_zero(&at("daily"), &file.daily)?,
                velocity: units_or_zero(&at("velocity"), &file.velocity)?,
                yearly: units_or_zero(&at("yearly"), &file.yearly)?,
            };
        }
        let parameters = Parameters {
            day_ms: self.day_ms,
            escrow_ms: self.escrow_ms,
            hold_ms: self.hold_ms.unwrap_or(base.hold_ms),
            dispute_ms: self.dispute_ms.unwrap_or(base.dispute_ms),
            resolve_ms: self.resolve_ms.unwrap_or(base.resolve_ms),
            window_ms: self.window_ms,
            max_due_per_block: self.max_due_per_block,
            fee,
            fee_period_ms: self.fee_period_ms.unwrap_or(base.fee_period_ms),
            debit_cap: units("parameters.debitCap", &self.debit_cap)?,
            gateway_daily_cap: units("parameters.gatewayDailyCap", &self.gateway_daily_cap)?,
            limits,
            cooling_ms: self.cooling_ms.unwrap_or(base.cooling_ms),
            cooling_amount: units_or_zero("parameters.coolingAmount", &self.cooling_amount)?,
            refund_alarm: ppm("parameters.refundAlarmPpm", self.refund_alarm_ppm.unwrap_or(0))?,
            archive_ms: self.archive_ms.unwrap_or(base.archive_ms),
        };
        parameters.validate().map(|()| parameters)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_parameter_is_its_own_and_keeps_its_bounds() {
        let cap = Parameters::BASE.with(Parameter::FeeCap, MAX_UNITS).unwrap();
        for parameter in Parameter::ALL {
            assert_eq!(Parameter::from_name(parameter.name()), Some(*parameter));
            let (least, most) = parameter.bounds();
            assert!(least < most);
            if let Some(next) = most.checked_add(1) {
                assert_eq!(cap.with(*parameter, next), None, "{}", parameter.name());
            }
            let mut changed = cap;
            parameter.set(&mut changed, most - 1).unwrap();
            let moved: Vec<_> = Parameter::ALL.iter().filter(|p| p.get(&changed) != p.get(&cap)).collect();
            assert_eq!(moved, [parameter]);
        }
        assert_eq!(cap.with(Parameter::DayMs, 0), None);
    }

    #[test]
    fn tiers_rise_and_the_least_fee_is_no_more_than_the_highest() {
        let base = Parameters::BASE;
        assert!(base.with(Parameter::FeeMin, 1).is_none());
        assert!(base.with(Parameter::FeeTier2Volume, 5).is_none(), "the first tier comes first");
        let one = base.with(Parameter::FeeTier1Volume, 5).unwrap();
        assert!(one.with(Parameter::FeeTier2Volume, 5).is_none());
        assert!(one.with(Parameter::FeeTier2Volume, 6).is_some());
        let rated = base.with(Parameter::FeeTier1Rate, 7).unwrap();
        assert_eq!(ParametersFile::of(&rated).parse().unwrap(), rated);
        let begun = rated.with(Parameter::FeeTier1Volume, 5).unwrap();
        assert_eq!(begun.with(Parameter::FeeTier1Volume, 0), Some(rated));
    }

    #[test]
    fn an_order_may_not_be_archived_while_it_may_be_disputed() {
        let base = Parameters::BASE;
        let (dispute, archive) = (base.dispute_ms, base.archive_ms);
        assert!(base.with(Parameter::ArchiveMs, dispute).is_some());
        assert!(base.with(Parameter::ArchiveMs, dispute - 1).is_none());
        assert!(base.with(Parameter::DisputeMs, archive).is_some());
        assert!(base.with(Parameter::DisputeMs, archive + 1).is_none());
        let file = ParametersFile { archive_ms: Some(dispute - 1), ..ParametersFile::default() };
        let GenesisError::Field { field, .. } = file.parse().unwrap_err();
        assert_eq!(field, "parameters.archiveMs");
    }

    #[test]
    fn files_say_all_of_it() {
        let mut p = Parameters::BASE;
        for (i, parameter) in Parameter::ALL.iter().enumerate() {
            parameter.set(&mut p, 100 + i as u64).unwrap();
        }
        assert_eq!(ParametersFile::of(&p).parse().unwrap(), p);
        assert_eq!(ParametersFile::default().parse().unwrap(), Parameters::BASE);
        let file = ParametersFile { limits: vec![LimitsFile::default(); 4], ..ParametersFile::default() };
        assert!(file.parse().is_err());
    }
}
