//! `memcpy`, `memmove`, `memset`, `memcmp` and `bcmp`, which rustc's code calls and no library of the release flavour has.
//!
//! In assembly, since LLVM recognises such loops and would replace them by calls of themselves; being no items of
//! Rust they are not exported either. `rep movsb` and `rep stosb` are what processors since 2013 do best for lengths
//! unknown at compile time ("Enhanced REP MOVSB/STOSB", Intel's optimization manual, section 3.7.6); known short
//! lengths never come here. The direction flag is never set: an interrupt may come in between.
//!
//! Convention: "x64 calling convention" (Microsoft): arguments in rcx, rdx, r8; rax, rcx, rdx and r8 to r11 are free,
//! rsi and rdi are not, and a function that saves them has unwind data ("x64 exception handling").
#![expect(unsafe_code, reason = "assembly")]

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the release flavour has memory functions for x86-64 only");

core::arch::global_asm!(
    r#"
    .macro miniport_rt_function name
    .section .text$miniport_rt_\name,"xr",one_only,\name
    .globl \name
    .def \name
    .scl 2
    .type 32
    .endef
    .p2align 4
    "#,
    ".endm",
    // memcpy(destination: rcx, source: rdx, length: r8) -> destination
    r#"
    miniport_rt_function memcpy
memcpy:
    .seh_proc memcpy
    push rdi
    .seh_pushreg rdi
    push rsi
    .seh_pushreg rsi
    .seh_endprologue
    mov rax, rcx
    mov rdi, rcx
    mov rsi, rdx
    mov rcx, r8
    rep movsb
    pop rsi
    pop rdi
    ret
    .seh_endproc
    "#,
    // memmove: as memcpy unless the destination begins inside the source; then from the end, eight bytes at a time.
    r#"
    miniport_rt_function memmove
memmove:
    .seh_proc memmove
    push rdi
    .seh_pushreg rdi
    push rsi
    .seh_pushreg rsi
    .seh_endprologue
    mov rax, rcx
    mov r9, rcx
    sub r9, rdx
    cmp r9, r8
    jb 2f
    mov rdi, rcx
    mov rsi, rdx
    mov rcx, r8
    rep movsb
    jmp 5f
2:
    cmp r8, 8
    jb 3f
    sub r8, 8
    mov r9, qword ptr [rdx + r8]
    mov qword ptr [rcx + r8], r9
    jmp 2b
3:
    test r8, r8
    je 5f
    sub r8, 1
    movzx r9d, byte ptr [rdx + r8]
    mov byte ptr [rcx + r8], r9b
    jmp 3b
5:
    pop rsi
    pop rdi
    ret
    .seh_endproc
    "#,
    // memset(destination: rcx, value: dl, length: r8) -> destination
    r#"
    miniport_rt_function memset
memset:
    .seh_proc memset
    push rdi
    .seh_pushreg rdi
    .seh_endprologue
    mov r9, rcx
    mov rdi, rcx
    mov eax, edx
    mov rcx, r8
    rep stosb
    mov rax, r9
    pop rdi
    ret
    .seh_endproc
    "#,
    // memcmp(left: rcx, right: rdx, length: r8) -> negative, zero or positive, by the first bytes that differ
    r#"
    miniport_rt_function memcmp
memcmp:
    xor eax, eax
2:
    cmp r8, 8
    jb 4f
    mov r9, qword ptr [rcx]
    mov r10, qword ptr [rdx]
    cmp r9, r10
    jne 3f
    add rcx, 8
    add rdx, 8
    sub r8, 8
    jmp 2b
3:
    bswap r9
    bswap r10
    cmp r9, r10
    sbb eax, eax
    or eax, 1
    ret
4:
    test r8, r8
    je 5f
    movzx r9d, byte ptr [rcx]
    movzx r10d, byte ptr [rdx]
    add rcx, 1
    add rdx, 1
    sub r8, 1
    cmp r9d, r10d
    je 4b
    mov eax, r9d
    sub eax, r10d
5:
    ret
    "#,
    // bcmp: LLVM calls it where only equality counts.
    r#"
    miniport_rt_function bcmp
bcmp:
    jmp memcmp
    .text
    "#,
);
