//! The back-end against the real emulator, without any driver.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use super::*;

fn spec(options: &str) -> QemuSpec {
    format!("qemu:nvme,ram=64M,{options}")
        .parse()
        .expect("a good specification")
}

fn open(options: &str) -> QemuDevice {
    QemuDevice::open(&spec(options)).expect("QEMU starts (package qemu-system-x86)")
}

fn sink() -> (InterruptSink, mpsc::Receiver<u16>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let sink = move |vector| {
        let _ = sender.lock().unwrap_or_else(PoisonError::into_inner).send(vector);
    };
    (Arc::new(sink), receiver)
}

#[test]
fn a_controller_answers_identify_and_interrupts() {
    let device = open("size=8M,serial=BENCH1,queues=4");
    assert_eq!(device.message_count(), 5);
    let mut id = [0; 4];
    device.config_read(0, &mut id);
    assert_eq!(id, [0x36, 0x1b, 0x10, 0x00], "vendor 1b36, device 0010");
    let mut class = [0; 3];
    device.config_read(9, &mut class);
    assert_eq!(class, [0x02, 0x08, 0x01]);
    assert_eq!(device.bars()[0].index, 0);
    assert_ne!(device.read(0, 8, Width::Dword), 0, "version register");

    let (sink, interrupts) = sink();
    device.enable_messages(5, sink).expect("messages");
    let mut firmware = device.firmware();
    firmware.enable().expect("ready");
    let page = firmware.identify(1, 0).expect("Identify Controller");
    assert_eq!(&page[4..10], b"BENCH1");
    assert_eq!(
        interrupts.recv_timeout(Duration::from_secs(5)),
        Ok(0),
        "the admin queue's message"
    );

    firmware.create_io_queue(3).expect("I/O queue");
    firmware.set_data(&[0x5a; 4096]).expect("data");
    firmware.transfer(0x01, 8, 8).expect("write");
    let heard = |vector| {
        let deadline = Instant::now() + Duration::from_secs(5);
        while let Ok(got) = interrupts.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if got == vector {
                return true;
            }
        }
        false
    };
    assert!(heard(3), "the I/O queue's message");
    firmware.set_data(&[0; 4096]).expect("data");
    firmware.transfer(0x02, 8, 8).expect("read");
    assert!(firmware.data().expect("data").iter().all(|byte| *byte == 0x5a));

    device.disable_messages();
    while interrupts.try_recv().is_ok() {}
    firmware.transfer(0x02, 8, 8).expect("read while masked");
    assert!(
        interrupts.recv_timeout(Duration::from_millis(50)).is_err(),
        "masked"
    );

    device.power_off().expect("quits");
    let image = device.image(1).expect("image");
    let mut block = [0; 4096];
    image.read_at(&mut block, 4096).expect("image");
    assert!(
        block.iter().all(|byte| *byte == 0x5a),
        "the raw image holds what was written"
    );
    assert!(!device.alive());
}

#[test]
fn a_message_raised_under_the_mask_arrives_when_unmasked() {
    let device = open("size=8M");
    let mut firmware = device.firmware();
    firmware.enable().expect("ready");
    firmware.identify(1, 0).expect("Identify Controller");
    let (sink, interrupts) = sink();
    device.enable_messages(1, sink).expect("messages");
    assert_eq!(interrupts.recv_timeout(Duration::from_secs(5)), Ok(0));
}

#[test]
fn a_killed_emulator_reads_all_ones() {
    let device = open("size=8M");
    assert!(device.alive());
    assert_eq!(device.gone_reason(), None);
    device.kill();
    assert_eq!(device.read(0, 0x1c, Width::Dword), 0xffff_ffff);
    assert_eq!(device.read(0, 0, Width::Qword), u64::MAX);
    device.write(0, 0x14, Width::Dword, 1);
    let mut id = [0; 3];
    device.config_read(1, &mut id);
    assert_eq!(id, [0xff; 3]);
    assert!(!device.alive());
    assert!(
        device
            .gone_reason()
            .expect("a reason")
            .contains("killed by signal 9")
    );
    let (sink, _interrupts) = sink();
    assert!(device.enable_messages(1, sink).is_err());
}

#[test]
fn an_image_in_use_is_one_clear_line() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("disk.img");
    let options = format!("image={}", path.display());
    let device = open(&options);
    let error = QemuDevice::open(&spec(&options)).expect_err("in use").to_string();
    assert!(
        error.contains("in use by another process") && error.contains("disk.img"),
        "{error}"
    );
    assert!(!error.contains('\n'));
    device.power_off().expect("quits");
    drop(device);
    assert_eq!(
        std::fs::metadata(&path).expect("image").len(),
        64 << 20,
        "made sparse in the default size"
    );
    QemuDevice::open(&spec(&options)).expect("free again");
}

#[test]
fn an_image_too_small_or_ragged_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("disk.img");
    for (length, options, text) in [
        (4096, "", "too small"),
        (
            2 << 20,
            ",size=4M",
            "too small: it has 2097152 bytes and 4194304 are needed",
        ),
        ((2 << 20) + 512, ",block=4096", "not a multiple of 4096"),
    ] {
        std::fs::write(&path, vec![0; length]).expect("image");
        let text_given = format!("image={}{options}", path.display());
        let error = QemuDevice::open(&spec(&text_given)).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    }
    let error =
        QemuDevice::open(&spec(&format!("image={}", directory.path().display()))).expect_err("directory");
    assert!(
        matches!(
            error,
            OpenError::Image(crate::device::image::ImageError::Unusable { .. })
        ),
        "{error}"
    );
}

