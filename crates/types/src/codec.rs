//! The one codec: bincode with fixed-width little-endian integers, made canonical.
//!
//! Invariant: [`decode`] accepts exactly the bytes [`encode`] produces for some value: the input is no longer than its
//! cap, nothing is allocated above [`memory_limit`] of its length, every byte is consumed, and encoding the value
//! again gives the same bytes. So one value has one encoding and hashes of encodings identify values.
#![allow(clippy::disallowed_methods)] // the one place that may call bincode

use std::borrow::Cow;
use std::cell::Cell;

use bincode::enc::write::Writer;
use bincode::error::EncodeError;

pub use bincode::{Decode, Encode};

/// Largest encoded transaction in bytes.
pub const MAX_TRANSACTION: usize = 64 << 10;
/// Largest encoded block in bytes: what one proposal may carry.
pub const MAX_BLOCK: usize = 4 << 20;
/// Largest encoded message between validators: a block with its justification.
pub const MAX_MESSAGE: usize = 8 << 20;

const SMALL: usize = 2 << 10;
const MEDIUM: usize = 512 << 10;

/// Most bytes that decoding an input of `length` bytes may claim, whatever lengths of lists the input announces: at
/// least 32 times its length (16 times in the largest class), because the smallest elements of lists are up to twenty
/// times larger in memory than on the wire (`tests/sizes.rs` holds the worst of them against this). It grows with what was sent, not with what might have been: a message of a few bytes cannot cost megabytes.
pub const fn memory_limit(length: usize) -> usize {
    if length <= SMALL {
        32 * SMALL
    } else if length <= MAX_TRANSACTION {
        32 * MAX_TRANSACTION
    } else if length <= MEDIUM {
        32 * MEDIUM
    } else if length <= MAX_MESSAGE {
        16 * MAX_MESSAGE
    } else {
        64 * MAX_MESSAGE
    }
}

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The input is longer than the cap for its type.
    #[error("{length} bytes are more than the {cap} allowed")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        cap: usize,
    },
    /// The input does not follow the layout.
    #[error("malformed: {reason}")]
    Malformed {
        /// What the decoder stumbled over.
        reason: String,
    },
    /// Bytes are left over after the value.
    #[error("{extra} bytes follow the value")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// The bytes decode, but the value is encoded differently.
    #[error("not the canonical encoding")]
    NotCanonical,
}

fn layout() -> bincode::config::Configuration<bincode::config::LittleEndian, bincode::config::Fixint> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding()
}

/// Encodes a value.
///
/// # Panics
/// Never for the types of this workspace: bincode fails only on foreign `Encode` implementations and on I/O.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    encoded(value, |bytes| bytes.into_owned())
}

/// What `look` makes of a value's encoding, which it sees where it was made.
///
/// # Panics
/// As [`encode`].
pub fn see_encoded<T: Encode, R>(value: &T, look: impl FnOnce(&[u8]) -> R) -> R {
    encoded(value, |bytes| look(&bytes))
}

