//! The rules of the house as a test: who may name whom, how a file is written, what is built.
//!
//! Every rule is one test. Its message names the place, the rule and the reason; whoever finds a
//! rule wrong changes it here, in a commit that says why.

#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/layout.rs"]
mod layout;
#[path = "architecture/licences.rs"]
mod licences;
#[path = "architecture/lock.rs"]
mod lock;
#[path = "architecture/manifests.rs"]
mod manifests;
#[path = "architecture/markdown.rs"]
mod markdown;
#[path = "architecture/rooms.rs"]
mod rooms;
#[path = "architecture/rooms_samples.rs"]
mod rooms_samples;
#[path = "architecture/scrub.rs"]
mod scrub;
#[path = "architecture/sources.rs"]
mod sources;
#[path = "architecture/style.rs"]
mod style;
#[path = "architecture/style_samples.rs"]
mod style_samples;
#[path = "architecture/tokens.rs"]
mod tokens;

use sources::{CRATES, Violation, demand, files, read, root, sources};

#[test]
fn every_file_names_only_what_its_room_allows() {
    let crates = rooms::crate_names();
    let found: Vec<_> = sources().iter().flat_map(|s| rooms::trespasses(s, &crates)).collect();
    let why = "layers and planes that cannot name each other cannot leak into each other";
    demand("a file names only what its room in the table of rooms.rs allows", why, &found);
}

#[test]
fn only_the_bridge_and_the_composition_root_name_both_planes() {
    let found: Vec<_> = sources().iter().filter_map(rooms::crossing).collect();
    let why = "whoever reviews what leaves the plant reads core/bridge, and nothing else";
    demand("only core/bridge, lib.rs and main.rs name both planes", why, &found);
}

#[test]
fn every_file_of_the_node_has_a_room() {
    let found: Vec<_> = sources().iter().filter_map(rooms::homeless).collect();
    let why = "code outside the rooms is code outside the rules";
    demand("node/src holds lib.rs, main.rs, config, core and shell; no shell/bridge", why, &found);
}

#[test]
fn the_top_of_the_repository_is_a_closed_list() {
    let found = layout::top_level(&layout::names(root()));
    demand("the top level holds what layout.rs lists", "one look shows what there is", &found);
}

#[test]
fn no_file_is_too_long() {
    let found: Vec<_> = sources().iter().filter_map(style::too_long).collect();
    demand("600 lines at most, 900 for tests", "a longer file has a second subject", &found);
}

#[test]
fn no_function_is_too_long() {
    let found = style::long_functions(sources(), style::LONG_FUNCTIONS);
    let why = "a function is read at once or not understood";
    demand("70 lines at most in protocol, node and tools", why, &found);
}

#[test]
fn every_file_says_first_what_it_is_about() {
    let found: Vec<_> = sources().iter().filter_map(style::headless).collect();
    demand("a file starts with `//!`", "whoever opens it knows whether to read on", &found);
}

#[test]
fn nothing_is_left_undone() {
    let endings = [".rs", ".md", ".toml"];
    let texts = endings.iter().flat_map(|ending| files("", ending));
    let found: Vec<_> = texts.flat_map(|path| style::open_ends(&path, &read(&path))).collect();
    demand("no marks of unfinished work", "unfinished work belongs in the tracker", &found);
}

#[test]
fn no_code_is_kept_in_comments() {
    let found: Vec<_> = sources().iter().flat_map(style::disabled_code).collect();
    demand("comments are words", "version control remembers code that went away", &found);
}

#[test]
fn no_test_sleeps() {
    let found: Vec<_> = sources().iter().flat_map(style::naps).collect();
    let why = "a nap is too short on a slow machine and too long on a fast one";
    demand("tests wait for conditions, through tests/src/wait.rs", why, &found);
}

#[test]
fn no_product_code_panics_without_a_proof() {
    let found: Vec<_> = sources().iter().flat_map(style::panics).collect();
    let why = "a panic in a controller is an outage; one that cannot happen says why it cannot";
    demand("unwrap and expect only under #[expect(…, reason = …)]", why, &found);
}

#[test]
fn every_crate_inherits_lints_and_versions() {
    let found: Vec<_> = CRATES
        .iter()
        .map(|folder| format!("{folder}/Cargo.toml"))
        .flat_map(|path| manifests::not_inherited(&path, &read(&path)))
        .collect();
    demand("lints and versions stand in the workspace", "one version, one set of lints", &found);
}

#[test]
fn every_document_has_one_title() {
    let documents = files("", ".md").into_iter();
    let found: Vec<_> =
        documents.filter_map(|path| markdown::titles(&path, &read(&path))).collect();
    demand("one `#` title a document", "a document has one subject", &found);
}

#[test]
fn every_row_of_a_table_is_whole() {
    let documents = files("", ".md").into_iter();
    let found: Vec<_> =
        documents.flat_map(|path| markdown::ragged_rows(&path, &read(&path))).collect();
    demand("the rows of a table have one width", "a cell of another table hides two rows", &found);
}

#[test]
fn every_link_leads_to_a_file() {
    let exists = |path: &std::path::Path| root().join(path).exists();
    let documents = files("", ".md").into_iter();
    let found: Vec<_> =
        documents.flat_map(|path| markdown::dead_links(&path, &read(&path), exists)).collect();
    demand("relative links lead to files", "a reader follows them", &found);
}

#[test]
fn no_dependency_is_older_than_its_floor() {
    let found = lock::below_floor(&lock::packages(&read("Cargo.lock")));
    demand("versions at or above lock.rs", "older ones have known holes or lack a bound", &found);
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let packages = lock::packages(&read("Cargo.lock"));
    let name = |folder: &str| folder.rsplit('/').next().unwrap_or(folder).to_owned();
    let members = CRATES.map(|folder| format!("gearmesh-{}", name(folder)));
    let found = lock::foreign(&packages, &members.each_ref().map(String::as_str));
    demand("packages come from crates.io", "what is built must stay obtainable", &found);
}

#[test]
fn postcard_comes_without_its_defaults() {
    let mut found: Vec<Violation> =
        manifests::postcard_with_defaults("Cargo.toml", &read("Cargo.toml"));
    found.extend(lock::postcard_extras(&lock::packages(&read("Cargo.lock"))));
    let why = "its defaults bring heapless and stand-ins for atomics that nothing here needs";
    demand("postcard without default features", why, &found);
}

#[test]
fn every_licence_can_be_met() {
    let found = match licences::terms() {
        Ok(terms) => licences::unmet(&terms),
        Err(error) => vec![Violation::at("Cargo.lock", 1, format!("cannot be judged: {error}"))],
    };
    let why = "a factory must be able to ship what it builds";
    demand("licences are on the list of licences.rs", why, &found);
}
