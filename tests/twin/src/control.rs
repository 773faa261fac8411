//! Steps the control machine by stalls, one command at a time; not measured.

use core::sync::atomic::Ordering;

use nvme::Register;
use nvme_core::{
    Instant, Micros,
    control::{Action, Event, Failure, Outcome, Request, Tables},
    queue::{CompletionRing, SubmissionRing},
};
use wdk_sys::{
    _STORPORT_FUNCTION_CODE as Function, LARGE_INTEGER,
    storage::{StorPortExtendedFunction, StorPortStallExecution},
};

use crate::{
    adapter::{ADMIN_ENTRIES, Adapter, Completions, PAGE, Submissions, page, ring},
    io,
    srb::{self, Srb},
};

const POLL: u32 = 50;
/// More steps than any request takes: 100 s of polling.
const MAX_STEPS: u32 = 2_000_000;

unsafe fn now(adapter: *mut Adapter) -> Instant {
    let mut frequency = LARGE_INTEGER::default();
    let mut counter = LARGE_INTEGER::default();
    StorPortExtendedFunction(
        Function::ExtFunctionQueryPerformanceCounter,
        adapter.cast(),
        &raw mut frequency,
        &raw mut counter,
    );
    let frequency = frequency.QuadPart.cast_unsigned().max(1);
    let counter = counter.QuadPart.cast_unsigned();
    let seconds = counter.checked_div(frequency).unwrap_or(0);
    let rest = counter.checked_rem(frequency).unwrap_or(0);
    let micros = rest.wrapping_mul(1_000_000).checked_div(frequency).unwrap_or(0);
    Instant(seconds.wrapping_mul(1_000_000).wrapping_add(micros))
}

unsafe fn read(adapter: *mut Adapter, register: Register) -> u64 {
    let place = (*adapter).registers.add(register.offset() as usize);
    if register.is_64_bit() {
        place.cast::<u64>().read_volatile()
    } else {
        u64::from(place.cast::<u32>().read_volatile())
    }
}

#[allow(clippy::cast_possible_truncation)]
unsafe fn write(adapter: *mut Adapter, register: Register, value: u64) {
    core::arch::x86_64::_mm_sfence();
    let place = (*adapter).registers.add(register.offset() as usize);
    if register.is_64_bit() {
        place.cast::<u64>().write_volatile(value);
    } else {
        place.cast::<u32>().write_volatile(value as u32);
    }
}

/// The next completion of the admin queue: tag, status, result.
unsafe fn next(adapter: *mut Adapter) -> Option<(u32, nvme::Status, u32)> {
    let admin = &mut (*adapter).admin;
    let memory = Completions(page(adapter, 1).cast());
    let entry = admin.completion.pop(&memory)?;
    ring((*adapter).admin_doorbells[1], admin.completion.head());
    let _ = admin.head.update(entry, admin.submission.entries());
    let taken = admin.table.take(entry.command_id()).ok()?;
    #[allow(clippy::cast_possible_truncation)]
    let tag = taken.payload() as u32;
    admin.table.release(taken);
    Some((tag, entry.status(), entry.result))
}

unsafe fn submit(adapter: *mut Adapter, mut entry: nvme::SubmissionEntry, tag: u32) {
    let admin = &mut (*adapter).admin;
    let Ok(claim) = admin.table.claim() else { return };
    entry.set_command_id(claim.command_id());
    if admin.table.publish(claim, 1, tag as usize).is_ok() {
        let memory = Submissions(page(adapter, 0).cast());
        if let Ok(tail) = admin.submission.push(&admin.head, &memory, &entry) {
            ring((*adapter).admin_doorbells[0], tail);
        }
    }
}

