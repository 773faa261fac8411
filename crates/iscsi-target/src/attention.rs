//! Unit attention conditions of one initiator (SAM-5, 5.14).

use crate::sense::Sense;

/// What an initiator has not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// The logical unit was reset.
    LogicalUnitReset,
    /// The target was reset.
    TargetReset,
    /// Somebody else had its commands cleared.
    CommandsCleared,
}

impl Attention {
    /// Its sense data.
    #[must_use]
    pub const fn sense(self) -> Sense {
        match self {
            Self::LogicalUnitReset => Sense(0x06, 0x29, 0x03),
            Self::TargetReset => Sense(0x06, 0x29, 0x02),
            Self::CommandsCleared => Sense(0x06, 0x2F, 0x00),
        }
    }
}

/// Logical units with conditions at most; they are few, and wrong numbers cost nothing.
const UNITS: usize = 256;

/// The conditions, by logical unit.
#[derive(Debug, Default)]
pub struct Attentions {
    pending: Vec<([u8; 8], Attention)>,
}

impl Attentions {
    /// Establishes a condition. A reset takes the place of what was there before.
    pub fn establish(&mut self, lun: [u8; 8], attention: Attention) {
        let reset = attention != Attention::CommandsCleared;
        self.pending
            .retain(|&(other, before)| other != lun || !(reset || before == attention));
        if self.pending.len() < UNITS {
            self.pending.push((lun, attention));
        }
    }

    /// What a command with this operation code reports instead of being carried out. INQUIRY and REPORT LUNS report nothing
    /// (SPC-4, 6.6.1 and 6.33); REQUEST SENSE answers with it as its data.
    pub fn take(&mut self, lun: [u8; 8], opcode: u8) -> Option<Attention> {
        if matches!(opcode, 0x12 | 0xA0) {
            return None;
        }
        let at = self.pending.iter().position(|&(other, _)| other == lun)?;
        Some(self.pending.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUN: [u8; 8] = [0; 8];
    const OTHER: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 0];

    #[test]
    fn each_is_told_once_and_not_to_inquiry() {
        let mut attentions = Attentions::default();
        attentions.establish(LUN, Attention::CommandsCleared);
        attentions.establish(LUN, Attention::CommandsCleared);
        assert_eq!(attentions.take(LUN, 0x12), None);
        assert_eq!(attentions.take(OTHER, 0x00), None);
        assert_eq!(attentions.take(LUN, 0x00), Some(Attention::CommandsCleared));
        assert_eq!(attentions.take(LUN, 0x00), None);
    }

    #[test]
    fn a_reset_takes_precedence() {
        let mut attentions = Attentions::default();
        attentions.establish(LUN, Attention::CommandsCleared);
        attentions.establish(LUN, Attention::LogicalUnitReset);
        assert_eq!(attentions.take(LUN, 0x28), Some(Attention::LogicalUnitReset));
        assert_eq!(attentions.take(LUN, 0x28), None);
    }
}
