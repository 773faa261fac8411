//! The device extension. The port driver hands it out zeroed, and zeroes are valid.

use core::sync::atomic::{AtomicU32, Ordering};

use nvme_core::{
    Epoch,
    command_table::CommandTable,
    control::{Control, DATA_SIZE, QueuePair},
    namespace::{MAX_NAMESPACES, NamespaceInfo, NamespaceTable},
    queue::{CompletionMemory, CompletionRing, SubmissionHead, SubmissionMemory, SubmissionRing},
};
use scsi_nvme::{Controller, LunSet};
use wdk_sys::STOR_DPC;

/// Entries of the admin queues.
pub const ADMIN_ENTRIES: u16 = 32;
/// Entries of an I/O queue at most.
pub const IO_ENTRIES: u16 = 256;
/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Pages of the uncached extension: admin submission and completion queue, data, I/O submission (four) and completion.
pub const PAGES: usize = 8;

/// Requests are taken.
pub const READY: u32 = 1;
/// A reset is under way.
pub const RECOVERING: u32 = 2;
/// The controller cannot be used any more.
pub const FAILED: u32 = 4;

#[repr(C)]
pub struct Adapter {
    pub registers: *mut u8,
    /// Doorbell registers: submission, completion.
    pub admin_doorbells: [*mut u32; 2],
    pub io_doorbells: [*mut u32; 2],
    /// The uncached extension from its first whole page, and its bus address.
    pub memory: *mut u8,
    pub bus_address: u64,
    pub dpc: STOR_DPC,
    pub state: AtomicU32,
    pub messages: u32,

    pub io: IoQueue,
    pub submission: SubmissionRing,
    pub submission_life: u32,
    pub completion: CompletionRing,
    pub completion_life: u32,
    pub controller: Controller,
    pub units: [NamespaceInfo; MAX_NAMESPACES],
    pub luns: LunSet,

    pub machine: Control,
    pub namespaces: NamespaceTable,
    pub pairs: [QueuePair; 1],
    pub io_entries: u16,
    pub io_epoch: Epoch,
    pub admin: AdminQueue,
    pub data: [u8; DATA_SIZE],
}

#[repr(C)]
pub struct IoQueue {
    /// The payload of a slot is its SRB.
    pub table: CommandTable<{ IO_ENTRIES as usize }>,
    pub head: SubmissionHead,
    /// Counts the lives of the pair: an end that finds another number begins anew.
    pub life: AtomicU32,
    pub entries: AtomicU32,
}

#[repr(C)]
pub struct AdminQueue {
    pub table: CommandTable<{ ADMIN_ENTRIES as usize }>,
    pub submission: SubmissionRing,
    pub completion: CompletionRing,
    pub head: SubmissionHead,
}

impl IoQueue {
    pub fn open(&self, epoch: Epoch, entries: u16) -> bool {
        self.head.reset();
        self.life.fetch_add(1, Ordering::AcqRel);
        self.entries.store(u32::from(entries), Ordering::Release);
        self.table.start(crate::io::QUEUE, epoch, entries).is_ok()
    }

    pub fn close(&self) {
        self.table.close();
        self.entries.store(0, Ordering::Release);
    }
}

/// Submission entries at an address.
pub struct Submissions(pub *mut u32);

impl SubmissionMemory for Submissions {
    fn write(&self, index: u16, entry: &[u32; 16]) {
        unsafe {
            let place = self.0.add(usize::from(index) * 16);
            for (word, value) in entry.iter().enumerate() {
                place.add(word).write_volatile(*value);
            }
        }
    }
}

/// Completion entries at an address.
pub struct Completions(pub *const u32);

impl CompletionMemory for Completions {
    fn read(&self, index: u16, dword: u8) -> u32 {
        unsafe {
            self.0
                .add(usize::from(index) * 4 + usize::from(dword))
                .read_volatile()
        }
    }
}

/// What was stored before is visible to the device before the doorbell is.
#[inline]
pub unsafe fn ring(doorbell: *mut u32, value: u16) {
    core::arch::x86_64::_mm_sfence();
    doorbell.write_volatile(u32::from(value));
}

/// Page `index` of the uncached extension.
pub unsafe fn page(adapter: *mut Adapter, index: usize) -> *mut u8 {
    (*adapter).memory.add(index * PAGE)
}
