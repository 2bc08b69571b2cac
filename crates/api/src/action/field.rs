//! How a field of an action stands in JSON, by its type; and the macro that draws an action's JSON from its fields.
//!
//! Invariant: the JSON of a field holds all that its value holds, so an action goes to JSON and back without loss.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vostro_types::account::KeyPolicy;
use vostro_types::transaction::{CouponRef, FeeBearer, ItemRef, OrderKey};
use vostro_types::{AccountId, Amount, Asset, AssetCode, Hash, Height, Label, Ppm, Time};

use super::shapes::{CouponJson, FeeBearerJson, ItemJson, OrderJson, PolicyJson, ppm};
use crate::amount::AmountText;
use crate::error::ApiError;

/// A value that travels as its display text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent, bound(serialize = "T: Display", deserialize = "T: FromStr, <T as FromStr>::Err: Display"))]
pub struct Text<T>(#[serde(with = "crate::text")] pub T);

/// A time as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeText(#[serde(with = "crate::text::time")] pub Time);

/// A field of an action. `asset` is the one that the action's amounts are in, if it is known.
pub trait Field: Sized {
    /// Its JSON.
    type Json;

    /// The JSON of a value.
    fn json(&self, asset: Option<&Asset>) -> Self::Json;

    /// The value of a JSON; `name` names the field in errors.
    ///
    /// # Errors
    /// What cannot be written in bytes.
    fn value(json: &Self::Json, name: &str, asset: Option<&Asset>) -> Result<Self, ApiError>;
}

macro_rules! fields {
    ($($type:ty => $json:ty: |$value:ident| $to:expr, |$back:ident| $from:expr;)+) => { $(
        impl Field for $type {
            type Json = $json;

            fn json(&self, _: Option<&Asset>) -> $json {
                let $value = self;
                $to
            }

            fn value($back: &$json, _: &str, _: Option<&Asset>) -> Result<Self, ApiError> {
                Ok($from)
            }
        }
    )+ };
}

fields! {
    u8 => u8: |v| *v, |j| *j;
    u32 => u32: |v| *v, |j| *j;
    u64 => u64: |v| *v, |j| *j;
    Height => u64: |v| v.0, |j| Height(*j);
    AccountId => Text<AccountId>: |v| Text(*v), |j| j.0;
    AssetCode => Text<AssetCode>: |v| Text(*v), |j| j.0;
    Hash => Text<Hash>: |v| Text(*v), |j| j.0;
    Label => Text<Label>: |v| Text(v.clone()), |j| j.0.clone();
    Time => TimeText: |v| TimeText(*v), |j| j.0;
    OrderKey => OrderJson: |v| OrderJson::of(v), |j| j.key();
    ItemRef => ItemJson: |v| ItemJson::of(v), |j| j.item();
    CouponRef => CouponJson: |v| CouponJson::of(v), |j| j.coupon();
    FeeBearer => FeeBearerJson: |v| FeeBearerJson::of(v), |j| j.bearer()?;
    KeyPolicy => PolicyJson: |v| PolicyJson::of(v), |j| j.policy()?;
}

impl Field for Amount {
    type Json = AmountText;

    fn json(&self, asset: Option<&Asset>) -> AmountText {
        AmountText::of(*self, asset)
    }

    fn value(json: &AmountText, name: &str, asset: Option<&Asset>) -> Result<Self, ApiError> {
        json.amount(name, asset)
    }
}

/// A number of parts per million, under the field's name with `Ppm` behind it.
impl Field for Ppm {
    type Json = u32;

    fn json(&self, _: Option<&Asset>) -> u32 {
        self.parts()
    }

    fn value(json: &u32, name: &str, _: Option<&Asset>) -> Result<Self, ApiError> {
        ppm(&format!("{name}Ppm"), *json)
    }
}

impl<T: Field> Field for Option<T> {
    type Json = Option<T::Json>;

    fn json(&self, asset: Option<&Asset>) -> Self::Json {
        self.as_ref().map(|value| value.json(asset))
    }

    fn value(json: &Self::Json, name: &str, asset: Option<&Asset>) -> Result<Self, ApiError> {
        json.as_ref().map(|json| T::value(json, name, asset)).transpose()
    }
}

impl<T: Field> Field for Vec<T> {
    type Json = Vec<T::Json>;

    fn json(&self, asset: Option<&Asset>) -> Self::Json {
        self.iter().map(|value| value.json(asset)).collect()
    }

    fn value(json: &Self::Json, name: &str, asset: Option<&Asset>) -> Result<Self, ApiError> {
        json.iter().map(|json| T::value(json, name, asset)).collect()
    }
}

/// `per_user` as JSON has it: `perUser`.
pub(crate) fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |mut text, part| {
        let mut chars = part.chars();
        text.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        text.push_str(chars.as_str());
        text
    })
}

