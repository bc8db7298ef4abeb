//! The parts of a stream whose content is multipart/x-mixed-replace, as cameras send it: the
//! boundary with or without its dashes in the header, parts with or without their length.

use std::io::{self, BufRead, Read};

/// Most bytes of the lines before a part's body.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Most bytes before the first boundary.
const MAX_PREAMBLE_BYTES: usize = 64 * 1024;

/// A part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Bytes before it that belong to no part.
    pub skipped: u64,
}

impl Part {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// Why no part comes any more.
#[derive(Debug)]
pub(crate) enum PartError {
    /// The stream ended, or could not be read, before a part.
    Between(String),
    /// It did so within one.
    Within(String),
}

/// Reads part after part.
pub(crate) struct Parts<R> {
    input: R,
    /// The boundary without dashes before it.
    boundary: String,
    /// The boundary's line as the stream has it.
    delimiter: Option<Vec<u8>>,
    /// Whether that line has been read already.
    is_at_delimiter: bool,
    /// Whether the boundary after the last part has been read.
    is_ended: bool,
    max_body_bytes: u64,
}

/// The boundary that a Content-Type names.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().get(..10)?.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let named = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let bare = named.trim_matches('"').trim_start_matches('-');
    (!bare.is_empty() && bare.len() <= 200).then(|| bare.to_owned())
}

impl<R: BufRead> Parts<R> {
    /// `boundary` as [`boundary`] gives it.
    pub(crate) fn new(input: R, boundary: String, max_body_bytes: u64) -> Self {
        Self {
            input,
            boundary,
            delimiter: None,
            is_at_delimiter: false,
            is_ended: false,
            max_body_bytes,
        }
    }

    pub(crate) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// The next part, as soon as its last byte is there; without Content-Length, as soon as the
    /// boundary after it is.
    pub(crate) fn next(&mut self) -> Result<Part, PartError> {
        let skipped = self.find_delimiter()?;
        self.is_at_delimiter = false;
        let headers = self.read_head()?;
        let body = match find(&headers, "content-length") {
            Some(text) => {
                let length = text.parse().map_err(|_| {
                    PartError::Within(format!("Content-Length: {text} is no number"))
                })?;
                self.read_exactly(length)?
            }
            None => self.read_to_delimiter()?,
        };
        Ok(Part { headers, body, skipped })
    }

    /// Reads up to the next boundary; the number of bytes that are no part's.
    fn find_delimiter(&mut self) -> Result<u64, PartError> {
        let mut skipped = 0;
        let mut line = Vec::new();
        while !self.is_at_delimiter {
            if self.is_ended {
                return Err(PartError::Between("the camera ended the stream".to_owned()));
            }
            line.clear();
            self.read_line(&mut line, MAX_HEAD_BYTES).map_err(PartError::Between)?;
            let text = line.trim_ascii();
            match self.is_delimiter(text) {
                true => {
                    self.delimiter = Some(text.to_owned());
                    self.is_at_delimiter = true;
                }
                false if self.is_last(text) => self.is_ended = true,
                false if text.is_empty() => {}
                false => skipped += line.len() as u64,
            }
            let most =
                self.delimiter.as_ref().map_or(MAX_PREAMBLE_BYTES as u64, |_| self.max_body_bytes);
            if skipped > most {
                return Err(PartError::Between(format!(
                    "within {most} bytes no part begins with the boundary {:?}, which the camera's \
                     Content-Type names",
                    self.boundary
                )));
            }
        }
        Ok(skipped)
    }

    fn is_delimiter(&self, line: &[u8]) -> bool {
        match &self.delimiter {
            Some(delimiter) => line == delimiter,
            None => {
                let dashes = line.iter().take_while(|&&byte| byte == b'-').count();
                &line[dashes..] == self.boundary.as_bytes()
            }
        }
    }

    /// Whether a line is the boundary after the last part.
    fn is_last(&self, line: &[u8]) -> bool {
        line.strip_suffix(b"--").is_some_and(|line| self.is_delimiter(line))
    }

