//! The calls, by callback; the lab's platform decides what the right answer is.

use core::{ffi::CStr, time::Duration};

use storport::{
    Context,
    adapter::{BusType, Configuration, Features},
    context::{Dpc, Exclusion, Initialize, Irql, PassiveInitialize, StartIo, WorkItem},
    event::EventKind,
    failure::LiveDump,
    find_adapter::FindAdapter,
    log::LogEntry,
    performance::Performance,
    power::{Guid, IdleState, PowerDevice, UNKNOWN_POWER},
    processor::{GroupAffinity, Relationship},
    registry::{Value, ValueKind},
    srb::{Address, Fresh, Srb},
    status::{AcpiError, InferredError, PowerError, RelationshipError},
    text::Wide,
    trace::{Channel, Event, Keywords, Level, Opcode, Parameter, Telemetry},
    unit::{AsyncNotification, PriorityHint, UnitAttributes},
};

use crate::System;

const UNIT: Address = Address {
    path: 0,
    target: 0,
    lun: 0,
};
const EVENT: Event<'static> = Event {
    unit: Some(UNIT),
    id: 7,
    description: "a description that is far longer than an event takes",
    keywords: Keywords::PERFORMANCE.and(Keywords::POWER),
    level: Level::Informational,
    opcode: Opcode::Info,
};
const GUID: Guid = Guid {
    data1: 1,
    data2: 2,
    data3: 3,
    data4: [4; 8],
};

/// Prints whether `right`.
pub(crate) fn report<I: Irql, X: Exclusion>(cx: &Context<'_, System, I, X>, right: bool, name: &CStr) {
    cx.debug_print(0, if right { c"ok" } else { c"WRONG" });
    cx.debug_print(0, name);
}

pub(crate) fn find_adapter(cx: &mut FindAdapter<'_, '_, System>) {
    let features = Features {
        bus_type_unit_control: true,
        fru_id_unit_control: true,
    };
    let set = cx.newer().set_features(features);
    report(cx, set.is_ok(), c"SetFeatureList");
    report(
        cx,
        cx.set_adapter_bus_type(BusType::Sas).is_ok(),
        c"SetAdapterBusType",
    );
    registry(cx);
}

fn registry(cx: &FindAdapter<'_, '_, System>) {
    let mut buffer = [0; 16];
    let dword = Value::below(c"Test", c"Dword");
    let right = cx.write_dword(dword, 0xA5).is_ok() && cx.read_dword(dword) == Ok(0xA5);
    report(cx, right, c"REG_DWORD");
    let qword = Value::new(c"Qword");
    let right = cx.write_qword(qword, 1 << 40).is_ok() && cx.read_qword(qword) == Ok(1 << 40);
    report(cx, right, c"REG_QWORD");
    let text = Value::new(c"Text");
    let right = cx.write_text(text, c"hello").is_ok() && cx.read_text(text, &mut buffer) == Ok(c"hello");
    report(cx, right, c"REG_SZ");
    let binary = Value::new(c"Binary");
    let right = cx.write_binary(binary, &[1, 2, 3]).is_ok()
        && cx.read_binary(binary, &mut buffer) == Ok(3)
        && buffer.starts_with(&[1, 2, 3]);
    report(cx, right, c"REG_BINARY");
    report(
        cx,
        cx.read_dword(Value::new(c"Absent")).is_err(),
        c"an absent value",
    );
}

pub(crate) fn initialize(cx: &Initialize<'_, System>) {
    report(cx, cx.update_adapter_max_io(6).is_ok(), c"UpdateAdapterMaxIO");
    report(
        cx,
        cx.message(0).is_ok_and(|message| message.id == 0),
        c"GetMSIInfo",
    );
    let offered = cx.offered_performance();
    let right = offered.is_ok_and(|offered| offered.dpc_redirection() && offered.concurrent_channels > 0);
    report(cx, right, c"InitializePerfOpts, query");
    report(cx, cx.system_time() > 1 << 56, c"QuerySystemTime");
    report(
        cx,
        cx.newer().current_irql().is_ok_and(|irql| irql > 2),
        c"GetCurrentIrql",
    );
}

