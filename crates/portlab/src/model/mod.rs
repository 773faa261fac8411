//! storport.sys and ntoskrnl.exe as documented; violations.
//!
//! | module | idea |
//! | --- | --- |
//! | `lab`, `lab_requests`, `removal`, `driver`, `error` | the public face: load, start, requests, removal |
//! | `adapter_descriptor` | `STORAGE_ADAPTER_DESCRIPTOR` |
//! | `options`, `request`, `buffer`, `journal` | what goes in and what comes out |
//! | `allocation_failures`, `mutation` | what goes wrong on purpose |
//! | [`rules`] | the rules a miniport is held to |
//! | `machine`, `adapter`, `activity`, `callback`, `limits`, `counters`, `counting` | one driver, one adapter, the callback that runs |
//! | `kept` | images kept from one life to the next |
//! | `observation` | what an observer is told |
//! | `capture` | the machine as a debugger finds it |
//! | `dispatch`, `extended`, `notification` | the driver's calls, by export and code |
//! | `registration`, `pnp`, `configuration`, `control`, `bus` | `StorPortInitialize`, start, controls, the PCI function |
//! | `stopping`, `power_states`, `idle`, `notices`, `surprise`, `resources` | stop and restart, D0 and D3, run-time idling, what is told, surprise removal, rebalance |
//! | `requests`, `srb_memory`, `srb_image`, `issue`, `completion`, `units`, `reset` | the way of a request |
//! | `workers`, `threads`, `timers`, `dpc`, `locks`, `lists`, `interrupts` | what runs later or elsewhere, and exclusion |
//! | [`ddi`], [`documented`], `processors`, `events`, `power`, `platform` | the table of all functions; those of the system |
//! | `memory`, `entitlement`, `memory_calls`, `mdl`, `scatter`, `host_buffer`, `ports`, `dump` | the driver's memory, and what the device sees of it |
//! | [`kernel_table`], `kernel`, `kernel_text`, `kernel_wide`, `kernel_tracing`, `shared_user_data` | what miniports call of the kernel |
//! | `kernel_objects`, `kernel_dpcs`, `kernel_threads`, `kernel_lists`, `kernel_memory`, `kernel_registry` | its objects, DPCs, threads, lists, memory, registry |
//! | `dump_mode`, `dump_calls` | crash dump and hibernation: the second load of the image |
//! | `registry`, `logging`, `format`, `bug_check` | the rest of the interface |
//!
//! No lock of the model is held while driver code runs, but for the locks that Storport documents.

mod activity;
mod adapter;
mod adapter_descriptor;
mod allocation_failures;
mod buffer;
mod bug_check;
mod bus;
mod callback;
mod capture;
mod completion;
mod configuration;
mod control;
mod counters;
mod counting;
pub mod ddi;
mod dispatch;
pub mod documented;
mod dpc;
mod driver;
mod dump;
mod dump_calls;
mod dump_mode;
mod entitlement;
mod error;
mod events;
mod extended;
mod format;
mod host_buffer;
mod idle;
mod interrupts;
mod issue;
mod journal;
mod kept;
mod kernel;
mod kernel_dpcs;
mod kernel_lists;
mod kernel_memory;
mod kernel_objects;
mod kernel_registry;
pub mod kernel_table;
mod kernel_text;
mod kernel_threads;
mod kernel_tracing;
mod kernel_wide;
mod lab;
mod lab_requests;
mod limits;
mod line;
mod lists;
mod locks;
mod logging;
mod machine;
mod mdl;
mod memory;
mod memory_calls;
mod mutation;
mod notices;
mod notification;
mod observation;
mod options;
mod platform;
mod pnp;
mod ports;
mod power;
mod power_states;
mod processors;
mod registration;
mod registry;
mod removal;
mod request;
mod requests;
mod reset;
mod reset_under_load;
mod resources;
pub mod rules;
mod scatter;
mod shared_user_data;
mod srb_image;
mod srb_memory;
mod stopping;
mod surprise;
mod threads;
mod timers;
mod tracing;
mod unit_removal;
mod units;
mod workers;

pub use adapter_descriptor::AdapterDescriptor;
pub use allocation_failures::{AllocationFailures, ParseAllocationFailuresError, Which};
pub use buffer::DataBuffer;
pub use capture::{Capture, InFlight, Region, Worker};
pub use counting::{Callback, Counts, Executed, Invocation};
pub use dump::DumpDriver;
pub use dump_mode::{DumpError, DumpMode, DumpPlan, DumpReport};
pub use error::{LabError, StartError};
pub use journal::{BugCheck, EventRecord, Frame, StateChange, Violation};
pub use lab::Lab;
pub use lab_requests::Submitter;
pub use mutation::{Change, Mutation};
pub use notices::SystemPower;
pub use options::{
    AdapterControls, AdapterParameters, EngineKind, LabOptions, Limits, ParseEngineError, Preemption,
    RegistryValue, SrbForm,
};
pub use power_states::PowerAction;
pub use request::{
    Address, Direction, Done, Leak, Outcome, RemovalReport, Request, ResetOutcome, SrbFunction, Statistics,
};
pub use resources::Resources;
pub use tracing::{EtwEvent, TraceRecord, TraceRing, Value, trace_ring};
pub use unit_removal::UnitRemoval;

#[cfg(test)]
mod tests;
