//! `fixed.json`: read with a limit on its size, written in one canonical form.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::check::CheckedProgram;
use crate::problem::ProgramError;
use crate::program::Program;

/// Longest file that is read.
pub const MAX_BYTES: u64 = 32 << 20;

/// A file that holds no program that can be run.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too long.
    #[error("{}: over {} MiB, the most that is read", path.display(), MAX_BYTES >> 20)]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Its text is no program; the message ends in line and column.
    #[error("{}: {source}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        source: serde_json::Error,
    },
    /// The program cannot be run.
    #[error("{}: {source}", path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which operation.
        source: ProgramError,
    },
}

impl CheckedProgram {
    /// Reads and checks a `fixed.json`.
    ///
    /// # Errors
    /// When the file cannot be read, is no program (with line and column), or the program cannot be run.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let in_file = |source| FileError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(in_file)?;
        let length = file.metadata().map_err(in_file)?.len();
        let mut bytes = Vec::new();
        if length <= MAX_BYTES {
            // A pipe has no length, and a file may grow.
            file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(in_file)?;
        }
        if length.max(bytes.len() as u64) > MAX_BYTES {
            return Err(FileError::TooLong { path: path.to_owned() });
        }
        Self::from_json(&bytes, path)
    }

    /// Reads and checks the text of a `fixed.json`; `path` is for messages.
    ///
    /// # Errors
    /// When the text is no program, or the program cannot be run.
    pub fn from_json(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let program: Program = serde_json::from_slice(bytes)
            .map_err(|source| FileError::Text { path: path.to_owned(), source })?;
        program.check().map_err(|source| FileError::Program { path: path.to_owned(), source })
    }

    /// The canonical text: equal programs have equal texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut bytes = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut bytes, Layout::default());
        // Neither a Vec nor the derived serialisation of these types can fail.
        let written = self.program().serialize(&mut serializer);
        debug_assert!(written.is_ok());
        bytes.push(b'\n');
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// One line a field for the program, its operations and what they do; tensors on one line; lists of numbers in rows.
#[derive(Default)]
struct Layout {
    objects: usize,
    /// For each open list, how many values were written.
    lists: Vec<usize>,
}

/// Numbers in a row.
const ROW: usize = 24;

impl Layout {
    /// The nesting of objects is program 1, operation or input 2, tensor or `"op": {"dense": ...}` 3, and in that 4.
    const fn one_line(&self) -> bool {
        self.objects == 3
    }

    fn line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.objects).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Layout {
    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.objects += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let one_line = self.one_line();
        self.objects -= 1;
        if !one_line {
            self.line(writer)?;
        }
        writer.write_all(b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        match (self.one_line(), first) {
            (true, true) => Ok(()),
            (true, false) => writer.write_all(b" "),
            (false, _) => self.line(writer),
        }
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.lists.push(0);
        writer.write_all(b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.lists.pop();
        writer.write_all(b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        let Some(written) = self.lists.last_mut() else { return Ok(()) };
        let row_is_full = *written > 0 && (*written).is_multiple_of(ROW);
        *written += 1;
        match (first, row_is_full) {
            (true, _) => Ok(()),
            (false, true) => writer.write_all(b",").and_then(|()| self.line(writer)),
            (false, false) => writer.write_all(b", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../tests/data/small.json");

    fn read(text: &str) -> Result<CheckedProgram, FileError> {
        CheckedProgram::from_json(text.as_bytes(), Path::new("fixed.json"))
    }

    #[test]
    fn the_text_is_canonical() {
        assert_eq!(read(TEXT).expect("a program").to_json(), TEXT);
    }

    #[test]
    fn errors_name_file_and_line() {
        for (from, to, expected) in [
            ("\"weights\"", "\"wieghts\"", "unknown field `wieghts`"),
            ("\"layer\"", "\"colour\": 1, \"layer\"", "unknown field `colour`"),
            ("\"name\": \"small\"", "\"name\": \"small\", \"x\": 1", "unknown field `x`"),
            ("\"dense\"", "\"denser\"", "unknown variant `denser`"),
            ("ap_fixed<16,6>", "ap_fixed<66,6>", "width is not from 1 to 64"),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let error = read(&TEXT.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.starts_with("fixed.json: "), "{error}");
            assert!(error.contains(expected) && error.contains(" at line "), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        file.as_file().set_len(MAX_BYTES + 1).expect("sparse file");
        assert!(matches!(CheckedProgram::read(file.path()), Err(FileError::TooLong { .. })));
    }
}
