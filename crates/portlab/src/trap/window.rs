//! Inaccessible pages that stand for registers.
#![expect(unsafe_code, reason = "maps address space")]

use std::{
    io,
    ops::Range,
    ptr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::mm::{self, MapFlags, ProtFlags};

use super::{signal, statistics};
use crate::{device::Width, memory::pointer};

/// Registers behind a [`Window`].
///
/// The methods run on the thread that made the access, as ordinary functions (not in signal context), with no
/// lock of the lab held. A panic ends the process.
pub trait Mmio: Send + Sync {
    /// Reads the register at `offset` bytes into the window; the result is zero-extended.
    fn read(&self, offset: u64, width: Width) -> u64;

    /// Writes the register at `offset` bytes into the window; bits above `width` are zero.
    fn write(&self, offset: u64, width: Width, value: u64);
}

/// Windows at a time; a PCI function has at most six, and a driver may map each several times.
const SLOTS: usize = 256;

/// Kept inaccessible on both sides, so that no ordinary memory touches a window.
const GUARD: usize = 4096;

struct Slot {
    /// Both zero when free. `end` is stored first and cleared last, so that a reader never sees a wrong pair.
    start: AtomicU64,
    end: AtomicU64,
    mmio: RwLock<Option<Arc<dyn Mmio>>>,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        start: AtomicU64::new(0),
        end: AtomicU64::new(0),
        mmio: RwLock::new(None),
    }
}; SLOTS];
/// Slots in use are below this.
static USED: AtomicU64 = AtomicU64::new(0);
/// Held while a slot is taken or given back.
static ALLOCATION: Mutex<()> = Mutex::new(());

/// A range of addresses whose accesses go to an [`Mmio`]. Dropping it unmaps the range.
#[derive(Debug)]
pub struct Window {
    slot: usize,
    address: u64,
    length: u64,
    mapped: usize,
}

impl Window {
    /// Maps `length` bytes (rounded up to pages) of registers.
    ///
    /// # Errors
    /// If the system refuses the address space, or as many windows exist as there are places (256).
    pub fn map(length: u64, mmio: Arc<dyn Mmio>) -> io::Result<Self> {
        Self::map_at(None, length, mmio)
    }

    /// As [`Window::map`], at a page-aligned address where nothing is, with a page of room on both sides.
    ///
    /// # Errors
    /// As [`Window::map`]; also if something is there.
    pub fn map_at(address: Option<u64>, length: u64, mmio: Arc<dyn Mmio>) -> io::Result<Self> {
        signal::install()?;
        let mapped = length
            .max(1)
            .checked_next_multiple_of(4096)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let bytes = usize::try_from(mapped).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let guard = ALLOCATION.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = TABLE
            .iter()
            .position(|slot| slot.end.load(Ordering::Relaxed) == 0)
            .ok_or_else(|| io::Error::other("too many register windows are mapped"))?;
        let (hint, fixed) = address.map_or((ptr::null_mut(), MapFlags::empty()), |address| {
            (
                pointer(address.wrapping_sub(GUARD as u64)),
                MapFlags::FIXED_NOREPLACE,
            )
        });
        // SAFETY: NOREPLACE, or an address of the kernel's choice: nothing that exists is touched.
        let memory = unsafe {
            mm::mmap_anonymous(
                hint,
                bytes + 2 * GUARD,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE | fixed,
            )
        }?;
        let address = memory as u64 + GUARD as u64;
        *TABLE[slot].mmio.write().unwrap_or_else(PoisonError::into_inner) = Some(mmio);
        TABLE[slot].end.store(address + length, Ordering::Release);
        TABLE[slot].start.store(address, Ordering::Release);
        USED.fetch_max(slot as u64 + 1, Ordering::AcqRel);
        drop(guard);
        Ok(Self {
            slot,
            address,
            length,
            mapped: bytes + 2 * GUARD,
        })
    }

    /// Serves a range that no process can map, in the kernel's half of the address space, for as long as the process lives.
    ///
    /// # Errors
    /// If as many windows exist as there are places.
    pub fn fixed(address: u64, length: u64, mmio: Arc<dyn Mmio>) -> io::Result<()> {
        signal::install()?;
        let _guard = ALLOCATION.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = TABLE
            .iter()
            .position(|slot| slot.end.load(Ordering::Relaxed) == 0)
            .ok_or_else(|| io::Error::other("too many register windows are mapped"))?;
        *TABLE[slot].mmio.write().unwrap_or_else(PoisonError::into_inner) = Some(mmio);
        TABLE[slot].end.store(address + length, Ordering::Release);
        TABLE[slot].start.store(address, Ordering::Release);
        USED.fetch_max(slot as u64 + 1, Ordering::AcqRel);
        Ok(())
    }

