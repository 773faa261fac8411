//! Scatter/gather lists that the driver has built: `StorPortBuildScatterGatherList`, `StorPortPutScatterGatherList`.
//!
//! Whether the routine runs before the call returns is not documented: every other one runs later.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use zerocopy::IntoBytes;

use super::{activity::Activity, adapter::Phase, limits::status, machine::Machine, request::Leak, rules};
use crate::{
    abi::{
        GuestAddress,
        codes::stor_status,
        entry::Routine,
        exports::Arguments,
        guest,
        transfer::{ScatterGatherElement, ScatterGatherHeader},
    },
    engine::{Context, Irql, Level},
    memory::{GuestMemory, Segment},
};

struct List {
    mdl: GuestAddress,
    memory: GuestAddress,
    to_device: bool,
    /// Its routine has been called.
    delivered: bool,
    place: String,
}

/// The lists that are built and not put back, by the address of their buffers.
#[derive(Default)]
pub(super) struct Lists {
    table: Mutex<BTreeMap<GuestAddress, List>>,
    built: AtomicU64,
    pending: AtomicUsize,
}

impl Lists {
    /// Whether a list is made of this MDL.
    pub(super) fn uses_mdl(&self, mdl: GuestAddress) -> bool {
        self.table.lock().values().any(|list| list.mdl == mdl)
    }

    /// Whether a list lies in, or describes, the memory at `address`.
    pub(super) fn uses_memory(&self, address: GuestAddress) -> bool {
        let table = self.table.lock();
        table.contains_key(&address) || table.values().any(|list| list.memory == address)
    }

    /// Routines that are on their way.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    /// What the driver never put back; it is forgotten.
    pub(super) fn drain_leaks(&self) -> Vec<Leak> {
        let table = std::mem::take(&mut *self.table.lock());
        let leak = |(address, list): (GuestAddress, List)| Leak {
            kind: "scatter/gather list",
            what: format!("at {address:#x}, built by {}", list.place),
        };
        table.into_iter().map(leak).collect()
    }
}

/// The bytes of a `STOR_SCATTER_GATHER_LIST`.
pub(super) fn list_image(segments: &[Segment]) -> Vec<u8> {
    let head = ScatterGatherHeader {
        number_of_elements: u32::try_from(segments.len()).unwrap_or(u32::MAX),
        ..ScatterGatherHeader::default()
    };
    let mut bytes = head.as_bytes().to_vec();
    for segment in segments {
        let element = ScatterGatherElement {
            physical_address: segment.device_address,
            length: u32::try_from(segment.length).unwrap_or(u32::MAX),
            ..ScatterGatherElement::default()
        };
        bytes.extend_from_slice(element.as_bytes());
    }
    bytes
}

impl Machine {
    /// The checks of a function that is legal at `DISPATCH_LEVEL` only, or the status it ends with.
    fn at_dispatch(&self, extension: GuestAddress) -> Result<(), u32> {
        if Context::irql() < Irql::DISPATCH {
            self.violate(&rules::IRQL_TOO_LOW, || {
                format!("called at {}, allowed at {}", Context::irql(), Irql::DISPATCH)
            });
            return Err(stor_status::INVALID_IRQL);
        }
        self.dispatch_limited(extension)
    }

