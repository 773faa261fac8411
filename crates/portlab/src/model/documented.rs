//! What the documentation asks of a miniport and promises it, rule by rule, and what the model makes of each.
//!
//! In our own words, each with the page that says it (a function's or callback's name stands for its page of the DDI reference;
//! other pages by their titles). A new rule of [`super::rules`] gets its line here: a test asks for it.

use serde::Serialize;

/// What the model makes of a documented rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Modelled {
    /// A breach is reported under one of these ids.
    Rules(&'static [&'static str]),
    /// It says what Windows does, and the model does it: how.
    Played(&'static str),
    /// It is not modelled: why.
    Not(&'static str),
}

/// A documented rule.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Documented {
    /// What it is about.
    pub topic: &'static str,
    /// The page.
    pub source: &'static str,
    /// What it says, in our words.
    pub sentence: &'static str,
    /// What the model makes of it.
    pub modelled: Modelled,
}

macro_rules! documented {
    ($( $topic:literal { $( $source:literal, $sentence:literal, $kind:ident ( $($what:literal),+ $(,)? ); )+ } )+) => {
        /// All of them.
        pub static DOCUMENTED: &[Documented] = &[
            $( $( Documented {
                topic: $topic, source: $source, sentence: $sentence, modelled: documented!(@ $kind $($what),+),
            }, )+ )+
        ];
    };
    (@ Rules $($id:literal),+) => { Modelled::Rules(&[$($id),+]) };
    (@ Played $how:literal) => { Modelled::Played($how) };
    (@ Not $why:literal) => { Modelled::Not($why) };
}

