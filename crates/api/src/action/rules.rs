//! Keys, tiers, reports and votes.

use serde::{Deserialize, Serialize};
use vostro_types::account::KeyPolicy;
use vostro_types::transaction::{AnchorReport, Approve, Propose, SetKeys, SetTier};
use vostro_types::{AccountId, Asset, Hash, Height, Label, Parameter};

use super::field::{Field, Text, action_json, camel};
use crate::error::ApiError;
use crate::lookup::Lookup;

action_json! {
    /// `setKeys`.
    SetKeysJson = SetKeys, plain {
        policy: KeyPolicy,
    }
}

action_json! {
    /// `setTier`.
    SetTierJson = SetTier, plain {
        account: AccountId,
        tier: u8,
        attestation: Hash,
    }
}

action_json! {
    /// `anchorReport`.
    AnchorReportJson = AnchorReport, plain {
        period: Label,
        channel: Label,
        root: Hash,
    }
}

action_json! {
    /// `approve`.
    ApproveJson = Approve, plain {
        proposer: AccountId,
        proposal: Label,
    }
}

/// `propose`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ProposeJson {
    #[serde(with = "crate::text")]
    pub proposal: Label,
    /// Its name, such as `fee.ratePpm`.
    pub parameter: String,
    /// In digits: milliseconds, minor units, parts per million or a count.
    pub value: Text<u64>,
    pub from_height: u64,
}

impl ProposeJson {
    /// The JSON of the action.
    pub fn of(action: &Propose, _: &dyn Lookup) -> Self {
        ProposeJson {
            proposal: action.proposal.clone(),
            parameter: action.parameter.name().into(),
            value: Text(action.value),
            from_height: action.from_height.0,
        }
    }

    /// The action.
    ///
    /// # Errors
    /// A parameter that does not exist.
    pub fn action(&self, _: &dyn Lookup) -> Result<Propose, ApiError> {
        let parameter = Parameter::from_name(&self.parameter).ok_or_else(|| {
            let shown: String = self.parameter.chars().take(40).collect();
            ApiError::invalid_params("parameter", format!("there is no parameter {shown:?}"))
        })?;
        Ok(Propose {
            proposal: self.proposal.clone(),
            parameter,
            value: self.value.0,
            from_height: Height(self.from_height),
        })
    }
}
