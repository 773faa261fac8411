//! What a jump over a site covers, and the trampoline for it.

use std::ops::Range;

use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, FlowControl, Instruction, InstructionBlock, Mnemonic,
};

use super::{JUMP, PatchedSite, space};
use crate::trap::{decode, site::Work, stubs};

/// Why a site keeps trapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The code must not be changed, or cannot be.
    NotOurs,
    /// Another patch is too near.
    Overlap,
    /// An instruction behind the site cannot be moved.
    Immovable,
    /// No address for the trampoline.
    NoRoom,
}

/// The instructions that the jump covers, the site's own first.
pub(super) struct Plan {
    covered: Vec<Instruction>,
    /// Offsets from the site of the covered instructions' beginnings, but for the site's own.
    beginnings: Vec<usize>,
}

/// A trampoline ready to be written.
pub(super) struct Built {
    pub(super) bytes: Vec<u8>,
    pub(super) copies: Vec<(u64, u64)>,
}

/// Whether an instruction does the same from another place.
///
/// A call would leave a return address in the trampoline, which no unwind information covers.
fn is_movable(instruction: &Instruction) -> bool {
    match instruction.flow_control() {
        FlowControl::Next
        | FlowControl::UnconditionalBranch
        | FlowControl::IndirectBranch
        | FlowControl::ConditionalBranch
        | FlowControl::Return => {
            !instruction.is_loop() && !instruction.is_loopcc() && !instruction.is_jcx_short()
        }
        // Padding between functions.
        FlowControl::Interrupt => instruction.mnemonic() == Mnemonic::Int3,
        _ => false,
    }
}

impl Plan {
    pub(super) fn of(site: &Instruction, code: &Range<u64>) -> Result<Self, Refused> {
        let mut covered = vec![*site];
        let mut beginnings = Vec::new();
        let mut length = site.len();
        while length < JUMP {
            let at = site.ip() + length as u64;
            let next = decode::decode_at(at).ok_or(Refused::Immovable)?;
            if next.next_ip() > code.end || !is_movable(&next) {
                return Err(Refused::Immovable);
            }
            // Nobody goes to padding, and if somebody does, any trap is as good.
            if next.mnemonic() != Mnemonic::Int3 {
                beginnings.push(length);
                covered.push(next);
            }
            length += next.len();
        }
        Ok(Self { covered, beginnings })
    }

    /// For a site that becomes a breakpoint: nothing else is covered.
    pub(super) fn alone(site: &Instruction) -> Self {
        Self {
            covered: vec![*site],
            beginnings: Vec::new(),
        }
    }

    pub(super) fn site(&self) -> u64 {
        self.covered.first().map_or(0, Instruction::ip)
    }

    /// Where the jump must hold breakpoints.
    pub(super) fn beginnings(&self) -> &[usize] {
        &self.beginnings
    }

    /// Lays out the trampoline at `address`: the entry to the emulator, then the copies, then the way back.
    pub(super) fn build(&self, work: Work, address: u64) -> Result<Built, Refused> {
        const ENTRY: u64 = 32;
        let mut code = Vec::new();
        let mut copies = Vec::new();
        for instruction in &self.covered {
            let place = address + ENTRY + code.len() as u64;
            copies.push((instruction.ip(), place));
            code.extend(encode(*instruction, place)?);
        }
        let last = self.covered.last().ok_or(Refused::Immovable)?;
        let back =
            Instruction::with_branch(Code::Jmp_rel32_64, last.next_ip()).map_err(|_| Refused::Immovable)?;
        code.extend(encode(back, address + ENTRY + code.len() as u64)?);

        let instruction = *self.covered.first().ok_or(Refused::Immovable)?;
        let (_, plain) = *copies.first().ok_or(Refused::Immovable)?;
        let resume = copies
            .get(1)
            .filter(|_| instruction.len() < JUMP)
            .map_or(instruction.next_ip(), |copy| copy.1);
        // With padding right behind a short site there is no copy, and nobody ever gets there.
        let site = Box::leak(Box::new(PatchedSite {
            instruction,
            work,
            resume,
            plain,
        }));

        let mut bytes = entry(std::ptr::from_ref(site).expose_provenance() as u64);
        debug_assert_eq!(bytes.len() as u64, ENTRY);
        bytes.extend(code);
        if bytes.len() > space::TRAMPOLINE {
            return Err(Refused::NoRoom);
        }
        Ok(Built { bytes, copies })
    }
}

/// Steps below the red zone, pushes the site and goes to the common entry; changes no flag.
fn entry(site: u64) -> Vec<u8> {
    let halves = site.to_le_bytes();
    let (low, high) = halves.split_at(4);
    // lea rsp, [rsp - 128]; push low half (sign-extended)
    let mut bytes = vec![0x48, 0x8d, 0x64, 0x24, 0x80, 0x68];
    bytes.extend(low);
    // mov dword ptr [rsp + 4], high half
    bytes.extend([0xc7, 0x44, 0x24, 0x04]);
    bytes.extend(high);
    // jmp [rip + 0]
    bytes.extend([0xff, 0x25, 0, 0, 0, 0]);
    bytes.extend((stubs::site_entry as *const () as u64).to_le_bytes());
    bytes
}

/// One instruction at another place. One at a time: together, a branch among them back to the site would go to
/// the site's copy, which traps, instead of to the jump.
fn encode(instruction: Instruction, place: u64) -> Result<Vec<u8>, Refused> {
    let instructions = [instruction];
    let block = InstructionBlock::new(&instructions, place);
    let encoded =
        BlockEncoder::encode(64, block, BlockEncoderOptions::NONE).map_err(|_| Refused::Immovable)?;
    Ok(encoded.code_buffer)
}
