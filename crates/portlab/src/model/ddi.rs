//! The Storport DDI as the model knows it: one table, which also routes the extended functions.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use super::{limits::status, machine::Machine, memory::Origin, rules::Tier};
use crate::abi::{
    codes::stor_status,
    exports::{Arguments, Call, Export},
};

/// How the driver reaches a function of the DDI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A code of `StorPortExtendedFunction`.
    Extended(u32),
    /// A type of `StorPortNotification`.
    Notification(u32),
    /// An export of its own.
    Export(Export),
    /// The public headers' own code: nothing of it reaches the port driver, so that the lab sees no call.
    Inline,
}

type Answer = fn(&Arc<Machine>, Arguments) -> u32;

/// A function of the DDI.
#[derive(Debug, Clone, Copy)]
pub struct Ddi {
    /// Its name, without `StorPort`.
    pub name: &'static str,
    /// How it is reached.
    pub entry: Entry,
    /// What it is about.
    pub area: &'static str,
    /// The IRQL that its page names.
    pub irql: &'static str,
    /// Where its number, or its name, was seen.
    pub tier: Tier,
    /// The model answers it; what it does not answer it refuses, and says so.
    pub modelled: bool,
    answer: Option<Answer>,
}

impl Ddi {
    /// The function behind an extended code.
    pub(super) fn extended(code: u32) -> Option<&'static Self> {
        // The extended functions come first, in the order of their codes.
        let found = DDI.get(code as usize)?;
        (found.entry == Entry::Extended(code)).then_some(found)
    }

    /// How the model answers.
    pub(super) fn answer(&self) -> Option<Answer> {
        self.answer
    }

    fn of(call: Call) -> Option<usize> {
        let code = || call.arguments.u32(0);
        let entry = match call.export {
            Export::StorPortExtendedFunction => Entry::Extended(code()),
            Export::StorPortNotification => Entry::Notification(code()),
            export => Entry::Export(export),
        };
        match entry {
            Entry::Extended(code) => Self::extended(code).map(|_| code as usize),
            Entry::Notification(code) => {
                let places = &Places::get().notifications;
                places
                    .iter()
                    .find(|(kind, _)| *kind == code)
                    .map(|(_, index)| *index)
            }
            Entry::Export(export) => Places::get().exports.get(export as usize).copied().flatten(),
            Entry::Inline => None,
        }
    }
}

/// Where in the table what is called stands: each call of the driver asks.
struct Places {
    /// By the export's own number.
    exports: Vec<Option<usize>>,
    notifications: Vec<(u32, usize)>,
}

impl Places {
    fn get() -> &'static Self {
        static PLACES: LazyLock<Places> = LazyLock::new(|| {
            let mut places = Places {
                exports: Vec::new(),
                notifications: Vec::new(),
            };
            for (index, ddi) in DDI.iter().enumerate() {
                match ddi.entry {
                    Entry::Notification(code) => places.notifications.push((code, index)),
                    Entry::Export(export) => {
                        let number = export as usize;
                        if places.exports.len() <= number {
                            places.exports.resize(number + 1, None);
                        }
                        if let Some(place) = places.exports.get_mut(number) {
                            *place = Some(index);
                        }
                    }
                    Entry::Extended(_) | Entry::Inline => {}
                }
            }
            places
        });
        &PLACES
    }
}

/// What the model answers to calls of a function, and what it may find wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// `STOR_STATUS_*` without the prefix, separated by blanks; none for functions that return something else.
    pub codes: &'static str,
    /// Ids of rules, separated by blanks.
    pub rules: &'static str,
}

/// What the model answers to calls of a function; `None` if it does not model it. A test reads it out of the model's source.
#[must_use]
pub fn answers(name: &str) -> Option<Answers> {
    ANSWERS.lines().find_map(|line| {
        let mut cells = line.split('\t');
        (cells.next() == Some(name)).then(|| Answers {
            codes: cells.next().unwrap_or(""),
            rules: cells.next().unwrap_or(""),
        })
    })
}

const ANSWERS: &str = include_str!("ddi-answers.tsv");

/// How often each function was called.
pub(super) struct Calls([AtomicU64; DDI.len()]);

impl Default for Calls {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; DDI.len()])
    }
}

