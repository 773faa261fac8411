//! Machine code between the driver and the emulator.
#![expect(unsafe_code, reason = "naked functions around foreign register state")]

use std::arch::naked_asm;

use super::{
    emulate,
    frame::{Frame, RED_ZONE, SAVE_MASK, SAVE_SIZE, TELLS_USE},
};

/// The trap flag in RFLAGS.
const TRAP_FLAG: i32 = 1 << 8;

/// Entered from the signal handler: the frame is complete, its address is in rdi and rsp.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn trap_entry() {
    naked_asm!(
        "lea rsi, [rip + {target}]",
        "jmp {common}",
        target = sym emulate::from_trap,
        common = sym common_entry,
    )
}

/// As [`trap_entry`], for a scheduling point between two instructions.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn step_entry() {
    naked_asm!(
        "lea rsi, [rip + {target}]",
        "jmp {common}",
        target = sym emulate::from_step,
        common = sym common_entry,
    )
}

/// As [`trap_entry`], for a scheduling point that is overdue.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn overdue_entry() {
    naked_asm!(
        "lea rsi, [rip + {target}]",
        "jmp {common}",
        target = sym emulate::from_overdue,
        common = sym common_entry,
    )
}

/// Entered from a trampoline, below the red zone, with the site's number pushed.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn site_entry() {
    naked_asm!(
        "pushfq",
        "push r15",
        "push r14",
        "push r13",
        "push r12",
        "push r11",
        "push r10",
        "push r9",
        "push r8",
        "push rdi",
        "push rsi",
        "push rbp",
        "push rsp",
        "push rbx",
        "push rdx",
        "push rcx",
        "push rax",
        "mov rdi, rsp",
        "lea rsi, [rip + {target}]",
        "jmp {common}",
        target = sym emulate::from_site,
        common = sym common_entry,
    )
}

/// Saves the vector state, calls the function in rsi with (frame, save area), restores everything and goes on
/// at the address in the frame's slot. rdi = rsp = frame.
#[unsafe(naked)]
unsafe extern "C" fn common_entry() {
    naked_asm!(
        "cld",
        "mov rbx, rdi",
        "mov r12, rsi",
        // The driver may be single-stepped; the lab is not.
        "test dword ptr [rbx + {flags}], {trap}",
        "jz 9f",
        "pushfq",
        "and dword ptr [rsp], {no_trap}",
        "popfq",
        "9:",
        "sub rsp, [rip + {size}]",
        "and rsp, -64",
        "mov r13, [rip + {mask}]",
        "test r13, r13",
        "jz 2f",
        "cmp byte ptr [rip + {tells}], 0",
        "je 3f",
        // AVX in use? (xgetbv with ecx = 1, SDM volume 1, 13.2.)
        "mov ecx, 1",
        "xgetbv",
        "test al, 4",
        "jnz 3f",
        // The XMM registers, where fxsave and xsave would put them.
        "movaps [rsp + 160], xmm0",
        "movaps [rsp + 176], xmm1",
        "movaps [rsp + 192], xmm2",
        "movaps [rsp + 208], xmm3",
        "movaps [rsp + 224], xmm4",
        "movaps [rsp + 240], xmm5",
        "movaps [rsp + 256], xmm6",
        "movaps [rsp + 272], xmm7",
        "movaps [rsp + 288], xmm8",
        "movaps [rsp + 304], xmm9",
        "movaps [rsp + 320], xmm10",
        "movaps [rsp + 336], xmm11",
        "movaps [rsp + 352], xmm12",
        "movaps [rsp + 368], xmm13",
        "movaps [rsp + 384], xmm14",
        "movaps [rsp + 400], xmm15",
        "stmxcsr [rsp + 24]",
        "mov rdi, rbx",
        "mov rsi, rsp",
        "call r12",
        "vzeroupper",
        "movaps xmm0, [rsp + 160]",
        "movaps xmm1, [rsp + 176]",
        "movaps xmm2, [rsp + 192]",
        "movaps xmm3, [rsp + 208]",
        "movaps xmm4, [rsp + 224]",
        "movaps xmm5, [rsp + 240]",
        "movaps xmm6, [rsp + 256]",
        "movaps xmm7, [rsp + 272]",
        "movaps xmm8, [rsp + 288]",
        "movaps xmm9, [rsp + 304]",
        "movaps xmm10, [rsp + 320]",
        "movaps xmm11, [rsp + 336]",
        "movaps xmm12, [rsp + 352]",
        "movaps xmm13, [rsp + 368]",
        "movaps xmm14, [rsp + 384]",
        "movaps xmm15, [rsp + 400]",
        "ldmxcsr [rsp + 24]",
        "jmp 5f",
        // Everything. The header must be zero but for what the instruction sets.
        "3:",
        "xor eax, eax",
        "mov [rsp + 512], rax",
        "mov [rsp + 520], rax",
        "mov [rsp + 528], rax",
        "mov [rsp + 536], rax",
        "mov [rsp + 544], rax",
        "mov [rsp + 552], rax",
        "mov [rsp + 560], rax",
        "mov [rsp + 568], rax",
        "mov rax, r13",
        "xor edx, edx",
        "xsave64 [rsp]",
        "mov rdi, rbx",
        "mov rsi, rsp",
        "call r12",
        "mov rax, r13",
        "xor edx, edx",
        "xrstor64 [rsp]",
        "jmp 5f",
        "2:",
        "fxsave64 [rsp]",
        "mov rdi, rbx",
        "mov rsi, rsp",
        "call r12",
        "fxrstor64 [rsp]",
        "5:",
        "jmp {leave}",
        flags = const std::mem::offset_of!(Frame, rflags),
        trap = const TRAP_FLAG,
        no_trap = const !TRAP_FLAG,
        size = sym SAVE_SIZE,
        mask = sym SAVE_MASK,
        tells = sym TELLS_USE,
        leave = sym leave,
    )
}

/// Restores the general registers and the flags from the frame in rbx, and goes on at the address in its slot.
#[unsafe(naked)]
unsafe extern "C" fn leave() {
    naked_asm!(
        "mov rsp, rbx",
        "pop rax",
        "pop rcx",
        "pop rdx",
        "pop rbx",
        "lea rsp, [rsp + 8]",
        "pop rbp",
        "pop rsi",
        "pop rdi",
        "pop r8",
        "pop r9",
        "pop r10",
        "pop r11",
        "pop r12",
        "pop r13",
        "pop r14",
        "pop r15",
        "popfq",
        "ret {red_zone}",
        red_zone = const RED_ZONE,
    )
}
