//! What is measured: the way of a READ or WRITE through the four callbacks.

use core::{ffi::c_void, ptr, sync::atomic::Ordering};

use nvme::DataPointer;
use nvme_core::{
    command_table::Published,
    prp::{self, Segment},
    queue::{CompletionRing, SubmissionRing},
};
use scsi_nvme::{DataDirection, DataPhase, Namespace, NvmCommand, Request, Target, Translation};
use wdk_sys::{
    _SCSI_NOTIFICATION_TYPE as Notify, BOOLEAN, LONG, PSCSI_REQUEST_BLOCK, PSTOR_DPC, PVOID,
    STOR_SCATTER_GATHER_ELEMENT, ULONG,
    storage::{StorPortGetPhysicalAddress, StorPortGetScatterGatherList, StorPortNotification},
};

use crate::{
    adapter::{Adapter, Completions, FAILED, IO_ENTRIES, Submissions, page, ring},
    entry,
    srb::{self, Srb},
};

/// Identifier of the I/O queue pair.
pub const QUEUE: u16 = 1;
/// The largest transfer.
pub const MAX_TRANSFER: u32 = 1 << 20;
const LIST_ENTRIES: usize = prp::list_entries_for(MAX_TRANSFER);

/// The SRB extension.
#[repr(C)]
pub struct Extension {
    state: u32,
    list_entries: u32,
    transfer: u32,
    total: u32,
    prp1: u64,
    prp2: u64,
    list: [u64; LIST_ENTRIES],
}

const NO_PRPS: u32 = 0;
const PRPS: u32 = 1;

/// `HwStorBuildIo`.
pub unsafe extern "C" fn build_io(extension: PVOID, request: PSCSI_REQUEST_BLOCK) -> BOOLEAN {
    let srb: Srb = request.cast();
    let mine = (*srb).MiniportContext.cast::<Extension>();
    if !mine.is_null() {
        (*mine).state = NO_PRPS;
        if (*srb).SrbFunction == srb::FUNCTION_EXECUTE_SCSI
            && matches!(
                scsi_nvme::data_phase(srb::cdb(srb)),
                DataPhase::Read | DataPhase::Write
            )
        {
            let _ = build_prps(extension, srb, mine);
        }
    }
    1
}

unsafe fn build_prps(extension: PVOID, srb: Srb, mine: *mut Extension) -> Option<()> {
    let total = (*srb).DataTransferLength;
    let pieces = StorPortGetScatterGatherList(extension, srb.cast());
    if pieces.is_null() {
        return None;
    }
    let elements = pieces.add(1).cast::<STOR_SCATTER_GATHER_ELEMENT>();
    let segments = (0..(*pieces).NumberOfElements as usize).map(|index| {
        let element = &*elements.add(index);
        Segment {
            address: element.PhysicalAddress.QuadPart.cast_unsigned(),
            length: element.Length,
        }
    });
    // An extension may lie across pages that are not neighbours on the bus.
    let list = (&raw mut (*mine).list).cast::<u64>();
    let address = |index: usize| {
        let mut contiguous = 0;
        let place = list.add(index);
        let address =
            StorPortGetPhysicalAddress(extension, ptr::null_mut(), place.cast(), &raw mut contiguous);
        Some(address.QuadPart.cast_unsigned())
    };
    let prps = prp::build(segments, total, &mut (*mine).list, address).ok()?;
    (*mine).prp1 = prps.data.prp1;
    (*mine).prp2 = prps.data.prp2;
    (*mine).total = total;
    #[allow(clippy::cast_possible_truncation)]
    {
        (*mine).list_entries = prps.list_entries as u32;
    }
    (*mine).state = PRPS;
    Some(())
}

/// The data pointer for the first `bytes` bytes; the first that asks gets it.
unsafe fn data_pointer(mine: *mut Extension, bytes: u32) -> Option<DataPointer> {
    if (*mine).state != PRPS {
        return None;
    }
    (*mine).state = NO_PRPS;
    let prps = prp::Prps {
        data: DataPointer {
            prp1: (*mine).prp1,
            prp2: (*mine).prp2,
        },
        list_entries: (*mine).list_entries as usize,
    };
    if bytes == (*mine).total {
        return Some(prps.data);
    }
    prp::shorten(prps, &mut (*mine).list, bytes)
}

/// Gives an SRB back to the port driver.
#[inline]
pub unsafe fn complete(extension: PVOID, srb: Srb) {
    StorPortNotification(Notify::RequestComplete, extension, srb);
}

#[inline]
pub unsafe fn complete_with(extension: PVOID, srb: Srb, status: u8) {
    srb::set_status(srb, status);
    complete(extension, srb);
}

