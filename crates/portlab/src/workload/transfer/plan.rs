//! Which commands carry the data: a seeded mix of sizes from one block to 1 MiB that covers a range exactly
//! once, in a seeded order.

use fastrand::Rng;

use super::super::cdb::Form;

/// Largest size of the mix in bytes.
pub const LARGEST: u32 = 1 << 20;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// First block.
    pub lba: u64,
    /// Number of blocks.
    pub blocks: u32,
    /// Form of the CDB.
    pub form: Form,
    /// Virtual processor that issues it.
    pub processor: u32,
}

/// What a plan must respect.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Length of a block in bytes.
    pub block_size: u32,
    /// Largest transfer of the adapter in bytes.
    pub max_transfer: u32,
    /// Number of virtual processors.
    pub processors: u32,
}

/// Covers blocks `0..blocks` exactly once.
#[must_use]
pub fn cover(blocks: u64, shape: Shape, seed: u64) -> Vec<Job> {
    let mut random = Rng::with_seed(seed);
    let most = u64::from((shape.max_transfer / shape.block_size).max(1));
    let mut jobs = Vec::new();
    let mut lba = 0;
    while lba < blocks {
        let size = u64::from(size(&mut random).div_ceil(shape.block_size)).min(blocks - lba);
        // The class driver splits what is larger than the adapter takes.
        let mut done = 0;
        while done < size {
            let piece = (size - done).min(most);
            jobs.push(Job {
                lba: lba + done,
                blocks: u32::try_from(piece).unwrap_or(u32::MAX),
                form: if random.bool() { Form::Ten } else { Form::Sixteen },
                processor: random.u32(0..shape.processors.max(1)),
            });
            done += piece;
        }
        lba += size;
    }
    random.shuffle(&mut jobs);
    jobs
}

/// One size of the mix in bytes: file-system metadata, odd lengths, pages, and the large transfers of a copy.
fn size(random: &mut Rng) -> u32 {
    match random.u32(0..100) {
        0..8 => 512,
        8..20 => 512 * random.u32(1..16),
        20..36 => 4096,
        36..52 => 512 * random.u32(16..128),
        52..68 => 64 << 10,
        68..80 => 128 << 10,
        80..90 => 512 * random.u32(256..2048),
        _ => LARGEST,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_go_from_a_block_to_a_mebibyte() {
        let shape = Shape {
            block_size: 512,
            max_transfer: LARGEST,
            processors: 4,
        };
        let jobs = cover(64 << 11, shape, 1);
        assert!(jobs.iter().any(|job| job.blocks == 1));
        assert!(jobs.iter().any(|job| job.blocks == 2048));
        assert!((0..4).all(|processor| jobs.iter().any(|job| job.processor == processor)));
        assert!(
            [Form::Ten, Form::Sixteen]
                .iter()
                .all(|form| jobs.iter().any(|job| job.form == *form))
        );
        assert_eq!(
            jobs,
            cover(64 << 11, shape, 1),
            "the same seed makes the same plan"
        );
        assert_ne!(jobs, cover(64 << 11, shape, 2));
    }

    proptest! {
        #[test]
        fn every_block_is_covered_once(
            blocks in 0u64..20_000, wide in any::<bool>(), max_transfer in 1u32..1 << 21, seed in any::<u64>(),
        ) {
            let block_size = if wide { 4096 } else { 512 };
            let mut jobs = cover(blocks, Shape { block_size, max_transfer, processors: 3 }, seed);
            jobs.sort_by_key(|job| job.lba);
            let mut next = 0;
            for job in jobs {
                prop_assert_eq!(job.lba, next);
                prop_assert!(job.blocks > 0);
                prop_assert!(job.blocks == 1 || job.blocks * block_size <= max_transfer);
                prop_assert!(job.processor < 3);
                next += u64::from(job.blocks);
            }
            prop_assert_eq!(next, blocks);
        }
    }
}
