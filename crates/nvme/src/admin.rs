//! Builders of admin commands (Base 2.0, chapter 5).

use crate::command::{DataPointer, NamespaceId, SubmissionEntry, admin_opcode};
use crate::features::{AsyncEventConfiguration, FeatureId, NumberOfQueues};
use crate::log::LogPageId;

/// CNS values of Identify (Base 2.0, section 5.17.1).
mod cns {
    pub(super) const NAMESPACE: u32 = 0x00;
    pub(super) const CONTROLLER: u32 = 0x01;
    pub(super) const ACTIVE_NAMESPACES: u32 = 0x02;
    pub(super) const NAMESPACE_DESCRIPTORS: u32 = 0x03;
}

/// Identify Controller (CNS 01h); 4,096 bytes come back.
#[must_use]
pub const fn identify_controller(data: DataPointer) -> SubmissionEntry {
    identify(cns::CONTROLLER, NamespaceId::NONE, data)
}

/// Identify Namespace of the NVM command set (CNS 00h); 4,096 bytes come back.
#[must_use]
pub const fn identify_namespace(namespace: NamespaceId, data: DataPointer) -> SubmissionEntry {
    identify(cns::NAMESPACE, namespace, data)
}

/// Active namespaces with an identifier greater than `after` (CNS 02h), up to 1,024, ascending. From version 1.1 on.
#[must_use]
pub const fn identify_active_namespaces(after: NamespaceId, data: DataPointer) -> SubmissionEntry {
    identify(cns::ACTIVE_NAMESPACES, after, data)
}

/// Namespace identification descriptors (CNS 03h). From version 1.3 on.
#[must_use]
pub const fn identify_namespace_descriptors(namespace: NamespaceId, data: DataPointer) -> SubmissionEntry {
    identify(cns::NAMESPACE_DESCRIPTORS, namespace, data)
}

const fn identify(cns: u32, namespace: NamespaceId, data: DataPointer) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::IDENTIFY)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = cns;
    entry
}

/// A queue to be created: memory that is physically contiguous and page aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLayout {
    /// QID, 1 or greater.
    pub id: u16,
    /// Bus address of the first entry, page aligned.
    pub address: u64,
    /// QSIZE, 0's based: entries less one.
    pub size_zero_based: u16,
}

/// Create I/O Completion Queue, physically contiguous, interrupts enabled (Base 2.0, 5.4).
#[must_use]
pub const fn create_completion_queue(queue: QueueLayout, interrupt_vector: u16) -> SubmissionEntry {
    let mut entry = create_queue(admin_opcode::CREATE_COMPLETION_QUEUE, queue);
    entry.dword11 = ((interrupt_vector as u32) << 16) | 0b11;
    entry
}

/// Create I/O Submission Queue, physically contiguous, completing into `completion_queue` (Base 2.0, 5.5).
#[must_use]
pub const fn create_submission_queue(queue: QueueLayout, completion_queue: u16) -> SubmissionEntry {
    let mut entry = create_queue(admin_opcode::CREATE_SUBMISSION_QUEUE, queue);
    entry.dword11 = ((completion_queue as u32) << 16) | 0b1;
    entry
}

const fn create_queue(opcode: u8, queue: QueueLayout) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(opcode).with_data(DataPointer::page(queue.address));
    entry.dword10 = ((queue.size_zero_based as u32) << 16) | queue.id as u32;
    entry
}

/// Delete I/O Submission Queue (Base 2.0, 5.7). Its commands complete, or are aborted, before this does.
#[must_use]
pub const fn delete_submission_queue(id: u16) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::DELETE_SUBMISSION_QUEUE);
    entry.dword10 = id as u32;
    entry
}

/// Delete I/O Completion Queue (Base 2.0, 5.6). Its submission queues must have been deleted.
#[must_use]
pub const fn delete_completion_queue(id: u16) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::DELETE_COMPLETION_QUEUE);
    entry.dword10 = id as u32;
    entry
}

/// Set Features of a feature whose value is dword 11, not saved across power cycles (Base 2.0, 5.27).
#[must_use]
pub const fn set_features(feature: FeatureId, value: u32) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::SET_FEATURES);
    entry.dword10 = feature.0 as u32;
    entry.dword11 = value;
    entry
}

/// Get Features, current value, returned in dword 0 of the completion (Base 2.0, 5.15).
#[must_use]
pub const fn get_features(feature: FeatureId) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::GET_FEATURES);
    entry.dword10 = feature.0 as u32;
    entry
}

/// Set Features, Number of Queues. Legal only before the first I/O queue after a reset (Base 2.0, 5.27.1.5).
#[must_use]
pub const fn set_number_of_queues(request: NumberOfQueues) -> SubmissionEntry {
    set_features(FeatureId::NUMBER_OF_QUEUES, request.into_bits())
}

