//! An adapter that lies: what it may write into the shared rings leads the driver nowhere.

use std::{
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ferronvme_tests::rig::{Rig, source};
use portlab::device::{Bar, Device, DeviceError, DmaRegion, InterruptSink, Width, qemu::QemuDevice};

use crate::setup;

const COMMAND: u64 = 0;
const COMMAND_DATA: u64 = 4;
const SETUP_RINGS: u64 = 3;
/// Offsets in the state page.
const COMPLETION_PRODUCED: u64 = 12;
const COMPLETION_CONSUMED: u64 = 16;
/// Entries of the completion ring.
const ENTRIES: u32 = 128;

/// The adapter, with an ear on the commands and a hand in the rings.
struct Liar {
    device: Arc<QemuDevice>,
    memory: std::fs::File,
    sink: Mutex<Option<InterruptSink>>,
    listening: AtomicBool,
    words: Mutex<Vec<u64>>,
}

impl Liar {
    fn new(device: &Arc<QemuDevice>) -> Arc<Self> {
        let memory = device.dma().memory.try_clone().expect("the shared memory");
        Arc::new(Self {
            device: Arc::clone(device),
            memory: memory.into(),
            sink: Mutex::new(None),
            listening: AtomicBool::new(false),
            words: Mutex::new(Vec::new()),
        })
    }

    /// Address of the page that a word of `SETUP_RINGS` names.
    fn page(&self, word: usize) -> u64 {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words[word] << 12
    }

    /// The file begins at the device's address 0.
    fn read(&self, address: u64) -> u32 {
        let mut word = [0; 4];
        self.memory.read_exact_at(&mut word, address).expect("memory");
        u32::from_le_bytes(word)
    }

    fn write_word(&self, address: u64, value: u32) {
        self.memory
            .write_all_at(&value.to_le_bytes(), address)
            .expect("memory");
    }

    fn interrupt(&self) {
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sink.expect("connected")(0);
    }

    /// Forges `count` completions, interrupts, waits until the driver has taken `taken` of them, and puts the indices
    /// back, so that the emulator does not notice.
    fn forge(&self, entry: [u32; 8], count: u32, taken: u32) {
        let (state, ring) = (self.page(2), self.page(68));
        let produced = self.read(state + COMPLETION_PRODUCED);
        assert_eq!(self.read(state + COMPLETION_CONSUMED), produced, "idle");
        for index in 0..count.min(ENTRIES) {
            let place = ring + 32 * u64::from(produced.wrapping_add(index) % ENTRIES);
            for (offset, word) in (0..32).step_by(4).zip(entry) {
                self.write_word(place + offset, word);
            }
        }
        self.write_word(state + COMPLETION_PRODUCED, produced.wrapping_add(count));
        self.interrupt();
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.read(state + COMPLETION_CONSUMED) != produced.wrapping_add(taken) {
            assert!(Instant::now() < deadline, "the driver did not take them");
            thread::sleep(Duration::from_millis(1));
        }
        // Not one more.
        thread::sleep(Duration::from_millis(5));
        assert_eq!(
            self.read(state + COMPLETION_CONSUMED),
            produced.wrapping_add(taken)
        );
        self.write_word(state + COMPLETION_PRODUCED, produced);
        self.write_word(state + COMPLETION_CONSUMED, produced);
    }
}

impl Device for Liar {
    fn name(&self) -> &str {
        self.device.name()
    }

    fn config_read(&self, offset: u16, buffer: &mut [u8]) {
        self.device.config_read(offset, buffer);
    }

    fn config_write(&self, offset: u16, data: &[u8]) {
        self.device.config_write(offset, data);
    }

    fn bars(&self) -> &[Bar] {
        self.device.bars()
    }

    fn read(&self, bar: u8, offset: u64, width: Width) -> u64 {
        self.device.read(bar, offset, width)
    }

    fn write(&self, bar: u8, offset: u64, width: Width, value: u64) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if offset == COMMAND {
            let listening = value == SETUP_RINGS;
            self.listening.store(listening, Ordering::SeqCst);
            if listening {
                words.clear();
            }
        } else if offset == COMMAND_DATA && self.listening.load(Ordering::SeqCst) {
            words.push(value);
        }
        self.device.write(bar, offset, width, value);
    }

    fn dma(&self) -> &DmaRegion {
        self.device.dma()
    }

    fn message_count(&self) -> u16 {
        self.device.message_count()
    }

    fn enable_messages(&self, count: u16, sink: InterruptSink) -> Result<(), DeviceError> {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&sink));
        self.device.enable_messages(count, sink)
    }

    fn disable_messages(&self) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.device.disable_messages();
    }

    fn alive(&self) -> bool {
        self.device.alive()
    }
}

#[test]
fn forged_completions_end_nothing_and_break_nothing() {
    let mut setup = setup("size=8M");
    let liar = Liar::new(&setup.emulator);
    setup.device = Arc::clone(&liar) as Arc<dyn Device>;
    let rig = Rig::put(setup).started();
    let startup = rig.startup();
    let completed = rig.lab.statistics().srbs_completed;

    // Contexts that were used before, that never were, that lie outside; lengths and statuses that cannot be.
    for context in [0, 1, 0x80, 0x81, 0x0100, 0x1_0000, u32::MAX] {
        for high in [0, 1, u32::MAX] {
            liar.forge([context, high, 0, 0, 0, 0, 0, 0], 1, 1);
            liar.forge(
                [context, high, u32::MAX, u32::MAX, u32::MAX, u32::MAX, 1, 1],
                3,
                3,
            );
        }
    }
    // A whole ring of them; and indices that no ring has.
    liar.forge([u32::MAX; 8], ENTRIES, ENTRIES);
    for produced in [ENTRIES + 1, 1 << 20, u32::MAX] {
        liar.forge([0x81, 0, 0, 0, 0, 0, 0, 0], produced, 0);
    }
    assert_eq!(rig.lab.statistics().srbs_completed, completed, "no request ended");

    let source = source(8 << 20);
    let traffic = rig
        .traffic(&startup, &source, Vec::new())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(traffic.bytes_verified, 8 << 20);
    rig.finish();
}
