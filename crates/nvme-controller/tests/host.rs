//! The controller as a host meets it: by registers, rings and memory. The host here is a few lines over bus addresses
//! and shares no constant with the controller.

use std::time::Duration;

use nvme_controller::{
    Config, Controller, Memory as _, fault::Plan, memory::Flat, namespace::Namespace, store::Sparse,
};

const BLOCKS: u64 = 2048;
const DEPTH: u32 = 8;
const DATA: u64 = 0x10_0000;
/// Memory after it is the host's data.
const RINGS: u64 = 0x1_0000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    result: u32,
    queue: u16,
    id: u16,
    /// Status without the phase: code, type, Do Not Retry as they stand.
    status: u16,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ring {
    tail: u32,
    head: u32,
    wraps: u32,
}

struct Host {
    controller: Controller,
    memory: Flat,
    now: Duration,
    rings: [Ring; 3],
    next: u16,
    interrupts: Vec<u16>,
    shadow: bool,
}

fn submission_ring(queue: u16) -> u64 {
    RINGS + u64::from(queue) * 0x2000
}

fn completion_ring(queue: u16) -> u64 {
    submission_ring(queue) + 0x1000
}

impl Host {
    fn new(config: Config, plan: &str) -> Self {
        let namespaces = [9, 12].map(|shift| {
            Namespace::new(
                Box::new(Sparse::new(BLOCKS << shift)),
                1 << shift,
                0x1234_5678 + shift,
            )
        });
        let plan: Plan = plan.parse().unwrap();
        Self {
            controller: Controller::new(config, namespaces, plan),
            memory: Flat::new(0, 4 << 20),
            now: Duration::ZERO,
            rings: [Ring::default(); 3],
            next: 0,
            interrupts: Vec::new(),
            shadow: false,
        }
    }

    fn ready(plan: &str) -> Self {
        let mut host = Self::new(Config::default(), plan);
        host.enable();
        host.create_queues();
        host
    }

