//! The words by which companies share values.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gearmesh_node::daemon::duration;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::partner::Aggregate;
use gearmesh_protocol::partner_gateway::Successor;
use gearmesh_protocol::partner_local::VerbSelection;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Title, Topic, TopicFilter};

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Nothing flows until you have confirmed it: the partner accepts the link, its admin reads you five
words by phone, and you type them here.

Examples:
  gearmesh share output --to \"Acme\" --topics 'hall/+/count' --as output --every 60s --aggregate mean
  gearmesh share stock --to \"Acme\" --topics 'store/steel' --as steel --round 0 --accept-from orders
  gearmesh share stock --to \"Acme\" --accept-from orders --schema order.json
  gearmesh share cell --to \"Acme\" --verb order=cell-1/order --confirm-calls
  gearmesh share prices --to \"Acme\" --topics 'store/prices' --as prices --fan-out
  gearmesh share prices-beta --to \"Beta\" --join prices
  gearmesh share confirm output amber bridge candle denim eagle"
)]
pub(crate) struct ShareArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ShareCommand>,

    #[command(flatten)]
    pub(crate) propose: Option<ProposeArgs>,
}

#[derive(Subcommand)]
pub(crate) enum ShareCommand {
    /// Let it flow, once the partner has read you the words of the agreement.
    Confirm {
        /// The share.
        name: Name,
        /// The five words that the partner reads.
        #[arg(required = true)]
        words: Vec<String>,
    },

    /// Show which calls of partners wait for a person here.
    Requests,

    /// Say what to type at another gateway, to move a share here.
    Gateway,

    /// Write down what another gateway of your plant needs if this one is gone.
    Papers {
        /// The share or agreement.
        name: Name,
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },

    /// Hand a share over to another gateway of your plant.
    #[command(after_help = "\
Example, at the other gateway, here, and there again:
  gearmesh share gateway
  gearmesh share move output --to KEY@203.0.113.6:7440 --out output.papers
  gearmesh share take output.papers")]
    Move(ShareMoveArgs),

    /// Go on here with a share that was handed over to this gateway.
    Take(TakeArgs),

    /// Go on here with a share of a gateway that is gone, or must not be believed any more.
    #[command(after_help = "\
From the papers of the share, made before with: gearmesh share papers NAME --out FILE")]
    Succeed(TakeArgs),

    /// Write down for the partner which gateway you have now, or with --gone that you have none.
    #[command(after_help = "\
Examples:
  gearmesh share notice output --out rossi.notice
  gearmesh share notice --gone output.papers --out rossi.notice")]
    Notice(NoticeArgs),

    /// Have a call of a partner's done that waits.
    Allow(PartnerCallArgs),

    /// Have a call of a partner's not done that waits.
    Deny(PartnerCallArgs),
}

#[derive(Args)]
pub(crate) struct ShareMoveArgs {
    /// The share or agreement.
    pub(crate) name: Name,

    /// The other gateway, as gearmesh share gateway says there.
    #[arg(long, value_name = "KEY@ADDRESS", value_parser = successor)]
    pub(crate) to: Successor,

    /// The file for the other gateway.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct TakeArgs {
    /// The file with the papers of the share.
    pub(crate) file: PathBuf,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct NoticeArgs {
    /// The share or agreement.
    pub(crate) name: Option<Name>,

    /// The gateway that has the share is gone, or must not be believed any more: a file with the papers of the
    /// share. It is brought up to date.
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub(crate) gone: Option<PathBuf>,

    /// The file for the partner.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// A call of a partner's that waits.
#[derive(Args)]
pub(crate) struct PartnerCallArgs {
    /// The agreement.
    pub(crate) name: Name,
    /// The call's number, as share requests shows it.
    pub(crate) number: u64,
}

#[derive(Args)]
pub(crate) struct ProposeArgs {
    /// What you call it.
    pub(crate) name: Name,

    /// What the partner is called; an agreement that is amended knows it.
    #[arg(long)]
    pub(crate) to: Option<Title>,

    /// What the partner is called in topics (default: --to in small letters).
    #[arg(long, value_name = "NAME")]
    pub(crate) partner: Option<Name>,

    /// What is shared: a topic filter, repeated for several. The partner never sees it.
    #[arg(long, value_name = "FILTER")]
    pub(crate) topics: Vec<TopicFilter>,

    /// Under which name the partner sees it, one for each --topics, in their order.
    #[arg(long = "as", value_name = "ALIAS")]
    pub(crate) aliases: Vec<Topic>,

    /// Only these fields of structured values, with commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) fields: Vec<Name>,

    /// Decimal places that the partner sees; -2 rounds to hundreds.
    #[arg(long, value_name = "PLACES", allow_negative_numbers = true)]
    pub(crate) round: Option<i8>,

    /// At most one value in this time: 60s, 5m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) every: Option<Duration>,

    /// How the values of that time become one.
    #[arg(long, value_enum, requires = "every")]
    pub(crate) aggregate: Option<AggregateWord>,

    /// How long values are held back: 1h.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) delay: Option<Duration>,

    /// What you want from the partner in return, by this name; repeated for several. It lands below
    /// partner/NAME.
    #[arg(long, value_name = "ALIAS")]
    pub(crate) accept_from: Vec<Topic>,

    /// A file with a JSON Schema that what the partner sends must fit; ALIAS=FILE where it sends several.
    #[arg(long = "schema", value_name = "[ALIAS=]FILE", requires = "accept_from")]
    pub(crate) schemas: Vec<String>,

    /// What the partner may have done here: VERB=MACHINE/VERB, repeated for several. It sees the first
    /// word alone.
    #[arg(long = "verb", value_name = "VERB=MACHINE/VERB", value_parser = verb)]
    pub(crate) verbs: Vec<VerbSelection>,

    /// A person here allows each call: gearmesh share requests.
    #[arg(long, requires = "verbs")]
    pub(crate) confirm_calls: bool,

    /// Several companies may receive it: the gateways of all who do learn each other's keys and addresses, and
    /// pass the sealed messages on to each other. It goes one way.
    #[arg(long, conflicts_with_all = ["accept_from", "verbs"])]
    pub(crate) fan_out: bool,

    /// Offer a further company what is sent under this name with --fan-out, on the same terms.
    #[arg(long, value_name = "NAME", conflicts_with_all = [
        "topics", "aliases", "fields", "round", "every", "aggregate", "delay", "accept_from", "schemas",
        "verbs", "confirm_calls", "fan_out", "until", "purpose", "retention",
    ])]
    pub(crate) join: Option<Name>,

    /// When it ends by itself: 2027-01-31.
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<UnixMillis>,

    /// What the partner may use it for.
    #[arg(long = "for", value_name = "PURPOSE", default_value = "as agreed")]
    pub(crate) purpose: Title,

    /// How long the partner may keep it: 30d.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) retention: Option<Duration>,

    /// How long the link can be used.
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = duration)]
    pub(crate) expires: Duration,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "\
The new sheet takes the old one's place once both sides have signed it, as the first: the partner accepts
the link, reads you five words, and you type: gearmesh share confirm NAME WORDS. Until then the old one stands. Name
all that is to be shared, not only what is new.

