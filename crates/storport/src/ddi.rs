//! The DDI, function by function: every documented function that a physical miniport can call, and what calls it here.
//!
//! Function names are without `StorPort`. *Windows* is the oldest that its page names, or that the function's number was seen in the kit of
//! Windows 10 1709; the floor of this crate is 1809, and what is newer is a method of [`Newer`](crate::version::Newer). *IRQL* is the page's;
//! a method exists in the contexts where the page allows the call, and may be stricter. *Tier* is where the function's number was seen: K, a kit's header;
//! I, inferred: the methods exist with the feature `inferred-ddi` alone
//! ([ADR 11](https://github.com/ferroport/ferroport/blob/main/docs/adr/0011-newer-and-inferred-calls.md)). ADR 16 is
//! [No threads, no registry notifications](https://github.com/ferroport/ferroport/blob/main/docs/adr/0016-no-threads.md).
//! The same rows, with what the lab answers, are in the guide (`docs/guide/ddi.md`).
//!
//! # Memory
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `AllocatePool` | [`allocate_pool`](crate::Context::allocate_pool), [`with_pool`](crate::Context::with_pool) | in the 10 1709 kit | <= DISPATCH | K |
//! | `FreePool` | [`free_pool`](crate::Context::free_pool) | in the 10 1709 kit | <= DISPATCH | K |
//! | `AllocateMdl` | [`describe_pool`](crate::Context::describe_pool) | in the 10 1709 kit | <= DISPATCH | K |
//! | `FreeMdl` | [`free_mdl`](crate::Context::free_mdl) | in the 10 1709 kit | <= DISPATCH | K |
//! | `BuildMdlForNonPagedPool` | [`describe_pool`](crate::Context::describe_pool) | in the 10 1709 kit | <= DISPATCH | K |
//! | `GetSystemAddress` | [`map_data_buffer`](crate::srb::Srb::map_data_buffer) | Server 2003 SP2 | <= DISPATCH | K |
//! | `GetOriginalMdl` | [`original_mdl`](crate::srb::Srb::original_mdl) | in the 10 1709 kit | not documented | K |
//! | `BuildScatterGatherList` | [`build_scatter_gather`](crate::Context::build_scatter_gather), [`with_scatter_gather`](crate::Context::with_scatter_gather) | in the 10 1709 kit | = DISPATCH | K |
//! | `PutScatterGatherList` | [`put_scatter_gather`](crate::Context::put_scatter_gather) | in the 10 1709 kit | = DISPATCH | K |
//! | `AllocateContiguousMemorySpecifyCacheNode` | [`allocate_contiguous`](crate::Context::allocate_contiguous), [`with_contiguous`](crate::Context::with_contiguous) | 7 | <= DISPATCH | K |
//! | `FreeContiguousMemorySpecifyCache` | [`free_contiguous`](crate::Context::free_contiguous) | 7 | <= DISPATCH | K |
//! | `GetDataInBufferMdl` | [`data_in_mdl`](crate::srb::Srb::data_in_mdl) | 8 | any | K |
//! | `GetDataInBufferSystemAddress` | [`map_data_in_buffer`](crate::srb::Srb::map_data_in_buffer) | 8 | <= DISPATCH | K |
//! | `GetDataInBufferScatterGatherList` | [`data_in_scatter_gather`](crate::srb::Srb::data_in_scatter_gather) | 8 | any | K |
//! | `FlushDataBufferMdl` | none: no page | in the 10 1709 kit | not documented | K |
//! | `AllocateHostMemoryBuffer` | [`allocate_host_buffer`](crate::Context::allocate_host_buffer), [`host_buffer_range`](crate::Context::host_buffer_range) | in the 10 1709 kit | not documented | K |
//! | `FreeHostMemoryBuffer` | [`free_host_buffer`](crate::Context::free_host_buffer) | in the 10 1709 kit | not documented | K |
//! | `GetPfns` | [`pages`](crate::mdl::SrbMdl::pages) | in the 10 1709 kit | not documented | K |
//! | `AllocateDmaMemory` | [`allocate_dma_memory`][allocate_dma_memory] | 10 1803 | <= DISPATCH | I |
//! | `FreeDmaMemory` | [`free_contiguous`](crate::Context::free_contiguous) | 10 1803 | <= DISPATCH | I |
//! | `GetUncachedExtension` | [`uncached_extension`](crate::find_adapter::FindAdapter::uncached_extension) | in the 10 1709 kit | PASSIVE | K |
//! | `GetPhysicalAddress` | [`extension_bus_address`](crate::srb::Preparing::extension_bus_address), [`bus_address`](crate::dma::Dma::bus_address) | in the 10 1709 kit | any | K |
//! | `GetVirtualAddress` | [`uncached_at`](crate::Context::uncached_at) | in the 10 1709 kit | any | K |
//! | `GetScatterGatherList` | [`scatter_gather`](crate::srb::Preparing::scatter_gather) | in the 10 1709 kit | any | K |
//! | `MoveMemory` | [`copy_from`](crate::dma::Dma::copy_from) | in the 10 1709 kit | any | K |
//!
//! # Virtual miniports
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `CompleteServiceIrp` | none: virtual miniports only | in the 10 1709 kit | not documented | K |
//!
//! # Objects
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `GetDeviceObjects` | none: hands out objects of the system, which a physical miniport may not use: it calls the port driver alone | in the 10 1709 kit | not documented | K |
//!
//! # Locks
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `AcquireMSISpinLock` | [`with_message_lock`](crate::Context::with_message_lock) | Vista | any | K |
//! | `ReleaseMSISpinLock` | [`with_message_lock`](crate::Context::with_message_lock) | Vista | any | K |
//! | `InitializeSpinlock` | none: for the interlocked lists alone | in the 10 1709 kit | not documented | K |
//! | `AcquireSpinLockEx` | none: adds statuses for a wrong lock or IRQL, which the contexts rule out | 10 1809 | not documented | I |
//! | `AcquireSpinLock` | [`with_start_io_lock`](crate::Context::with_start_io_lock), [`with_dpc_lock`](crate::Context::with_dpc_lock), [`with_interrupt_lock`](crate::Context::with_interrupt_lock) | in the 10 1709 kit | not documented | K |
//! | `ReleaseSpinLock` | [`with_start_io_lock`](crate::Context::with_start_io_lock), [`with_dpc_lock`](crate::Context::with_dpc_lock), [`with_interrupt_lock`](crate::Context::with_interrupt_lock) | in the 10 1709 kit | not documented | K |
//! | `SynchronizeAccess` | none: the same lock: `with_interrupt_lock` | in the 10 1709 kit | any | K |
//!
//! # Interrupts
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `GetMSIInfo` | [`message`](crate::Context::message) | Vista | any | K |
//! | `MaskMsixInterrupt` | [`mask_message`][mask_message] | Server 2022 | not documented | I |
//! | `GetMessageInterruptIDFromProcessorIndex` | [`message_of_processor`][message_of_processor] | 11 22H2 | not documented | I |
//!
//! # Performance
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `InitializePerfOpts` | [`offered_performance`](crate::Context::offered_performance), [`set_performance`](crate::Context::set_performance), [`set_performance_with_targets`](crate::Context::set_performance_with_targets) | in the 10 1709 kit | not documented | K |
//! | `GetStartIoPerfParams` | [`start_io_parameters`](crate::context::StartIo::start_io_parameters) | in the 10 1709 kit | not documented | K |
//!
//! # Logs
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `LogSystemEvent` | [`log_system_event`](crate::Context::log_system_event) | in the 10 1709 kit | <= DISPATCH | K |
//! | `GetActivityIdSrb` | [`activity_id`](crate::Context::activity_id) | 8 | any | K |
//! | `EtwEvent2` | [`trace`](crate::Context::trace) | 8.1 | <= DISPATCH | K |
//! | `EtwEvent4` | [`trace`](crate::Context::trace) | 8.1 | <= DISPATCH | K |
//! | `EtwEvent8` | [`trace`](crate::Context::trace) | 8.1 | <= DISPATCH | K |
//! | `LogTelemetry` | [`log_telemetry`](crate::Context::log_telemetry) | 10 1703 | not documented | K |
//! | `EtwChannelEvent2` | none: the longest form serves, `trace_to` | 10 1809 | <= DISPATCH | I |
//! | `EtwChannelEvent4` | none: the longest form serves, `trace_to` | 10 1809 | <= DISPATCH | I |
//! | `EtwChannelEvent8` | [`trace_to`][trace_to] | 10 1809 | <= DISPATCH | I |
//! | `LogTelemetryEx` | none: adds a category of telemetry to `log_telemetry`, by a number that was not seen | not stated | not documented | I |
//! | `EtwLogError` | [`trace_error`][trace_error] | 10 1903 | not documented | I |
//! | `EtwLogByteStream` | [`trace_bytes`][trace_bytes] | Server 2022 | not documented | I |
//! | `LogError` | none: deprecated; `log_system_event` | in the 10 1709 kit | any | K |
//! | `DebugPrint` | [`debug_print`](crate::Context::debug_print) | in the 10 1709 kit | any | K |
//!
//! # Processors
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `GetCurrentProcessorNumber` | [`current_processor`](crate::Context::current_processor) | 7 | <= DISPATCH | K |
//! | `GetActiveGroupCount` | [`active_group_count`](crate::Context::active_group_count) | 7 | <= DISPATCH | K |
//! | `GetGroupAffinity` | [`group_affinity`](crate::Context::group_affinity) | 7 | <= DISPATCH | K |
//! | `GetActiveNodeCount` | [`active_node_count`](crate::Context::active_node_count) | 7 | <= DISPATCH | K |
//! | `GetNodeAffinity` | [`node_affinity`](crate::Context::node_affinity) | 7 | <= DISPATCH | K |
//! | `GetHighestNodeNumber` | [`highest_node`](crate::Context::highest_node) | 7 | <= DISPATCH | K |
//! | `GetLogicalProcessorRelationship` | [`logical_processor_relationship`](crate::Context::logical_processor_relationship) | 7 | <= DISPATCH | K |
//! | `GetProcessorIndexFromNumber` | none: no page | in the 10 1709 kit | not documented | K |
//! | `GetCurrentProcessorIndex` | none: no page | not stated | not documented | I |
//! | `GetProcessorCount` | none: the bits of `group_affinity`, by numbers that were seen | 10 1709 | not documented | I |
//! | `GetNodeAffinity2` | [`node_affinities`][node_affinities] | 11 22H2 | <= DISPATCH | I |
//!
//! # Power
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `SetPowerSettingNotificationGuids` | [`notify_power_settings`](crate::Context::notify_power_settings) | 8 | any | K |
//! | `InvokeAcpiMethod` | [`invoke_acpi_method`](crate::Context::invoke_acpi_method) | 8 | PASSIVE | K |
//! | `InitializePoFxPower` | [`register_power`](crate::Context::register_power) | 8 | not documented | K |
//! | `PoFxActivateComponent` | [`activate_component`](crate::Context::activate_component) | 8 | <= DISPATCH | K |
//! | `PoFxIdleComponent` | [`idle_component`](crate::Context::idle_component) | 8 | any | K |
//! | `PoFxSetComponentLatency` | [`set_component_latency`](crate::Context::set_component_latency) | 8 | <= DISPATCH | K |
//! | `PoFxSetComponentResidency` | [`set_component_residency`](crate::Context::set_component_residency) | 8 | <= DISPATCH | K |
//! | `PoFxPowerControl` | [`power_control`](crate::Context::power_control) | 8 | <= DISPATCH | K |
//! | `PoFxSetIdleTimeout` | [`set_idle_timeout`](crate::Context::set_idle_timeout) | 8 | not documented | K |
//! | `PoFxRegisterPerfStates` | none: no page | in the 10 1709 kit | not documented | K |
//! | `PoFxSetPerfState` | none: the states that it chooses from are registered by a call without a page | 8 | not documented | K |
//! | `GetD3ColdSupport` | none: no page | in the 10 1709 kit | not documented | K |
//!
//! # Queues, completion, state
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `GetRequestInfo` | [`request_info`](crate::Context::request_info) | 8 | any | K |
//! | `GetSystemPortNumber` | [`system_port_number`](crate::Context::system_port_number) | 8 | not documented | K |
//! | `SetUnitAttributes` | [`set_unit_attributes`](crate::Context::set_unit_attributes) | 8 | any | K |
//! | `IsDeviceOperationAllowed` | none: its page names one operation by a GUID whose value is in no open header | 8.1 | PASSIVE | K |
//! | `RequestComplete` | [`complete`](crate::srb::Srb::complete) | in the 10 1709 kit | any | K |
//! | `NextRequest` | none: no page of its own; requests come up to the queue depth without it | in the 10 1709 kit | any | K |
//! | `NextLuRequest` | none: as `NextRequest` | in the 10 1709 kit | any | K |
//! | `ResetDetected` | none: a reset that another initiator caused on a shared bus; no page of its own, and no driver here has such a bus | in the 10 1709 kit | any | K |
//! | `BusChangeDetected` | none: its successor: `state_change_detected` | in the 10 1709 kit | any | K |
//! | `LinkUp` | none: its successor: `state_change_detected` | in the 10 1709 kit | not documented | K |
//! | `LinkDown` | none: as `LinkUp` | in the 10 1709 kit | not documented | K |
//! | `StateChangeDetected` | [`state_change_detected`](crate::Context::state_change_detected) | 8 | any | K |
//! | `AsyncNotificationDetected` | [`async_notification_detected`](crate::Context::async_notification_detected) | 8 | any | K |
//! | `Pause` | [`pause`](crate::Context::pause) | in the 10 1709 kit | any | K |
//! | `Resume` | [`resume`](crate::Context::resume) | in the 10 1709 kit | any | K |
//! | `Busy` | [`busy`](crate::Context::busy) | in the 10 1709 kit | any | K |
//! | `Ready` | [`ready`](crate::Context::ready) | in the 10 1709 kit | any | K |
//! | `PauseDevice` | [`pause_unit`](crate::Context::pause_unit) | in the 10 1709 kit | any | K |
//! | `ResumeDevice` | [`resume_unit`](crate::Context::resume_unit) | in the 10 1709 kit | any | K |
//! | `DeviceBusy` | [`unit_busy`](crate::Context::unit_busy) | in the 10 1709 kit | any | K |
//! | `DeviceReady` | [`unit_ready`](crate::Context::unit_ready) | in the 10 1709 kit | any | K |
//! | `SetDeviceQueueDepth` | [`set_queue_depth`](crate::Context::set_queue_depth) | in the 10 1709 kit | not documented | K |
//! | `GetLogicalUnit` | [`unit_extension`](crate::srb::Srb::unit_extension) | in the 10 1709 kit | not documented | K |
//! | `CompleteRequest` | none: completes SRBs that the driver's tokens own; complete them one by one | in the 10 1709 kit | any | K |
//!
//! # Work items
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `InitializeWorker` | [`create_worker`](crate::Context::create_worker) | 8 | <= DISPATCH | K |
//! | `QueueWorkItem` | [`queue`](crate::Context::queue) | 8 | <= DISPATCH | K |
//! | `FreeWorker` | [`close_worker`](crate::Context::close_worker) | 8 | <= DISPATCH | K |
//!
//! # Timers
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `InitializeTimer` | [`create_timer`](crate::Context::create_timer) | 8 | <= DISPATCH | K |
//! | `RequestTimer` | [`start_timer`](crate::Context::start_timer), [`start_timer_within`](crate::Context::start_timer_within), [`cancel_timer`](crate::Context::cancel_timer) | 8 | any | K |
//! | `FreeTimer` | [`close_timer`](crate::Context::close_timer) | 8 | <= DISPATCH | K |
//! | `InitializeHighResolutionTimer` | none: no page | not stated | not documented | I |
//! | `RequestHighResolutionTimer` | none: no page | not stated | not documented | I |
//! | `CancelHighResolutionTimer` | none: no page | not stated | not documented | I |
//! | `FreeHighResolutionTimer` | none: no page | not stated | not documented | I |
//! | `QueryTimerMinInterval` | [`timer_min_interval`][timer_min_interval] | Server 2022 | not documented | I |
//! | `RequestTimerCall` | none: one timer an adapter, without a handle; those of `InitializeTimer` instead | in the 10 1709 kit | not documented | K |
//!
//! # Lists
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `InitializeSListHead` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | 8 | <= DISPATCH | K |
//! | `InterlockedFlushSList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | 8 | <= DISPATCH | K |
//! | `InterlockedPopEntrySList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | 8 | <= DISPATCH | K |
//! | `InterlockedPushEntrySList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | 8 | <= DISPATCH | K |
//! | `QueryDepthSList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | 8 | <= DISPATCH | K |
//! | `InterlockedInsertHeadList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | in the 10 1709 kit | not documented | K |
//! | `InterlockedInsertTailList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | in the 10 1709 kit | not documented | K |
//! | `InterlockedRemoveHeadList` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | in the 10 1709 kit | not documented | K |
//! | `InitializeListHead` | none: chains entries by raw pointers that every removal would trust; arrays of atomics in the adapter instead | in the 10 1709 kit | any | K |
//!
//! # Dump
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `MarkDumpMemory` | [`mark_dump_memory`](crate::find_adapter::FindAdapter::mark_dump_memory) | 8 | any | K |
//!
//! # Time
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `QueryPerformanceCounter` | [`now`](crate::Context::now) | 8 | any | K |
//! | `DelayExecution` | [`sleep`][sleep] | 10 1803 | any | I |
//! | `GetCurrentIrql` | [`current_irql`][current_irql] | Server 2022 | any | I |
//! | `StallExecution` | [`stall`](crate::Context::stall) | in the 10 1709 kit | any | K |
//! | `QuerySystemTime` | [`system_time`](crate::Context::system_time) | in the 10 1709 kit | any | K |
//!
//! # Other
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `CurrentOsInstallationUpgrade` | none: no page | in the 10 1709 kit | not documented | K |
//! | `InitializeRpmb` | none: no page | in the 10 1709 kit | not documented | K |
//! | `PropagateIrpExtension` | none: no page | in the 10 1709 kit | not documented | K |
//! | `InitializeCryptoEngine` | none: reserved for system use, says its page | in the 10 1709 kit | not documented | K |
//! | `GetRequestCryptoInfo` | none: as `InitializeCryptoEngine` | in the 10 1709 kit | not documented | K |
//! | `MiniportReportInternalData` | none: no page | not stated | not documented | I |
//! | `WMIEvent` | none: the framework declares no WMI provider | in the 10 1709 kit | not documented | K |
//! | `WMIReregister` | none: as `WMIEvent` | in the 10 1709 kit | not documented | K |
//!
//! # Registry
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `RegistryReadAdapterKey` | [`read_dword`](crate::Context::read_dword), [`read_qword`](crate::Context::read_qword), [`read_text`](crate::Context::read_text), [`read_binary`](crate::Context::read_binary) | in the 10 1709 kit | PASSIVE | K |
//! | `RegistryWriteAdapterKey` | [`write_dword`](crate::Context::write_dword), [`write_qword`](crate::Context::write_qword), [`write_text`](crate::Context::write_text), [`write_binary`](crate::Context::write_binary) | in the 10 1709 kit | PASSIVE | K |
//! | `EnableRegistryKeyNotification` | none: no page says how it is disabled or when its callback has ended for good (ADR 16); read again by a timer and a work item instead | 11 22H2 | not documented | I |
//! | `AllocateRegistryBuffer` | [`registry_buffer`](crate::Context::registry_buffer) | in the 10 1709 kit | PASSIVE | K |
//! | `FreeRegistryBuffer` | dropping the registry buffer | in the 10 1709 kit | PASSIVE | K |
//! | `RegistryRead` | [`read`](crate::registry::RegistryBuffer::read) | in the 10 1709 kit | PASSIVE | K |
//! | `RegistryWrite` | [`write`](crate::registry::RegistryBuffer::write) | in the 10 1709 kit | PASSIVE | K |
//!
//! # Adapter
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `SetAdapterBusType` | [`set_adapter_bus_type`](crate::Context::set_adapter_bus_type) | 10 | not documented | K |
//! | `UpdateAdapterMaxIO` | [`update_adapter_max_io`](crate::Context::update_adapter_max_io) | 10 1709 | not documented | K |
//! | `UpdatePortConfigMaxIOInfo` | none: `update_adapter_max_io` and the limits of `HwStorFindAdapter` say the same by a number that was seen | 10 1809 | not documented | I |
//! | `QueryConfiguration` | [`query_configuration`][query_configuration] | 10 1903 | not documented | I |
//! | `SetFeatureList` | [`set_features`][set_features] | 10 2004 | not documented | I |
//! | `EnablePassiveInitialization` | the framework calls it | in the 10 1709 kit | DIRQL, `HwStorInitialize` | K |
//! | `Initialize` | the `miniport!` macro | in the 10 1709 kit | PASSIVE | K |
//!
//! # DPCs
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `CancelDpc` | [`cancel_dpc`][cancel_dpc] | Server 2022 | not documented | I |
//! | `QueryDpcWatchdogInformation` | [`dpc_watchdog`][dpc_watchdog] | Server 2022 | = DISPATCH | I |
//! | `InitializeDpc` | the framework calls it, for the DPCs that `Slots` counts | in the 10 1709 kit | not documented | K |
//! | `IssueDpc` | [`issue_dpc`](crate::Context::issue_dpc) | in the 10 1709 kit | any | K |
//!
//! # Events
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `InitializeEvent` | [`create_event`][create_event] | 10 2004 | not documented | I |
//! | `WaitForSingleObject` | [`wait_for_event`][wait_for_event], [`take_event`][take_event] | 10 2004 | <= DISPATCH | I |
//! | `SetEvent` | [`set_event`][set_event] | 10 2004 | not documented | I |
//!
//! # Failure
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `HardwareReset` | [`hardware_reset`][hardware_reset] | 10 2004 | not documented | I |
//! | `CaptureLiveDump` | [`capture_live_dump`][capture_live_dump] | Server 2022 | PASSIVE | I |
//! | `HardwareResetEx` | none: no page | not stated | not documented | I |
//! | `MarkDeviceFailed` | none: its successor: `mark_failed` | 10 2004 | not documented | I |
//! | `MarkDeviceFailedEx` | [`mark_failed`][mark_failed] | 10 2004 | not documented | I |
//!
//! # Threads
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `CreateSystemThread` | none: no page says when a thread has left the driver's image: removal could not be sound (ADR 16); work items instead | Server 2022 | not documented | I |
//! | `SetPriorityThread` | none: as `CreateSystemThread` | Server 2022 | PASSIVE | I |
//! | `SetSystemGroupAffinityThread` | [`with_affinity`][with_affinity] | Server 2022 | <= DISPATCH | I |
//! | `RevertToUserGroupAffinityThread` | [`with_affinity`][with_affinity] | Server 2022 | not documented | I |
//! | `TerminateSystemThread` | none: as `CreateSystemThread` | Server 2022 | not documented | I |
//!
//! # Bus
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `GetDeviceBase` | [`map_registers`](crate::find_adapter::FindAdapter::map_registers), [`map_ports`](crate::find_adapter::FindAdapter::map_ports) | in the 10 1709 kit | PASSIVE | K |
//! | `FreeDeviceBase` | [`with_registers`](crate::find_adapter::FindAdapter::with_registers) | in the 10 1709 kit | PASSIVE | K |
//! | `GetBusData` | [`read_pci_configuration`](crate::find_adapter::FindAdapter::read_pci_configuration), [`pci_configuration`](crate::find_adapter::FindAdapter::pci_configuration) | in the 10 1709 kit | PASSIVE | K |
//! | `SetBusDataByOffset` | [`write_pci_configuration`](crate::find_adapter::FindAdapter::write_pci_configuration) | in the 10 1709 kit | PASSIVE | K |
//! | `ValidateRange` | none: deprecated | in the 10 1709 kit | not documented | K |
//!
//! # Ports
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `ReadPortUchar` | [`read8`](crate::port::Ports::read8) | in the 10 1709 kit | any | K |
//! | `ReadPortUshort` | [`read16`](crate::port::Ports::read16) | in the 10 1709 kit | any | K |
//! | `ReadPortUlong` | [`read32`](crate::port::Ports::read32) | in the 10 1709 kit | any | K |
//! | `ReadPortBufferUchar` | [`read_buffer8`](crate::port::Ports::read_buffer8) | in the 10 1709 kit | any | K |
//! | `ReadPortBufferUshort` | [`read_buffer16`](crate::port::Ports::read_buffer16) | in the 10 1709 kit | any | K |
//! | `ReadPortBufferUlong` | [`read_buffer32`](crate::port::Ports::read_buffer32) | in the 10 1709 kit | any | K |
//! | `WritePortUchar` | [`write8`](crate::port::Ports::write8) | in the 10 1709 kit | any | K |
//! | `WritePortUshort` | [`write16`](crate::port::Ports::write16) | in the 10 1709 kit | any | K |
//! | `WritePortUlong` | [`write32`](crate::port::Ports::write32) | in the 10 1709 kit | any | K |
//! | `WritePortBufferUchar` | [`write_buffer8`](crate::port::Ports::write_buffer8) | in the 10 1709 kit | any | K |
//! | `WritePortBufferUshort` | [`write_buffer16`](crate::port::Ports::write_buffer16) | in the 10 1709 kit | any | K |
//! | `WritePortBufferUlong` | [`write_buffer32`](crate::port::Ports::write_buffer32) | in the 10 1709 kit | any | K |
//!
//! # Registers
//!
//! | function | safe method | Windows | IRQL | tier |
//! | --- | --- | --- | --- | --- |
//! | `ReadRegisterUchar` | [`read8`](crate::register::Registers::read8) | in the 10 1709 kit | any | K |
//! | `ReadRegisterUshort` | [`read16`](crate::register::Registers::read16) | in the 10 1709 kit | any | K |
//! | `ReadRegisterUlong` | [`read32`](crate::register::Registers::read32) | in the 10 1709 kit | any | K |
//! | `ReadRegisterUlong64` | [`read64`](crate::register::Registers::read64) | in the 10 1709 kit | any | K |
//! | `ReadRegisterBufferUchar` | [`read_buffer8`](crate::register::Registers::read_buffer8) | in the 10 1709 kit | any | K |
//! | `ReadRegisterBufferUshort` | [`read_buffer16`](crate::register::Registers::read_buffer16) | in the 10 1709 kit | any | K |
//! | `ReadRegisterBufferUlong` | [`read_buffer32`](crate::register::Registers::read_buffer32) | in the 10 1709 kit | any | K |
//! | `ReadRegisterBufferUlong64` | [`read_buffer64`](crate::register::Registers::read_buffer64) | in the 10 1709 kit | any | K |
//! | `WriteRegisterUchar` | [`write8`](crate::register::Registers::write8) | in the 10 1709 kit | any | K |
//! | `WriteRegisterUshort` | [`write16`](crate::register::Registers::write16) | in the 10 1709 kit | any | K |
//! | `WriteRegisterUlong` | [`write32`](crate::register::Registers::write32) | in the 10 1709 kit | any | K |
//! | `WriteRegisterUlong64` | [`write64`](crate::register::Registers::write64) | in the 10 1709 kit | any | K |
//! | `WriteRegisterBufferUchar` | [`write_buffer8`](crate::register::Registers::write_buffer8) | in the 10 1709 kit | any | K |
//! | `WriteRegisterBufferUshort` | [`write_buffer16`](crate::register::Registers::write_buffer16) | in the 10 1709 kit | any | K |
//! | `WriteRegisterBufferUlong` | [`write_buffer32`](crate::register::Registers::write_buffer32) | in the 10 1709 kit | any | K |
//! | `WriteRegisterBufferUlong64` | [`write_buffer64`](crate::register::Registers::write_buffer64) | in the 10 1709 kit | any | K |
//!
//! # Left out of what is wrapped
//!
//! Options of calls that have a method, left out:
//!
//! | option | of | why |
//! | --- | --- | --- |
//! | `REG_MULTI_SZ`, `REG_EXPAND_SZ`, `REG_LINK`, resource lists | `RegistryReadAdapterKey`, `RegistryWriteAdapterKey` | the page promises one terminated ASCII string, and says nothing of how a list of them, or a structure, is turned into one; `read_binary` and several values instead |
//! | `STOR_PERF_NO_SGL` | `InitializePerfOpts` | the port driver then builds no list for an SRB, and the page does not say what `GetScatterGatherList` answers: `Preparing::scatter_gather` would not be sound to rely on |
//! | version 2 of `STARTIO_PERFORMANCE_PARAMETERS` | `GetStartIoPerfParams` | the kit has it, with the initiating processor; the page has the four members that `start_io_parameters` asks for, and no page says what version the port driver answers with, or since when |
//!
//! The reference has pages of these, too. Their numbers are in no enumeration that was checked, so that none is wrapped:
//! `RegisterDriverProxy`, `RegisterDriverProxyEndpoints`, `GetDriverProxyEndpointWrapper`, `IsDriverHotSwapEnabled`, `StorMQAddController`,
//! `StorMQRemoveController`, `NvmeIceIoStart`, `NvmeIceIoComplete`, `NvmeMiniportEvent`, `NvmeLogTelemetry`, `QueueWorkItemToNode`, `ReadRegistryKey`,
//! `GetDeviceBase2`, `SecureCopyMemory`, `ReadDriverRegistry`. `ConvertUlongToPhysicalAddress` makes an integer a union of one: bus addresses are `u64` here.
//!
#![cfg_attr(feature = "inferred-ddi", doc = include_str!("ddi/inferred.md"))]
// Without the feature these methods do not exist: their names lead to what says so.
#![cfg_attr(not(feature = "inferred-ddi"), doc = include_str!("ddi/not_inferred.md"))]
