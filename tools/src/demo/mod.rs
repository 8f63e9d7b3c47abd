//! `gearmesh demo`: a plant of four nodes on this machine, with its real values, a cell at work, and a customer
//! with a plant of its own.
//!
//! Nodes, keys, invitations, connections, commands, leases and work items are real, and so are the values of
//! the machine it runs on. Only the press, the robot and the packer are not there: each is a program that
//! writes down what it did.

mod cell;
mod customer;
pub(crate) mod machine;
mod plant;
mod process;
mod record;
mod steps;
mod table;

use std::time::Duration;

use gearmesh_protocol::refusal::Refusal;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Context, DemoArgs};
use crate::exit::{DONE, FAILED, Failure};
use crate::output;
use plant::DemoPlant;
use steps::Steps;

/// How long the whole of `--once` may take.
const ONCE_MAX: Duration = Duration::from_secs(120);

pub(crate) async fn run(context: &Context, args: DemoArgs) -> Result<u8, Failure> {
    // Before there is anything to clean up.
    let stopped = stop_signal().map_err(Failure::system)?;
    let mut steps = Steps::new(context.json);
    let mut plant = DemoPlant::create()?;
    let work = async {
        steps::bring_up(&mut plant, &mut steps).await?;
        if let Some(recording) = &args.replay {
            steps::replay(&mut plant, &mut steps, recording).await?;
        }
        let mut cell = steps::begin_cell(&mut plant, &mut steps).await?;
        let customer = steps::begin_customer(&mut plant, &mut steps).await?;
        match args.once {
            true => {
                let both = (&mut cell, &customer);
                steps::prove_customer(&plant, &mut steps, both).await?;
                steps::prove_cell(&plant, &mut steps, cell).await?;
                steps::prove(&mut plant, &mut steps).await
            }
            false => table::watch(&plant, cell, customer).await,
        }
    };
    let work = async {
        match args.once {
            true => tokio::time::timeout(ONCE_MAX, work)
                .await
                .unwrap_or_else(|_| Err(failed(format!("not done within {ONCE_MAX:?}")))),
            false => work.await,
        }
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        // Whoever stops the table has seen enough; whoever stops the proof has none.
        () = stopped => match args.once {
            true => Err(Refusal::Interrupted.into()),
            false => Ok(()),
        },
    };
    plant.stop().await;
    match outcome {
        Ok(()) if args.once => steps.finish(None),
        Ok(()) => Ok(DONE),
        Err(failure) if args.once => {
            output::failure(&failure, context.json);
            steps.finish(Some(failure.body().error.clone())).map(|_| FAILED)
        }
        Err(failure) => Err(failure),
    }
}

/// A step of the demo came out otherwise than it should.
fn failed(what: impl std::fmt::Display) -> Failure {
    Failure::from(Refusal::DemoFailed).saying(what)
}

/// Comes when somebody stops the demo: Ctrl-C, `kill`, or a terminal that is closed.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
