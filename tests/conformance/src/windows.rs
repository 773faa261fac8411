//! What Windows asks: the disk class driver's start-up commands, and storage property queries, as `portlab run` replays them.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::{
    child,
    report::Row,
    served::{Bench, ServedError},
};

const PATIENCE: Duration = Duration::from_mins(2);
/// `BusTypeNvme` (`STORAGE_BUS_TYPE`).
const NVME: u64 = 17;

/// What the device was asked to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    pub(crate) block: u32,
    /// Blocks can be unmapped.
    pub(crate) thin: bool,
    /// The namespace says that it is thinly provisioned (NSFEAT.THINP); QEMU's do not.
    pub(crate) says_so: bool,
}

/// Starts the driver, and asks.
pub(crate) fn ask(bench: &Bench) -> Result<Value, ServedError> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("run.json");
    let mut command = child::command(&bench.portlab);
    command
        .arg("run")
        .arg(&bench.driver)
        .args(["--device", &bench.device, "--traffic", "0", "--json"])
        .arg(&report);
    let finished = child::run(&mut command, PATIENCE)?;
    let text = fs::read_to_string(&report).map_err(|_| ServedError::Lab {
        front_end: "run",
        words: child::last_line(&finished.output).to_owned(),
    })?;
    Ok(serde_json::from_str(&text)?)
}

/// Each start-up command's check.
pub(crate) fn startup(report: &Value, row: &mut Row) {
    for check in report["startup"]["checks"].as_array().into_iter().flatten() {
        let test = format!("{} to {}", word(&check["command"]), address(&check["unit"]));
        match word(&check["verdict"]) {
            "passed" => row.pass(),
            "absent" => row.skip(test, word(&check["detail"])),
            _ => row.fail(test, word(&check["detail"])),
        }
    }
    // A command that was not sent was not judged.
    let sent: Vec<&str> = report["startup"]["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|check| word(&check["command"]))
        .collect();
    for needed in [
        "REPORT LUNS",
        "INQUIRY",
        "INQUIRY page 00",
        "INQUIRY page 80",
        "INQUIRY page 83",
        "INQUIRY page B0",
        "INQUIRY page B1",
        "INQUIRY page B2",
        "TEST UNIT READY",
        "READ CAPACITY(10)",
        "READ CAPACITY(16)",
        "MODE SENSE(6) page 08",
        "MODE SENSE(10) page 08",
        "START STOP UNIT",
        "SYNCHRONIZE CACHE(10)",
    ] {
        if !sent.contains(&needed) {
            row.fail(needed, "it was not sent: what comes before it went wrong");
        }
    }
}

/// Each property against what the device was asked to be.
#[expect(clippy::too_many_lines, reason = "one table, a property a row")]
pub(crate) fn properties(report: &Value, nature: Nature, row: &mut Row) {
    let properties = &report["properties"];
    let device = &properties["devices"][0];
    let number = |value: &Value| value.as_u64();
    let adapter = &properties["adapter"];
    let block = Some(u64::from(nature.block));
    let physical = number(&device["alignment"]["physical_sector"]);
    for (property, good, told) in [
        (
            "StorageAdapterProperty: BusType is NVMe",
            number(&adapter["bus_type"]) == Some(NVME),
            &adapter["bus_type"],
        ),
        (
            "StorageAdapterProperty: MaximumTransferLength is whole pages",
            number(&adapter["maximum_transfer_length"])
                .is_some_and(|length| length >= 4096 && length % 4096 == 0),
            &adapter["maximum_transfer_length"],
        ),
        (
            "StorageDeviceProperty: BusType is NVMe",
            number(&device["bus_type"]) == Some(NVME),
            &device["bus_type"],
        ),
        (
            "StorageDeviceProperty: a disk",
            device["device_type"] == 0,
            &device["device_type"],
        ),
        (
            "StorageDeviceProperty: not removable",
            device["removable_media"] == false,
            &device["removable_media"],
        ),
        (
            "StorageDeviceProperty: CommandQueueing",
            device["command_queueing"] == true,
            &device["command_queueing"],
        ),
        (
            "StorageDeviceProperty: vendor id",
            !word(&device["vendor"]).is_empty(),
            &device["vendor"],
        ),
        (
            "StorageDeviceProperty: product id",
            !word(&device["product"]).is_empty(),
            &device["product"],
        ),
        (
            "StorageDeviceProperty: product revision",
            !word(&device["revision"]).is_empty(),
            &device["revision"],
        ),
        (
            "StorageDeviceProperty: serial number",
            !word(&device["serial"]).is_empty(),
            &device["serial"],
        ),
        (
            "StorageDeviceWriteCacheProperty: the cache can be flushed",
            device["write_cache"]["flush"] == true,
            &device["write_cache"],
        ),
        (
            "StorageDeviceWriteCacheProperty: writes may go through the cache",
            device["write_cache"]["write_through"] == true,
            &device["write_cache"],
        ),
        (
            "StorageDeviceSeekPenaltyProperty: none",
            device["seek_penalty"] == false,
            &device["seek_penalty"],
        ),
        (
            "StorageDeviceTrimProperty",
            device["trim"] == nature.thin,
            &device["trim"],
        ),
        (
            "StorageAccessAlignmentProperty: logical sector",
            number(&device["alignment"]["logical_sector"]) == block,
            &device["alignment"],
        ),
        (
            "StorageAccessAlignmentProperty: physical sector",
            physical >= block,
            &device["alignment"],
        ),
        (
            "StorageAccessAlignmentProperty: sector offset",
            device["alignment"]["sector_offset"] == 0,
            &device["alignment"],
        ),
        (
            "StorageDeviceLBProvisioningProperty: thin",
            device["provisioning"]["thin"].as_bool().unwrap_or(false) == (nature.thin && nature.says_so),
            &device["provisioning"],
        ),
    ] {
        let result = if good {
            Ok(())
        } else {
            Err(format!("it says {told}"))
        };
        row.judge(property, result);
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn address(unit: &Value) -> String {
    format!("{}:{}:{}", unit["path"], unit["target"], unit["lun"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_report_is_red() {
        let mut row = Row::new("startup", "none");
        startup(&Value::Null, &mut row);
        assert!(row.failed > 10);
        let mut row = Row::new("properties", "none");
        let nature = Nature {
            block: 512,
            thin: true,
            says_so: true,
        };
        properties(&Value::Null, nature, &mut row);
        assert_eq!(row.ran_passed, 0);
    }
}
