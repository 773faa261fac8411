//! What each block of a unit may hold, by what was acknowledged.
//!
//! A block has a history: the writes to it in the order they were begun. Requests in flight never overlap, so that each was over,
//! one way or the other, before the next began. Of the history
//!
//! * a read gives the last acknowledged write, or one after it that was not acknowledged and may have been carried out all the same;
//! * a power cut leaves any of it. A flush that succeeds, and a write through the cache, shorten it: what was acknowledged
//!   before the flush began is the oldest that a power cut may leave.

use super::pattern::{ANYTHING, Content, Version, admits};

/// A moment: requests and power cuts are ordered by it.
pub type Stamp = u64;

/// A write to one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    version: Version,
    /// When it was over.
    ended: Stamp,
    /// It is known to be what the block held at its end.
    visible: bool,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was acknowledged.
    Acknowledged {
        /// It is durable: it went through the cache, or there is none.
        durable: bool,
    },
    /// It was not: it may have been carried out, in part or not at all.
    Uncertain,
}

/// A block does not hold what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {block} of unit {unit} holds {found}, but may hold only {}", list(.may_hold))]
pub struct Lost {
    /// The unit.
    pub unit: u8,
    /// The block.
    pub block: u64,
    /// What it holds.
    pub found: Content,
    /// Any of these would be right, the oldest first.
    pub may_hold: Vec<Version>,
}

fn list(versions: &[Version]) -> String {
    let names: Vec<String> = versions
        .iter()
        .map(|version| Content::Of(*version).to_string())
        .collect();
    names.join(" or ")
}

/// The history of a unit's blocks.
#[derive(Debug)]
pub struct Ledger {
    unit: u8,
    blocks: Vec<Vec<Entry>>,
    now: Stamp,
    /// The last power cut.
    cut: Stamp,
}

impl Ledger {
    /// `blocks` blocks of zeroes.
    #[must_use]
    pub fn new(unit: u8, blocks: usize) -> Self {
        let zeroes = Entry {
            version: 0,
            ended: 0,
            visible: true,
        };
        Self {
            unit,
            blocks: vec![vec![zeroes]; blocks],
            now: 1,
            cut: 0,
        }
    }

    /// Blocks.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// A request begins.
    pub fn begin(&mut self) -> Stamp {
        self.now += 1;
        self.now
    }

    fn range(&mut self, block: u64, count: u64) -> &mut [Vec<Entry>] {
        let start = usize::try_from(block).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.blocks
            .get_mut(start..start.saturating_add(count))
            .unwrap_or_default()
    }

    /// Whether no power cut has come since `begun`.
    #[must_use]
    pub fn is_after_cut(&self, begun: Stamp) -> bool {
        begun > self.cut
    }

    /// What a read of the block would give, if there is only one possibility.
    #[must_use]
    pub fn surely_holds(&self, block: u64) -> Option<Version> {
        let history = self.blocks.get(usize::try_from(block).ok()?)?;
        match history.last() {
            Some(last) if last.visible && last.version != ANYTHING => Some(last.version),
            _ => None,
        }
    }

    /// A write that began at `begun` is over.
    pub fn written(&mut self, block: u64, count: u64, version: Version, begun: Stamp, how: Ended) {
        self.now += 1;
        let ended = self.now;
        // What was executed before a power cut and heard of afterwards may be lost.
        let since_cut = begun > self.cut;
        for history in self.range(block, count) {
            let visible = match how {
                Ended::Acknowledged { durable: true } => {
                    history.clear();
                    true
                }
                Ended::Acknowledged { durable: false } => since_cut,
                Ended::Uncertain => false,
            };
            history.push(Entry {
                version,
                ended,
                visible,
            });
        }
    }

    /// A flush that began at `begun` has succeeded.
    pub fn flushed(&mut self, begun: Stamp) {
        // It may have been executed after the cut, when what it was to flush was lost.
        if begun <= self.cut {
            return;
        }
        for history in &mut self.blocks {
            let settled = history
                .iter()
                .rposition(|entry| entry.visible && entry.ended < begun);
            if let Some(settled) = settled {
                history.drain(..settled);
            }
        }
    }

    /// The volatile cache is lost, or may be.
    pub fn power_cut(&mut self) {
        self.now += 1;
        self.cut = self.now;
        for history in &mut self.blocks {
            for (index, entry) in history.iter_mut().enumerate() {
                entry.visible = index == 0;
            }
        }
    }

    /// A read that began at `begun` has found this.
    ///
    /// # Errors
    /// If it is not what the block may hold.
    pub fn read(&mut self, block: u64, begun: Stamp, found: Content) -> Result<(), Lost> {
        let (unit, cut) = (self.unit, self.cut);
        if begun <= cut {
            // It may have been executed before the power cut, and says nothing about what that left.
            return self.durable(block, found);
        }
        let Some(history) = self.range(block, 1).first_mut() else {
            return Ok(());
        };
        let from = history.iter().rposition(|entry| entry.visible).unwrap_or(0);
        let seen = history
            .iter()
            .enumerate()
            .skip(from)
            .rev()
            .find(|(_, entry)| admits(entry.version, found))
            .map(|(index, _)| index);
        let Some(seen) = seen else {
            return Err(Lost {
                unit,
                block,
                found,
                may_hold: history.iter().skip(from).map(|entry| entry.version).collect(),
            });
        };
        // What came after it was not carried out, and will not be.
        history.truncate(seen + 1);
        if let Some(entry) = history.last_mut() {
            entry.visible = true;
            // It has survived a power cut, and so is durable.
            if entry.ended < cut {
                history.drain(..seen);
            }
        }
        Ok(())
    }