    /// `StorPortBuildScatterGatherList(HwDeviceExtension, Mdl, CurrentVa, Length, ExecutionRoutine, Context, WriteToDevice,
    /// ScatterGatherBuffer, ScatterGatherBufferLength)`.
    pub(super) fn build_scatter_gather_list(self: &Arc<Self>, arguments: Arguments) -> u32 {
        let (address, memory, length) = (
            arguments.pointer(2),
            arguments.pointer(3),
            arguments.u32(4) as usize,
        );
        let (routine, context) = (arguments.pointer(5), arguments.pointer(6));
        let (buffer, room) = (arguments.pointer(8), arguments.u32(9) as usize);
        status((|| {
            self.at_dispatch(arguments.pointer(1))?;
            for (name, pointer) in [("Mdl", address), ("ScatterGatherBuffer", buffer)] {
                self.not_null(name, pointer)?;
            }
            let Some(routine) = Routine::new(routine) else {
                return self.not_null("ExecutionRoutine", 0).map(|()| 0);
            };
            let wrong = |what: &str| {
                self.violate(&rules::BAD_PARAMETER, || what.to_owned());
                Err(stor_status::INVALID_PARAMETER)
            };
            let Some(mdl) = self.mdls.find(address).filter(|mdl| mdl.built) else {
                return wrong(
                    "the MDL is none of the driver's, or StorPortBuildMdlForNonPagedPool did not fill it in",
                );
            };
            let offset = memory.checked_sub(mdl.memory).unwrap_or(u64::MAX);
            let end = offset.checked_add(length as u64);
            if length == 0 || end.is_none_or(|end| end > mdl.length as u64) {
                return wrong("CurrentVa and Length lie outside what the MDL describes");
            }
            self.resources()?;
            let segments = self.memory.dma.segments(memory, length);
            let image = list_image(&segments.ok_or(stor_status::INSUFFICIENT_RESOURCES)?);
            if image.len() > room {
                return Err(stor_status::BUFFER_TOO_SMALL);
            }
            if !GuestMemory::is_valid(buffer, room, true) {
                return wrong("ScatterGatherBuffer has not the length that is said");
            }
            let list = List {
                mdl: address,
                memory: mdl.memory,
                to_device: arguments.boolean(7),
                delivered: false,
                place: Self::place(),
            };
            if self.lists.table.lock().insert(buffer, list).is_some() {
                return wrong("ScatterGatherBuffer holds a list that was not put back");
            }
            guest::write_bytes(buffer, &image);
            self.lists.pending.fetch_add(1, Ordering::AcqRel);
            if self.lists.built.fetch_add(1, Ordering::AcqRel).is_multiple_of(2) {
                self.deliver_list(routine, buffer, context);
            } else {
                let machine = Arc::clone(self);
                let job = Box::new(move || machine.deliver_list(routine, buffer, context));
                self.engine.post(Context::processor(), Level::Dpc, job);
            }
            Ok(stor_status::SUCCESS)
        })())
    }

    fn deliver_list(&self, routine: Routine, list: GuestAddress, context: u64) {
        if let Some(list) = self.lists.table.lock().get_mut(&list) {
            list.delivered = true;
        }
        if self.phase() != Phase::Removed {
            let arguments = [0, 0, list, context];
            self.call(Activity::ScatterGather, Irql::DISPATCH, &[], routine, &arguments);
        }
        self.lists.pending.fetch_sub(1, Ordering::AcqRel);
        self.engine.wake();
    }

    /// `StorPortPutScatterGatherList(HwDeviceExtension, ScatterGatherList, WriteToDevice)`.
    pub(super) fn put_scatter_gather_list(&self, arguments: Arguments) -> u32 {
        let address = arguments.pointer(2);
        status((|| {
            self.at_dispatch(arguments.pointer(1))?;
            self.not_null("ScatterGatherList", address)?;
            let Some(list) = self.lists.table.lock().remove(&address) else {
                self.violate(&rules::MEMORY_FREED_TWICE, || {
                    format!("{address:#x} is no scatter/gather list that is still to be put back")
                });
                return Err(stor_status::INVALID_PARAMETER);
            };
            if list.to_device != arguments.boolean(3) {
                self.violate(&rules::BAD_PARAMETER, || {
                    String::from("WriteToDevice is not what the list was built with")
                });
            }
            if !list.delivered {
                self.violate(&rules::SCATTER_LIST_IN_USE, || {
                    String::from("the list is put back before its routine was called")
                });
            }
            Ok(stor_status::SUCCESS)
        })())
    }
}
