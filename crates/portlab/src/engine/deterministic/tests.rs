//! The engine's promises, with closures as activities.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{DeterministicEngine, Options, Record};
use crate::{
    device::Movable,
    engine::{Context, Engine, Irql, Level, LockName, SpinLock},
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What happened, in words.
type Story = Arc<Mutex<Vec<String>>>;

fn engine(options: &Options) -> Arc<DeterministicEngine> {
    Arc::new(DeterministicEngine::new(options).expect("an engine"))
}

fn tell(story: &Story, what: impl Into<String>) {
    story.lock().push(what.into());
}

/// Runs the machine until `count` things were told.
fn until(engine: &DeterministicEngine, story: &Story, count: usize) {
    assert!(
        engine.wait(10 * SECOND, &mut || story.lock().len() >= count),
        "{:?} {:?}",
        story.lock(),
        engine.livelock(),
    );
}

#[test]
fn an_interrupt_nests_on_the_activity_it_interrupts_and_a_dpc_does_not() {
    for seed in 0..50 {
        let engine = engine(&Options {
            processors: 1,
            ..Options::new(seed)
        });
        let story = Story::default();
        let (told, inner) = (Arc::clone(&story), Arc::downgrade(&engine));
        engine.set_interrupt_handler(Box::new(move |message| {
            let inner = inner.upgrade().expect("the engine");
            assert_eq!(Context::irql(), Irql::DEVICE);
            tell(&told, "interrupt begins");
            let told_later = Arc::clone(&told);
            inner.post(0, Level::Dpc, Box::new(move || tell(&told_later, "dpc")));
            // It stays pending until this one has returned; the third is the last.
            if message < 2 {
                inner.interrupt(0, message + 1);
            }
            for _ in 0..20 {
                inner.preempt();
            }
            tell(&told, "interrupt ends");
        }));
        let (told, inner) = (Arc::clone(&story), Arc::clone(&engine));
        engine.post(
            0,
            Level::Thread,
            Box::new(move || {
                assert_eq!(Context::irql(), Irql::DISPATCH);
                tell(&told, "thread begins");
                inner.interrupt(0, 0);
                while told.lock().len() < 3 {
                    inner.preempt();
                }
                let old = inner.raise(Irql::DEVICE);
                assert_eq!(old, Irql::DISPATCH);
                tell(&told, "thread ends");
                inner.lower(old);
            }),
        );
        // The thread begins and ends, and so do three interrupts, each with a DPC.
        until(&engine, &story, 11);
        let story = story.lock();
        assert_eq!(
            story[..3],
            ["thread begins", "interrupt begins", "interrupt ends"]
        );
        let ends = story
            .iter()
            .position(|line| line == "thread ends")
            .expect("it ends");
        assert!(!story[..ends].iter().any(|line| line == "dpc"), "{story:?}");
        // Never one interrupt inside another.
        let interrupts: Vec<_> = story
            .iter()
            .filter(|line| line.starts_with("interrupt"))
            .collect();
        for pair in interrupts.chunks(2) {
            assert!(pair[0].ends_with("begins") && pair.get(1).is_none_or(|end| end.ends_with("ends")));
        }
    }
}

#[test]
fn a_thread_goes_on_only_when_the_dpcs_of_its_processor_have_run() {
    for seed in 0..50 {
        let engine = engine(&Options {
            processors: 1,
            ..Options::new(seed)
        });
        let story = Story::default();
        let (told, inner) = (Arc::clone(&story), Arc::clone(&engine));
        engine.work(Box::new(move || {
            assert_eq!(Context::irql(), Irql::PASSIVE);
            for number in 0..3 {
                let told = Arc::clone(&told);
                let job = move || {
                    assert_eq!(Context::irql(), Irql::DISPATCH);
                    tell(&told, format!("dpc {number}"));
                };
                inner.post(0, Level::Dpc, Box::new(job));
            }
            inner.preempt();
            assert_eq!(Context::irql(), Irql::PASSIVE);
            tell(&told, "thread");
        }));
        until(&engine, &story, 4);
        assert_eq!(*story.lock(), ["dpc 0", "dpc 1", "dpc 2", "thread"]);
    }
}

#[test]
fn who_is_at_dispatch_level_has_its_processor_alone() {
    for seed in 0..50 {
        let engine = engine(&Options::new(seed));
        let inside = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let together = Arc::new(AtomicU32::new(0));
        let story = Story::default();
        for index in 0..12 {
            let (inside, together) = (Arc::clone(&inside), Arc::clone(&together));
            let (told, inner) = (Arc::clone(&story), Arc::clone(&engine));
            let job = move || {
                let old = inner.raise(Irql::DISPATCH);
                let here = &inside[Context::processor() as usize];
                assert_eq!(here.fetch_add(1, Ordering::SeqCst), 0);
                for _ in 0..5 {
                    inner.preempt();
                    if inside.iter().all(|count| count.load(Ordering::SeqCst) == 1) {
                        together.fetch_add(1, Ordering::SeqCst);
                    }
                }
                here.fetch_sub(1, Ordering::SeqCst);
                inner.lower(old);
                tell(&told, "done");
            };
            match index % 3 {
                0 => engine.work(Box::new(job)),
                1 => engine.post(index % 2, Level::Dpc, Box::new(job)),
                _ => engine.post(index % 2, Level::Thread, Box::new(job)),
            }
        }
        until(&engine, &story, 12);
        if seed == 3 {
            assert!(
                together.load(Ordering::SeqCst) > 0,
                "two processors run side by side"
            );
        }
    }
}

#[test]
fn time_passes_without_waiting_and_timers_fire_in_order() {
    let engine = engine(&Options::new(7));
    let story = Story::default();
    let mut ids = Vec::new();
    for (delay, name) in [(300, "c"), (100, "a"), (200, "b"), (250, "never")] {
        let told = Arc::clone(&story);
        let job = Box::new(move || tell(&told, name));
        ids.push(engine.after(Duration::from_hours(delay), 0, job));
    }
    assert!(engine.cancel(ids[3]));
    assert!(!engine.cancel(ids[3]));
    assert!(!engine.wait(Duration::from_hours(150), &mut || false));
    assert_eq!(*story.lock(), ["a"]);
    assert!(!engine.wait(Duration::from_hours(200), &mut || false));
    assert_eq!(*story.lock(), ["a", "b", "c"]);
    assert!(engine.now() >= Duration::from_hours(350));
    assert!(!engine.cancel(ids[0]));
}

#[test]
fn a_stall_lasts_as_long_as_it_says_and_is_interrupted() {
    let engine = engine(&Options {
        processors: 1,
        ..Options::new(1)
    });
    let story = Story::default();
    let told = Arc::clone(&story);
    engine.set_interrupt_handler(Box::new(move |_| tell(&told, "interrupt")));
    let (told, inner) = (Arc::clone(&story), Arc::clone(&engine));
    engine.post(
        0,
        Level::Dpc,
        Box::new(move || {
            let before = inner.now();
            inner.stall(10 * MILLISECOND);
            assert!(inner.now() >= before + 10 * MILLISECOND);
            tell(&told, "stalled");
        }),
    );
    assert!(!engine.wait(5 * MILLISECOND, &mut || false));
    engine.interrupt(0, 0);
    until(&engine, &story, 2);
    assert_eq!(*story.lock(), ["interrupt", "stalled"]);
}

/// Two processors add to a number; between reading and writing it is a scheduling point. The sum.
fn add(seed: u64, locked: bool) -> u64 {
    const EACH: u64 = 20;
    let engine = engine(&Options::new(seed));
    let lock = Arc::new(SpinLock::new(LockName::StartIo));
    let (number, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU32::new(0)));
    for processor in 0..2 {
        let (inner, lock) = (Arc::clone(&engine), Arc::clone(&lock));
        let (number, done) = (Arc::clone(&number), Arc::clone(&done));
        let job = move || {
            for _ in 0..EACH {
                if locked {
                    inner.acquire(&lock);
                }
                let read = number.load(Ordering::SeqCst);
                inner.preempt();
                number.store(read + 1, Ordering::SeqCst);
                if locked {
                    inner.release(&lock);
                }
            }
            done.fetch_add(1, Ordering::SeqCst);
        };
        engine.post(processor, Level::Thread, Box::new(job));
    }
    assert!(engine.wait(SECOND, &mut || done.load(Ordering::SeqCst) == 2));
    number.load(Ordering::SeqCst)
}