/// Set Features, Asynchronous Event Configuration.
#[must_use]
pub const fn set_async_event_configuration(configuration: AsyncEventConfiguration) -> SubmissionEntry {
    set_features(FeatureId::ASYNC_EVENT_CONFIGURATION, configuration.into_bits())
}

/// Set Features, Volatile Write Cache (WCE is bit 0).
#[must_use]
pub const fn set_volatile_write_cache(enabled: bool) -> SubmissionEntry {
    set_features(FeatureId::VOLATILE_WRITE_CACHE, enabled as u32)
}

/// Asynchronous Event Request: stays with the controller until an event occurs (Base 2.0, 5.2).
#[must_use]
pub const fn async_event_request() -> SubmissionEntry {
    SubmissionEntry::new(admin_opcode::ASYNC_EVENT_REQUEST)
}

/// Get Log Page of the first `dwords` dwords (Base 2.0, 5.16).
///
/// `retain_event` (RAE) keeps the asynchronous event of that page masked; reading with `false` re-arms it.
/// NUMD is 0's based: 0 dwords asks for one.
#[must_use]
pub const fn get_log_page(
    page: LogPageId,
    namespace: NamespaceId,
    dwords: u32,
    retain_event: bool,
    data: DataPointer,
) -> SubmissionEntry {
    let numd = dwords.saturating_sub(1);
    let mut entry = SubmissionEntry::new(admin_opcode::GET_LOG_PAGE)
        .with_namespace(namespace)
        .with_data(data);
    entry.dword10 = ((numd & 0xFFFF) << 16) | ((retain_event as u32) << 15) | page.0 as u32;
    entry.dword11 = numd >> 16;
    entry
}

/// Doorbell Buffer Config: one page of shadow doorbells and one of `EventIdx`, by their bus addresses, page aligned (Base 2.0, 5.8).
#[must_use]
pub const fn doorbell_buffer_config(shadow_doorbells: u64, event_indices: u64) -> SubmissionEntry {
    SubmissionEntry::new(admin_opcode::DOORBELL_BUFFER_CONFIG).with_data(DataPointer {
        prp1: shadow_doorbells,
        prp2: event_indices,
    })
}

/// Abort one command (Base 2.0, 5.1). Bit 0 of the result clear means it was aborted.
#[must_use]
pub const fn abort(submission_queue: u16, command_id: u16) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new(admin_opcode::ABORT);
    entry.dword10 = ((command_id as u32) << 16) | submission_queue as u32;
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base 2.0, section 5.8: PRP1 and PRP2 are the two buffers, and no list.
    #[test]
    fn the_doorbell_buffers_are_prp1_and_prp2() {
        let words = doorbell_buffer_config(0x1_2345_6000, 0x7_89AB_C000).to_dwords();
        assert_eq!(words[0], 0x7C);
        assert_eq!(words[6..10], [0x2345_6000, 1, 0x89AB_C000, 7]);
    }

    /// Base 2.0, sections 5.4 and 5.5: QSIZE 31:16, QID 15:0; IV or CQID 31:16, IEN bit 1, PC bit 0.
    #[test]
    fn queue_creation_places_every_field() {
        let queue = QueueLayout {
            id: 3,
            address: 0x1234_5000,
            size_zero_based: 255,
        };
        let cq = create_completion_queue(queue, 7).to_dwords();
        assert_eq!(
            (cq[0], cq[6], cq[10], cq[11]),
            (5, 0x1234_5000, 0x00FF_0003, 0x0007_0003)
        );
        let sq = create_submission_queue(queue, 3).to_dwords();
        assert_eq!((sq[0], sq[10], sq[11]), (1, 0x00FF_0003, 0x0003_0001));
    }

    /// Base 2.0, section 5.16: NUMDL 31:16, RAE bit 15, LID 7:0, NUMDU in dword 11.
    #[test]
    fn log_page_length_is_zero_based() {
        let short = get_log_page(
            LogPageId::SMART,
            NamespaceId::ALL,
            128,
            true,
            DataPointer::page(0x1000),
        );
        assert_eq!(short.dword10, 0x007F_8002);
        let long = get_log_page(
            LogPageId::ERROR,
            NamespaceId::ALL,
            0x2_0001,
            false,
            DataPointer::NONE,
        );
        assert_eq!((long.dword10, long.dword11), (0x0000_0001, 2));
    }

    #[test]
    fn identify_selects_by_cns() {
        let data = DataPointer::page(0x2000);
        assert_eq!(identify_controller(data).dword10, 1);
        assert_eq!(identify_namespace(NamespaceId(5), data).to_dwords()[1], 5);
        assert_eq!(identify_active_namespaces(NamespaceId::NONE, data).dword10, 2);
        assert_eq!(identify_namespace_descriptors(NamespaceId(5), data).dword10, 3);
    }

    /// Base 2.0, section 5.1: CID 31:16, SQID 15:0.
    #[test]
    fn abort_names_queue_and_command() {
        assert_eq!(abort(2, 0x1234).dword10, 0x1234_0002);
    }
}
