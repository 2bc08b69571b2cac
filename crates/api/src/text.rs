//! Serde adapters for values that travel as text: anything with `Display` and `FromStr`, times, signatures, bytes.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes a value as its display text.
///
/// # Errors
/// The serializer's own.
pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads a value from its display text.
///
/// # Errors
/// What is wrong with the text.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// The same for values that may be absent.
pub mod option {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    /// Writes the text or null.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(v) => serializer.collect_str(v),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the text or null.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|t| t.parse().map_err(D::Error::custom)).transpose()
    }
}

/// Times: RFC 3339 in UTC with milliseconds.
pub mod time {
    use super::{Deserialize, Deserializer, Serializer};
    use ::time::OffsetDateTime;
    use ::time::format_description::well_known::Rfc3339;
    use ::time::macros::format_description;
    use serde::de::Error as _;
    use vostro_types::Time;

    /// The text of a time. Times after the year 9999, which RFC 3339 cannot write, are their milliseconds in digits.
    pub fn print(time: Time) -> String {
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1_000_000)
            .ok()
            .and_then(|t| t.format(form).ok())
            .unwrap_or_else(|| time.0.to_string())
    }

    /// The time of a text that [`print()`] could have made, in any offset and with or without a fraction.
    ///
    /// # Errors
    /// Not a time, before 1970, or finer than a millisecond.
    pub fn parse(text: &str) -> Result<Time, String> {
        let wrong = || {
            let shown: String = text.chars().take(40).collect();
            format!("a time is like 2026-01-31T08:00:00.000Z, in whole milliseconds, not {shown:?}")
        };
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Time).map_err(|_| wrong());
        }
        let nanos = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?.unix_timestamp_nanos();
        if nanos % 1_000_000 != 0 {
            return Err(wrong());
        }
        u64::try_from(nanos / 1_000_000).map(Time).map_err(|_| wrong())
    }

    /// Writes a time.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(value: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&print(*value))
    }

    /// Reads a time.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// The same for times that may be absent.
    pub mod option {
        use super::{Deserialize, Deserializer, Serializer, Time};
        use serde::de::Error as _;

        /// Writes a time or null.
        ///
        /// # Errors
        /// The serializer's own.
        pub fn serialize<S: Serializer>(value: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
            match value {
                Some(t) => super::serialize(t, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads a time or null.
        ///
        /// # Errors
        /// As [`super::parse`].
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|t| super::parse(&t).map_err(D::Error::custom)).transpose()
        }
    }
}

/// Byte arrays of a fixed length as hex.
pub mod hexed {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    /// Reads exactly `N` bytes of hex.
    ///
    /// # Errors
    /// Another length, or not hex.
    pub fn parse<const N: usize>(text: &str) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| format!("expected {} hex digits", 2 * N))?;
        Ok(bytes)
    }

    /// Writes hex.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<const N: usize, S: Serializer>(value: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(value))
    }

    /// Reads hex.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Signatures as hex.
pub mod signature {
    use super::{Deserializer, Serializer, hexed};
    use vostro_types::Signature;

    /// Writes hex.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(value: &Signature, serializer: S) -> Result<S::Ok, S::Error> {
        hexed::serialize(&value.0, serializer)
    }

    /// Reads hex.
    ///
    /// # Errors
    /// Not 128 hex digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        hexed::deserialize(deserializer).map(Signature)
    }
}

/// Bytes of any length as standard base64 with padding.
pub mod base64 {
    use super::{Deserialize, Deserializer, Serializer};
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;

    /// The text of bytes.
    pub fn print(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    /// The bytes of a text.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Vec<u8>, String> {
        STANDARD.decode(text).map_err(|e| format!("not base64: {e}"))
    }

    /// Writes base64.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&print(value))
    }

    /// Reads base64.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use vostro_types::Time;

    #[test]
    fn times_go_round_and_bad_ones_are_refused() {
        for ms in [0, 1, 999, 1_700_000_000_123, 253_402_300_799_999, 253_402_300_800_000, u64::MAX] {
            assert_eq!(super::time::parse(&super::time::print(Time(ms))).unwrap(), Time(ms), "{ms}");
        }
        assert_eq!(super::time::print(Time(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!(super::time::parse("2023-11-15T06:13:20.123+08:00").unwrap(), Time(1_700_000_000_123));
        for bad in ["", "yesterday", "2023-11-14T22:13:20.1234Z", "1969-12-31T23:59:59Z", "99999999999999999999999"] {
            assert!(super::time::parse(bad).is_err(), "{bad}");
        }
    }
}
