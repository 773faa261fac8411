//! A section that is writable and executable.
#![expect(unsafe_code, reason = "a mistake on purpose")]

core::arch::global_asm!(".section .both,\"wx\"", "ret", ".text");