/// Draws `XJson` from the fields of the action `X`, and both ways between them. Behind the name stands which asset the
/// amounts are in: `plain` for none, `own` for the action's field `asset`, and for an object's asset what the lookup
/// knows of it, with an optional field `asset` as a hint beside decimals.
macro_rules! action_json {
    ($(#[$doc:meta])* $json:ident = $action:ident, plain { $($body:tt)* }) => {
        action_json! { @draw $(#[$doc])* $json = $action [|_: &$action, _: &dyn Lookup| None]
            [|_: &$json, _: &dyn Lookup| Ok(None)] [] { $($body)* } }
    };
    ($(#[$doc:meta])* $json:ident = $action:ident, own { $($body:tt)* }) => {
        action_json! { @draw $(#[$doc])* $json = $action [|a: &$action, lookup: &dyn Lookup| lookup.asset(&a.asset)]
            [|j: &$json, lookup: &dyn Lookup| Ok(lookup.asset(&j.asset.0))] [] { $($body)* } }
    };
    ($(#[$doc:meta])* $json:ident = $action:ident, of $known:ident($object:ident) { $($body:tt)* }) => {
        action_json! { @draw $(#[$doc])* $json = $action
            [|a: &$action, lookup: &dyn Lookup| lookup.$known(&a.$object).and_then(|code| lookup.asset(&code))]
            [|j: &$json, lookup: &dyn Lookup| {
                let object = Field::value(&j.$object, stringify!($object), None)?;
                hinted(j.asset.as_ref().map(|a| a.0), lookup.$known(&object), lookup)
            }] [asset] { $($body)* } }
    };
    (@draw $(#[$doc:meta])* $json:ident = $action:ident [$of:expr] [$from:expr] [$($hint:ident)?] {
        $($(#[$attr:meta])* $field:ident: $type:ty,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(missing_docs)] // each field is that of the same name in `vostro_types::transaction`
        pub struct $json {
            $($(#[$attr])* pub $field: <$type as Field>::Json,)+
            $(
                /// How decimals are to be read; not part of the signed bytes.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $hint: Option<Text<AssetCode>>,
            )?
        }

        impl $json {
            /// The JSON of the action.
            pub fn of(action: &$action, lookup: &dyn Lookup) -> Self {
                let asset: Option<Asset> = ($of)(action, lookup);
                $json {
                    $($field: Field::json(&action.$field, asset.as_ref()),)+
                    $($hint: asset.map(|a| Text(a.code)),)?
                }
            }

            /// The action.
            ///
            /// # Errors
            /// The field that is wrong, by name.
            pub fn action(&self, lookup: &dyn Lookup) -> Result<$action, ApiError> {
                let asset: Result<Option<Asset>, ApiError> = ($from)(self, lookup);
                let asset = asset?;
                Ok($action {
                    $($field: Field::value(&self.$field, &camel(stringify!($field)), asset.as_ref())?,)+
                })
            }
        }
    };
}
pub(super) use action_json;
