//! What a file names: every `use` and every path, spelled out from its root.
//!
//! `super`, `self`, nested groups, renames and modules declared in the file are followed, so that a
//! rule sees `crate::shell::partner` however it was written.

use std::collections::BTreeMap;

use crate::sources::Source;
use crate::tokens::{Token, closing, reads};

/// One path, as the compiler would begin to look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The line it stands on.
    pub(crate) line: usize,
    /// Its names from `crate` or from another crate's name on.
    pub(crate) path: Vec<String>,
    /// Whether it takes everything below the path.
    pub(crate) glob: bool,
}

impl Named {
    /// The path as one writes it.
    pub(crate) fn spelled(&self) -> String {
        self.path.join("::")
    }
}

/// Every path of the file, in order.
pub(crate) fn named(source: &Source) -> Vec<Named> {
    let mut reader = Reader {
        tokens: &source.tokens,
        scope: source.module(),
        open: Vec::new(),
        locals: BTreeMap::new(),
        found: Vec::new(),
    };
    reader.read();
    let Reader { locals, found, .. } = reader;
    found.into_iter().map(|raw| raw.resolve(&locals)).collect()
}

/// A path as it was written, and the module it was written in.
struct Raw {
    named: Named,
    scope: Vec<String>,
    renames: bool,
}

impl Raw {
    fn resolve(self, locals: &BTreeMap<String, Vec<String>>) -> Named {
        let mut path = self.named.path;
        // A rename may lead to another one; a file that goes deeper than this hides something.
        for _ in 0..4 {
            let Some(meaning) = path.first().and_then(|first| locals.get(first)) else { break };
            if self.renames && path.len() == 1 || meaning.first() == path.first() {
                break;
            }
            path.splice(0..1, meaning.iter().cloned());
        }
        Named { path: rooted(path, self.scope), ..self.named }
    }
}

/// Replaces `self` and `super` by the module they stand for.
fn rooted(path: Vec<String>, scope: Vec<String>) -> Vec<String> {
    let relative = path.first().is_some_and(|first| first == "self" || first == "super");
    if !relative {
        return path;
    }
    let mut base = scope;
    let mut rest = path.as_slice();
    while let [first, tail @ ..] = rest {
        match first.as_str() {
            "self" => {}
            "super" => _ = base.pop(),
            _ => break,
        }
        rest = tail;
    }
    base.extend_from_slice(rest);
    base
}

struct Reader<'a> {
    tokens: &'a [Token],
    scope: Vec<String>,
    /// Where each inline module ends.
    open: Vec<usize>,
    /// What a first name means here when it is no crate: a module declared, a name brought in.
    locals: BTreeMap<String, Vec<String>>,
    found: Vec<Raw>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            if self.open.last() == Some(&at) {
                self.open.pop();
                self.scope.pop();
            }
            at = match self.tokens[at].text.as_str() {
                "mod" if self.name(at + 1) => self.module(at),
                "use" if !reads(self.tokens, at + 1, &["<"]) => {
                    let end = self.tree(at + 1, &[]);
                    end + 1
                }
                "extern" if reads(self.tokens, at + 1, &["crate"]) => {
                    let name = self.word(at + 2);
                    self.push(at, vec![name], false, true);
                    at + 3
                }
                _ if self.starts_path(at) => self.inline_path(at),
                _ => at + 1,
            };
        }
    }

    fn word(&self, at: usize) -> String {
        self.tokens.get(at).map_or_else(String::new, |token| token.text.clone())
    }

    fn name(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(Token::is_name)
    }

    fn push(&mut self, at: usize, path: Vec<String>, glob: bool, renames: bool) {
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        let named = Named { line, path, glob };
        self.found.push(Raw { named, scope: self.scope.clone(), renames });
    }

    fn module(&mut self, at: usize) -> usize {
        let name = self.word(at + 1);
        let mut path = self.scope.clone();
        path.push(name.clone());
        // What an inline module of the same name means elsewhere in the file, the first one wins.
        self.locals.entry(name.clone()).or_insert(path);
        if reads(self.tokens, at + 2, &["{"]) {
            self.open.push(closing(self.tokens, at + 2));
            self.scope.push(name);
        }
        at + 2
    }

    /// A path inside code starts at a name that no `.` or other part of the path stands before.
    fn starts_path(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|index| &self.tokens[index]);
        let part = |token: &Token| may_stand_in_path(token) || "><)]}".contains(&token.text);
        let goes_on = match before(1).map(|token| token.text.as_str()) {
            Some(".") => true,
            Some("::") => before(2).is_some_and(part),
            _ => false,
        };
        may_stand_in_path(&self.tokens[at]) && reads(self.tokens, at + 1, &["::"]) && !goes_on
    }

    fn inline_path(&mut self, start: usize) -> usize {
        let mut path = vec![self.word(start)];
        let mut at = start + 1;
        while reads(self.tokens, at, &["::"]) && self.name(at + 1) {
            path.push(self.word(at + 1));
            at += 2;
        }
        self.push(start, path, false, false);
        at
    }

    /// Reads one branch of a `use` and returns the index of the word after it.
    fn tree(&mut self, start: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        let mut at = start;
        loop {
            match self.word(at).as_str() {
                "::" => at += 1,
                "*" => {
                    self.push(at, path, true, false);
                    return at + 1;
                }
                "{" => return self.group(at, &path),
                _ if self.name(at) => {
                    let alone = path.len() == prefix.len();
                    if !(self.word(at) == "self" && !prefix.is_empty() && alone) {
                        path.push(self.word(at));
                    }
                    at += 1;
                    if !reads(self.tokens, at, &["::"]) {
                        return self.leaf(at, path);
                    }
                }
                _ => return at,
            }
        }
    }

    fn group(&mut self, open: usize, path: &[String]) -> usize {
        let end = closing(self.tokens, open);
        let mut at = open + 1;
        while at < end {
            at = self.tree(at, path).max(at + 1);
            if reads(self.tokens, at, &[","]) {
                at += 1;
            }
        }
        end + 1
    }

    fn leaf(&mut self, end: usize, path: Vec<String>) -> usize {
        let renamed = reads(self.tokens, end, &["as"]);
        let local =
            if renamed { self.word(end + 1) } else { path.last().cloned().unwrap_or_default() };
        let meaning = rooted(path.clone(), self.scope.clone());
        self.locals.entry(local).or_insert(meaning);
        self.push(end - 1, path, false, true);
        if renamed { end + 2 } else { end }
    }
}

