//! Names of things: newtypes that cannot be mixed up.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use smol_str::SmolStr;
use vostro_crypto::Hash;

use crate::codec::refuse;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a bech32m account.
    #[error("{text:?} is not an account: {reason}")]
    Account {
        /// What was given, cut to 100 characters.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a label.
    #[error("a name is 1 to {max} bytes without control characters or outer spaces, not {text:?}")]
    Label {
        /// What was given, cut to 100 characters.
        text: String,
        /// Longest label in bytes.
        max: usize,
    },
}

/// An account: 32 bytes derived from its opening key policy. Shown as bech32m with the prefix `vo`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AccountId(pub [u8; 32]);

impl AccountId {
    /// Human-readable prefix of the bech32m form.
    pub const PREFIX: &'static str = "vo";

    fn hrp() -> Hrp {
        Hrp::parse(Self::PREFIX).expect("the prefix is valid")
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode::<Bech32m>(Self::hrp(), &self.0).expect("32 bytes fit"))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let fail = |reason: String| IdError::Account { text: s.chars().take(100).collect(), reason };
        let parsed =
            bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(s).map_err(|e| fail(e.to_string()))?;
        if parsed.hrp() != Self::hrp() {
            return Err(fail(format!("it must begin with {}1", Self::PREFIX)));
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| fail("it must hold 32 bytes".into()))?;
        Ok(AccountId(bytes))
    }
}

/// A name that platforms choose: order ids, item names, references. 1 to 64 bytes of UTF-8 without control characters,
/// invisible characters or marks of direction, and without spaces at either end, so that names that differ look
/// different.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(SmolStr);

impl Label {
    /// Longest label in bytes.
    pub const MAX: usize = 64;

    /// A label.
    ///
    /// # Errors
    /// [`IdError::Label`] if the text breaks the rules above.
    pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
        let text = text.as_ref();
        let good = !text.is_empty()
            && text.len() <= Self::MAX
            && !text.chars().any(|c| c.is_control() || is_invisible(c))
            && text.trim() == text;
        if good {
            Ok(Label(SmolStr::new(text)))
        } else {
            Err(IdError::Label { text: text.chars().take(100).collect(), max: Self::MAX })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that show nothing themselves (Unicode's format characters in common use, fillers, variation selectors).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

impl FromStr for Label {
    type Err = IdError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Label::new(s)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// As a string: length and bytes.
impl Encode for Label {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.as_str().encode(encoder)
    }
}

impl<Context> Decode<Context> for Label {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = u64::decode(decoder)?;
        let mut bytes = [0; Label::MAX];
        let text = usize::try_from(length).ok().and_then(|length| bytes.get_mut(..length));
        let text = text.ok_or_else(|| refuse(format!("a label has at most {} bytes, not {length}", Label::MAX)))?;
        decoder.claim_bytes_read(text.len())?;
        decoder.reader().read(text)?;
        let text = std::str::from_utf8(text).map_err(|inner| DecodeError::Utf8 { inner })?;
        Label::new(text).map_err(|e| refuse(e.to_string()))
    }
}
bincode::impl_borrow_decode!(Label);

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub Hash);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.short())
            }
        }

        impl FromStr for $name {
            type Err = vostro_crypto::HashParseError;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map($name)
            }
        }
    };
}

hash_id! {
    /// A transaction: hash of its signed bytes, signatures excluded.
    TxId
}
hash_id! {
    /// A block: hash of its header, the view excluded.
    BlockId
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Position of a block in the chain; genesis is 0, the first block 1.
    Height(u64)
}
number! {
    /// An attempt within a height; view v has primary `set[(height + v) mod n]`.
    View(u64)
}
number! {
    /// A span of heights with one validator set.
    Epoch(u32)
}
number! {
    /// A validator's position in the set of its epoch.
    ValidatorIndex(u16)
}
number! {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Time(u64)
}

impl Height {
    /// The next height.
    pub fn next(self) -> Height {
        Height(self.0.saturating_add(1))
    }

    /// The height before; genesis stays genesis.
    pub fn prev(self) -> Height {
        Height(self.0.saturating_sub(1))
    }
}

impl View {
    /// The next view.
    pub fn next(self) -> View {
        View(self.0.saturating_add(1))
    }
}

impl Time {
    /// `ms` milliseconds later.
    pub fn plus(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// `ms` milliseconds earlier.
    pub fn minus(self, ms: u64) -> Time {
        Time(self.0.saturating_sub(ms))
    }

    /// Milliseconds since `earlier`, zero if it is later.
    pub fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn account_text_round_trip() {
        let id = AccountId([7; 32]);
        let text = id.to_string();
        assert!(text.starts_with("vo1"), "{text}");
        assert_eq!(text.parse::<AccountId>().unwrap(), id);
        assert_eq!(text.to_uppercase().parse::<AccountId>().unwrap(), id);
        let mut wrong = text.clone().into_bytes();
        let last = wrong.len() - 1;
        wrong[last] = if wrong[last] == b'q' { b'p' } else { b'q' };
        for bad in [String::from_utf8(wrong).unwrap(), text[..40].to_string(), "bc1qw508d6".into(), String::new()] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
        let bech32_not_m = bech32::encode::<bech32::Bech32>(Hrp::parse("vo").unwrap(), &[7; 32]).unwrap();
        assert!(bech32_not_m.parse::<AccountId>().is_err());
        let short = bech32::encode::<Bech32m>(Hrp::parse("vo").unwrap(), &[7; 31]).unwrap();
        assert!(short.parse::<AccountId>().is_err());
    }

    #[test]
    fn labels_are_bounded_and_clean() {
        assert_eq!(Label::new("课程-1").unwrap().as_str(), "课程-1");
        for bad in ["", " x", "x ", "a\nb", "a\0", "a\u{200b}", "\u{202e}a", "a\u{feff}b", &"x".repeat(65)] {
            assert!(Label::new(bad).is_err(), "{bad:?}");
        }
        for bad in [" x", "", &"x".repeat(65)] {
            let bytes = crate::codec::encode(&bad.to_string());
            assert!(crate::codec::decode::<Label>(&bytes, 100).is_err(), "{bad:?}");
        }
        for good in ["x", &"x".repeat(23), &"x".repeat(24), &"课".repeat(21), &"x".repeat(64)] {
            let bytes = crate::codec::encode(&good.to_string());
            let label: Label = crate::codec::decode(&bytes, 100).unwrap();
            assert_eq!((label.as_str(), crate::codec::encode(&label)), (good, bytes.clone()));
            assert!(crate::codec::decode::<Label>(&bytes[..bytes.len() - 1], 100).is_err(), "cut short");
        }
        let length = |length: u64, text: &[u8]| [&length.to_le_bytes(), text].concat();
        for bytes in [length(u64::MAX, b"x"), length(65, b"x"), length(1, &[0xff]), length(2, "课".as_bytes())] {
            assert!(crate::codec::decode::<Label>(&bytes, 100).is_err(), "{bytes:?}");
        }
    }
}
