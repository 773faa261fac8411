//! From bytes at an address to an instruction.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

use super::own_memory;

/// The longest instruction of the processor.
const LONGEST: usize = 15;

/// The instruction at `address`, or `None` if there is none or it is not readable.
pub(super) fn decode_at(address: u64) -> Option<Instruction> {
    let mut bytes = [0; LONGEST];
    let length = own_memory::read(address, &mut bytes);
    decode(bytes.get(..length)?, address)
}

/// The first instruction of `bytes`, which lie at `address`.
pub(super) fn decode(bytes: &[u8], address: u64) -> Option<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let instruction = decoder.decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// Whether the instruction at `address` is a string instruction that repeats itself.
pub(super) fn is_repeated(address: u64) -> bool {
    decode_at(address).is_some_and(|instruction| {
        instruction.is_string_instruction()
            && (instruction.has_rep_prefix() || instruction.has_repne_prefix())
    })
}

/// Decodes and writes one instruction, so that the decoder's tables are made here and not, with allocations and locks, by the first
/// fault, in a signal handler. Whether there was one to decode.
pub(super) fn prepare() -> bool {
    const NOP: &[u8] = &[0x90];
    decode(NOP, 0).is_some_and(|instruction| disassemble(&instruction) == "nop")
}

/// The instruction as Intel writes it.
pub(super) fn disassemble(instruction: &Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_first_operand_char_index(0);
    formatter.options_mut().set_space_after_operand_separator(true);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}
