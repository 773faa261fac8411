//! Machine code to run, with all registers under control, and a device to run it against.
#![expect(unsafe_code, reason = "runs generated machine code")]

use std::{
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use iced_x86::code_asm::{
    CodeAssembler, ptr as at, qword_ptr, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdi, rdx,
    rsi, rsp,
};
use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

use super::super::{Mmio, allow_patching, forget_patches, read_own_memory};
use crate::device::Width;

/// What an instruction starts with and leaves: general registers in encoding order (the stack pointer's is not
/// used), flags, the first two vector registers.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) general: [u64; 16],
    pub(super) flags: u64,
    pub(super) vectors: [[u64; 2]; 2],
}

/// Executable memory.
pub(crate) struct Code {
    memory: *mut u8,
}

const SIZE: usize = 8192;
/// Apart from everything, as images are: trampolines need room around the code.
const BASE: usize = 0x2800_0000_0000;
const DISTANCE: usize = 0x1_0000_0000;
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl Code {
    /// `bytes` at the beginning of fresh pages.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        assert!(bytes.len() <= SIZE);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        let place = BASE + DISTANCE * (NUMBER.fetch_add(1, Ordering::Relaxed) % 2048);
        // SAFETY: NOREPLACE: nothing that exists is touched.
        let memory =
            unsafe { mm::mmap_anonymous(ptr::with_exposed_provenance_mut(place), SIZE, access, flags) }
                .unwrap();
        // SAFETY: the mapping is that large and nobody else's.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast::<u8>(), bytes.len()) };
        // SAFETY: as above.
        unsafe { mm::mprotect(memory, SIZE, MprotectFlags::READ | MprotectFlags::EXEC) }.unwrap();
        Self {
            memory: memory.cast(),
        }
    }

    /// The instruction assembled by `body` between code that loads and stores the whole context.
    pub(super) fn around(body: impl FnOnce(&mut CodeAssembler)) -> Self {
        Self::new(&assemble(body))
    }

    /// Lets its register accesses be patched.
    pub(crate) fn patchable(self) -> Self {
        allow_patching(self.memory as u64..self.memory as u64 + SIZE as u64);
        self
    }

    pub(crate) fn address(&self) -> u64 {
        self.memory as u64
    }

    /// The code as it is now.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        assert_eq!(read_own_memory(self.memory as u64, &mut bytes), SIZE);
        bytes
    }

    pub(super) fn run(&self, context: &mut Context) {
        type Entry = unsafe extern "sysv64" fn(*mut Context);
        // SAFETY: the memory holds a function of this type.
        let entry = unsafe { std::mem::transmute::<*mut u8, Entry>(self.memory) };
        // SAFETY: the code saves what the convention asks for and touches only what the test set up.
        unsafe { entry(context) };
    }
}

// SAFETY: code has no thread of its own.
unsafe impl Send for Code {}

// SAFETY: threads share the address of code that nothing but the patcher writes.
unsafe impl Sync for Code {}

impl Drop for Code {
    fn drop(&mut self) {
        forget_patches(self.memory as u64..self.memory as u64 + SIZE as u64);
        // SAFETY: nobody runs it any more.
        unsafe { mm::munmap(self.memory.cast(), SIZE) }.unwrap();
    }
}

fn assemble(body: impl FnOnce(&mut CodeAssembler)) -> Vec<u8> {
    use iced_x86::code_asm::{xmm0, xmm1};
    let mut a = CodeAssembler::new(64).unwrap();
    let all = [
        rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
    ];
    let preserved = [rbx, rbp, r12, r13, r14, r15];
    let offset = |index: usize| i32::try_from(8 * index).unwrap();
    for register in preserved {
        a.push(register).unwrap();
    }
    a.push(rdi).unwrap();
    a.movups(xmm0, at(rdi + offset(17))).unwrap();
    a.movups(xmm1, at(rdi + offset(19))).unwrap();
    a.push(qword_ptr(rdi + offset(16))).unwrap();
    a.popfq().unwrap();
    for (index, register) in all.into_iter().enumerate() {
        if register != rsp && register != rdi {
            a.mov(register, at(rdi + offset(index))).unwrap();
        }
    }
    a.mov(rdi, at(rdi + offset(7))).unwrap();
    body(&mut a);
    a.pushfq().unwrap();
    a.push(rdi).unwrap();
    a.mov(rdi, at(rsp + 16)).unwrap();
    for (index, register) in all.into_iter().enumerate() {
        if register != rsp && register != rdi {
            a.mov(at(rdi + offset(index)), register).unwrap();
        }
    }
    a.movups(at(rdi + offset(17)), xmm0).unwrap();
    a.movups(at(rdi + offset(19)), xmm1).unwrap();
    a.pop(qword_ptr(rdi + offset(7))).unwrap();
    a.pop(qword_ptr(rdi + offset(16))).unwrap();
    a.pop(rdi).unwrap();
    a.cld().unwrap();
    for register in preserved.into_iter().rev() {
        a.pop(register).unwrap();
    }
    a.ret().unwrap();
    // Far from zero, so that nothing is encoded relative to it by accident.
    a.assemble(0x10_0000).unwrap()
}

/// A device whose registers are memory, and a record of what was asked of it.
#[derive(Default)]
pub(super) struct Ram {
    pub(super) state: Mutex<(Vec<u8>, Vec<Access>)>,
}

/// One register access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read(u64, Width),
    Write(u64, Width, u64),
}

impl Ram {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            state: Mutex::new((bytes.to_vec(), Vec::new())),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .clone()
    }

    pub(super) fn accesses(&self) -> Vec<Access> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

impl Mmio for Ram {
    fn read(&self, offset: u64, width: Width) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.push(Access::Read(offset, width));
        let mut value = [0; 8];
        let start = usize::try_from(offset).unwrap();
        value[..width.bytes()].copy_from_slice(&state.0[start..start + width.bytes()]);
        clobber_vectors();
        u64::from_le_bytes(value)
    }

    fn write(&self, offset: u64, width: Width, value: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.push(Access::Write(offset, width, value));
        let start = usize::try_from(offset).unwrap();
        state.0[start..start + width.bytes()].copy_from_slice(&value.to_le_bytes()[..width.bytes()]);
        clobber_vectors();
    }
}

/// What a device's code may do to the registers that System V lets it use freely.
fn clobber_vectors() {
    if !is_x86_feature_detected!("avx2") {
        return;
    }
    // SAFETY: the processor has the instructions, and the clobbers are declared.
    unsafe {
        std::arch::asm!(
            "vpcmpeqb ymm0, ymm0, ymm0",
            "vpcmpeqb ymm1, ymm1, ymm1",
            "vpcmpeqb ymm7, ymm7, ymm7",
            "vpcmpeqb ymm15, ymm15, ymm15",
            out("ymm0") _, out("ymm1") _, out("ymm7") _, out("ymm15") _,
            options(nomem, nostack)
        );
    }
}
