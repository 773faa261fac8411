//! A controller that stands still while requests are sent to it.
//!
//! Its own thread decides otherwise how many completions an interrupt brings, and so how many requests share what is done once
//! a batch. Held, it moves when it is told to: one turn, in which it takes a burst of eight commands from each queue
//! (Base 2.0, section 3.4.4: arbitration burst), completes them and interrupts once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use portlab::device::{self, Device, Movable, Powered, spec::DeviceSpec};

use crate::cli::bench::BenchError;

/// Between two moves while nobody holds it.
const PAUSE: Duration = Duration::from_micros(50);

struct Shared {
    device: Arc<dyn Movable>,
    began: Instant,
    moving: Mutex<()>,
    stopped: AtomicBool,
}

/// What moves the controller.
pub(super) struct Mover {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The controller stands still as long as this lives.
pub(super) struct Held<'a> {
    shared: &'a Shared,
    _moving: MutexGuard<'a, ()>,
}

impl Mover {
    /// Switches a controller on, and what moves it.
    pub(super) fn open(spec: &DeviceSpec) -> Result<(Arc<dyn Powered>, Self), BenchError> {
        let powered = device::open_movable(spec, 0)?;
        let device: Arc<dyn Device> = Arc::clone(&powered) as Arc<dyn Device>;
        let movable = device
            .movable()
            .ok_or_else(|| BenchError::Unmet(format!("{spec} cannot be held")))?;
        let shared = Arc::new(Shared {
            device: movable,
            began: Instant::now(),
            moving: Mutex::new(()),
            stopped: AtomicBool::new(false),
        });
        let mover = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while !mover.stopped.load(Ordering::Acquire) {
                let moving = mover.moving.lock();
                mover.advance();
                drop(moving);
                thread::sleep(PAUSE);
            }
        });
        let thread = Some(thread);
        Ok((powered, Self { shared, thread }))
    }

    /// Holds the controller.
    pub(super) fn hold(&self) -> Held<'_> {
        Held {
            shared: &self.shared,
            _moving: self.shared.moving.lock(),
        }
    }
}

impl Shared {
    fn advance(&self) -> Option<Duration> {
        self.device.advance(self.began.elapsed())
    }
}

impl Held<'_> {
    /// Gives it one turn. Whether it wants another at once.
    pub(super) fn turn(&self) -> bool {
        self.shared.advance() == Some(Duration::ZERO)
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic of the controller was printed when it happened.
            let _ = thread.join();
        }
    }
}
