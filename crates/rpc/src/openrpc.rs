//! The OpenRPC document, made from the same table that calls are dispatched by; so no method is undocumented.

use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};
use vostro_api::error::TABLE;

use crate::methods::{Method, Methods};
use crate::params::Kind;

const DISCOVER: Method =
    Method { name: "rpc.discover", about: "This document.", params: &[], result: "OpenRPC document" };

/// Adds `rpc.discover`; the last one, because it describes the others.
pub(crate) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    let mut list = methods.list.clone();
    list.push(DISCOVER);
    let document = document(&list);
    methods.list.push(DISCOVER);
    methods.module.register_method(DISCOVER.name, move |_, _, _| document.clone())?;
    Ok(())
}

/// The document for these methods.
pub(crate) fn document(methods: &[Method]) -> Value {
    let schema = |kind| match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Moment => json!({"oneOf": [
            {"type": "integer", "minimum": 0, "description": "a height"},
            {"type": "string", "format": "date-time", "description": "a time"},
        ]}),
        Kind::Object => json!({"type": "object"}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
    };
    let method = |m: &Method| {
        let params: Vec<Value> = m
            .params
            .iter()
            .map(|p| json!({"name": p.name, "description": p.about, "required": p.required, "schema": schema(p.kind)}))
            .collect();
        json!({
            "name": m.name,
            "summary": m.about,
            "paramStructure": "either",
            "params": params,
            "result": {"name": m.result, "schema": {"type": "object"}},
        })
    };
    let errors: Vec<Value> = TABLE
        .iter()
        .map(|e| json!({"code": e.code, "message": e.name, "data": {"retryable": e.retryable, "hint": e.hint}}))
        .collect();
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "Vostro node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 over POST /rpc, batches too. Transactions travel as base64 of the canonical \
                signed bytes, amounts are decimal strings, hashes hex, accounts bech32m, times RFC 3339.",
        },
        "methods": methods.iter().map(method).collect::<Vec<_>>(),
        "components": {"x-errors": errors},
    })
}
