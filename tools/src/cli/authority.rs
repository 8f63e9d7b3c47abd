//! The words of commands about who may sign for the plant.

use clap::{Args, Subcommand};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::topic::Name;

use super::{Context, CutWord, ReasonWord, block_on};
use crate::commands::{admin, registrar};
use crate::exit::Failure;

/// What can be done about who may sign.
#[derive(Subcommand)]
pub(super) enum AuthorityCommand {
    /// Let others sign for the plant, or no more.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Let members redeem invitations.
    #[command(subcommand)]
    Registrar(RegistrarCommand),
}

impl AuthorityCommand {
    pub(super) fn run(self, context: &Context) -> Result<u8, Failure> {
        match self {
            Self::Admin(AdminCommand::Request) => admin::request(context),
            Self::Admin(AdminCommand::Add(args)) => block_on(admin::add(context, args)),
            Self::Admin(AdminCommand::Remove(args)) => block_on(admin::remove(context, args)),
            Self::Admin(AdminCommand::List) => block_on(admin::list(context)),
            Self::Registrar(RegistrarCommand::Add(args)) => block_on(registrar::add(context, args)),
        }
    }
}

/// What can be done about admins.
#[derive(Subcommand)]
pub(super) enum AdminCommand {
    /// Show the key of this person's keyring, which is made if there is none, for the holder of the
    /// root key.
    #[command(after_help = "Example: gearmesh --keyring ~/maria.keyring admin request")]
    Request,
    /// Let a key sign for the plant: add, change and revoke members. Needs the root's keyring.
    Add(AdminAddArgs),
    /// End that, for good. What the key signed before stays, as far as the cut says.
    Remove(AdminRemoveArgs),
    /// List who may sign for the plant, and who redeems invitations.
    #[command(after_help = "Example: gearmesh admin list")]
    List,
}

/// What can be done about registrars.
#[derive(Subcommand)]
pub(super) enum RegistrarCommand {
    /// Let a member redeem invitations: from then on codes can be made at it too.
    Add(RegistrarArgs),
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh admin add maria 9c41e5…")]
pub(crate) struct AdminAddArgs {
    /// What people call the admin.
    pub(crate) name: Name,

    /// The key that `gearmesh admin request` shows. Compare the check words by phone.
    pub(crate) key: PublicKey,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh admin remove maria --reason retired
  gearmesh admin remove maria --reason compromised                     shows what the key signed
  gearmesh admin remove maria --reason compromised --cut 5a21c0ffee12  up to there it counts")]
pub(crate) struct AdminRemoveArgs {
    /// The admin's name.
    pub(crate) name: Name,

    /// Why. With `compromised`, --cut says how much of what the key signed still counts.
    #[arg(long, value_enum)]
    pub(crate) reason: ReasonWord,

    /// The last record of the key that counts, as the list shows it, or `all`: nothing of it counts.
    /// Only with `compromised`; without it, this command shows the list.
    #[arg(long, value_name = "GROUP|all")]
    pub(crate) cut: Vec<CutWord>,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh registrar add press-1")]
pub(crate) struct RegistrarArgs {
    /// The member's name.
    pub(crate) name: Name,

    /// Which of several members with this name: its check words, or the first digits of its key.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) key: Option<String>,
}
