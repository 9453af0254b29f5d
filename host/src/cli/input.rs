//! Files that commands read, or stdin by the name `-`: whole, or line by line and more than once.
//!
//! Nothing is read without a bound: what is kept in memory is at most [`MEMORY_BYTES`], and a line at most that long.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use bytes::{Buf, Bytes};

use super::failure::Failure;

/// No Kafka record of the host's own producer is larger.
const MEMORY_BYTES: usize = 64 << 20;

/// What `--file` and `--event` name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Stdin,
    File(PathBuf),
}

/// Lines that can be read again.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Memory(Bytes),
}

/// The lines of a source that are not blank, with their numbers.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: usize,
    line: Vec<u8>,
}

impl Input {
    /// Everything, as it is.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Input::Stdin => self.kept(io::stdin().lock()),
            Input::File(path) => self.kept(File::open(path).map_err(|error| self.unreadable(&error))?),
        }
    }

    /// Everything, as text.
    pub(super) fn text(&self) -> Result<String, Failure> {
        String::from_utf8(self.bytes()?)
            .map_err(|error| Failure::Usage(format!("{self} is not UTF-8 text: {error}")))
    }

    /// The lines; what cannot be read twice is kept in memory.
    pub(super) fn source(&self) -> Result<Source, Failure> {
        match self {
            Input::Stdin => Ok(Source::Memory(self.kept(io::stdin().lock())?.into())),
            Input::File(path) => {
                let file = File::open(path).map_err(|error| self.unreadable(&error))?;
                let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
                // A pipe with a name gives its lines once.
                if is_regular {
                    Ok(Source::File(path.clone()))
                } else {
                    Ok(Source::Memory(self.kept(file)?.into()))
                }
            }
        }
    }

    fn kept(&self, reader: impl Read) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = reader.take(MEMORY_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.unreadable(&error))?;
        if bytes.len() > MEMORY_BYTES {
            let limit = MEMORY_BYTES >> 20;
            return Err(Failure::Usage(format!(
                "{self} has more than {limit} MiB, which is not kept in memory; give a file, or less of it"
            )));
        }
        Ok(bytes)
    }

    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::Usage(format!("{self} cannot be read: {error}"))
    }
}

impl From<OsString> for Input {
    fn from(name: OsString) -> Self {
        if name == "-" { Input::Stdin } else { Input::File(name.into()) }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Stdin => formatter.write_str("stdin"),
            Input::File(path) => path.display().fmt(formatter),
        }
    }
}

impl Source {
    /// The lines from the first.
    pub(super) fn lines(&self) -> io::Result<Lines> {
        let reader: Box<dyn BufRead + Send> = match self {
            Source::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Source::Memory(bytes) => Box::new(bytes.clone().reader()),
        };
        Ok(Lines { reader, number: 0, line: Vec::new() })
    }
}

impl Lines {
    /// The next line that is not blank, with its number from 1; the error says which line is none.
    pub(super) fn next(&mut self) -> Result<Option<(usize, &str)>, String> {
        loop {
            self.number += 1;
            self.line.clear();
            let mut bounded = (&mut self.reader).take(MEMORY_BYTES as u64 + 1);
            let read = bounded.read_until(b'\n', &mut self.line);
            let length = read.map_err(|error| format!("line {} cannot be read: {error}", self.number))?;
            if length == 0 {
                return Ok(None);
            }
            if length > MEMORY_BYTES {
                return Err(format!("line {} is longer than {} MiB", self.number, MEMORY_BYTES >> 20));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let text = str::from_utf8(&self.line)
            .map_err(|error| format!("line {} is not UTF-8 text: {error}", self.number))?;
        Ok(Some((self.number, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8]) -> Result<Vec<(usize, String)>, String> {
        let mut lines = Source::Memory(Bytes::from_static(text)).lines().unwrap();
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next()? {
            all.push((number, line.trim().to_owned()));
        }
        Ok(all)
    }

    #[test]
    fn blank_lines_are_passed_and_counted() {
        let expected = vec![(2, "a".to_owned()), (4, "b".to_owned())];
        assert_eq!(lines(b"\r\na\r\n \t\nb").unwrap(), expected);
        assert_eq!(lines(b"\n \n").unwrap(), []);
        assert_eq!(lines(b"").unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        assert!(lines(b"a\n\xff\n").unwrap_err().starts_with("line 2 is not UTF-8 text: "));
    }

    #[test]
    fn what_does_not_fit_in_memory_is_refused() {
        let endless = Input::Stdin.kept(io::repeat(b' '));
        assert!(
            matches!(endless, Err(Failure::Usage(text)) if text.starts_with("stdin has more than 64 MiB"))
        );
    }

    #[test]
    fn a_file_can_be_read_twice() {
        let path = std::env::temp_dir().join(format!("liaison-lines-{}", std::process::id()));
        std::fs::write(&path, "a\nb\n").unwrap();
        let source = Input::from(path.clone().into_os_string()).source().unwrap();
        for _ in 0..2 {
            assert_eq!(source.lines().unwrap().next().unwrap(), Some((1, "a\n")));
        }
        std::fs::remove_file(path).unwrap();
    }
}
