//! The words of commands about who may sign for the plant.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::topic::Name;

use super::root::RootCommand;
use super::{Context, CutWord, ReasonWord, block_on};
use crate::commands::{admin, hand_in, passphrase, recover, registrar, root, root_rotate, sign};
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
    /// Make an admin with the recovery sheets, and throw another out, where no keyring can any more.
    Recover(RecoverArgs),
    /// The keys above the admins, and others in their place.
    #[command(subcommand)]
    Root(RootCommand),
    /// Sign what a command wrote with --unsigned. Needs the keyring and no node.
    Sign(SignArgs),
    /// Hand in what was signed elsewhere. Needs a node and no keyring.
    HandIn(HandInArgs),
    /// Put the keyring's key behind a passphrase, another one, or none.
    Passphrase(PassphraseArgs),
}

impl AuthorityCommand {
    /// Whether it can be done at a member over the network.
    pub(super) const fn is_for_visits(&self) -> bool {
        match self {
            Self::Admin(command) => !matches!(command, AdminCommand::Request),
            Self::Registrar(_) | Self::HandIn(_) => true,
            Self::Root(command) => command.is_for_visits(),
            Self::Recover(_) | Self::Sign(_) | Self::Passphrase(_) => false,
        }
    }

    pub(super) fn run(self, context: &Context) -> Result<u8, Failure> {
        match self {
            Self::Admin(AdminCommand::Request) => admin::request(context),
            Self::Admin(AdminCommand::Add(args)) => block_on(admin::add(context, args)),
            Self::Admin(AdminCommand::Remove(args)) => block_on(admin::remove(context, args)),
            Self::Admin(AdminCommand::List) => block_on(admin::list(context)),
            Self::Root(RootCommand::Show) => block_on(root::show(context)),
            Self::Root(RootCommand::Rotate(args)) => block_on(root_rotate::rotate(context, args)),
            Self::Root(RootCommand::Settle(args)) => block_on(root::settle(context, args)),
            Self::Sign(args) => sign::run(context, &args),
            Self::HandIn(args) => block_on(hand_in::run(context, &args)),
            Self::Passphrase(args) => passphrase::run(context, &args),
            Self::Recover(args) => block_on(recover::run(context, args)),
            Self::Registrar(RegistrarCommand::Add(args)) => block_on(registrar::add(context, args)),
            Self::Registrar(RegistrarCommand::Remove(args)) => {
                block_on(registrar::remove(context, args))
            }
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
    /// End that, for good: it stays a member, and whom it let in stays too.
    Remove(RegistrarArgs),
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
#[command(after_help = "\
It is typed on the terminal. Scripts name files whose first lines are the passphrases:
GEARMESH_PASSPHRASE_FILE for every command that signs, GEARMESH_NEW_PASSPHRASE_FILE for
the one that is set here.

Example: gearmesh passphrase")]
pub(crate) struct PassphraseArgs {
    /// Let whoever has the file use the key again.
    #[arg(long)]
    pub(crate) remove: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  gearmesh registrar add press-1
  gearmesh registrar remove press-1")]
pub(crate) struct RegistrarArgs {
    /// The member's name.
    pub(crate) name: Name,

    /// Which of several members with this name: its check words, or the first digits of its key.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) key: Option<String>,
}

/// Who stands above the admins of a plant that is founded.
#[derive(Args, Clone, Debug)]
pub(crate) struct RootArgs {
    /// How many root keys there are. More than one go on recovery sheets, to be printed and kept by
    /// different people, and this machine's keyring gets an admin's key.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) root_keys: u8,

    /// How many of them act together (default: more than half).
    #[arg(long, value_name = "M")]
    pub(crate) threshold: Option<u8>,

    /// Where the recovery sheets are written (default: the keyring's name with .sheets at its end).
    #[arg(long, value_name = "DIR")]
    pub(crate) sheets: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Without --sheet the lines of the sheets are typed, or read from standard input, one by one.

Examples:
  gearmesh recover --drill                                   are the sheets right? changes nothing
  gearmesh --keyring new.keyring recover maria               maria's new keyring signs from now on
  gearmesh --keyring new.keyring recover maria --revoke founder --reason compromised --cut all")]
pub(crate) struct RecoverArgs {
    /// What people call the new admin, whose key is drawn into the keyring.
    #[arg(required_unless_present = "drill")]
    pub(crate) name: Option<Name>,

    /// A file with the line of a sheet; repeated for several.
    #[arg(long, value_name = "FILE")]
    pub(crate) sheet: Vec<PathBuf>,

    /// The admin that signs no more.
    #[arg(long, value_name = "ADMIN", requires = "reason")]
    pub(crate) revoke: Option<Name>,

    /// Why. With `compromised`, --cut says how much of what the key signed still counts.
    #[arg(long, value_enum, requires = "revoke")]
    pub(crate) reason: Option<ReasonWord>,

    /// The last record of that admin that counts, as the list shows it, or `all`: nothing of it
    /// counts.
    #[arg(long, value_name = "GROUP|all", requires = "revoke")]
    pub(crate) cut: Vec<CutWord>,

    /// Only check that the sheets are right and enough.
    #[arg(long)]
    pub(crate) drill: bool,
}

#[derive(Args)]
#[command(after_help = "\
The keyring stays on a machine without network; files go to and fro on a stick.

  gearmesh add press-1 --unsigned add.json             at a node: writes down what is to be signed
  gearmesh --keyring rossi.keyring sign add.json       at the keyring: shows it, signs it
  gearmesh hand-in add.json.signed                     at a node")]
pub(crate) struct SignArgs {
    /// The file.
    pub(crate) file: PathBuf,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "Example: gearmesh hand-in add.json.signed")]
pub(crate) struct HandInArgs {
    /// What `gearmesh sign` wrote.
    pub(crate) file: PathBuf,
}
