//! `gearmesh why`: what is wrong with a member, in plain sentences.

use gearmesh_node::leases::api::ResourceStatus;
use gearmesh_protocol::inspect::Why;
use gearmesh_protocol::local::MemberStatus;

use super::{lease, named};
use crate::cli::{Context, WhyArgs};
use crate::client::Client;
use crate::commands::add::no_plant;
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: WhyArgs) -> Result<u8, Failure> {
    let client = Client::reach(context)?;
    let members: Vec<MemberStatus> = client.get("/v1/members").await?;
    if members.is_empty() {
        return Err(no_plant());
    }
    let resources = lease::all(&client, Some(args.name.as_str())).await?;
    let is_member = members.iter().any(|member| member.name == args.name.as_str());
    if !is_member && !resources.is_empty() {
        return tell_resources(context, &resources);
    }
    let member = named::any(&members, args.name.as_str(), args.key.as_deref())?;
    let why: Why = client.get(&format!("/v1/why?key={}", member.key)).await?;
    if context.json {
        output::json_document(&why)?;
        return Ok(DONE);
    }
    if why.findings.is_empty() {
        output::line(format!("nothing is wrong with {}", args.name));
    }
    for finding in &why.findings {
        output::line(format!("{}: {}", args.name, finding.text));
        output::line(format!("  {}", finding.mend));
    }
    Ok(DONE)
}

/// Of something that machines share, who holds it.
fn tell_resources(context: &Context, resources: &[ResourceStatus]) -> Result<u8, Failure> {
    if context.json {
        output::json_document(&resources)?;
        return Ok(DONE);
    }
    resources.iter().flat_map(lease::sentences).for_each(output::line);
    Ok(DONE)
}
