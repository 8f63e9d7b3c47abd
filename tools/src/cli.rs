//! The words of the command line.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use gearmesh_node::daemon::{self, HOME_VARIABLE, UpArgs, default_home, duration};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::PlantId;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Scope, Title, Unit};
use gearmesh_protocol::trust::Reason;

use crate::commands;
use crate::demo;
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::now;

mod authority;
mod context;
mod jobs;
mod leases;
mod machines;
mod members;
mod operating;
mod partners;
mod root;

pub(crate) use root::{RotateArgs, SettleRootArgs};

use authority::AuthorityCommand;
pub(crate) use authority::{
    AdminAddArgs, AdminRemoveArgs, HandInArgs, PassphraseArgs, RecoverArgs, RegistrarArgs,
    RootArgs, SignArgs,
};
pub(crate) use context::Context;
use context::place;
pub(crate) use jobs::{CancelArgs, JobsArgs, JobsWord, OfferArgs, RehomeArgs};
pub(crate) use leases::{AcquireArgs, LeaseArgs, LeaseWord, LossWord, RunArgs, WantedArgs};
pub(crate) use machines::{CallArgs, ServeArgs, VerbsArgs, token};
use members::MembersCommand;
pub(crate) use members::{
    AddArgs, ClaimsArgs, End, FoundAt, LeaveArgs, ReplaceArgs, RoleWord, SetArgs, VoidArgs,
    WipeArgs,
};
use operating::Operating;
pub(crate) use operating::{
    BackupArgs, ConfigArgs, GetArgs, LogArgs, ReplayArgs, RestoreArgs, ServiceArgs, ServiceCommand,
    TokenAddArgs, TokenCommand, TopArgs,
};
pub(crate) use partners::{
    AcceptArgs, AmendArgs, EndArgs, NoticeArgs, PartnerCallArgs, PreviewArgs, ProposeArgs,
    ReceiptsArgs, ShareArgs, ShareCommand, ShareMoveArgs, TakeArgs,
};

const AFTER_HELP: &str = "\
First steps:
  gearmesh init \"Rossi\"              found a plant; this machine is its first member
  gearmesh up                        run the node (leave it running)
  gearmesh add press-1 robot-1       make codes for machines, and watch them join
  gearmesh join gm1:…                on each machine: join with its code
  gearmesh sub '+/host/cpu/#'        follow values
  gearmesh top                       watch machines and values
  gearmesh serve load --exec ./load  let others ask this machine to load
  gearmesh call robot-1 load         ask a machine to do something, once
  gearmesh offer pack '{\"part\": 17}' have whoever can do it
  gearmesh lease run crane -- ./lift use what only one may use at once
  gearmesh revoke press-1 --reason lost
  gearmesh doctor                    look for what is wrong here

Exit codes: 0 done · 1 refused or failed · 2 wrong words · 3 no node · 4 done in part";

