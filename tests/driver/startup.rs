//! What Windows sends when the disk appears.

use ferronvme_tests::rig::Rig;
use portlab::workload::status::{INVALID_OPCODE, Sense};

/// `SRB_STATUS_INVALID_REQUEST` and `SRB_STATUS_ERROR`.
const INVALID_REQUEST: u8 = 0x06;
const ERROR: u8 = 0x04;

#[test]
fn every_start_up_command_is_answered_rightly() {
    let rig = Rig::start("size=16M,serial=FIRSTLIGHT");
    let startup = rig.startup();
    assert_eq!(startup.units.len(), 1);
    let unit = &startup.units[0];
    assert_eq!((unit.blocks, unit.block_size), (32 << 10, 512));
    assert!(unit.serial.is_some(), "VPD page 80h");
    assert!(unit.write_cache.is_some(), "caching mode page");
    assert!(unit.product.starts_with("QEMU"), "{}", unit.product);
    let limits = rig.lab.limits();
    assert_eq!(limits.bus_type, 0x11, "BusTypeNvme from the INF");
    assert!(limits.messages >= 1, "message-signalled interrupts");
    rig.finish();
}

#[test]
fn blocks_of_4096_bytes_are_reported() {
    let rig = Rig::start("size=16M,block=4096");
    let startup = rig.startup();
    assert_eq!(
        (startup.units[0].blocks, startup.units[0].block_size),
        (4096, 4096)
    );
    rig.finish();
}

#[test]
fn every_namespace_is_a_unit() {
    let rig = Rig::start("size=8M,namespaces=3");
    let startup = rig.startup();
    assert_eq!(startup.disks().count(), 3, "{:#?}", startup.units);
    rig.finish();
}

#[test]
fn commands_that_a_disk_lacks_are_refused() {
    let rig = Rig::start("size=8M");
    // EXTENDED COPY, FORMAT UNIT, READ LONG, RESERVE, a reserved code, vendor codes.
    for (opcode, length) in [
        (0x83, 16),
        (0x04, 6),
        (0x3e, 10),
        (0x16, 6),
        (0x7e, 16),
        (0xc1, 10),
        (0xff, 10),
    ] {
        let mut cdb = vec![0; length];
        cdb[0] = opcode;
        let outcome = rig.command(cdb);
        let sense = Sense::parse(&outcome.sense);
        let refused = outcome.srb_status == INVALID_REQUEST
            || (outcome.srb_status == ERROR && outcome.scsi_status == 2 && sense == Some(INVALID_OPCODE));
        assert!(refused, "operation code {opcode:#04x}: {outcome}");
    }
    rig.finish();
}
