//! The DMA memory: one uncached extension, cut into the rings and room for sense data.

use storport::dma::Dma;

/// Requests in flight at most. The completion ring has an entry for each, so that it never overflows.
pub(crate) const SLOTS: u32 = 128;
/// The same, as the length of a table.
pub(crate) const SLOT_COUNT: usize = SLOTS as usize;
/// Bytes of sense data kept for each request.
pub(crate) const SENSE: usize = 96;

const PAGE: usize = 4096;
const REQUEST_PAGES: usize = 4;
const SENSE_PAGES: usize = 3;

/// Bytes in all: the state page, requests, completions, messages, sense data.
pub(crate) const TOTAL: usize = PAGE * (1 + REQUEST_PAGES + 1 + 1 + SENSE_PAGES);

const _: () = {
    assert!(
        SLOT_COUNT * 128 == REQUEST_PAGES * PAGE,
        "requests have 128 bytes"
    );
    assert!(SLOT_COUNT * 32 == PAGE, "completions have 32 bytes");
    assert!(SLOT_COUNT * SENSE <= SENSE_PAGES * PAGE);
};

/// A piece that begins on a page.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'dev>(pub(crate) Dma<'dev>);

impl Piece<'_> {
    /// Its length in pages.
    pub(crate) fn pages(&self) -> u32 {
        u32::try_from(self.0.length() / PAGE).unwrap_or(0)
    }

    /// The page numbers of its pages, low word before high word.
    pub(crate) fn page_words(&self) -> impl Iterator<Item = u32> + use<> {
        let first = self.0.bus_address() >> 12;
        (0..u64::from(self.pages())).flat_map(move |page| halves(first.wrapping_add(page)))
    }
}

/// Low and high word of a value.
pub(crate) fn halves(value: u64) -> [u32; 2] {
    [value & u64::from(u32::MAX), value >> 32].map(|half| u32::try_from(half).unwrap_or(0))
}

/// The pieces.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'dev> {
    /// Indices of the rings.
    pub(crate) state: Piece<'dev>,
    /// The request ring.
    pub(crate) requests: Piece<'dev>,
    /// The completion ring.
    pub(crate) completions: Piece<'dev>,
    /// The message ring.
    pub(crate) messages: Piece<'dev>,
    sense: Dma<'dev>,
}

impl<'dev> Memory<'dev> {
    /// Cuts `whole`, which has [`TOTAL`] bytes and begins on a page.
    pub(crate) fn cut(whole: Dma<'dev>) -> Option<Self> {
        let mut offset = 0_usize;
        let mut next = |pages: usize| {
            let length = pages.saturating_mul(PAGE);
            let piece = whole.slice(offset, length);
            offset = offset.saturating_add(length);
            piece
        };
        Some(Self {
            state: Piece(next(1)?),
            requests: Piece(next(REQUEST_PAGES)?),
            completions: Piece(next(1)?),
            messages: Piece(next(1)?),
            sense: next(SENSE_PAGES)?,
        })
    }

    /// Where the adapter puts the sense data of the request in `slot`.
    pub(crate) fn sense(&self, slot: usize) -> Option<Dma<'dev>> {
        self.sense.slice(slot.checked_mul(SENSE)?, SENSE)
    }
}
