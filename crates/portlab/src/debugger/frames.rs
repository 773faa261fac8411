//! Call frame information: where each function keeps its caller's registers, for gdb's back-traces.
//!
//! Translated from the image's unwind information (PE Format, "Exception Handling (x64)"): what the prologue has done so far at
//! each of its instructions. That information says nothing of epilogues, so they are found in the code.

use std::ops::Range;

use gimli::{
    Encoding, Format, Register, X86_64,
    write::{Address, CallFrameInstruction, CommonInformationEntry, FrameDescriptionEntry, FrameTable},
};
use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind};

use super::program::{Program, decode};
use crate::pe::Image;

/// General registers in the order of their numbers in machine code.
const GENERAL: [Register; 16] = [
    X86_64::RAX,
    X86_64::RCX,
    X86_64::RDX,
    X86_64::RBX,
    X86_64::RSP,
    X86_64::RBP,
    X86_64::RSI,
    X86_64::RDI,
    X86_64::R8,
    X86_64::R9,
    X86_64::R10,
    X86_64::R11,
    X86_64::R12,
    X86_64::R13,
    X86_64::R14,
    X86_64::R15,
];
/// Chained records at most.
const CHAIN: usize = 32;
/// `UNW_FLAG_CHAININFO`.
const CHAINED: u8 = 4;

/// The frames of all functions.
pub(super) fn table(image: &Image, program: &Program) -> FrameTable {
    let encoding = Encoding {
        format: Format::Dwarf32,
        // Of .debug_frame.
        version: 4,
        address_size: 8,
    };
    let mut entry = CommonInformationEntry::new(encoding, 1, -8, X86_64::RA);
    entry.add_instruction(CallFrameInstruction::Cfa(X86_64::RSP, 8));
    entry.add_instruction(CallFrameInstruction::Offset(X86_64::RA, -8));
    let mut table = FrameTable::default();
    let common = table.add_cie(entry);
    let records = records(image);
    for (range, steps) in &records {
        table.add_fde(common, described(image, range, steps));
    }
    // Functions without a record keep the stack as they found it.
    for function in &program.functions {
        let covered = records
            .iter()
            .any(|(range, _)| range.start < function.range.end && function.range.start < range.end);
        if !covered {
            table.add_fde(common, described(image, &function.range, &[]));
        }
    }
    table
}

/// What an instruction of a prologue did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Pushed(u8),
    Allocated(i32),
    /// The frame pointer is so far above the stack pointer.
    FramePointer(u8, i32),
    /// So far above the stack pointer after the prologue.
    Saved(u8, i32),
    SavedVector(u8, i32),
}

/// After how many bytes of the function.
type Step = (u32, Done);

