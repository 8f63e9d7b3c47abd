//! Calls of partners as commands of the plant, and what was decided about partners in its audit trail.

use std::time::Duration;

use gearmesh_protocol::entry::{CommandState, DataEntry, PartnerAct};
use gearmesh_protocol::limits::COMMAND_TTL_MS_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use tokio::sync::mpsc;

use super::super::commands::api::CallState;
use super::super::commands::{Commands, Request};
use super::super::values::Values;
use crate::core::bridge::Commanded;
use crate::core::partner::Input;

/// Outcomes that wait for the core.
const OVER_MAX: usize = 64;

/// Acts that wait for the plant's log; more are left out, and said.
const ACTS_MAX: usize = 256;

/// What became of a command, and a sentence where there is more to say.
type Ended = (CommandState, String);

/// The way of partners' calls to the plant.
pub(super) struct Commanding {
    commands: Commands,
    over: (mpsc::Sender<Input>, mpsc::Receiver<Input>),
    acts: mpsc::Sender<PartnerAct>,
}

impl Commanding {
    /// The way into this plant.
    pub(super) fn new(commands: Commands, values: Values) -> Self {
        let (acts, waiting) = mpsc::channel(ACTS_MAX);
        tokio::spawn(write_down(values, waiting));
        Self { commands, over: mpsc::channel(OVER_MAX), acts }
    }

    /// Has the plant carry a call out, or say what became of it.
    pub(super) fn begin(&self, command: Commanded) {
        let (commands, over) = (self.commands.clone(), self.over.0.clone());
        tokio::spawn(async move {
            let (sheet, number) = command.call();
            let ended = carried_out(&commands, &command).await;
            // The plane may have stopped; the next life asks again.
            drop(over.send(Input::CallOver { sheet, number, ended }).await);
        });
    }

    /// What became of a call next.
    pub(super) async fn next(&mut self) -> Option<Input> {
        self.over.1.recv().await
    }

    /// Notes what was decided. The partner journal is what counts; this is for people.
    pub(super) fn note(&self, act: PartnerAct) {
        if self.acts.try_send(act).is_err() {
            tracing::warn!(
                "too much waits for the audit trail; an act about a partner is left out"
            );
        }
    }
}

async fn write_down(values: Values, mut acts: mpsc::Receiver<PartnerAct>) {
    while let Some(act) = acts.recv().await {
        if let Err(refusal) = values.write(&[DataEntry::Partner(act)]).await {
            tracing::warn!(%refusal, "an act about a partner is not in the audit trail");
        }
    }
}

/// What became of a command. None if nobody knows yet; then it is asked again.
async fn carried_out(commands: &Commands, command: &Commanded) -> Option<Ended> {
    let is_recall = command.within().is_zero();
    let Ok(machine) = commands.machine(command.machine().as_str()) else {
        // Whoever was to do it is no member any more, so nobody can say.
        return Some(plainly(match is_recall {
            true => CommandState::Indeterminate,
            false => CommandState::Refused(Refusal::MachineAway),
        }));
    };
    let request = Request {
        id: Some(command.id()),
        ttl: command.within().min(Duration::from_millis(COMMAND_TTL_MS_MAX.into())),
        waits: false,
        partner: Some(command.partner().clone()),
        ..Request::new(
            machine,
            command.verb().clone(),
            serde_json::from_slice(command.arguments()).unwrap_or_default(),
        )
    };
    let ended = match commands.call_or_recall(request) {
        Ok(calling) => calling.outcome().await,
        Err(body) => Err(body),
    };
    match ended {
        Ok(state) => told(state),
        Err(body) if body.code == Refusal::MachineUnreachable && !is_recall => {
            Some(plainly(CommandState::Refused(Refusal::MachineAway)))
        }
        Err(_) => None,
    }
}

/// What a partner is told of a command: that it was refused, and no more of why than concerns it.
fn told(state: CallState) -> Option<Ended> {
    Some(match state {
        CallState::Received | CallState::Accepted | CallState::Unknown(_) => return None,
        CallState::Done { result } => {
            plainly(CommandState::Done { result: result.to_string().into_bytes() })
        }
        CallState::Failed { code, message } => plainly(CommandState::Failed { code, message }),
        CallState::Refused(ErrorBody { code: Refusal::ArgumentsUnfit, error, .. }) => {
            (CommandState::Refused(Refusal::ArgumentsUnfit), error)
        }
        CallState::Refused(body) if body.code == Refusal::VerbUnknown => {
            plainly(CommandState::Refused(Refusal::MachineAway))
        }
        CallState::Refused(body) => plainly(CommandState::Refused(body.code)),
        CallState::Expired => plainly(CommandState::Expired),
        CallState::Indeterminate => plainly(CommandState::Indeterminate),
    })
}

const fn plainly(state: CommandState) -> Ended {
    (state, String::new())
}
