//! A stream of a program that publishes: its values go out as its frames are read, and it hears of
//! every topic on which they do not.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::Response;
use gearmesh_protocol::framing::{ReadBuffer, framed};
use gearmesh_protocol::live::{Alias, Body, LiveError};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::stream::{AnswerFrame, PublishFrame};
use gearmesh_protocol::topic::Unit;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;

use super::super::super::plant::live::{PublishError, Publisher};
use super::super::State;
use super::super::answer::{Failure, Parameters};
use super::super::live::{absolute, unfit_as};
use super::{Connection, FRAME_MAX, StreamEnd, Upgrade, stopped};
use crate::core::plant::standing;

/// Bytes after which the reader lets others of the same thread work.
const YIELD_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
pub(in super::super) struct Pace {
    /// Whether the stream is read only as fast as links take its values.
    #[serde(default)]
    paced: bool,
}

pub(in super::super) async fn publish(
    Shared(state): Shared<State>,
    upgrade: Upgrade,
    Parameters(pace): Parameters<Pace>,
) -> Result<Response, Failure> {
    let _member = standing::member(&state.core.view())?;
    let place = state.streams.0.clone().try_acquire_owned();
    let place = place.map_err(|_| Failure::from(Refusal::StreamsFull))?;
    Ok(upgrade.serve(move |mut connection| async move {
        let mut publishing = Publishing::new(state.clone(), pace.paced);
        let end = tokio::select! {
            end = publishing.run(&mut connection) => match end { Err(end) => end },
            end = stopped(&state) => end,
        };
        drop((publishing, place));
        connection.end("publish", &end).await;
    }))
}

/// What one program publishes.
struct Publishing {
    state: State,
    is_paced: bool,
    topics: Vec<Option<Published>>,
    answers: BTreeMap<Alias, Answer>,
}

/// One topic of the program.
struct Published {
    /// Or why there is none: what the program wrote is no topic of ours.
    publisher: Result<Publisher, Refusal>,
    unit: Option<Unit>,
    /// What the program was told last.
    refused: Option<Refusal>,
}

/// What a program is to hear of a topic: the last refusal, and whether that is over.
#[derive(Default)]
struct Answer {
    refused: Option<Refusal>,
    is_taken: bool,
}

impl Publishing {
    const fn new(state: State, is_paced: bool) -> Self {
        Self { state, is_paced, topics: Vec::new(), answers: BTreeMap::new() }
    }

    /// Publishes what comes until nothing more can come.
    async fn run(&mut self, connection: &mut Connection) -> Result<Infallible, StreamEnd> {
        let Connection { reader, writer, unread, out } = connection;
        let clock = self.state.clock;
        let (mut since_yield, mut hears) = (0, true);
        let mut due: Option<Duration> = None;
        loop {
            let mut is_moving = false;
            while let Some(frame) = unread.frame()? {
                is_moving = true;
                self.take(frame).await?;
            }
            if hears && out.is_empty() {
                self.put_answers(&mut out.bytes);
            }
            due = match unread.is_within_frame() {
                true if is_moving || due.is_none() => Some(clock.tick() + FRAME_MAX),
                true => due,
                false => None,
            };
            let left = due.map(|due| due.saturating_sub(clock.tick()));
            // A program that does not read its answers is read all the same; of one that has left,
            // what it wrote before still goes out.
            tokio::select! {
                read = fill(reader, unread, left) => since_yield += read?,
                written = out.write(writer), if hears && !out.is_empty() => hears = written.is_ok(),
            }
            if since_yield >= YIELD_BYTES {
                since_yield = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    async fn take(&mut self, frame: &[u8]) -> Result<(), StreamEnd> {
        match PublishFrame::decode(frame)? {
            PublishFrame::Topic { alias, topic } => self.name(alias, topic),
            PublishFrame::Value { alias, body } => {
                let published = self.topics.get_mut(alias.index()).and_then(Option::as_mut);
                let published = published.ok_or(StreamEnd::NoTopic(alias.index()))?;
                let refused = published.publish(body, self.is_paced, &self.state).await?;
                if refused != published.refused {
                    published.refused = refused;
                    self.answers.entry(alias).or_default().change(refused);
                }
            }
        }
        Ok(())
    }

    /// Gives an alias its topic. What is wrong with it is said at once.
    fn name(&mut self, alias: Alias, text: &str) {
        let view = self.state.core.view();
        let topic = standing::member(&view)
            .map_err(Failure::from)
            .and_then(|own| absolute(own, text))
            .map_err(|failure| failure.refusal());
        let publisher = topic.map(|topic| self.state.live.publisher(&topic));
        let refused = publisher.as_ref().err().copied();
        // What was to be said of the topic before is of no use any more.
        self.answers.remove(&alias);
        if refused.is_some() {
            self.answers.entry(alias).or_default().change(refused);
        }
        if self.topics.len() <= alias.index() {
            self.topics.resize_with(alias.index() + 1, || None);
        }
        self.topics[alias.index()] = Some(Published { publisher, unit: None, refused });
    }

    fn put_answers(&mut self, out: &mut Vec<u8>) {
        for (alias, answer) in std::mem::take(&mut self.answers) {
            if let Some(refusal) = answer.refused {
                framed(out, |out| AnswerFrame::Refused { alias, refusal }.put(out));
            }
            if answer.is_taken {
                framed(out, |out| AnswerFrame::Taken { alias }.put(out));
            }
        }
    }
}

impl Answer {
    fn change(&mut self, refused: Option<Refusal>) {
        self.is_taken = refused.is_none();
        self.refused = refused.or(self.refused);
    }
}

impl Published {
    /// Publishes a value. Why it may not be published, if it may not.
    async fn publish(
        &mut self,
        body: &[u8],
        is_paced: bool,
        state: &State,
    ) -> Result<Option<Refusal>, StreamEnd> {
        // Before anything else, so that what is malformed never depends on who may publish.
        let read = match Body::decode(body) {
            Ok(read) => read,
            Err(LiveError::Sample(error)) => return Ok(Some(unfit_as(&error))),
            Err(error) => return Err(error.into()),
        };
        let unit = read.known_unit(&mut self.unit).map_err(LiveError::from)?;
        let publisher = match &self.publisher {
            Ok(publisher) => publisher,
            Err(refusal) => return Ok(Some(*refusal)),
        };
        let sample = read.view(unit.as_ref());
        Ok(match publisher.publish_encoded(body, sample, is_paced).await {
            Ok(_) => None,
            Err(PublishError::Sample(error)) => Some(unfit_as(&error)),
            Err(PublishError::Refused { refusal, .. }) => {
                // That the node was thrown out says more than that it is no member.
                let standing = standing::member(&state.core.view()).err().map(|body| body.code);
                Some(standing.unwrap_or(refusal))
            }
        })
    }
}

/// Reads once; a program that is in the middle of a frame has only so much time left.
async fn fill(
    reader: &mut OwnedReadHalf,
    unread: &mut ReadBuffer,
    left: Option<Duration>,
) -> Result<usize, StreamEnd> {
    let read = reader.read(unread.space());
    let read = match left {
        Some(left) => tokio::time::timeout(left, read).await.map_err(|_| StreamEnd::Stalled)?,
        None => read.await,
    }?;
    unread.filled(read);
    if read == 0 { Err(StreamEnd::Left) } else { Ok(read) }
}
