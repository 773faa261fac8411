//! Answers of the processor: the same on every host.

use super::registers::{read_register, write_register};
use crate::trap::{flags, frame::Frame, hooks, site::Answer, thread};

/// EAX, EBX, ECX, EDX.
type Leaf = [u32; 4];

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBX: usize = 3;

/// The highest basic and extended leaves.
const BASIC: u32 = 7;
const EXTENDED: u32 = 0x8000_0008;

/// What `cpuid` says (Intel SDM volume 2, CPUID): a processor with what kernel code on x64 can rely on (SSE up to 4.2,
/// CMPXCHG16B, POPCNT, RDRAND, RDSEED, RDTSCP, an invariant time-stamp counter), under a hypervisor; no AVX.
fn leaf(leaf: u32, processor: u32) -> Leaf {
    const SSE3_TO_SSE42_CX16_POPCNT: u32 = 1 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23;
    const HYPERVISOR: u32 = 1 << 31;
    const RDRAND: u32 = 1 << 30;
    // FPU, TSC, MSR, PAE, CX8, APIC, PGE, CMOV, PAT, CLFLUSH, MMX, FXSR, SSE, SSE2.
    const BASELINE: u32 = 0x0789_A371;
    const RDSEED: u32 = 1 << 18;
    const ERMS: u32 = 1 << 9;
    let text = |text: &[u8; 16]| -> Leaf {
        let word = |at: usize| u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]);
        [word(0), word(4), word(8), word(12)]
    };
    match leaf {
        // "GenuineIntel"
        0 => [BASIC, 0x756e_6547, 0x6c65_746e, 0x4965_6e69],
        // Family 6, model 94, stepping 3; 64-byte lines.
        1 => [
            0x0005_06e3,
            (processor & 0xff) << 24 | 8 << 8,
            SSE3_TO_SSE42_CX16_POPCNT | RDRAND | HYPERVISOR,
            BASELINE,
        ],
        7 => [0, RDSEED | ERMS, 0, 0],
        0x8000_0000 => [EXTENDED, 0, 0, 0],
        // LAHF; SYSCALL, NX, RDTSCP, long mode.
        0x8000_0001 => [0, 0, 1, 1 << 11 | 1 << 20 | 1 << 27 | 1 << 29],
        0x8000_0002 => text(b"Ferroport virtua"),
        0x8000_0003 => text(b"l processor\0\0\0\0\0"),
        // Invariant time-stamp counter.
        0x8000_0007 => [0, 0, 0, 1 << 8],
        // 48 bits of addresses.
        0x8000_0008 => [0x0000_3030, 0, 0, 0],
        _ => [0; 4],
    }
}

/// Does what the instruction would have done.
pub(super) fn answer(frame: &mut Frame, answer: Answer) {
    let asked = hooks::hooks();
    match answer {
        Answer::TimeStamp | Answer::TimeStampAndProcessor => {
            let now = asked.map_or(0, |hooks| (hooks.time_stamp)());
            frame.general[RAX] = now & 0xffff_ffff;
            frame.general[RDX] = now >> 32;
            if answer == Answer::TimeStampAndProcessor {
                frame.general[RCX] = u64::from(thread::current_processor());
            }
        }
        Answer::Random(register) => {
            let value = asked.map_or(0, |hooks| (hooks.random)());
            write_register(frame, register, value);
            // Carry says that there was one; the other flags are cleared (Intel SDM volume 2, RDRAND).
            frame.rflags = frame.rflags & !flags::STATUS | flags::CARRY;
        }
        Answer::Identification => {
            let [eax, ebx, ecx, edx] = leaf(
                u32::try_from(frame.general[RAX] & 0xffff_ffff).unwrap_or(0),
                thread::current_processor(),
            );
            for (register, value) in [(RAX, eax), (RBX, ebx), (RCX, ecx), (RDX, edx)] {
                frame.general[register] = u64::from(value);
            }
        }
        Answer::ReadIrql(register) => write_register(frame, register, u64::from(thread::current_irql())),
        Answer::WriteIrql(register) => {
            let level = u8::try_from(read_register(frame, register) & 15).unwrap_or(0);
            match asked {
                Some(hooks) => (hooks.set_irql)(level),
                None => thread::set_current_irql(level),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::leaf;

    #[test]
    fn the_leaves_name_the_processor_and_end_where_they_say() {
        let words = |number| leaf(number, 3).map(u32::to_le_bytes).concat();
        let name = [words(0x8000_0002), words(0x8000_0003), words(0x8000_0004)].concat();
        assert!(name.starts_with(b"Ferroport virtual processor\0"));
        let vendor = leaf(0, 0);
        assert_eq!(
            [vendor[1], vendor[3], vendor[2]].map(u32::to_le_bytes).concat(),
            b"GenuineIntel"
        );
        assert_eq!(leaf(1, 3)[1] >> 24, 3);
        assert_eq!(leaf(8, 0), [0; 4]);
        assert_eq!(leaf(0x8000_0009, 0), [0; 4]);
    }
}
