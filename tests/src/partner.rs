//! A partner's gateway that keeps to nothing: it makes agreements as honest ones do, has all their
//! keys, and says what a test says, over session and gossip, by hand.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Nonce, PlantId, PublicKey, ShareId, SheetId};
use gearmesh_protocol::limits::GOSSIP_BYTES_MAX;
use gearmesh_protocol::partner::{Party, Proposal, Sheet};
use gearmesh_protocol::partner_agreement::{
    Acceptance, Signatures, agreement_words, gossip_topic, sheet_id, sign_sheet,
};
use gearmesh_protocol::partner_link::{Link, LinkProof};
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{
    Carried, GOSSIP_PROTOCOL, GossipMessage, Knock, KnockAnswer, KnockWith, PARTNER_VERSION,
    SESSION_PROTOCOL, SessionFrame,
};
use gearmesh_protocol::signed::Signed;

use crate::rpc::{HeardRpc, Rpc};
use crate::stranger::{Channel, Connection, Stranger};

/// How long something that may not come is waited for.
const A_SECOND: Duration = Duration::from_secs(1);

/// A company that exists in a test's hands alone.
pub struct Partner {
    stranger: Stranger,
    gateway: SigningKey,
    admin: SigningKey,
    address: String,
    /// What it agreed on.
    pub sheet: Sheet,
    /// The agreement's id.
    pub id: SheetId,
    words: String,
}

/// A connection to the other side, let in by agreement.
pub struct Line<'a> {
    /// The whole connection.
    pub connection: Connection<'a>,
    /// The session.
    pub session: Channel<'a>,
    /// What this side gossips.
    gossip: Option<Channel<'a>>,
}

impl Partner {
    /// Follows a share link to a gateway and signs what it finds there, with keys that follow from a
    /// number.
    ///
    /// # Panics
    /// The gateway does not play along.
    #[must_use]
    pub fn accepting(link: &str, address: &str, seed: u8) -> Self {
        let (gateway, admin) =
            (SigningKey::from_bytes(&[seed; 32]), SigningKey::from_bytes(&[seed ^ 0x80; 32]));
        let link: Link = link.parse().expect("a link");
        let stranger = Stranger::with(gateway.clone());
        let (sheet, payload) = {
            let connection = stranger.dial(address);
            let proof =
                LinkProof { link: link.id(), from: stranger.public(), at: connection.listener() };
            let proof = Signed::sign(&link.key(), &PlantId::ZERO, &proof);
            assert_eq!(knock(&connection, KnockWith::Link(proof)), Some(KnockAnswer::Welcome));
            let mut session = connection.open();
            session.negotiate(SESSION_PROTOCOL);
            session.send(&SessionFrame::AskProposal);
            let Some(SessionFrame::Proposal(signed)) = session.receive() else {
                panic!("no proposal")
            };
            let proposal: Proposal = signed.peek().expect("a proposal");
            let to = Party {
                plant: PlantId([seed; 32]),
                name: format!("Company {seed:03}").parse().expect("a title"),
                admin: PublicKey::of(&admin),
                gateway: PublicKey::of(&gateway),
            };
            let nonce = Nonce([seed; 16]);
            session.send(&SessionFrame::Take { to: to.clone(), nonce });
            let Some(SessionFrame::Reveal(theirs)) = session.receive() else { panic!("no nonce") };
            let Proposal { share, revision, from, terms, .. } = proposal;
            let sheet = Sheet { share, revision, from, to, terms, nonces: (theirs, nonce) };
            let payload = codec::encode(&sheet);
            let [admin, gateway] =
                [&admin, &gateway].map(|key| sign_sheet(key, &sheet.from.plant, &payload));
            let to = Signatures { admin, gateway };
            session.send(&SessionFrame::Accepted(Acceptance { sheet: payload.clone(), to }));
            // Whatever it answers, it has read that.
            session.send(&SessionFrame::AskProposal);
            drop(session.receive::<SessionFrame>());
            (sheet, payload)
        };
        let id = sheet_id(&payload);
        let (address, words) = (address.to_owned(), agreement_words(&id));
        Self { stranger, gateway, admin, address, sheet, id, words }
    }