    /// Lets the controller do all it wants to do within `time`.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..10_000 {
            let moved = self.controller.advance(self.now, &self.memory);
            self.interrupts.extend(moved.raised);
            match moved.next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the controller does not come to rest");
    }

    fn enable(&mut self) {
        for queue in 0..3 {
            self.memory.write(completion_ring(queue), &[0; 128]).unwrap();
        }
        self.rings = [Ring::default(); 3];
        self.controller
            .write(0x24, 4, u64::from((DEPTH - 1) << 16 | (DEPTH - 1)));
        self.controller.write(0x28, 8, submission_ring(0));
        self.controller.write(0x30, 8, completion_ring(0));
        self.controller.write(0x14, 4, 4 << 20 | 6 << 16 | 1);
        self.run(Duration::from_millis(5));
    }

    fn disable(&mut self) {
        self.controller.write(0x14, 4, 4 << 20 | 6 << 16);
        self.run(Duration::from_millis(5));
    }

    fn status(&mut self) -> u64 {
        self.controller.read(0x1C, 4)
    }

    fn submit(
        &mut self,
        queue: u16,
        opcode: u8,
        flags: u8,
        nsid: u32,
        prps: [u64; 2],
        dwords: [u32; 6],
    ) -> u16 {
        self.next += 1;
        let mut entry = [0_u8; 64];
        entry[0] = opcode;
        entry[1] = flags;
        entry[2..4].copy_from_slice(&self.next.to_le_bytes());
        entry[4..8].copy_from_slice(&nsid.to_le_bytes());
        entry[24..32].copy_from_slice(&prps[0].to_le_bytes());
        entry[32..40].copy_from_slice(&prps[1].to_le_bytes());
        for (place, dword) in entry[40..].chunks_exact_mut(4).zip(dwords) {
            place.copy_from_slice(&dword.to_le_bytes());
        }
        let ring = &mut self.rings[usize::from(queue)];
        self.memory
            .write(submission_ring(queue) + 64 * u64::from(ring.tail), &entry)
            .unwrap();
        ring.tail = (ring.tail + 1) % DEPTH;
        let tail = ring.tail;
        if self.shadow && queue != 0 {
            self.memory
                .write(0x8000 + 8 * u64::from(queue), &tail.to_le_bytes())
                .unwrap();
        } else {
            self.controller
                .write(0x1000 + 8 * u64::from(queue), 4, tail.into());
        }
        self.next
    }

    fn reap(&mut self, queue: u16) -> Option<Done> {
        let ring = &mut self.rings[usize::from(queue)];
        let mut entry = [0; 16];
        self.memory
            .read(completion_ring(queue) + 16 * u64::from(ring.head), &mut entry)
            .unwrap();
        let word = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        if u32::from(word(14) & 1) == ring.wraps % 2 {
            return None;
        }
        ring.head += 1;
        if ring.head == DEPTH {
            ring.head = 0;
            ring.wraps += 1;
        }
        let head = ring.head;
        self.controller
            .write(0x1000 + 8 * u64::from(queue) + 4, 4, head.into());
        Some(Done {
            result: u32::from(word(0)) | u32::from(word(2)) << 16,
            queue: word(10),
            id: word(12),
            status: word(14) >> 1,
        })
    }

    /// Runs one command to its completion: status and dword 0.
    fn command(&mut self, queue: u16, opcode: u8, nsid: u32, prps: [u64; 2], dwords: [u32; 6]) -> (u16, u32) {
        let id = self.submit(queue, opcode, 0, nsid, prps, dwords);
        self.run(Duration::from_millis(5));
        let done = self.reap(queue).expect("a completion");
        assert_eq!((done.id, done.queue), (id, queue));
        assert_eq!(self.reap(queue), None);
        (done.status, done.result)
    }

    fn admin(&mut self, opcode: u8, nsid: u32, dwords: [u32; 6]) -> (u16, u32) {
        self.command(0, opcode, nsid, [DATA, 0], dwords)
    }

    fn create_queues(&mut self) {
        let size = |queue: u16| (DEPTH - 1) << 16 | u32::from(queue);
        for queue in [1, 2] {
            let vector = u32::from(queue) << 16;
            let made = self.command(
                0,
                5,
                0,
                [completion_ring(queue), 0],
                [size(queue), vector | 3, 0, 0, 0, 0],
            );
            assert_eq!(made.0, 0);
            let to = u32::from(queue) << 16;
            let made = self.command(
                0,
                1,
                0,
                [submission_ring(queue), 0],
                [size(queue), to | 1, 0, 0, 0, 0],
            );
            assert_eq!(made.0, 0);
        }
    }

    fn rw(&mut self, opcode: u8, lba: u32, blocks: u32, dword12: u32) -> u16 {
        self.command(1, opcode, 1, [DATA, 0], [lba, 0, (blocks - 1) | dword12, 0, 0, 0])
            .0
    }

    fn fill(&mut self, byte: u8) {
        self.memory.write(DATA, &[byte; 4096]).unwrap();
    }

    fn data(&self, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        self.memory.read(DATA, &mut data).unwrap();
        data
    }
}

const WRITE: u8 = 1;
const READ: u8 = 2;
const FUA: u32 = 1 << 30;

#[test]
fn comes_up_and_tells_what_it_is() {
    let mut host = Host::new(Config::default(), "");
    assert_eq!(host.controller.read(0, 8) & 0xffff, 2047);
    assert_eq!(host.status() & 1, 0);
    host.enable();
    assert_eq!(host.status(), 1);
    assert_eq!(host.admin(6, 0, [1, 0, 0, 0, 0, 0]).0, 0);
    let page = host.data(4096);
    assert_eq!(&page[4..24], b"FERROPORT0          ");
    assert_eq!((page[512], page[513], page[525] & 1), (0x66, 0x44, 1));
    assert_eq!(u32::from_le_bytes(page[516..520].try_into().unwrap()), 2);
    assert_eq!(host.admin(6, 1, [0, 0, 0, 0, 0, 0]).0, 0);
    let page = host.data(4096);
    assert_eq!(u64::from_le_bytes(page[0..8].try_into().unwrap()), BLOCKS);
    assert_eq!(page[128 + 4 * usize::from(page[26] & 15) + 2], 9);
    assert_eq!(host.admin(6, 2, [0, 0, 0, 0, 0, 0]).0, 0);
    let page = host.data(4096);
    assert_eq!(page[128 + 4 * usize::from(page[26] & 15) + 2], 12);
    assert_eq!(host.admin(6, 3, [0, 0, 0, 0, 0, 0]).0 & 0x7ff, 0x0B);
    assert_eq!(host.interrupts.len(), 5 - 1, "one a command");
}

