//! The rules a miniport is held to.
//!
//! One table: id, evidence tier, severity, a sentence of our own. What a rule's tier says is where the rule
//! itself is written down; how the model decides that it was broken is the model's.

use serde::Serialize;

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Seen in a real kit's header.
    Kit,
    /// Microsoft's driver documentation.
    Documentation,
    /// A published sample relies on it.
    Sample,
    /// Inferred, or the lab's own caution.
    Inferred,
}

/// How bad a breach is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rule is broken.
    Violation,
    /// Looks wrong, but depends on the host's speed or on judgement.
    Warning,
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable name.
    pub id: &'static str,
    /// Where it comes from.
    pub tier: Tier,
    /// How bad a breach is.
    pub severity: Severity,
    /// What it demands.
    pub sentence: &'static str,
}

macro_rules! rules {
    ($( $name:ident = $id:literal, $tier:ident, $severity:ident, $sentence:literal; )+) => {
        $(
            #[doc = concat!("Rule `", $id, "`.")]
            pub static $name: Rule = Rule {
                id: $id, tier: Tier::$tier, severity: Severity::$severity, sentence: $sentence,
            };
        )+

        /// All of them.
        pub static RULES: &[&Rule] = &[ $( &$name, )+ ];
    };
}

rules! {
    SRB_COMPLETED_TWICE = "srb-completed-twice", Documentation, Violation,
        "A request is completed exactly once.";
    SRB_COMPLETED_PENDING = "srb-completed-pending", Documentation, Violation,
        "A completed request has a final status, never SRB_STATUS_PENDING.";
    SRB_STATUS_UNKNOWN = "srb-status-unknown", Documentation, Violation,
        "A request is completed with one of the SRB_STATUS values that exist.";
    BUILD_IO_COMPLETED = "build-io-completed", Documentation, Violation,
        "HwStorBuildIo returns FALSE for a request that it completed: HwStorStartIo must not see it.";
    SRB_UNKNOWN = "srb-unknown", Documentation, Violation,
        "Only a request that Storport handed out can be completed or asked about.";
    SRB_TOUCHED = "srb-touched-after-completion", Documentation, Violation,
        "A completed request belongs to Storport: the miniport does not write to it any more.";
    SRB_EXTENSION_TOUCHED = "srb-extension-touched-after-completion", Documentation, Violation,
        "The extension of a completed request is gone: neither the miniport nor its device writes to it.";
    SRB_HEADER_CHANGED = "srb-header-changed", Documentation, Violation,
        "The miniport leaves the parts of a request alone that it does not report through.";
    SRB_LOST_IN_RESET = "srb-not-completed-by-reset", Documentation, Violation,
        "When a reset is reported as successful, every request it covers has been completed.";
    RESET_OVERTAKEN = "completed-after-reset", Inferred, Warning,
        "A request that a reset covers is completed before the reset is reported, not by another processor just after.";
    SRB_LOST_AT_REMOVAL = "srb-not-completed-at-removal", Documentation, Violation,
        "A miniport that is removed has completed all its requests.";
    SENSE_OVERRUN = "sense-overrun", Documentation, Violation,
        "Sense data stays within SenseInfoBufferLength.";
    SENSE_MISSING_BUFFER = "sense-without-buffer", Documentation, Violation,
        "SRB_STATUS_AUTOSENSE_VALID is set only if the request has a sense buffer.";
    DATA_LENGTH_GROWN = "data-length-grown", Documentation, Violation,
        "DataTransferLength of a completed request is at most what was asked for.";
    DATA_OVERRUN = "data-buffer-overrun", Documentation, Violation,
        "Neither the miniport nor its device writes beyond the data buffer.";
    STATUS_MISMATCH = "scsi-status-with-srb-success", Documentation, Violation,
        "A SCSI status other than GOOD goes with SRB_STATUS_ERROR, not with SRB_STATUS_SUCCESS.";
    BUSY_AFTER_ISSUE = "busy-after-issue", Documentation, Violation,
        "SRB_STATUS_BUSY means that the command was never issued: its data and length are untouched.";
    FUNCTION_NOT_REFUSED = "unknown-function-not-refused", Documentation, Violation,
        "An SRB function that the miniport does not know is answered with SRB_STATUS_INVALID_REQUEST.";
    START_IO_FALSE = "start-io-returned-false", Documentation, Violation,
        "HwStorStartIo returns TRUE whatever becomes of the request.";
    IRQL_TOO_HIGH = "irql-too-high", Documentation, Violation,
        "Each function is called at no higher IRQL than its page allows.";
    IRQL_TOO_LOW = "irql-too-low", Documentation, Violation,
        "Functions documented for DISPATCH_LEVEL are not called below it.";
    CALL_WINDOW = "call-outside-window", Documentation, Violation,
        "Functions tied to a callback are called from that callback only.";
    WRONG_EXTENSION = "wrong-device-extension", Documentation, Violation,
        "HwDeviceExtension is the pointer that the callbacks were given.";
    BAD_PARAMETER = "bad-parameter", Documentation, Violation,
        "Arguments are what the function's page asks for.";
    UNCACHED_WINDOW = "uncached-extension-outside-find-adapter", Documentation, Violation,
        "The uncached extension is allocated in HwStorFindAdapter, after SrbExtensionSize is set, once.";
    BUS_ADDRESS = "bus-address-unassigned", Documentation, Violation,
        "Only bus addresses that were assigned to the adapter are mapped.";
    QUEUE_DEPTH_EARLY = "queue-depth-before-inquiry", Documentation, Violation,
        "The queue depth of a unit is set from its first INQUIRY on.";
    DEPRECATED = "deprecated-call", Documentation, Warning,
        "Functions whose pages name the compliance rule StorPortDeprecated are not called any more.";
    STATUS_IGNORED_HANDLE = "stale-handle", Documentation, Violation,
        "Handles of workers and timers are those that Storport gave out and that are not freed.";
    REGISTRATION = "registration-incomplete", Documentation, Violation,
        "HW_INITIALIZATION_DATA names the mandatory callbacks and sets the mandatory flags.";
    VIRTUAL_CALLBACKS = "virtual-miniport-callback", Documentation, Violation,
        "FreeAdapterResources, ProcessServiceRequest and CompleteServiceIrp belong to virtual miniports.";
    TRANSFER_LENGTH_UNSET = "maximum-transfer-length-unset", Documentation, Violation,
        "HwStorFindAdapter sets MaximumTransferLength.";
    PHYSICAL_BREAKS_UNSET = "number-of-physical-breaks-unset", Documentation, Violation,
        "HwStorFindAdapter sets NumberOfPhysicalBreaks.";
    CONFIGURATION = "configuration-invalid", Documentation, Violation,
        "What HwStorFindAdapter leaves in PORT_CONFIGURATION_INFORMATION lies within the documented limits.";
    HALF_DUPLEX_CHANNELS = "half-duplex-by-default", Inferred, Warning,
        "Half duplex is the default: a miniport chooses its synchronisation model explicitly.";
    STALL_TOO_LONG = "stall-too-long", Documentation, Violation,
        "StorPortStallExecution is asked for less than a millisecond at a time.";
    STALL_TOTAL = "stall-total-too-long", Documentation, Warning,
        "Stalls of one callback do not add up to more than a tenth of a second.";
    CALLBACK_TOO_LONG = "callback-too-long", Documentation, Warning,
        "A callback at DISPATCH_LEVEL or above returns within half a second, HwStorInitialize within five.";
    LOCK_ORDER = "lock-order", Documentation, Violation,
        "Locks are taken in Storport's order: DPC or StartIo lock first, then the interrupt lock.";
    LOCK_RECURSION = "lock-recursion", Documentation, Violation,
        "A lock that is held already is not acquired again: the processor would wait for itself.";
    LOCK_NOT_RELEASED = "lock-not-released", Documentation, Violation,
        "A callback releases every lock that it acquired.";
    LOCK_NOT_HELD = "lock-not-held", Documentation, Violation,
        "Only a lock that is held is released, with the handle that acquired it.";
    IRQL_CHANGED = "irql-changed", Documentation, Violation,
        "A callback returns at the IRQL it was called at.";
    WORKER_FREED_QUEUED = "worker-freed-while-queued", Documentation, Violation,
        "A worker is not freed while it is queued.";
    WORKER_FREED_TWICE = "worker-freed-twice", Documentation, Violation,
        "A worker is freed once.";
    WORKER_LEAKED = "worker-leaked", Documentation, Violation,
        "Workers are freed before the adapter is gone.";
    WORKER_AFTER_REMOVAL = "work-item-after-removal", Documentation, Violation,
        "No work item is queued or running when the adapter is gone.";
    THREAD_LEAKED = "thread-leaked", Documentation, Violation,
        "A miniport that creates threads sees to it that each of them ends.";
    THREAD_NOT_OWN = "thread-not-own", Documentation, Violation,
        "StorPortTerminateSystemThread ends the thread that calls it, which is one of the miniport's own.";
    THREAD_UNDOCUMENTED = "thread-use-undocumented", Inferred, Warning,
        "Nothing is relied on that the pages do not promise of threads: that a start routine may return, that a thread's context can be waited for.";
    TIMER_FREED_TWICE = "timer-freed-twice", Documentation, Violation,
        "A timer is freed once.";
    TIMER_FREED_ACTIVE = "timer-freed-while-active", Inferred, Violation,
        "A timer is cancelled or has fired before it is freed.";
    TIMER_FREED_RUNNING = "timer-freed-in-callback", Inferred, Warning,
        "A timer is not freed while its callback runs.";
    TIMER_LEAKED = "timer-leaked", Documentation, Violation,
        "Timers are freed before the adapter is gone.";
    TIMER_AFTER_REMOVAL = "timer-after-removal", Documentation, Violation,
        "No timer is active when the adapter is gone: its routine and its context go with it.";
    MEMORY_LEAKED = "memory-leaked", Documentation, Violation,
        "Memory is freed before the adapter is gone.";
    MEMORY_FREED_TWICE = "memory-bad-free", Documentation, Violation,
        "Memory is freed once, by the pointer and with the size it was allocated with.";
    POOL_OVERRUN = "pool-overrun", Documentation, Violation,
        "Nothing is written beyond an allocation.";
    POOL_USE_AFTER_FREE = "pool-use-after-free", Documentation, Violation,
        "Freed memory is not used any more.";
    POOL_SIZE = "pool-zero-size", Documentation, Violation,
        "An allocation has a size.";
    SCATTER_LIST_IN_USE = "scatter-list-in-use", Documentation, Violation,
        "A scatter/gather list is put back once its routine was called, before its memory, its MDL or its buffer is freed.";
    SCATTER_LIST_CHANGED = "scatter-list-changed", Documentation, Violation,
        "The scatter/gather list of a request is Storport's: the miniport reads it.";
    DUMP_POINTERS = "dump-pointers-invalid", Documentation, Violation,
        "What a miniport answers to DUMP_POINTERS lies within the structure's documented limits.";
    DUMP_MEMORY = "dump-memory-limit", Documentation, Violation,
        "In dump mode a miniport allocates no more than 32 KiB.";
    DUMP_DEFERRED = "dump-deferred-work", Documentation, Violation,
        "In dump mode nothing is deferred to DPCs, timers or work items: it is done in the request's own context.";
    DUMP_TIME = "dump-time-query", Documentation, Violation,
        "In dump mode time is not asked for: a miniport counts its stalls.";
    DUMP_LOST = "dump-request-not-completed", Documentation, Violation,
        "In dump mode a request completes in HwStorStartIo or when HwStorInterrupt is polled.";
    DUMP_NOT_READY = "dump-disk-not-ready", Documentation, Violation,
        "In dump mode the disk takes commands as soon as HwStorInitialize returns.";
    DUMP_ADDRESS = "dump-other-address", Documentation, Violation,
        "In dump mode a disk has the target and the logical unit number that it has in normal life.";
    DUMP_UNMARKED = "dump-memory-not-marked", Documentation, Warning,
        "A miniport marks the memory that it needs when DumpMode is DUMP_MODE_MARK_MEMORY or DUMP_MODE_HIBER.";
    GUARD_PAGE = "guard-page-hit", Documentation, Violation,
        "The driver touches only memory that it owns or was lent.";
    DMA_NOT_ENTITLED = "dma-not-entitled", Documentation, Violation,
        "A device reaches only memory of its driver's that is allocated, and what requests lend until they are completed.";
    DMA_DIRECTION = "dma-against-direction", Documentation, Violation,
        "A device does not write to the data of a request that goes to the device.";
    DPC_UNINITIALIZED = "dpc-uninitialized", Documentation, Violation,
        "A DPC is initialised before it is issued.";
    DPC_REINITIALIZED = "dpc-initialized-while-queued", Documentation, Violation,
        "A DPC that is queued is not initialised again.";
    DPC_LOST = "dpc-arguments-lost", Inferred, Warning,
        "Issuing a DPC that is queued already does nothing: different arguments are lost.";
    DPC_AFTER_REMOVAL = "dpc-after-removal", Documentation, Violation,
        "No DPC is queued when the adapter is gone: its object lies in the device extension.";
    INTERRUPT_UNCLAIMED = "interrupt-unclaimed", Documentation, Warning,
        "The routine of an interrupt message returns TRUE: nobody else can have sent it.";
    INTERRUPT_STORM = "interrupt-storm", Documentation, Violation,
        "HwStorInterrupt makes its device take the interrupt line back: a line that stays up stops the processor.";
    LIVELOCK = "livelock", Inferred, Violation,
        "What the driver and its device begin comes to an end.";
    STATE_CHANGE_OUTSTANDING = "state-change-outstanding", Documentation, Violation,
        "At most one StorPortStateChangeDetected is outstanding.";
    PAUSED_FOREVER = "paused-forever", Inferred, Violation,
        "An adapter or a unit that was paused is resumed before the adapter is removed.";
    CONTROL_NOT_SUPPORTED = "control-type-not-supported", Documentation, Violation,
        "HwStorAdapterControl reports and accepts the control types that Storport needs.";
    REMOVAL_FAILED = "removal-refused", Documentation, Violation,
        "A miniport completes the PNP requests of its removal successfully.";
    POWER_REFUSED = "power-refused", Documentation, Violation,
        "A miniport completes power requests, and every control type that it reports as supported, successfully.";
    NOT_QUIET = "requests-block-stop", Documentation, Violation,
        "The port driver stops or powers down an adapter that has no requests: a miniport completes what it was given.";
    REGISTER_IN_D3 = "register-access-without-power", Inferred, Violation,
        "Nothing touches the registers of an adapter that is in D3: the function does not answer.";
    REGISTER_RELEASED = "register-range-released", Documentation, Violation,
        "What was mapped before a stop for new resources is gone: HwStorFindAdapter maps it anew.";
    RESET_FALSE = "reset-bus-failed", Documentation, Warning,
        "HwStorResetBus returns TRUE once it has completed the path's requests.";
    NOT_MODELLED = "not-modelled", Inferred, Violation,
        "The lab does not model this call: nothing that follows from it can be judged.";
    CODE_INFERRED = "function-code-inferred", Inferred, Warning,
        "The number of this extended function is not in a kit that was checked.";
    KERNEL_OBJECT = "kernel-object-uninitialized", Documentation, Violation,
        "Events, semaphores, timers, DPCs and lookaside lists of the kernel's are initialised before they are used.";
    PHYSICAL_ADDRESS = "physical-address-from-kernel", Documentation, Warning,
        "Addresses for the device come from Storport: under DMA remapping the kernel's physical addresses are none of the device's.";
    POFX_UNBALANCED = "pofx-idle-unbalanced", Documentation, Violation,
        "A component is made idle as often as it was activated.";
    BUG_CHECK = "bug-check", Documentation, Violation,
        "The driver does not bring the system down.";
    RETURN_VALUE = "callback-failed", Documentation, Violation,
        "A callback reports success where nothing stood in its way.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::RULES;

    #[test]
    fn ids_are_unique_and_sentences_end() {
        let mut ids = HashSet::new();
        for rule in RULES {
            assert!(ids.insert(rule.id), "{} twice", rule.id);
            assert!(rule.sentence.ends_with('.'), "{}", rule.id);
        }
    }
}