    /// Compares what is on the medium with what a power cut may leave.
    ///
    /// # Errors
    /// If an acknowledged and flushed write is lost, or something else is there.
    pub fn durable(&self, block: u64, found: Content) -> Result<(), Lost> {
        let index = usize::try_from(block).unwrap_or(usize::MAX);
        let history = self.blocks.get(index).map(Vec::as_slice).unwrap_or_default();
        if history.iter().any(|entry| admits(entry.version, found)) {
            return Ok(());
        }
        Err(Lost {
            unit: self.unit,
            block,
            found,
            may_hold: history.iter().map(|entry| entry.version).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHED: Ended = Ended::Acknowledged { durable: false };
    const THROUGH: Ended = Ended::Acknowledged { durable: true };

    fn write(ledger: &mut Ledger, version: Version, how: Ended) {
        let begun = ledger.begin();
        ledger.written(0, 1, version, begun, how);
    }

    fn flush(ledger: &mut Ledger) {
        let begun = ledger.begin();
        ledger.flushed(begun);
    }

    fn read(ledger: &mut Ledger, found: Content) -> Result<(), Lost> {
        let begun = ledger.begin();
        ledger.read(0, begun, found)
    }

    fn may_read(ledger: &Ledger) -> Vec<Version> {
        let history = &ledger.blocks[0];
        let from = history.iter().rposition(|entry| entry.visible).unwrap_or(0);
        history[from..].iter().map(|entry| entry.version).collect()
    }

    fn may_be_left(ledger: &Ledger) -> Vec<Version> {
        (0..9)
            .filter(|version| ledger.durable(0, Content::Of(*version)).is_ok())
            .collect()
    }

    #[test]
    fn what_was_acknowledged_is_read_and_what_was_flushed_is_left() {
        let mut ledger = Ledger::new(0, 1);
        write(&mut ledger, 1, CACHED);
        assert_eq!((may_read(&ledger), may_be_left(&ledger)), (vec![1], vec![0, 1]));
        flush(&mut ledger);
        assert_eq!(may_be_left(&ledger), [1]);
        write(&mut ledger, 2, Ended::Uncertain);
        assert_eq!(may_read(&ledger), [1, 2]);
        write(&mut ledger, 3, CACHED);
        assert_eq!(
            (may_read(&ledger), may_be_left(&ledger)),
            (vec![3], vec![1, 2, 3])
        );
        write(&mut ledger, 4, THROUGH);
        assert_eq!((may_read(&ledger), may_be_left(&ledger)), (vec![4], vec![4]));
    }

    #[test]
    fn a_flush_covers_what_was_acknowledged_before_it_began() {
        let mut ledger = Ledger::new(0, 1);
        let flush = ledger.begin();
        write(&mut ledger, 1, CACHED);
        ledger.flushed(flush);
        assert_eq!(may_be_left(&ledger), [0, 1]);
    }

    #[test]
    fn a_read_settles_what_was_uncertain() {
        let mut ledger = Ledger::new(0, 1);
        write(&mut ledger, 1, CACHED);
        write(&mut ledger, 2, Ended::Uncertain);
        read(&mut ledger, Content::Of(1)).unwrap();
        let lost = read(&mut ledger, Content::Of(2)).unwrap_err();
        assert_eq!(lost.may_hold, [1]);
        assert!(
            lost.to_string()
                .contains("holds write 2, but may hold only write 1"),
            "{lost}"
        );
        assert!(read(&mut ledger, Content::Foreign(9)).is_err());
    }

    #[test]
    fn what_is_surely_held_is_known() {
        let mut ledger = Ledger::new(0, 1);
        assert_eq!(ledger.surely_holds(0), Some(0));
        write(&mut ledger, 3, CACHED);
        assert_eq!(ledger.surely_holds(0), Some(3));
        write(&mut ledger, 4, Ended::Uncertain);
        assert_eq!(ledger.surely_holds(0), None);
        read(&mut ledger, Content::Of(3)).unwrap();
        assert_eq!(ledger.surely_holds(0), Some(3));
        write(&mut ledger, ANYTHING, CACHED);
        assert_eq!(ledger.surely_holds(0), None);
        read(&mut ledger, Content::Foreign(0xff)).unwrap();
        write(&mut ledger, 5, THROUGH);
        assert!(read(&mut ledger, Content::Foreign(0xff)).is_err());
    }

    #[test]
    fn a_power_cut_leaves_any_of_what_was_not_flushed() {
        let mut ledger = Ledger::new(0, 1);
        write(&mut ledger, 1, CACHED);
        flush(&mut ledger);
        write(&mut ledger, 2, CACHED);
        let (in_flight, through) = (ledger.begin(), ledger.begin());
        ledger.power_cut();
        assert_eq!(may_read(&ledger), [1, 2]);
        // Acknowledged after the cut, begun before: nobody knows when it was executed. A flush that began before is no better.
        ledger.written(0, 1, 3, in_flight, CACHED);
        ledger.flushed(in_flight);
        assert_eq!(may_read(&ledger), [1, 2, 3]);
        // Nor is a read.
        ledger.read(0, in_flight, Content::Of(2)).unwrap();
        assert!(read(&mut ledger, Content::Of(0)).is_err());
        read(&mut ledger, Content::Of(1)).unwrap();
        assert_eq!((may_read(&ledger), may_be_left(&ledger)), (vec![1], vec![1]));
        ledger.written(0, 1, 4, through, THROUGH);
        assert_eq!(may_be_left(&ledger), [4]);
    }
}
