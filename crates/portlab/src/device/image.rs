//! The files behind the units: namespaces or disks.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::device::spec::{Backing, MINIMUM_IMAGE};

/// Why an image cannot be used. Each message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// An existing image is smaller than asked for, or than anything useful.
    #[error(
        "image {} is too small: it has {has} bytes and {needs} are needed; \
         grow it (truncate -s {needs} {}) or name another",
        path.display(), path.display()
    )]
    TooSmall {
        /// The image.
        path: PathBuf,
        /// Its length in bytes.
        has: u64,
        /// The length needed in bytes.
        needs: u64,
    },
    /// The image is not a whole number of blocks.
    #[error(
        "image {} is not a multiple of {block} bytes long: give block=512 or another image",
        path.display()
    )]
    Ragged {
        /// The image.
        path: PathBuf,
        /// The logical block size in bytes.
        block: u32,
    },
    /// Another process has it open for writing.
    #[error(
        "image {} is in use by another process: end that process or name another image with image=PATH",
        path.display()
    )]
    InUse {
        /// The image.
        path: PathBuf,
    },
    /// It cannot be opened or created.
    #[error("image {}: {source}; name a file that can be read and written with image=PATH", path.display())]
    Unusable {
        /// The image.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The file behind one unit.
#[derive(Debug)]
pub struct Image {
    file: File,
    path: Option<PathBuf>,
    length: u64,
    created: bool,
}

impl Image {
    /// Opens or creates the image of the unit with number `unit`, from 1.
    pub(crate) fn open(backing: &Backing, unit: u8) -> Result<Self, ImageError> {
        match &backing.image {
            None => Self::unnamed(backing.new_image_size()),
            Some(path) => Self::named(&path_of(path, backing.suffix, unit), backing),
        }
    }

    /// An unnamed file in the directory for temporary files: it vanishes with its last user.
    fn unnamed(length: u64) -> Result<Self, ImageError> {
        let make = || {
            let file = tempfile::tempfile()?;
            file.set_len(length)?;
            Ok(file)
        };
        let file = make().map_err(|source| ImageError::Unusable {
            path: std::env::temp_dir(),
            source,
        })?;
        Ok(Self {
            file,
            path: None,
            length,
            created: true,
        })
    }

    fn named(path: &Path, backing: &Backing) -> Result<Self, ImageError> {
        let unusable = |source| ImageError::Unusable {
            path: path.to_owned(),
            source,
        };
        let existed = path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(unusable)?;
        let metadata = file.metadata().map_err(unusable)?;
        if !metadata.is_file() {
            return Err(unusable(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            )));
        }
        let mut length = metadata.len();
        let created = !existed || length == 0;
        if created {
            length = backing.new_image_size();
            // A sparse file: blocks are allocated as they are written.
            file.set_len(length).map_err(unusable)?;
        }
        let needs = backing.size.unwrap_or(MINIMUM_IMAGE);
        if length < needs {
            return Err(ImageError::TooSmall {
                path: path.to_owned(),
                has: length,
                needs,
            });
        }
        if length % u64::from(backing.block) != 0 {
            return Err(ImageError::Ragged {
                path: path.to_owned(),
                block: backing.block,
            });
        }
        Ok(Self {
            file,
            path: Some(path.to_owned()),
            length,
            created: created && !existed,
        })
    }

    /// A second descriptor of the file, for the emulator.
    pub(crate) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Removes the file if this run made it: the device did not come up.
    pub(crate) fn discard(self) {
        if let Some(path) = self.path.filter(|_| self.created) {
            // Already gone is as good.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Where it is, unless it is unnamed.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads the raw file from outside. What the emulator has not yet written out is not there: power the
    /// device off first.
    ///
    /// # Errors
    /// If the file cannot be read or ends before `buffer` is full.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// `PATH` for unit 1, `PATH.SUFFIXn` for unit n.
fn path_of(path: &Path, suffix: &str, unit: u8) -> PathBuf {
    if unit == 1 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}{unit}"));
    PathBuf::from(name)
}
