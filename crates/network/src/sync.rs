//! Requests and responses on the wire: a length (four bytes, big endian) and that many bytes.
//!
//! Invariant: a length above the limit is refused before any byte after it is read.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, InboundFailure, OutboundFailure, ProtocolSupport};

use crate::handler::read_bytes;
use crate::{Limits, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, RequestError};

pub(crate) type Behaviour = request_response::Behaviour<Codec>;
pub(crate) type Event = request_response::Event<Vec<u8>, Vec<u8>>;

pub(crate) fn behaviour(protocol: StreamProtocol, limits: &Limits) -> Behaviour {
    let config = request_response::Config::default()
        .with_request_timeout(limits.request_timeout)
        .with_max_concurrent_streams(limits.request_streams.max(1));
    Behaviour::new([(protocol, ProtocolSupport::Full)], config)
}

/// The peer announced more than the limit.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes exceed the limit")]
struct TooLarge(usize);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Codec;

async fn read<T>(io: &mut T, max: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length);
    if length as usize > max {
        let error = TooLarge(length as usize);
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    read_bytes(io, u64::from(length)).await
}

async fn write<T>(io: &mut T, bytes: Vec<u8>, max: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if length as usize > max {
        let error = TooLarge(bytes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(&bytes).await
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, MAX_REQUEST_BYTES).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, MAX_RESPONSE_BYTES).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, bytes, MAX_REQUEST_BYTES).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, bytes, MAX_RESPONSE_BYTES).await
    }
}

/// What the application is told of a failed request.
pub(crate) fn request_error(failure: OutboundFailure) -> RequestError {
    match failure {
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => RequestError::Disconnected,
        OutboundFailure::UnsupportedProtocols => RequestError::Refused,
        OutboundFailure::Io(error) => {
            if is_too_large(&error) {
                RequestError::TooLarge
            } else if error.kind() == io::ErrorKind::UnexpectedEof {
                RequestError::Refused
            } else {
                RequestError::Stream(error.to_string())
            }
        }
    }
}

/// Did the peer break the framing of a request?
pub(crate) fn is_violation(failure: &InboundFailure) -> bool {
    matches!(failure, InboundFailure::Io(error) if is_too_large(error))
}

fn is_too_large(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooLarge>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::io::Cursor;

    #[tokio::test]
    async fn what_is_written_is_read() {
        for size in [0, 1, 100_000] {
            let mut wire = Cursor::new(Vec::new());
            write(&mut wire, vec![7; size], 100_000).await.unwrap();
            wire.set_position(0);
            assert_eq!(read(&mut wire, 100_000).await.unwrap(), vec![7; size]);
        }
    }

    #[tokio::test]
    async fn a_length_above_the_limit_is_refused_on_both_sides() {
        let error = write(&mut Cursor::new(Vec::new()), vec![0; 11], 10).await.unwrap_err();
        assert!(is_too_large(&error));
        let error = read(&mut Cursor::new(&[0, 0, 0, 11][..]), 10).await.unwrap_err();
        assert!(is_too_large(&error));
        assert_eq!(request_error(OutboundFailure::Io(error)), RequestError::TooLarge);
    }

    #[tokio::test]
    async fn a_closed_stream_is_a_refusal() {
        let error = read(&mut Cursor::new(&[][..]), 10).await.unwrap_err();
        assert_eq!(request_error(OutboundFailure::Io(error)), RequestError::Refused);
    }
}