/// Answers go straight into the mapped data buffer.
struct Answer(*mut u8, usize);

impl scsi_nvme::DataIn for Answer {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if !self.0.is_null() && offset < self.1 {
            let length = bytes.len().min(self.1 - offset);
            unsafe {
                self.0
                    .add(offset)
                    .copy_from_nonoverlapping(bytes.as_ptr(), length)
            };
        }
    }
}

/// `HwStorStartIo`.
pub unsafe extern "C" fn start_io(extension: PVOID, request: PSCSI_REQUEST_BLOCK) -> BOOLEAN {
    let adapter = extension.cast::<Adapter>();
    let srb: Srb = request.cast();
    match (*srb).SrbFunction {
        srb::FUNCTION_EXECUTE_SCSI => execute(adapter, srb),
        srb::FUNCTION_FLUSH | srb::FUNCTION_SHUTDOWN => flush(adapter, srb),
        srb::FUNCTION_PNP => entry::pnp(adapter, srb),
        srb::FUNCTION_POWER => {
            srb::set_success(srb, 0);
            complete(extension, srb);
        }
        srb::FUNCTION_RESET_BUS => {
            entry::reset(adapter);
            srb::set_success(srb, 0);
            complete(extension, srb);
        }
        _ => complete_with(extension, srb, srb::STATUS_INVALID_REQUEST),
    }
    1
}

/// LUN of a namespace, if it has one.
pub fn lun_of(namespace: &nvme_core::namespace::NamespaceInfo) -> Option<u8> {
    let lun = u8::try_from(namespace.id.0.checked_sub(1)?).ok()?;
    (lun < entry::MAX_UNITS && namespace.is_online()).then_some(lun)
}

/// The namespace behind a unit's address.
unsafe fn unit(adapter: *mut Adapter, address: (u8, u8, u8)) -> Option<Namespace> {
    let (path, target, lun) = address;
    if path != 0 || target != 0 {
        return None;
    }
    let units = &(*adapter).units;
    let info = units.iter().find(|namespace| lun_of(namespace) == Some(lun))?;
    let mut namespace = Namespace::new(info.id, info.blocks, info.block_shift)?;
    namespace.eui64 = info.eui64;
    namespace.nguid = info.nguid;
    namespace.write_protected = info.write_protected;
    Some(namespace)
}

unsafe fn execute(adapter: *mut Adapter, srb: Srb) {
    let extension = adapter.cast();
    if (*adapter).state.load(Ordering::Acquire) == FAILED {
        complete_with(extension, srb, srb::STATUS_NO_DEVICE);
        return;
    }
    let cdb = srb::cdb(srb);
    let data_direction = match (*srb).SrbFlags & (srb::FLAGS_DATA_IN | srb::FLAGS_DATA_OUT) {
        srb::FLAGS_DATA_IN => DataDirection::In,
        srb::FLAGS_DATA_OUT => DataDirection::Out,
        0 => DataDirection::None,
        _ => DataDirection::Either,
    };
    let request = Request {
        cdb,
        data_length: (*srb).DataTransferLength,
        data_direction,
    };
    let namespace = unit(adapter, srb::address(srb));
    let target = Target {
        controller: &(*adapter).controller,
        namespace: namespace.as_ref(),
        luns: &(*adapter).luns,
    };
    // The port driver maps the buffers of other commands only; READ and WRITE do not answer by them.
    let mut answer = Answer((*srb).DataBuffer.cast(), (*srb).DataTransferLength as usize);
    match scsi_nvme::translate(&request, &target, &mut answer) {
        Translation::Complete { length } => {
            srb::set_success(srb, length);
            complete(extension, srb);
        }
        Translation::Submit(command) => submit(adapter, srb, &command),
        // No optional command is offered, so that only damaged requests come here.
        Translation::Exchange(_) => complete_with(extension, srb, srb::STATUS_INVALID_REQUEST),
        Translation::Fail(outcome) => {
            srb::set_scsi_error(srb, &outcome);
            complete(extension, srb);
        }
    }
}

unsafe fn flush(adapter: *mut Adapter, srb: Srb) {
    match unit(adapter, srb::address(srb)) {
        None => complete_with(adapter.cast(), srb, srb::STATUS_NO_DEVICE),
        Some(namespace) if (*adapter).controller.volatile_write_cache => {
            let namespace = namespace.id();
            submit(adapter, srb, &NvmCommand::Flush { namespace });
        }
        Some(_) => {
            srb::set_success(srb, 0);
            complete(adapter.cast(), srb);
        }
    }
}

