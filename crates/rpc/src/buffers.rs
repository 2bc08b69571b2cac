//! What requests and answers hold of memory, and until when.
//!
//! Invariant: bytes of a request count from their arrival to its answer, those of an answer until they are written; a client
//! that takes nothing of its answer loses its connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use futures::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Bytes of an answer handed to the connection at a time. An answer of no more is not counted: one a connection is bounded by
/// the number of connections.
const PIECE: usize = 64 << 10;

/// Room for bytes of all requests and answers together.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// It is longer than one may be, or its client went away, which then hears nothing of it.
    TooLarge,
    /// All together hold as much as they may.
    Full,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Room(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// Reads a body of at most `limit` bytes. What has not arrived takes no room.
    pub(crate) async fn read(&self, body: Body, limit: usize) -> Result<(Bytes, OwnedSemaphorePermit), NotRead> {
        let mut held = self.take(0).ok_or(NotRead::Full)?;
        let mut pieces = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| NotRead::TooLarge)?;
            if bytes.len() + piece.len() > limit {
                return Err(NotRead::TooLarge);
            }
            held.merge(self.take(piece.len()).ok_or(NotRead::Full)?);
            bytes.extend_from_slice(&piece);
        }
        Ok((bytes.into(), held))
    }

    /// A body of these bytes that holds its room until it is written. `None` if there is none.
    pub(crate) fn answer(&self, bytes: Bytes) -> Option<Body> {
        if bytes.len() <= PIECE {
            return Some(Body::from(bytes));
        }
        let held = self.take(bytes.len())?;
        let pieces = stream::unfold((bytes, held), |(mut bytes, held)| async move {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            (!piece.is_empty()).then_some((Ok::<_, io::Error>(piece), (bytes, held)))
        });
        Some(Body::from_stream(pieces))
    }
}

/// A connection on which no write may wait for longer than a time.
#[derive(Debug)]
pub(crate) struct Impatient<S> {
    stream: S,
    timeout: Duration,
    /// Set while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    pub(crate) fn new(stream: S, timeout: Duration) -> Self {
        Impatient { stream, timeout, waiting: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let timeout = self.timeout;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, ended)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn requests_share_their_room_and_give_it_back() {
        let room = Room::new(100);
        let read = |size: usize| room.read(Body::from(vec![0; size]), 80);
        assert_eq!(read(81).await.unwrap_err(), NotRead::TooLarge);
        let (first, held) = read(80).await.unwrap();
        assert_eq!(first.len(), 80);
        assert_eq!(read(21).await.unwrap_err(), NotRead::Full);
        let small = read(20).await.unwrap();
        drop((held, small));
        assert!(read(80).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_holds_its_room_until_it_is_written() {
        let room = Room::new(3 * PIECE);
        let mut body = room.answer(vec![7; 2 * PIECE + 1].into()).unwrap().into_data_stream();
        assert!(room.answer(vec![0; PIECE + 1].into()).is_none());
        assert!(room.answer(vec![0; PIECE].into()).is_some(), "so small that it is not counted");
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(whole, vec![7; 2 * PIECE + 1]);
        drop(body);
        assert!(room.answer(vec![0; 3 * PIECE].into()).is_some());
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_ends_the_connection() {
        let (ours, theirs) = tokio::io::duplex(10);
        let mut stream = Impatient::new(ours, Duration::from_millis(20));
        stream.write_all(&[0; 10]).await.unwrap();
        assert_eq!(stream.write_all(&[0; 10]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }
}
