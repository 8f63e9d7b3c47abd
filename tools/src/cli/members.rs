//! The words of commands that let machines in, change them, and let them go.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gearmesh_node::daemon::duration;
use gearmesh_node::listen::{Endpoint, NoEndpoint};
use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Scope, TopicFilter};

use super::{Context, block_on};
use crate::commands;
use crate::exit::Failure;
use crate::signing::now;

/// What can be done about members.
#[derive(Subcommand)]
pub(super) enum MembersCommand {
    /// Make an invitation code for each machine, and watch until they have joined.
    Add(AddArgs),
    /// List the codes that machines can still use.
    #[command(after_help = "Example: gearmesh invitations")]
    Invitations,
    /// Make a code void that nobody has used yet.
    Void(VoidArgs),
    /// Show this machine's key, for an admin to make a code that fits no other.
    #[command(after_help = "Example: gearmesh request")]
    Request,
    /// Show who has seen this machine, which lets itself be found, and say yes or no to them.
    Claims(ClaimsArgs),
    /// Leave the plant: this machine is a member no more.
    Leave(LeaveArgs),
    /// Destroy this machine's key and all that its node has stored, before the machine is sold.
    Wipe(WipeArgs),
    /// Let a new machine take the place of a member, under its name; the old one is thrown out.
    Replace(ReplaceArgs),
    /// Change what a member is called, where it publishes, and what it may do.
    Set(SetArgs),
}

impl MembersCommand {
    /// Whether it can be done at a member over the network.
    pub(super) const fn is_for_visits(&self) -> bool {
        match self {
            Self::Add(args) => args.found.is_empty(),
            Self::Invitations | Self::Void(_) | Self::Replace(_) | Self::Set(_) => true,
            Self::Request | Self::Claims(_) | Self::Leave(_) | Self::Wipe(_) => false,
        }
    }

    pub(super) fn run(self, context: &Context) -> Result<u8, Failure> {
        match self {
            Self::Add(args) => block_on(commands::add::run(context, args)),
            Self::Invitations => block_on(commands::invitations::list(context)),
            Self::Void(args) => block_on(commands::invitations::void(context, &args)),
            Self::Request => block_on(commands::request::run(context)),
            Self::Claims(args) => block_on(commands::claims::run(context, args)),
            Self::Leave(args) => block_on(commands::leave::run(context, args)),
            Self::Wipe(args) => commands::wipe::run(context, &args),
            Self::Replace(args) => block_on(commands::replace::run(context, args)),
            Self::Set(args) => block_on(commands::set::run(context, args)),
        }
    }
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh add press-1 --scope hall/line-1/press-1 --expires 1d")]
pub(crate) struct AddArgs {
    /// Names of the machines: lower-case letters, digits and -.
    #[arg(required_unless_present = "found")]
    pub(crate) names: Vec<Name>,

    /// Let in a machine that lets itself be found (`gearmesh up --claimable` there) without typing a
    /// code at it: one that multicast finds, or at an address. Without a name it lists them.
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, require_equals = true,
          default_missing_value = "", conflicts_with_all = ["node", "qr", "no_wait"])]
    pub(crate) found: Vec<FoundAt>,

    /// Which of the machines that were found: the words that stand on its screen, or those of its key
    /// that stand on its label. They are the comparison: take them from the machine, not from the list.
    #[arg(long, requires = "found")]
    pub(crate) words: Option<String>,

    /// What they are.
    #[arg(long, value_enum, default_value = "machine")]
    pub(crate) role: RoleWord,

    /// Where it publishes: area/line/machine (default: its name). Only with one name.
    #[arg(long)]
    pub(crate) scope: Option<Scope>,

    /// How long the codes can be used: 30m, 1h, 7d; at most 366d.
    #[arg(long, default_value = "1h", value_parser = validity)]
    pub(crate) expires: Duration,

    /// When its membership ends by itself: in 8h or 30d, or at a time in UTC such as 2027-01-31
    /// (when that day begins).
    #[arg(long, value_name = "WHEN", value_parser = end)]
    pub(crate) until: Option<End>,

    /// The key that the machine's `gearmesh request` shows: no other can use the code. Only with one
    /// name.
    #[arg(long = "for", value_name = "KEY")]
    pub(crate) node: Option<PublicKey>,

    /// Show each code as a picture too, for a camera.
    #[arg(long)]
    pub(crate) qr: bool,

    /// Withdraw codes for the same names that nobody has used yet.
    #[arg(long)]
    pub(crate) replace: bool,

    /// Print the codes and do not wait.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Where machines that let themselves be found are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoundAt {
    /// Wherever multicast reaches.
    Around,
    /// At an address.
    Address(String),
}

impl FromStr for FoundAt {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        if text.is_empty() {
            return Ok(Self::Around);
        }
        text.parse::<Endpoint>().map(|_| Self::Address(text.to_owned()))
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh claims                                    who has seen this machine
  gearmesh claims --take 'otter plum iris zinc fox'  follow the claim whose admin sees these words")]
pub(crate) struct ClaimsArgs {
    /// Follow the claim with these words: its admin sees the same.
    #[arg(long, value_name = "WORDS")]
    pub(crate) take: Option<String>,

