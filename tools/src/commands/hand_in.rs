//! `gearmesh hand-in`: give a node what was signed elsewhere.

use gearmesh_protocol::codec;
use gearmesh_protocol::local::Stored;
use gearmesh_protocol::refusal::Refusal;

use super::admin::plant;
use crate::cli::{Context, HandInArgs};
use crate::client::Client;
use crate::commands::confirmed::{self, confirmations};
use crate::exit::Failure;
use crate::output;
use crate::signing::paper::Carried;

pub(crate) async fn run(context: &Context, args: &HandInArgs) -> Result<u8, Failure> {
    let carried = Carried::read(&args.file)?;
    let client = Client::reach(context)?;
    let plant = plant(&client).await?;
    let mut last = None;
    for group in carried.groups(&plant.id)? {
        let stored: Stored =
            client.post_bytes("/v1/trust/groups", codec::encode(group.group())).await?;
        last = Some(stored.group);
    }
    let last = last.ok_or_else(|| Failure::from(Refusal::PaperUnfit))?;
    let told = confirmations(&client, &last).await?;
    match context.json {
        true => output::json_document(&told)?,
        false => {
            output::line("it is handed in and counts from now on");
            confirmed::print(&told);
        }
    }
    Ok(confirmed::exit(&told))
}
