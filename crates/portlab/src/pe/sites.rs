//! Where a driver's code touches what other processors see, waits for them, or asks the processor.
//!
//! Code is found by following it: from the entry point, the functions of the exception table, pointers to code in the data,
//! and `lea`s of code; functions of the exception table are also read from beginning to end, for what only jump tables reach.
//! Bytes that are none of these are left alone.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Range,
};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register, UsedMemory,
};

use super::Image;
use crate::trap;

/// Bytes of a spin loop at most.
const SPIN: u32 = 96;

/// The parts of an image that matter here, by offset.
struct Code<'image> {
    memory: &'image [u8],
    sections: Vec<Range<u32>>,
    functions: Vec<Range<u32>>,
}

impl Image {
    /// Offsets of the instructions between which and others the order of processors matters: `pause`, `lock`-prefixed and
    /// exchanging instructions, ends of loops that wait for memory to change; and of those whose result depends on the host's
    /// processor. In ascending order.
    #[must_use]
    pub fn sites(&self) -> Vec<u32> {
        let base = self.range().start;
        let offset = |address: usize| u32::try_from(address - base).unwrap_or(u32::MAX);
        let code = Code {
            memory: self.pristine(),
            sections: self
                .code()
                .map(|section| offset(section.start)..offset(section.end))
                .collect(),
            functions: self.functions().collect(),
        };
        let mut roots: Vec<u32> = code.functions.iter().map(|function| function.start).collect();
        roots.push(offset(self.entry().addr()));
        roots.extend(code.pointers(base as u64));
        sites(&code.instructions(roots))
    }

    /// The functions of the exception table, as offsets (`RUNTIME_FUNCTION`: begin, end, unwind information).
    fn functions(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let memory = self.pristine();
        let table = memory.get(self.exception_table.clone()).unwrap_or_default();
        table.chunks_exact(12).filter_map(|entry| {
            let word = |at: usize| {
                let bytes = entry.get(at..)?.first_chunk::<4>()?;
                Some(u32::from_le_bytes(*bytes))
            };
            let (start, end) = (word(0)?, word(4)?);
            (start < end && end as usize <= memory.len()).then_some(start..end)
        })
    }
}

impl Code<'_> {
    fn contains(&self, offset: u32) -> bool {
        self.sections.iter().any(|section| section.contains(&offset))
    }

    /// Words of data that hold an address of code.
    fn pointers(&self, base: u64) -> Vec<u32> {
        let words = (0_u32..).step_by(8).zip(self.memory.chunks_exact(8));
        words
            .filter(|(at, _)| !self.contains(*at))
            .filter_map(|(_, bytes)| {
                let word = u64::from_le_bytes(*bytes.first_chunk()?);
                u32::try_from(word.checked_sub(base)?).ok()
            })
            .filter(|offset| self.contains(*offset))
            .collect()
    }

    fn decode(&self, offset: u32) -> Option<Instruction> {
        if !self.contains(offset) {
            return None;
        }
        let bytes = self.memory.get(offset as usize..)?;
        let bytes = bytes.get(..bytes.len().min(15))?;
        let mut decoder = Decoder::with_ip(64, bytes, offset.into(), DecoderOptions::NONE);
        let instruction = decoder.decode();
        (!instruction.is_invalid()).then_some(instruction)
    }

    /// All instructions, by offset.
    fn instructions(&self, mut roots: Vec<u32>) -> BTreeMap<u32, Instruction> {
        let mut found = BTreeMap::new();
        let mut swept = self.functions.iter();
        loop {
            while let Some(root) = roots.pop() {
                self.follow(root, &mut found, &mut roots);
            }
            let Some(function) = swept.next() else { break };
            let mut at = function.start;
            while at < function.end {
                let Some(instruction) = self.decode(at) else { break };
                if let Entry::Vacant(place) = found.entry(at) {
                    place.insert(instruction);
                    roots.extend(self.leads_to(&instruction));
                }
                at = next(&instruction);
            }
        }
        found
    }

    /// Straight on from `at`, as far as it goes.
    fn follow(&self, mut at: u32, found: &mut BTreeMap<u32, Instruction>, roots: &mut Vec<u32>) {
        while !found.contains_key(&at) {
            let Some(instruction) = self.decode(at) else {
                return;
            };
            found.insert(at, instruction);
            roots.extend(self.leads_to(&instruction));
            let ends = matches!(
                instruction.flow_control(),
                FlowControl::UnconditionalBranch
                    | FlowControl::IndirectBranch
                    | FlowControl::Return
                    | FlowControl::Interrupt
                    | FlowControl::Exception
            );
            if ends {
                return;
            }
            at = next(&instruction);
        }
    }

    /// Where else an instruction leads.
    fn leads_to(&self, instruction: &Instruction) -> Option<u32> {
        let target = if is_near_branch(instruction) {
            instruction.near_branch_target()
        } else if instruction.mnemonic() == Mnemonic::Lea && instruction.is_ip_rel_memory_operand() {
            instruction.ip_rel_memory_address()
        } else {
            return None;
        };
        u32::try_from(target).ok().filter(|target| self.contains(*target))
    }
}