    /// Say no to the claim with these words.
    #[arg(long, value_name = "WORDS", conflicts_with = "take")]
    pub(crate) decline: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleWord {
    /// Publishes under its own scope, sees everything.
    Machine,
    /// As a machine; may also exchange data with partners.
    Gateway,
    /// Sees everything, publishes nothing: a panel, a laptop.
    Observer,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Machine => Self::Machine,
            RoleWord::Gateway => Self::Gateway,
            RoleWord::Observer => Self::Observer,
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh set press-1 --name press-7 --scope hall/line-2/press-7
  gearmesh set panel-1 --see 'hall/line-2/#'        it sees no more than that
  gearmesh set service-1 --until 2027-01-31         until then, in UTC
  gearmesh set service-1 --until never")]
pub(crate) struct SetArgs {
    /// The member's name.
    pub(crate) member: Name,

    /// Which of several members with this name: its check words, or the first digits of its key.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) key: Option<String>,

    /// What it is called from now on.
    #[arg(long)]
    pub(crate) name: Option<Name>,

    /// Where it publishes from now on: area/line/machine.
    #[arg(long)]
    pub(crate) scope: Option<Scope>,

    /// What it is from now on; repeated for several, and what any one allows is allowed.
    #[arg(long, value_enum)]
    pub(crate) role: Vec<RoleWord>,

    /// What it may see from now on: a topic filter, repeated for several; # alone is everything.
    #[arg(long, value_name = "FILTER")]
    pub(crate) see: Vec<TopicFilter>,

    /// When its membership ends by itself: in 8h or 30d, at a time in UTC such as 2027-01-31 (when
    /// that day begins), or never.
    #[arg(long, value_name = "WHEN", value_parser = end)]
    pub(crate) until: Option<End>,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh void press-1")]
pub(crate) struct VoidArgs {
    /// The name that the code was made for, or the first digits of its id.
    #[arg(value_name = "NAME|ID")]
    pub(crate) invitation: String,
}

#[derive(Args)]
#[command(after_help = "\
Typed on the machine that leaves; it needs no keyring. It never comes back under its key.

Example: gearmesh leave")]
pub(crate) struct LeaveArgs {
    /// Leave also if durable values of this machine are on no other member's disk.
    #[arg(long)]
    pub(crate) lose_values: bool,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "\
What is overwritten is gone from a magnetic disk. Flash memory may keep older copies for a
while: have the machine revoked before it leaves the house.

Example: gearmesh wipe")]
pub(crate) struct WipeArgs {
    /// Do not ask, and do not mind that the machine is still a member.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "\
The new machine gets the name, scope and roles of the old one, and named subscriptions (sub
--durable) go on where they were. The old one is out at once, also before the new one has
joined.

Example: gearmesh replace press-1")]
pub(crate) struct ReplaceArgs {
    /// The member's name.
    pub(crate) name: Name,

    /// Which of several members with this name: its check words, or the first digits of its key.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) key: Option<String>,

    /// How long the code can be used: 30m, 1h, 7d; at most 366d.
    #[arg(long, default_value = "1h", value_parser = validity)]
    pub(crate) expires: Duration,

    /// The key that the new machine's `gearmesh request` shows: no other can use the code.
    #[arg(long = "for", value_name = "KEY")]
    pub(crate) node: Option<PublicKey>,

    /// Show the code as a picture too, for a camera.
    #[arg(long)]
    pub(crate) qr: bool,

    /// Print the code and do not wait.
    #[arg(long)]
    pub(crate) no_wait: bool,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// When a membership ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It does not.
    Never,
    /// Then.
    At(UnixMillis),
}

impl End {
    /// As a membership record says it.
    pub(crate) const fn time(self) -> Option<UnixMillis> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(at),
        }
    }
}

/// How long codes can be used at most: nobody waits longer for a machine, and what lies about for
/// years is found by somebody else.
const VALID_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Reads how long codes can be used.
fn validity(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long > VALID_MAX => Err("codes can be used for 366d at most".to_owned()),
        fit => Ok(fit),
    }
}

/// Reads when a membership ends.
fn end(text: &str) -> Result<End, String> {
    if text == "never" {
        return Ok(End::Never);
    }
    let now = now();
    let at = match duration(text) {
        Ok(span) => now.plus_ms(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        Err(_) => {
            text.parse().map_err(|error| format!("{error}, or in so long: 8h, 30d; or never"))?
        }
    };
    match at > now {
        true => Ok(End::At(at)),
        false => {
            Err(format!("{at} is over; who is to go at once is revoked: gearmesh revoke NAME"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_ends_in_time_to_come_or_never() {
        assert_eq!(end("never"), Ok(End::Never));
        assert!(end("2099-12-31").is_ok_and(|end| matches!(end, End::At(at) if at > now())));
        assert!(end("30d").is_ok_and(|end| matches!(end, End::At(at) if at > now())));
        assert!(end("2020-01-01").is_err_and(|told| told.contains("is over")));
        assert!(end("tomorrow").is_err_and(|told| told.contains("never")));
    }

    #[test]
    fn codes_are_valid_for_a_year_at_most() {
        assert_eq!(validity("366d"), Ok(VALID_MAX));
        for long in ["367d", "31622401s", "99999999d"] {
            assert!(validity(long).is_err_and(|told| told.contains("366d")), "{long}");
        }
    }
}
