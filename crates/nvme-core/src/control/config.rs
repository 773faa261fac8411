//! What the machine must know about memory and registers.

use nvme::{Capabilities, Doorbell};
use zerocopy::FromZeros;

const PAGE_MASK: u64 = 0xFFF;

/// Memory of the admin queue and the length of the registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(C)]
pub struct ControlConfig {
    /// Bus address of the admin submission queue, page aligned; 64 bytes an entry.
    pub admin_submission_queue: u64,
    /// Bus address of the admin completion queue, page aligned; 16 bytes an entry.
    pub admin_completion_queue: u64,
    /// Bus address of the one page that admin commands transfer to, page aligned.
    pub data_page: u64,
    /// Bus address of the page of shadow doorbells, page aligned; 0: there is none, and registers are used.
    pub shadow_doorbells: u64,
    /// Bus address of the page of their `EventIdx`, page aligned.
    pub event_indices: u64,
    /// Bytes of BAR 0 that are mapped.
    pub register_bytes: u64,
    /// Entries of both admin queues, 2 to 4,096.
    pub admin_entries: u16,
}

/// Why a configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// An address is 0 or not page aligned.
    Address,
    /// Fewer than 2 or more than 4,096 admin entries.
    Entries,
    /// The registers up to the admin doorbells do not fit.
    Registers,
}

impl ControlConfig {
    pub(super) const fn check(&self) -> Result<(), ConfigError> {
        let addresses = [
            self.admin_submission_queue,
            self.admin_completion_queue,
            self.data_page,
        ];
        let [submission, completion, data] = addresses;
        if submission == 0 || completion == 0 || data == 0 {
            return Err(ConfigError::Address);
        }
        let buffers = self.shadow_doorbells | self.event_indices;
        if (submission | completion | data | buffers) & PAGE_MASK != 0 {
            return Err(ConfigError::Address);
        }
        if self.admin_entries < 2 || self.admin_entries > 4096 {
            return Err(ConfigError::Entries);
        }
        if self.register_bytes < 0x1008 {
            return Err(ConfigError::Registers);
        }
        Ok(())
    }

    /// Whether there are buffers for the shadow doorbells of queues 0 to `queue`, which lie there as in the registers.
    pub(super) const fn has_shadow_doorbells(&self, capabilities: Capabilities, queue: u16) -> bool {
        let first = capabilities.doorbell_offset(0, Doorbell::SubmissionTail);
        let bytes = Self::registers_needed(capabilities, queue).saturating_sub(first);
        self.shadow_doorbells != 0 && self.event_indices != 0 && bytes <= PAGE_MASK.wrapping_add(1)
    }

    /// Bytes of registers needed for the doorbells of queues 0 to `queue`.
    pub(super) const fn registers_needed(capabilities: Capabilities, queue: u16) -> u64 {
        capabilities
            .doorbell_offset(queue, Doorbell::CompletionHead)
            .wrapping_add(4)
    }
}

/// Memory of one I/O queue pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(C)]
pub struct QueuePair {
    /// Bus address of the submission queue, page aligned, contiguous.
    pub submission_queue: u64,
    /// Bus address of the completion queue, page aligned, contiguous.
    pub completion_queue: u64,
    /// Entries for which there is memory, at least 2; cut to what CAP.MQES allows.
    pub entries: u16,
    /// Interrupt vector (MSI-X message) of the completion queue.
    pub interrupt_vector: u16,
}

impl QueuePair {
    /// Entries to create it with, or `None` if the description is not usable.
    pub(super) fn usable_entries(&self, capabilities: Capabilities) -> Option<u16> {
        let aligned = (self.submission_queue | self.completion_queue) & PAGE_MASK == 0;
        if !aligned || self.submission_queue == 0 || self.completion_queue == 0 {
            return None;
        }
        let limit = u16::try_from(capabilities.max_queue_entries()).unwrap_or(u16::MAX);
        let entries = self.entries.min(limit);
        (entries >= 2).then_some(entries)
    }
}
