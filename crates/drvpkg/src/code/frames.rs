//! How much stack each function takes.
//!
//! Source: "x64 exception handling", "struct `UNWIND_CODE`". Every function that moves the stack pointer has unwind data, and
//! the kernel could not unwind one that moves it outside its prologue; the instructions are looked at all the same.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use pe_unwind_info::x86_64::{
    FunctionTableEntries, RuntimeFunction, UnwindInfo, UnwindInfoTrailer, UnwindOperation,
};

use super::{Code, Function};

/// Chained unwind records at most.
const CHAIN: usize = 32;
/// What a push takes.
const WORD: u32 = 8;

/// A function's stack frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's label.
    pub function: String,
    /// What it takes.
    pub size: FrameSize,
}

/// What a frame takes, without the return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameSize {
    /// So many bytes.
    Bytes(u32),
    /// More with each step: the stack pointer moves by a register or inside the function.
    Unknown,
}

impl Code<'_> {
    /// The frame of each function, largest first, unknown ones before all.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = self
            .functions()
            .iter()
            .map(|function| Frame {
                function: function.label(),
                size: self.frame_size(function),
            })
            .collect();
        frames.sort_by_key(|frame| {
            std::cmp::Reverse(match frame.size {
                FrameSize::Bytes(bytes) => u64::from(bytes),
                FrameSize::Unknown => u64::MAX,
            })
        });
        frames
    }

    /// The function table.
    pub(super) fn records(&self) -> &[RuntimeFunction] {
        FunctionTableEntries::parse(self.exceptions)
            .functions()
            .unwrap_or_default()
    }

    fn frame_size(&self, function: &Function) -> FrameSize {
        let recorded = self
            .records()
            .iter()
            .find(|record| record.begin_address.get() == function.start)
            .map(|record| self.unwound(record));
        let taken = taken_by_instructions(&self.instructions(function));
        match (recorded, taken) {
            (Some(Some(recorded)), Some(taken)) => FrameSize::Bytes(recorded.max(taken)),
            // `sub rsp, rax` behind a stack probe: the unwind data hold the size.
            (Some(Some(recorded)), None) if recorded > 0 => FrameSize::Bytes(recorded),
            (None, Some(taken)) => FrameSize::Bytes(taken),
            _ => FrameSize::Unknown,
        }
    }

    /// What the unwinder takes off the stack.
    fn unwound(&self, record: &RuntimeFunction) -> Option<u32> {
        let mut address = record.unwind_info_address.get();
        let mut total = 0_u32;
        for _ in 0..CHAIN {
            let information = UnwindInfo::parse(self.bytes(address)?)?;
            for (_, operation) in information.unwind_operations() {
                total = total.saturating_add(match operation {
                    UnwindOperation::PopNonVolatile(_) => WORD,
                    UnwindOperation::UnStackAlloc(bytes) => bytes,
                    UnwindOperation::PopMachineFrame { error_code } => WORD * if error_code { 6 } else { 5 },
                    _ => 0,
                });
            }
            match information.trailer() {
                Some(UnwindInfoTrailer::ChainedUnwindInfo { chained }) => {
                    address = chained.unwind_info_address.get();
                }
                _ => return Some(total),
            }
        }
        None
    }
}

/// What the largest single instruction takes; none if one takes what a register holds.
fn taken_by_instructions(instructions: &[Instruction]) -> Option<u32> {
    let mut largest = 0;
    for instruction in instructions {
        if instruction.mnemonic() == Mnemonic::Sub && instruction.op0_register() == Register::RSP {
            largest = largest.max(match instruction.op1_kind() {
                OpKind::Immediate8to64 | OpKind::Immediate32to64 => {
                    u32::try_from(instruction.immediate(1).cast_signed()).unwrap_or(0)
                }
                _ => return None,
            });
        }
    }
    Some(largest)
}
