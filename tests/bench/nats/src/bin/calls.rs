//! What machines ask each other over NATS: request and reply through one server.

use anyhow::{Result, bail, ensure};
use bench_common::{CallWords, Deed, keep_in_flight, ready};
use bench_nats::connect;
use clap::Parser as _;
use futures::StreamExt as _;

/// Where is asked.
const READ: &str = "bench.read";

#[tokio::main]
async fn main() -> Result<()> {
    let words = CallWords::parse();
    let client = connect(words.address, Some(&words.tls)).await?;
    match words.deed {
        Deed::Serve => {
            let mut questions = client.subscribe(READ).await?;
            client.flush().await?;
            ready()?.end_at_stop();
            while let Some(question) = questions.next().await {
                if let Some(answer) = question.reply {
                    client.publish(answer, question.payload).await?;
                }
            }
            Ok(())
        }
        Deed::Query => {
            let orders = ready()?;
            if !orders.wait_for_go() {
                return Ok(());
            }
            let report = keep_in_flight(&words, move |question| {
                let client = client.clone();
                async move {
                    let answer = client.request(READ, question.clone().into()).await?;
                    ensure!(answer.payload == question, "another answer");
                    Ok(())
                }
            });
            report.await?.print();
            orders.wait_for_stop();
            Ok(())
        }
        Deed::Command | Deed::Lease | Deed::HandOver => bail!("NATS knows no such thing"),
    }
}