/// Machines of one company that find, trust and talk to each other without a server.
#[derive(Parser)]
#[command(name = "gearmesh", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The node's home directory (default: ~/.gearmesh).
    #[arg(long, global = true, env = HOME_VARIABLE, value_name = "DIR")]
    home: Option<PathBuf>,

    /// The admin keyring (default: the home's name with .keyring at its end).
    #[arg(long, global = true, env = "GEARMESH_KEYRING", value_name = "DIR")]
    keyring: Option<PathBuf>,

    /// Write what is to be signed into this file, for `gearmesh sign` where the keyring is.
    #[arg(long, global = true, value_name = "FILE")]
    unsigned: Option<PathBuf>,

    /// Do it at this member, over the network, from a machine that is no node: IP:PORT, or IP.
    ///
    /// For what an admin signs and looks at (add, revoke, set, members, log and the like); needs the
    /// keyring of an admin here.
    #[arg(long = "node", global = true, value_name = "ADDR", conflicts_with = "unsigned",
          value_parser = place)]
    visit: Option<SocketAddr>,

    /// The plant that a new keyring is to sign for, the first time it is used with --node: the id that
    /// `gearmesh status --json` shows at a member.
    #[arg(long, global = true, value_name = "ID", requires = "visit")]
    plant: Option<PlantId>,

    /// Answer in JSON: one document, or one object per line where values stream.
    ///
    /// `up` and the demo's table answer people only.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Found a plant; this node becomes its first member, gateway and registrar.
    Init(InitArgs),
    /// Run the node in the foreground.
    #[command(after_help = "Example: gearmesh up --listen 192.168.1.10 --connect 192.168.2.10")]
    Up(UpArgs),
    #[command(flatten)]
    OfMembers(MembersCommand),
    #[command(flatten)]
    OfAuthority(AuthorityCommand),
    /// Join a plant with an invitation code.
    Join(JoinArgs),
    /// Show what this node is and how it stands.
    #[command(after_help = "Example: gearmesh status --json")]
    Status,
    /// List the members of the plant and how they can be reached.
    #[command(after_help = "Example: gearmesh members")]
    Members,
    /// Publish one value.
    Pub(PubArgs),
    /// Follow values until Ctrl-C.
    Sub(SubArgs),
    /// Show durable values of the past, as far as this node holds them.
    History(HistoryArgs),
    /// Write durable values as a table, or as a file that proves what it says.
    Export(ExportArgs),
    /// Check an export, a backup, or the ledger in this home, without a node: who signed what, and
    /// whether they might.
    Verify(VerifyArgs),
    /// Ask a machine to do something, at most once, and wait for its answer.
    Call(CallArgs),
    /// Offer something that machines can ask this one to do, done by a program.
    Serve(ServeArgs),
    /// List what machines can be asked for.
    Verbs(VerbsArgs),
    /// Offer work to whichever machine can do it first, exactly once.
    Offer(OfferArgs),
    /// List work items: who has them, and what became of them.
    Jobs(JobsArgs),
    /// Share something that only one, or some, may use at once.
    Lease(LeaseArgs),
    /// Throw a member out, for good.
    Revoke(RevokeArgs),
    /// Say in plain sentences what is wrong with a member or its durable values, or who holds a
    /// resource.
    Why(WhyArgs),
    /// Join the branches of this machine's durable values, if all of them are its own.
    Settle(SettleArgs),
    #[command(flatten)]
    Operating(Operating),
    /// Offer values to another company, or confirm what it accepted.
    Share(ShareArgs),
    /// See what another company offers, and accept it.
    Accept(AcceptArgs),
    /// Replace the sheet of an agreement by a new one, signed again by both.
    Amend(AmendArgs),
    /// List what was offered to other companies and is not confirmed yet.
    #[command(after_help = "Example: gearmesh shares")]
    Shares,
    /// List what was agreed with other companies, and what flows.
    #[command(after_help = "Example: gearmesh agreements --json")]
    Agreements,
    /// Show what a partner would see of what is published now.
    Preview(PreviewArgs),
    /// End an agreement with another company, or withdraw an offer.
    End(EndArgs),
    /// Show what crossed, as both sides counted and signed it.
    Receipts(ReceiptsArgs),
    /// See it work: a plant of four nodes on this machine, with its real values and a cell at work.
    Demo(DemoArgs),
    /// What a machine of the demo does when it is asked.
    #[command(hide = true)]
    DemoMachine(demo::machine::MachineArgs),
}

impl Command {
    /// Whether it can be done at a member over the network.
    const fn is_for_visits(&self) -> bool {
        match self {
            Self::Status | Self::Members | Self::Revoke(_) | Self::Why(_) => true,
            Self::OfMembers(command) => command.is_for_visits(),
            Self::OfAuthority(command) => command.is_for_visits(),
            Self::Operating(command) => matches!(command, Operating::Log(_)),
            _ => false,
        }
    }
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh init \"Rossi\" --node-name gateway-1")]
pub(crate) struct InitArgs {
    /// What people call the plant.
    pub(crate) name: Title,

    /// What this node is called (default: the machine's host name).
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<Name>,

    /// Where this node publishes: area/line/machine (default: its name).
    #[arg(long)]
    pub(crate) scope: Option<Scope>,

    /// Who stands above the admins.
    #[command(flatten)]
    pub(crate) root: RootArgs,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh join gm1:jp9q3zak…")]
pub(crate) struct JoinArgs {
    /// The code, as `gearmesh add` printed it; - reads it from standard input.
    ///
    /// Blanks and line breaks inside it do no harm.
    #[arg(required = true, value_name = "CODE")]
    pub(crate) code: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh pub oil/temperature 41.5 --unit Cel")]
pub(crate) struct PubArgs {
    /// Where: relative to the own scope, or absolute with a leading /.
    pub(crate) topic: String,

    /// true, 42, 3.5 or any text.
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,

    /// Unit of measure, UCUM: Cel, %, bar, 1/min.
    #[arg(long)]
    pub(crate) unit: Option<Unit>,

    /// Make it durable: it is on this machine's disk when the command is done, and goes to the
    /// other machines and gateways, now or when they are back.
    #[arg(long)]
    pub(crate) durable: bool,

    /// When a durable value is safe: `local` on this machine's disk, `replicated=N` on those of N
    /// other members too.
    #[arg(long, value_name = "local|replicated=N", requires = "durable")]
    pub(crate) ack: Option<AckLevel>,

    /// Publish it only while this machine holds a lease of this resource.
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) lease: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh history 'press-1/part/#' --since 8h")]
pub(crate) struct HistoryArgs {
    /// Which topics: + stands for one level, # at the end for all the rest.
    #[arg(default_value = "#")]
    pub(crate) filter: String,

