//! `gearmesh serve`: a verb that a program executes.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_node::commands::api::{RunAnswer, RunFailure, RunOrder, ServeEvent, ServeRequest};
use gearmesh_protocol::limits::VERBS_BYTES_MAX;
use gearmesh_protocol::refusal::Refusal;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::{Context, ServeArgs};
use crate::client::Client;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::program::Program;

/// How long a node that stopped is left alone before it is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &Context, args: ServeArgs) -> Result<u8, Failure> {
    let request = ServeRequest {
        verb: args.verb.clone(),
        schema: schema_of(&args)?,
        query: args.query,
        at_once: Some(args.at_once.into()),
        within_ms: u32::try_from(args.timeout.as_millis()).ok(),
        resource: args.resource.clone(),
        jobs: args.jobs,
    };
    let served = Arc::new(Served {
        client: Client::of(&context.home)?,
        program: Program::new(&args)?,
        verb: args.verb.to_string(),
        is_json: context.json,
    });
    let serving = serve_always(&request, &served);
    tokio::select! {
        ended = serving => ended,
        stop = tokio::signal::ctrl_c() => stop.map(|()| DONE).map_err(Failure::system),
        () = stdin_ends(), if args.until_stdin_ends => Ok(DONE),
    }
}

/// Waits for the end of standard input, on a thread that nobody waits for.
async fn stdin_ends() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        let _: Result<(), ()> = ended.send(());
    });
    drop(end.await);
}

/// Serves until a node says no; one that stopped is waited for.
async fn serve_always(request: &ServeRequest, served: &Arc<Served>) -> Result<u8, Failure> {
    serve(request, served).await?;
    loop {
        output::note("the node stopped; this waits until it is back (Ctrl-C ends it)");
        loop {
            tokio::time::sleep(AGAIN_AFTER).await;
            match serve(request, served).await {
                Ok(()) => break,
                // Still stopped, or still starting: its answers will be others in a moment.
                Err(failure) if failure.is_of_a_node_that_is_away() => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Serves as long as the node is there. What runs when this ends is ended too.
async fn serve(request: &ServeRequest, served: &Arc<Served>) -> Result<(), Failure> {
    let mut events = served.client.post_events("/v1/serve", request).await?;
    let mut runs = JoinSet::new();
    loop {
        let event = tokio::select! {
            event = events.next::<ServeEvent>() => event?,
            Some(_) = runs.join_next() => continue,
        };
        match event {
            None => return Ok(()),
            Some(ServeEvent::Serving(verb)) if served.is_json => {
                output::json(&ServeEvent::Serving(verb))?;
            }
            Some(ServeEvent::Serving(verb)) => {
                output::note(format!("serving {verb} (Ctrl-C ends it)"));
            }
            Some(ServeEvent::Run(order)) => {
                let served = Arc::clone(served);
                runs.spawn(async move { served.execute(order).await });
            }
        }
    }
}

/// What is served with what.
struct Served {
    client: Client,
    program: Program,
    verb: String,
    is_json: bool,
}

#[derive(Deserialize)]
struct Taken {
    #[serde(rename = "run")]
    _run: u64,
}

impl Served {
    async fn execute(&self, order: RunOrder) {
        let caller = order.caller.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        let head = format!("{} for {caller}", self.verb);
        if self.is_json {
            drop(output::json(&ServeEvent::Run(order.clone())));
        }
        let begun = Instant::now();
        let ended = self.program.run(&self.verb, &order).await;
        let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
        if !self.is_json {
            output::note(match &ended {
                Ok(_) => format!("{head}: done in {took}"),
                Err(RunFailure { code, message }) => {
                    format!("{head}: failed ({code}) after {took}: {message}")
                }
            });
        }
        let (result, failed) = match ended {
            Ok(result) => (result, None),
            Err(failure) => (Value::Null, Some(failure)),
        };
        let answer = RunAnswer { run: order.run, result, failed };
        let told: Result<Taken, Failure> = self.client.post("/v1/serve/answer", &answer).await;
        if let Err(failure) = told {
            output::note(format!(
                "{head}: nobody waits for the answer any more: {}",
                failure.body()
            ));
        }
    }
}

fn schema_of(args: &ServeArgs) -> Result<Option<Value>, Failure> {
    let Some(file) = &args.schema else { return Ok(None) };
    let place = file.display();
    let unusable =
        |why: String| Failure::from(Refusal::SchemaUnusable).saying(format!("{place}: {why}"));
    let text = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    if text.len() > VERBS_BYTES_MAX {
        return Err(unusable(format!("it is longer than {} KiB", VERBS_BYTES_MAX / 1024)));
    }
    let schema = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
    Ok(Some(schema))
}
