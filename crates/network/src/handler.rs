//! The direct streams of one connection: one a channel and direction, open for as long as the connection is.
//!
//! A frame is a length (four bytes, big endian) and that many bytes. Invariant: the length is checked, metered and
//! given room in the inbox before its bytes are read; memory grows with what has arrived, not with what was claimed.
//! A stream that fails takes its connection with it, and the dialler starts over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use libp2p::StreamProtocol;
use libp2p::core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, ConnectionId, Stream, StreamUpgradeError, SubstreamProtocol,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::MAX_DIRECT_BYTES;
use crate::inbox::Channel;
use crate::link::{Link, MESSAGE_COST, lane};
use crate::meter::{Admission, Kind};

/// Small frames are gathered up to this size before they are written; larger ones are written as they are.
const GATHER_BYTES: usize = 64 * 1024;
/// Room reserved ahead for the bytes of a frame.
const RESERVE_BYTES: u64 = 64 * 1024;
/// Dropped frames are read into a buffer of this size.
const DISCARD_BYTES: usize = 16 * 1024;

/// Why a connection's direct streams are of no use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The stream or the connection ended.
    Io(io::Error),
    /// The peer does not speak the protocol.
    Unsupported,
    /// The peer announced a message of this many bytes.
    TooLarge(usize),
    /// The peer opened a second stream for a channel.
    SecondStream,
}

#[derive(Debug)]
pub(crate) enum FromHandler {
    Message {
        channel: Channel,
        bytes: Vec<u8>,
        room: OwnedSemaphorePermit,
    },
    /// The peer stayed above its rate.
    Flood,
    Fault(Fault),
}

/// Accepts a stream of any direct channel.
#[derive(Clone, Debug)]
pub(crate) struct Accept {
    protocols: Arc<[StreamProtocol; Channel::ALL.len()]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Offered {
    protocol: StreamProtocol,
    channel: Channel,
}

impl AsRef<str> for Offered {
    fn as_ref(&self) -> &str {
        self.protocol.as_ref()
    }
}

impl UpgradeInfo for Accept {
    type Info = Offered;
    type InfoIter = std::vec::IntoIter<Offered>;

    fn protocol_info(&self) -> Self::InfoIter {
        let offered: Vec<Offered> = Channel::ALL
            .into_iter()
            .map(|channel| Offered { protocol: self.protocols[channel as usize].clone(), channel })
            .collect();
        offered.into_iter()
    }
}

impl InboundUpgrade<Stream> for Accept {
    type Output = (Stream, Channel);
    type Error = Infallible;
    type Future = futures::future::Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, offered: Offered) -> Self::Future {
        futures::future::ready(Ok((stream, offered.channel)))
    }
}

