//! Back-traces by the unwind information of the image.

use std::fmt;

use pe_unwind_info::x86_64::{
    FunctionTableEntries, Register, UnwindInfo, UnwindInfoTrailer, UnwindState, XmmRegister,
};

use super::{Image, SourceFrame, Symbols};
use crate::trap::{self, Registers};

/// Frames at most: a driver's stack holds a few dozen.
const DEPTH: usize = 64;
/// Chained unwind records at most.
const CHAIN: usize = 32;

/// What the instruction pointer of the first frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The instruction that was interrupted or faulted.
    Interrupted,
    /// The return address of a call ([`trap::call_site`]).
    Call,
}

/// One frame of a back-trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktraceFrame {
    /// The instruction pointer or return address.
    pub address: u64,
    /// Offset of it into the image.
    pub offset: u32,
    /// What the PDB says, innermost first; empty without one.
    pub source: Vec<SourceFrame>,
}

/// The driver's frames, innermost first; it ends where the model called the driver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backtrace {
    /// Name of the image.
    pub image: String,
    /// The frames.
    pub frames: Vec<BacktraceFrame>,
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in self.frames.iter().enumerate() {
            if number != 0 {
                writeln!(f)?;
            }
            write!(f, "  #{number} {}+{:#x}", self.image, frame.offset)?;
            for (depth, source) in frame.source.iter().enumerate() {
                // What contains an inlined function has no address of its own.
                match depth {
                    0 => write!(f, " {source}")?,
                    _ => write!(f, "\n     inlined into {source}")?,
                }
            }
        }
        Ok(())
    }
}

struct State {
    registers: Registers,
}

impl UnwindState for State {
    fn read_register(&mut self, register: Register) -> u64 {
        self.registers
            .general
            .get(register as usize)
            .copied()
            .unwrap_or(0)
    }

    fn read_stack(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        (trap::read_own_memory(address, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
    }

    fn write_register(&mut self, register: Register, value: u64) {
        if let Some(slot) = self.registers.general.get_mut(register as usize) {
            *slot = value;
        }
    }

    fn write_xmm_register(&mut self, _register: XmmRegister, _value: u128) {}
}

impl Image {
    /// The driver's call stack from `registers` on, as long as it stays in the image.
    #[must_use]
    pub fn backtrace(&self, registers: &Registers, origin: Origin, symbols: Option<&Symbols>) -> Backtrace {
        let mut state = State {
            registers: *registers,
        };
        let mut frames = Vec::new();
        let mut rip = registers.rip;
        while frames.len() < DEPTH {
            let Some(offset) = self.offset_of(rip) else { break };
            // A return address may belong to the next line, even to the next function.
            let call = origin == Origin::Call || !frames.is_empty();
            let place = if call { offset.saturating_sub(1) } else { offset };
            let source = symbols.map(|symbols| symbols.at(place)).unwrap_or_default();
            frames.push(BacktraceFrame {
                address: rip,
                offset,
                source,
            });
            let before = state.registers.rsp();
            match self.unwind(&mut state, offset) {
                // A stack that does not shrink is damaged.
                Some(caller) if state.registers.rsp() > before => rip = caller,
                _ => break,
            }
        }
        Backtrace {
            image: self.name().to_owned(),
            frames,
        }
    }

    fn offset_of(&self, address: u64) -> Option<u32> {
        let offset = usize::try_from(address).ok()?.checked_sub(self.range().start)?;
        (offset < self.range().len()).then_some(u32::try_from(offset).ok()?)
    }

    /// Whether the function at `address` has an exception handler of its own (`__try` with `__except`, or the cookie check's).
    #[must_use]
    pub fn handles_exceptions(&self, address: u64) -> bool {
        let memory = self.pristine();
        let handler = || {
            let table = FunctionTableEntries::parse(memory.get(self.exception_table.clone())?);
            let function = table.lookup(self.offset_of(address)?)?;
            let record = memory.get(function.unwind_info_address.get() as usize..)?;
            match UnwindInfo::parse(record)?.trailer() {
                Some(UnwindInfoTrailer::ExceptionHandler { .. }) => Some(()),
                _ => None,
            }
        };
        handler().is_some()
    }

    fn unwind(&self, state: &mut State, offset: u32) -> Option<u64> {
        let memory = self.pristine();
        let table = FunctionTableEntries::parse(memory.get(self.exception_table.clone())?);
        let at = |address: u32| memory.get(address as usize..);
        if let Some(function) = table.lookup(offset) {
            // The library trusts the table; a damaged image must not make it loop or read beyond.
            let (start, end) = (function.begin_address.get(), function.end_address.get());
            if start > offset || end <= offset || end as usize > memory.len() {
                return None;
            }
            let mut record = function.unwind_info_address.get();
            for depth in 0.. {
                if depth == CHAIN {
                    return None;
                }
                match UnwindInfo::parse(at(record)?)?.trailer() {
                    Some(UnwindInfoTrailer::ChainedUnwindInfo { chained }) => {
                        record = chained.unwind_info_address.get();
                    }
                    _ => break,
                }
            }
        }
        table.unwind_frame(state, at, offset)
    }
}
