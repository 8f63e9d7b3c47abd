//! Samples for the rules of style: what each one must refuse, and what it must let through.

use crate::sources::Source;
use crate::style::{disabled_code, headless, long_functions, naps, open_ends, panics, too_long};

fn product(text: &str) -> Source {
    Source::new("node/src/core/plant.rs", text)
}

fn suite(text: &str) -> Source {
    Source::new("tests/tests/join.rs", text)
}

#[test]
fn files_have_one_subject() {
    let lines = |count: usize| "// x\n".repeat(count);
    assert!(too_long(&product(&lines(600))).is_none() && too_long(&product(&lines(601))).is_some());
    assert!(too_long(&suite(&lines(900))).is_none() && too_long(&suite(&lines(901))).is_some());
    assert!(too_long(&Source::new("node/src/a/tests.rs", &lines(900))).is_none());
}

#[test]
fn functions_fit_a_screen_and_the_list_only_shrinks() {
    let of =
        |lines: usize| [product(&format!("fn f() {{\n{}}}\n", "    a();\n".repeat(lines - 2)))];
    let path = "node/src/core/plant.rs";
    assert_eq!(long_functions(&of(70), &[]).len(), 0);
    assert_eq!(long_functions(&of(71), &[]).len(), 1);
    assert_eq!(long_functions(&of(80), &[(path, "f", 80)]).len(), 0);
    assert_eq!(long_functions(&of(81), &[(path, "f", 80)]).len(), 1);
    assert_eq!(long_functions(&of(75), &[(path, "f", 80)]).len(), 1);
    assert_eq!(long_functions(&of(60), &[(path, "f", 80)]).len(), 1);
    assert_eq!(long_functions(&[], &[(path, "f", 80)]).len(), 1);
    assert_eq!(long_functions(&[suite(&of(200)[0].text)], &[]).len(), 0);
}

#[test]
fn files_say_first_what_they_are_about() {
    assert!(headless(&product("//! The plant.\n")).is_none());
    assert!(headless(&product("\n//! The plant.\n")).is_some());
    assert!(headless(&product("// The plant.\n")).is_some());
}

#[test]
fn nothing_is_left_undone() {
    let left = |text: &str| open_ends("a.rs", text).len();
    for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        assert_eq!(left(&format!("a\n// {word}: later")), 1, "{word}");
        assert_eq!(left(&format!("let {word}S = {word}_LIST;")), 0, "{word}");
    }
    assert_eq!(left(concat!("    to", "do!(\"later\")")), 1);
    assert_eq!(left(concat!("    unimple", "mented!()")), 1);
    assert_eq!(left("a list of things to do"), 0);
}

#[test]
fn comments_are_words() {
    let code = |text: &str| disabled_code(&product(text)).len();
    for text in ["// foo(bar);", "// let a = b;", "// if a {", "// }", "//use a::b;", "// x += 1;"]
    {
        assert_eq!(code(text), 1, "{text}");
    }
    for text in [
        "// One writer, one file; the next line says why;",
        "// Persist first (see the contract);",
        "/// let a = b;",
        "//! let a = b;",
        "let a = \"// b();\";",
    ] {
        assert_eq!(code(text), 0, "{text}");
    }
}

#[test]
fn tests_wait_for_conditions() {
    let call = concat!("fn f() { std::thread", "::sleep(d); }");
    let brought_in =
        concat!("use tokio::time", "::{self, Duration};\nfn f() { time", "::sleep(d); }");
    assert_eq!((naps(&suite(call)).len(), naps(&suite(brought_in)).len()), (1, 1));
    let renamed = concat!("use std::thread", "::sleep as nap;\nfn f() { nap(d); }");
    assert_eq!(naps(&suite(renamed)).len(), 1);
    assert_eq!(naps(&Source::new("tests/src/wait.rs", call)).len(), 0);
    assert_eq!(naps(&Source::new("tests/bench/src/measure.rs", call)).len(), 0);
    assert_eq!(naps(&product(call)).len(), 0);
    assert_eq!(naps(&product(&format!("#[cfg(test)]\nmod tests {{ {call} }}"))).len(), 1);
    assert_eq!(naps(&suite("fn f() { tokio::time::timeout(d, x); }")).len(), 0);
}

#[test]
fn products_say_what_went_wrong() {
    let wrong = |text: &str| panics(&product(text)).len();
    assert_eq!(wrong("fn f() { a.unwrap(); b.expect(\"c\"); }"), 2);
    assert_eq!(wrong("fn f() {\n a\n  .expect(\"c\");\n}"), 1);
    assert_eq!(wrong("fn f() { a.unwrap_or(b); a.expect_err(\"\"); \".unwrap()\"; }"), 0);
    assert_eq!(wrong("#[cfg(test)]\nmod tests { fn f() { a.unwrap(); } }"), 0);
    let excuse = "#[expect(clippy::expect_used, reason = \"checked above\")]\n";
    assert_eq!(wrong(&format!("{excuse}let a = b.expect(\"c\");")), 0);
    assert_eq!(wrong(&format!("{excuse}let a = b.unwrap();")), 1);
    assert_eq!(wrong(&format!("{excuse}{}let a = b.expect(\"c\");", "\n".repeat(6))), 1);
    assert_eq!(wrong("#[expect(clippy::expect_used)]\nlet a = b.expect(\"c\");"), 1);
    assert_eq!(wrong("#[allow(clippy::expect_used, reason = \"\")]\nlet a = b.expect(\"c\");"), 1);
    assert_eq!(panics(&suite("fn f() { a.unwrap(); }")).len(), 0);
}
