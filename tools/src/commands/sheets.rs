//! Recovery sheets: root keys on paper, and nowhere else.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use gearmesh_node::home::write_private;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::limits::ROOT_KEYS_MAX;
use gearmesh_protocol::local::PlantStatus;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::roots::RootStatus;
use gearmesh_protocol::sheet::{PREFIX, RootSecret};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Title;
use gearmesh_protocol::trust::Root;
use gearmesh_protocol::words::check_words;
use zeroize::Zeroizing;

use crate::cli::RootArgs;
use crate::exit::Failure;
use crate::keyring;
use crate::output;

/// Root keys that were drawn a moment ago.
pub(super) struct Drawn {
    secrets: Vec<RootSecret>,
    threshold: u8,
}

impl Drawn {
    /// Draws as many as are wanted.
    pub(super) fn new(args: &RootArgs) -> Result<Self, Failure> {
        let count = args.root_keys;
        let threshold = args.threshold.unwrap_or(count / 2 + 1);
        if threshold < 2 || threshold > count || usize::from(count) > ROOT_KEYS_MAX {
            return Err(Failure::from(Refusal::ThresholdUnfit)
                .saying(format!("{threshold} of {count} root keys cannot be needed")));
        }
        let draw = |number| Ok(RootSecret::new(number, drawn_key()?));
        let secrets = (1..=count).map(draw).collect::<Result<_, Failure>>()?;
        Ok(Self { secrets, threshold })
    }

    /// The keys that sign.
    pub(super) fn keys(&self) -> Vec<&SigningKey> {
        self.secrets.iter().map(RootSecret::key).collect()
    }

    /// The root that they are.
    pub(super) fn root(&self) -> Root {
        let mut keys: Vec<PublicKey> = self.secrets.iter().map(RootSecret::public).collect();
        keys.sort_unstable();
        Root { keys: Bounded::first_of(keys), threshold: self.threshold }
    }

    /// Writes a sheet for each into a new folder. What the time is stands before it, in eleven letters.
    pub(super) fn write(
        &self,
        folder: &Path,
        name: &Title,
        plant: &PlantId,
        (since, at): (&str, UnixMillis),
    ) -> Result<Sheets, Failure> {
        let mend = "name another place for the sheets: --sheets DIR";
        keyring::create_new_folder(folder).map_err(|failure| failure.mended_by(mend))?;
        let mut sheets = Sheets { folder: folder.to_owned(), paths: Vec::new(), is_kept: false };
        let count = self.secrets.len();
        for secret in &self.secrets {
            let number = secret.number();
            let path = folder.join(format!("sheet-{number}-of-{count}.txt"));
            let line = secret.to_text();
            let text = Zeroizing::new(format!(
                "GEARMESH RECOVERY SHEET {number} OF {count}\n\n\
                 Plant        {}\n\
                 Check words  {}\n\
                 {since}  {at}\n\n\
                 {}\n\n\
                 Any {} of the {count} sheets together make and end admins of this plant. Keep this one\n\
                 away from the others, where it does not burn with them. To use it, type the line\n\
                 above when this asks for it:\n\n    gearmesh recover NAME\n",
                output::printable(name),
                check_words(plant.as_bytes()),
                *line,
                self.threshold,
            ));
            write_private(&path, text.as_bytes())?;
            sheets.paths.push(path);
        }
        Ok(sheets)
    }
}

/// Sheets of a plant that is not founded yet. Unless they are kept they go again.
pub(super) struct Sheets {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    is_kept: bool,
}

impl Sheets {
    /// The plant is founded, or may be: from now on these may be its only root keys. Where they are.
    pub(super) fn keep(mut self) -> Vec<PathBuf> {
        self.is_kept = true;
        std::mem::take(&mut self.paths)
    }
}

impl Drop for Sheets {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is named by the next founding.
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

fn drawn_key() -> Result<SigningKey, Failure> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    for half in seed.chunks_exact_mut(16) {
        half.copy_from_slice(&keyring::random()?);
    }
    Ok(SigningKey::from_bytes(&seed))
}

/// The root whose sheets are asked for.
pub(super) struct Asked<'a> {
    /// The plant.
    pub(super) plant: &'a PlantStatus,
    /// The root.
    pub(super) root: &'a Root,
    /// All that is known of the plant's roots.
    pub(super) there: &'a RootStatus,
}

impl Asked<'_> {
    /// Whether a key is of a root that does not act: it was replaced, or only wants to take over.
    fn is_of_another_root(&self, key: &PublicKey) -> bool {
        let wanted = self.there.rotations.iter().any(|it| it.root.keys.contains(key));
        !self.root.keys.contains(key)
            && (wanted || self.there.root.keys.contains(key) || self.there.past_keys.contains(key))
    }
}

/// Root keys of a plant, from enough of its sheets.
pub(super) struct Gathered(Vec<RootSecret>);

impl Gathered {
    /// Reads as many sheets as the root asks for: these files, or lines that are typed.
    pub(super) fn read(asked: &Asked<'_>, files: &[PathBuf]) -> Result<Self, Failure> {
        let needed = usize::from(asked.root.threshold);
        if needed < 2 {
            return Err(Refusal::RootNotOnSheets.into());
        }
        let mut found = Self(Vec::new());
        for file in files {
            let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
                Failure::system(format!("cannot read {}: {error}", file.display()))
            })?;
            let line = text.lines().find(|line| line.trim().starts_with(PREFIX)).unwrap_or("");
            found.add(asked, line)?;
        }
        while files.is_empty() && found.0.len() < needed {
            let have = found.0.len();
            let Some(line) = typed(&format!("Sheet {} of {needed}: ", have + 1))? else { break };
            found.add(asked, &line)?;
        }
        match found.0.len() {
            enough if enough >= needed => Ok(found),
            few => Err(Failure::from(Refusal::SheetsTooFew)
                .saying(format!("{few} different sheets are here, and {needed} are needed"))),
        }
    }

    fn add(&mut self, asked: &Asked<'_>, line: &str) -> Result<(), Failure> {
        let plant = asked.plant;
        let secret: RootSecret =
            line.parse().map_err(|error| Failure::from(Refusal::SheetUnreadable).saying(error))?;
        let key = secret.public();
        if asked.is_of_another_root(&key) {
            return Err(Failure::from(Refusal::RootReplaced)
                .saying(format!("this sheet is of a root of {} that does not act", plant.name)));
        }
        if !asked.root.keys.contains(&key) {
            return Err(Failure::from(Refusal::SheetForeign)
                .saying(format!("this sheet is of another plant than {}", plant.name))
                .mended_by(format!("take the sheets with the check words {}", plant.words)));
        }
        if !self.0.iter().any(|known| known.public() == secret.public()) {
            self.0.push(secret);
        }
        Ok(())
    }

    /// The keys that sign.
    pub(super) fn keys(&self) -> Vec<&SigningKey> {
        self.0.iter().map(RootSecret::key).collect()
    }

    /// The numbers of the sheets, in words.
    pub(super) fn numbers(&self) -> String {
        let numbers: Vec<String> = self.0.iter().map(|it| it.number().to_string()).collect();
        numbers.join(" and ")
    }
}

/// A line that somebody types; none at the end of the input.
fn typed(question: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    if std::io::stdin().is_terminal() {
        let mut out = std::io::stderr();
        write!(out, "{question}").and_then(|()| out.flush()).map_err(Failure::system)?;
    }
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line).map_err(Failure::system)?;
    Ok((read > 0).then_some(line))
}