fn is_near_branch(instruction: &Instruction) -> bool {
    matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

fn next(instruction: &Instruction) -> u32 {
    u32::try_from(instruction.next_ip()).unwrap_or(u32::MAX)
}

/// The sites among some instructions.
fn sites(code: &BTreeMap<u32, Instruction>) -> Vec<u32> {
    let mut sites: BTreeSet<u32> = code
        .iter()
        .filter(|(_, instruction)| trap::is_interlocked(instruction) || trap::asks_processor(instruction))
        .map(|(offset, _)| *offset)
        .collect();
    let mut information = InstructionInfoFactory::new();
    for (offset, branch) in code {
        let Some(body) = body_of(code, *offset, branch) else {
            continue;
        };
        let has_site = body.iter().any(|instruction| sites.contains(&at(instruction)));
        if !has_site && waits(&body, &mut information) {
            sites.insert(*offset);
        }
    }
    sites.into_iter().collect()
}

fn at(instruction: &Instruction) -> u32 {
    u32::try_from(instruction.ip()).unwrap_or(u32::MAX)
}

/// The instructions of the loop that a backward branch ends, in order, the branch last.
fn body_of(code: &BTreeMap<u32, Instruction>, offset: u32, branch: &Instruction) -> Option<Vec<Instruction>> {
    let jumps = matches!(
        branch.flow_control(),
        FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
    );
    if !jumps || !is_near_branch(branch) || branch.is_loop() || branch.is_loopcc() || branch.is_jcx_short() {
        return None;
    }
    let target = u32::try_from(branch.near_branch_target()).ok()?;
    if target > offset || offset - target > SPIN {
        return None;
    }
    let mut body = Vec::new();
    let mut place = target;
    while place < offset {
        let instruction = code.get(&place)?;
        body.push(*instruction);
        place = next(instruction);
    }
    (place == offset).then(|| {
        body.push(*branch);
        body
    })
}

/// Whether a loop does nothing but look at memory that it does not change, always the same: it ends when somebody else
/// changes it, if it does not count its turns.
fn waits(body: &[Instruction], information: &mut InstructionInfoFactory) -> bool {
    let mut written: BTreeMap<Register, Vec<usize>> = BTreeMap::new();
    let mut loads: Vec<(usize, UsedMemory)> = Vec::new();
    for (index, instruction) in body.iter().enumerate() {
        if !matches!(
            instruction.flow_control(),
            FlowControl::Next | FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        ) {
            return false;
        }
        let info = information.info(instruction);
        for memory in info.used_memory() {
            match memory.access() {
                OpAccess::Read | OpAccess::CondRead => loads.push((index, *memory)),
                OpAccess::NoMemAccess | OpAccess::None => {}
                _ => return false,
            }
        }
        for register in info.used_registers() {
            let reads = matches!(
                register.access(),
                OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess | OpAccess::None
            );
            if !reads {
                written
                    .entry(register.register().full_register())
                    .or_default()
                    .push(index);
            }
        }
    }
    let ways = Ways {
        body,
        written: &written,
    };
    !loads.is_empty() && loads.iter().all(|(_, memory)| ways.is_steady(memory, 0))
}

/// How the registers of a loop get their values.
struct Ways<'body> {
    body: &'body [Instruction],
    written: &'body BTreeMap<Register, Vec<usize>>,
}

impl Ways<'_> {
    /// Whether an address is the same in each turn, as long as nobody changes memory.
    fn is_steady(&self, memory: &UsedMemory, depth: u32) -> bool {
        [memory.base(), memory.index()]
            .into_iter()
            .all(|register| self.keeps(register, depth))
    }

    /// Whether a register has the same value in each turn where it is used: nobody writes it, or it is loaded anew from a steady
    /// address.
    fn keeps(&self, register: Register, depth: u32) -> bool {
        const DEPTH: u32 = 4;
        let Some(writers) = self.written.get(&register.full_register()) else {
            return true;
        };
        depth < DEPTH
            && writers.iter().all(|writer| {
                self.body.get(*writer).is_some_and(|instruction| {
                    let loads = matches!(
                        instruction.mnemonic(),
                        Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd
                    );
                    let source = match instruction.op1_kind() {
                        OpKind::Memory => [instruction.memory_base(), instruction.memory_index()],
                        OpKind::Register => [instruction.op1_register(), Register::None],
                        _ => [Register::None; 2],
                    };
                    loads && source.into_iter().all(|register| self.keeps(register, depth + 1))
                })
            })
    }
}

