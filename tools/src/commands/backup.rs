//! `gearmesh backup`: a node and a keyring in one file behind a passphrase.

use std::path::Path;

use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use serde::Serialize;

use super::stopping;
use crate::backup::{About, Source, pack};
use crate::cli::{BackupArgs, Context};
use crate::exit::{DONE, Failure};
use crate::keyring::{Holder, passphrase};
use crate::output;

/// What was backed up, for programs.
#[derive(Serialize)]
struct Report<'a> {
    file: String,
    #[serde(flatten)]
    about: &'a About,
    files: u64,
    bytes: u64,
}

pub(crate) async fn run(context: &Context, args: BackupArgs) -> Result<u8, Failure> {
    let source = Source::at(&context.home, &context.keyring)?;
    let file = args.file;
    refuse_used(&file)?;
    let passphrase = passphrase::ask_new(&file.display().to_string())?;
    let to = file.clone();
    let packed = stopping(move |stop| pack(&source, &to, &passphrase, stop)).await?;
    if context.json {
        let (files, bytes) = (packed.files, packed.bytes);
        let file = file.display().to_string();
        output::json_document(&Report { file, about: &packed.about, files, bytes })?;
        return Ok(DONE);
    }
    tell(&packed.about);
    let files = output::counted(packed.files, "file", "files");
    output::line(format!("Written   {files}, {} bytes, to {}", packed.bytes, file.display()));
    output::note(format!(
        "Keep it away from this machine, and its passphrase away from it: nobody can open it without.\n\
         Look through it now and then: gearmesh verify {}",
        file.display()
    ));
    Ok(DONE)
}

fn refuse_used(file: &Path) -> Result<(), Failure> {
    match file.symlink_metadata() {
        Ok(_) => Err(Failure::from(Refusal::BackupInTheWay)
            .saying(format!("there is something at {} already", file.display()))),
        Err(_) => Ok(()),
    }
}

/// What a backup holds, for people.
pub(super) fn tell(about: &About) {
    output::line(format!("Made      at {}, by gearmesh {}", about.at, about.release));
    if let Some(node) = &about.node {
        let called = node.name.as_deref().unwrap_or("a machine of no plant");
        output::line(format!("Node      {called}        its key: {}", node.key));
        if let (Some(plant), Some(name)) = (&node.plant, &node.plant_name) {
            let words = check_words(plant.as_bytes());
            output::line(format!("Plant     {name}        check words: {words}"));
        }
    }
    if let Some(keyring) = &about.keyring {
        let holder = match keyring.holder {
            Holder::Root => "the root key of the plant",
            Holder::Admin => "an admin's key",
        };
        let words = keyring.plant.map(|plant| check_words(plant.as_bytes()));
        let words = words.map(|words| format!(", for the plant {words}")).unwrap_or_default();
        let kept = if keyring.passphrase { "; it keeps its own passphrase" } else { "" };
        output::line(format!("Keyring   {holder}{words}{kept}"));
    }
}
