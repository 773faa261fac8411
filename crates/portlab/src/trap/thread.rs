//! What a thread needs before it runs driver code: a signal stack and the GS block.
#![expect(
    unsafe_code,
    reason = "per-thread processor state: signal stack, GS base, the GS block itself"
)]

use std::{
    cell::{Cell, OnceCell},
    io,
    mem::MaybeUninit,
    ptr,
};

use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

use super::{Registers, signal};
use crate::memory::KnownRegion;

/// Mmio runs on the driver's stack; this one carries the fault hook with its symboliser.
const SIGNAL_STACK: usize = 1 << 20;
const GUARD: usize = 4096;
/// The real control region with its embedded PRCB is 36 KiB and more, zero here but for the fields below.
const GS_BLOCK: usize = 0x1_0000;

/// KPCR and KPRCB fields that kernel code on x64 reads inline (WDK `wdm.h`, `ntddk.h`:
/// `KeGetCurrentProcessorNumber`, `KeGetPcr`).
mod kpcr {
    /// `KPCR.Self`.
    pub(super) const SELF: usize = 0x18;
    /// `KPCR.CurrentPrcb`.
    pub(super) const CURRENT_PRCB: usize = 0x20;
    /// `KPCR.Irql`, an UCHAR.
    pub(super) const IRQL: usize = 0x50;
    /// `KPCR.Prcb`.
    pub(super) const PRCB: usize = 0x180;
    /// `KPRCB.CurrentThread`.
    pub(super) const CURRENT_THREAD: usize = PRCB + 0x8;
    /// `KPRCB.Number`, an ULONG.
    pub(super) const NUMBER: usize = PRCB + 0x24;
}

/// Where the opaque current-thread object lies.
const THREAD_OBJECT: usize = 0xe000;
/// Where the import thunks put the caller's registers, behind everything Windows defines.
const CALL_SITE: u32 = 0xf000;

/// A register that an import thunk saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallSiteRegister {
    /// Number in the processor's encoding.
    pub(crate) number: u8,
    /// Offset in the GS block.
    pub(crate) offset: u32,
}

const fn saved(number: u8, index: u32) -> CallSiteRegister {
    CallSiteRegister {
        number,
        offset: CALL_SITE + 8 * index,
    }
}

/// The stack pointer and the registers a callee preserves in the Windows x64 convention: what unwinding needs.
pub(crate) const CALL_SITE_OFFSETS: [CallSiteRegister; 9] = [
    saved(4, 0),
    saved(5, 1),
    saved(3, 2),
    saved(6, 3),
    saved(7, 4),
    saved(12, 5),
    saved(13, 6),
    saved(14, 7),
    saved(15, 8),
];

/// The mappings of one prepared thread.
struct ThreadArea {
    stack: *mut u8,
    gs: *mut u8,
    /// Drivers pass pointers to their own stack.
    _own_stack: Option<KnownRegion>,
}

thread_local! {
    static AREA: OnceCell<ThreadArea> = const { OnceCell::new() };
    /// Address of the instruction being emulated, or zero.
    static EMULATED: Cell<u64> = const { Cell::new(0) };
}

fn map(length: usize) -> io::Result<*mut u8> {
    // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing that exists.
    let memory = unsafe {
        mm::mmap_anonymous(
            ptr::null_mut(),
            length,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }?;
    Ok(memory.cast())
}

impl ThreadArea {
    fn new() -> io::Result<Self> {
        signal::install()?;
        let stack = map(SIGNAL_STACK + GUARD)?;
        let area = Self {
            stack,
            gs: map(GS_BLOCK)?,
            _own_stack: own_stack(),
        };
        // SAFETY: the lowest page of the area's own mapping becomes its guard.
        unsafe { mm::mprotect(area.stack.cast(), GUARD, MprotectFlags::empty()) }?;
        let stack = libc::stack_t {
            ss_sp: area.stack.wrapping_add(GUARD).cast(),
            ss_flags: 0,
            ss_size: SIGNAL_STACK,
        };
        // SAFETY: the stack stays mapped until the thread ends, when `drop` disables it first.
        if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let base = area.gs as u64;
        area.write(kpcr::SELF, base);
        area.write(kpcr::CURRENT_PRCB, base + kpcr::PRCB as u64);
        area.write(kpcr::CURRENT_THREAD, base + THREAD_OBJECT as u64);
        set_gs(base)?;
        Ok(area)
    }

    fn write<T>(&self, offset: usize, value: T) {
        debug_assert!(offset + size_of::<T>() <= GS_BLOCK);
        let field = self.gs.wrapping_add(offset).cast::<T>();
        // SAFETY: the field lies in the block, aligned; only this thread and its driver code use the block.
        unsafe { field.write_volatile(value) }
    }

    fn read<T: Copy>(&self, offset: usize) -> T {
        debug_assert!(offset + size_of::<T>() <= GS_BLOCK);
        let field = self.gs.wrapping_add(offset).cast::<T>();
        // SAFETY: as in `write`; the block starts out zeroed.
        unsafe { field.read_volatile() }
    }
}

impl Drop for ThreadArea {
    fn drop(&mut self) {
        let here = 0_u8;
        let offset = (&raw const here as usize).wrapping_sub(self.stack as usize);
        if offset < SIGNAL_STACK + GUARD {
            // The fault hook ends the process: the destructors of this thread run on its signal stack.
            return;
        }
        let disabled = libc::stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: disabling refers to no memory.
        unsafe { libc::sigaltstack(&raw const disabled, ptr::null_mut()) };
        let _ = set_gs(0);
        // SAFETY: nothing refers to the stack any more: it is disabled and the thread is ending.
        let stack = unsafe { mm::munmap(self.stack.cast(), SIGNAL_STACK + GUARD) };
        // SAFETY: as above, GS does not point here any more.
        let gs = unsafe { mm::munmap(self.gs.cast(), GS_BLOCK) };
        debug_assert!(stack.is_ok() && gs.is_ok());
    }
}

/// The calling thread's stack, as memory that the model may touch.
fn own_stack() -> Option<KnownRegion> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: always valid to call.
    let thread = unsafe { libc::pthread_self() };
    // SAFETY: the thread is alive, the attributes are ours to initialise.
    if unsafe { libc::pthread_getattr_np(thread, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut start, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes were initialised by the call above.
    let found = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size) };
    // SAFETY: as above; they are not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    let start = start as u64;
    (found == 0).then(|| KnownRegion::new(start..start + size as u64, true, "a thread's stack"))
}

