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
    device::{Device, scratch::ScratchDevice},
    model::{AdapterParameters, Address, Direction, Lab, LabOptions, Request},
};

/// The functions of the system half; the framework calls others besides.
const CALLED: &str = "SetFeatureList SetAdapterBusType RegistryReadAdapterKey RegistryWriteAdapterKey \
    UpdateAdapterMaxIO GetMSIInfo InitializePerfOpts QuerySystemTime GetCurrentIrql InitializePoFxPower \
    PoFxActivateComponent PoFxSetComponentLatency PoFxSetComponentResidency PoFxIdleComponent PoFxPowerControl \
    SetPowerSettingNotificationGuids InvokeAcpiMethod AllocateRegistryBuffer FreeRegistryBuffer RegistryRead \
    RegistryWrite GetStartIoPerfParams GetRequestInfo GetSystemPortNumber SetUnitAttributes \
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
const PATIENCE: Duration = Duration::from_secs(60);

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

#[test]
fn every_call_of_the_system_half_is_made_and_answered() {
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
    for operation in [INQUIRY, TEST_UNIT_READY] {
        let _ = lab.execute(command(operation));
    }
    let deadline = Instant::now() + PATIENCE;
    while !lab.debug_log().iter().any(|line| line == "all") {
        assert!(Instant::now() < deadline, "{:#?}", lab.debug_log());
        thread::sleep(Duration::from_millis(10));
    }
    let log = lab.debug_log();
    let wrong: Vec<_> = log
        .windows(2)
        .filter(|pair| pair[0] == "WRONG")
        .map(|pair| &pair[1])
        .collect();
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