documented! {
    "work items" {
        "StorPortInitializeWorker", "Called at DISPATCH_LEVEL or below with the adapter's extension and a place for the worker; memory may be short.", Rules("irql-too-high", "bad-parameter", "wrong-device-extension");
        "StorPortQueueWorkItem", "A worker that is queued already is refused as busy, without harm.", Played("STOR_STATUS_BUSY");
        "StorPortQueueWorkItem", "An adapter that is being removed is refused with an invalid device state.", Played("STOR_STATUS_INVALID_DEVICE_STATE from the removal request on");
        "StorPortQueueWorkItem", "Extension, worker and routine are given, the worker is one that was initialised.", Rules("bad-parameter", "wrong-device-extension", "stale-handle");
        "StorPortFreeWorker", "A worker is not freed while it is queued.", Rules("worker-freed-while-queued");
        "StorPortFreeWorker", "A worker is freed once.", Rules("worker-freed-twice");
        "HwStorWorkItem", "The routine runs at PASSIVE_LEVEL in a system thread, without a lock of Storport's.", Played("system worker threads of the engine");
        "HwStorWorkItem", "The routine may queue its worker again or free it: being queued ends before it runs.", Played("cleared before the call");
        "StorPortInitializeWorker", "Workers are freed when they are no longer needed, at the latest in the adapter's removal.", Rules("worker-leaked");
        "StorPortQueueWorkItem", "There is no call that cancels or waits: the miniport sees to it that nothing is queued or runs when it is gone.", Rules("work-item-after-removal");
        "System Worker Threads", "Routines share the system's threads and are short.", Not("no limit is documented; `Lab::hold_work_items` shows what depends on slow ones");
    }
    "timers and DPCs" {
        "StorPortInitializeTimer, StorPortFreeTimer", "Called at DISPATCH_LEVEL or below.", Rules("irql-too-high");
        "StorPortRequestTimer", "Legal at any IRQL; the time is in microseconds.", Played("the routine runs at DISPATCH_LEVEL when it is due");
        "StorPortRequestTimer", "A timer that is active is refused as busy.", Played("STOR_STATUS_BUSY");
        "StorPortRequestTimer", "A time of zero cancels.", Played("the pending call is forgotten");
        "StorPortFreeTimer", "Handles are those of timers that exist; each is freed once, and before the adapter is gone.", Rules("stale-handle", "timer-freed-twice", "timer-leaked");
        "StorPortFreeTimer", "What becomes of a timer that is freed while it is active, or in its own routine, is not said: neither is relied on.", Rules("timer-freed-while-active", "timer-freed-in-callback");
        "StorPortInitializeDpc", "A DPC is initialised before it is issued or its lock taken, and in the passive initialisation.", Rules("dpc-uninitialized", "call-outside-window");
        "KeInitializeDpc", "A DPC that is queued is not initialised again.", Rules("dpc-initialized-while-queued");
        "StorPortIssueDpc", "A DPC that is queued already ignores the request, arguments included.", Rules("dpc-arguments-lost");
        "StorPortIssueDpc", "A DPC's object lies in the device extension, so that none is queued when that goes.", Rules("dpc-after-removal");
        "HwStorDpcRoutine", "Runs at DISPATCH_LEVEL, never twice at a time for one object.", Played("one run at a time");
    }
    "callbacks" {
        "HwStorFindAdapter", "Called at PASSIVE_LEVEL.", Played("in a system thread");
        "HwStorFindAdapter", "Called at HIGH_LEVEL in dump mode.", Played("by the dump stack");
        "HwStorFindAdapter", "May be called again on an extension that is not zeroed: after a stop, a failed start, with other resources.", Played("`Lab::restart` and `Lab::find_again`");
        "HwStorInitialize", "Called at DIRQL with the interrupt lock.", Played("with the adapter's interrupt lock");
        "HwStorPassiveInitializeRoutine", "Called at PASSIVE_LEVEL if HwStorInitialize asked for it.", Played("after HwStorInitialize");
        "HwStorBuildIo", "Called at DISPATCH_LEVEL without a lock, on several processors at a time.", Played("on the request's processor");
        "HwStorStartIo", "Called at DISPATCH_LEVEL with the StartIo lock, at DIRQL with the interrupt lock in half duplex, without a lock with more than one concurrent channel.", Played("locks by synchronisation model and channels");
        "HwStorStartIo", "Returns TRUE.", Rules("start-io-returned-false");
        "HwStorInterrupt, HwMSInterruptRoutine", "Called at DIRQL with the interrupt lock, or in per-message mode with that message's.", Played("by InterruptSynchronizationMode");
        "HwMSInterruptRoutine", "Returns TRUE for an interrupt of its device.", Rules("interrupt-unclaimed");
        "HwStorInterrupt", "Takes the interrupt back at the device before it returns.", Rules("interrupt-storm");
        "HwStorTimer, HwStorStateChange, HwStorResetBus", "Called at DISPATCH_LEVEL with the StartIo lock, in half duplex with the interrupt lock too.", Played("the same locks");
        "HwStorResetBus", "All concurrent channels are held off meanwhile.", Played("every channel's token is taken");
        "HwStorResetBus", "Completes the path's requests before it returns TRUE.", Rules("srb-not-completed-by-reset", "completed-after-reset");
        "HwStorResetBus", "Returns TRUE once the bus is reset.", Rules("reset-bus-failed");
        "HwStorUnitControl", "Called at PASSIVE_LEVEL, for power and PoFx at DISPATCH_LEVEL.", Played("by control type");
        "HwStorAdapterControl", "The pages disagree about stop and restart: DIRQL with the interrupt lock, or none.", Played("either, decided by the seed");
        "HwStorAdapterControl", "Reports the control types that it supports, and accepts what it reported.", Rules("control-type-not-supported", "callback-failed");
        "HwStorAdapterControl", "Whether the passive initialisation runs again after a restart is not said; not assumed.", Played("it does not run");
        "HW_INITIALIZATION_DATA", "Mandatory callbacks are named, mandatory members set.", Rules("registration-incomplete");
        "HW_INITIALIZATION_DATA", "HwStorFreeAdapterResources, ProcessServiceRequest and CompleteServiceIrp are NULL in a physical miniport.", Rules("virtual-miniport-callback");
        "HwStorBuildIo", "Returns FALSE for a request that it completed.", Rules("build-io-completed");
        "HwStorBuildIo", "Touches the request and its extension only.", Not("what else of its own memory a miniport reads is not seen");
        "PERF_CONFIGURATION_DATA", "With concurrent channels ChannelNumber names the queue.", Played("StorPortGetStartIoPerfParams");
        "Hardware Storport Miniport Driver Routines", "Callbacks return at the IRQL that they were called at.", Rules("irql-changed");
        "Bug Check 0xF1, Storport", "A callback at raised IRQL takes less than half a second, HwStorInitialize less than five.", Rules("callback-too-long");
    }
    "locks" {
        "StorPortAcquireSpinLock", "Locks are taken in order: DPC or StartIo, then interrupt.", Rules("lock-order");
        "StorPortAcquireMSISpinLock", "Between message locks the driver keeps an order of its own.", Rules("lock-order");
        "StorPortAcquireSpinLock", "A lock that is held, also by Storport for the callback, is not taken again.", Rules("lock-recursion");
        "StorPortReleaseSpinLock", "What is released was taken, with that handle; what was taken is released before the callback returns.", Rules("lock-not-held", "lock-not-released");
        "PORT_CONFIGURATION_INFORMATION", "The synchronisation model is half duplex unless full duplex is chosen.", Rules("half-duplex-by-default");
        "StorPortInterlockedInsertHeadList", "A list's spin lock is initialised, and used for nothing else than lists.", Rules("bad-parameter");
        "StorPortInitializeSListHead", "Heads and entries are aligned to MEMORY_ALLOCATION_ALIGNMENT.", Rules("bad-parameter");
        "HwStorWorkItem", "Which locks a work item may take is not said.", Not("any lock that raises the IRQL by itself is let through");
    }
    "threads" {
        "StorPortCreateSystemThread", "A miniport has at most as many threads as there are processors.", Played("more are refused: STOR_STATUS_UNSUCCESSFUL");
        "StorPortTerminateSystemThread", "Each thread of the miniport's ends, by this call, made by itself.", Rules("thread-leaked", "thread-not-own");
        "StorPortCreateSystemThread", "What becomes of a start routine that returns, and whether a thread's context can be waited for, is not said.", Rules("thread-use-undocumented");
        "StorPortWaitForSingleObject", "Who waits is below DISPATCH_LEVEL, unless the time-out is zero.", Rules("irql-too-high");
        "StorPortEnableRegistryKeyNotification", "The routine is called when a value below Parameters\\Device changes.", Played("in a system thread; the page names neither thread nor IRQL");
    }
    "where calls are allowed" {
        "DDI reference, Requirements of each function", "Each function is called at an IRQL that its page names.", Rules("irql-too-high", "irql-too-low");
        "StorPortEnablePassiveInitialization", "From HwStorInitialize only.", Rules("call-outside-window");
        "StorPortInitializePerfOpts", "From HwStorInitialize or the passive initialisation.", Rules("call-outside-window");
        "StorPortGetDeviceBase", "Only what was assigned to the adapter is mapped (bug check 0xF1, 0x2003).", Rules("bus-address-unassigned");
        "StorPortLogError, StorPortValidateRange", "Functions whose pages name the compliance rule StorPortDeprecated are not called any more.", Rules("deprecated-call");
        "StorPortGetBusData", "From HwStorFindAdapter, or the adapter control that sets the running configuration.", Rules("call-outside-window");
        "StorPortGetUncachedExtension", "From HwStorFindAdapter only, after SrbExtensionSize is set; once.", Rules("uncached-extension-outside-find-adapter");
        "StorPortFreeDeviceBase", "Bug check 0xF1 for a call outside of HwStorFindAdapter.", Rules("call-outside-window");
        "StorPortMarkDumpMemory", "From DriverEntry or HwStorFindAdapter.", Rules("call-outside-window");
        "StorPortSetDeviceQueueDepth", "From the unit's first INQUIRY on, between 1 and the highest depth.", Rules("queue-depth-before-inquiry", "bad-parameter");
        "StorPortGetMSIInfo", "Not from a message's interrupt routine.", Rules("call-outside-window");
        "StorPortRegistryRead", "Registry calls are made at PASSIVE_LEVEL.", Rules("irql-too-high");
        "StorPortAllocatePool", "Pool, MDLs, contiguous memory and events of the system log: at DISPATCH_LEVEL or below.", Rules("irql-too-high");
        "StorPortBuildScatterGatherList", "Built and put back at DISPATCH_LEVEL.", Rules("irql-too-high", "irql-too-low");
        "StorPortStateChangeDetected", "One is outstanding at a time.", Rules("state-change-outstanding");
        "HwStorFindAdapter", "Sets MaximumTransferLength and NumberOfPhysicalBreaks.", Rules("maximum-transfer-length-unset", "number-of-physical-breaks-unset");
        "PORT_CONFIGURATION_INFORMATION", "What is left in it lies within documented limits: alignment masks up to 0x1FF, counts, sizes.", Rules("configuration-invalid");
        "StorPortStallExecution", "Less than a millisecond a call; Verifier stops above a tenth of a second.", Rules("stall-too-long", "stall-total-too-long");
        "DDI reference, Parameters of each function", "HwDeviceExtension is the adapter's; other arguments are what the page asks for.", Rules("wrong-device-extension", "bad-parameter");
        "StorPortPause, StorPortPauseDevice", "What is paused is resumed.", Rules("paused-forever");
        "StorPortPoFxActivateComponent", "A component is idled as often as it is activated.", Rules("pofx-idle-unbalanced");
        "STORPORT_FUNCTION_CODE", "Numbers behind those of a kit that was checked are inferred.", Rules("function-code-inferred");
        "StorPortExtendedFunction", "What the model cannot do it refuses, and says so.", Rules("not-modelled");
    }
    "requests" {
        "StorPortNotification (RequestComplete)", "A request is completed exactly once.", Rules("srb-completed-twice", "srb-not-completed-at-removal");
        "StorPortNotification (RequestComplete)", "Only a request that Storport handed out is completed.", Rules("srb-unknown");
        "StorPortStatusPending (Static Driver Verifier)", "Never with SRB_STATUS_PENDING.", Rules("srb-completed-pending");
        "StorPortNotification (RequestComplete)", "Neither the request nor its extension is touched afterwards.", Rules("srb-touched-after-completion", "srb-extension-touched-after-completion");
        "SCSI_REQUEST_BLOCK", "The final status is one of those that exist.", Rules("srb-status-unknown");
        "SCSI_REQUEST_BLOCK", "Parts that the miniport does not report through are left alone.", Rules("srb-header-changed");
        "SCSI_REQUEST_BLOCK", "SRB_STATUS_BUSY is for a command that was never issued; length and data are untouched.", Rules("busy-after-issue");
        "SCSI_REQUEST_BLOCK", "SRB_STATUS_BUSY discards the extension; the request comes again.", Played("issued again with another extension");
        "SCSI_REQUEST_BLOCK", "Extensions arrive with garbage in them.", Played("filled with a pattern");
        "SCSI_REQUEST_BLOCK", "A SCSI status other than GOOD goes with SRB_STATUS_ERROR.", Rules("scsi-status-with-srb-success");
        "SCSI_REQUEST_BLOCK", "Sense data goes with SRB_STATUS_AUTOSENSE_VALID, within SenseInfoBufferLength.", Rules("sense-overrun", "sense-without-buffer");
        "SCSI_REQUEST_BLOCK", "DataTransferLength is what was transferred, at most what was asked for.", Rules("data-length-grown");
        "SRB_STATUS_DATA_OVERRUN", "A short answer that is valid completes with success: an overrun fails the caller but for INQUIRY and MODE SENSE.", Played("the start-up workload judges it as the class driver does");
        "HwStorStartIo", "Functions that a miniport does not know end with SRB_STATUS_INVALID_REQUEST.", Rules("unknown-function-not-refused");
        "SRB_FUNCTION_FLUSH, SRB_FUNCTION_SHUTDOWN", "Arrive only if CachesData is set.", Played("the workloads send them then only");
        "SRB_FUNCTION_ABORT_COMMAND", "Arrives only with STOR_ADAPTER_FEATURE_ABORT_COMMAND.", Not("the lab aborts by resets only");
        "SCSI_PNP_REQUEST_BLOCK", "PNP and POWER requests address units too: the adapter is meant only with the adapter's flag.", Played("units are removed first, without the flag");
        "HW_ADAPTER_CONTROL (ScsiAdapterPower)", "Supporting it replaces the adapter's POWER request and stop for power.", Played("by what the miniport reported");
        "SCSI_REQUEST_BLOCK", "User threads may write to a data buffer at any time.", Played("in torture's lives buffers go on changing while a request has them");
        "STORAGE_REQUEST_BLOCK", "Offsets and counts are read before they are used: address and parameters lie in any order.", Played("the order varies from request to request");
        "Storport Queue Management", "Retries and failures by SRB status as the disk class driver makes them.", Played("`workload::status`");
        "Storport reset escalation", "A time-out resets the unit, then the target, then the bus, each with an event 129.", Played("`reset`");
        "Storport reset escalation", "A disk's requests have time-outs of seconds; a flush has four times a disk's.", Played("each request has its own");
        "Bug Check 0xF0", "A request is completed when the reset that covers it succeeded, and after an abort, and in time.", Rules("srb-not-completed-by-reset");
        "Removing a device in Storport", "The removal request comes before the stop.", Played("units, adapter, ScsiStopAdapter");
        "HwStorAdapterControl, SCSI_POWER_REQUEST_BLOCK", "Power requests succeed, and so do the control types that were reported.", Rules("power-refused");
        "HwStorAdapterControl", "Storport stops or powers down an adapter that has no requests left.", Rules("requests-block-stop");
        "PCI power management", "A function in D3 does not answer to its registers.", Rules("register-access-without-power");
        "IRP_MN_STOP_DEVICE", "After a stop for new resources the old ranges are gone; they are mapped anew.", Rules("register-range-released");
        "Removing a device in Storport", "PNP requests of a removal succeed; the stop needs no hardware.", Rules("removal-refused", "callback-failed");
        "Storport Queue Management", "1000 requests an adapter, 255 a unit, 20 a unit to begin with.", Played("the defaults of the queues");
        "PORT_CONFIGURATION_INFORMATION", "The device extension is zeroed before the first HwStorFindAdapter only.", Played("it is left as it is");
        "StorPortGetScatterGatherList", "The list is read-only and valid until the request is completed.", Rules("scatter-list-changed", "pool-use-after-free", "guard-page-hit");
        "SrbExtensionSize", "Storport promises no alignment of extensions beyond that of pool.", Played("aligned to 8 bytes, at either end of its page");
    }
    "memory and DMA" {
        "StorPortFreePool and its kin", "Memory is freed once, by the pointer and with the size it was allocated with, before the adapter is gone.", Rules("memory-bad-free", "memory-leaked");
        "StorPortAllocatePool", "Nothing is written beyond an allocation, nor after it was freed; an allocation has a size.", Rules("pool-overrun", "pool-use-after-free", "pool-zero-size");
        "SCSI_REQUEST_BLOCK", "Neither miniport nor device writes beyond the data buffer.", Rules("data-buffer-overrun", "guard-page-hit");
        "Driver Verifier, DMA verification (bug check 0xE6)", "The device reaches what the driver has allocated for it, and what a request lends until it is completed.", Rules("dma-not-entitled");
        "Driver Verifier, DMA verification (bug check 0xE6)", "Data is not transferred against its direction.", Rules("dma-against-direction");
        "StorPortPutScatterGatherList", "A list is put back once its routine was called, before its memory goes.", Rules("scatter-list-in-use");
        "StorPortGetPhysicalAddress", "The address is in memory that has one; a request's data is asked for with its request.", Rules("bad-parameter");
        "StorPortGetVirtualAddress", "Of the uncached extension and of request extensions only (bug check 0xF1, 0x2003).", Rules("bad-parameter");
        "StorPortGetUncachedExtension", "Once per adapter.", Rules("uncached-extension-outside-find-adapter");
        "MmGetPhysicalAddress", "The kernel's physical addresses are not the device's under DMA remapping.", Rules("physical-address-from-kernel");
        "DMA remapping", "Under remapping addresses come from Storport: lists, the uncached extension, DMA memory.", Played("device addresses are no physical ones, nor offsets");
        "STOR_MAP_BUFFERS", "Data buffers are mapped only if the miniport asked for it.", Rules("guard-page-hit");
        "Bug Check 0xF1, 0x2005", "A register is accessed in a range that was mapped.", Rules("guard-page-hit");
        "Bug checks", "A driver does not stop the machine.", Rules("bug-check");
        "DUMP_POINTERS", "The answer lies within the structure's limits.", Rules("dump-pointers-invalid");
    }
    "dump mode" {
        "DriverEntry", "Gets NULL arguments in dump mode.", Played("a second load of the image");
        "HwStorFindAdapter", "In dump mode: at HIGH_LEVEL with DumpMode set, without interrupts; bus resets are ignored.", Played("by the dump stack");
        "HwStorFindAdapter", "In dump mode 32 KB may be allocated at most.", Rules("dump-memory-limit");
        "HwStorInitialize", "In dump mode the disk is ready when it returns.", Rules("dump-disk-not-ready");
        "HwStorStartIo", "In dump mode nothing is deferred to DPCs, timers or work items; completions are polled.", Rules("dump-deferred-work", "dump-request-not-completed");
        "StorPortQuerySystemTime", "In dump mode time is not asked for; stalls are counted.", Rules("dump-time-query");
        "DUMP_POINTERS", "The same target and unit as in normal life.", Rules("dump-other-address");
        "StorPortMarkDumpMemory", "Memory that the dump needs is marked when DumpMode asks for it.", Rules("dump-memory-not-marked");
    }
    "image, registers, package" {
        "Storage Imports Test", "A storage miniport imports the port driver's routines only.", Not("`./x imports` checks the file; the lab loads what ntoskrnl.exe it knows");
        "storport.h", "Register accesses are plain memory accesses on x64.", Played("BARs trap, hot sites are patched");
        "PORT_CONFIGURATION_INFORMATION", "BusType absent in the INF means Fibre Channel.", Played("from the INF's registry values");
        "INF AddReg", "MSISupported and MessageNumberLimit decide the messages.", Played("from the INF's registry values");
        "Ranking", "An INF lists exact hardware ids; the newest driver of equal rank wins.", Not("a property of the package: `drvpkg verify`");
        "Catalog files", "Members by Authenticode hash, INF by flat hash.", Not("a property of the package: `drvpkg verify`");
        "Engines", "What the driver and its device begin ends.", Rules("livelock");
        "KeInitializeEvent, KeInitializeDpc, KeInitializeTimer and their kin", "The kernel's objects are initialised before they are used.", Rules("kernel-object-uninitialized");
        "StorPortFreeTimer", "Timers and DPCs are over when the device extension goes.", Rules("timer-after-removal", "dpc-after-removal", "guard-page-hit");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::rules::RULES;

    #[test]
    fn every_rule_is_mapped_and_every_mapping_is_a_rule() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        let mut mapped = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for row in DOCUMENTED {
            assert!(row.sentence.ends_with('.'), "{}", row.sentence);
            assert!(seen.insert((row.source, row.sentence)), "{} twice", row.sentence);
            match row.modelled {
                Modelled::Rules(rules) => {
                    for id in rules {
                        assert!(ids.contains(id), "{id}: no rule of model/rules.rs");
                        mapped.insert(*id);
                    }
                }
                Modelled::Played(text) | Modelled::Not(text) => assert!(!text.is_empty()),
            }
        }
        let left: Vec<_> = ids.difference(&mapped).collect();
        assert!(
            left.is_empty(),
            "{left:?}: give each a line in model/documented.rs, with the page that says it"
        );
    }
}