fn set_gs(base: u64) -> io::Result<()> {
    const ARCH_SET_GS: libc::c_long = 0x1001;
    // SAFETY: Linux programs on x86-64 do not use GS; only driver code addresses through it.
    if unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives the calling thread what driver code expects; repeated calls do nothing.
///
/// - a signal stack of 1 MiB;
/// - a GS block: `KPCR.Self` (0x18), `CurrentPrcb` (0x20), `Irql` (0x50), `KPRCB.CurrentThread` (0x188, an
///   opaque object), `KPRCB.Number` (0x1a4); everything else reads as zero.
///
/// # Errors
/// If the system refuses memory, a signal handler or the GS base.
pub fn prepare_thread() -> io::Result<()> {
    AREA.with(|cell| {
        if cell.get().is_none() {
            let area = ThreadArea::new()?;
            // The cell was found empty on this very thread.
            let _ = cell.set(area);
        }
        Ok(())
    })
}

fn with_area<R>(use_it: impl FnOnce(&ThreadArea) -> R) -> Option<R> {
    AREA.try_with(|cell| cell.get().map(use_it)).ok().flatten()
}

/// Sets the number that `KeGetCurrentProcessorNumber` reads on this thread; a thread that is not prepared has none.
pub fn set_current_processor(number: u32) {
    with_area(|area| area.write(kpcr::NUMBER, number));
}

/// The number set by [`set_current_processor`]; zero on a thread that is not prepared.
pub(super) fn current_processor() -> u32 {
    with_area(|area| area.read(kpcr::NUMBER)).unwrap_or(0)
}

/// Sets the interrupt request level that driver code reads (`mov reg, cr8`, `KPCR.Irql`) on this thread.
pub fn set_current_irql(irql: u8) {
    with_area(|area| area.write(kpcr::IRQL, irql));
}

/// The level set by [`set_current_irql`]; zero on a thread that is not prepared.
#[must_use]
pub fn current_irql() -> u8 {
    with_area(|area| area.read(kpcr::IRQL)).unwrap_or(0)
}

/// Registers of the driver code that made this thread's latest call into the model, as of its return: the
/// instruction pointer is the return address. Volatile registers are zero.
///
/// A callback that the model makes and the driver's calls from within it overwrite them: take them on entry.
/// `None` on a thread that is not prepared or has seen no call.
#[must_use]
pub fn call_site() -> Option<Registers> {
    let mut registers = Registers::default();
    with_area(|area| {
        for saved in CALL_SITE_OFFSETS {
            if let Some(register) = registers.general.get_mut(usize::from(saved.number)) {
                *register = area.read(saved.offset as usize);
            }
        }
    })?;
    let rsp = registers.rsp();
    if rsp == 0 {
        return None;
    }
    // SAFETY: the thunk stored the address where the call had just pushed its return address, on this thread's
    // stack; frames below it come and go, the slot itself stays mapped.
    registers.rip =
        unsafe { ptr::with_exposed_provenance::<u64>(usize::try_from(rsp).ok()?).read_volatile() };
    registers.general[4] = rsp + 8;
    Some(registers)
}

/// The GS base that the calling thread's driver code sees.
pub(super) fn gs_base() -> u64 {
    with_area(|area| area.gs as u64).unwrap_or(0)
}

/// Names the instruction on whose behalf the lab touches guest memory, for faults; zero for none.
pub(super) fn set_emulated(address: u64) {
    EMULATED.set(address);
}

/// See [`set_emulated`].
pub(super) fn emulated() -> u64 {
    EMULATED.get()
}