    /// The first address: what the driver gets as the base of its registers.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// The length asked for, in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The addresses of the window.
    #[must_use]
    pub const fn range(&self) -> Range<u64> {
        self.address..self.address + self.length
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let guard = ALLOCATION.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &TABLE[self.slot];
        slot.start.store(0, Ordering::Release);
        let mmio = slot.mmio.write().unwrap_or_else(PoisonError::into_inner).take();
        // SAFETY: the pages were mapped by `map` and nothing but driver code knows their address.
        let unmapped = unsafe { mm::munmap((self.address - GUARD as u64) as *mut _, self.mapped) };
        debug_assert!(unmapped.is_ok());
        slot.end.store(0, Ordering::Release);
        drop(guard);
        // The destructor of the device behind it is foreign code: run it without the lock.
        drop(mmio);
    }
}

/// An access that lies in a window.
pub(super) struct Target {
    mmio: Arc<dyn Mmio>,
    offset: u64,
}

fn slot_of(address: u64) -> Option<(usize, u64)> {
    let used = usize::try_from(USED.load(Ordering::Acquire)).unwrap_or(SLOTS);
    TABLE.iter().take(used).enumerate().find_map(|(index, slot)| {
        let start = slot.start.load(Ordering::Acquire);
        (start != 0 && (start..slot.end.load(Ordering::Acquire)).contains(&address)).then_some((index, start))
    })
}

/// Whether `address` lies just before or behind a window, in its guards; takes no lock.
pub(super) fn is_beside(address: u64) -> bool {
    let guard = GUARD as u64;
    TABLE.iter().any(|slot| {
        let (start, end) = (
            slot.start.load(Ordering::Acquire),
            slot.end.load(Ordering::Acquire),
        );
        start != 0 && (start - guard..end.next_multiple_of(guard) + guard).contains(&address)
    })
}

/// Whether `address` lies in a window; takes no lock.
pub(super) fn contains(address: u64) -> bool {
    slot_of(address).is_some()
}

/// The window of `address..address + length`: `Ok(None)` if the address is ordinary memory.
///
/// # Errors
/// If the access begins in a window and reaches beyond it.
pub(super) fn target(address: u64, length: u64) -> Result<Option<Target>, BeyondWindow> {
    let Some((index, start)) = slot_of(address) else {
        return Ok(None);
    };
    let mmio = TABLE[index]
        .mmio
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(mmio) = mmio else { return Ok(None) };
    let end = TABLE[index].end.load(Ordering::Acquire);
    if address.checked_add(length).is_none_or(|last| last > end) {
        return Err(BeyondWindow);
    }
    Ok(Some(Target {
        mmio,
        offset: address - start,
    }))
}

/// The access begins in a window and ends behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BeyondWindow;

impl Target {
    pub(super) fn read(&self, width: Width) -> u64 {
        self.read_at(0, width)
    }

    pub(super) fn read_at(&self, further: u64, width: Width) -> u64 {
        statistics::count_read();
        self.mmio.read(self.offset + further, width)
    }

    pub(super) fn write(&self, width: Width, value: u64) {
        self.write_at(0, width, value);
    }

    pub(super) fn write_at(&self, further: u64, width: Width, value: u64) {
        statistics::count_write();
        self.mmio.write(self.offset + further, width, value);
    }
}

/// Reads the register at an address of some window, for the model's own register routines
/// (`StorPortReadRegisterUlong` and its kin). `None` if no window holds the whole access.
#[must_use]
pub fn read_register(address: u64, width: Width) -> Option<u64> {
    let target = target(address, width.bytes() as u64).ok()??;
    Some(target.read(width))
}

/// Writes the register at an address of some window. `None` if no window holds the whole access.
#[must_use = "whether there is such a register"]
pub fn write_register(address: u64, width: Width, value: u64) -> Option<()> {
    let target = target(address, width.bytes() as u64).ok()??;
    target.write(width, value & mask(width));
    Some(())
}

/// The bits of a register of this width.
pub(super) const fn mask(width: Width) -> u64 {
    match width {
        Width::Byte => 0xff,
        Width::Word => 0xffff,
        Width::Dword => 0xffff_ffff,
        Width::Qword => u64::MAX,
    }
}
