//! `tests/miniports/system` in the lab: the system half of the safe DDI, really called.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ferronvme_tests::repository;
use portlab::{
    abi::codes::stor_status,
    device::{Device, scratch::ScratchDevice},
    model::{AdapterParameters, Address, Change, Direction, Lab, LabOptions, Mutation, Request},
};

/// The functions of the system half; the framework calls others besides.
const CALLED: &str = "SetFeatureList SetAdapterBusType RegistryReadAdapterKey RegistryWriteAdapterKey \
    UpdateAdapterMaxIO GetMSIInfo InitializePerfOpts QuerySystemTime GetCurrentIrql InitializePoFxPower \
    PoFxActivateComponent PoFxSetComponentLatency PoFxSetComponentResidency PoFxIdleComponent PoFxSetIdleTimeout PoFxPowerControl \
    SetPowerSettingNotificationGuids InvokeAcpiMethod AllocateRegistryBuffer FreeRegistryBuffer RegistryRead \
    RegistryWrite GetStartIoPerfParams GetRequestInfo GetActivityIdSrb GetSystemPortNumber SetUnitAttributes \
    AsyncNotificationDetected SetDeviceQueueDepth Busy Ready DeviceBusy DeviceReady PauseDevice ResumeDevice Pause \
    Resume GetCurrentProcessorNumber GetActiveGroupCount GetGroupAffinity GetActiveNodeCount GetNodeAffinity \
    GetHighestNodeNumber GetLogicalProcessorRelationship GetNodeAffinity2 GetMessageInterruptIDFromProcessorIndex \
    QueryDpcWatchdogInformation CancelDpc LogSystemEvent EtwEvent2 EtwEvent4 EtwEvent8 EtwChannelEvent8 EtwLogError \
    EtwLogByteStream LogTelemetry DelayExecution QueryPerformanceCounter QueryConfiguration QueryTimerMinInterval \
    MaskMsixInterrupt HardwareReset CaptureLiveDump MarkDeviceFailedEx SetSystemGroupAffinityThread \
    RevertToUserGroupAffinityThread InitializeEvent SetEvent WaitForSingleObject DebugPrint EnablePassiveInitialization";
const UNIT: Address = Address {
    path: 0,
    target: 0,
    lun: 0,
};
/// How long the work item may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn command(operation: u8) -> Request {
    Request {
        processor: 0,
        address: UNIT,
        cdb: vec![operation, 0, 0, 0, 0, 0],
        direction: Direction::None,
        buffer: None,
        timeout: Duration::from_secs(30),
    }
}

/// Runs the miniport to its last check, in a lab that is wrong as told from the first request on; what the miniport says is
/// answered otherwise than it should be, and the lab.
fn checked(mutation: Option<Mutation>) -> (Vec<String>, Lab) {
    const INQUIRY: u8 = 0x12;
    const TEST_UNIT_READY: u8 = 0x00;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let driver = target.join("cross/x86_64-pc-windows-msvc/debug/system_miniport.dll");
    assert!(driver.exists(), "{}: ./x test builds it", driver.display());
    let device = Arc::new(ScratchDevice::new().expect("memory for the device"));
    let mut options = LabOptions::new(driver, device as Arc<dyn Device>);
    options.registry = AdapterParameters {
        msi_supported: true,
        ..AdapterParameters::default()
    };
    let lab = Lab::load(options).expect("loaded");
    lab.start()
        .unwrap_or_else(|error| panic!("{error}: {:#?}", lab.debug_log()));
    lab.mutate(mutation);
    for operation in [INQUIRY, TEST_UNIT_READY] {
        let _ = lab.execute(command(operation));
    }
    let deadline = Instant::now() + PATIENCE;
    while !lab.debug_log().iter().any(|line| line == "all") {
        assert!(Instant::now() < deadline, "{:#?}", lab.debug_log());
        thread::sleep(Duration::from_millis(10));
    }
    let log = lab.debug_log();
    let wrong = log.windows(2).filter(|pair| pair[0] == "WRONG");
    let wrong = wrong.map(|pair| pair[1].clone()).collect();
    (wrong, lab)
}

#[test]
fn every_call_of_the_system_half_is_made_and_answered() {
    let (wrong, lab) = checked(None);
    assert!(
        wrong.is_empty(),
        "answered otherwise than the lab should: {wrong:#?}"
    );
    let called: BTreeSet<&str> = lab.calls().into_iter().map(|(name, _)| name).collect();
    let missing: Vec<_> = CALLED
        .split_whitespace()
        .filter(|name| !called.contains(name))
        .collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
    let removal = lab.remove();
    assert!(removal.clean, "{:?}", removal.leaks);
    assert!(lab.violations().is_empty(), "{:#?}", lab.violations());
}

/// Each mistake of the lab turns red the check of its call, and no other.
fn bites(mistakes: &[(&str, Change, &str)]) {
    for &(call, change, check) in mistakes {
        let call = format!("StorPort{call}");
        let (wrong, lab) = checked(Some(Mutation {
            call: call.clone(),
            change,
        }));
        assert!(lab.mutations_made() > 0, "{call} was not called");
        assert_eq!(wrong, [check], "{call}: {change:?}");
        lab.mutate(None);
        let _ = lab.remove();
    }
}

#[test]
fn a_wrong_status_is_noticed() {
    const FAILED: Change = Change::Answer {
        from: stor_status::SUCCESS,
        to: stor_status::UNSUCCESSFUL,
    };
    bites(&[
        ("GetRequestInfo", FAILED, "GetRequestInfo"),
        ("GetActivityId", FAILED, "GetActivityIdSrb"),
        ("SetUnitAttributes", FAILED, "SetUnitAttributes"),
        ("GetHighestNodeNumber", FAILED, "GetHighestNodeNumber"),
        ("LogSystemEvent", FAILED, "LogSystemEvent"),
        (
            "DeviceReset",
            Change::Answer {
                from: stor_status::UNSUCCESSFUL,
                to: stor_status::SUCCESS,
            },
            "HardwareReset",
        ),
    ]);
}

#[test]
fn a_wrong_value_is_noticed() {
    // Success, and nothing is written: the value is the zero that the call was given to overwrite.
    const NOTHING: Change = Change::Ignored {
        answer: stor_status::SUCCESS,
    };
    bites(&[
        ("GetActiveGroupCount", NOTHING, "GetActiveGroupCount"),
        ("GetActiveNodeCount", NOTHING, "GetActiveNodeCount"),
        ("GetGroupAffinity", NOTHING, "GetGroupAffinity"),
        ("GetNodeAffinity", NOTHING, "GetNodeAffinity"),
        ("GetActivityId", NOTHING, "GetActivityIdSrb"),
        ("GetRequestInfo", NOTHING, "GetRequestInfo"),
    ]);
}