pub(crate) fn passive_initialize(cx: &mut PassiveInitialize<'_, System>) {
    let mut targets = [GroupAffinity::default(); 8];
    let options = Performance::new()
        .dpc_redirection()
        .messages(0..=0)
        .completion_during_start_io();
    let set = cx.set_performance_with_targets(&options, &mut targets);
    let right = set.is_ok() && targets.iter().any(|target| target.mask != 0);
    report(cx, right, c"InitializePerfOpts, with targets");
    let latency = Duration::from_micros(50);
    let states = [0, 1].map(|depth| IdleState {
        transition_latency: latency.saturating_mul(depth),
        residency: latency.saturating_mul(depth),
        nominal_power: UNKNOWN_POWER,
    });
    let device = PowerDevice {
        flags: 0,
        idle_timeout: Duration::from_secs(1),
        component: GUID,
        deepest_wakeable: 1,
        states: &states,
    };
    report(
        cx,
        cx.register_power(None, &device, true) == Ok(false),
        c"InitializePoFxPower",
    );
    report(
        cx,
        cx.activate_component(None, 0, 0).is_ok(),
        c"PoFxActivateComponent",
    );
    report(
        cx,
        cx.set_component_latency(None, 0, latency).is_ok(),
        c"PoFxSetComponentLatency",
    );
    report(
        cx,
        cx.set_component_residency(None, 0, latency).is_ok(),
        c"PoFxSetComponentResidency",
    );
    report(cx, cx.idle_component(None, 0, 0).is_ok(), c"PoFxIdleComponent");
    report(
        cx,
        cx.set_idle_timeout(Duration::from_secs(2)).is_ok(),
        c"PoFxSetIdleTimeout",
    );
    let control = cx.power_control(None, GUID, &[], &mut []);
    report(cx, control == Err(PowerError::Unsuccessful), c"PoFxPowerControl");
    report(
        cx,
        cx.notify_power_settings(&[GUID]).is_ok(),
        c"SetPowerSettingNotificationGuids",
    );
    let acpi = cx.invoke_acpi_method(None, *b"_SDD", &[], &mut []);
    report(cx, acpi == Err(AcpiError::Unsuccessful), c"InvokeAcpiMethod");
    let mut read = [0; 4];
    let right = cx.registry_buffer(64).is_some_and(|mut buffer| {
        buffer.write(c"Value", ValueKind::Dword, false, &[1, 2, 3, 4])
            && buffer.read(c"Value", ValueKind::Dword, false, &mut read) == Some(4)
    });
    report(cx, right && read == [1, 2, 3, 4], c"RegistryRead, RegistryWrite");
}

pub(crate) fn start_io<'dev>(cx: &mut StartIo<'dev, System>, srb: &Srb<'dev, System, Fresh<'_>>) {
    report(cx, cx.start_io_parameters(srb).is_ok(), c"GetStartIoPerfParams");
    let info = cx.request_info(srb);
    report(
        cx,
        info.is_ok_and(|info| info.priority == PriorityHint::Normal),
        c"GetRequestInfo",
    );
    let activity = cx.activity_id(srb);
    let right = activity.is_ok_and(|id| id.data1 == 0x4645_5252 && id.data4 == [0; 8]);
    report(cx, right, c"GetActivityIdSrb");
    report(cx, cx.system_port_number() == Ok(0), c"GetSystemPortNumber");
    let attributes = UnitAttributes {
        async_notification: true,
        ..UnitAttributes::default()
    };
    report(
        cx,
        cx.set_unit_attributes(UNIT, attributes).is_ok(),
        c"SetUnitAttributes",
    );
    let notification = AsyncNotification {
        media_status: true,
        ..AsyncNotification::default()
    };
    report(
        cx,
        cx.async_notification_detected(UNIT, notification).is_ok(),
        c"AsyncNotificationDetected",
    );
    report(cx, cx.set_queue_depth(UNIT, 4), c"SetDeviceQueueDepth");
    report(cx, cx.busy(1) && cx.ready(), c"Busy, Ready");
    report(
        cx,
        cx.unit_busy(UNIT, 1) && cx.unit_ready(UNIT),
        c"DeviceBusy, DeviceReady",
    );
    let second = Duration::from_secs(1);
    report(
        cx,
        cx.pause_unit(UNIT, second) && cx.resume_unit(UNIT),
        c"PauseDevice, ResumeDevice",
    );
    report(cx, cx.pause(second) && cx.resume(), c"Pause, Resume");
}

