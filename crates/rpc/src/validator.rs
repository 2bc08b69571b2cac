//! `validator_*`: what is on record about the validators.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::evidence::{
    EvidenceJson, EvidenceLine, EvidenceList, evidence_cursor, parse_evidence_cursor, validator_name,
};
use vostro_api::{ApiError, code};
use vostro_settlement::evidence::{Accused, evidence_records};
use vostro_settlement::tables::EVIDENCE;
use vostro_types::{Evidence, EvidenceKey};

use crate::account::PROVE;
use crate::chain::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::methods::{Api, Method, Methods};
use crate::params::{CURSOR, Fields, Kind, LIMIT, optional};

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "validator_evidence",
            about: "Contradictions of validators on record, with the two signed statements and in words.",
            params: const {
                &[
                    optional("validator", Kind::Text, "A validator's name; all if absent."),
                    CURSOR,
                    LIMIT,
                    optional("prove", Kind::Flag, PROVE),
                ]
            },
            result: "EvidenceList",
        },
        evidence,
    )
}

impl Api {
    /// Epoch and index of the validator with a name.
    fn accused(&self, name: &str) -> Result<Accused, ApiError> {
        let found = self.validators.iter().find(|(_, v)| v.name.as_str() == name);
        found
            .map(|(index, _)| (self.validators.epoch(), index))
            .ok_or_else(|| ApiError::invalid_params("validator", "is not the name of a validator"))
    }

    /// Evidence as JSON.
    pub(crate) fn evidence_json(&self, evidence: &Evidence) -> EvidenceJson {
        EvidenceJson::of(evidence, &self.chain, &self.validators)
    }
}

fn evidence(api: &Api, fields: Fields) -> Result<EvidenceList, ApiError> {
    let limit = fields.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let accused = fields.opt_text("validator").map(|name| api.accused(name)).transpose()?;
    let after = fields.opt_text("cursor").map(parse_evidence_cursor).transpose();
    let after = after.map_err(|e| ApiError::invalid_params("cursor", e.to_string()))?;
    let other = |key: &EvidenceKey| accused.is_some_and(|accused| accused != (key.epoch, key.validator));
    if after.as_ref().is_some_and(other) {
        return Err(ApiError::invalid_params("cursor", "belongs to the list of another validator"));
    }
    let mut records = api.view(|view| Ok(evidence_records(view.state, accused, after.as_ref(), limit + 1)))?;
    let more = records.len() > limit;
    records.truncate(limit);
    let keys = || records.iter().map(|(key, _)| EVIDENCE.key(key)).collect();
    let proof = if fields.flag("prove") && !records.is_empty() { Some(api.prove(keys())?) } else { None };
    let next_cursor = records.last().filter(|_| more).map(|(key, _)| evidence_cursor(key));
    let mut lines = Vec::with_capacity(records.len());
    for (key, record) in &records {
        // A node that joined from a snapshot has the record and not the block.
        let stored = api.backend.block(record.block);
        let held = stored.as_ref().map(|s| {
            let held = s.block.evidence.iter().find(|piece| piece.key() == *key);
            held.ok_or_else(|| ApiError::new(code::INTERNAL, format!("block {} lacks recorded evidence", record.block)))
        });
        lines.push(EvidenceLine {
            kind: key.kind.name().into(),
            validator: validator_name(&api.validators, key.validator),
            index: key.validator.0,
            epoch: key.epoch.0,
            height: key.height.0,
            recorded_at: record.block.0,
            digest: record.digest,
            evidence: held.transpose()?.map(|piece| api.evidence_json(piece)),
        });
    }
    Ok(EvidenceList { evidence: lines, next_cursor, proof })
}
