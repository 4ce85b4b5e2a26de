//! Takes an input apart into JSON documents, one after the other, however long it is and however they are laid out: one
//! on each line, over many lines, several on one line, or all of it mixed.
//!
//! Where a document ends is told by its brackets and quotes; what it holds is for the JSON parser. It never holds more
//! than one document and a line, and one that is broken must not swallow those after it.

use std::io::{self, BufRead, Read};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One document, or text that stands in the place of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// The line it begins on, from 1.
    pub line: u64,
    /// `None` where it is longer than the limit.
    pub body: Option<Vec<u8>>,
}

/// What is known of an input before and while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// No document goes over the end of a line.
    Lines,
    /// None did so far, but one may.
    LinesSoFar,
    Unknown,
}

pub struct Documents<R> {
    input: R,
    /// Bytes in one document.
    limit: usize,
    layout: Layout,
    /// What was read and not handed out yet.
    text: Vec<u8>,
    /// The line on which `text` begins, from 1.
    line: u64,
}

/// How far the text from a first bracket on belongs together.
enum Extent {
    Whole(usize),
    /// Its last bracket is missing.
    Broken(usize),
    /// Over the limit already, so its end was not looked for.
    TooLong(usize),
}

impl<R: BufRead> Documents<R> {
    pub fn new(input: R, limit: usize, layout: Layout) -> Self {
        Self { input, limit, layout, text: Vec::new(), line: 1 }
    }

    /// The next document; `None` at the end of the input.
    pub fn next(&mut self) -> io::Result<Option<Document>> {
        let Some(first) = self.skip_blank()? else { return Ok(None) };
        let line = self.line;
        let is_document = matches!(first, b'{' | b'[');
        let extent = if is_document { self.extent()? } else { self.rest_of_line() };
        let body = match extent {
            Extent::Whole(end) | Extent::Broken(end) => Some(self.take(end)),
            Extent::TooLong(end) => {
                if !self.take(end).ends_with(b"\n") {
                    self.skip_line()?;
                }
                None
            }
        };
        if matches!(extent, Extent::Whole(_)) {
            if self.layout == Layout::Unknown && self.line == line {
                self.layout = Layout::LinesSoFar;
            }
        } else if is_document && (self.layout == Layout::Unknown || self.line > line + 1) {
            // The lines of a broken document are no documents.
            self.skip_to_bracket()?;
        }
        Ok(Some(Document { line, body }))
    }

