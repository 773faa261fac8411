//! PRP lists against a walker that follows them as a controller does (Base 2.0, section 4.1.1).

use std::collections::HashMap;

use nvme_core::prp::{
    PrpError, Prps, Segment, build, build_pages, build_short, clip, list_entries_for, shorten,
};
use proptest::prelude::*;

const PAGE: u64 = 4096;
const PAGE_32: u32 = 4096;

/// Follows PRP1, PRP2 and the list in `memory` (bus address of a qword to its value) and returns the runs of bytes.
fn walk(prps: &Prps, total: u32, memory: &HashMap<u64, u64>) -> Vec<(u64, u64)> {
    let mut left = u64::from(total);
    let mut runs = Vec::new();
    let mut take = |address: u64, left: &mut u64| {
        let length = (PAGE - address % PAGE).min(*left);
        runs.push((address, length));
        *left -= length;
    };
    take(prps.data.prp1, &mut left);
    if left == 0 {
        assert_eq!(prps.data.prp2, 0, "PRP2 is reserved where PRP1 is enough");
    } else if left <= PAGE {
        assert_eq!(prps.data.prp2 % PAGE, 0, "PRP2 as a page has no offset");
        take(prps.data.prp2, &mut left);
    } else {
        let mut at = prps.data.prp2;
        assert_eq!(at % 8, 0, "a list is qword aligned");
        while left != 0 {
            let entry = *memory.get(&at).expect("the controller reads past the list");
            if at % PAGE == PAGE - 8 && left > PAGE {
                assert_eq!(entry % PAGE, 0, "the next page of the list is page aligned");
                at = entry;
                continue;
            }
            assert_eq!(entry % PAGE, 0, "a list entry has no offset");
            take(entry, &mut left);
            at += 8;
        }
    }
    runs
}

/// The bytes as maximal runs.
fn merged(runs: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut result: Vec<(u64, u64)> = Vec::new();
    for (address, length) in runs {
        match result.last_mut() {
            Some(last) if last.0 + last.1 == address => last.1 += length,
            _ => result.push((address, length)),
        }
    }
    result
}

/// List memory of which each page lies at an address of its own.
struct ListMemory {
    offset: u64,
    pages: Vec<u64>,
}

impl ListMemory {
    fn address(&self, index: usize) -> Option<u64> {
        let at = self.offset + index as u64 * 8;
        Some(self.pages.get((at / PAGE) as usize)? + at % PAGE)
    }

    fn contents(&self, list: &[u64]) -> HashMap<u64, u64> {
        list.iter()
            .enumerate()
            .filter_map(|(index, &value)| Some((self.address(index)?, value)))
            .collect()
    }
}

/// Segments that PRPs can describe: the first from any dword, all but the last up to the end of a page.
fn describable() -> impl Strategy<Value = Vec<Segment>> {
    let middle = proptest::collection::vec((1..1_u64 << 30, 1..40_u64), 0..60);
    (1..1_u64 << 30, 0..1024_u64, 1..40_u64, middle, 0..PAGE_32).prop_map(
        |(page, dword, pages, middle, cut)| {
            let offset = dword * 4;
            let mut segments = vec![Segment {
                address: page * PAGE + offset,
                length: u32::try_from(pages * PAGE - offset).unwrap(),
            }];
            segments.extend(middle.iter().map(|&(page, pages)| Segment {
                address: page * PAGE,
                length: u32::try_from(pages * PAGE).unwrap(),
            }));
            let last = segments.last_mut().unwrap();
            last.length -= cut.min(last.length - 1);
            segments
        },
    )
}

