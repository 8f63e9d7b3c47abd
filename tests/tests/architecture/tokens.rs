//! The words of a source file, and what can be told from them without a compiler: how long each
//! function is and which lines are test code.

use std::ops::RangeInclusive;

/// One word of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The word: a name, `::`, or one mark.
    pub(crate) text: String,
    /// Where it stands, counted from one.
    pub(crate) line: usize,
}

impl Token {
    /// Whether it is a name or a keyword.
    pub(crate) fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Splits scrubbed code; numbers and lifetimes are dropped, they name nothing.
pub(crate) fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let named = first.is_alphanumeric() || first == '_' || first == '\'';
            let length = if named {
                let word = |c: char| !(c.is_alphanumeric() || c == '_');
                let start = first.len_utf8();
                rest[start..].find(word).map_or(rest.len(), |end| end + start)
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (word, tail) = rest.split_at(length);
            rest = tail;
            let dropped = first.is_whitespace() || first.is_numeric() || first == '\'';
            if !dropped {
                found.push(Token { text: word.to_owned(), line: index + 1 });
            }
        }
    }
    found
}

/// Whether the words from `at` on are exactly these.
pub(crate) fn reads(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    tokens.len() >= at + words.len()
        && words.iter().zip(&tokens[at..]).all(|(word, token)| *word == token.text)
}

/// The index of the mark that closes the one at `open`, or of the last word if none does.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        depth += match token.text.as_str() {
            "{" | "(" | "[" => 1,
            "}" | ")" | "]" => -1,
            _ => 0,
        };
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

/// The index where the item that starts at `start` ends: its `;` or the brace that closes its body.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at,
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    tokens.len().saturating_sub(1)
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`.
    pub(crate) line: usize,
    /// From its `fn` to its closing brace.
    pub(crate) lines: usize,
}

/// Every function that has a body.
pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if pair[0].text != "fn" || !pair[1].is_name() {
            continue;
        }
        let end = &tokens[item_end(tokens, at)];
        if end.text == "}" {
            let line = pair[0].line;
            found.push(Function {
                name: pair[1].text.clone(),
                line,
                lines: end.line.saturating_sub(line) + 1,
            });
        }
    }
    found
}

/// What of a file is compiled for tests only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestParts {
    /// The lines of items marked so.
    pub(crate) lines: Vec<RangeInclusive<usize>>,
    /// The names of modules marked so whose text is in a file of its own.
    pub(crate) modules: Vec<String>,
}

/// Finds the items under `#[cfg(test)]`.
pub(crate) fn test_parts(tokens: &[Token]) -> TestParts {
    let mut parts = TestParts::default();
    for at in 0..tokens.len() {
        let marked = reads(tokens, at, &["#", "[", "cfg", "(", "test", ")"])
            || reads(tokens, at, &["#", "[", "cfg", "(", "all", "(", "test", ","]);
        if reads(tokens, at, &["#", "!", "[", "cfg", "(", "test", ")"]) {
            parts.lines.push(1..=usize::MAX);
        }
        if !marked {
            continue;
        }
        let mut item = closing(tokens, at + 1) + 1;
        while reads(tokens, item, &["#", "["]) {
            item = closing(tokens, item + 1) + 1;
        }
        if item >= tokens.len() {
            continue;
        }
        let end = item_end(tokens, item);
        parts.lines.push(tokens[at].line..=tokens[end].line);
        if tokens[end].text == ";"
            && let Some(name) = tokens[item..end].iter().skip_while(|t| t.text != "mod").nth(1)
        {
            parts.modules.push(name.text.clone());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{functions, test_parts, tokens};
    use crate::scrub::scrub;

    #[test]
    fn splits_names_paths_and_marks() {
        let words: Vec<_> =
            tokens("a::b<'c>(0x1f, d_2);").into_iter().map(|token| token.text).collect();
        assert_eq!(words, ["a", "::", "b", "<", ">", "(", ",", "d_2", ")", ";"]);
    }

    #[test]
    fn measures_functions_by_their_own_braces() {
        let text =
            "fn a() -> [u8; 2] {\n  \"}\";\n  // }\n}\ntrait T {\n fn b(&self);\n fn c() {}\n}";
        let seen: Vec<_> = functions(&tokens(&scrub(text).code))
            .into_iter()
            .map(|f| (f.name, f.line, f.lines))
            .collect();
        assert_eq!(seen, [("a".to_owned(), 1, 4), ("c".to_owned(), 7, 1)]);
        assert!(functions(&tokens("type F = fn(u8) -> u8;")).is_empty());
    }

    #[test]
    fn finds_test_items_and_test_files() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n}\nfn b() {}\n";
        assert_eq!(test_parts(&tokens(text)).lines, [2..=5]);
        let parts = test_parts(&tokens("#[cfg(test)]\nmod samples;\nmod product;"));
        assert_eq!((parts.lines, parts.modules), (vec![1..=2], vec!["samples".to_owned()]));
        assert!(test_parts(&tokens("#[cfg(not(test))] fn a() {}")).lines.is_empty());
    }
}