#[test]
fn a_lock_excludes_and_its_absence_is_found_out() {
    let sums: BTreeSet<u64> = (0..40).map(|seed| add(seed, false)).collect();
    assert!(sums.len() > 5, "{sums:?}");
    for seed in 0..40 {
        assert_eq!(add(seed, true), 40, "seed {seed}");
    }
}

#[test]
fn what_never_ends_is_a_livelock() {
    for stuck in ["preempt", "interrupts"] {
        let engine = engine(&Options {
            budget: 5_000,
            ..Options::new(5)
        });
        let inner = Arc::downgrade(&engine);
        let storm = stuck == "interrupts";
        engine.set_interrupt_handler(Box::new(move |message| {
            if storm && let Some(engine) = inner.upgrade() {
                engine.interrupt(1, message);
            }
        }));
        engine.interrupt(1, 0);
        if !storm {
            let inner = Arc::clone(&engine);
            let job = move || {
                let old = inner.raise(Irql::DEVICE);
                loop {
                    inner.preempt();
                    if old > Irql::DEVICE {
                        return;
                    }
                }
            };
            engine.post(0, Level::Dpc, Box::new(job));
        }
        assert!(!engine.wait(SECOND, &mut || false), "{stuck}");
        let text = engine.livelock().expect("a livelock").to_owned();
        assert!(text.contains("processor 1 at"), "{text}");
        assert!(!engine.wait(SECOND, &mut || false));
        assert!(engine.now() < SECOND, "it was not time that ran out");
    }
}