    fn read_head(&mut self) -> Result<Vec<(String, String)>, PartError> {
        let mut headers = Vec::new();
        let mut line = Vec::new();
        let mut left = MAX_HEAD_BYTES;
        loop {
            line.clear();
            self.read_line(&mut line, left).map_err(PartError::Within)?;
            left = left.saturating_sub(line.len());
            if !line.ends_with(b"\n") || left == 0 {
                let reason = format!("the head of a part is longer than {MAX_HEAD_BYTES} bytes");
                return Err(PartError::Within(reason));
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                return Ok(headers);
            }
            if let Some((name, value)) = String::from_utf8_lossy(text).split_once(':') {
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
    }

    fn read_exactly(&mut self, length: u64) -> Result<Vec<u8>, PartError> {
        if length > self.max_body_bytes {
            return Err(self.too_long());
        }
        let mut body = Vec::new();
        let read = self.input.by_ref().take(length).read_to_end(&mut body);
        match read {
            Ok(_) if body.len() as u64 == length => Ok(body),
            Ok(_) => Err(cut(body.len(), &"the connection was closed")),
            Err(error) => Err(cut(body.len(), &error)),
        }
    }

    fn read_to_delimiter(&mut self) -> Result<Vec<u8>, PartError> {
        let mut body = Vec::new();
        loop {
            let start = body.len();
            let left = self.max_body_bytes as usize + MAX_HEAD_BYTES - start;
            self.read_line(&mut body, left).map_err(|error| cut(start, &error))?;
            let line = body[start..].trim_ascii();
            let (is_next, is_last) = (self.is_delimiter(line), self.is_last(line));
            if is_next || is_last {
                self.is_at_delimiter = is_next;
                self.is_ended = is_last;
                body.truncate(start);
                break;
            }
            if body.len() as u64 > self.max_body_bytes + 2 {
                return Err(self.too_long());
            }
        }
        for end in [b'\n', b'\r'] {
            if body.last() == Some(&end) {
                body.pop();
            }
        }
        Ok(body)
    }

    fn too_long(&self) -> PartError {
        let max = self.max_body_bytes;
        PartError::Within(format!("a frame is larger than max_frame_bytes, {max} bytes"))
    }

    /// Reads up to the end of a line, or so many bytes.
    fn read_line(&mut self, line: &mut Vec<u8>, at_most: usize) -> Result<(), String> {
        match self.input.by_ref().take(at_most as u64).read_until(b'\n', line) {
            Ok(0) if at_most > 0 => Err("the connection was closed".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(describe(&error)),
        }
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

fn cut(length: usize, reason: &dyn std::fmt::Display) -> PartError {
    PartError::Within(format!("a frame was cut after {length} bytes ({reason})"))
}

fn describe(error: &io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1000;

    fn parts<'a>(stream: &'a [u8], boundary: &str) -> Parts<&'a [u8]> {
        Parts::new(stream, boundary.to_owned(), MAX)
    }

    /// The bodies of all parts, and why there are no more.
    fn read(stream: &[u8], boundary: &str) -> (Vec<Vec<u8>>, String) {
        let mut parts = parts(stream, boundary);
        let mut bodies = Vec::new();
        loop {
            match parts.next() {
                Ok(part) => bodies.push(part.body),
                Err(PartError::Between(reason)) => return (bodies, format!("between: {reason}")),
                Err(PartError::Within(reason)) => return (bodies, format!("within: {reason}")),
            }
        }
    }

    #[test]
    fn boundaries_are_found_in_every_spelling() {
        for (content_type, expected) in [
            ("multipart/x-mixed-replace; boundary=frame", Some("frame")),
            ("multipart/x-mixed-replace;boundary=--myboundary", Some("myboundary")),
            ("Multipart/X-Mixed-Replace; charset=a; Boundary=\"a b\"", Some("a b")),
            ("multipart/x-mixed-replace", None),
            ("multipart/x-mixed-replace; boundary=--", None),
            ("image/jpeg; boundary=frame", None),
            ("", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
        }
        assert_eq!(boundary(&format!("multipart/x; boundary={}", "a".repeat(201))), None);
    }

    #[test]
    fn parts_are_read_with_and_without_their_length() {
        let ended = "between: the camera ended the stream".to_owned();
        let closed = "between: the connection was closed".to_owned();
        for (stream, expected_end) in [
            (
                "--b\r\nContent-Length: 3\r\n\r\na\nb\r\n--b\r\nContent-Length: 0\r\n\r\n\r\n--b--\r\n",
                &ended,
            ),
            ("\r\n--b\r\ncontent-length:3\r\n\r\na\nb--b\r\nContent-Length: 0\r\n\r\n", &closed),
            ("--b\nContent-Type: image/jpeg\n\na\nb\n--b\n\n\n--b--", &ended),
            ("--b\r\n\r\na\nb\r\n--b\r\n\r\n\r\n--b\r\nA: 1", &"within".to_owned()),
        ] {
            let (bodies, end) = read(stream.as_bytes(), "b");
            assert_eq!(bodies, [b"a\nb".to_vec(), vec![]], "{stream:?}");
            assert!(end.starts_with(expected_end), "{end} after {stream:?}");
        }
    }

    #[test]
    fn a_boundary_may_have_no_dashes() {
        let (bodies, end) = read(b"frame\r\n\r\na\r\nframe\r\n\r\n\r\nframe--\r\n", "frame");
        assert_eq!(bodies, [b"a".to_vec(), vec![]]);
        assert_eq!(end, "between: the camera ended the stream");
    }

    #[test]
    fn a_body_may_hold_what_looks_like_a_boundary() {
        let (bodies, _) = read(b"--b\r\n\r\nx--b\r\n--bb\r\ny\r\n--b--", "b");
        assert_eq!(bodies, [b"x--b\r\n--bb\r\ny".to_vec()]);
        let (bodies, _) = read(b"--b\r\nContent-Length: 5\r\n\r\n\n--b\n\r\n--b--", "b");
        assert_eq!(bodies, [b"\n--b\n".to_vec()]);
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_gives_no_part_of_a_frame() {
        for stream in [
            &b"--b\r\nContent-Length: 6\r\n\r\nabc\r\nd\r\n--b\r\nContent-Length: 2\r\n\r\nxy\r\n--b\r\n"[..],
            b"--b\r\n\r\nabc\r\nd\r\n--b\r\n\r\nxy\r\n--b\r\n",
        ] {
            for length in 0..stream.len() {
                let (bodies, _) = read(&stream[..length], "b");
                let all = [b"abc\r\nd".to_vec(), b"xy".to_vec()];
                assert_eq!(bodies, all[..bodies.len()], "{length}");
            }
        }
    }

    #[test]
    fn sizes_are_limited() {
        let check = |stream: &[u8], expected: &str| {
            let (bodies, end) = read(stream, "b");
            assert!(bodies.is_empty() && end.starts_with(expected), "{end}");
        };
        let huge = format!("--b\r\nContent-Length: {}\r\n\r\n", u64::MAX);
        check(huge.as_bytes(), "within: a frame is larger than max_frame_bytes, 1000");
        check(b"--b\r\nContent-Length: -1\r\n\r\n", "within: Content-Length: -1 is no number");
        let long = [b"--b\r\n\r\n".to_vec(), vec![b'a'; 30_000]].concat();
        check(&long, "within: a frame is larger");
        let lines = [b"--b\r\n\r\n".to_vec(), b"a\n".repeat(15_000)].concat();
        check(&lines, "within: a frame is larger");
        let head = [b"--b\r\n".to_vec(), b"A: 1\r\n".repeat(9000)].concat();
        check(&head, "within: the head of a part is longer");
        let head = [b"--b\r\n".to_vec(), vec![b'a'; 90_000]].concat();
        check(&head, "within: the head of a part is longer");
        let other = b"--other\r\nContent-Length: 1\r\n\r\na\r\n".repeat(3000);
        check(&other, "between: within 65536 bytes no part begins with the boundary \"b\"");
        let largest = [b"--b\r\n\r\n".to_vec(), vec![b'a'; 1000], b"\r\n--b--".to_vec()].concat();
        assert_eq!(read(&largest, "b").0, [vec![b'a'; 1000]]);
    }

    #[test]
    fn bytes_of_no_part_are_counted() {
        let stream = b"--b\r\nContent-Length: 2\r\n\r\nabcdef\r\n--b\r\nContent-Length: 1\r\n\r\na";
        let mut parts = parts(stream, "b");
        assert_eq!(parts.next().unwrap().skipped, 0);
        assert_eq!(parts.next().unwrap().skipped, 6);
    }
}
