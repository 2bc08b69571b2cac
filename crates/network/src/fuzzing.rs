//! The readers of frames as functions of bytes, for the fuzz targets alone: no promise is made to anyone else.
//!
//! Invariant: these are the readers that the connections use, over a stream that ends after the bytes.

use std::sync::Arc;

use futures::executor::block_on;
use futures::io::Cursor;
use libp2p::StreamProtocol;
use libp2p::request_response::Codec as _;

use crate::handler::{FromHandler, read_frame};
use crate::inbox::Channel;
use crate::link::Link;
use crate::metrics::Metrics;
use crate::{Limits, NetworkKey, sync};

/// The messages of a direct stream, up to its end or its first fault.
pub fn direct_messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    // The rate is another matter: here every message counts.
    let limits =
        Limits { direct_messages_per_second: u32::MAX, direct_bytes_per_second: u32::MAX, ..Limits::default() };
    let peer = NetworkKey::from_secret([1; 32]).peer_id();
    let link = Link::new(peer, "fuzz".into(), &limits, Arc::new(Metrics::new()));
    let mut stream = Cursor::new(bytes);
    let mut messages = Vec::new();
    // Each message gives its room back at once, as an application that keeps up does; so reading never waits.
    while let Ok(event) = block_on(read_frame(&mut stream, &link, Channel::Consensus)) {
        if let FromHandler::Message { bytes, .. } = event {
            messages.push(bytes);
        }
    }
    messages
}

/// A request as the serving side reads it.
///
/// # Errors
/// A length above the limit, or a stream that ends early.
pub fn request(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    block_on(sync::Codec.read_request(&StreamProtocol::new("/fuzz"), &mut Cursor::new(bytes)))
}

/// A response as the asking side reads it.
///
/// # Errors
/// A length above the limit, or a stream that ends early.
pub fn response(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    block_on(sync::Codec.read_response(&StreamProtocol::new("/fuzz"), &mut Cursor::new(bytes)))
}
