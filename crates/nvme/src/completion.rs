//! The 16-byte completion queue entry (Base 2.0, section 3.3.3.2).

use crate::status::Status;

/// A completion as the controller wrote it, copied out of the queue once. Nothing in it is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Dword 0: command specific result.
    pub result: u32,
    /// Dword 1: command specific or reserved.
    pub dword1: u32,
    /// Dword 2: SQID in bits 31:16, SQHD in 15:0.
    pub dword2: u32,
    /// Dword 3: status in bits 31:16, command identifier in 15:0.
    pub dword3: u32,
}

impl Completion {
    /// Bytes of an entry in memory.
    pub const SIZE: usize = 16;

    /// From the four dwords in order.
    #[must_use]
    pub const fn from_dwords(entry: [u32; 4]) -> Self {
        let [first, second, third, fourth] = entry;
        Self {
            result: first,
            dword1: second,
            dword2: third,
            dword3: fourth,
        }
    }

    /// The phase tag of a dword 3 that was read alone.
    #[must_use]
    pub const fn phase_of(dword3: u32) -> bool {
        dword3 & (1 << 16) != 0
    }

    /// SQHD: how far the controller has fetched from the submission queue.
    #[must_use]
    pub const fn submission_queue_head(self) -> u16 {
        low_half(self.dword2)
    }

    /// SQID: the submission queue of the command.
    #[must_use]
    pub const fn submission_queue_id(self) -> u16 {
        high_half(self.dword2)
    }

    /// CID: the command identifier.
    #[must_use]
    pub const fn command_id(self) -> u16 {
        low_half(self.dword3)
    }

    /// The status field with the phase tag.
    #[must_use]
    pub const fn status(self) -> Status {
        Status::from_bits(high_half(self.dword3))
    }
}

const fn low_half(dword: u32) -> u16 {
    let [low, high, _, _] = dword.to_le_bytes();
    u16::from_le_bytes([low, high])
}

const fn high_half(dword: u32) -> u16 {
    let [_, _, low, high] = dword.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base 2.0, section 3.3.3.2.
    #[test]
    fn fields_are_where_the_specification_has_them() {
        let completion = Completion::from_dwords([7, 8, 0x0003_0011, 0x0103_1234]);
        assert_eq!(completion.result, 7);
        assert_eq!(completion.submission_queue_id(), 3);
        assert_eq!(completion.submission_queue_head(), 0x11);
        assert_eq!(completion.command_id(), 0x1234);
        assert!(completion.status().phase() && Completion::phase_of(completion.dword3));
        assert_eq!(completion.status().status_code(), 0x81);
    }
}
