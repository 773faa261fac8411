//! Storage property queries (`IOCTL_STORAGE_QUERY_PROPERTY`), built from what the driver reported: the port configuration,
//! INQUIRY, VPD pages, mode pages.
//!
//! Sources: Microsoft Learn, `STORAGE_PROPERTY_ID`, `STORAGE_DEVICE_DESCRIPTOR`, `STORAGE_WRITE_CACHE_PROPERTY`,
//! `DEVICE_SEEK_PENALTY_DESCRIPTOR`, `DEVICE_TRIM_DESCRIPTOR`, `STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR`,
//! `DEVICE_LB_PROVISIONING_DESCRIPTOR`; SBC-3 6.5 (VPD pages B0h, B1h, B2h), 5.16 (READ CAPACITY(16)), SPC-4 and SBC-3 6.4.5
//! (mode page 08h). Which field the class driver takes from where is inferred from those descriptions.

use std::time::Duration;

use serde::Serialize;

use super::{
    cdb,
    disk::{Buffer as _, Command, Disk},
    startup::UnitReport,
};
use crate::model::{AdapterDescriptor, Address, Direction};

/// Time-out of a query's command.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Rotation rate of what does not rotate (SBC-3, block device characteristics VPD page).
const NON_ROTATING: u16 = 1;

/// What the queries answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Properties {
    /// `StorageAdapterProperty`.
    pub adapter: AdapterDescriptor,
    /// Of each unit.
    pub devices: Vec<DeviceProperties>,
}

/// What the queries answer for a unit; `None` where the device does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeviceProperties {
    /// The unit.
    pub unit: Address,
    /// `StorageDeviceProperty`: peripheral device type.
    pub device_type: u8,
    /// `StorageDeviceProperty`: `RemovableMedia`.
    pub removable_media: bool,
    /// `StorageDeviceProperty`: `CommandQueueing`.
    pub command_queueing: bool,
    /// `StorageDeviceProperty`: vendor id.
    pub vendor: String,
    /// `StorageDeviceProperty`: product id.
    pub product: String,
    /// `StorageDeviceProperty`: product revision.
    pub revision: String,
    /// `StorageDeviceProperty`: serial number.
    pub serial: Option<String>,
    /// `StorageDeviceProperty`: `BusType`, the adapter's.
    pub bus_type: u32,
    /// `StorageDeviceWriteCacheProperty`.
    pub write_cache: Option<WriteCache>,
    /// `StorageDeviceSeekPenaltyProperty`: `IncursSeekPenalty`.
    pub seek_penalty: Option<bool>,
    /// `StorageDeviceTrimProperty`: `TrimEnabled`.
    pub trim: bool,
    /// `StorageAccessAlignmentProperty`.
    pub alignment: Option<Alignment>,
    /// `StorageDeviceLBProvisioningProperty`.
    pub provisioning: Option<Provisioning>,
}

/// `STORAGE_WRITE_CACHE_PROPERTY`, as far as mode page 08h tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct WriteCache {
    /// WCE.
    pub enabled: bool,
    /// WCE may be changed.
    pub changeable: bool,
    /// Writes may go through the cache (DPOFUA).
    pub write_through: bool,
    /// The cache can be flushed: SYNCHRONIZE CACHE succeeds.
    pub flush: bool,
}

/// `STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Alignment {
    /// Bytes.
    pub logical_sector: u32,
    /// Bytes.
    pub physical_sector: u32,
    /// Bytes from the start of a physical sector to the first logical one.
    pub sector_offset: u32,
}

/// `DEVICE_LB_PROVISIONING_DESCRIPTOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Provisioning {
    /// `ThinProvisioningEnabled`.
    pub thin: bool,
    /// `ThinProvisioningReadZeros`.
    pub reads_zeros: bool,
    /// `AnchorSupported`.
    pub anchor: bool,
    /// `OptimalUnmapGranularity`, in bytes; 0 if it is not told.
    pub granularity: u64,
}

struct Session<'a, D> {
    disk: &'a D,
    unit: Address,
}

