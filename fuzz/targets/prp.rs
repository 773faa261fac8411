//! PRPs: what is built names exactly the bytes of the segments, and the short ways agree with the long one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nvme_core::prp::{Segment, build, build_pages, build_short, list_entries_for};

const PAGE: u64 = 4096;
/// Where the list's pages lie: not neighbours.
const LIST_PAGES: [u64; 4] = [1 << 40, 3 << 40, 2 << 40, 5 << 40];

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter().copied();
    let mut byte = || bytes.next().unwrap_or(0);
    let list_offset = u64::from(byte()) * 16;
    let count = byte() % 24;
    let mut segments = Vec::new();
    for _ in 0..count {
        // Mostly whole pages, since most others are refused at once.
        let shape = byte();
        let page = u64::from(byte()) | u64::from(byte()) << 8;
        let offset = if shape & 1 == 0 { 0 } else { u64::from(byte()) * 4 };
        let length = match shape & 6 {
            0 => PAGE - offset,
            2 => PAGE * (1 + u64::from(shape >> 4)) - offset,
            _ => u64::from(byte()) | u64::from(byte()) << 8,
        };
        let high = if shape == 0xFF { u64::MAX << 28 } else { 0 };
        segments.push(Segment {
            address: high | (page * PAGE + offset),
            length: u32::try_from(length).unwrap_or(0),
        });
    }
    let sum: u64 = segments.iter().map(|segment| u64::from(segment.length)).sum();
    let Ok(total) = u32::try_from(sum) else { return };
    let address = |index: usize| {
        let at = list_offset + index as u64 * 8;
        Some(LIST_PAGES.get(usize::try_from(at / PAGE).ok()?)? + at % PAGE)
    };
    let mut list = vec![0; list_entries_for(total).min(1600)];
    let long = build(segments.iter().copied(), total, &mut list, address);
    if let [only] = segments[..]
        && let Some(data) = build_short(only, total)
    {
        assert_eq!(long.map(|prps| prps.data), Ok(data));
    }
    let mut other = vec![0; list.len()];
    if let Some(prps) = build_pages(segments.iter().copied(), total, &mut other, || address(0)) {
        let top = segments.iter().any(|segment| segment.address > u64::MAX - 2 * PAGE);
        assert!(top || Ok(prps) == long, "{prps:?} {long:?}");
        if !top {
            assert_eq!(other[..prps.list_entries], list[..prps.list_entries]);
        }
    }
    let Ok(prps) = long else { return };
    // What follows counts in whole pages, of which the last one's end is no address.
    if segments.iter().any(|segment| segment.address > u64::MAX - (1 << 33)) {
        return;
    }
    // Follows the PRPs as a controller does.
    let mut expected = segments.iter().flat_map(|segment| {
        let end = segment.address + u64::from(segment.length);
        let first = segment.address / PAGE;
        let last = (end - 1) / PAGE;
        (first..=last).map(move |page| (page * PAGE).max(segment.address)..((page + 1) * PAGE).min(end))
    });
    let mut current = expected.next().expect("it has bytes");
    let mut take = |from: u64, length: u64| {
        let mut at = from;
        let end = from + length;
        while at < end {
            if current.is_empty() {
                current = expected.next().expect("no more bytes than there are");
            }
            assert_eq!(current.start, at, "another byte");
            let step = (end - at).min(current.end - current.start);
            at += step;
            current.start += step;
        }
    };
    let mut left = u64::from(total);
    let first = (PAGE - prps.data.prp1 % PAGE).min(left);
    take(prps.data.prp1, first);
    left -= first;
    if left == 0 {
        assert_eq!(prps.data.prp2, 0);
    } else if left <= PAGE {
        take(prps.data.prp2, left);
    } else {
        let mut index = 0;
        while left != 0 {
            let at = address(index).expect("within the list");
            assert!(index < prps.list_entries, "behind the list");
            let entry = list[index];
            index += 1;
            if at % PAGE == PAGE - 8 && left > PAGE {
                assert_eq!(Some(entry), address(index), "the next page of the list");
                continue;
            }
            let length = left.min(PAGE);
            take(entry, length);
            left -= length;
        }
    }
});