fn encoded<T: Encode, R>(value: &T, take: impl FnOnce(Cow<'_, [u8]>) -> R) -> R {
    let mut short = Short { bytes: SHORT.take(), length: 0 };
    put(value, &mut short);
    let taken = if short.length <= MAX_SHORT {
        take(Cow::Borrowed(&short.bytes))
    } else {
        let mut long = Long(Vec::with_capacity(short.length));
        put(value, &mut long);
        take(Cow::Owned(long.0))
    };
    short.bytes.clear();
    SHORT.set(short.bytes);
    taken
}

/// The encoding of a list, made an item at a time: it equals that of a vector of the same items.
#[derive(Debug)]
pub struct ListEncoding {
    long: Long,
    items: u64,
}

impl ListEncoding {
    /// Of no items, with room for so many bytes of them.
    pub fn with_room(bytes: usize) -> Self {
        let mut long = Vec::with_capacity(COUNT_BYTES + bytes);
        long.extend([0; COUNT_BYTES]);
        ListEncoding { long: Long(long), items: 0 }
    }

    /// Adds an item; gives its own encoding.
    ///
    /// # Panics
    /// As [`encode`].
    pub fn push<T: Encode>(&mut self, item: &T) -> &[u8] {
        let from = self.long.0.len();
        put(item, &mut self.long);
        self.items += 1;
        &self.long.0[from..]
    }

    /// The encoding of the list.
    pub fn finish(self) -> Vec<u8> {
        let ListEncoding { long: Long(mut bytes), items } = self;
        bytes[..COUNT_BYTES].copy_from_slice(&items.to_le_bytes());
        bytes
    }
}

/// Bytes in which an encoding counts the items of a list.
const COUNT_BYTES: usize = 8;

fn put<T: Encode>(value: &T, writer: &mut impl Writer) {
    bincode::encode_into_writer(value, writer, layout()).expect("encoding to memory cannot fail");
}

/// Longest encoding that is made at once. For a longer one its length is found first, so that it is not moved as it grows.
const MAX_SHORT: usize = 16 << 10;

thread_local! {
    /// Room for short encodings, empty between calls; an encoding within another finds none and makes its own.
    static SHORT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Keeps what is short and counts what is not.
struct Short {
    bytes: Vec<u8>,
    length: usize,
}

impl Writer for Short {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.length += bytes.len();
        if self.length <= MAX_SHORT {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Long(Vec<u8>);

impl Writer for Long {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Decodes a value from all of `bytes`, which may be at most `cap` long.
///
/// # Errors
/// [`CodecError`] names which of the rules in the module's invariant the bytes break.
pub fn decode<T: Decode<()> + Encode>(bytes: &[u8], cap: usize) -> Result<T, CodecError> {
    let value = decode_own(bytes, cap)?;
    let mut compared = Compared { rest: bytes };
    // It fails at the first difference.
    let encoded = bincode::encode_into_writer(&value, &mut compared, layout());
    if encoded.is_err() || !compared.rest.is_empty() {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Compares what is written with `rest`.
struct Compared<'a> {
    rest: &'a [u8],
}

impl Writer for Compared<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(EncodeError::UnexpectedEnd)?;
        Ok(())
    }
}

/// Decodes what this program encoded itself and kept where nobody else writes: [`decode`] without looking whether the
/// encoding is the one that [`encode`] gives.
///
/// # Errors
/// [`CodecError`], but never [`CodecError::NotCanonical`].
pub fn decode_own<T: Decode<()>>(bytes: &[u8], cap: usize) -> Result<T, CodecError> {
    if bytes.len() > cap {
        return Err(CodecError::TooLong { length: bytes.len(), cap });
    }
    // An arm a size class, because bincode takes its limit as a type.
    fn read<T: Decode<()>, const LIMIT: usize>(bytes: &[u8]) -> Result<(T, usize), bincode::error::DecodeError> {
        bincode::decode_from_slice(bytes, layout().with_limit::<LIMIT>())
    }
    let length = bytes.len();
    let decoded = if length <= SMALL {
        read::<T, { memory_limit(SMALL) }>(bytes)
    } else if length <= MAX_TRANSACTION {
        read::<T, { memory_limit(MAX_TRANSACTION) }>(bytes)
    } else if length <= MEDIUM {
        read::<T, { memory_limit(MEDIUM) }>(bytes)
    } else if length <= MAX_MESSAGE {
        read::<T, { memory_limit(MAX_MESSAGE) }>(bytes)
    } else {
        read::<T, { memory_limit(usize::MAX) }>(bytes)
    };
    let (value, used) = decoded.map_err(|e| CodecError::Malformed { reason: e.to_string() })?;
    if used != bytes.len() {
        return Err(CodecError::Trailing { extra: bytes.len() - used });
    }
    Ok(value)
}

/// A decode error from a bound that a value's own type keeps.
pub(crate) fn refuse(reason: String) -> bincode::error::DecodeError {
    bincode::error::DecodeError::OtherString(reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_value_one_encoding() {
        let value: Vec<u16> = vec![1, 2, 3];
        let bytes = encode(&value);
        assert_eq!(bytes, [3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0]);
        assert_eq!(decode::<Vec<u16>>(&bytes, 100).unwrap(), value);
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode::<Vec<u16>>(&longer, 100), Err(CodecError::Trailing { extra: 1 }));
        assert!(matches!(decode::<Vec<u16>>(&bytes[..13], 100), Err(CodecError::Malformed { .. })));
        assert_eq!(decode::<Vec<u16>>(&bytes, 13), Err(CodecError::TooLong { length: 14, cap: 13 }));
        // a bool has two encodings only
        assert!(decode::<bool>(&[2], 1).is_err());
    }

    #[test]
    fn what_encodes_otherwise_is_refused() {
        use std::collections::BTreeMap;
        let pairs = |keys: [u8; 2]| encode(&keys.map(|k| (k, k)).to_vec());
        let sorted: BTreeMap<u8, u8> = decode(&pairs([1, 2]), 100).unwrap();
        assert_eq!(encode(&sorted), pairs([1, 2]));
        // out of order, and one key twice: less is written than was read
        for keys in [[2, 1], [1, 1]] {
            assert_eq!(decode::<BTreeMap<u8, u8>>(&pairs(keys), 100), Err(CodecError::NotCanonical));
            assert!(decode_own::<BTreeMap<u8, u8>>(&pairs(keys), 100).is_ok());
        }
    }

    #[test]
    fn a_huge_length_is_refused_before_memory_is_taken() {
        let mut bytes = vec![0xff; 8];
        bytes.extend_from_slice(&[0; 32]);
        assert!(decode::<Vec<u64>>(&bytes, 1000).is_err());
        let bytes = (1u64 << 36).to_le_bytes().to_vec();
        assert!(decode::<Vec<u8>>(&bytes, MAX_MESSAGE).is_err());
    }

    #[test]
    fn one_encoding_whatever_its_length() {
        for length in (0..300).chain(MAX_SHORT - 20..MAX_SHORT + 20).chain([MAX_TRANSACTION, MAX_BLOCK]) {
            let value: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let encoded = encode(&value);
            assert_eq!(encoded, [&(length as u64).to_le_bytes(), &*value].concat());
            assert_eq!(encoded.capacity(), encoded.len(), "nothing is kept that is not needed");
        }
    }

    #[test]
    fn a_list_made_item_by_item_is_encoded_as_a_whole() {
        for items in [0, 1, 3, 1000] {
            let list: Vec<Vec<u8>> = (0..items).map(|n| vec![n as u8; n % 50]).collect();
            for room in [0, 100] {
                let mut encoding = ListEncoding::with_room(room);
                assert!(list.iter().all(|item| encoding.push(item) == encode(item)));
                assert_eq!(encoding.finish(), encode(&list));
            }
        }
    }

    /// Its encoding holds another.
    struct Nested(Vec<u8>);

    impl Encode for Nested {
        fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
            7u8.encode(encoder)?;
            encode(&self.0).encode(encoder)
        }
    }

    #[test]
    fn an_encoding_may_hold_another() {
        for length in [0, 10, MAX_SHORT, 3 * MAX_SHORT] {
            let inner = encode(&vec![1u8; length]);
            assert_eq!(encode(&Nested(vec![1; length])), [&[7], &*encode(&inner)].concat());
        }
    }
}
