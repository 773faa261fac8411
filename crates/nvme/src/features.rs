//! Features: identifiers and values (Base 2.0, section 5.27).

use bitfield_struct::bitfield;

/// FID, feature identifier (Base 2.0, section 5.27). Open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureId(pub u8);

impl FeatureId {
    /// Arbitration.
    pub const ARBITRATION: Self = Self(0x01);
    /// Power management.
    pub const POWER_MANAGEMENT: Self = Self(0x02);
    /// Temperature threshold.
    pub const TEMPERATURE_THRESHOLD: Self = Self(0x04);
    /// Volatile write cache.
    pub const VOLATILE_WRITE_CACHE: Self = Self(0x06);
    /// Number of queues.
    pub const NUMBER_OF_QUEUES: Self = Self(0x07);
    /// Interrupt coalescing.
    pub const INTERRUPT_COALESCING: Self = Self(0x08);
    /// Asynchronous event configuration.
    pub const ASYNC_EVENT_CONFIGURATION: Self = Self(0x0B);
    /// Autonomous power state transition.
    pub const AUTONOMOUS_POWER_STATES: Self = Self(0x0C);
    /// Host memory buffer.
    pub const HOST_MEMORY_BUFFER: Self = Self(0x0D);
    /// Timestamp.
    pub const TIMESTAMP: Self = Self(0x0E);
}

/// Number of queues: requested (dword 11) or allocated (dword 0 of the completion); both 0's based
/// (Base 2.0, section 5.27.1.5).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct NumberOfQueues {
    /// Submission queues, 0's based.
    #[bits(16)]
    pub submission: u16,
    /// Completion queues, 0's based.
    #[bits(16)]
    pub completion: u16,
}

impl NumberOfQueues {
    /// Asks for that many pairs; 0 asks for one, and `FFFFh` is illegal, so 65,535 is the most.
    #[must_use]
    pub const fn request_pairs(pairs: u16) -> Self {
        let zero_based = pairs.saturating_sub(1);
        Self::new()
            .with_submission(zero_based)
            .with_completion(zero_based)
    }

    /// Pairs that the controller's answer allows: 1 to 65,536.
    #[must_use]
    pub const fn pairs(self) -> u32 {
        let fewer = if self.submission() < self.completion() {
            self.submission()
        } else {
            self.completion()
        };
        (fewer as u32).wrapping_add(1)
    }
}

/// Asynchronous event configuration, dword 11 (Base 2.0, section 5.27.1.8).
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct AsyncEventConfiguration {
    /// SMART / health critical warnings that are notified, by their bit in the log.
    #[bits(8)]
    pub critical_warnings: u8,
    /// Namespace attribute notices.
    pub namespace_attribute: bool,
    /// Firmware activation notices.
    pub firmware_activation: bool,
    /// Telemetry log notices.
    pub telemetry: bool,
    /// Asymmetric namespace access change notices.
    pub ana_change: bool,
    #[bits(20)]
    __: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base 2.0, 5.27.1.5: the values are 0's based and the smaller of the two counts.
    #[test]
    fn queue_counts_are_zero_based() {
        assert_eq!(NumberOfQueues::request_pairs(4).into_bits(), 0x0003_0003);
        assert_eq!(NumberOfQueues::request_pairs(0).into_bits(), 0);
        assert_eq!(NumberOfQueues::from_bits(0x0007_0001).pairs(), 2);
        assert_eq!(NumberOfQueues::from_bits(u32::MAX).pairs(), 65_536);
    }
}