    /// Whether nothing but blanks is left.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.skip_blank()?.is_none())
    }

    /// The first byte of what comes next, which is then the first of `text`.
    fn skip_blank(&mut self) -> io::Result<Option<u8>> {
        loop {
            let blank = self.text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.take(blank);
            if let Some(first) = self.text.first() {
                return Ok(Some(*first));
            }
            if self.read_line()? == 0 {
                return Ok(None);
            }
            if self.line == 1 && self.text.starts_with(BYTE_ORDER_MARK) {
                self.text.drain(..BYTE_ORDER_MARK.len());
            }
        }
    }

    /// `text` begins with a bracket.
    fn extent(&mut self) -> io::Result<Extent> {
        let mut scan = Scan::default();
        let mut at = 0;
        // A line that looks like the beginning of another document. In one that is whole it is not.
        let mut another = None;
        loop {
            let line = line_of(&self.text[at..]);
            if let Some(length) = scan.end(&self.text[at..at + line]) {
                let end = at + length;
                return Ok(if end > self.limit { Extent::TooLong(end) } else { Extent::Whole(end) });
            }
            at += line;
            let is_over = at > self.limit;
            let next = match self.text.get(at) {
                Some(byte) => Some(*byte),
                None if is_over => None,
                None => self.input.fill_buf()?.first().copied(),
            };
            let goes_on = match (self.layout, next) {
                (Layout::Lines, _) | (_, None) => false,
                (Layout::LinesSoFar, Some(byte)) => byte.is_ascii_whitespace() || matches!(byte, b'}' | b']' | b'"'),
                (Layout::Unknown, Some(_)) => true,
            };
            // No text in quotes goes over the end of a line.
            if is_over || !goes_on || scan.quoted {
                return Ok(match another {
                    Some(end) => {
                        self.layout = Layout::LinesSoFar;
                        Extent::Broken(end)
                    }
                    None if is_over => Extent::TooLong(at),
                    None => Extent::Broken(at),
                });
            }
            if next == Some(b'{') && another.is_none() {
                another = Some(at);
            }
            if at == self.text.len() {
                self.read_line()?;
            }
        }
    }

    fn rest_of_line(&self) -> Extent {
        let end = line_of(&self.text);
        if end > self.limit { Extent::TooLong(end) } else { Extent::Broken(end) }
    }

    /// Adds a line to `text`, or what of it is enough to see that it is over the limit.
    fn read_line(&mut self) -> io::Result<usize> {
        let room = u64::try_from(self.limit.saturating_sub(self.text.len())).unwrap_or(u64::MAX);
        (&mut self.input).take(room.saturating_add(2)).read_until(b'\n', &mut self.text)
    }

    /// Hands out the first `end` bytes of `text`.
    fn take(&mut self, end: usize) -> Vec<u8> {
        let rest = self.text.split_off(end);
        let taken = std::mem::replace(&mut self.text, rest);
        self.line += newlines(&taken);
        taken
    }

    /// Passes over the rest of a line.
    fn skip_line(&mut self) -> io::Result<()> {
        let line = line_of(&self.text);
        if self.take(line).ends_with(b"\n") {
            return Ok(());
        }
        loop {
            let buffer = self.input.fill_buf()?;
            let line = line_of(buffer);
            let ends = buffer.is_empty() || buffer[..line].ends_with(b"\n");
            self.line += newlines(&buffer[..line]);
            self.input.consume(line);
            if ends {
                return Ok(());
            }
        }
    }

    /// Passes over the lines that begin with anything but a bracket.
    fn skip_to_bracket(&mut self) -> io::Result<()> {
        loop {
            let next = match self.text.first() {
                Some(byte) => Some(*byte),
                None => self.input.fill_buf()?.first().copied(),
            };
            if matches!(next, None | Some(b'{')) {
                return Ok(());
            }
            self.skip_line()?;
        }
    }
}

/// Bytes of the first line, its end included.
fn line_of(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1)
}