pub(crate) struct Handler {
    link: Arc<Link>,
    connection: ConnectionId,
    protocols: Arc<[StreamProtocol; Channel::ALL.len()]>,
    /// Channels whose outgoing stream is still to be asked for.
    to_open: VecDeque<Channel>,
    writers: [Option<BoxFuture<'static, io::Error>>; Channel::ALL.len()],
    readers: [Option<BoxStream<'static, FromHandler>>; Channel::ALL.len()],
    fault: Option<Fault>,
}

impl Handler {
    pub(crate) fn new(
        link: Arc<Link>,
        connection: ConnectionId,
        protocols: Arc<[StreamProtocol; Channel::ALL.len()]>,
    ) -> Self {
        Handler {
            link,
            connection,
            protocols,
            to_open: Channel::ALL.into(),
            writers: Default::default(),
            readers: Default::default(),
            fault: None,
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = FromHandler;
    type InboundProtocol = Accept;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Channel;

    fn listen_protocol(&self) -> SubstreamProtocol<Accept> {
        SubstreamProtocol::new(Accept { protocols: self.protocols.clone() }, ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Channel, FromHandler>> {
        if let Some(fault) = self.fault.take() {
            self.writers = Default::default();
            self.readers = Default::default();
            let event = FromHandler::Fault(fault);
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if let Some(channel) = self.to_open.pop_front() {
            let protocol = self.protocols[channel as usize].clone();
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(protocol), channel),
            });
        }
        for slot in &mut self.writers {
            if let Some(writer) = slot
                && let Poll::Ready(error) = writer.poll_unpin(cx)
            {
                *slot = None;
                let event = FromHandler::Fault(Fault::Io(error));
                return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
            }
        }
        for slot in &mut self.readers {
            if let Some(reader) = slot
                && let Poll::Ready(next) = reader.poll_next_unpin(cx)
            {
                match next {
                    Some(event) => {
                        return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
                    }
                    None => *slot = None,
                }
            }
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Accept, Self::OutboundProtocol, (), Channel>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (stream, channel), .. }) => {
                let slot = &mut self.readers[channel as usize];
                if slot.is_some() {
                    self.fault = Some(Fault::SecondStream);
                } else {
                    *slot = Some(read_all(stream, self.link.clone(), channel));
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info: channel }) => {
                let writer = write_all(stream, self.link.clone(), channel, self.connection);
                self.writers[channel as usize] = Some(writer.boxed());
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.fault = Some(match error {
                    StreamUpgradeError::Io(error) => Fault::Io(error),
                    StreamUpgradeError::Timeout => Fault::Io(io::ErrorKind::TimedOut.into()),
                    StreamUpgradeError::NegotiationFailed => Fault::Unsupported,
                    StreamUpgradeError::Apply(never) => match never {},
                });
            }
            _ => {}
        }
    }
}

/// Writes queued messages for as long as the stream lives.
async fn write_all(mut stream: Stream, link: Arc<Link>, channel: Channel, connection: ConnectionId) -> io::Error {
    let mut gathered = Vec::with_capacity(DISCARD_BYTES);
    loop {
        let mut next = Some(link.next_frame(channel, connection).await);
        while let Some(frame) = next {
            let length = u32::try_from(frame.len()).expect("longer messages are refused by send");
            gathered.extend_from_slice(&length.to_be_bytes());
            let mut written = Ok(());
            if gathered.len() + frame.len() <= GATHER_BYTES {
                gathered.extend_from_slice(&frame);
            } else {
                written = stream.write_all(&gathered).await;
                gathered.clear();
                if written.is_ok() {
                    written = stream.write_all(&frame).await;
                }
            }
            if let Err(error) = written {
                return error;
            }
            link.count_out(lane(channel), frame.len());
            next = link.dequeue(channel, connection);
        }
        if let Err(error) = stream.write_all(&gathered).await {
            return error;
        }
        gathered.clear();
        if let Err(error) = stream.flush().await {
            return error;
        }
    }
}

/// The messages of one stream, and at most one fault, which is the last.
fn read_all(stream: Stream, link: Arc<Link>, channel: Channel) -> BoxStream<'static, FromHandler> {
    futures::stream::unfold(Some(stream), move |stream| {
        let link = link.clone();
        async move {
            let mut stream = stream?;
            match read_frame(&mut stream, &link, channel).await {
                Ok(event) => Some((event, Some(stream))),
                Err(fault) => Some((FromHandler::Fault(fault), None)),
            }
        }
    })
    .boxed()
}

/// Reads until there is something to tell.
pub(crate) async fn read_frame<R>(stream: &mut R, link: &Link, channel: Channel) -> Result<FromHandler, Fault>
where
    R: futures::AsyncRead + Unpin,
{
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.map_err(Fault::Io)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_DIRECT_BYTES {
            return Err(Fault::TooLarge(length));
        }
        match link.admit(Kind::Direct, lane(channel), length) {
            Admission::Pass => {}
            Admission::Drop => {
                discard(stream, length).await.map_err(Fault::Io)?;
                continue;
            }
            Admission::DropAndPenalise => {
                discard(stream, length).await.map_err(Fault::Io)?;
                return Ok(FromHandler::Flood);
            }
        }
        let cost = u32::try_from(length + MESSAGE_COST).expect("the length was just checked");
        let room = link.room.clone().acquire_many_owned(cost).await;
        let room = room.map_err(|_| Fault::Io(io::ErrorKind::NotConnected.into()))?;
        let bytes = read_bytes(stream, length as u64).await.map_err(Fault::Io)?;
        return Ok(FromHandler::Message { channel, bytes, room });
    }
}

