//! The adapter's registers, and the commands that are given through them.

use storport::register::Registers;

use crate::memory::Memory;

const COMMAND: u32 = 0x0000;
const COMMAND_DATA: u32 = 0x0004;
const COMMAND_STATUS: u32 = 0x0008;
const INTERRUPT_STATUS: u32 = 0x100C;
const INTERRUPT_MASK: u32 = 0x2010;
const KICK_OTHERS: u32 = 0x3014;
const KICK_READS_AND_WRITES: u32 = 0x4018;
/// Length of the registers in bytes.
pub(crate) const LENGTH: u32 = 0x8000;

const ADAPTER_RESET: u32 = 1;
const SETUP_RINGS: u32 = 3;
const RESET_BUS: u32 = 4;
const RESET_DEVICE: u32 = 5;
const ABORT: u32 = 6;
const SETUP_MESSAGE_RING: u32 = 8;

/// Places for pages in `SETUP_RINGS` and `SETUP_MESSAGE_RING`, two words each.
const RING_WORDS: usize = 32 * 2;
const MESSAGE_RING_WORDS: usize = 16 * 2;

/// Interrupt causes: completions (two rings), messages (two rings).
const COMPLETIONS: u32 = 0b0011;
const MESSAGES: u32 = 0b1100;

/// The adapter refused a command, or is gone: its registers read as all ones then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// The adapter's registers.
#[derive(Clone, Copy)]
pub(crate) struct Hardware<'dev>(Registers<'dev>);

impl<'dev> Hardware<'dev> {
    /// Takes mapped registers, if they are long enough.
    pub(crate) fn new(registers: Registers<'dev>) -> Option<Self> {
        (registers.length() >= LENGTH).then_some(Self(registers))
    }

    /// Gives a command with its data and returns the status.
    fn command(self, command: u32, data: impl Iterator<Item = u32>) -> Result<u32, Refused> {
        self.0.write32(COMMAND, command);
        for word in data {
            self.0.write32(COMMAND_DATA, word);
        }
        match self.0.read32(COMMAND_STATUS) {
            u32::MAX => Err(Refused),
            status => Ok(status),
        }
    }

    /// Gives a command whose success is 0.
    fn simple(self, command: u32, data: impl Iterator<Item = u32>) -> Result<(), Refused> {
        match self.command(command, data) {
            Ok(0) => Ok(()),
            Ok(_) | Err(Refused) => Err(Refused),
        }
    }

    /// Whether the adapter has left the bus: what is read then is all ones, which no interrupt mask is.
    pub(crate) fn is_gone(self) -> bool {
        self.0.read32(INTERRUPT_MASK) == u32::MAX
    }

    /// Resets the adapter. When this succeeds it has forgotten the rings and every request: nothing is transferred.
    pub(crate) fn reset_adapter(self) -> Result<(), Refused> {
        self.simple(ADAPTER_RESET, core::iter::empty())
    }

    /// Tells the adapter of its rings.
    pub(crate) fn set_up_rings(self, memory: &Memory<'_>) -> Result<(), Refused> {
        let counts = [memory.requests.pages(), memory.completions.pages()];
        let data = counts
            .into_iter()
            .chain(memory.state.page_words())
            .chain(padded(memory.requests.page_words(), RING_WORDS))
            .chain(padded(memory.completions.page_words(), RING_WORDS));
        self.simple(SETUP_RINGS, data)
    }

    /// Tells the adapter of its message ring. Older adapters have none and refuse the command before its data.
    pub(crate) fn set_up_messages(self, memory: &Memory<'_>) -> Result<(), Refused> {
        self.command(SETUP_MESSAGE_RING, core::iter::empty())?;
        let data = [memory.messages.pages(), 0]
            .into_iter()
            .chain(padded(memory.messages.page_words(), MESSAGE_RING_WORDS));
        self.command(SETUP_MESSAGE_RING, data).map(|_words| ())
    }

    /// Resets all units. Their requests come back through the completion ring.
    pub(crate) fn reset_bus(self) -> Result<(), Refused> {
        self.simple(RESET_BUS, core::iter::empty())
    }

    /// Resets one unit. Its requests come back through the completion ring.
    pub(crate) fn reset_unit(self, target: u8, lun: u8) -> Result<(), Refused> {
        let lun = u32::from_le_bytes([0, lun, 0, 0]);
        self.simple(RESET_DEVICE, [u32::from(target), lun, 0].into_iter())
    }

    /// Aborts a request. It comes back through the completion ring, aborted or not.
    pub(crate) fn abort(self, context: u32, target: u8) -> Result<(), Refused> {
        self.simple(ABORT, [context, 0, u32::from(target), 0].into_iter())
    }

    /// New requests are in the ring. The adapter may let reads and writes wait for more of them.
    pub(crate) fn kick(self, read_or_write: bool) {
        let register = if read_or_write {
            KICK_READS_AND_WRITES
        } else {
            KICK_OTHERS
        };
        self.0.write32(register, 0);
    }

    /// Lets the adapter interrupt.
    pub(crate) fn unmask(self) {
        self.0.write32(INTERRUPT_MASK, COMPLETIONS | MESSAGES);
    }

    /// Forbids the adapter to interrupt.
    pub(crate) fn mask(self) {
        self.0.write32(INTERRUPT_MASK, 0);
    }

    /// Takes the causes of a line interrupt back; false if there are none: the interrupt is another device's.
    pub(crate) fn acknowledge(self) -> bool {
        let causes = self.0.read32(INTERRUPT_STATUS) & (COMPLETIONS | MESSAGES);
        if causes != 0 {
            self.0.write32(INTERRUPT_STATUS, causes);
        }
        causes != 0
    }
}

/// `words`, and zeroes up to `count` words.
fn padded(words: impl Iterator<Item = u32>, count: usize) -> impl Iterator<Item = u32> {
    words.chain(core::iter::repeat(0)).take(count)
}
