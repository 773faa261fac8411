//! What an instruction does with its memory operand.

use iced_x86::{ConditionCode, Instruction, Mnemonic, OpKind, Register};

use super::flags::Arithmetic;
use crate::device::Width;

/// Where the other operand comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    Register(Register),
    Immediate(u64),
}

/// A string instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StringKind {
    Move,
    Store,
    Load,
}

/// An instruction with one memory operand (two for string moves), as the emulator runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Memory to register, extended to the register's width.
    Load {
        destination: Register,
        width: Width,
        signed: bool,
    },
    /// Register or constant to memory.
    Store { source: Operand, width: Width },
    /// Memory to vector register; what lies above is cleared.
    VectorLoad {
        number: usize,
        bytes: usize,
        keep_upper: bool,
    },
    /// Vector register to memory.
    VectorStore { number: usize, bytes: usize },
    /// Memory is the destination.
    Modify {
        kind: Arithmetic,
        source: Operand,
        width: Width,
    },
    /// Memory is the source, a register the destination.
    Combine {
        kind: Arithmetic,
        destination: Register,
        width: Width,
    },
    /// Bit test whose register operand also selects the word.
    BitString {
        kind: Arithmetic,
        source: Register,
        width: Width,
    },
    /// `xchg`.
    Exchange { register: Register, width: Width },
    /// `cmpxchg`.
    CompareExchange { register: Register, width: Width },
    /// `xadd`.
    ExchangeAdd { register: Register, width: Width },
    /// `setcc`.
    Set { condition: ConditionCode },
    /// `cmovcc`: the load happens in any case.
    ConditionalLoad {
        condition: ConditionCode,
        destination: Register,
        width: Width,
    },
    /// `movs`, `stos`, `lods`.
    String {
        kind: StringKind,
        width: Width,
        repeat: bool,
    },
}

fn width(bytes: usize) -> Option<Width> {
    Some(match bytes {
        1 => Width::Byte,
        2 => Width::Word,
        4 => Width::Dword,
        8 => Width::Qword,
        _ => return None,
    })
}

/// A register that can be read.
fn readable(register: Register) -> Option<Register> {
    register.is_gpr().then_some(register)
}

/// A register that can be written: the stack pointer is the stub's.
fn writable(register: Register) -> Option<Register> {
    (register.is_gpr() && register.full_register() != Register::RSP).then_some(register)
}

fn source(instruction: &Instruction, operand: u32) -> Option<Operand> {
    match instruction.op_kind(operand) {
        OpKind::Register => readable(instruction.op_register(operand)).map(Operand::Register),
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate64
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Some(Operand::Immediate(instruction.immediate(operand))),
        _ => None,
    }
}

fn arithmetic(mnemonic: Mnemonic) -> Option<Arithmetic> {
    Some(match mnemonic {
        Mnemonic::Add => Arithmetic::Add,
        Mnemonic::Adc => Arithmetic::AddCarry,
        Mnemonic::Sub => Arithmetic::Subtract,
        Mnemonic::Sbb => Arithmetic::SubtractBorrow,
        Mnemonic::Cmp => Arithmetic::Compare,
        Mnemonic::And => Arithmetic::And,
        Mnemonic::Test => Arithmetic::Test,
        Mnemonic::Or => Arithmetic::Or,
        Mnemonic::Xor => Arithmetic::Xor,
        Mnemonic::Inc => Arithmetic::Increment,
        Mnemonic::Dec => Arithmetic::Decrement,
        Mnemonic::Neg => Arithmetic::Negate,
        Mnemonic::Not => Arithmetic::Not,
        Mnemonic::Bt => Arithmetic::BitTest,
        Mnemonic::Bts => Arithmetic::BitSet,
        Mnemonic::Btr => Arithmetic::BitReset,
        Mnemonic::Btc => Arithmetic::BitComplement,
        _ => return None,
    })
}

/// Bytes that a vector move transfers between memory and the low part of an XMM register.
fn vector_bytes(mnemonic: Mnemonic) -> Option<usize> {
    Some(match mnemonic {
        Mnemonic::Movd | Mnemonic::Movss => 4,
        Mnemonic::Movq | Mnemonic::Movsd | Mnemonic::Movlps | Mnemonic::Movlpd => 8,
        Mnemonic::Movups
        | Mnemonic::Movupd
        | Mnemonic::Movaps
        | Mnemonic::Movapd
        | Mnemonic::Movdqu
        | Mnemonic::Movdqa
        | Mnemonic::Lddqu
        | Mnemonic::Movntdq
        | Mnemonic::Movntdqa
        | Mnemonic::Movntps
        | Mnemonic::Movntpd => 16,
        _ => return None,
    })
}