pub(crate) fn dpc(cx: &mut Dpc<'_, System>) {
    let processor = cx.current_processor();
    report(
        cx,
        processor.is_ok_and(|processor| processor.number < 2),
        c"GetCurrentProcessorNumber",
    );
    report(cx, cx.active_group_count() == Ok(1), c"GetActiveGroupCount");
    let all = GroupAffinity { group: 0, mask: 3 };
    report(cx, cx.group_affinity(0) == Ok(all), c"GetGroupAffinity");
    report(cx, cx.active_node_count() == Ok(1), c"GetActiveNodeCount");
    report(cx, cx.node_affinity(0) == Ok(all), c"GetNodeAffinity");
    report(cx, cx.highest_node() == Ok(0), c"GetHighestNodeNumber");
    let mut records = [0; 32];
    let cores = cx.logical_processor_relationship(None, Relationship::Core, &mut records);
    report(cx, cores == Ok(96), c"GetLogicalProcessorRelationship");
    let small = cx.logical_processor_relationship(None, Relationship::Group, &mut []);
    let right = small == Err((RelationshipError::BufferTooSmall, 80));
    report(cx, right, c"GetLogicalProcessorRelationship, too small");
    let mut nodes = [GroupAffinity::default(); 2];
    let right = cx.newer().node_affinities(0, &mut nodes) == Ok(1) && nodes.first() == Some(&all);
    report(cx, right, c"GetNodeAffinity2");
    report(
        cx,
        cx.newer().message_of_processor(0).is_ok(),
        c"GetMessageInterruptIDFromProcessorIndex",
    );
    report(
        cx,
        cx.newer().dpc_watchdog().is_ok_and(|dog| dog.dpc_limit > 0),
        c"QueryDpcWatchdogInformation",
    );
    report(cx, cx.newer().cancel_dpc(0) == Ok(false), c"CancelDpc");
    let entry = LogEntry {
        unit: Some(UNIT),
        error: 0xC004_000B,
        unique_id: 5,
        text: &Wide::new("text"),
        data: &[1],
    };
    report(cx, cx.log_system_event(&entry).is_ok(), c"LogSystemEvent");
    let parameter = Parameter::new("parameter of a long name", 1);
    for count in [1, 3, 8] {
        let given = [parameter; 8];
        let traced = given.get(..count).map(|given| cx.trace(&EVENT, given));
        report(cx, traced == Some(Ok(())), c"EtwEvent");
    }
    report(
        cx,
        cx.trace_to(Channel::Health, &EVENT, &[parameter]).is_ok(),
        c"EtwChannelEvent8",
    );
    report(
        cx,
        cx.newer().trace_error(None, 3, "error", &[9]).is_ok(),
        c"EtwLogError",
    );
    report(
        cx,
        cx.newer().trace_bytes(Channel::Operational, &EVENT, &[9]).is_ok(),
        c"EtwLogByteStream",
    );
    let telemetry = Telemetry {
        unit: None,
        driver_version: 1,
        id: 2,
        version: 3,
        name: "telemetry",
        data: &[1, 2],
        parameters: &[("one", 1)],
    };
    report(cx, cx.log_telemetry(&telemetry).is_ok(), c"LogTelemetry");
}

pub(crate) fn work_item(cx: &mut WorkItem<'_, System>) {
    let before = cx.now();
    let slept = cx.sleep(Duration::from_millis(2)).is_ok();
    report(
        cx,
        slept && cx.now() > before,
        c"DelayExecution, QueryPerformanceCounter",
    );
    let newer = cx.newer();
    let right = newer.query_configuration(Configuration::D3) == Ok(false);
    report(cx, right, c"QueryConfiguration");
    report(cx, newer.timer_min_interval().is_ok(), c"QueryTimerMinInterval");
    let right = newer.mask_message(0, true).is_ok() && newer.mask_message(0, false).is_ok();
    report(cx, right, c"MaskMsixInterrupt");
    report(
        cx,
        newer.hardware_reset() == Err(InferredError::Unsuccessful),
        c"HardwareReset",
    );
    report(
        cx,
        newer
            .capture_live_dump(Some(UNIT), LiveDump::Mini, "system")
            .is_ok(),
        c"CaptureLiveDump",
    );
    newer.mark_failed(Some(UNIT), 1, "not really");
    let affinity = GroupAffinity { group: 0, mask: 1 };
    report(
        cx,
        newer.with_affinity(affinity, || 7) == Ok(7),
        c"SetSystemGroupAffinityThread",
    );
    let right = newer
        .create_event(EventKind::Synchronization, false)
        .is_ok_and(|event| {
            newer.take_event(event) == Err(InferredError::Unsuccessful)
                && newer.set_event(event).is_ok()
                && newer.wait_for_event(event, Duration::from_secs(1)).is_ok()
                && newer.take_event(event).is_err()
        });
    report(cx, right, c"InitializeEvent, SetEvent, WaitForSingleObject");
    report(cx, true, c"all");
}
