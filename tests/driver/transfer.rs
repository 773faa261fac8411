//! Data written through the driver is what is read back, and what the image holds.

use ferronvme_tests::rig::{Rig, source};
use portlab::workload::transfer::outside;

fn verified(options: &str, length: u64) {
    let rig = Rig::start(options);
    let startup = rig.startup();
    let source = source(length);
    let traffic = rig
        .traffic(&startup, &source, Vec::new())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((traffic.bytes_written, traffic.bytes_verified), (length, length));
    let statistics = rig.lab.statistics();
    assert!(statistics.interrupts > 0, "completions come by interrupt");
    let device = std::sync::Arc::clone(&rig.device);
    rig.finish();
    device.power_off().expect("QEMU quits");
    let image = device.image(1).expect("the image");
    let hash = outside::compare(&source, |buffer, offset| image.read_at(buffer, offset));
    assert_eq!(hash.expect("the image holds the data"), source.sha256());
}

#[test]
fn data_survives_with_blocks_of_512_bytes() {
    verified("size=32M", 32 << 20);
}

#[test]
fn data_survives_with_blocks_of_4096_bytes() {
    verified("size=32M,block=4096", 16 << 20);
}

#[test]
fn a_small_transfer_limit_is_obeyed() {
    // MDTS 1: two pages a command.
    let rig = Rig::start("size=8M,mdts=1");
    assert!(rig.lab.limits().max_transfer <= 8192, "{:?}", rig.lab.limits());
    rig.finish();
    verified("size=8M,mdts=1", 2 << 20);
}

#[test]
fn one_queue_pair_is_enough() {
    verified("size=8M,queues=1", 8 << 20);
}
