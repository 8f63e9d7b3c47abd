//! The verbs that programs of this machine serve: whom a run goes to, and what it takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearmesh_protocol::topic::Name;
use serde_json::Value;
use tokio::sync::mpsc;

use super::schema::Schema;
use crate::core::plant::commands::{Fit, Run, RunId};

/// What one verb is served with.
struct Served {
    runs: mpsc::Sender<Run>,
    schema: Option<Arc<Schema>>,
}

/// All verbs.
#[derive(Default)]
pub(in crate::shell) struct Services {
    served: Mutex<BTreeMap<Name, Served>>,
}

impl Services {
    /// A program serves a verb from now on.
    pub(super) fn add(&self, verb: Name, schema: Option<Schema>, runs: mpsc::Sender<Run>) {
        let schema = schema.map(Arc::new);
        self.lock().insert(verb, Served { runs, schema });
    }

    /// It does not any more.
    pub(super) fn remove(&self, verb: &Name) {
        self.lock().remove(verb);
    }

    /// Whether arguments are JSON, and what the verb takes if it is served here.
    pub(in crate::shell) fn fit(&self, verb: &Name, arguments: &[u8]) -> Fit {
        let arguments: Value = serde_json::from_slice(arguments)
            .map_err(|error| format!("the arguments are no JSON: {error}"))?;
        let schema = self.lock().get(verb).and_then(|served| served.schema.clone());
        schema.map_or(Ok(()), |schema| schema.check(&arguments))
    }

    /// Hands a run to the program that serves the verb.
    ///
    /// # Errors
    /// Nobody takes it.
    pub(super) fn run(&self, run: Run) -> Result<(), RunId> {
        let runs = self.lock().get(&run.verb).map(|served| served.runs.clone());
        let id = run.id;
        runs.ok_or(id)?.try_send(run).map_err(|_| id)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