/// Cuts segments at arbitrary places: pieces that follow each other in a page stay describable.
fn split(segments: &[Segment], cuts: &[u32]) -> Vec<Segment> {
    let mut result = Vec::new();
    let mut cuts = cuts.iter().cycle();
    for segment in segments {
        let mut rest = *segment;
        for _ in 0..3 {
            let Some(cut) = cuts.next() else { break };
            let length = cut % rest.length;
            if length != 0 {
                result.push(Segment {
                    address: rest.address,
                    length,
                });
                rest = Segment {
                    address: rest.address + u64::from(length),
                    length: rest.length - length,
                };
            }
        }
        result.push(rest);
    }
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Cut down, the controller recovers exactly the first bytes, and never takes a chain pointer for a page.
    #[test]
    fn shortened_prps_name_the_first_bytes(
        segments in describable(), qword in 0..512_u64, share in 0.0..=1.0_f64,
        from_the_end in proptest::option::of(0..8_u64), whole_pages in any::<bool>(),
        pages in Just((1..=12_u64).map(|n| (1 << 40) + n * 3 * PAGE).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let total: u32 = segments.iter().map(|segment| segment.length).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let mut bytes = ((f64::from(total) * share) as u32).clamp(1, total);
        // Most often the last entry is to fall near the end of a page of the list, where the chain pointer is.
        let mut offset = qword * 8;
        if let Some(from_the_end) = from_the_end {
            let first = segments[0].address % PAGE;
            let needed = (first + u64::from(bytes)).div_ceil(PAGE) - 1;
            offset = PAGE - ((needed + from_the_end) * 8).clamp(8, PAGE);
        }
        if whole_pages {
            bytes = bytes.next_multiple_of(PAGE_32).min(total);
        }
        let memory = ListMemory { offset, pages };
        let mut list = vec![0xDEAD_DEAD_DEAD_DEAD; list_entries_for(total)];
        let mut prps = build(segments.iter().copied(), total, &mut list, |index| memory.address(index)).unwrap();
        let entries = prps.list_entries;
        prps.data = shorten(prps, &mut list, bytes).unwrap();
        let contents = memory.contents(&list[..entries]);
        let recovered = merged(walk(&prps, bytes, &contents));
        let expected = merged(clip(segments.iter().copied(), bytes).map(|segment| (segment.address, u64::from(segment.length))));
        prop_assert_eq!(recovered, expected);
    }

    /// The controller recovers exactly the bytes of the scatter/gather list, wherever the list lies.
    #[test]
    fn a_controller_recovers_the_bytes(
        segments in describable(), cuts in proptest::collection::vec(any::<u32>(), 0..8),
        qword in 0..512_u64, pages in Just((1..=12_u64).map(|n| (1 << 40) + n * 3 * PAGE).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let segments = split(&segments, &cuts);
        let total: u32 = segments.iter().map(|segment| segment.length).sum();
        let memory = ListMemory { offset: qword * 8, pages };
        let mut list = vec![0xDEAD_DEAD_DEAD_DEAD; list_entries_for(total)];
        let prps = build(segments.iter().copied(), total, &mut list, |index| memory.address(index)).unwrap();
        let contents = memory.contents(&list[..prps.list_entries]);
        let recovered = merged(walk(&prps, total, &contents));
        let expected = merged(segments.iter().map(|segment| (segment.address, u64::from(segment.length))));
        prop_assert_eq!(recovered, expected);
    }

    /// Any segments at all: either refused, or the controller recovers exactly those bytes.
    #[test]
    fn what_is_not_refused_is_right(
        raw in proptest::collection::vec((0..16_u64, prop_oneof![Just(0_u64), 0..PAGE], prop_oneof![Just(PAGE_32), Just(2 * PAGE_32), 0..9000_u32]), 0..6),
        shrink in 0..2_u32, room in 0..16_usize,
    ) {
        let segments: Vec<_> = raw.iter().map(|&(page, offset, length)| Segment { address: page * PAGE + offset, length }).collect();
        let total = segments.iter().map(|segment| segment.length).sum::<u32>().saturating_sub(shrink);
        let memory = ListMemory { offset: 0, pages: vec![1 << 40] };
        let mut list = vec![0; room];
        if let Ok(prps) = build(segments.iter().copied(), total, &mut list, |index| memory.address(index)) {
            prop_assert_eq!(shrink, 0);
            let recovered = merged(walk(&prps, total, &memory.contents(&list[..prps.list_entries])));
            let expected = merged(segments.iter().map(|segment| (segment.address, u64::from(segment.length))));
            prop_assert_eq!(recovered, expected);
        }
    }

    /// Arbitrary addresses and lengths, up to the end of the address space, never panic.
    #[test]
    fn the_short_way_is_the_long_way(address in prop_oneof![any::<u64>(), (0_u64..1 << 40).prop_map(|dword| dword * 4)], length in prop_oneof![0_u32..20_000, any::<u32>()], total in prop::option::weighted(0.2, 0_u32..20_000)) {
        let only = Segment { address, length };
        let total = total.unwrap_or(length);
        let long = build([only], total, &mut [0; 8], |_| Some(0x1000));
        match build_short(only, total) {
            Some(data) => prop_assert_eq!(long, Ok(Prps { data, list_entries: 0 })),
            None => prop_assert!(long.is_err() || long.unwrap().list_entries != 0 || address > u64::MAX - 8192),
        }
    }

    /// What the way of most lists takes is what the long way makes of it, list included; and it takes what it is for.
    #[test]
    fn the_way_of_most_lists_is_the_long_way(
        offset in 0..1024_u64, pages in 3..300_u64, cut in 0..PAGE, at in 1..1_u64 << 30,
        runs in any::<bool>(), spoil in prop::option::weighted(0.3, (0..300_usize, 0..3_u8, 1..PAGE)), qword in 0..512_u64,
    ) {
        let total = pages * PAGE - cut - offset * 4;
        let (mut segments, mut left) = (Vec::new(), total);
        if runs {
            segments.push(Segment { address: at * PAGE + offset * 4, length: u32::try_from(total).unwrap() });
        } else {
            for page in 0..pages {
                let begin = if page == 0 { offset * 4 } else { 0 };
                let length = left.min(PAGE - begin);
                segments.push(Segment { address: (at + page * 7 % 301) * PAGE + begin, length: u32::try_from(length).unwrap() });
                left -= length;
            }
        }
        if let Some((index, how, by)) = spoil {
            let index = index % segments.len();
            let other = (index + 1) % segments.len();
            match how {
                0 => segments[index].address += by,
                1 => segments[index].length = segments[index].length.wrapping_sub(u32::try_from(by).unwrap()),
                // The sum stays.
                _ => {
                    let moved = u32::try_from(by).unwrap().min(segments[index].length);
                    segments[index].length -= moved;
                    segments[other].length += moved;
                }
            }
        }
        let total = u32::try_from(total).unwrap();
        let memory = ListMemory { offset: qword * 8, pages: vec![1 << 40, 3 << 40] };
        let mut short_list = vec![0; list_entries_for(total)];
        let mut long_list = short_list.clone();
        let short = build_pages(segments.iter().copied(), total, &mut short_list, || memory.address(0));
        let long = build(segments.iter().copied(), total, &mut long_list, |index| memory.address(index));
        if let Some(short) = short {
            prop_assert_eq!(Ok(short), long);
            prop_assert_eq!(&short_list[..short.list_entries], &long_list[..short.list_entries]);
        } else if spoil.is_none() {
            // The list does not end within its page.
            prop_assert!(pages - 1 > 512 - qword);
        }
    }

    #[test]
    fn nothing_panics(
        raw in proptest::collection::vec((any::<u64>(), any::<u32>()), 0..5), total in any::<u32>(), address in any::<u64>(),
    ) {
        let mut list = [0; 64];
        let segments = raw.iter().map(|&(address, length)| Segment { address, length });
        let _ = build(segments.clone(), total, &mut list, |index| address.checked_add(index as u64 * 8));
        let _ = build_pages(segments, total, &mut list, || Some(address));
    }

    /// Clipping keeps the first bytes.
    #[test]
    fn clip_keeps_the_first_bytes(lengths in proptest::collection::vec(1..5000_u32, 1..20), total in 0..60_000_u32) {
        let segments: Vec<_> = lengths.iter().map(|&length| Segment { address: 0x1000, length }).collect();
        let all: u32 = lengths.iter().sum();
        let clipped: Vec<_> = clip(segments.iter().copied(), total).collect();
        prop_assert_eq!(clipped.iter().map(|segment| segment.length).sum::<u32>(), total.min(all));
        prop_assert!(clipped.iter().all(|segment| segment.length != 0));
    }
}

fn try_build(segments: &[(u64, u32)], total: u32, entries: usize) -> Result<Prps, PrpError> {
    let mut list = vec![0; entries];
    let segments = segments
        .iter()
        .map(|&(address, length)| Segment { address, length });
    build(segments, total, &mut list, |index| {
        Some(0x10_0000 + index as u64 * 8)
    })
}

/// With DMA remapping, page 0 of the bus is a page like others.
#[test]
fn the_first_page_of_the_bus_is_a_page() {
    let page = PAGE_32;
    let prps = try_build(&[(0x1000, page), (0, page), (0x5000, page)], 3 * page, 4).unwrap();
    assert_eq!((prps.data.prp1, prps.list_entries), (0x1000, 2));
    let prps = try_build(&[(0, page), (0x1000, page)], 2 * page, 0).unwrap();
    assert_eq!((prps.data.prp1, prps.data.prp2), (0, 0x1000));
}

#[test]
fn each_fault_has_its_own_error() {
    let page = PAGE_32;
    assert_eq!(try_build(&[(0x1000, 512)], 0, 0), Err(PrpError::Empty));
    assert_eq!(
        try_build(&[(0x1000, page), (0x3000, 0)], 2 * page, 0),
        Err(PrpError::EmptySegment)
    );
    assert_eq!(try_build(&[(0x1002, 512)], 512, 0), Err(PrpError::Misaligned));
    assert_eq!(
        try_build(&[(0x1000, 512), (0x2000, 512)], 1024, 0),
        Err(PrpError::Hole)
    );
    assert_eq!(
        try_build(&[(0x1000, page), (0x3010, 512)], page + 512, 0),
        Err(PrpError::Hole)
    );
    assert_eq!(
        try_build(&[(u64::MAX - 3, 512)], 512, 0),
        Err(PrpError::AddressOverflow)
    );
    assert_eq!(try_build(&[(0x1000, 512)], 1024, 0), Err(PrpError::TooShort));
    assert_eq!(try_build(&[], 512, 0), Err(PrpError::TooShort));
    assert_eq!(try_build(&[(0x1000, 1024)], 512, 0), Err(PrpError::TooLong));
    assert_eq!(
        try_build(&[(0x1000, 3 * page)], 3 * page, 1),
        Err(PrpError::ListTooSmall)
    );
    let mut list = [0; 8];
    let three = || {
        [Segment {
            address: 0x1000,
            length: 3 * page,
        }]
    };
    assert_eq!(
        build(three(), 3 * page, &mut list, |_| None),
        Err(PrpError::ListAddress)
    );
    assert_eq!(
        build(three(), 3 * page, &mut list, |_| Some(0x1004)),
        Err(PrpError::ListAddress)
    );
}

/// Base 2.0, 4.1.1: one page needs PRP1 only, two use PRP2 as a page, three a list.
#[test]
fn one_two_and_three_pages() {
    let page = PAGE_32;
    let one = try_build(&[(0x1800, 2048)], 2048, 0).unwrap();
    assert_eq!((one.data.prp1, one.data.prp2, one.list_entries), (0x1800, 0, 0));
    let two = try_build(&[(0x1800, page)], page, 0).unwrap();
    assert_eq!((two.data.prp2, two.list_entries), (0x2000, 0));
    let three = try_build(&[(0x1800, 2 * page)], 2 * page, 2).unwrap();
    assert_eq!((three.data.prp2, three.list_entries), (0x10_0000, 2));
}

/// A list that ends exactly with its page has no chain pointer.
#[test]
fn the_last_entry_of_a_full_page_is_data() {
    let page = PAGE_32;
    let exact = try_build(&[(0x10_0000, 513 * page)], 513 * page, 512).unwrap();
    assert_eq!(exact.list_entries, 512);
    let chained = try_build(&[(0x10_0000, 514 * page)], 514 * page, 514).unwrap();
    assert_eq!(chained.list_entries, 514);
}