/// Runs `request` to its end. Requests in flight that it takes from the controller are completed with `status`.
pub unsafe fn run(
    adapter: *mut Adapter,
    request: Request,
    budget: Micros,
    status: u8,
) -> Result<Outcome, Failure> {
    let mut event = Event::Begin { request, budget };
    for _ in 0..MAX_STEPS {
        let time = now(adapter);
        let tables = &mut Tables {
            queue_pairs: &(*adapter).pairs,
            namespaces: &mut (*adapter).namespaces,
        };
        let action = (*adapter).machine.step(event, time, tables);
        event = match action {
            Action::Read(register) => Event::Value(read(adapter, register)),
            Action::Write(register, value) => {
                write(adapter, register, value);
                Event::Performed
            }
            Action::Reclaim(proof) => {
                let _ = (*adapter).io.table.reclaim(&proof, |taken| {
                    io::complete_with(adapter.cast(), taken.payload() as Srb, status);
                });
                let _ = (*adapter).admin.table.reclaim(&proof, |_| {});
                Event::Performed
            }
            Action::PrepareAdminQueue { entries, epoch } => {
                page(adapter, 1).write_bytes(0, PAGE);
                let admin = &mut (*adapter).admin;
                if let (Ok(submission), Ok(completion)) =
                    (SubmissionRing::new(entries), CompletionRing::new(entries))
                {
                    admin.submission = submission;
                    admin.completion = completion;
                }
                admin.head.reset();
                admin.table.close();
                let _ = admin.table.start(0, epoch, ADMIN_ENTRIES);
                Event::Performed
            }
            Action::PrepareQueuePair { entries, epoch, .. } => {
                page(adapter, 7).write_bytes(0, PAGE);
                (*adapter).io_entries = entries;
                (*adapter).io_epoch = epoch;
                Event::Performed
            }
            Action::Submit {
                tag,
                entry,
                transfers,
                deadline,
            } => {
                submit(adapter, entry, tag);
                wait(adapter, transfers, deadline)
            }
            Action::Wait { until } => {
                while now(adapter).0 < until.0 {
                    StorPortStallExecution(POLL);
                }
                Event::Tick
            }
            Action::None => Event::Tick,
            Action::Done(outcome) => {
                if matches!(outcome, Outcome::Ready { .. }) {
                    publish(adapter);
                }
                return Ok(outcome);
            }
            Action::Failed(failure) => return Err(failure),
        };
    }
    Err(Failure::ClockStopped)
}

/// Waits for the completion of the command under way.
unsafe fn wait<'a>(adapter: *mut Adapter, transfers: bool, deadline: Instant) -> Event<'a> {
    loop {
        if let Some((tag, status, result)) = next(adapter) {
            let data = if transfers {
                let target = (&raw mut (*adapter).data).cast::<u8>();
                target.copy_from_nonoverlapping(page(adapter, 2), PAGE);
                Some(&(*adapter).data)
            } else {
                None
            };
            return Event::Completion {
                tag,
                status,
                result,
                data,
            };
        }
        if now(adapter).0 >= deadline.0 {
            return Event::Tick;
        }
        StorPortStallExecution(POLL);
    }
}

/// The controller is up: what StartIo sees of it.
unsafe fn publish(adapter: *mut Adapter) {
    let info = (*adapter).machine.info();
    (*adapter).controller = scsi_nvme::Controller {
        serial_number: info.serial_number,
        model_number: info.model_number,
        firmware_revision: info.firmware_revision,
        volatile_write_cache: info.write_cache_present,
        write_cache_enabled: info.write_cache_enabled,
        max_transfer_bytes: info.max_transfer_bytes.min(io::MAX_TRANSFER),
        // What takes several commands is no part of the comparison.
        features: scsi_nvme::Features::default(),
    };
    let online = (*adapter).namespaces.online().map(|(_, namespace)| *namespace);
    let rest = core::iter::repeat(nvme_core::namespace::NamespaceInfo::VACANT);
    let units = &mut (*adapter).units;
    for (place, namespace) in units.iter_mut().zip(online.chain(rest)) {
        *place = namespace;
    }
    (*adapter).luns = (*adapter).units.iter().filter_map(io::lun_of).collect();
    let open = (*adapter).io.open((*adapter).io_epoch, (*adapter).io_entries);
    let state = if open {
        crate::adapter::READY
    } else {
        crate::adapter::FAILED
    };
    (*adapter).state.store(state, Ordering::Release);
}

/// What a request is completed with when its command was taken from the controller.
pub const LOST: u8 = srb::STATUS_BUS_RESET;