#[test]
fn reads_what_was_written() {
    let mut host = Host::ready("");
    host.fill(0xA5);
    assert_eq!(host.rw(WRITE, 100, 8, 0), 0);
    host.fill(0);
    assert_eq!(host.rw(READ, 100, 8, 0), 0);
    assert_eq!(host.data(4096), [0xA5; 4096]);
    assert_eq!(host.rw(READ, 108, 1, 0), 0);
    assert_eq!(host.data(512), [0; 512]);
    assert_eq!(host.rw(READ, 2047, 2, 0) & 0x7ff, 0x80, "beyond the end");
    assert_eq!(host.rw(0x33, 0, 1, 0) & 0x7ff, 0x01, "no such opcode");
    assert!(host.interrupts.ends_with(&[1]));
    // Rings wrap.
    for lba in 0..40 {
        assert_eq!(host.rw(READ, lba, 1, 0), 0);
    }
}

#[test]
fn a_full_completion_queue_waits_for_the_host() {
    let mut host = Host::ready("");
    for _ in 0..2 {
        // The second time the ring is full: nothing was taken.
        for _ in 0..DEPTH - 1 {
            host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
        }
        host.run(Duration::from_millis(1));
        assert_eq!(host.controller.in_flight(), 0);
    }
    let mut ids = Vec::new();
    for _ in 0..4 {
        while let Some(done) = host.reap(1) {
            ids.push(done.id);
        }
        host.run(Duration::from_millis(1));
    }
    assert_eq!(ids.len(), 14);
    assert!(ids.is_sorted());
}

#[test]
fn queues_are_made_as_the_rules_say() {
    let mut host = Host::new(
        Config {
            queues: 4,
            vectors: 3,
            entries: 16,
            ..Config::default()
        },
        "",
    );
    host.enable();
    let kind_code = |status: u16| status & 0x7ff;
    let completion = |host: &mut Host, id: u32, entries: u32, dword11: u32| {
        kind_code(
            host.command(
                0,
                5,
                0,
                [completion_ring(1), 0],
                [(entries - 1) << 16 | id, dword11, 0, 0, 0, 0],
            )
            .0,
        )
    };
    assert_eq!(completion(&mut host, 0, 8, 3), 0x101, "the admin queue exists");
    assert_eq!(completion(&mut host, 5, 8, 3), 0x101, "four were granted");
    assert_eq!(completion(&mut host, 1, 1, 3), 0x102);
    assert_eq!(completion(&mut host, 1, 17, 3), 0x102, "more than MQES");
    assert_eq!(completion(&mut host, 1, 8, 3 << 16 | 3), 0x108);
    assert_eq!(completion(&mut host, 1, 8, 2), 0x02, "not contiguous");
    assert_eq!(completion(&mut host, 1, 8, 2 << 16 | 3), 0);
    assert_eq!(completion(&mut host, 1, 8, 3), 0x101, "exists");
    let submission = |host: &mut Host, id: u32, to: u32| {
        kind_code(
            host.command(
                0,
                1,
                0,
                [submission_ring(1), 0],
                [7 << 16 | id, to << 16 | 1, 0, 0, 0, 0],
            )
            .0,
        )
    };
    assert_eq!(submission(&mut host, 1, 2), 0x100);
    assert_eq!(submission(&mut host, 1, 1), 0);
    assert_eq!(
        kind_code(host.admin(9, 0, [7, 0x0003_0003, 0, 0, 0, 0]).0),
        0x0C,
        "queues exist"
    );
    assert_eq!(
        kind_code(host.admin(4, 0, [1, 0, 0, 0, 0, 0]).0),
        0x10C,
        "it has a submission queue"
    );
    assert_eq!(host.admin(0, 0, [1, 0, 0, 0, 0, 0]).0, 0);
    assert_eq!(host.admin(4, 0, [1, 0, 0, 0, 0, 0]).0, 0);
}