/// The image's function table, in order.
fn records(image: &Image) -> Vec<(Range<u32>, Vec<Step>)> {
    let memory = image.pristine();
    let table = memory.get(image.exception_table()).unwrap_or_default();
    let mut records: Vec<_> = table
        .chunks_exact(12)
        .filter_map(|entry| {
            let range = word(entry, 0)?..word(entry, 4)?;
            let steps = steps(memory, word(entry, 8)?)?;
            (range.start < range.end && range.end as usize <= memory.len()).then_some((range, steps))
        })
        .collect();
    records.sort_by_key(|(range, _)| range.start);
    records
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

/// What the prologue does, in its order; what a chain's other parts did was done before.
fn steps(memory: &[u8], record: u32) -> Option<Vec<Step>> {
    let mut record = record;
    let mut all = Vec::new();
    for depth in 0..CHAIN {
        let bytes = memory.get(record as usize..)?;
        let &[flags, _, count, frame] = bytes.first_chunk::<4>()?;
        let codes = bytes.get(4..4 + 2 * usize::from(count))?;
        let mut own = own_steps(codes, frame)?;
        if depth > 0 {
            for step in &mut own {
                step.0 = 0;
            }
        }
        own.append(&mut all);
        all = own;
        if flags >> 3 & CHAINED == 0 {
            return Some(all);
        }
        let behind = 4 + 2 * (usize::from(count) + 1) / 2 * 2;
        let behind = behind / 4 * 4;
        record = word(bytes.get(behind..)?, 8)?;
    }
    None
}

fn own_steps(codes: &[u8], frame: u8) -> Option<Vec<Step>> {
    let slots: Vec<[u8; 2]> = codes
        .chunks_exact(2)
        .filter_map(|slot| slot.try_into().ok())
        .collect();
    let value = |index: usize| slots.get(index).map(|slot| u32::from(u16::from_le_bytes(*slot)));
    let far = |index: usize| Some(value(index)? | value(index + 1)? << 16);
    let signed = |value: u32| i32::try_from(value).ok();
    let mut steps = Vec::new();
    let mut index = 0;
    while let Some(&[offset, operation]) = slots.get(index) {
        let (code, info) = (operation & 15, operation >> 4);
        let (done, length) = match code {
            0 => (Some(Done::Pushed(info)), 1),
            1 if info == 0 => (Some(Done::Allocated(signed(value(index + 1)? * 8)?)), 2),
            1 => (Some(Done::Allocated(signed(far(index + 1)?)?)), 3),
            2 => (Some(Done::Allocated(i32::from(info) * 8 + 8)), 1),
            3 => (
                Some(Done::FramePointer(frame & 15, i32::from(frame >> 4) * 16)),
                1,
            ),
            4 => (Some(Done::Saved(info, signed(value(index + 1)? * 8)?)), 2),
            5 => (Some(Done::Saved(info, signed(far(index + 1)?)?)), 3),
            // Version 2's descriptions of epilogues.
            6 => (None, 2),
            8 => (Some(Done::SavedVector(info, signed(value(index + 1)? * 16)?)), 2),
            9 => (Some(Done::SavedVector(info, signed(far(index + 1)?)?)), 3),
            10 => (None, 1),
            _ => return None,
        };
        steps.extend(done.map(|done| (u32::from(offset), done)));
        index += length;
    }
    // The table has the last one first.
    steps.reverse();
    Some(steps)
}

fn described(image: &Image, range: &Range<u32>, steps: &[Step]) -> FrameDescriptionEntry {
    let length = range.end - range.start;
    let mut entry = FrameDescriptionEntry::new(Address::Constant(u64::from(range.start)), length);
    let mut frame = Frame {
        cfa: 8,
        pointer: false,
    };
    for (offset, done) in steps {
        for instruction in frame.after(*done) {
            entry.add_instruction((*offset).min(length), instruction);
        }
    }
    for (offset, instruction) in epilogues(image, range) {
        entry.add_instruction(offset, instruction);
    }
    entry
}

/// How far the caller's frame is above the stack pointer.
struct Frame {
    cfa: i32,
    /// There is a frame pointer: the stack pointer no longer matters.
    pointer: bool,
}

impl Frame {
    fn after(&mut self, done: Done) -> Vec<CallFrameInstruction> {
        let general = |number: u8| GENERAL.get(usize::from(number)).copied().unwrap_or(X86_64::RAX);
        let moved = |frame: &mut Self, by: i32| {
            frame.cfa += by;
            (!frame.pointer).then_some(CallFrameInstruction::CfaOffset(frame.cfa))
        };
        match done {
            Done::Pushed(register) => {
                let moved = moved(self, 8);
                let saved = CallFrameInstruction::Offset(general(register), -self.cfa);
                moved.into_iter().chain([saved]).collect()
            }
            Done::Allocated(bytes) => moved(self, bytes).into_iter().collect(),
            Done::FramePointer(register, above) => {
                self.pointer = true;
                vec![CallFrameInstruction::Cfa(general(register), self.cfa - above)]
            }
            Done::Saved(register, above) => {
                vec![CallFrameInstruction::Offset(general(register), above - self.cfa)]
            }
            Done::SavedVector(register, above) => {
                let register = Register(X86_64::XMM0.0 + u16::from(register));
                vec![CallFrameInstruction::Offset(register, above - self.cfa)]
            }
        }
    }
}

/// From `add rsp` or `lea rsp` over the `pop`s to the return or the jump to another function, the frame shrinks.
fn epilogues(image: &Image, range: &Range<u32>) -> Vec<(u32, CallFrameInstruction)> {
    let code = decode(image, range);
    let mut found = Vec::new();
    for (index, last) in code.iter().enumerate() {
        if !leaves(last, range) {
            continue;
        }
        let before = code.get(..index).unwrap_or_default();
        let pops = before
            .iter()
            .rev()
            .take_while(|instruction| is_pop(instruction))
            .count();
        let (rest, popping) = before.split_at(index - pops);
        let shrinks = rest.last().is_some_and(sets_stack_pointer);
        if pops == 0 && !shrinks {
            continue;
        }
        let behind = |instruction: &Instruction| {
            u32::try_from(instruction.next_ip())
                .unwrap_or(u32::MAX)
                .saturating_sub(range.start)
        };
        let first = rest.last().filter(|_| shrinks);
        let begin = first.map_or_else(
            || {
                u32::try_from(popping[0].ip())
                    .unwrap_or(u32::MAX)
                    .saturating_sub(range.start)
            },
            behind,
        );
        let mut left = i32::try_from(pops).unwrap_or(0);
        found.push((begin, CallFrameInstruction::RememberState));
        found.push((begin, CallFrameInstruction::Cfa(X86_64::RSP, 8 + 8 * left)));
        for pop in popping {
            left -= 1;
            let register = GENERAL.get(pop.op0_register().number()).copied();
            found.push((behind(pop), CallFrameInstruction::CfaOffset(8 + 8 * left)));
            found.extend(register.map(|register| (behind(pop), CallFrameInstruction::SameValue(register))));
        }
        if behind(last) < range.end - range.start {
            found.push((behind(last), CallFrameInstruction::RestoreState));
        }
    }
    found
}

fn leaves(instruction: &Instruction, range: &Range<u32>) -> bool {
    match instruction.flow_control() {
        FlowControl::Return => true,
        FlowControl::UnconditionalBranch => {
            let target = instruction.near_branch_target();
            !(u64::from(range.start)..u64::from(range.end)).contains(&target)
        }
        FlowControl::IndirectBranch => {
            instruction.op0_kind() == OpKind::Memory && instruction.is_ip_rel_memory_operand()
        }
        _ => false,
    }
}

fn is_pop(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Pop && instruction.op0_kind() == OpKind::Register
}

fn sets_stack_pointer(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Add | Mnemonic::Lea)
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == iced_x86::Register::RSP
}

