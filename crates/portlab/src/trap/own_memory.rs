//! The process's own memory through the kernel: reads that cannot fault, writes that need no permission.

use std::{fs, io, os::unix::fs::FileExt, sync::OnceLock};

static OWN: OnceLock<Option<fs::File>> = OnceLock::new();

fn file() -> Option<&'static fs::File> {
    OWN.get_or_init(|| {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/self/mem")
            .ok()
    })
    .as_ref()
}

/// Opens the file early, so that a signal handler does not have to.
pub(super) fn prepare() {
    file();
}

/// Reads what is mapped at `address`; the number of bytes read ends at the first unmapped page.
pub(crate) fn read(address: u64, buffer: &mut [u8]) -> usize {
    let Some(file) = file() else { return 0 };
    let mut done = 0;
    while done < buffer.len() {
        let Some(rest) = buffer.get_mut(done..) else { break };
        match file.read_at(rest, address.wrapping_add(done as u64)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    done
}

/// Writes `bytes` at `address`, whatever the protection; one byte is written atomically.
pub(super) fn write(address: u64, bytes: &[u8]) -> io::Result<()> {
    let file = file().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    file.write_all_at(bytes, address)
}
