//! The data that is written: a snapshot of real files, so that what is compared later cannot change meanwhile.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// Why there is no data to write.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path cannot be read.
    #[error("data {}: {source}; name a file or directory that can be read with --data", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No file below the path has any content.
    #[error("data {}: there is no file with content in it; name another with --data", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// The snapshot cannot be kept.
    #[error("cannot keep a copy of the data in {}: {source}; free some space or set TMPDIR", std::env::temp_dir().display())]
    Snapshot {
        /// The system's reason.
        source: io::Error,
    },
}

/// A snapshot of file data.
#[derive(Debug)]
pub struct Source {
    snapshot: File,
    length: u64,
    files: usize,
    sha256: [u8; 32],
}

impl Source {
    /// Takes `length` bytes from a file, or from the files below a directory in the order of their paths; if they
    /// hold less, they are taken again from the start.
    ///
    /// # Errors
    /// If nothing can be read, or the snapshot cannot be written.
    pub fn take(path: &Path, length: u64) -> Result<Self, SourceError> {
        let mut files = Vec::new();
        collect(path, &mut files).map_err(|source| SourceError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        files.sort();
        let mut snapshot = Snapshot {
            file: tempfile::tempfile().map_err(snapshot_error)?,
            left: length,
            hash: Sha256::new(),
        };
        let mut used = 0;
        while snapshot.left > 0 {
            let before = snapshot.left;
            for file in &files {
                if snapshot.left == 0 {
                    break;
                }
                // A file that went away since it was listed, as build products do, is passed over.
                if let Ok(file) = File::open(file) {
                    used += usize::from(snapshot.append(file)? > 0);
                }
            }
            if snapshot.left == before {
                return Err(SourceError::Empty {
                    path: path.to_owned(),
                });
            }
        }
        Ok(Self {
            snapshot: snapshot.file,
            length,
            files: used.min(files.len()),
            sha256: snapshot.hash.finalize().into(),
        })
    }

    /// Its first `length` bytes, as a source of their own that shares the snapshot.
    ///
    /// # Errors
    /// If the snapshot cannot be read, or is shorter.
    pub fn prefix(&self, length: u64) -> io::Result<Self> {
        if length > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut start = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.read_at(&mut start, 0)?;
        Ok(Self {
            snapshot: self.snapshot.try_clone()?,
            length,
            files: self.files,
            sha256: Sha256::digest(&start).into(),
        })
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Number of files it was taken from.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files
    }

    /// SHA-256 of the whole.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Reads from the snapshot.
    ///
    /// # Errors
    /// If the snapshot ends before `buffer` is full, or cannot be read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.snapshot.read_exact_at(buffer, offset)
    }
}

struct Snapshot {
    file: File,
    left: u64,
    hash: Sha256,
}

impl Snapshot {
    /// Copies a file until it ends or there is enough; a file that cannot be read further ends there.
    fn append(&mut self, file: File) -> Result<u64, SourceError> {
        let mut limited = file.take(self.left);
        let mut chunk = vec![0; CHUNK];
        let mut copied = 0;
        while let Ok(count @ 1..) = limited.read(&mut chunk) {
            self.file.write_all(&chunk[..count]).map_err(snapshot_error)?;
            self.hash.update(&chunk[..count]);
            copied += count as u64;
        }
        self.left -= copied;
        Ok(copied)
    }
}

fn snapshot_error(source: io::Error) -> SourceError {
    SourceError::Snapshot { source }
}

/// Lists the regular files at or below `path`, without following links.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut directories = vec![path.to_owned()];
    let mut first = true;
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if first => return Err(error),
            Err(_) => continue,
        };
        first = false;
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_in_order_and_again_when_they_are_short() {
        let directory = tempfile::tempdir().expect("directory");
        fs::create_dir(directory.path().join("b")).expect("directory");
        fs::write(directory.path().join("b/two"), b"2222").expect("file");
        fs::write(directory.path().join("a"), b"11").expect("file");
        let source = Source::take(directory.path(), 9).expect("source");
        let mut data = [0; 9];
        source.read_at(&mut data, 0).expect("read");
        assert_eq!(&data, b"112222112");
        assert_eq!(source.files(), 2);
        assert_eq!(source.sha256(), <[u8; 32]>::from(Sha256::digest(b"112222112")));
    }

    #[test]
    fn nothing_to_take_is_said() {
        let directory = tempfile::tempdir().expect("directory");
        fs::write(directory.path().join("empty"), b"").expect("file");
        assert!(matches!(
            Source::take(directory.path(), 1),
            Err(SourceError::Empty { .. })
        ));
        assert!(matches!(
            Source::take(&directory.path().join("none"), 1),
            Err(SourceError::Unreadable { .. })
        ));
    }
}
