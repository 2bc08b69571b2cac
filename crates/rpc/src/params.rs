//! Parameters by name or by position, checked against what a method declares; every error names the field.

use std::fmt::Display;
use std::str::FromStr;

use jsonrpsee::types::Params;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use vostro_api::ApiError;
use vostro_types::Time;

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// A whole number from 0.
    Number,
    /// True or false.
    Flag,
    /// A height as a number, or a time as a text.
    Moment,
    /// A list of texts.
    Texts,
    /// An object.
    Object,
}

/// A point in the chain's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Height(u64),
    Time(Time),
}

/// A declared parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

pub(crate) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { name, kind, required: true, about }
}

pub(crate) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { name, kind, required: false, about }
}

/// Where a list goes on.
pub(crate) const CURSOR: Param = optional("cursor", Kind::Text, "Where to go on: `nextCursor` of an earlier answer.");
/// How much of a list.
pub(crate) const LIMIT: Param = optional("limit", Kind::Number, "1 to 100; 20 if absent.");

/// A call's parameters, all declared and of their kinds.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads what a call came with.
    pub(crate) fn read(params: &Params<'_>, declared: &'static [Param]) -> Result<Self, ApiError> {
        let value: Value = match params.as_str() {
            Some(text) => serde_json::from_str(text).map_err(|e| ApiError::invalid_params("params", e.to_string()))?,
            None => Value::Null,
        };
        let mut fields = match value {
            Value::Null => Map::new(),
            Value::Object(map) => map,
            Value::Array(values) => {
                if values.len() > declared.len() {
                    let reason = format!("{} values for {} parameters", values.len(), declared.len());
                    return Err(ApiError::invalid_params("params", reason));
                }
                declared.iter().map(|p| p.name.to_string()).zip(values).collect()
            }
            _ => return Err(ApiError::invalid_params("params", "are an object or an array")),
        };
        fields.retain(|_, v| !v.is_null());
        if let Some(unknown) = fields.keys().find(|k| declared.iter().all(|p| p.name != k.as_str())) {
            let shown: String = unknown.chars().filter(|c| !c.is_control()).take(40).collect();
            let names: Vec<_> = declared.iter().map(|p| p.name).collect();
            let known = if names.is_empty() { "none".to_string() } else { names.join(", ") };
            return Err(ApiError::invalid_params(&shown, format!("no such parameter; known are: {known}")));
        }
        for p in declared {
            let good = match (fields.get(p.name), p.kind) {
                (None, _) if p.required => return Err(ApiError::invalid_params(p.name, "is required")),
                (None, _) => true,
                (Some(v), Kind::Text) => v.is_string(),
                (Some(v), Kind::Number) => v.is_u64(),
                (Some(v), Kind::Flag) => v.is_boolean(),
                (Some(v), Kind::Moment) => v.is_u64() || v.is_string(),
                (Some(v), Kind::Object) => v.is_object(),
                (Some(v), Kind::Texts) => v.as_array().is_some_and(|a| a.iter().all(Value::is_string)),
            };
            if !good {
                let expected = match p.kind {
                    Kind::Text => "must be a text",
                    Kind::Number => "must be a whole number from 0",
                    Kind::Flag => "must be true or false",
                    Kind::Moment => "must be a height (a whole number from 0) or a time (a text in RFC 3339)",
                    Kind::Texts => "must be a list of texts",
                    Kind::Object => "must be an object",
                };
                return Err(ApiError::invalid_params(p.name, expected));
            }
        }
        Ok(Fields(fields))
    }

    /// A text that was declared required.
    pub(crate) fn text(&self, name: &str) -> Result<&str, ApiError> {
        self.opt_text(name).ok_or_else(|| ApiError::invalid_params(name, "is required"))
    }

    pub(crate) fn opt_text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A required text that is read as a value.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, ApiError> {
        self.text(name)?.parse().map_err(|e: T::Err| ApiError::invalid_params(name, e.to_string()))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    pub(crate) fn moment(&self, name: &str) -> Result<Option<Moment>, ApiError> {
        let time = |text| vostro_api::text::time::parse(text).map_err(|e| ApiError::invalid_params(name, e));
        match (self.number(name), self.opt_text(name)) {
            (Some(height), _) => Ok(Some(Moment::Height(height))),
            (None, Some(text)) => Ok(Some(Moment::Time(time(text)?))),
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Takes an object that was declared required out, as a value of its shape.
    pub(crate) fn take_object<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ApiError> {
        let value = self.0.remove(name).ok_or_else(|| ApiError::invalid_params(name, "is required"))?;
        serde_json::from_value(value).map_err(|e| ApiError::invalid_params(name, e.to_string()))
    }

    /// Takes a list of texts out.
    pub(crate) fn take_texts(&mut self, name: &str) -> Vec<String> {
        match self.0.remove(name) {
            Some(Value::Array(values)) => values
                .into_iter()
                .filter_map(|v| match v {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// `limit`: 1 to `max`, `default` if absent.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.number("limit") {
            None => Ok(default),
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|l| (1..=max).contains(l))
                .ok_or_else(|| ApiError::invalid_params("limit", format!("is 1 to {max}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DECLARED: &[Param] =
        &[required("id", Kind::Text, ""), optional("limit", Kind::Number, ""), optional("prove", Kind::Flag, "")];

    fn read(text: &str) -> Result<Fields, ApiError> {
        Fields::read(&Params::new(Some(text)), DECLARED)
    }

    #[test]
    fn by_name_and_by_position() {
        for text in [r#"{"id":"x","limit":3}"#, r#"["x",3]"#, r#"["x",3,null]"#, r#"{"id":"x","limit":3,"prove":null}"#]
        {
            let fields = read(text).unwrap();
            assert_eq!((fields.text("id").unwrap(), fields.number("limit")), ("x", Some(3)), "{text}");
            assert!(!fields.flag("prove"));
        }
    }

    #[test]
    fn errors_name_the_field() {
        for (text, field) in [
            ("{}", "id"),
            ("[]", "id"),
            (r#"{"id":7}"#, "id"),
            (r#"{"id":"x","limit":-1}"#, "limit"),
            (r#"{"id":"x","limit":1.5}"#, "limit"),
            (r#"{"id":"x","prove":"yes"}"#, "prove"),
            (r#"{"id":"x","colour":"red"}"#, "colour"),
            (r#"["x",1,true,4]"#, "params"),
            ("7", "params"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.code, &*error.data.about), (vostro_api::code::INVALID_PARAMS, &[field.to_string()][..]));
            assert!(error.message.starts_with(field), "{}", error.message);
        }
        assert!(read(r#"{"id":"x","limit":0}"#).unwrap().limit(20, 100).is_err());
        assert!(read(r#"{"id":"x","limit":101}"#).unwrap().limit(20, 100).is_err());
        assert_eq!(read(r#"{"id":"x"}"#).unwrap().limit(20, 100).unwrap(), 20);
    }
}
