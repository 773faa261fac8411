//! The interrupted driver's registers as the emulator sees them, and the stubs that enter and leave it.
#![expect(
    unsafe_code,
    reason = "the entry stubs are machine code around foreign register state"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes below the interrupted stack pointer that stay untouched: the System V red zone. Windows code has
/// none, but the lab's own code can fault as well.
pub(super) const RED_ZONE: u64 = 128;

/// General registers, flags and instruction pointer of interrupted or calling driver code.
///
/// The general registers are in the encoding order of the processor (Intel SDM volume 2, table 2-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
    pub general: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// The flags.
    pub rflags: u64,
}

impl Registers {
    /// The stack pointer.
    #[must_use]
    pub const fn rsp(&self) -> u64 {
        self.general[4]
    }

    /// The frame pointer register.
    #[must_use]
    pub const fn rbp(&self) -> u64 {
        self.general[5]
    }
}

impl std::fmt::Display for Registers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMES: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
            "r14", "r15",
        ];
        write!(f, "rip {:016x} rflags {:08x}", self.rip, self.rflags)?;
        for (index, (name, value)) in NAMES.iter().zip(self.general).enumerate() {
            let separator = if index % 4 == 0 { '\n' } else { ' ' };
            write!(f, "{separator}{name:>3} {value:016x}")?;
        }
        Ok(())
    }
}

/// What the stubs leave on the driver's stack.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Frame {
    /// In encoding order; the stack pointer's entry is not restored.
    pub(super) general: [u64; 16],
    pub(super) rflags: u64,
    /// On entry the address or the number of the site; on exit where to go on.
    pub(super) slot: u64,
}

impl Frame {
    /// Where a frame for code interrupted at stack pointer `rsp` lies.
    pub(super) const fn address_for(rsp: u64) -> u64 {
        (rsp & !7).wrapping_sub(RED_ZONE + size_of::<Self>() as u64)
    }

    /// The interrupted stack pointer, from the frame's own place.
    pub(super) fn rsp(&self) -> u64 {
        std::ptr::from_ref(self) as u64 + size_of::<Self>() as u64 + RED_ZONE
    }

    pub(super) fn registers(&self, rip: u64) -> Registers {
        let mut general = self.general;
        general[4] = self.rsp();
        Registers {
            general,
            rip,
            rflags: self.rflags,
        }
    }
}

/// Size of the area the vector state is saved in.
pub(super) static SAVE_SIZE: AtomicU64 = AtomicU64::new(512 + 64);
/// Components to save by `xsave`; zero where the processor has only `fxsave`.
pub(super) static SAVE_MASK: AtomicU64 = AtomicU64::new(0);
/// Whether the processor tells which components are in use.
pub(super) static TELLS_USE: AtomicBool = AtomicBool::new(false);

/// Finds out how to save the vector state; before the first stub runs.
///
/// `xsave` and `xrstor` of everything cost more than the rest of an access. Kernel code uses no wide vectors
/// unless it takes pains to (`KeSaveExtendedProcessorState`): while the upper halves of the registers are in
/// their initial state, saving sixteen XMM registers is enough.
pub(super) fn measure_vector_state() {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const OSXSAVE: u32 = 1 << 27;
    const XGETBV_OF_USE: u32 = 1 << 2;
    // x87, SSE, AVX, AVX-512. PKRU is not the driver's, nor is AMX: 8 KiB for nothing.
    const WANTED: u64 = 0b1110_0111;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return;
    }
    // SAFETY: OSXSAVE says that the operating system enabled xgetbv.
    let enabled = unsafe { std::arch::x86_64::_xgetbv(0) };
    let mask = enabled & WANTED;
    let size = (2..8)
        .filter(|component| mask >> component & 1 != 0)
        .map(|component| __cpuid_count(0xd, component))
        .map(|leaf| u64::from(leaf.ebx) + u64::from(leaf.eax))
        .fold(512 + 64, u64::max);
    let avx = mask & 0b100 != 0;
    TELLS_USE.store(
        avx && __cpuid_count(0xd, 1).eax & XGETBV_OF_USE != 0,
        Ordering::Relaxed,
    );
    SAVE_SIZE.store(size, Ordering::Relaxed);
    SAVE_MASK.store(mask, Ordering::Release);
}

/// The emulator's half that knows where a vector register lies in the save area.
pub(super) struct VectorState {
    area: *mut u8,
}

impl VectorState {
    /// # Safety
    /// `area` is the save area of the stub that called, alive while the value lives.
    pub(super) unsafe fn new(area: *mut u8) -> Self {
        Self { area }
    }

    /// Intel SDM volume 1, 10.5.1 (FXSAVE area): XMM0 at byte 160, 16 bytes each.
    fn register(&self, number: usize) -> *mut [u64; 2] {
        debug_assert!(number < 16);
        self.area.wrapping_add(160 + 16 * (number & 15)).cast()
    }

    pub(super) fn read(&self, number: usize) -> [u64; 2] {
        // SAFETY: the register lies within the save area, which is 64-byte aligned and saved by the stub.
        unsafe { self.register(number).read() }
    }

    pub(super) fn write(&mut self, number: usize, value: [u64; 2]) {
        // SAFETY: as in `read`.
        unsafe { self.register(number).write(value) }
        if SAVE_MASK.load(Ordering::Relaxed) == 0 {
            return;
        }
        // XSTATE_BV in the header (SDM volume 1, 13.4.2): a component marked as initial would be zeroed.
        let present = self.area.wrapping_add(512);
        // SAFETY: the header follows the legacy area; its first byte is enough.
        let bits = unsafe { present.read() };
        // SAFETY: as above.
        unsafe { present.write(bits | 0b10) }
    }
}