#[cfg(test)]
mod tests {
    use gimli::{X86_64, write::CallFrameInstruction};

    use super::{Done, Frame, own_steps};

    #[test]
    fn a_prologue_is_read_in_its_order() {
        // sub rsp, 0x28 at 4 bytes; push rdi at 2; push rbx at 1: the table has the last one first.
        let codes = [6, 0x42, 2, 0x70, 1, 0x30];
        let steps = own_steps(&codes, 0).expect("well-formed");
        assert_eq!(
            steps,
            [
                (1, Done::Pushed(3)),
                (2, Done::Pushed(7)),
                (6, Done::Allocated(0x28))
            ]
        );
    }

    #[test]
    fn what_is_pushed_lies_where_the_stack_pointer_was() {
        let mut frame = Frame {
            cfa: 8,
            pointer: false,
        };
        assert_eq!(
            frame.after(Done::Pushed(5)),
            [
                CallFrameInstruction::CfaOffset(16),
                CallFrameInstruction::Offset(X86_64::RBP, -16)
            ]
        );
        assert_eq!(
            frame.after(Done::Allocated(0x40)),
            [CallFrameInstruction::CfaOffset(0x50)]
        );
        // lea rbp, [rsp + 0x40]
        assert_eq!(
            frame.after(Done::FramePointer(5, 0x40)),
            [CallFrameInstruction::Cfa(X86_64::RBP, 0x10)]
        );
        assert_eq!(
            frame.after(Done::Saved(6, 0x30)),
            [CallFrameInstruction::Offset(X86_64::RSI, -0x20)]
        );
    }

    #[test]
    fn damaged_codes_are_refused() {
        assert_eq!(own_steps(&[0, 0x01], 0), None);
        assert_eq!(own_steps(&[0, 0x0f], 0), None);
    }
}
