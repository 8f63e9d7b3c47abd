//! The side of a program that serves a verb.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::entry::FencingToken;
use gearmesh_protocol::ids::{CommandId, PublicKey};
use gearmesh_protocol::topic::Name;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::core_handle::CoreHandle;
use super::services::Services;
use crate::core::plant::Input;
use crate::core::plant::commands::{CommandInput, Ending, OUTPUT_UNFIT, Run, RunId};

/// A verb that this program serves, until it is dropped.
pub struct Serving {
    pub(super) verb: Name,
    pub(super) runs: mpsc::Receiver<Run>,
    pub(super) core: CoreHandle,
    pub(super) services: Arc<Services>,
}

impl Serving {
    /// The next thing to do; none when the node stops.
    pub async fn next(&mut self) -> Option<Running> {
        let run = self.runs.recv().await?;
        let view = self.core.view();
        let caller = view.author(&run.caller).map(|member| member.name().clone());
        // It was checked before it was taken.
        let arguments = serde_json::from_slice(&run.arguments).unwrap_or_default();
        Some(Running {
            verb: run.verb,
            command: run.command,
            caller_key: run.caller,
            caller,
            arguments,
            token: run.token,
            partner: run.partner,
            within: run.within,
            id: run.id,
            answer: Answer { core: self.core.clone(), id: Some(run.id) },
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.services.remove(&self.verb);
        let verb = self.verb.clone();
        self.core.tell_now(Input::Command(CommandInput::Withdraw { verb }));
    }
}

/// One thing to do. Whoever drops it without an answer leaves everybody without knowledge of whether
/// it was done: its caller hears `indeterminate`.
pub struct Running {
    /// What is to be done.
    pub verb: Name,
    /// The command's id; none for a query.
    pub command: Option<CommandId>,
    /// Who asks.
    pub caller_key: PublicKey,
    /// What people call the caller, while it is a member.
    pub caller: Option<Name>,
    /// The arguments, as the verb's schema takes them.
    pub arguments: Value,
    /// The lease under which the caller acts, if it named one.
    pub token: Option<FencingToken>,
    /// The partner for whom the caller, a gateway, asks.
    pub partner: Option<Name>,
    /// How long it may take from now on; after that nobody waits for the answer.
    pub within: Duration,
    pub(in crate::shell) id: RunId,
    answer: Answer,
}

/// The one answer of a run.
struct Answer {
    core: CoreHandle,
    id: Option<RunId>,
}

impl Running {
    /// It is done; this is the answer. At most 64 KiB as JSON, else it has failed.
    pub fn done(mut self, result: &impl Serialize) {
        let ending = match serde_json::to_vec(result) {
            Ok(json) => Ending::Done(json),
            Err(error) => Ending::Failed { code: OUTPUT_UNFIT, message: error.to_string() },
        };
        self.answer.give(ending);
    }

    /// It is not done; the code is the program's own, and the message is for people.
    pub fn failed(mut self, code: i32, message: impl Into<String>) {
        self.answer.give(Ending::Failed { code, message: message.into() });
    }
}

impl Answer {
    fn give(&mut self, ending: Ending) {
        if let Some(run) = self.id.take() {
            self.core.tell_now(Input::Command(CommandInput::Ended { run, ending }));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.give(Ending::Lost);
    }
}