#[test]
fn a_power_cut_takes_only_what_was_not_made_durable() {
    let mut host = Host::ready("");
    for lba in 0..64 {
        host.fill(0x10);
        assert_eq!(host.rw(WRITE, lba, 1, if lba < 8 { FUA } else { 0 }), 0);
        if lba == 31 {
            assert_eq!(host.command(1, 0, 1, [0, 0], [0; 6]).0, 0);
        }
    }
    assert_eq!(host.controller.peek(1).unwrap().dirty_blocks(), 32);
    host.controller.cut_power();
    assert_eq!(host.status() & 1, 0, "it comes back disabled");
    host.enable();
    host.create_queues();
    let mut kept = 0;
    for lba in 0..64 {
        assert_eq!(host.rw(READ, lba, 1, 0), 0);
        let durable = host.data(512) == [0x10; 512];
        assert!(durable || lba >= 32, "block {lba} was flushed");
        kept += u32::from(durable);
    }
    assert!((33..63).contains(&kept), "some are lost and some are not: {kept}");
}

#[test]
fn events_are_told_once_and_again_after_the_page_was_read() {
    let mut host = Host::ready("");
    assert_eq!(host.admin(9, 0, [11, 1 << 8, 0, 0, 0, 0]).0, 0);
    let first = host.submit(0, 0x0C, 0, 0, [0, 0], [0; 6]);
    host.run(Duration::from_millis(1));
    assert_eq!(host.reap(0), None, "nothing has happened");
    host.controller.attach(2, false);
    host.run(Duration::from_millis(1));
    let done = host.reap(0).unwrap();
    assert_eq!((done.id, done.result), (first, 0x04_00_02));
    let second = host.submit(0, 0x0C, 0, 0, [0, 0], [0; 6]);
    host.controller.resize(1, 100);
    host.run(Duration::from_millis(1));
    assert_eq!(host.reap(0), None, "masked until the page is read");
    assert_eq!(host.admin_beside_event(2, [0x03FF_0004, 0, 0, 0, 0, 0]).0, 0);
    let page = host.data(12);
    assert_eq!(page, [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    host.run(Duration::from_millis(1));
    let done = host.reap(0).unwrap();
    assert_eq!((done.id, done.result), (second, 0x04_00_02), "the second change");
    assert_eq!(
        host.command(1, READ, 2, [DATA, 0], [0; 6]).0 & 0x7ff,
        0x0B,
        "detached"
    );
    assert_eq!(host.rw(READ, 100, 1, 0) & 0x7ff, 0x80, "smaller");
}

impl Host {
    /// As [`Host::admin`], where an event may follow the completion.
    fn admin_beside_event(&mut self, opcode: u8, dwords: [u32; 6]) -> (u16, u32) {
        let id = self.submit(0, opcode, 0, 0, [DATA, 0], dwords);
        self.run(Duration::from_millis(5));
        // The event follows the command that unmasked it.
        let done = self.reap(0).expect("a completion");
        assert_eq!(done.id, id);
        (done.status, done.result)
    }
}

#[test]
fn compare_and_write_is_one() {
    let mut host = Host::ready("");
    host.fill(1);
    assert_eq!(host.rw(WRITE, 5, 1, 0), 0);
    let fused = |host: &mut Host, expected: u8, new: u8| {
        host.memory.write(DATA, &[expected; 512]).unwrap();
        host.memory.write(DATA + 4096, &[new; 512]).unwrap();
        host.submit(1, 5, 1, 1, [DATA, 0], [5, 0, 0, 0, 0, 0]);
        host.submit(1, WRITE, 2, 1, [DATA + 4096, 0], [5, 0, 0, 0, 0, 0]);
        host.run(Duration::from_millis(1));
        [host.reap(1), host.reap(1)].map(|done| done.unwrap().status & 0x7ff)
    };
    assert_eq!(fused(&mut host, 2, 9), [0x285, 0x09]);
    assert_eq!(fused(&mut host, 1, 9), [0, 0]);
    assert_eq!(host.rw(READ, 5, 1, 0), 0);
    assert_eq!(host.data(512), [9; 512]);
    host.submit(1, WRITE, 2, 1, [DATA, 0], [5, 0, 0, 0, 0, 0]);
    host.run(Duration::from_millis(1));
    assert_eq!(host.reap(1).unwrap().status & 0x7ff, 0x0A, "no first half");
}

#[test]
fn shadow_doorbells_need_no_register() {
    let mut host = Host::new(
        Config {
            shadow_doorbells: true,
            ..Config::default()
        },
        "",
    );
    host.enable();
    host.create_queues();
    assert_eq!(host.command(0, 0x7C, 0, [0x8000, 0x9000], [0; 6]).0, 0);
    host.shadow = true;
    let id = host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
    host.run(Duration::from_millis(1));
    assert_eq!(host.reap(1).map(|done| done.id), Some(id));
    let mut index = [0; 4];
    host.memory.read(0x9000 + 8, &mut index).unwrap();
    assert_eq!(
        u32::from_le_bytes(index),
        host.rings[1].tail,
        "the next tail needs a doorbell"
    );
}

#[test]
fn a_lie_in_the_event_index_lasts_until_the_next_reset() {
    let config = || Config {
        shadow_doorbells: true,
        ..Config::default()
    };
    let mut host = Host::new(config(), "event-index=77");
    for index in [77, 1] {
        host.shadow = false;
        host.memory.write(0x8000, &[0; 0x2000]).unwrap();
        host.enable();
        host.create_queues();
        assert_eq!(host.command(0, 0x7C, 0, [0x8000, 0x9000], [0; 6]).0, 0);
        host.shadow = true;
        host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
        host.run(Duration::from_millis(1));
        let mut event = [0; 4];
        host.memory.read(0x9000 + 8, &mut event).unwrap();
        assert_eq!(u32::from_le_bytes(event), index);
        host.disable();
    }
}

#[test]
fn each_completion_fault_is_seen_by_the_host() {
    let seen = |plan: &str| {
        let mut host = Host::ready(plan);
        let before = host.interrupts.len();
        let id = host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
        host.run(Duration::from_millis(1));
        let done: Vec<Done> = std::iter::from_fn(|| host.reap(1)).collect();
        let injected: u64 = host.controller.injected().iter().map(|(_, count)| count).sum();
        assert_eq!(injected, u64::from(!plan.is_empty()), "{plan}");
        (
            done.iter()
                .map(|done| (done.id == id, done.queue, done.status & 0x7ff))
                .collect::<Vec<_>>(),
            host.interrupts.len() - before,
        )
    };
    let good = (true, 1, 0);
    assert_eq!(seen(""), (vec![good], 1));
    assert_eq!(seen("lose-completion"), (vec![], 0));
    assert_eq!(seen("late-completion"), (vec![], 0));
    assert_eq!(seen("duplicate-completion"), (vec![good, good], 1));
    assert_eq!(seen("wrong-command"), (vec![(false, 1, 0)], 1));
    assert_eq!(seen("wrong-queue"), (vec![(true, !1, 0)], 1));
    assert_eq!(seen("lose-interrupt"), (vec![good], 0));
    assert_eq!(seen("storm=9"), (vec![good], 10));
    assert_eq!(seen("status=2/0x81,lba=0..1"), (vec![(true, 1, 0x281)], 1));
    assert_eq!(seen("fatal"), (vec![], 0));
    assert_eq!(seen("vanish"), (vec![], 0));
    assert_eq!(seen("slow=3,opcode=io:2"), (vec![], 0));
}

#[test]
fn a_failed_controller_rests_whatever_it_had_begun() {
    let mut host = Host::ready("slow=3,opcode=io:2;fatal,opcode=io:1");
    host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
    host.submit(1, WRITE, 0, 1, [DATA, 0], [0; 6]);
    // It would not come to rest if the read that never ends were due for ever.
    host.run(Duration::from_millis(10));
    assert_eq!(host.status() & 2, 2, "CSTS.CFS");
    assert_eq!(host.reap(1), None);
}

#[test]
fn a_late_completion_comes_after_the_reset_with_its_old_identifier() {
    let mut host = Host::ready("late-completion");
    let id = host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
    host.run(Duration::from_millis(1));
    host.disable();
    host.enable();
    host.create_queues();
    host.run(Duration::from_millis(1));
    assert_eq!(host.reap(1), None, "not before the queue is used again");
    let next = host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
    host.run(Duration::from_millis(1));
    assert_eq!(
        [host.reap(1), host.reap(1)].map(|done| done.map(|done| done.id)),
        [Some(id), Some(next)]
    );
}

#[test]
fn enabling_and_disabling_can_fail() {
    let mut host = Host::new(Config::default(), "not-ready");
    host.enable();
    assert_eq!(host.status(), 0);
    host.disable();
    host.enable();
    assert_eq!(host.status(), 1, "once");
    let mut host = Host::ready("not-stopped; slow=100,nth=3");
    host.disable();
    assert_eq!(host.status(), 1);
    host.enable();
    let mut host = Host::new(Config::default(), "slow=100");
    host.enable();
    assert_eq!(host.status(), 0);
    host.run(Duration::from_millis(100));
    assert_eq!(host.status(), 1);
    host.controller.vanish();
    assert_eq!(host.status(), 0xffff_ffff);
    assert_eq!(host.controller.read(0, 8), u64::MAX);
}

#[test]
fn aborts_what_is_slow() {
    let mut host = Host::ready("slow=1000,opcode=io:2");
    let slow = host.submit(1, READ, 0, 1, [DATA, 0], [0; 6]);
    host.run(Duration::from_millis(1));
    let (status, result) = host.admin(8, 0, [u32::from(slow) << 16 | 1, 0, 0, 0, 0, 0]);
    assert_eq!((status, result), (0, 0));
    let done = host.reap(1).unwrap();
    assert_eq!((done.id, done.status & 0x7ff), (slow, 0x07));
    assert_eq!(
        host.admin(8, 0, [u32::from(slow) << 16 | 1, 0, 0, 0, 0, 0]).1,
        1,
        "it is not there any more"
    );
}

#[test]
fn reservations_keep_another_host_out() {
    let mut host = Host::ready("");
    let as_host = |host: &mut Host, id: u64| {
        host.memory.write(DATA, &id.to_le_bytes()).unwrap();
        assert_eq!(host.admin(9, 0, [0x81, 0, 0, 0, 0, 0]).0, 0);
    };
    let keys = |host: &mut Host, opcode: u8, current: u64, new: u64, dword10: u32| {
        host.memory.write(DATA, &current.to_le_bytes()).unwrap();
        host.memory.write(DATA + 8, &new.to_le_bytes()).unwrap();
        host.command(1, opcode, 1, [DATA, 0], [dword10, 0, 0, 0, 0, 0]).0 & 0x7ff
    };
    as_host(&mut host, 7);
    assert_eq!(keys(&mut host, 0x0D, 0, 77, 0), 0);
    assert_eq!(keys(&mut host, 0x11, 77, 0, 1 << 8), 0, "write exclusive");
    as_host(&mut host, 8);
    assert_eq!(host.rw(WRITE, 0, 1, 0) & 0x7ff, 0x83);
    assert_eq!(host.rw(READ, 0, 1, 0), 0);
    assert_eq!(host.command(1, 0x0E, 1, [DATA, 0], [15, 0, 0, 0, 0, 0]).0, 0);
    let report = host.data(48);
    assert_eq!((report[4], report[5], report[26]), (1, 1, 1));
    assert_eq!(u64::from_le_bytes(report[40..48].try_into().unwrap()), 77);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Whatever a driver puts into rings and registers, the controller neither panics nor runs on for ever, nor touches
        /// memory that is not there.
        #[test]
        fn nothing_a_host_does_breaks_the_controller(
            entries in proptest::collection::vec((0u16..3, any::<u8>(), any::<[u8; 32]>(), 0u64..8), 1..40),
            writes in proptest::collection::vec((0u64..0x1040, any::<u64>(), 0usize..4), 0..20),
            plan in prop_oneof![Just(""), Just("duplicate-completion,times=all"), Just("power-cut,nth=3"), Just("resize-namespace=1/5,nth=2")],
        ) {
            let mut host = Host::ready(plan);
            let mut writes = writes.into_iter();
            for (queue, opcode, noise, small) in entries {
                let dword = |at: usize| u32::from_le_bytes(noise[at..at + 4].try_into().unwrap()) >> (small * 4);
                let prp = |at: usize| u64::from_le_bytes(noise[at..at + 8].try_into().unwrap()) >> (small * 8) & !3;
                host.submit(queue, opcode & 0x1f, noise[31] & 0xC3, u32::from(noise[30] % 4), [prp(0), prp(8)], [dword(16), dword(20) & 0xff, dword(24), 0, 0, 0]);
                host.run(Duration::from_millis(2));
                while host.reap(queue).is_some() {}
                if let Some((offset, value, width)) = writes.next() {
                    let width = [1, 2, 4, 8][width];
                    host.controller.write(offset & !(u64::from(width) - 1), width, value);
                    host.controller.read(offset & !(u64::from(width) - 1), width);
                    host.run(Duration::from_millis(2));
                }
            }
        }
    }
}

#[test]
fn a_security_message_is_received_once_and_not_after_a_reset() {
    const SEND: u8 = 0x81;
    const RECEIVE: u8 = 0x82;
    let mut host = Host::ready("");
    let mailbox = |bytes| [0xF000_0100, bytes, 0, 0, 0, 0];
    host.fill(0xA5);
    assert_eq!(host.admin(SEND, 0, mailbox(600)), (0, 0));
    host.fill(0);
    assert_eq!(host.admin(RECEIVE, 0, mailbox(1024)).0, 0);
    assert!(host.data(600).iter().all(|byte| *byte == 0xA5));
    assert_eq!(host.data(601)[600], 0, "no more than was sent");
    // Command Sequence Error.
    assert_eq!(host.admin(RECEIVE, 0, mailbox(1024)).0 & 0x7FF, 0x0C);
    assert_eq!(host.admin(SEND, 0, mailbox(16)), (0, 0));
    host.disable();
    host.enable();
    assert_eq!(host.admin(RECEIVE, 0, mailbox(16)).0 & 0x7FF, 0x0C);
    // Another protocol, more than a message may be: Invalid Field.
    assert_eq!(host.admin(SEND, 0, [0x0100_0000, 16, 0, 0, 0, 0]).0 & 0x7FF, 2);
    assert_eq!(host.admin(SEND, 0, mailbox(1 << 20)).0 & 0x7FF, 2);
}

/// An image of the model's: header, then a body.
fn firmware_image(revision: [u8; 8], length: usize) -> Vec<u8> {
    let mut image: Vec<u8> = (0..length)
        .map(|at| u8::try_from(at % 251).unwrap_or(0))
        .collect();
    let sum = image[24..].iter().map(|byte| u32::from(*byte)).sum::<u32>();
    image[..8].copy_from_slice(b"FERROFW\0");
    image[8..16].copy_from_slice(&revision);
    image[16..20].copy_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
    image[20..24].copy_from_slice(&sum.to_le_bytes());
    image
}

#[test]
fn firmware_is_in_force_after_the_reset_and_not_before() {
    const DOWNLOAD: u8 = 0x11;
    const COMMIT: u8 = 0x10;
    let mut host = Host::ready("");
    let image = firmware_image(*b"NEW 2.0 ", 8192);
    let revision = |host: &mut Host| {
        host.admin(0x06, 0, [1, 0, 0, 0, 0, 0]);
        host.data(4096)[64..72].to_vec()
    };
    let download = |host: &mut Host, offset: usize| {
        host.memory.write(DATA, &image[offset..offset + 4096]).unwrap();
        let dword11 = u32::try_from(offset / 4).unwrap();
        host.admin(DOWNLOAD, 0, [1023, dword11, 0, 0, 0, 0]).0 & 0x7FF
    };
    let commit = |host: &mut Host, dword10| host.admin(COMMIT, 0, [dword10, 0, 0, 0, 0, 0]).0 & 0x7FF;
    let before = revision(&mut host);
    // In any order; twice the same part is an overlap.
    assert_eq!(download(&mut host, 4096), 0);
    assert_eq!(download(&mut host, 4096), 0x114);
    // A part is missing.
    assert_eq!(commit(&mut host, 1 << 3 | 2), 0x107);
    assert_eq!((download(&mut host, 4096), download(&mut host, 0)), (0, 0));
    // Slot 1 is read only, there is no slot 4, and nothing is activated at once.
    assert_eq!(commit(&mut host, 1 << 3 | 1), 0x106);
    assert_eq!(commit(&mut host, 1 << 3 | 4), 0x106);
    assert_eq!(commit(&mut host, 3 << 3 | 2), 0x002);
    assert_eq!(commit(&mut host, 1 << 3 | 2), 0);
    assert_eq!(revision(&mut host), before);
    // Firmware slots: the first in force, the second next.
    host.admin(0x02, u32::MAX, [127 << 16 | 0x8003, 0, 0, 0, 0, 0]);
    assert_eq!(
        (host.data(24)[0], &host.data(24)[16..24]),
        (0x21, &b"NEW 2.0 "[..])
    );
    host.disable();
    host.enable();
    assert_eq!(revision(&mut host), b"NEW 2.0 ");
    // Back to the first; the second stays where it is, the third is empty.
    assert_eq!(commit(&mut host, 2 << 3 | 3), 0x107);
    assert_eq!(commit(&mut host, 2 << 3 | 1), 0);
    host.disable();
    host.enable();
    assert_eq!(revision(&mut host), before);
    // What was downloaded before a reset is gone with it.
    assert_eq!(download(&mut host, 0), 0);
    host.disable();
    host.enable();
    assert_eq!(commit(&mut host, 1 << 3), 0x107);
    // Parts are multiples of 4 KiB.
    assert_eq!(host.admin(DOWNLOAD, 0, [511, 0, 0, 0, 0, 0]).0 & 0x7FF, 2);
}

#[test]
fn sanitize_erases_in_the_background_whatever_happens_meanwhile() {
    const SANITIZE: u8 = 0x84;
    let mut host = Host::new(
        Config {
            sanitize_time: Duration::from_millis(100),
            ..Config::default()
        },
        "",
    );
    host.enable();
    host.create_queues();
    let begin = |host: &mut Host, dword10| host.admin(SANITIZE, 0, [dword10, 0, 0, 0, 0, 0]).0 & 0x7FF;
    let log = |host: &mut Host| {
        host.admin(0x02, u32::MAX, [127 << 16 | 0x81, 0, 0, 0, 0, 0]);
        let data = host.data(4);
        (u16::from_le_bytes([data[0], data[1]]), data[2])
    };
    let io = |host: &mut Host, opcode| host.rw(opcode, 5, 1, 0) & 0x7FF;
    assert_eq!(log(&mut host), (u16::MAX, 0));
    host.fill(0x77);
    assert_eq!(io(&mut host, 0x01), 0);
    // No overwrite; nothing to leave.
    assert_eq!((begin(&mut host, 3), begin(&mut host, 1)), (2, 0));
    assert_eq!(begin(&mut host, 2), 0);
    // Refused meanwhile: reads, writes, Format NVM, another Sanitize; not: Identify.
    assert_eq!((io(&mut host, 0x02), io(&mut host, 0x01)), (0x1D, 0x1D));
    assert_eq!(host.admin(0x80, 1, [0; 6]).0 & 0x7FF, 0x1D);
    assert_eq!(begin(&mut host, 2), 0x1D);
    assert_eq!(host.admin(0x06, 0, [1, 0, 0, 0, 0, 0]).0, 0);
    let (progress, state) = log(&mut host);
    assert_eq!(state, 2);
    // It goes on over a power cut, which does not begin it anew.
    host.controller.cut_power();
    host.enable();
    host.create_queues();
    let (later, state) = log(&mut host);
    assert!(
        (state, later > progress) == (2, true),
        "{progress:#x}, {later:#x}"
    );
    host.run(Duration::from_millis(100));
    assert_eq!(log(&mut host), (u16::MAX, 1));
    host.fill(0xFF);
    assert_eq!(io(&mut host, 0x02), 0);
    assert!(host.data(512).iter().all(|byte| *byte == 0));
}

#[test]
fn sanitize_tells_its_end_by_an_event_and_waits_for_no_firmware() {
    let mut host = Host::ready("");
    let event = host.submit(0, 0x0C, 0, 0, [0, 0], [0; 6]);
    assert_eq!(host.admin_beside_event(0x84, [4, 0, 0, 0, 0, 0]).0, 0);
    host.run(Duration::from_secs(1));
    let told = host.reap(0).expect("an event");
    assert_eq!((told.id, told.result), (event, 0x0081_0106));
    // An image that waits for a reset.
    let image = firmware_image(*b"NEW 2.0 ", 4096);
    host.memory.write(DATA, &image).unwrap();
    assert_eq!(host.admin(0x11, 0, [1023, 0, 0, 0, 0, 0]).0, 0);
    assert_eq!(host.admin(0x10, 0, [1 << 3, 0, 0, 0, 0, 0]).0, 0);
    assert_eq!(host.admin(0x84, 0, [2, 0, 0, 0, 0, 0]).0 & 0x7FF, 0x111);
    host.disable();
    host.enable();
    assert_eq!(host.admin(0x84, 0, [2, 0, 0, 0, 0, 0]).0 & 0x7FF, 0);
}
