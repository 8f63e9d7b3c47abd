//! A scripted peer: speaks libp2p by hand with a key of its choice, and says what it likes.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use futures::future::poll_fn;
use futures::{AsyncReadExt, AsyncWriteExt};
use gearmesh_protocol::codec;
use gearmesh_protocol::command::COMMAND_PROTOCOL;
use gearmesh_protocol::data::DATA_PROTOCOL;
use gearmesh_protocol::ids::{Incarnation, Nonce, PlantId, PublicKey};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::plant::{
    AdmissionMessage, CONTROL_PROTOCOL, Greeting, Hello, Intent, LIVE_PROTOCOL, VERSION, plant_tag,
};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::identity::{Keypair, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport, quic, tcp, tls, yamux};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::admin::secret_key;
use crate::wait::DEADLINE;

/// What a scripted peer says of its present life.
pub const GREETING: Greeting =
    Greeting { incarnation: Incarnation([0xee; 16]), nonce: Nonce([0xee; 16]) };

/// Streams that the other side opens and a test may take; more are let go.
const OPENED_MAX: usize = 8;

/// A peer that only does what a test says.
pub struct Stranger {
    runtime: Runtime,
    key: SigningKey,
    /// All that it ever read, as it was before encryption.
    heard: Mutex<Vec<u8>>,
}

/// An encrypted connection of a scripted peer. Dropping it closes it.
pub struct Connection<'a> {
    stranger: &'a Stranger,
    wishes: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    /// What the other side opens; nobody need take it.
    opened: Mutex<mpsc::Receiver<SubstreamBox>>,
    open: watch::Receiver<bool>,
    listener: PublicKey,
}

/// One stream of a connection.
pub struct Channel<'a> {
    stranger: &'a Stranger,
    stream: SubstreamBox,
    /// Read ahead, to see whether something comes.
    ahead: Option<u8>,
}

impl Stranger {
    /// A peer with this key.
    ///
    /// # Panics
    /// No runtime can be had.
    #[must_use]
    pub fn with(key: SigningKey) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        Self { runtime, key, heard: Mutex::default() }
    }

    /// A peer with a key that nobody knows.
    #[must_use]
    pub fn unknown() -> Self {
        Self::with(SigningKey::from_bytes(&[0x5a; 32]))
    }

    /// A peer with the key of a home whose node does not run.
    #[must_use]
    pub fn from_home(home: &Path) -> Self {
        Self::with(secret_key(&home.join("node.key")))
    }

    /// All bytes that it read on all streams, as they were before they were encrypted.
    #[must_use]
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// Dials a node at a multiaddress, and stops after the security handshake.
    ///
    /// # Panics
    /// Nobody answers with an Ed25519 key.
    #[must_use]
    pub fn dial(&self, address: &str) -> Connection<'_> {
        let (listener, muxer) = self.runtime.block_on(self.handshake(address));
        let (wishes, waiting) = mpsc::channel(4);
        let (is_open, open) = watch::channel(true);
        let (opens, opened) = mpsc::channel(OPENED_MAX);
        self.runtime.spawn(drive(muxer, waiting, opens, is_open));
        Connection { stranger: self, wishes, opened: Mutex::new(opened), open, listener }
    }

    async fn handshake(&self, address: &str) -> (PublicKey, StreamMuxerBox) {
        let address: Multiaddr = address.parse().expect("an address");
        let mut secret = self.key.to_bytes();
        let secret = ed25519::SecretKey::try_from_bytes(&mut secret).expect("a key");
        let key = Keypair::from(ed25519::Keypair::from(secret));
        let mut transport = match address.iter().any(|part| part == Protocol::QuicV1) {
            true => quic::tokio::Transport::new(quic::Config::new(&key))
                .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
                .boxed(),
            false => tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
                .upgrade(Version::V1Lazy)
                .authenticate(tls::Config::new(&key).expect("a key"))
                .multiplex(yamux::Config::default())
                .boxed(),
        };
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dial = transport.dial(address, options).expect("a dial");
        let (peer, muxer) = dial.await.expect("a handshake");
        let key = libp2p::identity::PublicKey::try_decode_protobuf(peer.as_ref().digest());
        let key = key.ok().and_then(|key| key.try_into_ed25519().ok()).expect("an Ed25519 key");
        (PublicKey::from_bytes(key.to_bytes()).expect("a sound key"), muxer)
    }
}