/// Whether the word is a name, and no keyword that can stand before a path.
fn may_stand_in_path(token: &Token) -> bool {
    const KEYWORDS: &[&str] = &[
        "as", "async", "await", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let",
        "loop", "match", "move", "mut", "ref", "return", "static", "unsafe", "where", "while",
    ];
    token.is_name() && !KEYWORDS.contains(&token.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::named;
    use crate::sources::Source;

    fn paths(text: &str) -> Vec<String> {
        let source = Source::new("node/src/core/plant/roster.rs", text);
        named(&source)
            .iter()
            .map(|n| format!("{}{}", n.spelled(), if n.glob { "::*" } else { "" }))
            .collect()
    }

    #[test]
    fn reads_groups_renames_and_globs() {
        let text = "use std::{fmt, collections::{self, BTreeMap as Map}, io::*};\nuse tokio;";
        assert_eq!(
            paths(text),
            ["std::fmt", "std::collections", "std::collections::BTreeMap", "std::io::*", "tokio"]
        );
    }

    #[test]
    fn follows_super_and_inline_modules() {
        assert_eq!(paths("use super::super::partner;"), ["crate::core::partner"]);
        assert_eq!(paths("use super::*;"), ["crate::core::plant::*"]);
        assert_eq!(
            paths("mod tests { use super::Roster; }\nuse super::Plant;"),
            ["crate::core::plant::roster::Roster", "crate::core::plant::Plant"]
        );
    }

    #[test]
    fn follows_names_brought_in_and_modules_declared() {
        let text = "use crate::core as c;\nfn f() { c::partner::g(); }";
        assert_eq!(paths(text), ["crate::core", "crate::core::partner::g"]);
        let declared = "mod time;\nfn f() { time::now(); }";
        assert_eq!(paths(declared), ["crate::core::plant::roster::time::now"]);
    }

    #[test]
    fn reads_paths_in_code_and_only_there() {
        let text = "#[tokio::test]\nasync fn f(x: &libp2p::PeerId) -> <A as ::std::fs::B>::C {\n\
                    x.y::<u8>(); // tokio::x\n let _ = \"tokio::y\"; }";
        assert_eq!(paths(text), ["tokio::test", "libp2p::PeerId", "std::fs::B"]);
        assert_eq!(paths("fn f() { for x in ::std::env::args() {} }"), ["std::env::args"]);
        assert_eq!(paths("type A = <B as C>::D;\nfn f() { E::<u8>::g(); }"), ["E"]);
        assert_eq!(paths("pub(in crate::core) fn f() {}"), ["crate::core"]);
        assert_eq!(
            paths("fn f() -> impl Sized + use<'_> { crate::shell::x() }"),
            ["crate::shell::x"]
        );
    }
}
