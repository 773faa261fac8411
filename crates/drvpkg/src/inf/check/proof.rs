//! A right INF, broken in one way for each rule: each rule has to bite, and alone.

use super::{Finding, RULES, Rule, check};
use crate::inf::Inf;

/// An INF without fault, of the shape that packages here have.
pub const RIGHT: &str = r#"[Version]
Signature = "$Windows NT$"
Class = SCSIAdapter
ClassGuid = {4D36E97B-E325-11CE-BFC1-08002BE10318}
Provider = %Provider%
CatalogFile = sample.cat
DriverVer = 11/23/2026,1.2.3.4
PnpLockdown = 1
[DestinationDirs]
DefaultDestDir = 13
[SourceDisksNames]
1 = %Disk%
[SourceDisksFiles]
sample.sys = 1
[Manufacturer]
%Provider% = Models, NTamd64.10.0...17763
[Models.NTamd64.10.0...17763]
%Device% = Sample, PCI\VEN_1B36&DEV_0010
[Sample.NT]
CopyFiles = Sample_Files
[Sample_Files]
sample.sys
[Sample.NT.Services]
AddService = sample, 0x2, Sample_Service, Sample_EventLog
[Sample_Service]
ServiceType = 1
StartType = 0
ErrorControl = 1
ServiceBinary = %13%\sample.sys
AddReg = Sample_Parameters
[Sample_Parameters]
HKR, Parameters, BusType, 0x00010001, 0x11
[Sample_EventLog]
AddReg = Sample_Events
[Sample_Events]
HKR,, EventMessageFile, 0x00020000, "%%SystemRoot%%\System32\IoLogMsg.dll"
[Sample.NT.HW]
AddReg = Sample_Interrupts
[Sample_Interrupts]
HKR, "Interrupt Management\MessageSignaledInterruptProperties",, 0x10
HKR, "Interrupt Management\MessageSignaledInterruptProperties", MSISupported, 0x00010001, 1
HKR, "Interrupt Management\MessageSignaledInterruptProperties", MessageNumberLimit, 0x00010001, 256
[Strings]
Provider = "Sample"
Disk = "Sample disk"
Device = "Sample device"
"#;

/// One way to break it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The rule that it breaks.
    pub rule: &'static str,
    /// A text of [`RIGHT`], which stands there once.
    pub from: &'static str,
    /// What replaces it.
    pub to: &'static str,
}

const fn fault(rule: &'static str, from: &'static str, to: &'static str) -> Fault {
    Fault { rule, from, to }
}