    /// From then on: 8h ago, 7d ago, or a time in UTC such as 2026-11-22 or 2026-11-22T14:03:00Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) since: Option<UnixMillis>,

    /// Until then, written alike.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) until: Option<UnixMillis>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh export 'press-1/part/#' --since 7d --jsonl > week.jsonl")]
pub(crate) struct ExportArgs {
    /// What is wanted.
    #[command(flatten)]
    pub(crate) wanted: HistoryArgs,

    /// A table for spreadsheets, in the order of time: time, topic, value, unit, quality, author.
    #[arg(long, required_unless_present = "jsonl", conflicts_with = "jsonl")]
    pub(crate) csv: bool,

    /// Lines of JSON with the signatures of the authors and the plant's records: gearmesh verify
    /// checks them anywhere, without a node.
    #[arg(long)]
    pub(crate) jsonl: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh verify week.jsonl    an export, on any machine
  gearmesh verify rossi.backup  what a backup holds, and whether it is whole
  gearmesh verify --ledger      what this home holds of its plant
  gearmesh verify --agreement output  what it holds of an agreement with another company")]
pub(crate) struct VerifyArgs {
    /// What gearmesh export --jsonl or gearmesh backup wrote; - reads an export from standard input.
    /// Without a file: the ledger.
    pub(crate) file: Option<PathBuf>,

    /// Check the ledger in this home: every signature, and who is a member by it. The node may run.
    #[arg(long, conflicts_with = "file")]
    pub(crate) ledger: bool,

    /// Check an agreement in this home: the signatures under it, both logs against it, the last counts. The
    /// node may run.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "ledger"])]
    pub(crate) agreement: Option<Name>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh sub 'press-1/host/cpu/#' --count 10")]
pub(crate) struct SubArgs {
    /// Which topics: + stands for one level, # at the end for all the rest.
    pub(crate) filter: String,

    /// Stop after so many values.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Follow durable values by a name of your choice: the first time all that this node holds,
    /// after that whatever came since the name was used last. What was printed is not repeated,
    /// unless the node or this command was killed within the last second.
    #[arg(long, value_name = "NAME")]
    pub(crate) durable: Option<Name>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh revoke press-1 --reason lost
  gearmesh revoke press-1 --reason compromised                     shows what its key wrote last
  gearmesh revoke press-1 --reason compromised --cut 5a21c0ffee12  up to there it counts")]
pub(crate) struct RevokeArgs {
    /// The member's name.
    pub(crate) name: Name,

    /// Which of several members with this name: its check words, or the first digits of its key.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) key: Option<String>,

    /// Why. With `compromised`, --cut says how much of what the key signed still counts.
    #[arg(long, value_enum)]
    pub(crate) reason: ReasonWord,

    /// The last record, or group of durable values, of the key that counts, as the list shows it:
    /// one for each list. `all`: of a list of which none is named, nothing counts. Only with
    /// `compromised`; without it, this command shows the lists.
    #[arg(long, value_name = "GROUP|all")]
    pub(crate) cut: Vec<CutWord>,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Where the logs of a compromised key end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CutWord {
    /// Before their first group, where no other word names one.
    All,
    /// After the group whose id begins like this.
    After(String),
}

impl FromStr for CutWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match text {
            "all" => Ok(Self::All),
            digits if is_hex => Ok(Self::After(digits.to_ascii_lowercase())),
            _ => Err("write the hexadecimal digits in front of a line, or all".to_owned()),
        }
    }
}

impl std::fmt::Display for CutWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::After(digits) => digits,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReasonWord {
    /// Taken out of service.
    Retired,
    /// Gone, nobody knows where.
    Lost,
    /// Another machine does its work now.
    Replaced,
    /// Somebody else may hold its key.
    Compromised,
}

impl From<ReasonWord> for Reason {
    fn from(word: ReasonWord) -> Self {
        match word {
            ReasonWord::Retired => Self::Retired,
            ReasonWord::Lost => Self::Lost,
            ReasonWord::Replaced => Self::Replaced,
            ReasonWord::Compromised => Self::Compromised,
        }
    }
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh why press-1")]
pub(crate) struct WhyArgs {
    /// The member's name, or a resource.
    pub(crate) name: Name,

    /// Which of several members with this name: its check words, or the first digits of its key.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) key: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
A machine whose disk was put back to an older copy may write anew what it had written
before: then its durable values have two branches, and every member shows an alarm. On that
machine, this command shows the branches and joins them; nothing of either is lost. If
another machine wrote one of them, do not join them: revoke the key.

Example: gearmesh settle")]
pub(crate) struct SettleArgs {
    /// This machine's name; another's is settled on that machine.
    pub(crate) name: Option<Name>,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh demo --once --json")]
pub(crate) struct DemoArgs {
    /// Run all of it once, check every step, and stop.
    #[arg(long)]
    pub(crate) once: bool,

