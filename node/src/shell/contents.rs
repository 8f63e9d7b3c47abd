//! What a node ever puts into its home: what a wipe has to find, and what a backup has to take.

use crate::config::FILE_NAME;

/// One file or folder of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name in the home.
    pub name: &'static str,
    /// Whether a home that is put back from a backup needs it. What does not is made anew, or is
    /// there only while a node runs.
    pub is_backed_up: bool,
}

impl Kept {
    const fn needed(name: &'static str) -> Self {
        Self { name, is_backed_up: true }
    }

    const fn made_anew(name: &'static str) -> Self {
        Self { name, is_backed_up: false }
    }
}

/// Everything that a node ever puts into its home, in the order in which it is destroyed: the keys
/// and what opens the node come first, so that none is left where a wipe ends halfway. The note that
/// names the plant goes last, so that what is left is known for what it is.
///
/// A draft, `….new`, is what a kill left of a file that was being written.
pub const CONTENTS: [Kept; 16] = [
    Kept::needed("node.key"),
    Kept::made_anew("node.new"),
    Kept::needed("tokens"),
    Kept::made_anew("tokens.new"),
    Kept::needed("partner"),
    Kept::needed("journal"),
    Kept::needed("data"),
    Kept::needed("cursors"),
    Kept::made_anew("views"),
    Kept::made_anew("ballast"),
    Kept::made_anew("node.sock"),
    Kept::needed(FILE_NAME),
    Kept::made_anew("claimed.new"),
    Kept::needed("claimed"),
    Kept::made_anew("plant.new"),
    Kept::needed("plant"),
];
