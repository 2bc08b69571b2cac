//! What travels on the channel of the ordering protocol: messages as they are, and proposals that name what their receivers hold.
//!
//! Invariant: one packet has one encoding; a short proposal names at least one transaction, and the bytes that its primary signed are
//! those of the whole one.

use std::sync::Arc;

use bincode::{Decode, Encode};
use vostro_consensus::{MESSAGE_VERSION, Message, MessageError, PrePrepare, Signed};
use vostro_types::codec::{CodecError, MAX_BLOCK, MAX_MESSAGE, decode, encode};
use vostro_types::{Block, BlockId, Height, Transaction, TxId, View};

/// First byte of a [`Short`]; that of a whole message is [`MESSAGE_VERSION`].
pub const SHORT_LAYOUT: u8 = 0x81;
/// First byte of an [`Ask`].
pub const ASK_LAYOUT: u8 = 0xC1;
/// Most transactions of a short proposal: no block holds more, since none is shorter than a signature with its key.
pub const MAX_NAMED: usize = MAX_BLOCK / 96;
/// Largest encoded [`Ask`] in bytes.
const MAX_ASK: usize = 128 + 4 * MAX_NAMED;

/// What validators send each other about blocks that are not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A message as it is.
    Message(Signed),
    /// A proposal that names transactions.
    Short(Short),
    /// A question for those that were named.
    Ask(Ask),
}

/// Why bytes are no packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// They are no message either.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// They do not follow the layout that their first byte names.
    #[error("no {what}: {error}")]
    Codec {
        /// The layout.
        what: &'static str,
        /// Where they leave it.
        error: CodecError,
    },
    /// Only a proposal is sent short: without its transactions, of which at least one is named.
    #[error("a short proposal has a block without transactions, the name of at least one, and {MAX_NAMED} at most")]
    NotShort,
    /// A block that is put together may have no more than any block.
    #[error("a short proposal names more than a block may hold")]
    TooMuch,
    /// Positions are asked for in order, each once, and at least one.
    #[error("the positions asked for are none or not strictly ascending")]
    Positions,
}

/// One transaction of a short proposal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Named {
    /// The receiver should hold it.
    Held(TxId),
    /// It came too lately for that.
    Sent(Arc<Transaction>),
}

/// A proposal, most of whose transactions its receivers hold.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Short {
    /// [`SHORT_LAYOUT`].
    layout: u8,
    /// The message, its block without transactions.
    proposal: Signed,
    /// The block's transactions, in its order.
    transactions: Vec<Named>,
}

impl Short {
    /// The proposal with those transactions named whose position `name` gives an id for. `None` if it is none, or if it gives none.
    pub fn of(proposal: &Signed, name: impl Fn(usize) -> Option<TxId>) -> Option<Self> {
        let Message::PrePrepare(whole) = &proposal.message else { return None };
        let named = |(at, transaction): (usize, &Arc<Transaction>)| {
            name(at).map_or_else(|| Named::Sent(transaction.clone()), Named::Held)
        };
        let transactions: Vec<Named> = whole.block.transactions.iter().enumerate().map(named).collect();
        let (header, evidence) = (whole.block.header.clone(), whole.block.evidence.clone());
        let block = Arc::new(Block { header, transactions: Vec::new(), evidence });
        let message = Message::PrePrepare(PrePrepare { block, ..whole.clone() });
        let short = Short { layout: SHORT_LAYOUT, proposal: Signed { message, ..*proposal }, transactions };
        short.is_short().then_some(short)
    }

    fn is_short(&self) -> bool {
        let without = matches!(&self.proposal.message, Message::PrePrepare(p) if p.block.transactions.is_empty());
        let fits = self.transactions.len() <= MAX_NAMED;
        without && fits && self.transactions.iter().any(|transaction| matches!(transaction, Named::Held(_)))
    }

    /// The message, its block without transactions.
    pub fn proposal(&self) -> &Signed {
        &self.proposal
    }

    /// The message, its block without transactions, and these.
    pub fn into_parts(self) -> (Signed, Vec<Named>) {
        (self.proposal, self.transactions)
    }
}

/// Asks the primary for transactions of its proposal that the asking validator does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ask {
    /// [`ASK_LAYOUT`].
    layout: u8,
    /// Height proposed for.
    height: Height,
    /// View proposed in.
    view: View,
    /// The block.
    block: BlockId,
    /// Positions in it, strictly ascending.
    missing: Vec<u32>,
}

impl Ask {
    /// Asks for the transactions at these positions, which are strictly ascending, of a proposal.
    pub fn new(at: (Height, View), block: BlockId, missing: Vec<u32>) -> Self {
        Ask { layout: ASK_LAYOUT, height: at.0, view: at.1, block, missing }
    }

    /// Height and view proposed in.
    pub fn at(&self) -> (Height, View) {
        (self.height, self.view)
    }

    /// The block.
    pub fn block(&self) -> BlockId {
        self.block
    }

    /// Whether the transaction at a position is asked for.
    pub fn asks_for(&self, position: usize) -> bool {
        u32::try_from(position).is_ok_and(|position| self.missing.binary_search(&position).is_ok())
    }
}

impl Packet {
    /// The bytes that travel.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Packet::Message(signed) => signed.encode(),
            Packet::Short(short) => encode(short),
            Packet::Ask(ask) => encode(ask),
        }
    }

    /// Reads the bytes that travelled.
    ///
    /// # Errors
    /// [`PacketError`] if they are too long or not the canonical encoding of a packet.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        match bytes.first() {
            Some(&SHORT_LAYOUT) => {
                let codec = |error| PacketError::Codec { what: "short proposal", error };
                let short: Short = decode(bytes, MAX_MESSAGE).map_err(codec)?;
                match short.proposal.version {
                    MESSAGE_VERSION if short.is_short() => Ok(Packet::Short(short)),
                    MESSAGE_VERSION => Err(PacketError::NotShort),
                    got => Err(MessageError::Version { got }.into()),
                }
            }
            Some(&ASK_LAYOUT) => {
                let ask: Ask =
                    decode(bytes, MAX_ASK).map_err(|error| PacketError::Codec { what: "question", error })?;
                let in_order = !ask.missing.is_empty() && ask.missing.is_sorted_by(|a, b| a < b);
                if in_order { Ok(Packet::Ask(ask)) } else { Err(PacketError::Positions) }
            }
            _ => Ok(Packet::Message(Signed::decode(bytes)?)),
        }
    }

    /// The message in it; of a short proposal its block is without transactions. `None` if it is a question.
    pub fn signed(&self) -> Option<&Signed> {
        match self {
            Packet::Message(signed) => Some(signed),
            Packet::Short(short) => Some(short.proposal()),
            Packet::Ask(_) => None,
        }
    }
}