/// Under the StartIo lock.
unsafe fn submit(adapter: *mut Adapter, srb: Srb, command: &NvmCommand) {
    let extension = adapter.cast();
    let mine = (*srb).MiniportContext.cast::<Extension>();
    let bytes = command.data_length();
    let data = if bytes == 0 {
        DataPointer::NONE
    } else {
        match data_pointer(mine, bytes) {
            Some(data) => data,
            None => {
                complete_with(extension, srb, srb::STATUS_INVALID_REQUEST);
                return;
            }
        }
    };
    (*mine).transfer = bytes;
    let queue = &(*adapter).io;
    let Ok(claim) = queue.table.claim() else {
        complete_with(extension, srb, srb::STATUS_BUSY);
        return;
    };
    let life = queue.life.load(Ordering::Acquire);
    if (*adapter).submission_life != life {
        #[allow(clippy::cast_possible_truncation)]
        let entries = queue.entries.load(Ordering::Acquire) as u16;
        let Ok(ring) = SubmissionRing::new(entries) else {
            queue.table.cancel(claim);
            complete_with(extension, srb, srb::STATUS_BUSY);
            return;
        };
        (*adapter).submission = ring;
        (*adapter).submission_life = life;
    }
    let submission = &mut (*adapter).submission;
    if submission.free(&queue.head) == 0 {
        if queue.table.used() == 1 {
            queue.head.catch_up(submission);
        } else {
            queue.table.cancel(claim);
            complete_with(extension, srb, srb::STATUS_BUSY);
            return;
        }
    }
    let mut entry = command.submission_entry(data);
    entry.set_command_id(claim.command_id());
    match queue.table.publish(claim, command.namespace().0, srb as usize) {
        Ok(Published::InFlight) => {
            let memory = Submissions(page(adapter, 3).cast());
            if let Ok(tail) = submission.push(&queue.head, &memory, &entry) {
                ring((*adapter).io_doorbells[0], tail);
            }
        }
        Ok(Published::Reclaimed) => {}
        Err(_) => complete_with(extension, srb, srb::STATUS_BUSY),
    }
}

/// `HwMSInterruptRoutine`.
pub unsafe extern "C" fn message_interrupt(extension: PVOID, message: ULONG) -> BOOLEAN {
    let adapter = extension.cast::<Adapter>();
    // Messages come before they are counted, too: then the DPC does not exist yet.
    if message == u32::from(QUEUE) || (*adapter).messages == 1 {
        let mut queued: LONG = 0;
        StorPortNotification(
            Notify::IssueDpc,
            extension,
            &raw mut (*adapter).dpc,
            ptr::null_mut::<c_void>(),
            ptr::null_mut::<c_void>(),
            &raw mut queued,
        );
    }
    1
}

/// The DPC: reaps the completion queue. A DPC routine "is always synchronized with itself" (page of `StorPortIssueDpc`).
pub unsafe extern "C" fn dpc(_dpc: PSTOR_DPC, extension: PVOID, _first: PVOID, _second: PVOID) {
    let adapter = extension.cast::<Adapter>();
    let queue = &(*adapter).io;
    let memory = Completions(page(adapter, 7).cast());
    let mut reaped = false;
    for _ in 0..IO_ENTRIES {
        #[allow(clippy::cast_possible_truncation)]
        let entries = queue.entries.load(Ordering::Acquire) as u16;
        let life = queue.life.load(Ordering::Acquire);
        if entries == 0 {
            return;
        }
        if (*adapter).completion_life != life {
            let Ok(ring) = CompletionRing::new(entries) else {
                return;
            };
            (*adapter).completion = ring;
            (*adapter).completion_life = life;
        }
        let Some(entry) = (*adapter).completion.pop(&memory) else {
            break;
        };
        reaped = true;
        if entry.submission_queue_id() != QUEUE {
            continue;
        }
        let _ = queue.head.update(entry, entries);
        let Ok(taken) = queue.table.take(entry.command_id()) else {
            continue;
        };
        let srb = taken.payload() as Srb;
        let status = entry.status();
        if status.is_success() {
            let mine = (*srb).MiniportContext.cast::<Extension>();
            srb::set_success(srb, (*mine).transfer);
        } else if (*srb).SrbFunction == srb::FUNCTION_EXECUTE_SCSI {
            srb::set_scsi_error(srb, &scsi_nvme::outcome(status));
        } else {
            srb::set_status(srb, srb::STATUS_ERROR);
        }
        complete(extension, srb);
        queue.table.release(taken);
    }
    if reaped
        && queue.entries.load(Ordering::Acquire) != 0
        && queue.life.load(Ordering::Acquire) == (*adapter).completion_life
    {
        ring((*adapter).io_doorbells[1], (*adapter).completion.head());
    }
}