Examples:
  gearmesh amend output --topics 'hall/+/count' --as output --every 10s
  gearmesh amend output --withdraw")]
pub(crate) struct AmendArgs {
    /// Leave the old sheet as it is: the link of the new one is void.
    #[arg(long)]
    pub(crate) withdraw: bool,

    #[command(flatten)]
    pub(crate) terms: ProposeArgs,
}

/// How values become one, as words.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum AggregateWord {
    Mean,
    Min,
    Max,
    Last,
    Count,
}

impl From<AggregateWord> for Aggregate {
    fn from(word: AggregateWord) -> Self {
        match word {
            AggregateWord::Mean => Self::Mean,
            AggregateWord::Min => Self::Min,
            AggregateWord::Max => Self::Max,
            AggregateWord::Last => Self::Last,
            AggregateWord::Count => Self::Count,
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh accept gs1:…
  gearmesh accept gs1:… --send orders=erp/orders
  gearmesh accept --notice rossi.notice")]
pub(crate) struct AcceptArgs {
    /// The link that the partner sent.
    pub(crate) link: Option<String>,

    /// A file with the partner's word that it has another gateway.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["link", "name", "send", "yes"])]
    pub(crate) notice: Option<PathBuf>,

    /// What you call the agreement, and the partner in topics (default: the partner's name in small
    /// letters).
    #[arg(long)]
    pub(crate) name: Option<Name>,

    /// What you send for a name that the partner wants: ALIAS=FILTER, repeated for several.
    #[arg(long, value_name = "ALIAS=FILTER", value_parser = sent)]
    pub(crate) send: Vec<(Topic, TopicFilter)>,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

fn successor(text: &str) -> Result<Successor, String> {
    let (key, addresses) = text.split_once('@').ok_or("write KEY@ADDRESS:PORT")?;
    let gateway = key.parse().map_err(|error| format!("{key:?}: {error}"))?;
    let read = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
    let addresses: Vec<SocketAddr> = addresses.split(',').map(read).collect::<Result<_, _>>()?;
    let addresses = Bounded::try_from(addresses).map_err(|error| error.to_string())?;
    Ok(Successor { gateway, addresses })
}

fn verb(text: &str) -> Result<VerbSelection, String> {
    let (verb, there) = text.split_once('=').ok_or("write VERB=MACHINE/VERB")?;
    let (machine, stands_for) = there.split_once('/').ok_or("write VERB=MACHINE/VERB")?;
    let name = |text: &str| text.parse().map_err(|error| format!("{text:?}: {error}"));
    Ok(VerbSelection { verb: name(verb)?, machine: name(machine)?, stands_for: name(stands_for)? })
}

fn sent(text: &str) -> Result<(Topic, TopicFilter), String> {
    let (alias, filter) = text.split_once('=').ok_or("write ALIAS=FILTER")?;
    let alias = alias.parse().map_err(|error| format!("{error}"))?;
    Ok((alias, filter.parse().map_err(|error| format!("{error}"))?))
}

#[derive(Args)]
#[command(after_help = "\
Shows what the partner would have seen: of durable values, and of live ones since the share was offered, at most an
hour. If there is nothing of that it looks for a while at what is published now.

Example: gearmesh preview output --last 1d")]
pub(crate) struct PreviewArgs {
    /// The share or agreement.
    pub(crate) name: Name,

    /// How far to look back: 1h, 7d.
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = duration)]
    pub(crate) last: Duration,

    /// For how long to look at what is published now, if there is nothing of the past; 0 does not.
    #[arg(long, default_value = "60", value_parser = clap::value_parser!(u64).range(0..=120))]
    pub(crate) seconds: u64,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh end output")]
pub(crate) struct EndArgs {
    /// The share or agreement.
    pub(crate) name: Name,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh receipts output")]
pub(crate) struct ReceiptsArgs {
    /// The agreement; without it, all of them.
    pub(crate) name: Option<Name>,
}
