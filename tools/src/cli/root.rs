//! The words of commands about the keys above the admins.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CutWord;

/// What can be done about the root.
#[derive(Subcommand)]
pub(super) enum RootCommand {
    /// Show the root's keys, what they signed, and which others took, or want to take, their place.
    #[command(after_help = "Example: gearmesh root show")]
    Show,
    /// Put new recovery sheets in the place of the root's keys. Needs as many of those as act together.
    Rotate(RotateArgs),
    /// Where several roots want to take over: say, as an admin, which one does.
    Settle(SettleRootArgs),
}

impl RootCommand {
    /// Whether it can be done at a member over the network.
    pub(super) const fn is_for_visits(&self) -> bool {
        match self {
            Self::Show | Self::Settle(_) => true,
            Self::Rotate(_) => false,
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
Without --sheet the lines of the old sheets are typed, or read from standard input. A root of one
key signs with its keyring. All members must run a release that knows rotations; destroy the old
sheets afterwards, all of them.

Examples:
  gearmesh root rotate
  gearmesh root rotate --root-keys 5 --threshold 3
  gearmesh root rotate --without 5a21c0ffee12")]
pub(crate) struct RotateArgs {
    /// How many keys the new root has.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=8))]
    pub(crate) root_keys: u8,

    /// How many of them act together (default: more than half).
    #[arg(long, value_name = "M")]
    pub(crate) threshold: Option<u8>,

    /// Where the new sheets are written (default: a folder beside the keyring).
    #[arg(long, value_name = "DIR")]
    pub(crate) sheets: Option<PathBuf>,

    /// A file with the line of an old sheet; repeated for several.
    #[arg(long, value_name = "FILE")]
    pub(crate) sheet: Vec<PathBuf>,

    /// A record of the old root that is to count no more, by the first digits that `root show` lists.
    #[arg(long, value_name = "RECORD")]
    pub(crate) without: Vec<String>,

    /// Where the log of a root key in a keyring ends that was stolen: the last record that counts, or `all`.
    /// Without it all that it signed until now stays.
    #[arg(long, value_name = "GROUP|all")]
    pub(crate) cut: Vec<CutWord>,

    /// Object to a rotation: follow the root that it wants to replace, in its place. The root is frozen
    /// then until admins decide.
    #[arg(long, value_name = "WORDS|DIGITS")]
    pub(crate) instead: Option<String>,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
#[command(after_help = "\
Call those who hold the new sheets, and compare the words. What was said is not taken back: who is
for two of them is for none.

Example: gearmesh root settle 'angle grape lotus adobe needle'")]
pub(crate) struct SettleRootArgs {
    /// The rotation, by the check words or the first digits that `root show` lists.
    #[arg(value_name = "WORDS|DIGITS")]
    pub(crate) rotation: String,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}
