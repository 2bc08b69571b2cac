//! `entitlement_*`: whether an order bought on one platform gives access on another.

use jsonrpsee::core::RegisterMethodError;
use vostro_api::ApiError;
use vostro_api::action::OrderJson;
use vostro_api::ledger::{EntitlementCheck, EntitlementJson};
use vostro_settlement::read::{self, Entitlement, EntitlementStatus};
use vostro_settlement::tables::ENTITLEMENTS;
use vostro_types::Label;

use crate::account::PROVE;
use crate::chain::MAX_LIMIT;
use crate::methods::{Api, Method, Methods};
use crate::params::{Fields, Kind, optional, required};

pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.read(
        Method {
            name: "entitlement_check",
            about: "Whether an account has access to an item, and by which orders.",
            params: const {
                &[
                    required("holder", Kind::Text, "The account (vo1…), or a public name."),
                    required("item", Kind::Text, "host/name, the host an account (vo1…) or its public name."),
                    optional("prove", Kind::Flag, PROVE),
                ]
            },
            result: "EntitlementCheck",
        },
        check,
    )
}

/// Units left, of metered access.
fn left(entitlement: &Entitlement) -> Option<u64> {
    entitlement.units.map(|units| units.saturating_sub(entitlement.used))
}

fn check(api: &Api, fields: Fields) -> Result<EntitlementCheck, ApiError> {
    let holder = api.account("holder", fields.text("holder")?)?;
    let (host, name) = fields
        .text("item")?
        .split_once('/')
        .ok_or_else(|| ApiError::invalid_params("item", "is host/name, such as harbor/course-7"))?;
    let host = api.account("item", host)?;
    let item = Label::new(name).map_err(|e| ApiError::invalid_params("item", e.to_string()))?;
    let time = api.backend.status().time;
    let found = api.view(|view| Ok(read::entitlements(view.state, holder, host, &item, None, MAX_LIMIT)))?;
    let keys = || found.iter().map(|(id, _)| ENTITLEMENTS.key(&(holder, host, item.clone(), *id))).collect();
    let proof = if fields.flag("prove") { Some(api.prove(keys())?) } else { None };
    let entitlements: Vec<EntitlementJson> = found
        .iter()
        .map(|(id, e)| EntitlementJson {
            id: *id,
            order: OrderJson::of(&e.order),
            version: e.version,
            from: e.from,
            until: e.until,
            units: e.units,
            used: e.used,
            left: left(e),
            scope: e.scope.to_string(),
            status: match e.status {
                EntitlementStatus::Active => "active".into(),
                EntitlementStatus::Revoked => "revoked".into(),
            },
            valid: e.status == EntitlementStatus::Active
                && e.from <= time
                && e.until.is_none_or(|until| time < until)
                && left(e) != Some(0),
        })
        .collect();
    let entitled = entitlements.iter().any(|e| e.valid);
    Ok(EntitlementCheck { holder, host, item, entitled, time, entitlements, proof })
}
