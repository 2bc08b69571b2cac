//! Connections that keep to no rule, for the flood tests alone: no promise is made to anyone else.
//!
//! Invariant: the handshake and the stream protocol are those of a node; what is said on a stream is the caller's affair.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport};
use libp2p::{Multiaddr, noise, tcp, yamux};
use tokio::sync::{mpsc, oneshot};

use crate::NetworkKey;
use crate::behaviour::{chain_name, protocol_name};

/// How long a dial may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// First words of every stream.
const HEADER: &[u8] = b"\x13/multistream/1.0.0\n";
/// A protocol whose streams give back what they get; without it a node ends the connection.
const PING: &[u8] = b"/ipfs/ping/1.0.0";

/// A stream on which nothing was said.
pub type RawStream = SubstreamBox;

/// A connection with a node.
#[derive(Debug)]
pub struct Raw {
    wanted: mpsc::Sender<oneshot::Sender<RawStream>>,
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Raw {
    /// Dials a node of a chain. The node may still refuse: then streams cannot be opened.
    ///
    /// # Errors
    /// If nobody listens there, or the handshake fails.
    pub async fn dial(key: &NetworkKey, chain: &[u8; 32], address: &Multiaddr) -> io::Result<Self> {
        let mut prologue = b"vostro/1".to_vec();
        prologue.extend_from_slice(chain);
        let noise = noise::Config::new(key.pair()).map_err(io::Error::other)?.with_prologue(prologue);
        let mut transport = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(noise)
            .multiplex(yamux::Config::default())
            .timeout(TIMEOUT)
            .boxed();
        let how = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dialled = transport.dial(address.clone(), how).map_err(io::Error::other)?;
        let (_, muxer) = dialled.await?;
        let (wanted, asked) = mpsc::channel(1);
        tokio::spawn(drive(muxer, asked));
        Ok(Raw { wanted })
    }

    /// Opens a stream and says nothing.
    ///
    /// # Errors
    /// If the connection has ended.
    pub async fn open(&self) -> io::Result<RawStream> {
        let (give, stream) = oneshot::channel();
        self.wanted.send(give).await.map_err(|_| gone())?;
        stream.await.map_err(|_| gone())
    }

    /// Opens a stream of a protocol of the chain, such as `consensus`.
    ///
    /// # Errors
    /// If the connection has ended or the node does not take the stream.
    pub async fn stream(&self, chain: &[u8; 32], name: &str) -> io::Result<RawStream> {
        let mut stream = self.open().await?;
        let protocol = protocol_name(&chain_name(chain), name) + "\n";
        let mut said = HEADER.to_vec();
        said.push(u8::try_from(protocol.len()).map_err(io::Error::other)?);
        said.extend_from_slice(protocol.as_bytes());
        stream.write_all(&said).await?;
        stream.flush().await?;
        let mut answer = vec![0; said.len()];
        stream.read_exact(&mut answer).await?;
        if answer == said { Ok(stream) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.wanted.is_closed()
    }
}

/// Keeps a connection going, opens streams that are asked for, and agrees to every stream that the node opens.
async fn drive(mut muxer: StreamMuxerBox, mut asked: mpsc::Receiver<oneshot::Sender<RawStream>>) {
    let mut next: Option<oneshot::Sender<RawStream>> = None;
    poll_fn(|cx| {
        loop {
            let mut moved = false;
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => moved = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    tokio::spawn(agree(stream));
                    moved = true;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if next.is_none() {
                match asked.poll_recv(cx) {
                    Poll::Ready(Some(give)) => next = Some(give),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if next.is_some() {
                match muxer.poll_outbound_unpin(cx) {
                    Poll::Ready(Ok(stream)) => {
                        // Whoever asked may have gone.
                        let _ = next.take().map(|give| give.send(stream));
                        moved = true;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if !moved {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// Agrees to the protocol that a node proposes, and reads what comes.
async fn agree(mut stream: RawStream) {
    let agreed = async {
        let mut header = [0; HEADER.len()];
        stream.read_exact(&mut header).await?;
        let mut length = [0];
        stream.read_exact(&mut length).await?;
        let mut protocol = vec![0; usize::from(length[0])];
        stream.read_exact(&mut protocol).await?;
        stream.write_all(HEADER).await?;
        stream.write_all(&length).await?;
        stream.write_all(&protocol).await?;
        stream.flush().await?;
        let echoes = protocol.starts_with(PING);
        let mut bytes = vec![0; 4096];
        loop {
            let read = stream.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            if echoes {
                stream.write_all(&bytes[..read]).await?;
                stream.flush().await?;
            }
        }
    };
    // However it ends, the stream is of no more use.
    let _: io::Result<()> = agreed.await;
}