impl<D: Disk> Session<'_, D> {
    fn ask(&self, cdb: Vec<u8>, length: usize) -> Option<Vec<u8>> {
        let buffer = self.disk.buffer(length.max(1)).ok()?;
        let outcome = self.disk.execute(Command {
            processor: 0,
            unit: self.unit,
            cdb,
            direction: Direction::In,
            buffer: Some(buffer.clone()),
            timeout: TIMEOUT,
        });
        if !outcome.is_success() {
            return None;
        }
        let mut data = vec![0; (outcome.transferred as usize).min(length)];
        buffer.read(0, &mut data);
        Some(data)
    }

    /// A VPD page, if the unit lists it.
    fn page(&self, page: u8) -> Option<Vec<u8>> {
        let listed = self.ask(cdb::inquiry(Some(0), 255), 255)?;
        listed
            .get(4..)?
            .contains(&page)
            .then(|| self.ask(cdb::inquiry(Some(page), 255), 255))?
    }

    fn flushes(&self) -> bool {
        let outcome = self.disk.execute(Command {
            processor: 0,
            unit: self.unit,
            cdb: cdb::synchronize_cache_10(),
            direction: Direction::None,
            buffer: None,
            timeout: TIMEOUT,
        });
        outcome.is_success()
    }

    fn write_cache(&self) -> Option<WriteCache> {
        const CACHING: u8 = 8;
        const CHANGEABLE: u8 = 1 << 6;
        const WCE: u8 = 1 << 2;
        const DPOFUA: u8 = 1 << 4;
        // The header is 4 bytes long, block descriptors follow it.
        let page = |code| {
            let data = self.ask(cdb::mode_sense_6(code, 192), 192)?;
            let start = 4 + usize::from(*data.get(3)?);
            let found = data.get(start)? & 0x3f == CACHING;
            found.then_some((*data.get(2)?, *data.get(start + 2)?))
        };
        let (device, caching) = page(CACHING)?;
        Some(WriteCache {
            enabled: caching & WCE != 0,
            changeable: page(CACHING | CHANGEABLE).is_some_and(|(_, mask)| mask & WCE != 0),
            write_through: device & DPOFUA != 0,
            flush: self.flushes(),
        })
    }
}

fn big_endian(data: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = data.get(at..at + length)?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

impl Properties {
    /// Asks all units.
    #[must_use]
    pub fn of<D: Disk>(disk: &D, adapter: AdapterDescriptor, units: &[UnitReport]) -> Self {
        let devices = units
            .iter()
            .map(|unit| DeviceProperties::of(disk, &adapter, unit));
        Self {
            devices: devices.collect(),
            adapter,
        }
    }
}

impl DeviceProperties {
    fn of<D: Disk>(disk: &D, adapter: &AdapterDescriptor, unit: &UnitReport) -> Self {
        let session = Session {
            disk,
            unit: unit.unit,
        };
        let inquiry = session.ask(cdb::inquiry(None, 36), 36).unwrap_or_default();
        let byte = |at: usize| inquiry.get(at).copied().unwrap_or(0);
        let limits = session.page(0xB0);
        let provisioning = session.page(0xB2);
        let characteristics = session.page(0xB1);
        let capacity = session.ask(cdb::read_capacity_16(32), 32);
        let block = unit.block_size;
        let unmap = provisioning
            .as_ref()
            .and_then(|page| page.get(5))
            .copied()
            .unwrap_or(0);
        let managed = capacity
            .as_ref()
            .and_then(|data| data.get(14))
            .copied()
            .unwrap_or(0);
        let of_page = |at| limits.as_ref().and_then(|page| big_endian(page, at, 4));
        Self {
            unit: unit.unit,
            device_type: unit.device_type,
            removable_media: byte(1) & 0x80 != 0,
            command_queueing: byte(7) & 2 != 0,
            vendor: unit.vendor.clone(),
            product: unit.product.clone(),
            revision: unit.revision.clone(),
            serial: unit.serial.clone(),
            bus_type: adapter.bus_type,
            write_cache: session.write_cache(),
            seek_penalty: characteristics
                .and_then(|page| big_endian(&page, 4, 2))
                .map(|rate| rate != u64::from(NON_ROTATING)),
            // LBPU: the unit takes UNMAP; and it says for how much.
            trim: unmap & 0x80 != 0 && of_page(20).is_some_and(|count| count > 0),
            alignment: capacity.as_ref().filter(|_| block > 0).and_then(|data| {
                let exponent = u32::from(data.get(13)? & 0xf);
                let physical = block.checked_shl(exponent)?;
                let lowest = u32::try_from(big_endian(data, 14, 2)? & 0x3fff).ok()?;
                Some(Alignment {
                    logical_sector: block,
                    physical_sector: physical,
                    sector_offset: lowest.saturating_mul(block) % physical.max(1),
                })
            }),
            provisioning: provisioning.as_ref().map(|page| Provisioning {
                // LBPME; provisioning type 2 is thin.
                thin: managed & 0x80 != 0 && page.get(6).is_some_and(|kind| kind & 7 == 2),
                reads_zeros: managed & 0x40 != 0,
                anchor: page.get(5).is_some_and(|byte| byte & 2 != 0),
                granularity: of_page(28).unwrap_or(0) * u64::from(block),
            }),
        }
    }
}
