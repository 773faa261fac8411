//! What goes wrong in lives: the faults of controllers, as plans, and the table of what lives hold.

use fastrand::Rng;

/// What a fault excuses.
#[expect(clippy::struct_excessive_bools, reason = "each excuses something of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Excuses {
    /// The adapter may not start.
    pub start: bool,
    /// The driver may give the adapter up; every request then ends in time, with no device.
    pub adapter: bool,
    /// Requests may time out.
    pub time_outs: bool,
    /// Commands may fail with the device's error.
    pub errors: bool,
    /// The unit of this namespace may be away.
    pub unit: Option<u32>,
}

impl Excuses {
    /// Of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            start: self.start || other.start,
            adapter: self.adapter || other.adapter,
            time_outs: self.time_outs || other.time_outs,
            errors: self.errors || other.errors,
            unit: self.unit.or(other.unit),
        }
    }
}

/// A family of faults, as lives draw from it.
struct Family {
    /// Its number among the twenty faults.
    number: u8,
    /// How often it is drawn, relative to others.
    weight: u32,
    /// A fault of the family in the syntax of [`nvme_controller::fault`] with `+` for commas, and what it excuses.
    draw: fn(&mut Rng) -> (String, Excuses),
}

const NONE: Excuses = Excuses {
    start: false,
    adapter: false,
    time_outs: false,
    errors: false,
    unit: None,
};
const TIME_OUTS: Excuses = Excuses {
    time_outs: true,
    ..NONE
};
const ERRORS: Excuses = Excuses { errors: true, ..NONE };
const ADAPTER: Excuses = Excuses {
    adapter: true,
    ..TIME_OUTS
};
const START: Excuses = Excuses {
    start: true,
    adapter: true,
    ..TIME_OUTS
};

fn pick<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(0..of.len())]
}

/// READ, WRITE or flush, by opcode.
fn io(random: &mut Rng) -> String {
    let opcode = pick(random, &["0x01", "0x01", "0x02", "0x02", "0x00"]);
    format!("opcode=io:{opcode}+nth={}", random.u32(1..=16))
}

/// An admin command of the bring-up or of what follows it.
fn admin(random: &mut Rng) -> String {
    // Identify, Set Features, Create I/O Completion Queue, Create I/O Submission Queue, Get Log Page, Abort.
    let opcode = pick(random, &["0x06", "0x09", "0x05", "0x01", "0x02", "0x08"]);
    format!("opcode=admin:{opcode}+nth={}", random.u32(1..=6))
}

