//! Tokens of programs that reach the node over the network: who may do what.
//!
//! `<home>/tokens` has a line of JSON for each, mode 0600. It holds hashes alone: whoever reads the
//! file cannot use what it names. The command line writes it, the node looks at it with every request,
//! so what is removed ends at once.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::home::{Home, HomeError, write_private};

/// Tokens of one node.
pub const TOKENS_MAX: usize = 256;

/// How a token begins, so that whoever finds one knows what it is.
const PREFIX: &str = "gmt_";

/// What a token's hash is for.
const CONTEXT: &str = "gearmesh 2026 api token v1";

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See values, members and what the node says of itself.
    Read,
    /// Publish in this machine's name, and serve verbs.
    Publish,
    /// Ask machines to do things.
    Call,
    /// All of it, and what changes the plant or the node's own logs.
    Admin,
}

impl Scope {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Call => "call",
            Self::Admin => "admin",
        }
    }
}

/// One token, as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What it is called.
    pub name: Name,
    /// What it lets do.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub at: UnixMillis,
    /// BLAKE3 of the secret, in hexadecimal digits.
    hash: String,
}

impl Token {
    /// A new token and its secret, which is nowhere else.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn draw(
        name: Name,
        scopes: BTreeSet<Scope>,
        at: UnixMillis,
    ) -> Result<(Self, Zeroizing<String>), HomeError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *bytes).map_err(HomeError::Random)?;
        let secret = Zeroizing::new(format!("{PREFIX}{}", HexBytes(bytes.to_vec())));
        let hash = hash(&secret);
        Ok((Self { name, scopes, at, hash }, secret))
    }

    /// Whether it lets do what has this scope.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// A secret has 256 random bits, so no guess at a hash finds it, and comparing hashes tells nobody
/// how much of a guess was right.
fn hash(secret: &str) -> String {
    HexBytes(blake3::derive_key(CONTEXT, secret.as_bytes()).to_vec()).to_string()
}

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// Others could change who may do what.
    #[error("{} can be read by others (mode {mode:o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is none of ours.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// There are too many.
    #[error("{} holds more than {TOKENS_MAX} tokens", path.display())]
    Many {
        /// The file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error(transparent)]
    Home(#[from] HomeError),
}

/// The tokens of a home, read anew whenever the file has changed.
#[derive(Clone, Debug)]
pub struct Tokens {
    path: PathBuf,
    known: Arc<Mutex<Option<Known>>>,
}

/// What was read, and of which file.
type Known = (Stamp, Arc<Vec<Token>>);

/// What changes when a file does.
type Stamp = (u64, u64, Option<SystemTime>, u32);

impl Tokens {
    /// Those of a home.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self { path: home.path().join("tokens"), known: Arc::default() }
    }

    /// All of them.
    ///
    /// # Errors
    /// The file is open to others, or cannot be read.
    pub fn all(&self) -> Result<Arc<Vec<Token>>, TokensError> {
        let io = |source| HomeError::Io { step: "read", path: self.path.clone(), source };
        let found = match std::fs::metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(io(error).into()),
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokensError::Open { path: self.path.clone(), mode });
        }
        let stamp = (found.ino(), found.len(), found.modified().ok(), mode);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tokens)) = known.as_ref().filter(|(as_of, _)| *as_of == stamp) {
            return Ok(Arc::clone(tokens));
        }
        let text = std::fs::read_to_string(&self.path).map_err(io)?;
        let tokens = Arc::new(read(&self.path, &text)?);
        *known = Some((stamp, Arc::clone(&tokens)));
        Ok(tokens)
    }

    /// Whether a token that was found is one still. Where nobody can tell, it is not.
    #[must_use]
    pub fn holds(&self, token: &Token) -> bool {
        self.all().is_ok_and(|tokens| tokens.contains(token))
    }

    /// The token with a secret, if there is one.
    ///
    /// # Errors
    /// As [`Tokens::all`].
    pub fn find(&self, secret: &str) -> Result<Option<Token>, TokensError> {
        let hash = hash(secret);
        Ok(self.all()?.iter().find(|token| token.hash == hash).cloned())
    }

    /// Writes all of them: complete and durable, or as they were.
    ///
    /// # Errors
    /// They are too many, or the file system said no.
    pub fn write(&self, tokens: &[Token]) -> Result<(), TokensError> {
        if tokens.len() > TOKENS_MAX {
            return Err(TokensError::Many { path: self.path.clone() });
        }
        let mut text = String::new();
        for token in tokens {
            text.extend(serde_json::to_string(token).ok());
            text.push('\n');
        }
        Ok(write_private(&self.path, text.as_bytes())?)
    }
}

fn read(path: &Path, text: &str) -> Result<Vec<Token>, TokensError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let tokens: Vec<Token> = lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| TokensError::Line {
                path: path.to_owned(),
                line: at + 1,
                what: error.to_string(),
            })
        })
        .collect::<Result<_, _>>()?;
    if tokens.len() > TOKENS_MAX {
        return Err(TokensError::Many { path: path.to_owned() });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(&folder.path().join("home")).expect("a home");
        (folder, home)
    }

    fn drawn(name: &str, scope: Scope) -> (Token, Zeroizing<String>) {
        Token::draw(name.parse().expect("a name"), [scope].into(), UnixMillis(7)).expect("a token")
    }

    #[test]
    fn a_token_is_found_by_its_secret_which_the_file_does_not_hold() {
        let (_folder, home) = home();
        let tokens = Tokens::of(&home);
        assert!(tokens.find("gmt_x").expect("no file").is_none());
        let ((one, secret), (other, _)) = (drawn("one", Scope::Read), drawn("other", Scope::Admin));
        tokens.write(&[one.clone(), other.clone()]).expect("written");
        assert_eq!(tokens.find(&secret).expect("tokens"), Some(one));
        assert_eq!(tokens.find(&secret[4..]).expect("tokens"), None);
        let text = std::fs::read_to_string(home.path().join("tokens")).expect("the file");
        assert!(!text.contains(&secret[4..]), "{text}");
        tokens.write(&[other]).expect("written");
        assert_eq!(tokens.find(&secret).expect("tokens"), None, "what is removed ends at once");
    }

    #[test]
    fn an_open_file_and_a_line_that_is_none_are_refused() {
        let (_folder, home) = home();
        let tokens = Tokens::of(&home);
        tokens.write(&[drawn("one", Scope::Read).0]).expect("written");
        let path = home.path().join("tokens");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        mode(0o640).expect("a chmod");
        assert!(matches!(tokens.all(), Err(TokensError::Open { mode: 0o640, .. })));
        mode(0o600).expect("a chmod");
        std::fs::write(&path, "{}\n").expect("a file");
        assert!(matches!(tokens.all(), Err(TokensError::Line { line: 1, .. })));
    }

    #[test]
    fn admin_may_do_everything_and_others_what_they_say() {
        let scopes = [Scope::Read, Scope::Publish, Scope::Call, Scope::Admin];
        for held in scopes {
            let (token, _) = drawn("one", held);
            for wanted in scopes {
                assert_eq!(token.allows(wanted), held == wanted || held == Scope::Admin);
            }
        }
    }
}