impl Operation {
    /// What `instruction` does, or `None` if the emulator does not know it.
    pub(super) fn of(instruction: &Instruction) -> Option<Self> {
        if instruction.is_string_instruction() {
            return Self::string(instruction);
        }
        let memory_first = instruction.op0_kind() == OpKind::Memory;
        let memory_second = instruction.op1_kind() == OpKind::Memory;
        if !memory_first && !memory_second {
            return None;
        }
        let other = instruction.op_register(u32::from(memory_first));
        if other.is_xmm() {
            return Self::vector(instruction, other, memory_first);
        }
        let size = width(instruction.memory_size().size())?;
        if memory_first {
            Self::to_memory(instruction, size)
        } else {
            Self::from_memory(instruction, size)
        }
    }

    fn to_memory(instruction: &Instruction, width: Width) -> Option<Self> {
        let mnemonic = instruction.mnemonic();
        if let Some(kind) = arithmetic(mnemonic) {
            if instruction.op_count() == 1 {
                return Some(Self::Modify {
                    kind,
                    source: Operand::Immediate(0),
                    width,
                });
            }
            let source = source(instruction, 1)?;
            let bit_test = matches!(
                mnemonic,
                Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
            );
            return Some(match source {
                Operand::Register(source) if bit_test => Self::BitString { kind, source, width },
                _ => Self::Modify { kind, source, width },
            });
        }
        Some(match mnemonic {
            Mnemonic::Mov | Mnemonic::Movnti => Self::Store {
                source: source(instruction, 1)?,
                width,
            },
            Mnemonic::Xchg => Self::Exchange {
                register: writable(instruction.op1_register())?,
                width,
            },
            Mnemonic::Cmpxchg => Self::CompareExchange {
                register: readable(instruction.op1_register())?,
                width,
            },
            Mnemonic::Xadd => Self::ExchangeAdd {
                register: writable(instruction.op1_register())?,
                width,
            },
            // Of the instructions with a condition only setcc and cmovcc have a memory operand.
            _ if instruction.condition_code() != ConditionCode::None => Self::Set {
                condition: instruction.condition_code(),
            },
            _ => return None,
        })
    }

    fn from_memory(instruction: &Instruction, width: Width) -> Option<Self> {
        let mnemonic = instruction.mnemonic();
        let register = instruction.op0_register();
        if instruction.op_count() > 2 {
            return None;
        }
        if let Some(kind) = arithmetic(mnemonic) {
            let destination = if kind.writes() {
                writable(register)?
            } else {
                readable(register)?
            };
            return Some(Self::Combine {
                kind,
                destination,
                width,
            });
        }
        let destination = writable(register)?;
        Some(match mnemonic {
            Mnemonic::Mov | Mnemonic::Movzx => Self::Load {
                destination,
                width,
                signed: false,
            },
            Mnemonic::Movsx | Mnemonic::Movsxd => Self::Load {
                destination,
                width,
                signed: true,
            },
            Mnemonic::Xchg => Self::Exchange {
                register: destination,
                width,
            },
            _ if instruction.condition_code() != ConditionCode::None => Self::ConditionalLoad {
                condition: instruction.condition_code(),
                destination,
                width,
            },
            _ => return None,
        })
    }

    fn vector(instruction: &Instruction, register: Register, store: bool) -> Option<Self> {
        let number = register.number();
        if number > 15 || instruction.op_count() != 2 {
            return None;
        }
        let mnemonic = instruction.mnemonic();
        // `movq xmm` has a form with a general register's width; the memory operand's size is what counts.
        let bytes = vector_bytes(mnemonic)?.max(instruction.memory_size().size());
        if store {
            return Some(Self::VectorStore { number, bytes });
        }
        let keep_upper = matches!(mnemonic, Mnemonic::Movlps | Mnemonic::Movlpd);
        Some(Self::VectorLoad {
            number,
            bytes,
            keep_upper,
        })
    }

    fn string(instruction: &Instruction) -> Option<Self> {
        let (kind, bytes) = match instruction.mnemonic() {
            Mnemonic::Movsb => (StringKind::Move, 1),
            Mnemonic::Movsw => (StringKind::Move, 2),
            Mnemonic::Movsd => (StringKind::Move, 4),
            Mnemonic::Movsq => (StringKind::Move, 8),
            Mnemonic::Stosb => (StringKind::Store, 1),
            Mnemonic::Stosw => (StringKind::Store, 2),
            Mnemonic::Stosd => (StringKind::Store, 4),
            Mnemonic::Stosq => (StringKind::Store, 8),
            Mnemonic::Lodsb => (StringKind::Load, 1),
            Mnemonic::Lodsw => (StringKind::Load, 2),
            Mnemonic::Lodsd => (StringKind::Load, 4),
            Mnemonic::Lodsq => (StringKind::Load, 8),
            _ => return None,
        };
        // The address-size prefix would make the pointers 32 bits wide; no 64-bit compiler emits it. A segment
        // override is as rare.
        let plain = (0..instruction.op_count()).all(|operand| {
            matches!(
                instruction.op_kind(operand),
                OpKind::Register | OpKind::MemorySegRSI | OpKind::MemoryESRDI
            )
        });
        if !plain || instruction.has_segment_prefix() {
            return None;
        }
        let repeat = instruction.has_rep_prefix() || instruction.has_repne_prefix();
        Some(Self::String {
            kind,
            width: width(bytes)?,
            repeat,
        })
    }
}
