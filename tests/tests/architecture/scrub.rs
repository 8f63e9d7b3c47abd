//! Rust text with its comments and literals blanked out, so that a rule about code reads only code.
//!
//! Line breaks and lengths stay as they were: a place found in the blanked text is a place in the file.

/// One line of a comment, without its marker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Where it stands, counted from one.
    pub(crate) line: usize,
    /// What it says, trimmed.
    pub(crate) text: String,
    /// Whether rustdoc reads it; documentation may show code, a plain comment may not.
    pub(crate) documents: bool,
}

/// The two halves of a source file.
#[derive(Debug, Default)]
pub(crate) struct Scrubbed {
    /// The code, every comment and literal replaced by spaces.
    pub(crate) code: String,
    /// The line comments.
    pub(crate) comments: Vec<Comment>,
}

/// Splits a source text.
pub(crate) fn scrub(text: &str) -> Scrubbed {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0, out: Vec::with_capacity(text.len()) };
    let mut comments = Vec::new();
    let mut line = 1;
    let mut counted = 0;
    while let Some(byte) = cursor.peek(0) {
        if byte == b'/' && cursor.peek(1) == Some(b'/') {
            let start = cursor.at;
            line += text.as_bytes()[counted..start].iter().filter(|&&b| b == b'\n').count();
            counted = start;
            cursor.blank_until_newline();
            comments.push(comment(line, &text[start..cursor.at]));
        } else if byte == b'/' && cursor.peek(1) == Some(b'*') {
            cursor.blank_block_comment();
        } else if let Some(hashes) = cursor.raw_string_hashes() {
            cursor.blank_raw_string(hashes);
        } else if byte == b'"' {
            cursor.blank_string();
        } else if byte == b'\'' {
            cursor.blank_char_or_keep_lifetime(text);
        } else {
            cursor.keep();
        }
    }
    Scrubbed { code: String::from_utf8_lossy(&cursor.out).into_owned(), comments }
}

fn comment(line: usize, raw: &str) -> Comment {
    let body = raw.trim_start_matches('/');
    let slashes = raw.len() - body.len();
    let documents = slashes == 3 || body.starts_with('!');
    Comment { line, text: body.trim_start_matches('!').trim().to_owned(), documents }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Cursor<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self) {
        self.out.push(if self.peek(0) == Some(b'\n') { b'\n' } else { b' ' });
        self.at += 1;
    }

    fn blank_until_newline(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.blank();
        }
    }

    fn blank_block_comment(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.peek(0) {
            let step = match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => 1,
                (b'*', Some(b'/')) => -1,
                _ => 0,
            };
            depth += step;
            self.blank();
            if step != 0 {
                self.blank();
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// The number of `#` of a raw string that starts here; nothing if none does.
    fn raw_string_hashes(&self) -> Option<usize> {
        let after_name = self.at > 0 && is_name(self.bytes[self.at - 1]);
        let marker = match (self.peek(0)?, self.peek(1)) {
            (b'r', _) => 1,
            (b'b' | b'c', Some(b'r')) => 2,
            _ => return None,
        };
        let hashes = self.bytes[self.at + marker..].iter().take_while(|&&b| b == b'#').count();
        (!after_name && self.peek(marker + hashes) == Some(b'"')).then_some(hashes)
    }

    fn blank_raw_string(&mut self, hashes: usize) {
        while self.peek(0).is_some_and(|byte| byte != b'"') {
            self.blank();
        }
        self.keep();
        while let Some(byte) = self.peek(0) {
            let tail = &self.bytes[self.at + 1..];
            if byte == b'"' && tail.iter().take_while(|&&b| b == b'#').count() >= hashes {
                self.keep();
                (0..hashes).for_each(|_| self.blank());
                return;
            }
            self.blank();
        }
    }

    fn blank_string(&mut self) {
        self.keep();
        while let Some(byte) = self.peek(0) {
            if byte == b'"' {
                return self.keep();
            }
            self.blank();
            if byte == b'\\' && self.peek(0).is_some() {
                self.blank();
            }
        }
    }

    fn blank_char_or_keep_lifetime(&mut self, text: &str) {
        let rest = &text[self.at + 1..];
        let length = match rest.chars().next() {
            Some('\\') => rest[2..].find('\'').map(|close| close + 2),
            Some(first) if rest[first.len_utf8()..].starts_with('\'') => Some(first.len_utf8()),
            _ => None,
        };
        self.keep();
        if let Some(length) = length {
            (0..length).for_each(|_| self.blank());
            self.keep();
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::scrub;

    fn code(text: &str) -> String {
        scrub(text).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn blanks_comments_and_literals_and_keeps_code() {
        assert_eq!(code("a(); // b();"), "a();");
        assert_eq!(code("a /* b /* c */ d */ e"), "a e");
        assert_eq!(code(r#"f("x{\"}") + g"#), r#"f(" ") + g"#);
        assert_eq!(code(r##"f(r#"{"}"#, b"}", br"}")"##), r#"f( " " , b" ", " ")"#);
        assert_eq!(code(r"match c { '{' | '\'' | '\u{7d}' | 'é' => 'x' }"), {
            "match c { ' ' | ' ' | ' ' | ' ' => ' ' }"
        });
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code("let r#type = for_r;"), "let r#type = for_r;");
    }

    #[test]
    fn keeps_every_line_where_it_was() {
        let text = "one\n/* two\nthree */ four\n\"five\nsix\" // é seven\n/// eight\n//! nine";
        let scrubbed = scrub(text);
        assert_eq!(scrubbed.code.lines().count(), text.lines().count());
        assert_eq!(scrubbed.code.len(), text.len());
        let seen: Vec<_> =
            scrubbed.comments.iter().map(|c| (c.line, c.text.as_str(), c.documents)).collect();
        assert_eq!(seen, [(5, "é seven", false), (6, "eight", true), (7, "nine", true)]);
    }
}
