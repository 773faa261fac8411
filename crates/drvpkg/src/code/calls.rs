//! Who calls whom.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind};

use super::{Code, Function};

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Another function, or the beginning of its own.
    Function(u32),
    /// Nowhere in the image: the symbol was not resolved.
    Unresolved,
}

/// An instruction that leads out of its function, or back to the function's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Its address.
    pub from: u32,
    /// Where it leads.
    pub to: Target,
    /// Whether it takes an address only, which something else may call.
    pub address_only: bool,
}

impl Code<'_> {
    /// What a function calls or jumps to, and the functions whose addresses it takes. Calls through pointers, the import
    /// table among them, are not among these.
    #[must_use]
    pub fn branches(&self, function: &Function) -> Vec<Branch> {
        self.instructions(function)
            .iter()
            .filter_map(|instruction| {
                self.branch(function, instruction)
                    .or_else(|| self.address_taken(instruction))
            })
            .collect()
    }

    fn branch(&self, function: &Function, instruction: &Instruction) -> Option<Branch> {
        let direct = matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
        ) && instruction.op0_kind() == OpKind::NearBranch64;
        if !direct {
            return None;
        }
        let from = u32::try_from(instruction.ip()).ok()?;
        let to = instruction.near_branch64();
        let to = match u32::try_from(to) {
            Ok(to) if self.bytes(to).is_some() && to < self.size => to,
            _ => {
                return Some(Branch {
                    from,
                    to: Target::Unresolved,
                    address_only: false,
                });
            }
        };
        let call = instruction.flow_control() == FlowControl::Call;
        let inside = (function.start..function.end).contains(&to);
        // A loop may begin with the function's first instruction only if that is entered again: recursion.
        (call || !inside || to == function.start).then_some(Branch {
            from,
            to: Target::Function(to),
            address_only: false,
        })
    }

    fn address_taken(&self, instruction: &Instruction) -> Option<Branch> {
        if instruction.mnemonic() != Mnemonic::Lea || !instruction.is_ip_rel_memory_operand() {
            return None;
        }
        let to = u32::try_from(instruction.ip_rel_memory_address()).ok()?;
        let function = self.function_at(to)?;
        (function.start == to).then_some(Branch {
            from: u32::try_from(instruction.ip()).ok()?,
            to: Target::Function(to),
            address_only: true,
        })
    }
}