/// What a controller does wrong. What it does to one command it does to I/O commands here; family 9 is about the admin queue.
const FAMILIES: [Family; 16] = [
    Family {
        number: 1,
        weight: 3,
        draw: |random| (format!("lose-completion+{}", io(random)), TIME_OUTS),
    },
    Family {
        number: 2,
        weight: 3,
        draw: |random| (format!("late-completion+{}", io(random)), TIME_OUTS),
    },
    Family {
        number: 3,
        weight: 2,
        draw: |random| {
            (
                format!("duplicate-completion+{}+times={}", io(random), random.u32(1..=4)),
                NONE,
            )
        },
    },
    Family {
        number: 4,
        weight: 2,
        draw: |random| {
            let kind = pick(random, &["wrong-command", "wrong-queue"]);
            (format!("{kind}+{}", io(random)), TIME_OUTS)
        },
    },
    Family {
        number: 5,
        weight: 3,
        draw: |random| {
            (
                format!("lose-interrupt+{}+times={}", io(random), random.u32(1..=3)),
                TIME_OUTS,
            )
        },
    },
    Family {
        number: 6,
        weight: 2,
        draw: |random| {
            let count = random.u32(1..=200);
            let fault = if random.bool() {
                format!("storm={count}+{}", io(random))
            } else {
                format!("storm={count}+at={}", random.u32(1..=20_000))
            };
            (fault, NONE)
        },
    },
    Family {
        number: 7,
        weight: 3,
        draw: |random| (format!("fatal+{}", io(random)), TIME_OUTS),
    },
    Family {
        number: 8,
        weight: 2,
        draw: |random| {
            // CAP.TO is 7.5 s.
            let (fault, excuses) = match random.u32(0..3) {
                0 => (format!("slow={}", random.u32(1..=6000)), TIME_OUTS),
                1 => (String::from("slow=9000"), START),
                _ => (String::from("not-ready"), START),
            };
            (format!("{fault}+nth={}", random.u32(1..=4)), excuses)
        },
    },
    Family {
        number: 9,
        weight: 3,
        draw: |random| {
            let kind = pick(
                random,
                &[
                    "lose-completion",
                    "lose-interrupt",
                    "late-completion",
                    "wrong-command",
                ],
            );
            (format!("{kind}+{}", admin(random)), START)
        },
    },
    Family {
        number: 10,
        weight: 2,
        draw: |random| {
            let fault = match random.u32(0..3) {
                0 => format!("vanish+{}", io(random)),
                1 => format!("vanish+{}", admin(random)),
                _ => format!("vanish+at={}", random.u32(1..=30_000)),
            };
            (fault, START)
        },
    },
    Family {
        number: 13,
        weight: 2,
        draw: |random| {
            // Above what a bus reset may last, below CAP.TO: the reset fails, the recovery succeeds. Or never.
            match random.u32(0..3) {
                0 => (format!("not-stopped+nth={}", random.u32(1..=3)), START),
                _ => (
                    format!("slow={}+nth={}", random.u32(400..=6000), random.u32(2..=5)),
                    TIME_OUTS,
                ),
            }
        },
    },
    Family {
        number: 14,
        weight: 4,
        draw: |random| {
            // Data Transfer Error, Internal Error, Namespace Not Ready, Write Fault, Unrecovered Read Error,
            // Guard Check, Access Denied, LBA Out of Range.
            let statuses = [
                "0/4", "0/6", "0/0x82", "2/0x80", "2/0x81", "2/0x82", "2/0x86", "0/0x80",
            ];
            let status = pick(random, &statuses);
            let last = pick(random, &["", "/final"]);
            let times = random.u32(1..=4);
            (
                format!("status={status}{last}+{}+times={times}", io(random)),
                ERRORS,
            )
        },
    },
    Family {
        number: 17,
        weight: 2,
        draw: |random| match random.u32(0..3) {
            0 => (
                format!("status=1/2+opcode=admin:0x05+nth={}", random.u32(1..=2)),
                START,
            ),
            1 => (
                format!("status=1/1+opcode=admin:0x01+nth={}", random.u32(1..=2)),
                START,
            ),
            _ => (format!("fewer-queues={}", random.u32(1..=2)), NONE),
        },
    },
    Family {
        number: 19,
        weight: 4,
        draw: namespaces,
    },
    Family {
        number: 20,
        weight: 3,
        draw: |random| {
            let fault = match random.u32(0..4) {
                0 => format!("power-cut+{}", io(random)),
                1 => format!("power-cut+at={}", random.u32(1000..=30_000)),
                2 => format!("status=0/6+opcode=io:0x00+nth={}", random.u32(1..=3)),
                _ => format!("lose-completion+opcode=io:0x00+nth={}", random.u32(1..=3)),
            };
            let excuses = if fault.starts_with("status") {
                ERRORS
            } else {
                // At a moment, which may lie in the start.
                Excuses {
                    start: fault.starts_with("power-cut+at"),
                    ..TIME_OUTS
                }
            };
            (fault, excuses)
        },
    },
    Family {
        number: 18,
        weight: 1,
        draw: |random| (format!("power-cut+{}", admin(random)), ADAPTER.and(START)),
    },
];