    /// Let the press play a recording, ten times as fast as it was: MTConnect SHDR or CSV.
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
}

/// Says of words that make no command what is wrong with them, and how the command is typed. Help
/// and version are printed as they are: whoever typed those words asked for them.
pub(crate) fn wrong_words(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let typed: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let options = typed.iter().take_while(|word| *word != "--");
    let is_json = options.clone().any(|word| word == "--json");
    let commands = Arguments::command();
    let command = options.clone().find(|word| commands.find_subcommand(word).is_some());
    let program = command.map_or_else(|| "gearmesh".to_owned(), |name| format!("gearmesh {name}"));
    let failure = Failure::from(daemon::unread_words(error))
        .mended_by(format!("see which it takes: {program} --help"));
    output::failure(&failure, is_json);
    if !is_json {
        let is_blank = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let help = is_blank.then(|| error.render().to_string());
        if let Some(usage) = help.or_else(|| daemon::usage(error)) {
            output::note(format!("\n{}", usage.trim_end()));
        }
    }
    ExitCode::from(failure.exit())
}

/// Carries a command out.
pub(crate) fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    let home_is_named = arguments.home.is_some();
    let home = arguments.home.unwrap_or_else(default_home);
    let keyring = arguments.keyring.unwrap_or_else(|| {
        let mut name = home.clone().into_os_string();
        name.push(".keyring");
        name.into()
    });
    let (json, unsigned) = (arguments.json, arguments.unsigned);
    let (visit, plant) = (arguments.visit, arguments.plant);
    if visit.is_some() && !arguments.command.is_for_visits() {
        return Err(Refusal::NodeWordUnfit.into());
    }
    let opened = OnceCell::new();
    let context = Context { home, keyring, unsigned, visit, plant, opened, json, home_is_named };
    let code = match arguments.command {
        Command::Up(args) => {
            daemon::serve(context.home, args).map_err(Failure::not_started)?;
            DONE
        }
        Command::Init(args) => commands::init::run(&context, args)?,
        Command::OfMembers(command) => command.run(&context)?,
        Command::OfAuthority(command) => command.run(&context)?,
        Command::Join(args) => block_on(commands::join::run(&context, args))?,
        Command::Status => block_on(commands::status::status(&context))?,
        Command::Members => block_on(commands::status::members(&context))?,
        Command::Pub(args) => block_on(commands::live::publish(&context, args))?,
        Command::Sub(args) => block_on(commands::live::subscribe(&context, args))?,
        Command::History(args) => block_on(commands::history::run(&context, args))?,
        Command::Export(args) => block_on(commands::export::run(&context, args))?,
        Command::Verify(args) => commands::verify::run(&context, &args)?,
        Command::Call(args) => block_on(commands::call::run(&context, args))?,
        Command::Serve(args) => block_on(commands::serve::run(&context, args))?,
        Command::Verbs(args) => block_on(commands::verbs::run(&context, args))?,
        Command::Offer(args) => block_on(commands::jobs::offer(&context, args))?,
        Command::Jobs(args) => block_on(commands::jobs::run(&context, args))?,
        Command::Lease(args) => block_on(commands::lease::run(&context, args))?,
        Command::Revoke(args) => block_on(commands::revoke::run(&context, args))?,
        Command::Why(args) => block_on(commands::why::run(&context, args))?,
        Command::Settle(args) => block_on(commands::settle::run(&context, args))?,
        Command::Operating(command) => command.run(&context)?,
        Command::Share(args) => block_on(commands::partner_share::run(&context, args))?,
        Command::Accept(args) => block_on(commands::partner_accept::run(&context, args))?,
        Command::Amend(args) => block_on(commands::partner_share::amend(&context, args))?,
        Command::Shares => block_on(commands::partner_list::shares(&context))?,
        Command::Agreements => block_on(commands::partner_list::agreements(&context))?,
        Command::Preview(args) => block_on(commands::partner_list::preview(&context, args))?,
        Command::End(args) => block_on(commands::partner_list::end(&context, args))?,
        Command::Receipts(args) => block_on(commands::partner_list::receipts(&context, args))?,
        Command::Demo(args) => block_on(demo::run(&context, args))?,
        Command::DemoMachine(args) => block_on(demo::machine::run(&context, args))?,
    };
    Ok(ExitCode::from(code))
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::system)?.block_on(work)
}

/// Reads a time: so long ago, or a time in UTC.
fn moment(text: &str) -> Result<UnixMillis, String> {
    if let Ok(ago) = duration(text) {
        return Ok(now().minus(ago));
    }
    text.parse().map_err(|error| format!("{error}, or so long ago: 90s, 30m, 8h or 7d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