/// The sites of plain code, as offsets.
#[cfg(test)]
pub(crate) fn sites_of(bytes: &[u8]) -> Vec<u32> {
    let decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    sites(
        &decoder
            .into_iter()
            .take_while(|instruction| !instruction.is_invalid())
            .map(|instruction| (at(&instruction), instruction))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use iced_x86::{
        Decoder, DecoderOptions,
        code_asm::{CodeAssembler, byte_ptr, dword_ptr, eax, ecx, qword_ptr, r8, rax, rbx, rcx, rdx, rsp},
    };

    use super::sites;

    /// The sites of a piece of code, as numbers of its instructions.
    fn found(write: impl FnOnce(&mut CodeAssembler)) -> Vec<usize> {
        let mut assembler = CodeAssembler::new(64).unwrap();
        write(&mut assembler);
        let bytes = assembler.assemble(0x1000).unwrap();
        let decoder = Decoder::with_ip(64, &bytes, 0x1000, DecoderOptions::NONE);
        let code: BTreeMap<u32, _> = decoder
            .into_iter()
            .map(|instruction| (u32::try_from(instruction.ip()).unwrap(), instruction))
            .collect();
        let sites = sites(&code);
        let number = |site: &u32| code.keys().position(|offset| offset == site);
        sites.iter().filter_map(number).collect()
    }

    #[test]
    fn atomics_pauses_and_questions_to_the_processor() {
        let sites = found(|a| {
            a.lock().inc(dword_ptr(rbx)).unwrap();
            a.xchg(qword_ptr(rbx), rax).unwrap();
            a.xchg(rcx, rax).unwrap();
            a.pause().unwrap();
            a.mov(eax, dword_ptr(rbx)).unwrap();
            a.rdtsc().unwrap();
            a.cpuid().unwrap();
            a.rdrand(eax).unwrap();
            a.nop().unwrap();
        });
        assert_eq!(sites, [0, 1, 3, 5, 6, 7]);
    }

    #[test]
    fn a_loop_over_plain_loads_waits() {
        let sites = found(|a| {
            let mut again = a.create_label();
            a.set_label(&mut again).unwrap();
            a.cmp(byte_ptr(rbx + 8), 0).unwrap();
            a.je(again).unwrap();
            a.ret().unwrap();
        });
        assert_eq!(sites, [1]);
        // The pointer is loaded anew in each turn, and the turns are counted.
        let sites = found(|a| {
            let (mut again, mut out) = (a.create_label(), a.create_label());
            a.set_label(&mut again).unwrap();
            a.mov(rax, qword_ptr(rsp + 8)).unwrap();
            a.cmp(dword_ptr(rax + 16), 1).unwrap();
            a.je(out).unwrap();
            a.dec(ecx).unwrap();
            a.jne(again).unwrap();
            a.set_label(&mut out).unwrap();
            a.ret().unwrap();
        });
        assert_eq!(sites, [4]);
    }

    #[test]
    fn a_loop_that_walks_or_writes_does_not_wait() {
        let walks = found(|a| {
            let mut again = a.create_label();
            a.set_label(&mut again).unwrap();
            a.inc(rdx).unwrap();
            a.cmp(byte_ptr(rbx + rdx), 0).unwrap();
            a.jne(again).unwrap();
            a.ret().unwrap();
        });
        let follows = found(|a| {
            let mut again = a.create_label();
            a.set_label(&mut again).unwrap();
            a.mov(rax, qword_ptr(rax)).unwrap();
            a.cmp(qword_ptr(rax), 0).unwrap();
            a.jne(again).unwrap();
            a.ret().unwrap();
        });
        let writes = found(|a| {
            let mut again = a.create_label();
            a.set_label(&mut again).unwrap();
            a.add(r8, qword_ptr(rbx)).unwrap();
            a.mov(qword_ptr(rbx), r8).unwrap();
            a.dec(ecx).unwrap();
            a.jne(again).unwrap();
            a.ret().unwrap();
        });
        let counts = found(|a| {
            let mut again = a.create_label();
            a.set_label(&mut again).unwrap();
            a.dec(ecx).unwrap();
            a.jne(again).unwrap();
            a.ret().unwrap();
        });
        assert_eq!(
            [walks, follows, writes, counts],
            [const { Vec::new() }; 4] as [Vec<usize>; 4]
        );
    }
}
