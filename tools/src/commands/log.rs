//! `gearmesh log`: who did what, and when.

use gearmesh_protocol::audit::{AuditKind, AuditLine, AuditLog};

use crate::cli::{Context, LogArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: LogArgs) -> Result<u8, Failure> {
    let mut path = format!("/v1/log?count={}", args.count);
    for (name, time) in [("since", args.since), ("until", args.until)] {
        path.extend(time.map(|time| format!("&{name}={}", time.0)));
    }
    path.extend(args.name.map(|name| format!("&name={}", query(&name))));
    let log: AuditLog = Client::reach(context)?.get(&path).await?;
    if context.json {
        log.lines.iter().try_for_each(output::json)?;
        return Ok(DONE);
    }
    output::table(&["TIME", "WHO", "WHAT"], &log.lines.iter().map(row).collect::<Vec<_>>());
    if log.earlier > 0 {
        let lines = output::counted(log.earlier, "older line", "older lines");
        output::note(format!("{lines} not shown: --count, --since"));
    }
    if !log.has_commands {
        output::note("This node keeps no data logs: ask a machine or gateway for commands too.");
    }
    Ok(DONE)
}

fn row(line: &AuditLine) -> Vec<String> {
    let text = match line.kind {
        AuditKind::Trust | AuditKind::Lease | AuditKind::Partner | AuditKind::Visit => {
            line.text.clone()
        }
        AuditKind::Command => format!("{} (command)", line.text),
    };
    let at = match line.kind {
        // It was written at that time or later.
        AuditKind::Lease => format!("≥ {}", line.at),
        AuditKind::Trust | AuditKind::Command | AuditKind::Partner | AuditKind::Visit => {
            line.at.to_string()
        }
    };
    vec![at, line.who.clone(), text]
}