async fn discard<R>(stream: &mut R, length: usize) -> io::Result<()>
where
    R: futures::AsyncRead + Unpin,
{
    let mut scratch = vec![0; length.min(DISCARD_BYTES)];
    let mut left = length;
    while left > 0 {
        let part = left.min(scratch.len());
        stream.read_exact(&mut scratch[..part]).await?;
        left -= part;
    }
    Ok(())
}

/// Reads exactly `length` bytes, growing with what arrives.
pub(crate) async fn read_bytes<R>(stream: &mut R, length: u64) -> io::Result<Vec<u8>>
where
    R: futures::AsyncRead + Unpin,
{
    let reserve = usize::try_from(length.min(RESERVE_BYTES)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(reserve);
    stream.take(length).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metrics::Metrics;
    use crate::{Limits, NetworkKey};
    use futures::io::Cursor;

    fn link(limits: Limits) -> Link {
        let peer_id = NetworkKey::from_secret([1; 32]).peer_id();
        Link::new(peer_id, "one".into(), &limits, Arc::new(Metrics::new()))
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut frame = (bytes.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(bytes);
        frame
    }

    async fn read(wire: &[u8], link: &Link) -> Result<FromHandler, Fault> {
        read_frame(&mut Cursor::new(wire), link, Channel::Consensus).await
    }

    #[tokio::test]
    async fn a_frame_is_read_whole_and_holds_room() {
        let link = link(Limits::default());
        let before = link.room.available_permits();
        let Ok(FromHandler::Message { bytes, room, .. }) = read(&frame(b"hello"), &link).await else {
            panic!("a frame is a message");
        };
        assert_eq!(bytes, b"hello");
        assert_eq!(link.room.available_permits(), before - 5 - MESSAGE_COST);
        drop(room);
        assert_eq!(link.room.available_permits(), before);
    }

    #[tokio::test]
    async fn an_announced_length_above_the_limit_is_a_fault_before_any_byte() {
        let link = link(Limits::default());
        for claimed in [MAX_DIRECT_BYTES as u32 + 1, u32::MAX] {
            let fault = read(&claimed.to_be_bytes(), &link).await;
            assert!(matches!(fault, Err(Fault::TooLarge(length)) if length == claimed as usize));
        }
        assert_eq!(link.info().messages_in, 0);
    }

    #[tokio::test]
    async fn a_torn_frame_is_a_fault_and_returns_its_room() {
        let link = link(Limits::default());
        let before = link.room.available_permits();
        let whole = frame(b"hello");
        for end in 0..whole.len() {
            assert!(matches!(read(&whole[..end], &link).await, Err(Fault::Io(_))));
        }
        assert_eq!(link.room.available_permits(), before);
    }

    #[tokio::test]
    async fn what_is_above_the_rate_is_skipped_and_the_stream_goes_on() {
        let limits = Limits { direct_bytes_per_second: 100_000, ..Limits::default() };
        let link = link(limits);
        let mut wire = Vec::new();
        for _ in 0..3 {
            wire.extend(frame(&vec![0; 150_000]));
        }
        wire.extend(frame(b"small"));
        let mut cursor = Cursor::new(wire);
        let mut sizes = Vec::new();
        while let Ok(FromHandler::Message { bytes, .. }) = read_frame(&mut cursor, &link, Channel::Status).await {
            sizes.push(bytes.len());
        }
        assert_eq!(sizes, [150_000, 5]);
        assert_eq!(link.info().dropped, 2);
    }
}
