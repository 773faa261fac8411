//! What Windows sends when a disk appears: storport.sys looks for units, then the class drivers ask each unit
//! what it is. Every answer is checked against SPC-4 and SBC-3, and a few commands that must be refused are
//! sent too.

mod answers;
mod session;
#[cfg(test)]
mod tests;

use self::{answers::Geometry, session::Session};
use super::{
    cdb,
    disk::Disk,
    progress::Progress,
    status::{INVALID_FIELD, INVALID_OPCODE, LBA_OUT_OF_RANGE},
};
use crate::model::Address;

/// How one check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The answer is right.
    Passed,
    /// The command is optional and was properly refused.
    Absent,
    /// The answer is wrong.
    Failed,
}

/// One command and what its answer was worth.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// The command.
    pub command: String,
    /// The unit it was sent to.
    pub unit: Address,
    /// How it went.
    pub verdict: Verdict,
    /// What was reported, or what is wrong.
    pub detail: String,
}

/// A logical unit as it described itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct UnitReport {
    /// Its address.
    pub unit: Address,
    /// Peripheral device type; 0 is a direct-access block device.
    pub device_type: u8,
    /// INQUIRY: vendor identification.
    pub vendor: String,
    /// INQUIRY: product identification.
    pub product: String,
    /// INQUIRY: product revision level.
    pub revision: String,
    /// VPD page 80h.
    pub serial: Option<String>,
    /// Number of logical blocks.
    pub blocks: u64,
    /// Length of a logical block in bytes.
    pub block_size: u32,
    /// Mode page 08h: write cache enabled.
    pub write_cache: Option<bool>,
}

impl UnitReport {
    /// Capacity in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size.into())
    }
}

/// Everything the start-up commands brought to light.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Startup {
    /// The units that were found.
    pub units: Vec<UnitReport>,
    /// The checks, in the order they were made.
    pub checks: Vec<Check>,
}

impl Startup {
    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .filter(|check| check.verdict == Verdict::Failed)
    }

    /// The block devices that were found.
    pub fn disks(&self) -> impl Iterator<Item = &UnitReport> {
        self.units
            .iter()
            .filter(|unit| unit.device_type == 0 && unit.blocks > 0)
    }
}

/// Sends the start-up commands to every unit of the adapter.
pub fn run<D: Disk>(disk: &D, progress: &dyn Progress) -> Startup {
    progress.begin("start-up commands", 0);
    let mut startup = Startup::default();
    let limits = disk.limits();
    for path in 0..limits.buses {
        for target in 0..limits.targets {
            for unit in find_units(disk, path, target, limits.luns, &mut startup.checks) {
                let report = describe(&mut Session::new(disk, unit, &mut startup.checks));
                startup.units.push(report);
            }
        }
    }
    let first = startup.disks().next().cloned();
    if let Some(first) = first {
        refuse(&mut Session::new(disk, first.unit, &mut startup.checks), &first);
    }
    progress.end();
    startup
}

/// Asks unit 0 of a target for its list of units, as storport.sys does; a target without the command is asked
/// unit by unit.
fn find_units<D: Disk>(disk: &D, path: u8, target: u8, luns: u8, checks: &mut Vec<Check>) -> Vec<Address> {
    let zero = Address { path, target, lun: 0 };
    let mut session = Session::new(disk, zero, checks);
    if !session.answers() {
        return Vec::new();
    }
    let mut listed = None;
    session.optional(
        "REPORT LUNS",
        &cdb::report_luns(16 + 8 * 255),
        16 + 8 * 255,
        |data| {
            let list = answers::luns(data)?;
            let text = format!("{} unit(s): {list:?}", list.len());
            listed = Some(list);
            Ok(text)
        },
    );
    let candidates = listed.unwrap_or_else(|| (0..luns).collect());
    candidates
        .into_iter()
        .map(|lun| Address { path, target, lun })
        .filter(|unit| Session::new(disk, *unit, checks).answers())
        .collect()
}

