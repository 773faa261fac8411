//! Traffic against a disk in memory: a right one passes, each wrong one is found out.

use std::{
    io::{Error, ErrorKind},
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::model::Address;
use crate::workload::{
    disk::Disk as _,
    memory_disk::{Defect, MemoryDisk},
    progress::Silent,
    startup::UnitReport,
};

const BLOCK: u32 = 512;
const LENGTH: u64 = 8 << 20;

fn unit() -> UnitReport {
    UnitReport {
        unit: Address::default(),
        blocks: LENGTH / u64::from(BLOCK),
        block_size: BLOCK,
        ..UnitReport::default()
    }
}

fn source(length: u64) -> Source {
    let file = tempfile::NamedTempFile::new().expect("file");
    let mut random = fastrand::Rng::with_seed(7);
    let data: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 << 20).collect();
    std::fs::write(file.path(), data).expect("data");
    Source::take(file.path(), length).expect("source")
}

fn traffic(
    defect: Defect,
    incidents: Vec<(Phase, u32, Incident<'_>)>,
) -> (Result<Traffic, TrafficError>, MemoryDisk) {
    let disk = MemoryDisk::new(16 << 10, BLOCK, defect);
    let options = Options {
        incidents,
        ..Options::quiet(3)
    };
    (run(&disk, &unit(), &source(LENGTH), &options, &Silent), disk)
}

#[test]
fn data_survives_resets_in_both_phases() {
    let calls = AtomicU32::new(0);
    let call = || {
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let incidents = vec![
        (Phase::Write, 300, Incident::ResetBus),
        (Phase::Write, 600, Incident::Call(&call)),
        (Phase::Read, 500, Incident::ResetBus),
    ];
    let (result, disk) = traffic(Defect::None, incidents);
    let traffic = result.expect("verified");
    assert_eq!((traffic.bytes_written, traffic.bytes_verified), (LENGTH, LENGTH));
    assert!(traffic.resets >= 2);
    assert_eq!(calls.into_inner(), 1);
    assert!(
        traffic.in_flight_at_reset > 0 && traffic.retries >= traffic.in_flight_at_reset,
        "{traffic:?}"
    );
    let image = disk.image();
    let read = |buffer: &mut [u8], offset: u64| {
        let start = usize::try_from(offset).map_err(Error::other)?;
        let piece = image
            .get(start..start + buffer.len())
            .ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(piece);
        Ok(())
    };
    let source = source(LENGTH);
    assert_eq!(outside::compare(&source, read).expect("equal"), source.sha256());
    let broken = |buffer: &mut [u8], offset: u64| {
        read(buffer, offset)?;
        if let Some(byte) = 5_000_000_u64
            .checked_sub(offset)
            .and_then(|at| buffer.get_mut(usize::try_from(at).ok()?))
        {
            *byte ^= 1;
        }
        Ok(())
    };
    assert!(matches!(
        outside::compare(&source, broken),
        Err(outside::ImageMismatch::Byte {
            offset: 5_000_000,
            ..
        })
    ));
}

#[test]
fn each_defect_is_found_out() {
    type Found = fn(&TrafficError) -> bool;
    let cases: [(Defect, Found); 6] = [
        (Defect::Misdirects, |error| {
            matches!(error, TrafficError::Mismatch { .. })
        }),
        (Defect::Loses, |error| {
            matches!(error, TrafficError::Mismatch { .. })
        }),
        (Defect::FallsShort, |error| {
            matches!(error, TrafficError::Mismatch { .. })
        }),
        (Defect::Miscounts, |error| {
            matches!(error, TrafficError::Short { .. })
        }),
        (Defect::LeavesBehind, |error| {
            matches!(error, TrafficError::LeftBehind(_))
        }),
        (Defect::MediumError, |error| {
            matches!(error, TrafficError::Failed { .. })
        }),
    ];
    for (defect, found) in cases {
        let (result, _) = traffic(defect, vec![(Phase::Write, 100, Incident::ResetBus)]);
        let error = result.expect_err("a defect");
        assert!(found(&error), "{defect:?}: {error}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn data_larger_than_the_disk_is_refused() {
    let disk = MemoryDisk::new(64, BLOCK, Defect::None);
    let small = UnitReport { blocks: 64, ..unit() };
    let result = run(&disk, &small, &source(1 << 20), &Options::quiet(0), &Silent);
    assert!(matches!(
        result,
        Err(TrafficError::TooSmall {
            capacity: 32768,
            needed: 0x10_0000
        })
    ));
    assert_eq!(disk.limits().luns, 2);
}