/// At least one for each rule.
pub const FAULTS: &[Fault] = &[
    fault("broken-section", "[Strings]\n", "[Other\n[Strings]\n"),
    fault("open-quote", "Disk = \"Sample disk\"", "Disk = \"Sample disk"),
    fault("stray-entry", "[Version]\n", "Class = Net\n[Version]\n"),
    fault("too-long", "Disk = \"Sample disk\"", LONG),
    fault("string-undefined", "Device = \"Sample device\"\n", ""),
    fault("string-undefined", "%%SystemRoot%%", "%SystemRoot%"),
    fault("version-missing", "[Version]\n", "[Strings]\n"),
    fault("signature", "$Windows NT$", "$Windows 95$"),
    fault("signature", "Signature = \"$Windows NT$\"\n", ""),
    fault("class", "Class = SCSIAdapter", "Class = Net"),
    fault("class", "{4D36E97B-", "4D36E97B-"),
    fault(
        "class",
        "ClassGuid = {4D36E97B-E325-11CE-BFC1-08002BE10318}\n",
        "",
    ),
    fault("provider", "Provider = %Provider%\n", ""),
    fault(
        "provider-microsoft",
        "Provider = \"Sample\"",
        "Provider = \"microsoft\"",
    ),
    fault("catalog", "CatalogFile = sample.cat\n", ""),
    fault("catalog", "sample.cat", "sample.txt"),
    fault("driver-version", "DriverVer = 11/23/2026,1.2.3.4\n", ""),
    fault("driver-version", "1.2.3.4", "1.2.3"),
    fault("driver-version", "1.2.3.4", "1.2.3.65536"),
    fault("driver-version", "11/23/2026", "23/11/2026"),
    fault("pnp-lockdown", "PnpLockdown = 1", "PnpLockdown = 0"),
    fault("pnp-lockdown", "PnpLockdown = 1\n", ""),
    fault(
        "dont-reflect-offline",
        "PnpLockdown = 1\n",
        "PnpLockdown = 1\nDontReflectOffline = 1\n",
    ),
    fault(
        "section-missing",
        "CopyFiles = Sample_Files\n",
        "CopyFiles = Sample_Files, sample.sys\n",
    ),
    fault("section-missing", "= Models, NT", "= Models, NTarm64, NT"),
    fault(
        "section-unused",
        "[Strings]\n",
        "[Forgotten]\nHKR,, a,, b\n[Strings]\n",
    ),
    fault(
        "section-shared",
        "AddReg = Sample_Interrupts\n",
        "AddReg = Sample_Interrupts, Shared\n[Sample.NT.Interfaces]\nAddInterface = {2accfe60-c130-11d2-b082-00a0c91efb8b},, Shared\n[Shared]\n",
    ),
    fault(
        "default-install",
        "[Strings]\n",
        "[DefaultInstall.NTamd64]\n[Strings]\n",
    ),
    fault("class-install", "[Strings]\n", "[ClassInstall32]\n[Strings]\n"),
    fault(
        "legacy-section",
        "[Strings]\n",
        "[Sample.NT.CoInstallers]\n[Strings]\n",
    ),
    fault(
        "legacy-section",
        "[Strings]\n",
        "[Sample.NT.LogConfigOverride]\n[Strings]\n",
    ),
    fault(
        "legacy-directive",
        "CopyFiles = Sample_Files\n",
        "CopyFiles = Sample_Files\nDelReg = Old\n[Old]\nHKR,, a\n",
    ),
    fault(
        "legacy-directive",
        "[Sample.NT.Services]\n",
        "[Sample.NT.Services]\nDelService = old\n",
    ),
    fault(
        "product-decoration",
        "NTamd64.10.0...17763\n[Models.NTamd64.10.0...17763]",
        "NTamd64.10.0.1..17763\n[Models.NTamd64.10.0.1..17763]",
    ),
    fault(
        "architecture",
        "= Models, NTamd64.10.0...17763\n[Models.NTamd64.10.0...17763]",
        "= Models, NT.10.0...17763\n[Models.NT.10.0...17763]",
    ),
    fault(
        "no-device",
        "%Device% = Sample, PCI\\VEN_1B36&DEV_0010\n",
        "%Device% = Sample\n",
    ),
    fault("class-match", "PCI\\VEN_1B36&DEV_0010", "PCI\\CC_010802"),
    fault(
        "syntax-too-new",
        "NTamd64.10.0...17763\n[Models.NTamd64.10.0...17763]",
        "NTamd64.10.0...14393\n[Models.NTamd64.10.0...14393]",
    ),
    fault(
        "syntax-too-new",
        "NTamd64.10.0...17763\n[Models.NTamd64.10.0...17763]",
        "NTamd64\n[Models.NTamd64]",
    ),
    fault(
        "needs-extension",
        "[Sample.NT.HW]\n",
        "[Sample.NT.HW]\nInclude = pci.inf\nNeeds = Other.Services\n",
    ),
    fault(
        "needs-include",
        "[Sample.NT.HW]\n",
        "[Sample.NT.HW]\nNeeds = Other.HW\n",
    ),
    fault(
        "source-file",
        "sample.sys\n[Sample.NT.Services]",
        "sample.sys\nother.dll\n[Sample.NT.Services]",
    ),
    fault("source-disk", "sample.sys = 1", "sample.sys = 2"),
    fault("file-moved", "sample.sys = 1", "sample.sys = 1, x64"),
    fault(
        "file-moved",
        "DefaultDestDir = 13",
        "DefaultDestDir = 13, drivers",
    ),
    fault(
        "file-moved",
        "sample.sys\n[Sample.NT.Services]",
        "sample.sys, old.sys\n[SourceDisksFiles.amd64]\nold.sys = 1\n[Sample.NT.Services]",
    ),
    fault(
        "file-twice",
        "sample.sys = 1\n",
        "sample.sys = 1\n[SourceDisksFiles.amd64]\nsample.sys = 1, x64\n",
    ),
    fault("destination", "DefaultDestDir = 13", "Other = 13"),
    fault("destination", "DefaultDestDir = 13", "DefaultDestDir = store"),
    fault("not-in-store", "DefaultDestDir = 13", "DefaultDestDir = 12"),
    fault(
        "service-missing",
        "[Sample.NT.Services]\nAddService = sample, 0x2, Sample_Service, Sample_EventLog\n[Sample_Service]\nServiceType = 1\nStartType = 0\nErrorControl = 1\nServiceBinary = %13%\\sample.sys\nAddReg = Sample_Parameters\n[Sample_Parameters]\nHKR, Parameters, BusType, 0x00010001, 0x11\n[Sample_EventLog]\nAddReg = Sample_Events\n[Sample_Events]\nHKR,, EventMessageFile, 0x00020000, \"%%SystemRoot%%\\System32\\IoLogMsg.dll\"\n",
        "",
    ),
    fault("service-associated", "sample, 0x2,", "sample, 0x0,"),
    fault("service-entry", "ErrorControl = 1\n", ""),
    fault("service-start", "StartType = 0", "StartType = 2"),
    fault("service-binary", "%13%\\sample.sys", "%12%\\sample.sys"),
    fault("service-binary", "%13%\\sample.sys", "%13%\\other.sys"),
    fault(
        "event-log",
        "[Sample_EventLog]\nAddReg = Sample_Events\n[Sample_Events]\n",
        "[Sample_EventLog]\n",
    ),
    fault("service-state", "HKR, Parameters, BusType", "HKR,, BusType"),
    fault(
        "registry-root",
        "[Sample_Interrupts]\n",
        "[Sample_Interrupts]\nHKLM, SOFTWARE\\Sample, a,, b\n",
    ),
    fault(
        "services-key",
        "[Sample_Interrupts]\n",
        "[Sample_Interrupts]\nHKLM, SYSTEM\\CurrentControlSet\\Services\\sample, a,, b\n",
    ),
    fault(
        "co-installer",
        "[Sample_Interrupts]\n",
        "[Sample_Interrupts]\nHKR,, CoInstallers32, 0x00010000, \"sample.dll\"\n",
    ),
    fault(
        "registry-append",
        "[Sample_Interrupts]\n",
        "[Sample_Interrupts]\nHKR,, UpperFilters, 0x00010008, sample\n",
    ),
    fault(
        "registry-append",
        "[Sample_Interrupts]\n",
        "[Sample_Interrupts]\nHKR,, Old, 0x4\n",
    ),
    fault("registry-flags", "BusType, 0x00010001", "BusType, 0x00010041"),
    fault("registry-flags", "BusType, 0x00010001", "BusType, REG_DWORD"),
    fault("registry-number", "0x00010001, 0x11", "0x00010001, NVMe"),
    fault("registry-number", "0x00010001, 0x11", "0x00010001, 0x100000000"),
    fault(
        "registry-conflict",
        "HKR, Parameters, BusType, 0x00010001, 0x11\n",
        "HKR, Parameters, BusType, 0x00010001, 0x11\nHKR, Parameters, BusType, 0x00010001, 6\n",
    ),
    fault("message-limit", "0x00010001, 256", "0x00010001, 2049"),
    fault(
        "message-limit",
        "MSISupported, 0x00010001, 1",
        "MSISupported, 0x00010001, 2",
    ),
];

