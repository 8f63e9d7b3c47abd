//! `gearmesh restore`: put back what `gearmesh backup` wrote, where nothing is in the way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use gearmesh_protocol::refusal::Refusal;
use serde::Serialize;

use super::backup::tell;
use super::stopping;
use crate::backup::{About, Backup, Only};
use crate::cli::{Context, RestoreArgs};
use crate::exit::{DONE, Failure};
use crate::keyring::create_new_folder;
use crate::output;

/// What was put back, for programs.
#[derive(Serialize)]
struct Report<'a> {
    home: Option<String>,
    keyring: Option<String>,
    #[serde(flatten)]
    about: &'a About,
    files: u64,
    bytes: u64,
}

/// A folder that is being filled, and where it goes; it goes away again unless it gets there.
struct Place {
    part: Only,
    draft: PathBuf,
    to: PathBuf,
    is_there: bool,
}

impl Place {
    fn new(part: Only, to: &Path) -> Result<Self, Failure> {
        let mut draft = to.as_os_str().to_owned();
        draft.push(".restoring");
        let draft = PathBuf::from(draft);
        // What a kill left of an earlier try.
        match std::fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::system(format!("{}: {error}", draft.display())));
            }
            _ => {}
        }
        create_new_folder(&draft)?;
        Ok(Self { part, draft, to: to.to_owned(), is_there: false })
    }

    fn settle(&mut self) -> io::Result<()> {
        sync_folders(&self.draft)?;
        // An empty folder gives way; nothing else does.
        std::fs::rename(&self.draft, &self.to)?;
        self.is_there = true;
        let above = self.to.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_there {
            // The next try takes away what is left.
            drop(std::fs::remove_dir_all(&self.draft));
        }
    }
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

pub(crate) async fn run(context: &Context, args: RestoreArgs) -> Result<u8, Failure> {
    let backup = Backup::open(&args.file)?;
    let about = backup.about.clone();
    let wanted = |part| args.only.is_none_or(|only| only == part);
    let home = about.node.as_ref().filter(|_| wanted(Only::Node)).map(|_| &context.home);
    let keyring =
        about.keyring.as_ref().filter(|_| wanted(Only::Keyring)).map(|_| &context.keyring);
    let targets = [(Only::Node, home), (Only::Keyring, keyring)];
    let targets = targets.into_iter().filter_map(|(part, to)| Some((part, to?)));
    let targets: Vec<(Only, &PathBuf)> = targets.collect();
    if targets.is_empty() {
        return Err(Failure::from(Refusal::BackupEmpty)
            .saying("the backup does not hold what is wanted")
            .mended_by(format!("see what is in it: gearmesh verify {}", args.file.display())));
    }
    for (_, to) in &targets {
        refuse_used(to)?;
    }
    let places = targets.iter().map(|(part, to)| Place::new(*part, to));
    let mut places = places.collect::<Result<Vec<_>, _>>()?;
    let passed = stopping(move |stop| {
        let parts: Vec<(Only, &Path)> =
            places.iter().map(|place| (place.part, place.draft.as_path())).collect();
        let passed = backup.write(&parts, stop)?;
        places.iter_mut().try_for_each(Place::settle).map_err(Failure::system)?;
        Ok(passed)
    })
    .await?;
    let shown = |path: Option<&PathBuf>| path.map(|path| path.display().to_string());
    if context.json {
        let (home, keyring) = (shown(home), shown(keyring));
        let (files, bytes) = (passed.files, passed.bytes);
        output::json_document(&Report { home, keyring, about: &about, files, bytes })?;
        return Ok(DONE);
    }
    tell(&about);
    for path in [home, keyring].into_iter().flatten() {
        output::line(format!("Restored  {}", path.display()));
    }
    if home.is_some() {
        output::line(format!("Next      {} up", context.program()));
        output::note(
            "If the machine that this was taken from still runs, leave this one off: one key would live\n\
             twice, and every member would say so.",
        );
    }
    Ok(DONE)
}

/// Nothing is written over: only what is not there, or is an empty folder, is filled.
fn refuse_used(to: &Path) -> Result<(), Failure> {
    let is_free = match std::fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    match is_free {
        true => Ok(()),
        false => Err(Failure::from(Refusal::BackupInTheWay)
            .saying(format!("there is something in {} already", to.display()))),
    }
}