    /// What its admin reads by phone.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Its gateway's key.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.gateway
    }

    /// Its admin's key.
    #[must_use]
    pub const fn admin(&self) -> &SigningKey {
        &self.admin
    }

    /// All bytes that the other side ever said to it, as they were before they were encrypted.
    #[must_use]
    pub fn heard(&self) -> Vec<u8> {
        self.stranger.heard()
    }

    /// The stream.
    #[must_use]
    pub const fn share(&self) -> ShareId {
        self.sheet.share
    }

    /// The topic on which the other side speaks.
    #[must_use]
    pub fn their_topic(&self) -> String {
        gossip_topic(&self.share(), &self.sheet.from.gateway).to_string()
    }

    /// The topic on which this side speaks.
    #[must_use]
    pub fn own_topic(&self) -> String {
        gossip_topic(&self.share(), &PublicKey::of(&self.gateway)).to_string()
    }

    /// Knocks by agreement, and says what it hears.
    #[must_use]
    pub fn knock(&self) -> Option<KnockAnswer> {
        knock(&self.stranger.dial(&self.address), KnockWith::Agreement)
    }

    /// Comes in by agreement, with a session, and without gossip.
    ///
    /// # Panics
    /// It is not let in.
    #[must_use]
    pub fn come_in(&self) -> Line<'_> {
        let connection = self.stranger.dial(&self.address);
        assert_eq!(knock(&connection, KnockWith::Agreement), Some(KnockAnswer::Welcome));
        let mut session = connection.open();
        session.negotiate(SESSION_PROTOCOL);
        Line { connection, session, gossip: None }
    }

    /// The other side's present key, from the envelope that it sends to whoever comes.
    ///
    /// # Panics
    /// It sends none.
    pub fn epoch(&self, line: &mut Line<'_>) -> (u64, EpochKey) {
        loop {
            let frame = line.session.receive().expect("an envelope");
            let SessionFrame::Envelope(signed) = frame else { continue };
            let Party { plant, gateway, .. } = &self.sheet.from;
            let envelope = signed.verify(plant, gateway).expect("signed by the gateway");
            let epoch = envelope.value().epoch;
            return (epoch, EpochKey::unwrap(&self.gateway, &envelope).expect("for this side"));
        }
    }

    /// What a message holds, for whoever has the key.
    #[must_use]
    pub fn opened(&self, key: &EpochKey, message: &[u8]) -> Option<Carried> {
        match codec::decode(message, GOSSIP_BYTES_MAX).ok()? {
            GossipMessage::Sealed(sealed) => key.open(&self.share(), &sealed).ok(),
            GossipMessage::Envelope(_) => None,
        }
    }
}

impl<'a> Line<'a> {
    /// Gossips a frame. The stream is opened with the first.
    pub fn gossip(&mut self, rpc: &Rpc) {
        self.gossip_raw(&rpc.framed());
    }

    /// Says these bytes where frames of gossip are expected.
    pub fn gossip_raw(&mut self, bytes: &[u8]) {
        let Self { connection, gossip, .. } = self;
        let stream = gossip.get_or_insert_with(|| {
            let mut stream = connection.open();
            stream.negotiate(GOSSIP_PROTOCOL);
            stream
        });
        stream.send_raw(bytes);
    }

    /// Begins a further gossip stream; the one before is closed.
    pub fn gossip_anew(&mut self) {
        self.gossip = None;
    }

    /// Takes the stream on which the other side gossips.
    ///
    /// # Panics
    /// It opens another one first.
    #[must_use]
    pub fn hear(&self) -> Hearing<'a> {
        let (protocol, stream) = self.connection.accept().expect("a stream");
        assert_eq!(protocol, GOSSIP_PROTOCOL);
        Hearing { stream, recorded: Vec::new() }
    }

    /// Reads frames until one is as wanted. All that came, with it.
    ///
    /// # Panics
    /// The session ends first.
    pub fn frames_until(&mut self, wanted: impl Fn(&SessionFrame) -> bool) -> Vec<SessionFrame> {
        let mut frames = Vec::new();
        while !frames.last().is_some_and(&wanted) {
            frames.push(self.session.receive().expect("a frame"));
        }
        frames
    }
}

/// The stream on which a gateway gossips to a partner.
pub struct Hearing<'a> {
    stream: Channel<'a>,
    /// All frames that were said on it.
    pub recorded: Vec<Vec<u8>>,
}

impl Hearing<'_> {
    /// The next frame.
    ///
    /// # Panics
    /// None comes.
    pub fn frame(&mut self) -> HeardRpc {
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let mut byte = [0];
            self.stream.read(&mut byte).expect("a length");
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut frame = vec![0; length];
        self.stream.read(&mut frame).expect("a frame");
        let heard = HeardRpc::read(&frame);
        self.recorded.push(frame);
        heard
    }

    /// The next message on a topic.
    pub fn message_on(&mut self, topic: &str) -> (String, Vec<u8>) {
        loop {
            let mut messages = self.frame().messages.into_iter();
            if let Some(message) = messages.find(|(on, _)| on == topic) {
                return message;
            }
        }
    }

    /// A message on a topic, if one comes within a second.
    pub fn heard_within_a_second(&mut self, topic: &str) -> Option<()> {
        while self.stream.has_bytes_within(A_SECOND) {
            if self.frame().messages.iter().any(|(on, _)| on == topic) {
                return Some(());
            }
        }
        None
    }
}

/// Says a first word, and hears the answer.
fn knock(connection: &Connection<'_>, with: KnockWith) -> Option<KnockAnswer> {
    let mut channel = connection.open();
    channel.send(&Knock { version: PARTNER_VERSION, with });
    channel.receive()
}
