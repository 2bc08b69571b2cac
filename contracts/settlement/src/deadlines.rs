//! The queue of what fires by itself at the end of a block, ordered by (time, id).
//!
//! Invariant: an object has at most one entry in the queue, at the time it names in its own `due`.

use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, AssetCode, Label, Time};

use crate::ledger::{Ledger, Reader};
use crate::table::{KeyBytes, KeyPart, take};
use crate::tables::DEADLINES;

/// What comes due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// An order releases its pot.
    Order(OrderKey),
    /// An open netting window closes.
    Window(AssetCode, u64),
    /// A campaign ends: platform and name.
    Campaign(AccountId, Label),
}

impl KeyPart for Due {
    /// An order, which is the longest.
    const MAX: usize = 1 + <OrderKey as KeyPart>::MAX;

    fn write(&self, out: &mut KeyBytes) {
        match self {
            Due::Order(order) => {
                out.push(&[1]);
                order.write(out);
            }
            Due::Window(asset, window) => {
                out.push(&[2]);
                asset.write(out);
                window.write(out);
            }
            Due::Campaign(platform, campaign) => {
                out.push(&[3]);
                platform.write(out);
                campaign.write(out);
            }
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match take(bytes)? {
            [1] => OrderKey::read(bytes).map(Due::Order),
            [2] => Some(Due::Window(AssetCode::read(bytes)?, u64::read(bytes)?)),
            [3] => Some(Due::Campaign(AccountId::read(bytes)?, Label::read(bytes)?)),
            _ => None,
        }
    }
}

pub(crate) fn arm(ledger: &mut dyn Ledger, time: Time, due: Due) {
    DEADLINES.put(ledger, &(time, due), &());
}

pub(crate) fn disarm(ledger: &mut dyn Ledger, time: Time, due: Due) {
    DEADLINES.delete(ledger, &(time, due));
}

/// The first entry of the queue.
pub(crate) fn first(reader: &dyn Reader) -> Option<(Time, Due)> {
    DEADLINES.page(reader, &(), None, 1).pop().map(|(key, ())| key)
}

/// What is due at `time`, in order, at most `limit` entries. One read for all: looking for the first again after each
/// would walk over everything fired before it. What is not due is not read.
pub(crate) fn due(reader: &dyn Reader, time: Time, limit: usize) -> Vec<Due> {
    DEADLINES.below(reader, &time.plus(1), limit).into_iter().map(|((_, due), ())| due).collect()
}