/// A description of 4,096 characters.
const LONG: &str = {
    const BYTES: [u8; 4096 + 9] = {
        let mut bytes = [b'x'; 4096 + 9];
        let mut at = 0;
        let start = b"Disk = \"";
        while at < start.len() {
            bytes[at] = start[at];
            at += 1;
        }
        bytes[4096 + 8] = b'"';
        bytes
    };
    match core::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

impl Fault {
    /// The broken INF.
    #[must_use]
    pub fn text(&self) -> String {
        RIGHT.replacen(self.from, self.to, 1)
    }

    /// What is found in it.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        Inf::read(self.text().as_bytes()).map_or_else(|_| Vec::new(), |inf| check(&inf))
    }

    /// Whether its rule is reported, and no other.
    #[must_use]
    pub fn is_caught(&self) -> bool {
        let findings = self.findings();
        !findings.is_empty() && findings.iter().all(|finding| finding.rule.id == self.rule)
    }
}

/// The rules of which every fault is caught.
#[must_use]
pub fn caught() -> Vec<&'static Rule> {
    let is_caught = |rule: &&&Rule| {
        let mut faults = FAULTS.iter().filter(|fault| fault.rule == rule.id).peekable();
        faults.peek().is_some() && faults.all(Fault::is_caught)
    };
    RULES.iter().filter(is_caught).copied().collect()
}