fn newlines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Where in a document one is.
#[derive(Default)]
struct Scan {
    /// Open brackets.
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Scan {
    /// Goes on through `text`; where the last bracket closes in it, says after how many bytes.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        for (index, byte) in text.iter().enumerate() {
            if self.quoted {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.quoted = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.quoted = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 40;

    /// `line: text` of each document, given to the reader in pieces of any size.
    fn taken_apart(text: &str, layout: Layout) -> Vec<String> {
        let whole = read(text, layout, 64 * 1024);
        for size in [1, 2, 3, 7] {
            assert_eq!(read(text, layout, size), whole, "in pieces of {size} bytes");
        }
        whole
    }

    fn read(text: &str, layout: Layout, size: usize) -> Vec<String> {
        let mut documents = Documents::new(io::BufReader::with_capacity(size, text.as_bytes()), LIMIT, layout);
        let mut found = Vec::new();
        while let Some(Document { line, body }) = documents.next().unwrap() {
            let body = body.map_or("too long".to_owned(), |body| String::from_utf8(body).unwrap());
            found.push(format!("{line}: {}", body.trim_end().replace('\n', "⏎")));
            assert!(documents.text.len() <= 2 * LIMIT + 4, "held {}", documents.text.len());
        }
        assert!(documents.is_at_end().unwrap());
        found
    }

    fn unknown(text: &str) -> Vec<String> {
        taken_apart(text, Layout::Unknown)
    }

    #[test]
    fn documents_are_told_apart_in_any_layout() {
        assert_eq!(unknown(""), [""; 0]);
        assert_eq!(unknown(" \n\n"), [""; 0]);
        assert_eq!(unknown("{}"), ["1: {}"]);
        assert_eq!(unknown("{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}"), ["1: {\"a\":1}", "2: {\"b\":2}", "4: {\"c\":3}"]);
        assert_eq!(
            unknown("{\n  \"a\": {\n  }\n}\n{\n \"b\": []\n}\n"),
            ["1: {⏎  \"a\": {⏎  }⏎}", "5: {⏎ \"b\": []⏎}"]
        );
        assert_eq!(unknown("{\"a\":1}{\"b\":2} [3]\n"), ["1: {\"a\":1}", "1: {\"b\":2}", "1: [3]"]);
        assert_eq!(unknown("{\"a\":1}\n{\n \"b\": 2\n}\n{}\n"), ["1: {\"a\":1}", "2: {⏎ \"b\": 2⏎}", "5: {}"]);
        assert_eq!(unknown("{\n\"a\": [\n{\n}\n]\n}\n{}\n"), ["1: {⏎\"a\": [⏎{⏎}⏎]⏎}", "7: {}"]);
    }

    #[test]
    fn brackets_and_quotes_within_text_are_text() {
        let text = r#"{"a":"}{[\"\\"} {"b":"\\\"]"}"#;
        assert_eq!(unknown(text), [r#"1: {"a":"}{[\"\\"}"#, r#"1: {"b":"\\\"]"}"#]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_document() {
        assert_eq!(unknown("\u{feff}{}\n{}"), ["1: {}", "2: {}"]);
    }

    #[test]
    fn a_broken_line_does_not_swallow_the_next() {
        for layout in [Layout::Unknown, Layout::LinesSoFar, Layout::Lines] {
            let found = taken_apart("{\"a\":1}\n{\"b\": [2\n{\"c\":3}\nno json\n{\"d\": \"4\n{\"e\":5}\n", layout);
            assert_eq!(
                found,
                ["1: {\"a\":1}", "2: {\"b\": [2", "3: {\"c\":3}", "4: no json", "5: {\"d\": \"4", "6: {\"e\":5}"]
            );
            let found = taken_apart("{\"a\": \n{\"b\":2}\n{\"c\":3}\n", layout);
            assert_eq!(found, ["1: {\"a\":", "2: {\"b\":2}", "3: {\"c\":3}"], "as the first too, {layout:?}");
        }
    }

    #[test]
    fn a_broken_document_over_many_lines_is_one_and_the_next_is_found() {
        let broken = "{\n \"a\": \"1\n \"b\": 2\n}\n{\n \"c\": 3\n}\n";
        assert_eq!(unknown(broken), ["1: {⏎ \"a\": \"1", "5: {⏎ \"c\": 3⏎}"]);
        assert_eq!(unknown("{\n \"a\": [\n"), ["1: {⏎ \"a\": ["]);
    }

    #[test]
    fn what_is_over_the_limit_is_not_held_and_the_next_is_found() {
        let long = "x".repeat(10 * LIMIT);
        for layout in [Layout::Unknown, Layout::Lines] {
            let text = format!("{{\"a\":\"{long}\"}}\n{{\"b\":1}}\n{long}\n{{\"c\":2}}\n");
            assert_eq!(taken_apart(&text, layout), ["1: too long", "2: {\"b\":1}", "3: too long", "4: {\"c\":2}"]);
        }
        let text = format!("{{\n \"a\":\n \"{long}\",\n \"b\": 2\n}}\n{{\"c\":3}}");
        assert_eq!(unknown(&text), ["1: too long", "6: {\"c\":3}"]);
        let exact = format!("{{\"a\":\"{}\"}}", "x".repeat(LIMIT - 8));
        assert_eq!(unknown(&format!("{exact}\n{{}}")), [format!("1: {exact}"), "2: {}".to_owned()]);
        assert_eq!(unknown(&format!("{exact} \n{{}}")).len(), 2);
    }
}
