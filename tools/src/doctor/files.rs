//! Files: who can read secrets, the settings, room on the disk.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gearmesh_node::daemon::settings;
use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};

use super::finding::Finding;
use crate::cli::Context;

/// Below this the node itself is short of room soon.
const ROOM_MIN: u64 = 64 << 20;

/// Below this somebody should know.
const ROOM_USUAL: u64 = 1 << 30;

/// Secrets that others can read, and homes of other users.
pub(super) fn permissions(context: &Context) -> Finding {
    let check = "permissions";
    let secrets = |folder: &Path| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let files: Vec<PathBuf> = files.map(|file| file.path()).collect();
        std::iter::once(folder.to_owned()).chain(files).collect::<Vec<_>>()
    };
    let mut open = Vec::new();
    for path in [&context.home, &context.keyring].into_iter().flat_map(|folder| secrets(folder)) {
        let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
        let is_secret = path.file_name().is_some_and(|name| name != "gearmesh.toml");
        let mode = found.permissions().mode() & 0o777;
        if is_secret && !found.is_symlink() && mode & 0o077 != 0 && !is_sheltered(&path, context) {
            open.push((path, mode));
        }
    }
    if let Some((first, mode)) = open.first() {
        let said = format!("{} can be read by others (mode {mode:o})", first.display());
        let wrong = Finding::wrong(check, said).mended_by("look who had access, and then:");
        let line = |(path, _): &(PathBuf, u32)| format!("chmod go-rwx {}", path.display());
        return open.iter().map(line).fold(wrong, Finding::mended_by);
    }
    let me = rustix::process::geteuid().as_raw();
    match std::fs::metadata(&context.home) {
        Ok(home) if home.uid() != me => {
            Finding::look(check, format!("the home belongs to user {}, you are {me}", home.uid()))
                .mended_by("type commands as the user who runs the node")
        }
        _ => Finding::fine(check, "home, key, journal and keyring are their owner's alone"),
    }
}

/// Whether a file lies in a folder that nobody else can enter, so that its own mode opens nothing.
fn is_sheltered(path: &Path, context: &Context) -> bool {
    let is_folder_of_ours = path == context.home || path == context.keyring;
    let is_key = path.extension().is_some_and(|end| end == "key") || path.ends_with("tokens");
    let closed = |folder: &Path| {
        std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o077 == 0)
    };
    !is_folder_of_ours && !is_key && path.parent().is_some_and(closed)
}

/// The file of settings.
pub(super) fn configuration(context: &Context) -> Finding {
    let check = "settings";
    match settings(&context.home, None) {
        Ok(raw) => match raw.given().count() {
            0 => Finding::fine(check, "none are given; everything is as it is by itself"),
            1 => Finding::fine(check, "1 setting is given, and sound"),
            count => Finding::fine(check, format!("{count} settings are given, and sound")),
        },
        Err(refused) => Finding::wrong(check, refused.to_string()).mended_by(refused.mend),
    }
}

/// Room for the journal and for durable values.
pub(super) fn disk(context: &Context) -> Finding {
    let check = "disk";
    let home = context.home.display();
    let StatVfs { f_bavail, f_frsize, f_files, f_favail, f_flag, .. } = match statvfs(&context.home)
    {
        Ok(found) => found,
        Err(error) => return Finding::unknown(check, format!("{home}: {error}")),
    };
    let free = f_bavail.saturating_mul(f_frsize);
    let said = format!("{} MiB free for {home}", free >> 20);
    let df = format!("see what takes the room: df -h {home}; du -sh {home}/*");
    if f_flag.contains(StatVfsMountFlags::RDONLY) {
        Finding::wrong(check, format!("{home} is on a disk that is mounted read-only"))
            .mended_by("see why (dmesg | tail), then mount it writable again")
    } else if free < ROOM_MIN {
        Finding::wrong(check, said).mended_by(df)
    } else if f_files > 0 && f_favail == 0 {
        Finding::wrong(
            check,
            format!("no file can be made on the disk of {home}: no inode is free"),
        )
        .mended_by(format!("df -i {home}"))
    } else if free < ROOM_USUAL {
        Finding::look(check, said).mended_by(df)
    } else {
        Finding::fine(check, said)
    }
}
