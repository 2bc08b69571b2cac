//! The readers of requests as functions of bytes, for the fuzz targets alone: no promise is made to anyone else.
//!
//! Invariant: these are the readers that the server uses; the parameters' declaration has a parameter of each kind.

use jsonrpsee::types::Params;
use vostro_api::ApiError;

use crate::params::{Fields, Kind, Param, optional, required};

const DECLARED: &[Param] = &[
    required("id", Kind::Text, ""),
    optional("limit", Kind::Number, ""),
    optional("prove", Kind::Flag, ""),
    optional("txs", Kind::Texts, ""),
];
const MOST: usize = 100;

/// Reads parameters as a method does: the length of the id, the limit, and how many texts the list has.
///
/// # Errors
/// The field that is wrong, by name.
pub fn params(text: &str) -> Result<(usize, usize, usize), ApiError> {
    let mut fields = Fields::read(&Params::new(Some(text)), DECLARED)?;
    let limit = fields.limit(20, MOST)?;
    let texts = fields.take_texts("txs").len();
    Ok((fields.text("id")?.len() + usize::from(fields.flag("prove")), limit, texts))
}

/// How many calls a request's body holds, as the door of the server counts them.
///
/// # Errors
/// A body that is no request.
pub fn calls(body: &[u8]) -> Result<u32, ApiError> {
    crate::http::entries(body)
}
