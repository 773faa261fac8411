/*
 * What the kit's BufferOverflowFastFailK.lib and its load configuration bring: the cookie, the check of it, and the words in the image's load
 * configuration that tell a loader where both it and control flow guard's pointers are. Source: PE Format, "The Load Configuration
 * Structure"; the sizes of Windows 10 1809.
 */
#pragma once

ULONG_PTR __security_cookie = 0x00002B992DDFA232;

VOID __security_check_cookie(ULONG_PTR Cookie)
{
    /* __fastfail(FAST_FAIL_STACK_COOKIE_CHECK_FAILURE) */
    if (Cookie != __security_cookie)
        __asm__ volatile("int $0x29" : : "c"(2));
}

static VOID GuardNothing(VOID) {}
__attribute__((naked)) static VOID GuardDispatchNothing(VOID) { __asm__("jmp *%rax"); }

/* A loader that enforces control flow guard puts its own routines here. */
VOID (*__guard_check_icall_fptr)(VOID) = GuardNothing;
VOID (*__guard_dispatch_icall_fptr)(VOID) = GuardDispatchNothing;

/* In assembler, since the flags are the value of a symbol that the linker makes. */
__asm__(".section .rdata,\"dr\"\n"
        ".balign 8\n"
        ".globl _load_config_used\n"
        "_load_config_used:\n"
        ".long 0x100\n"
        ".fill 0x54, 1, 0\n"
        ".quad __security_cookie\n"
        /* SEHandlerTable, SEHandlerCount */
        ".quad 0, 0\n"
        ".quad __guard_check_icall_fptr\n"
        ".quad __guard_dispatch_icall_fptr\n"
        ".quad __guard_fids_table, __guard_fids_count\n"
        ".long __guard_flags\n"
        /* CodeIntegrity */
        ".fill 12, 1, 0\n"
        ".quad __guard_iat_table, __guard_iat_count\n"
        ".quad __guard_longjmp_table, __guard_longjmp_count\n"
        ".fill 0x40, 1, 0\n"
        ".text\n");
