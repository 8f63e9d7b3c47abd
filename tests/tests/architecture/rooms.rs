//! Who may name whom: the rooms of the house, and what may be named in each.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Named, named};
use crate::manifests::workspace_dependencies;
use crate::sources::{Source, Violation, read};

/// What the name of a crate may be in a room.
#[derive(Clone, Copy)]
enum Crates {
    Any,
    Only(&'static [&'static str]),
}

/// A part of the tree, and what its files may not name.
struct Room {
    place: &'static str,
    except: &'static str,
    crates: Crates,
    /// The only part of its own crate that it may name.
    within: &'static str,
    /// Paths from their root; a trailing `*` stands for the rest of a name.
    never: &'static [&'static str],
    /// Module names that may stand nowhere in a path.
    never_modules: &'static [&'static str],
    why: &'static str,
}

const OPEN: Room = Room {
    place: "",
    except: "",
    crates: Crates::Any,
    within: "",
    never: &[],
    never_modules: &[],
    why: "",
};

/// What reaches outside the program, or differs from run to run. An address is a value like any
/// other, and invitations carry some; what opens one is not.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net::Incoming",
    "std::net::Tcp*",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "std::hash::RandomState",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
];

const ROOMS: &[Room] = &[
    Room {
        place: "protocol/src",
        crates: Crates::Only(&[
            "blake3",
            "chacha20poly1305",
            "ed25519_dalek",
            "postcard",
            "serde",
            "std",
            "thiserror",
            "x25519_dalek",
            "zeroize",
        ]),
        never: WORLD,
        why: "what is signed must mean the same everywhere: no clock, no randomness, no I/O",
        ..OPEN
    },
    Room {
        place: "protocol/src/plant*",
        never: &["crate::partner*"],
        why: "a frame of one plane that names the other's is a leak in the making",
        ..OPEN
    },
    Room {
        place: "protocol/src/partner*",
        never: &["crate::plant*"],
        why: "a frame of one plane that names the other's is a leak in the making",
        ..OPEN
    },
    Room {
        place: "node/src/core",
        crates: Crates::Only(&["blake3", "gearmesh_protocol", "std", "thiserror", "tracing"]),
        within: "crate::core",
        never: WORLD,
        why: "the core decides from its arguments alone, so that every run can be repeated",
        ..OPEN
    },
    Room {
        place: "node/src/core",
        never: &["std::net"],
        why: "the core knows members; where they can be reached is the shell's matter",
        ..OPEN
    },
    Room {
        place: "node/src/core/plant",
        never: &["crate::core::partner", "crate::core::bridge", "gearmesh_protocol::partner*"],
        never_modules: &["partner", "bridge"],
        why: "the plant is closed; only the bridge knows that partners exist",
        ..OPEN
    },
    Room {
        place: "node/src/core/partner",
        never: &["crate::core::plant", "crate::core::bridge", "gearmesh_protocol::plant*"],
        never_modules: &["plant", "bridge"],
        why: "what partners reach must not be able to reach the plant",
        ..OPEN
    },
    Room {
        place: "node/src",
        except: "node/src/shell",
        never: &["axum", "libp2p", "tokio"],
        why: "I/O lives in the shell and nowhere else",
        ..OPEN
    },
    Room {
        place: "node/src/shell/plant",
        never: &["crate::shell::partner", "crate::core::partner", "gearmesh_protocol::partner*"],
        why: "each plane has its own swarm; between them stands only the bridge",
        ..OPEN
    },
    Room {
        place: "node/src/shell/partner",
        never: &["crate::shell::plant", "crate::core::plant", "gearmesh_protocol::plant*"],
        why: "each plane has its own swarm; between them stands only the bridge",
        ..OPEN
    },
    Room {
        place: "node/client/src",
        crates: Crates::Only(&["gearmesh_protocol", "serde_json", "std", "thiserror", "tokio"]),
        why: "a program beside a node need not build one",
        ..OPEN
    },
    Room {
        place: "tools/src",
        never: &["gearmesh_node::core", "gearmesh_node::shell", "libp2p"],
        why: "the tools stand at the node's front door; its inside may change without them",
        ..OPEN
    },
];

/// Crates that one part of a room may name beyond the room's list.
/// The plant's state signs admissions, so it holds the node's key; the partner plane's signs groups
/// and agreements with a key of its own. The bridge looks into structured values.
const GUESTS: &[(&str, &str)] = &[
    ("node/src/core/bridge", "serde_json"),
    ("node/src/core/partner", "ed25519_dalek"),
    ("node/src/core/plant/mod", "ed25519_dalek"),
];

/// Modules of the node's library that are its front door.
const FRONT_DOOR: &[&str] = &[
    "audit", "commands", "config", "daemon", "evidence", "home", "items", "leases", "listen",
    "papers", "tokens", "visit",
];