impl Calls {
    pub(super) fn note(&self, call: Call) {
        if let Some(count) = Ddi::of(call).and_then(|index| self.0.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Names and numbers of what was called.
    pub(super) fn made(&self) -> Vec<(&'static str, u64)> {
        let counted = DDI.iter().zip(&self.0);
        let counted = counted.map(|(ddi, count)| (ddi.name, count.load(Ordering::Relaxed)));
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

const fn extended(
    code: u32,
    name: &'static str,
    area: &'static str,
    irql: &'static str,
    tier: Tier,
    answer: Option<Answer>,
) -> Ddi {
    Ddi {
        name,
        entry: Entry::Extended(code),
        area,
        irql,
        tier,
        modelled: answer.is_some(),
        answer,
    }
}

const fn notification(
    code: u32,
    name: &'static str,
    area: &'static str,
    irql: &'static str,
    tier: Tier,
    modelled: bool,
) -> Ddi {
    Ddi {
        name,
        entry: Entry::Notification(code),
        area,
        irql,
        tier,
        modelled,
        answer: None,
    }
}

const fn export(export: Export, name: &'static str, area: &'static str, irql: &'static str) -> Ddi {
    Ddi {
        name,
        entry: Entry::Export(export),
        area,
        irql,
        tier: Tier::Kit,
        modelled: true,
        answer: None,
    }
}

const fn inline(name: &'static str, area: &'static str) -> Ddi {
    Ddi {
        name,
        entry: Entry::Inline,
        area,
        irql: "any",
        tier: Tier::Kit,
        modelled: false,
        answer: None,
    }
}

/// Every function: the extended ones in the order of their codes, then notifications, exports, and what the headers
/// do inline on x64.
#[rustfmt::skip]
pub static DDI: &[Ddi] = &[
    extended(0, "AllocatePool", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.allocate_pool(a))),
    extended(1, "FreePool", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.free_pool(a))),
    extended(2, "AllocateMdl", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.allocate_mdl(a))),
    extended(3, "FreeMdl", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.free_mdl(a))),
    extended(4, "BuildMdlForNonPagedPool", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.build_mdl(a))),
    extended(5, "GetSystemAddress", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.get_system_address(a))),
    extended(6, "GetOriginalMdl", "memory", "not documented", Tier::Kit, Some(|m, a| m.get_original_mdl(a))),
    extended(7, "CompleteServiceIrp", "virtual miniports", "not documented", Tier::Kit, None),
    extended(8, "GetDeviceObjects", "objects", "not documented", Tier::Kit, None),
    extended(9, "BuildScatterGatherList", "memory", "= DISPATCH", Tier::Kit, Some(Machine::build_scatter_gather_list)),
    extended(10, "PutScatterGatherList", "memory", "= DISPATCH", Tier::Kit, Some(|m, a| m.put_scatter_gather_list(a))),
    extended(11, "AcquireMSISpinLock", "locks", "any", Tier::Kit, Some(|m, a| m.acquire_msi_spin_lock(a))),
    extended(12, "ReleaseMSISpinLock", "locks", "any", Tier::Kit, Some(|m, a| m.release_msi_spin_lock(a))),
    extended(13, "GetMSIInfo", "interrupts", "any", Tier::Kit, Some(|m, a| m.get_msi_info(a))),
    extended(14, "InitializePerfOpts", "performance", "not documented", Tier::Kit, Some(|m, a| m.initialize_perf_opts(a))),
    extended(15, "GetStartIoPerfParams", "performance", "not documented", Tier::Kit, Some(|m, a| m.get_start_io_perf_params(a))),
    extended(16, "LogSystemEvent", "logs", "<= DISPATCH", Tier::Kit, Some(|m, a| m.log_system_event(a))),
    extended(17, "GetCurrentProcessorNumber", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.get_current_processor_number(a))),
    extended(18, "GetActiveGroupCount", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.answer(a, 2, &1_u16))),
    extended(19, "GetGroupAffinity", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.get_group_affinity(a))),
    extended(20, "GetActiveNodeCount", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.answer(a, 2, &1_u32))),
    extended(21, "GetNodeAffinity", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.get_node_affinity(a))),
    extended(22, "GetHighestNodeNumber", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.answer(a, 2, &0_u32))),
    extended(23, "GetLogicalProcessorRelationship", "processors", "<= DISPATCH", Tier::Kit, Some(|m, a| m.get_logical_processor_relationship(a))),
    extended(24, "AllocateContiguousMemorySpecifyCacheNode", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.allocate_contiguous(a, Origin::Contiguous))),
    extended(25, "FreeContiguousMemorySpecifyCache", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.free_contiguous(a, Origin::Contiguous))),
    extended(26, "SetPowerSettingNotificationGuids", "power", "any", Tier::Kit, Some(|m, a| m.set_power_setting_guids(a))),
    extended(27, "InvokeAcpiMethod", "power", "PASSIVE", Tier::Kit, Some(|m, a| m.invoke_acpi_method(a))),
    extended(28, "GetRequestInfo", "queues", "any", Tier::Kit, Some(|m, a| m.get_request_info(a))),
    extended(29, "InitializeWorker", "work items", "<= DISPATCH", Tier::Kit, Some(|m, a| m.initialize_worker(a))),
    extended(30, "QueueWorkItem", "work items", "<= DISPATCH", Tier::Kit, Some(Machine::queue_work_item)),
    extended(31, "FreeWorker", "work items", "<= DISPATCH", Tier::Kit, Some(|m, a| m.free_worker(a))),
    extended(32, "InitializeTimer", "timers", "<= DISPATCH", Tier::Kit, Some(|m, a| m.initialize_timer(a))),
    extended(33, "RequestTimer", "timers", "any", Tier::Kit, Some(Machine::request_timer)),
    extended(34, "FreeTimer", "timers", "<= DISPATCH", Tier::Kit, Some(|m, a| m.free_timer(a))),
    extended(35, "InitializeSListHead", "lists", "<= DISPATCH", Tier::Kit, Some(|m, a| m.initialize_slist_head(a))),
    extended(36, "InterlockedFlushSList", "lists", "<= DISPATCH", Tier::Kit, Some(|m, a| m.flush_slist(a))),
    extended(37, "InterlockedPopEntrySList", "lists", "<= DISPATCH", Tier::Kit, Some(|m, a| m.pop_entry_slist(a))),
    extended(38, "InterlockedPushEntrySList", "lists", "<= DISPATCH", Tier::Kit, Some(|m, a| m.push_entry_slist(a))),
    extended(39, "QueryDepthSList", "lists", "<= DISPATCH", Tier::Kit, Some(|m, a| m.query_depth_slist(a))),
    extended(40, "GetActivityIdSrb", "logs", "any", Tier::Kit, Some(|m, a| m.get_activity_id(a))),
    extended(41, "GetSystemPortNumber", "queues", "not documented", Tier::Kit, Some(|m, a| m.get_system_port_number(a))),
    extended(42, "GetDataInBufferMdl", "memory", "any", Tier::Kit, Some(|m, a| m.get_data_in(a))),
    extended(43, "GetDataInBufferSystemAddress", "memory", "<= DISPATCH", Tier::Kit, Some(|m, a| m.get_data_in(a))),
    extended(44, "GetDataInBufferScatterGatherList", "memory", "any", Tier::Kit, Some(|m, a| m.get_data_in(a))),
    extended(45, "MarkDumpMemory", "dump", "any", Tier::Kit, Some(|m, a| m.mark_dump_memory(a))),
    extended(46, "SetUnitAttributes", "queues", "any", Tier::Kit, Some(|m, a| m.set_unit_attributes(a))),
    extended(47, "QueryPerformanceCounter", "time", "any", Tier::Kit, Some(|m, a| m.stor_query_performance_counter(a))),
    extended(48, "InitializePoFxPower", "power", "not documented", Tier::Kit, Some(|m, a| m.initialize_pofx_power(a))),
    extended(49, "PoFxActivateComponent", "power", "<= DISPATCH", Tier::Kit, Some(|m, a| m.pofx_activate_component(a))),
    extended(50, "PoFxIdleComponent", "power", "any", Tier::Kit, Some(|m, a| m.pofx_idle_component(a))),
    extended(51, "PoFxSetComponentLatency", "power", "<= DISPATCH", Tier::Kit, Some(|m, a| m.pofx_set_component(a))),
    extended(52, "PoFxSetComponentResidency", "power", "<= DISPATCH", Tier::Kit, Some(|m, a| m.pofx_set_component(a))),
    extended(53, "PoFxPowerControl", "power", "<= DISPATCH", Tier::Kit, Some(|m, a| m.pofx_power_control(a))),
    extended(54, "FlushDataBufferMdl", "memory", "not documented", Tier::Kit, Some(|m, a| status(m.any_irql(a.pointer(1)).map(|()| stor_status::SUCCESS)))),
    extended(55, "IsDeviceOperationAllowed", "queues", "PASSIVE", Tier::Kit, None),
    extended(56, "GetProcessorIndexFromNumber", "processors", "not documented", Tier::Kit, Some(|m, a| m.get_processor_index(a))),
    extended(57, "PoFxSetIdleTimeout", "power", "not documented", Tier::Kit, Some(|m, a| m.pofx_set_idle_timeout(a))),
    extended(58, "EtwEvent2", "logs", "<= DISPATCH", Tier::Kit, Some(|m, a| m.etw_event(a, 2))),
    extended(59, "EtwEvent4", "logs", "<= DISPATCH", Tier::Kit, Some(|m, a| m.etw_event(a, 4))),
    extended(60, "EtwEvent8", "logs", "<= DISPATCH", Tier::Kit, Some(|m, a| m.etw_event(a, 8))),
    extended(61, "CurrentOsInstallationUpgrade", "other", "not documented", Tier::Kit, None),
    extended(62, "RegistryReadAdapterKey", "registry", "PASSIVE", Tier::Kit, Some(|m, a| m.registry_read_adapter_key(a))),
    extended(63, "RegistryWriteAdapterKey", "registry", "PASSIVE", Tier::Kit, Some(Machine::registry_write_adapter_key)),
    extended(64, "SetAdapterBusType", "adapter", "not documented", Tier::Kit, Some(|m, a| m.set_adapter_bus_type(a))),
    extended(65, "PoFxRegisterPerfStates", "power", "not documented", Tier::Kit, None),
    extended(66, "PoFxSetPerfState", "power", "not documented", Tier::Kit, None),
    extended(67, "GetD3ColdSupport", "power", "not documented", Tier::Kit, None),
    extended(68, "InitializeRpmb", "other", "not documented", Tier::Kit, None),
    extended(69, "AllocateHostMemoryBuffer", "memory", "not documented", Tier::Kit, Some(|m, a| m.allocate_host_buffer(a))),
    extended(70, "FreeHostMemoryBuffer", "memory", "not documented", Tier::Kit, Some(|m, a| m.free_host_buffer(a))),
    extended(71, "PropagateIrpExtension", "other", "not documented", Tier::Kit, None),
    extended(72, "InterlockedInsertHeadList", "lists", "not documented", Tier::Kit, Some(|m, a| m.interlocked_insert(a, true))),
    extended(73, "InterlockedInsertTailList", "lists", "not documented", Tier::Kit, Some(|m, a| m.interlocked_insert(a, false))),
    extended(74, "InterlockedRemoveHeadList", "lists", "not documented", Tier::Kit, Some(|m, a| m.interlocked_remove_head(a))),
    extended(75, "InitializeSpinlock", "locks", "not documented", Tier::Kit, Some(|m, a| m.initialize_spin_lock(a))),
    extended(76, "GetPfns", "memory", "not documented", Tier::Kit, Some(|m, a| m.get_pfns(a))),
    extended(77, "InitializeCryptoEngine", "other", "not documented", Tier::Kit, None),
    extended(78, "GetRequestCryptoInfo", "other", "not documented", Tier::Kit, None),
    extended(79, "LogTelemetry", "logs", "not documented", Tier::Kit, Some(|m, a| m.log_telemetry(a))),
    extended(80, "UpdateAdapterMaxIO", "adapter", "not documented", Tier::Kit, Some(|m, a| m.update_adapter_max_io(a))),
    extended(81, "DelayExecution", "time", "any", Tier::Inferred, Some(|m, a| m.delay_execution(a))),
    extended(82, "AllocateDmaMemory", "memory", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.allocate_contiguous(a, Origin::Dma))),
    extended(83, "FreeDmaMemory", "memory", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.free_contiguous(a, Origin::Dma))),
    extended(84, "UpdatePortConfigMaxIOInfo", "adapter", "not documented", Tier::Inferred, Some(|m, a| m.update_port_config_max_io(a))),
    extended(85, "EtwChannelEvent2", "logs", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.etw_channel_event(a, 2))),
    extended(86, "EtwChannelEvent4", "logs", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.etw_channel_event(a, 4))),
    extended(87, "EtwChannelEvent8", "logs", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.etw_channel_event(a, 8))),
    extended(88, "InitializeHighResolutionTimer", "timers", "not documented", Tier::Inferred, None),
    extended(89, "RequestHighResolutionTimer", "timers", "not documented", Tier::Inferred, None),
    extended(90, "CancelHighResolutionTimer", "timers", "not documented", Tier::Inferred, None),
    extended(91, "FreeHighResolutionTimer", "timers", "not documented", Tier::Inferred, None),
    extended(92, "GetCurrentProcessorIndex", "processors", "not documented", Tier::Inferred, Some(|m, a| m.get_current_processor_index(a))),
    extended(93, "AcquireSpinLockEx", "locks", "not documented", Tier::Inferred, Some(|m, a| m.acquire_spin_lock_ex(a))),
    extended(94, "GetProcessorCount", "processors", "not documented", Tier::Inferred, Some(|m, a| m.get_processor_count(a))),
    extended(95, "CancelDpc", "DPCs", "not documented", Tier::Inferred, Some(|m, a| m.cancel_dpc(a))),
    extended(96, "LogTelemetryEx", "logs", "not documented", Tier::Inferred, Some(|m, a| m.log_telemetry_ex(a))),
    extended(97, "QueryConfiguration", "adapter", "not documented", Tier::Inferred, Some(|m, a| m.query_configuration(a))),
    extended(98, "EtwLogError", "logs", "not documented", Tier::Inferred, Some(|m, a| m.etw_log_error(a))),
    extended(99, "InitializeEvent", "events", "not documented", Tier::Inferred, Some(|m, a| m.initialize_event(a))),
    extended(100, "WaitForSingleObject", "events", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.wait_for_single_object(a))),
    extended(101, "SetEvent", "events", "not documented", Tier::Inferred, Some(|m, a| m.set_event(a))),
    extended(102, "HardwareReset", "failure", "not documented", Tier::Inferred, Some(|m, a| m.hardware_reset(a))),
    extended(103, "SetFeatureList", "adapter", "not documented", Tier::Inferred, Some(|m, a| m.set_feature_list(a))),
    extended(104, "CaptureLiveDump", "failure", "PASSIVE", Tier::Inferred, Some(|m, a| m.capture_live_dump(a))),
    extended(105, "EtwLogByteStream", "logs", "not documented", Tier::Inferred, Some(|m, a| m.etw_log_byte_stream(a))),
    extended(106, "QueryDpcWatchdogInformation", "DPCs", "= DISPATCH", Tier::Inferred, Some(|m, a| m.query_dpc_watchdog(a))),
    extended(107, "QueryTimerMinInterval", "timers", "not documented", Tier::Inferred, Some(|m, a| m.query_timer_min_interval(a))),
    extended(108, "MaskMsixInterrupt", "interrupts", "not documented", Tier::Inferred, Some(|m, a| m.mask_msix_interrupt(a))),
    extended(109, "GetCurrentIrql", "time", "any", Tier::Inferred, Some(|m, a| m.get_current_irql(a))),
    extended(110, "CreateSystemThread", "threads", "not documented", Tier::Inferred, Some(Machine::create_system_thread)),
    extended(111, "SetPriorityThread", "threads", "PASSIVE", Tier::Inferred, Some(|m, a| m.set_priority_thread(a))),
    extended(112, "SetSystemGroupAffinityThread", "threads", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.set_thread_affinity(a))),
    extended(113, "RevertToUserGroupAffinityThread", "threads", "not documented", Tier::Inferred, Some(|m, a| m.revert_thread_affinity(a))),
    extended(114, "HardwareResetEx", "failure", "not documented", Tier::Inferred, None),
    extended(115, "MiniportReportInternalData", "other", "not documented", Tier::Inferred, None),
    extended(116, "GetMessageInterruptIDFromProcessorIndex", "interrupts", "not documented", Tier::Inferred, Some(|m, a| m.get_message_of_processor(a))),
    extended(117, "GetNodeAffinity2", "processors", "<= DISPATCH", Tier::Inferred, Some(|m, a| m.get_node_affinity2(a))),
    extended(118, "EnableRegistryKeyNotification", "registry", "not documented", Tier::Inferred, Some(|m, a| m.enable_registry_notification(a))),
    notification(0x0, "RequestComplete", "queues", "any", Tier::Kit, true),
    notification(0x1, "NextRequest", "queues", "any", Tier::Kit, true),
    notification(0x2, "NextLuRequest", "queues", "any", Tier::Kit, true),
    notification(0x3, "ResetDetected", "queues", "any", Tier::Kit, true),
    notification(0x6, "RequestTimerCall", "timers", "not documented", Tier::Kit, true),
    notification(0x7, "BusChangeDetected", "queues", "any", Tier::Kit, true),
    notification(0x8, "WMIEvent", "other", "not documented", Tier::Kit, true),
    notification(0x9, "WMIReregister", "other", "not documented", Tier::Kit, true),
    notification(0xa, "LinkUp", "queues", "not documented", Tier::Kit, true),
    notification(0xb, "LinkDown", "queues", "not documented", Tier::Kit, true),
    notification(0x1000, "EnablePassiveInitialization", "adapter", "DIRQL, HwStorInitialize", Tier::Kit, true),
    notification(0x1001, "InitializeDpc", "DPCs", "not documented", Tier::Kit, true),
    notification(0x1002, "IssueDpc", "DPCs", "any", Tier::Kit, true),
    notification(0x1003, "AcquireSpinLock", "locks", "not documented", Tier::Kit, true),
    notification(0x1004, "ReleaseSpinLock", "locks", "not documented", Tier::Kit, true),
    notification(0x1005, "StateChangeDetected", "queues", "any", Tier::Kit, true),
    notification(0x1007, "AsyncNotificationDetected", "queues", "any", Tier::Kit, true),
    notification(0x100c, "MarkDeviceFailed", "failure", "not documented", Tier::Inferred, true),
    notification(0x100d, "MarkDeviceFailedEx", "failure", "not documented", Tier::Inferred, true),
    notification(0x100e, "TerminateSystemThread", "threads", "not documented", Tier::Inferred, true),
    export(Export::StorPortInitialize, "Initialize", "adapter", "PASSIVE"),
    export(Export::StorPortGetDeviceBase, "GetDeviceBase", "bus", "PASSIVE"),
    export(Export::StorPortFreeDeviceBase, "FreeDeviceBase", "bus", "PASSIVE"),
    export(Export::StorPortGetBusData, "GetBusData", "bus", "PASSIVE"),
    export(Export::StorPortSetBusDataByOffset, "SetBusDataByOffset", "bus", "PASSIVE"),
    export(Export::StorPortValidateRange, "ValidateRange", "bus", "not documented"),
    export(Export::StorPortGetUncachedExtension, "GetUncachedExtension", "memory", "PASSIVE"),
    export(Export::StorPortGetPhysicalAddress, "GetPhysicalAddress", "memory", "any"),
    export(Export::StorPortGetVirtualAddress, "GetVirtualAddress", "memory", "any"),
    export(Export::StorPortGetScatterGatherList, "GetScatterGatherList", "memory", "any"),
    export(Export::StorPortMoveMemory, "MoveMemory", "memory", "any"),
    export(Export::StorPortPause, "Pause", "queues", "any"),
    export(Export::StorPortResume, "Resume", "queues", "any"),
    export(Export::StorPortBusy, "Busy", "queues", "any"),
    export(Export::StorPortReady, "Ready", "queues", "any"),
    export(Export::StorPortPauseDevice, "PauseDevice", "queues", "any"),
    export(Export::StorPortResumeDevice, "ResumeDevice", "queues", "any"),
    export(Export::StorPortDeviceBusy, "DeviceBusy", "queues", "any"),
    export(Export::StorPortDeviceReady, "DeviceReady", "queues", "any"),
    export(Export::StorPortSetDeviceQueueDepth, "SetDeviceQueueDepth", "queues", "not documented"),
    export(Export::StorPortGetLogicalUnit, "GetLogicalUnit", "queues", "not documented"),
    export(Export::StorPortCompleteRequest, "CompleteRequest", "queues", "any"),
    export(Export::StorPortSynchronizeAccess, "SynchronizeAccess", "locks", "any"),
    export(Export::StorPortStallExecution, "StallExecution", "time", "any"),
    export(Export::StorPortQuerySystemTime, "QuerySystemTime", "time", "any"),
    export(Export::StorPortLogError, "LogError", "logs", "any"),
    export(Export::StorPortDebugPrint, "DebugPrint", "logs", "any"),
    export(Export::StorPortAllocateRegistryBuffer, "AllocateRegistryBuffer", "registry", "PASSIVE"),
    export(Export::StorPortFreeRegistryBuffer, "FreeRegistryBuffer", "registry", "PASSIVE"),
    export(Export::StorPortRegistryRead, "RegistryRead", "registry", "PASSIVE"),
    export(Export::StorPortRegistryWrite, "RegistryWrite", "registry", "PASSIVE"),
    export(Export::StorPortReadPortUchar, "ReadPortUchar", "ports", "any"),
    export(Export::StorPortReadPortUshort, "ReadPortUshort", "ports", "any"),
    export(Export::StorPortReadPortUlong, "ReadPortUlong", "ports", "any"),
    export(Export::StorPortReadPortBufferUchar, "ReadPortBufferUchar", "ports", "any"),
    export(Export::StorPortReadPortBufferUshort, "ReadPortBufferUshort", "ports", "any"),
    export(Export::StorPortReadPortBufferUlong, "ReadPortBufferUlong", "ports", "any"),
    export(Export::StorPortWritePortUchar, "WritePortUchar", "ports", "any"),
    export(Export::StorPortWritePortUshort, "WritePortUshort", "ports", "any"),
    export(Export::StorPortWritePortUlong, "WritePortUlong", "ports", "any"),
    export(Export::StorPortWritePortBufferUchar, "WritePortBufferUchar", "ports", "any"),
    export(Export::StorPortWritePortBufferUshort, "WritePortBufferUshort", "ports", "any"),
    export(Export::StorPortWritePortBufferUlong, "WritePortBufferUlong", "ports", "any"),
    inline("ReadRegisterUchar", "registers"),
    inline("ReadRegisterUshort", "registers"),
    inline("ReadRegisterUlong", "registers"),
    inline("ReadRegisterUlong64", "registers"),
    inline("ReadRegisterBufferUchar", "registers"),
    inline("ReadRegisterBufferUshort", "registers"),
    inline("ReadRegisterBufferUlong", "registers"),
    inline("ReadRegisterBufferUlong64", "registers"),
    inline("WriteRegisterUchar", "registers"),
    inline("WriteRegisterUshort", "registers"),
    inline("WriteRegisterUlong", "registers"),
    inline("WriteRegisterUlong64", "registers"),
    inline("WriteRegisterBufferUchar", "registers"),
    inline("WriteRegisterBufferUshort", "registers"),
    inline("WriteRegisterBufferUlong", "registers"),
    inline("WriteRegisterBufferUlong64", "registers"),
    inline("InitializeListHead", "lists"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::codes;

    #[test]
    fn extended_functions_stand_at_their_codes_under_one_name_each() {
        let mut names = std::collections::BTreeSet::new();
        for ddi in DDI {
            assert!(names.insert(ddi.name), "{} twice", ddi.name);
        }
        let extended = DDI
            .iter()
            .filter(|ddi| matches!(ddi.entry, Entry::Extended(_)))
            .count();
        for code in 0..u32::try_from(extended).unwrap() {
            let ddi = Ddi::extended(code).unwrap();
            assert_eq!(ddi.tier == Tier::Inferred, code > 80, "{}", ddi.name);
            assert!(codes::function_name(code).is_some());
        }
        assert!(codes::function_name(u32::try_from(extended).unwrap()).is_none());
    }
}
