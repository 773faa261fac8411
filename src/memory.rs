//! The DMA memory of the adapter: one uncached extension, cut into queues and the admin data page.

use storport::dma::Dma;

/// Entries of the admin queues.
pub(crate) const ADMIN_ENTRIES: u16 = 32;
/// Exchanges that are open at a time.
pub(crate) const EXCHANGES: usize = 8;
/// Entries of an I/O queue at most; the controller's MQES may allow fewer.
pub(crate) const IO_ENTRIES: u16 = 256;
/// I/O queue pairs at most. Machines with more processors share them: the port driver then gives several processors one
/// channel.
pub(crate) const MAX_PAIRS: usize = 32;
/// I/O queue pairs with that of the exchanges.
pub(crate) const MAX_QUEUES: usize = MAX_PAIRS + 1;

const PAGE: usize = 4096;
const SUBMISSION_ENTRY: usize = 64;
const COMPLETION_ENTRY: usize = 16;

const fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE).saturating_mul(PAGE)
}

const ADMIN_SUBMISSION: usize = pages((ADMIN_ENTRIES as usize).saturating_mul(SUBMISSION_ENTRY));
const ADMIN_COMPLETION: usize = pages((ADMIN_ENTRIES as usize).saturating_mul(COMPLETION_ENTRY));
const IO_SUBMISSION: usize = pages((IO_ENTRIES as usize).saturating_mul(SUBMISSION_ENTRY));
const IO_COMPLETION: usize = pages((IO_ENTRIES as usize).saturating_mul(COMPLETION_ENTRY));
const IO_PAIR: usize = IO_SUBMISSION.saturating_add(IO_COMPLETION);
const ADMIN: usize = ADMIN_SUBMISSION
    .saturating_add(ADMIN_COMPLETION)
    .saturating_add(PAGE)
    .saturating_add(PAGE.saturating_mul(2))
    .saturating_add(EXCHANGE.saturating_mul(EXCHANGES));
/// A page of PRPs and one of data.
const EXCHANGE: usize = PAGE.saturating_mul(2);

/// Bytes of DMA memory with `pairs` I/O queue pairs.
pub(crate) const fn total(pairs: usize) -> usize {
    ADMIN.saturating_add(IO_PAIR.saturating_mul(pairs))
}

/// The pieces, each beginning on a page.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'dev> {
    /// Admin submission queue.
    pub(crate) admin_submission: Dma<'dev>,
    /// Admin completion queue.
    pub(crate) admin_completion: Dma<'dev>,
    /// Data of admin commands: one page.
    pub(crate) admin_data: Dma<'dev>,
    /// The buffers of the shadow doorbells.
    pub(crate) shadow: ShadowMemory<'dev>,
    /// The memory of the exchanges, one behind the other.
    exchanges: Dma<'dev>,
    /// The I/O queue pairs, one behind the other.
    io: Dma<'dev>,
}

/// A page of shadow doorbells and one of `EventIdx`. What the processors write there lies as the specification has it: the
/// doorbells of several pairs in one cache line.
#[derive(Clone, Copy)]
pub(crate) struct ShadowMemory<'dev> {
    pub(crate) doorbells: Dma<'dev>,
    pub(crate) event_indices: Dma<'dev>,
}

/// The memory of one exchange.
#[derive(Clone, Copy)]
pub(crate) struct ExchangeMemory<'dev> {
    /// PRPs, each of which names the area.
    pub(crate) list: Dma<'dev>,
    /// The area.
    pub(crate) area: Dma<'dev>,
}

/// The memory of one I/O queue pair.
#[derive(Clone, Copy)]
pub(crate) struct PairMemory<'dev> {
    pub(crate) submission: Dma<'dev>,
    pub(crate) completion: Dma<'dev>,
}

impl<'dev> Memory<'dev> {
    /// Cuts `whole`, which has [`total`] bytes and begins on a page.
    pub(crate) fn cut(whole: Dma<'dev>, pairs: usize) -> Option<Self> {
        let mut offset = 0_usize;
        let mut next = |length: usize| {
            let piece = whole.slice(offset, length);
            offset = offset.saturating_add(length);
            piece
        };
        Some(Self {
            admin_submission: next(ADMIN_SUBMISSION)?,
            admin_completion: next(ADMIN_COMPLETION)?,
            admin_data: next(PAGE)?,
            shadow: ShadowMemory {
                doorbells: next(PAGE)?,
                event_indices: next(PAGE)?,
            },
            exchanges: next(EXCHANGE.saturating_mul(EXCHANGES))?,
            io: next(IO_PAIR.saturating_mul(pairs))?,
        })
    }

    /// The memory of exchange `index`.
    pub(crate) fn exchange(&self, index: usize) -> Option<ExchangeMemory<'dev>> {
        let offset = EXCHANGE.checked_mul(index)?;
        let whole = self.exchanges.slice(offset, EXCHANGE)?;
        Some(ExchangeMemory {
            list: whole.slice(0, PAGE)?,
            area: whole.slice(PAGE, PAGE)?,
        })
    }

    /// Makes each exchange's list of PRPs.
    pub(crate) fn prepare_exchanges(&self) {
        for exchange in (0..EXCHANGES).filter_map(|index| self.exchange(index)) {
            for offset in (0..PAGE).step_by(size_of::<u64>()) {
                exchange.list.write64(offset, exchange.area.bus_address());
            }
        }
    }

    /// The memory of I/O queue pair `index`; `None` if there is none for it.
    pub(crate) fn pair(&self, index: usize) -> Option<PairMemory<'dev>> {
        let offset = IO_PAIR.checked_mul(index)?;
        Some(PairMemory {
            submission: self.io.slice(offset, IO_SUBMISSION)?,
            completion: self.io.slice(offset.checked_add(IO_SUBMISSION)?, IO_COMPLETION)?,
        })
    }
}
