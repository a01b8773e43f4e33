//! Lines of bounded length from a stream that may hold anything.

use std::io::{self, BufRead};

use zeroize::{Zeroize, Zeroizing};

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line of text.
    Text(&'a str),
    /// A line that is too long. All of it was skipped: what comes next is the next line.
    TooLong,
    /// A line that is not UTF-8.
    NotText,
}

/// Reads line after line into one buffer, which is overwritten before each and at the end: a line
/// may hold a password.
pub(super) struct Lines<R> {
    input: R,
    limit: usize,
    consumed: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, consumed: 0, buffer: Zeroizing::new(Vec::with_capacity(limit)) }
    }

    /// The bytes of the lines so far, with their ends.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The next line; none at the end of the input. A last line may lack its end.
    ///
    /// # Errors
    /// What the input fails with.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.as_mut_slice().zeroize();
        self.buffer.clear();
        let mut begun = false;
        let mut too_long = false;
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() && !begun {
                return Ok(None);
            }
            begun = true;
            let (part, end, used) = match available.iter().position(|byte| *byte == b'\n') {
                Some(at) => (available.split_at(at).0, true, at + 1),
                None => (available, available.is_empty(), available.len()),
            };
            too_long |= self.buffer.len() + part.len() > self.limit;
            if !too_long {
                self.buffer.extend_from_slice(part);
            }
            self.input.consume(used);
            self.consumed = self.consumed.saturating_add(used as u64);
            if end {
                break;
            }
        }
        Ok(Some(match str::from_utf8(&self.buffer) {
            _ if too_long => Line::TooLong,
            Ok(text) => Line::Text(text),
            Err(_) => Line::NotText,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Read in small pieces, so that lines cross their borders.
    fn lines(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(BufReader::with_capacity(3, input), 8);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(format!("{line:?}"));
        }
        all
    }

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_end() {
        assert_eq!(lines(b"one\n\ntwo"), [r#"Text("one")"#, r#"Text("")"#, r#"Text("two")"#]);
        assert_eq!(lines(b"one\n"), [r#"Text("one")"#]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_of_the_greatest_length_is_read_and_one_byte_more_is_not() {
        assert_eq!(lines(b"12345678\n"), [r#"Text("12345678")"#]);
        assert_eq!(lines(b"123456789\n"), ["TooLong"]);
    }

    #[test]
    fn after_a_line_that_is_too_long_the_next_one_is_whole() {
        assert_eq!(lines(b"a very long line\nnext\n"), ["TooLong", r#"Text("next")"#]);
        assert_eq!(lines(b"long without an end"), ["TooLong"]);
    }

    #[test]
    fn a_line_that_is_not_text_is_told_apart() {
        assert_eq!(lines(b"\xff\nnext"), ["NotText", r#"Text("next")"#]);
    }
}