/// What unit tests may name beyond their room's list; they play the others, who sign.
const TEST_CRATES: &[&str] = &["ed25519_dalek", "postcard", "proptest", "serde_json", "tempfile"];

/// The only files that may name both planes: the bridge, and the composition root.
const BOTH_PLANES: &[&str] = &["node/src/core/bridge", "node/src/lib.rs", "node/src/main.rs"];

/// What is in no other room's reach and yet must have one.
const NODE_ROOMS: &[&str] =
    &["node/src/lib.rs", "node/src/main.rs", "node/src/config", "node/src/core", "node/src/shell"];

/// The names that mean another crate, in every file of the workspace.
pub(crate) fn crate_names() -> BTreeSet<String> {
    let own = workspace_dependencies(&read("Cargo.toml")).into_iter();
    own.map(|name| name.replace('-', "_")).chain(["std".to_owned()]).collect()
}

/// What the file names that its rooms do not allow, each thing once.
pub(crate) fn trespasses(source: &Source, crates: &BTreeSet<String>) -> Vec<Violation> {
    let mut found = BTreeMap::new();
    for name in named(source).into_iter().map(with_one_standard_library) {
        for room in ROOMS.iter().filter(|room| source.is_in(room.place)) {
            if !room.except.is_empty() && source.is_in(room.except) {
                continue;
            }
            if let Some(offender) = offender(room, source, &name, crates) {
                let what = format!("{} names `{offender}`: {}", room.place, room.why);
                found.entry((offender, room.place)).or_insert((name.line, what));
            }
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort();
    found.into_iter().map(|(line, what)| Violation::at(&source.path, line, what)).collect()
}

fn with_one_standard_library(mut name: Named) -> Named {
    if let Some(first) = name.path.first_mut().filter(|first| *first == "core" || *first == "alloc")
    {
        *first = "std".to_owned();
    }
    name
}

/// The part of the path that the room forbids.
fn offender(
    room: &Room,
    source: &Source,
    name: &Named,
    crates: &BTreeSet<String>,
) -> Option<String> {
    let first = name.path.first()?;
    if let Crates::Only(allowed) = room.crates
        && crates.contains(first)
        && !allowed.contains(&first.as_str())
        && !(source.is_test(name.line) && TEST_CRATES.contains(&first.as_str()))
        && !GUESTS.iter().any(|(place, guest)| guest == first && source.is_in(place))
    {
        return Some(first.clone());
    }
    let spelled = name.spelled();
    if !room.within.is_empty() && first == "crate" && !covers(room.within, &spelled) {
        return Some(spelled);
    }
    let swallowed = |path: &str| name.glob && path.starts_with(&format!("{spelled}::"));
    if let Some(path) = room.never.iter().find(|path| covers(path, &spelled) || swallowed(path)) {
        return Some(if covers(path, &spelled) {
            (*path).to_owned()
        } else {
            format!("{spelled}::*")
        });
    }
    let inside_node = room.place == "tools/src" && first == "gearmesh_node" && name.path.len() > 2;
    let at_the_door = FRONT_DOOR.contains(&name.path.get(1).map_or("", String::as_str));
    if inside_node && !at_the_door && name.path[1].starts_with(char::is_lowercase) {
        return Some(spelled);
    }
    let module = name.path.iter().skip(1).find(|part| room.never_modules.contains(&part.as_str()));
    module.map(|part| format!("{part} (in {spelled})"))
}

/// Whether a path is the pattern or lies below it.
fn covers(pattern: &str, spelled: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => spelled.starts_with(start),
        None => spelled
            .strip_prefix(pattern)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::")),
    }
}

/// A file of the node that names both planes without being the bridge or the composition root.
pub(crate) fn crossing(source: &Source) -> Option<Violation> {
    if !source.path.starts_with("node/src/") || BOTH_PLANES.iter().any(|place| source.is_in(place))
    {
        return None;
    }
    let names = named(source);
    let first_of = |plane: &str| {
        let roots = [
            format!("crate::core::{plane}"),
            format!("crate::shell::{plane}"),
            format!("gearmesh_protocol::{plane}*"),
        ];
        names.iter().find(|name| roots.iter().any(|root| covers(root, &name.spelled())))
    };
    let (plant, partner) = (first_of("plant")?, first_of("partner")?);
    let what = format!("names both `{}` and `{}`", plant.spelled(), partner.spelled());
    Some(Violation::at(&source.path, plant.line.max(partner.line), what))
}

/// A file of the node that stands in none of its rooms, or in one that must not exist.
pub(crate) fn homeless(source: &Source) -> Option<Violation> {
    if source.is_in("node/src/shell/bridge") {
        return Some(Violation::at(&source.path, 1, "a bridge in the shell would cross undecided"));
    }
    let stray =
        source.path.starts_with("node/src/") && !NODE_ROOMS.iter().any(|place| source.is_in(place));
    stray.then(|| Violation::at(&source.path, 1, "stands in no room of node/src"))
}
