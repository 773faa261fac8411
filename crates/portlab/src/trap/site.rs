//! What is done at a patched site besides register accesses.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

use super::operation::Operation;

/// What a patched site is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// An access to registers of a device.
    Access(Operation),
    /// A scheduling point; then the instruction runs as it is.
    Point,
    /// An answer of the processor's, given by the lab.
    Processor(Answer),
}

/// What the processor itself tells or is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `rdtsc`.
    TimeStamp,
    /// `rdtscp`: also the processor's number.
    TimeStampAndProcessor,
    /// `rdrand` and `rdseed`.
    Random(Register),
    /// `cpuid`.
    Identification,
    /// `mov reg, cr8`.
    ReadIrql(Register),
    /// `mov cr8, reg`.
    WriteIrql(Register),
}

impl Answer {
    /// What an instruction asks of the processor.
    pub(super) fn of(instruction: &Instruction) -> Option<Self> {
        let cr8 = |operand: Register| operand == Register::CR8;
        match instruction.mnemonic() {
            Mnemonic::Rdtsc => Some(Self::TimeStamp),
            Mnemonic::Rdtscp => Some(Self::TimeStampAndProcessor),
            Mnemonic::Rdrand | Mnemonic::Rdseed => Some(Self::Random(instruction.op0_register())),
            Mnemonic::Cpuid => Some(Self::Identification),
            Mnemonic::Mov if cr8(instruction.op1_register()) => {
                Some(Self::ReadIrql(instruction.op0_register()))
            }
            Mnemonic::Mov if cr8(instruction.op0_register()) => {
                Some(Self::WriteIrql(instruction.op1_register()))
            }
            _ => None,
        }
    }
}

/// Whether other processors may come between, by the instruction itself: `pause`, `lock`-prefixed instructions, `xchg` with
/// memory.
#[must_use]
pub fn is_interlocked(instruction: &Instruction) -> bool {
    let exchanges = instruction.mnemonic() == Mnemonic::Xchg
        && (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    instruction.code() == Code::Pause || instruction.has_lock_prefix() || exchanges
}

/// Whether an instruction's result depends on the host's processor, so that the lab answers for it.
#[must_use]
pub fn asks_processor(instruction: &Instruction) -> bool {
    Answer::of(instruction).is_some()
}