#[test]
fn namespaces_and_block_sizes_are_as_asked() {
    let device = open("size=4M,namespaces=3,block=4096");
    let mut firmware = device.firmware();
    firmware.enable().expect("ready");
    let list = firmware.identify(2, 0).expect("active namespaces");
    assert_eq!(list[..16], [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    let namespace = firmware.identify(0, 3).expect("Identify Namespace");
    assert_eq!(namespace[..8], 1024_u64.to_le_bytes(), "4 MiB of 4 KiB blocks");
}

#[test]
fn a_namespace_goes_and_comes_through_the_second_controller() {
    let device = open("size=4M,namespaces=2,subsystem=on");
    let mut firmware = device.firmware();
    firmware.enable().expect("ready");
    device.attach_namespace(2, false).expect("detached");
    assert_eq!(
        firmware.identify(2, 0).expect("active namespaces")[..8],
        [1, 0, 0, 0, 0, 0, 0, 0]
    );
    device.attach_namespace(2, true).expect("attached");
    assert_eq!(
        firmware.identify(2, 0).expect("active namespaces")[..8],
        [1, 0, 0, 0, 2, 0, 0, 0]
    );
}

#[test]
fn a_critical_warning_shows_in_the_smart_log() {
    let device = open("size=8M");
    let mut firmware = device.firmware();
    firmware.enable().expect("ready");
    device.raise_smart_event().expect("raised");
    // Get Log Page 02h, 128 dwords.
    firmware
        .admin(0x02, u32::MAX, [127 << 16 | 2, 0])
        .expect("SMART log");
    assert_eq!(firmware.data().expect("data")[0] & 2, 2);
    assert!(matches!(
        device.attach_namespace(1, false),
        Err(FaultError::NoSubsystem)
    ));
}

/// The PVSCSI adapter with one page for each ring and its message ring on, by raw registers.
fn open_scsi(options: &str) -> QemuDevice {
    let spec: QemuSpec = format!("qemu:pvscsi,ram=64M,size=1M,{options}")
        .parse()
        .expect("good");
    let device = QemuDevice::open(&spec).expect("QEMU starts");
    let mut id = [0; 4];
    device.config_read(0, &mut id);
    assert_eq!(id, [0xad, 0x15, 0xc0, 0x07], "vendor 15ad, device 07c0");
    let page = device.dma().device_address >> 12;
    let command = |number: u64, data: &[u64]| {
        device.write(0, 0, Width::Dword, number);
        for value in data {
            device.write(0, 4, Width::Dword, *value);
        }
        device.read(0, 8, Width::Dword)
    };
    // SETUP_RINGS: a page of requests, one of completions, the state page.
    let mut rings = vec![0; 132];
    (rings[0], rings[1], rings[2]) = (1, 1, page);
    (rings[4], rings[68]) = (page + 1, page + 2);
    assert_eq!(command(3, &rings), 0);
    // SETUP_MSG_RING of one page; success is the number of words.
    let mut messages = vec![0; 34];
    (messages[0], messages[2]) = (1, page + 3);
    assert_eq!(command(8, &messages), 34);
    device
}

const INTERRUPT_STATUS: u64 = 0x100c;
const INTERRUPT_MASK: u64 = 0x2010;

#[test]
fn a_line_rises_with_a_cause_and_falls_when_it_is_acknowledged() {
    let device = open_scsi("interrupts=line");
    assert_eq!(device.message_count(), 0, "the line was asked for");
    let (sender, rises) = mpsc::channel();
    let sender = Mutex::new(sender);
    let sink: LineSink = Arc::new(move || {
        let _ = sender.lock().unwrap_or_else(PoisonError::into_inner).send(());
    });
    device.enable_line(sink).expect("line");
    device.write(0, INTERRUPT_MASK, Width::Dword, 0xf);
    assert!(!device.line_asserted());
    // Nobody reads the connection meanwhile: the thread has to.
    device.plug_disk(3, 1 << 20).expect("plugged");
    rises
        .recv_timeout(Duration::from_secs(5))
        .expect("the line rises");
    assert!(device.line_asserted());
    let cause = device.read(0, INTERRUPT_STATUS, Width::Dword);
    assert_eq!(cause, 4, "message ring");
    device.write(0, INTERRUPT_STATUS, Width::Dword, cause);
    assert!(!device.line_asserted(), "after the posted write");

    device.unplug_disk(3).expect("unplugged");
    rises
        .recv_timeout(Duration::from_secs(5))
        .expect("it rises again");
    device.disable_line();
    assert!(!device.line_asserted(), "the function does not drive it any more");
}

#[test]
fn one_message_is_rung_by_msi() {
    let device = open_scsi("");
    assert_eq!(device.message_count(), 1);
    let (sink, interrupts) = sink();
    device.enable_messages(1, sink).expect("messages");
    device.write(0, INTERRUPT_MASK, Width::Dword, 0xf);
    device.plug_disk(3, 1 << 20).expect("plugged");
    assert_eq!(interrupts.recv_timeout(Duration::from_secs(5)), Ok(0));
    device.disable_messages();
    device.unplug_disk(3).expect("unplugged");
    assert!(interrupts.recv_timeout(Duration::from_millis(50)).is_err(), "off");
}