/// Asks one unit everything that the class drivers ask.
fn describe<D: Disk>(session: &mut Session<'_, D>) -> UnitReport {
    let mut report = UnitReport {
        unit: session.unit(),
        ..UnitReport::default()
    };
    session.mandatory("INQUIRY", &cdb::inquiry(None, 36), 36, |data| {
        answers::standard_inquiry(data, &mut report)
    });
    // Five bytes are what the oldest initiators ask for; the answer must not be longer than asked.
    session.mandatory("INQUIRY of 5 bytes", &cdb::inquiry(None, 5), 5, |data| {
        if data.len() == 5 {
            Ok(String::new())
        } else {
            Err(format!("{} bytes came back", data.len()))
        }
    });
    let mut pages = Vec::new();
    session.mandatory("INQUIRY page 00", &cdb::inquiry(Some(0), 255), 255, |data| {
        pages = answers::supported_pages(data)?;
        Ok(format!("{pages:02x?}"))
    });
    for page in pages.iter().copied().filter(|page| *page != 0) {
        session.mandatory(
            &format!("INQUIRY page {page:02X}"),
            &cdb::inquiry(Some(page), 255),
            255,
            |data| answers::product_data(page, data, &mut report),
        );
    }
    session.mandatory("TEST UNIT READY", &cdb::test_unit_ready(), 0, |_| {
        Ok(String::new())
    });
    if report.device_type == 0 {
        describe_disk(session, &mut report);
    }
    report
}

fn describe_disk<D: Disk>(session: &mut Session<'_, D>, report: &mut UnitReport) {
    let mut ten = Geometry::default();
    session.mandatory("READ CAPACITY(10)", &cdb::read_capacity_10(), 8, |data| {
        ten = answers::capacity_10(data)?;
        Ok(ten.to_string())
    });
    let mut whole = ten;
    session.optional("READ CAPACITY(16)", &cdb::read_capacity_16(32), 32, |data| {
        whole = answers::capacity_16(data)?;
        whole.agrees_with(ten)?;
        Ok(whole.to_string())
    });
    report.blocks = whole.blocks;
    report.block_size = whole.block_size;
    session.optional("MODE SENSE(6) page 08", &cdb::mode_sense_6(8, 192), 192, |data| {
        let page = answers::mode_page(data, 8, answers::ModeHeader::Six)?;
        answers::caching(&page, report)
    });
    session.optional(
        "MODE SENSE(10) page 08",
        &cdb::mode_sense_10(8, 192),
        192,
        |data| {
            let page = answers::mode_page(data, 8, answers::ModeHeader::Ten)?;
            answers::caching(&page, report)
        },
    );
    session.optional(
        "MODE SENSE(6) page 3F",
        &cdb::mode_sense_6(0x3f, 255),
        255,
        |data| answers::mode_page(data, 8, answers::ModeHeader::Six).map(|_| format!("{} bytes", data.len())),
    );
    session.mandatory("START STOP UNIT", &cdb::start_unit(), 0, |_| Ok(String::new()));
    session.mandatory("SYNCHRONIZE CACHE(10)", &cdb::synchronize_cache_10(), 0, |_| {
        Ok(String::new())
    });
}

/// Sends what must be refused, and checks how it is refused.
fn refuse<D: Disk>(session: &mut Session<'_, D>, unit: &UnitReport) {
    let block = unit.block_size as usize;
    let beyond = unit.blocks;
    session.refused(
        "READ(16) beyond the end",
        &cdb::read(cdb::Form::Sixteen, beyond, 1),
        block,
        LBA_OUT_OF_RANGE,
    );
    session.refused(
        "READ(16) across the end",
        &cdb::read(cdb::Form::Sixteen, beyond.saturating_sub(1), 2),
        2 * block,
        LBA_OUT_OF_RANGE,
    );
    session.refused(
        "READ(16) at the largest address",
        &cdb::read(cdb::Form::Sixteen, u64::MAX, 1),
        block,
        LBA_OUT_OF_RANGE,
    );
    // A page code without EVPD; an operation code that is reserved; one that is vendor specific.
    session.refused(
        "INQUIRY with a page but no EVPD",
        &[0x12, 0, 0x80, 0, 36, 0],
        36,
        INVALID_FIELD,
    );
    session.refused(
        "INQUIRY page 7F",
        &cdb::inquiry(Some(0x7f), 255),
        255,
        INVALID_FIELD,
    );
    session.refused(
        "reserved operation code 1F",
        &[0x1f, 0, 0, 0, 0, 0],
        0,
        INVALID_OPCODE,
    );
    session.refused(
        "vendor operation code C0",
        &[0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        0,
        INVALID_OPCODE,
    );
    session.succeeds("TEST UNIT READY after the refusals", &cdb::test_unit_ready());
}