#[test]
fn an_activity_that_is_left_behind_stops_nobody_elsewhere() {
    struct Leak(Arc<AtomicBool>);
    impl Drop for Leak {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let engine = engine(&Options::new(2));
    let story = Story::default();
    let unwound = Arc::new(AtomicBool::new(false));
    let (inner, leak) = (Arc::downgrade(&engine), Leak(Arc::clone(&unwound)));
    let never = move || {
        let _leak = &leak;
        inner.upgrade().expect("the engine").abandon();
    };
    engine.work(Box::new(never));
    for _ in 0..4 {
        let told = Arc::clone(&story);
        engine.work(Box::new(move || tell(&told, "done")));
    }
    until(&engine, &story, 4);
    engine.shut_down();
    assert!(
        !unwound.load(Ordering::SeqCst),
        "frames of the driver are not unwound"
    );
}

#[test]
fn a_thread_waits_for_a_wake_or_its_time() {
    let engine = engine(&Options::new(11));
    let story = Story::default();
    let flag = Arc::new(AtomicBool::new(false));
    let (told, inner, seen) = (Arc::clone(&story), Arc::clone(&engine), Arc::clone(&flag));
    engine.work(Box::new(move || {
        let came = inner.wait(SECOND, &mut || seen.load(Ordering::SeqCst));
        tell(&told, format!("first {came}"));
        let came = inner.wait(SECOND, &mut || false);
        tell(&told, format!("second {came}"));
    }));
    let inner = Arc::clone(&engine);
    let job = move || {
        flag.store(true, Ordering::SeqCst);
        inner.wake();
    };
    engine.after(3 * MILLISECOND, 0, Box::new(job));
    until(&engine, &story, 1);
    assert!(engine.now() < 4 * MILLISECOND);
    until(&engine, &story, 2);
    assert_eq!(*story.lock(), ["first true", "second false"]);
}

/// A device that echoes each write after a while.
#[derive(Default)]
struct Echo {
    written: AtomicU32,
    due: Mutex<Option<Duration>>,
    echoed: AtomicU32,
}

impl Movable for Echo {
    fn wants_to_move(&self) -> bool {
        self.written.load(Ordering::SeqCst) > 0
    }

    fn advance(&self, now: Duration) -> Option<Duration> {
        let mut due = self.due.lock();
        if self.written.swap(0, Ordering::SeqCst) > 0 {
            *due = Some(now + MILLISECOND);
        } else if due.is_some_and(|due| due <= now) {
            *due = None;
            self.echoed.fetch_add(1, Ordering::SeqCst);
        }
        *due
    }
}

#[test]
fn devices_move_when_written_to_and_when_they_want() {
    let engine = engine(&Options::new(1));
    let device = Arc::new(Echo::default());
    engine.add_device(Arc::clone(&device) as Arc<dyn Movable>);
    let (inner, written) = (Arc::clone(&engine), Arc::clone(&device));
    engine.work(Box::new(move || {
        written.written.fetch_add(1, Ordering::SeqCst);
        inner.register_accessed();
    }));
    assert!(engine.wait(SECOND, &mut || device.echoed.load(Ordering::SeqCst) == 1));
    assert!((MILLISECOND..2 * MILLISECOND).contains(&engine.now()));
    assert!(!engine.wait(SECOND, &mut || false));
    assert_eq!(device.echoed.load(Ordering::SeqCst), 1);
}

/// A life of many activities on three processors.
fn life(seed: u64) -> (Vec<Record>, (u64, u64)) {
    let engine = engine(&Options {
        processors: 3,
        keep_events: usize::MAX,
        ..Options::new(seed)
    });
    let lock = Arc::new(SpinLock::new(LockName::Interrupt));
    let done = Arc::new(AtomicU32::new(0));
    let inner = Arc::downgrade(&engine);
    engine.set_interrupt_handler(Box::new(move |_| {
        if let Some(engine) = inner.upgrade() {
            engine.preempt();
        }
    }));
    for index in 0..9 {
        let (inner, lock, done) = (Arc::clone(&engine), Arc::clone(&lock), Arc::clone(&done));
        let job = move || {
            let old = inner.raise(Irql::DEVICE);
            inner.acquire(&lock);
            inner.preempt();
            inner.release(&lock);
            inner.lower(old);
            inner.stall(Duration::from_micros(u64::from(index)));
            inner.interrupt(index % 3, 0);
            let finish = Box::new(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
            inner.after(MILLISECOND, index % 3, finish);
        };
        engine.work(Box::new(job));
    }
    assert!(engine.wait(SECOND, &mut || done.load(Ordering::SeqCst) == 9));
    (engine.events(), engine.hash())
}

#[test]
fn a_seed_replays_event_by_event_and_another_seed_is_another_life() {
    let mut hashes = BTreeSet::new();
    for seed in 0..30 {
        let (events, hash) = life(seed);
        let (again, hash_again) = life(seed);
        assert_eq!(events, again, "seed {seed}");
        assert_eq!(hash, hash_again);
        assert_eq!(hash.0, events.len() as u64);
        hashes.insert(hash.1);
    }
    assert_eq!(hashes.len(), 30);
}