/// Moves a connection until nobody wants it any more or the other side ends it.
async fn drive(
    mut muxer: StreamMuxerBox,
    mut wishes: mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    opens: mpsc::Sender<SubstreamBox>,
    is_open: watch::Sender<bool>,
) {
    let mut wish = None;
    poll_fn(|cx| {
        loop {
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        match muxer.poll_inbound_unpin(cx) {
            // What nobody takes is let go.
            Poll::Ready(Ok(stream)) => {
                drop(opens.try_send(stream));
                cx.waker().wake_by_ref();
            }
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => {}
        }
        if wish.is_none() {
            match wishes.poll_recv(cx) {
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(some) => wish = some,
                Poll::Pending => return Poll::Pending,
            }
        }
        match muxer.poll_outbound_unpin(cx) {
            Poll::Ready(Ok(stream)) => {
                if let Some(wish) = wish.take() {
                    drop(wish.send(stream));
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    is_open.send_replace(false);
}

impl<'a> Connection<'a> {
    /// Opens a stream.
    ///
    /// # Panics
    /// The other side does not take one.
    #[must_use]
    pub fn open(&self) -> Channel<'a> {
        let (sender, stream) = oneshot::channel();
        let stream = self.stranger.runtime.block_on(async {
            self.wishes.send(sender).await.expect("a connection");
            timeout(DEADLINE, stream).await.expect("in time").expect("a stream")
        });
        Channel { stranger: self.stranger, stream, ahead: None }
    }

    /// Takes a stream that the other side opens, and agrees to whatever it speaks on it. None if it
    /// opens none any more. What it speaks, and the stream.
    ///
    /// # Panics
    /// It does not open one in time, or does not say what it speaks.
    pub fn accept(&self) -> Option<(String, Channel<'a>)> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let next = async { timeout(DEADLINE, opened.recv()).await };
        let stream = self.stranger.runtime.block_on(next).expect("a stream in time")?;
        let mut channel = Channel { stranger: self.stranger, stream, ahead: None };
        let first = channel.line()?;
        assert_eq!(first, "/multistream/1.0.0", "what every stream begins with");
        let protocol = channel.line()?;
        for line in [&first, &protocol] {
            channel.send_raw(&multistream(line));
        }
        Some((protocol, channel))
    }

    /// Waits until the other side has closed the connection.
    ///
    /// # Panics
    /// It does not.
    pub fn wait_closed(&self) {
        let mut open = self.open.clone();
        self.stranger.runtime.block_on(async {
            let closed = open.wait_for(|open| !open);
            drop(timeout(DEADLINE, closed).await.expect("closed in time"));
        });
    }

    /// Whether the other side has not closed the connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// The first message of a member of `plant`.
    #[must_use]
    pub fn link_hello(&self, plant: &PlantId) -> AdmissionMessage {
        let tag = plant_tag(plant, &self.stranger.public(), &self.listener);
        hello(Intent::Link { tag, greeting: GREETING })
    }

    /// Goes through the admission of a member that the other side knows.
    ///
    /// # Panics
    /// It is not admitted.
    pub fn admit(&self, plant: &PlantId) {
        let mut channel = self.open();
        channel.send(&self.link_hello(plant));
        let reply = channel.receive();
        assert!(matches!(reply, Some(AdmissionMessage::Welcome(_))), "{reply:?}");
        channel.send(&AdmissionMessage::Welcome(GREETING));
    }

    /// Opens the lanes of an admitted connection: for control, for values, for data. The one for
    /// commands is open as long as the connection is, and nobody says anything on it.
    #[must_use]
    pub fn lanes(&self) -> (Channel<'a>, Channel<'a>, Channel<'a>) {
        let (control, live, data, command) = self.all_lanes();
        // A closed lane would end the link.
        std::mem::forget(command);
        (control, live, data)
    }

    /// Opens the lanes of an admitted connection: for control, values, data and commands.
    #[must_use]
    pub fn all_lanes(&self) -> (Channel<'a>, Channel<'a>, Channel<'a>, Channel<'a>) {
        let mut control = self.open();
        control.negotiate(CONTROL_PROTOCOL);
        let mut live = self.open();
        live.negotiate(LIVE_PROTOCOL);
        let mut data = self.open();
        data.negotiate(DATA_PROTOCOL);
        let mut command = self.open();
        command.negotiate(COMMAND_PROTOCOL);
        (control, live, data, command)
    }

    /// The key of the node at the other end.
    #[must_use]
    pub const fn listener(&self) -> PublicKey {
        self.listener
    }
}

/// A first message in the version that nodes speak.
#[must_use]
pub const fn hello(intent: Intent) -> AdmissionMessage {
    AdmissionMessage::Hello(Hello { version: VERSION, intent })
}

/// A line as multistream-select has it.
fn multistream(line: &str) -> Vec<u8> {
    let length = u8::try_from(line.len() + 1).expect("a short name");
    [&[length][..], line.as_bytes(), b"\n"].concat()
}

/// A message with its length in front.
#[must_use]
pub fn frame(message: &impl Serialize) -> Vec<u8> {
    let body = codec::encode(message);
    let length = u32::try_from(body.len()).expect("a short message");
    [&length.to_be_bytes()[..], &body].concat()
}

impl Channel<'_> {
    /// Sends a message.
    pub fn send(&mut self, message: &impl Serialize) {
        self.send_raw(&frame(message));
    }

    /// Sends bytes. What the other side closes meanwhile is its own affair.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let Self { stranger, stream, .. } = self;
        stranger.runtime.block_on(async {
            let sent = async {
                stream.write_all(bytes).await?;
                stream.flush().await
            };
            drop(timeout(DEADLINE, sent).await.expect("it reads in time"));
        });
    }

    /// Says that nothing follows.
    pub fn finish(&mut self) {
        let Self { stranger, stream, .. } = self;
        stranger.runtime.block_on(async {
            drop(timeout(DEADLINE, stream.close()).await.expect("closed in time"));
        });
    }

    /// The next message. None if the other side ended the stream or the connection.
    ///
    /// # Panics
    /// It is of another kind, or does not come in time.
    pub fn receive<T: Serialize + DeserializeOwned>(&mut self) -> Option<T> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
        self.read(&mut body)?;
        Some(codec::decode(&body, FRAME_BYTES_MAX).expect("a message"))
    }

    /// All that the other side says until it ends the stream or the connection.
    pub fn receive_all<T: Serialize + DeserializeOwned>(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    /// The next bytes. None if the other side ended the stream or the connection.
    ///
    /// # Panics
    /// They do not come in time.
    pub fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        let mut rest = bytes;
        if !rest.is_empty()
            && let Some(ahead) = self.ahead.take()
        {
            rest[0] = ahead;
            rest = &mut rest[1..];
        }
        let Self { stranger, stream, .. } = self;
        let read =
            stranger.runtime.block_on(async { timeout(DEADLINE, stream.read_exact(rest)).await });
        read.expect("an answer in time").ok()?;
        stranger.heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(rest);
        Some(())
    }

    /// Whether something comes within a time.
    #[must_use]
    pub fn has_bytes_within(&mut self, time: Duration) -> bool {
        if self.ahead.is_none() {
            let mut byte = [0];
            let Self { stranger, stream, .. } = self;
            let read = async { timeout(time, stream.read_exact(&mut byte)).await };
            let read = stranger.runtime.block_on(read);
            if matches!(read, Ok(Ok(()))) {
                stranger.heard.lock().unwrap_or_else(PoisonError::into_inner).push(byte[0]);
                self.ahead = Some(byte[0]);
            }
        }
        self.ahead.is_some()
    }

    /// A line of multistream-select.
    fn line(&mut self) -> Option<String> {
        let mut length = [0];
        self.read(&mut length)?;
        let mut line = vec![0; usize::from(length[0])];
        self.read(&mut line)?;
        Some(String::from_utf8(line).ok()?.trim_end().to_owned())
    }

    /// Whether the other side speaks a protocol.
    #[must_use]
    pub fn speaks(&mut self, protocol: &str) -> bool {
        for line in ["/multistream/1.0.0", protocol] {
            self.send_raw(&multistream(line));
        }
        let first = self.line();
        first.is_some() && self.line().as_deref() == Some(protocol)
    }

    /// Agrees on a protocol as multistream-select 1.0 has it.
    ///
    /// # Panics
    /// The other side does not speak it.
    pub fn negotiate(&mut self, protocol: &str) {
        for line in ["/multistream/1.0.0", protocol] {
            let message = multistream(line);
            self.send_raw(&message);
            let mut echo = vec![0; message.len()];
            assert!(self.read(&mut echo).is_some(), "{line} is not answered");
            assert_eq!(echo, message, "{line} is not spoken");
        }
    }
}