/// The second namespace goes, comes back, changes its size; sometimes the log page that would say so cannot be read.
fn namespaces(random: &mut Rng) -> (String, Excuses) {
    let away = Excuses {
        unit: Some(2),
        ..NONE
    };
    let at = random.u32(1..=10_000);
    let back = at + random.u32(1..=20_000);
    let (mut fault, mut excuses) = match random.u32(0..3) {
        0 => (format!("remove-namespace=2+at={at}"), away),
        1 => (
            format!("remove-namespace=2+at={at};attach-namespace=2+at={back}"),
            away,
        ),
        _ => (
            format!("resize-namespace=2/{}+at={at}", random.u32(1024..=8192)),
            NONE,
        ),
    };
    if random.u32(0..3) == 0 {
        let nth = random.u32(1..=2);
        let kind = pick(random, &["status=0/6", "lose-completion"]);
        fault = format!("{fault};{kind}+opcode=admin:0x02+nth={nth}");
        // What could not be read is not known.
        excuses = excuses.and(Excuses {
            adapter: true,
            ..away
        });
    }
    (fault, excuses)
}

/// Draws a fault: its text, what it excuses, and its number among the twenty.
pub fn draw(random: &mut Rng) -> (String, Excuses, u8) {
    let sum: u32 = FAMILIES.iter().map(|family| family.weight).sum();
    let mut at = random.u32(0..sum);
    for family in &FAMILIES {
        if at < family.weight {
            let (fault, excuses) = (family.draw)(random);
            return (fault, excuses, family.number);
        }
        at -= family.weight;
    }
    unreachable!("the weights are a sum")
}

/// How a fault is in lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// By the controller's plan.
    ByController,
    /// By what the life does, or what its controller is.
    ByLife(&'static str),
    /// Only in part; what is missing, and why.
    InPart(&'static str),
}

/// The twenty faults that a driver is to survive.
pub const TWENTY: [(u8, &str, Held); 20] = [
    (1, "completion never arrives", Held::ByController),
    (
        2,
        "completion after a reset, its command id reused",
        Held::ByController,
    ),
    (3, "duplicate completion", Held::ByController),
    (
        4,
        "completion with an invalid command or queue id",
        Held::ByController,
    ),
    (5, "lost interrupt", Held::ByController),
    (6, "spurious interrupts", Held::ByController),
    (7, "controller fatal status in mid-I/O", Held::ByController),
    (8, "enable or disable longer than CAP.TO", Held::ByController),
    (9, "admin queue stuck", Held::ByController),
    (10, "registers read all ones", Held::ByController),
    (
        11,
        "surprise removal in the middle of I/O",
        Held::ByLife("the controller vanishes at a moment of the schedule, inside callbacks too"),
    ),
    (
        12,
        "LUN, target and bus resets colliding",
        Held::ByLife("resets are issued together, in any order"),
    ),
    (13, "a reset that fails, then succeeds", Held::ByController),
    (
        14,
        "media, internal and LBA errors, with and without Do Not Retry",
        Held::ByController,
    ),
    (
        15,
        "submission queue full",
        Held::ByLife("queues of 4 to 32 entries under a greater depth"),
    ),
    (
        16,
        "allocations failing, one call site at a time or by seed",
        Held::ByLife("at the start"),
    ),
    (
        17,
        "queue creation failing, fewer queues or vectors granted",
        Held::ByController,
    ),
    (
        18,
        "power down and up, hibernation, dump entry with I/O in flight",
        Held::InPart(
            "stop and restart, D3 and D0, each with requests in flight before; no hibernation and no dump",
        ),
    ),
    (
        19,
        "namespace resized, removed, attached by event under load; log page missed",
        Held::ByController,
    ),
    (
        20,
        "power cut between write, FUA and flush; flush fails or times out",
        Held::ByController,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nvme_controller::fault::Plan;

    use super::*;

    #[test]
    fn every_fault_that_is_drawn_is_a_plan_and_every_family_is_drawn() {
        let mut random = Rng::with_seed(1);
        let mut drawn = BTreeMap::new();
        for _ in 0..2000 {
            let (fault, _, number) = draw(&mut random);
            let plan: Result<Plan, _> = fault.replace('+', ",").parse();
            assert!(plan.is_ok(), "{fault}: {plan:?}");
            *drawn.entry(number).or_insert(0) += 1;
        }
        for (number, name, held) in TWENTY {
            if held == Held::ByController {
                assert!(
                    drawn.get(&number).is_some_and(|count| *count > 10),
                    "{number}, {name}: {drawn:?}"
                );
            }
        }
    }
}
