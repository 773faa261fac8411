//! The ways to be a bad controller, by plan.
//!
//! A plan is a list of faults, each with what sets it off and how often. In text: faults separated by `;`, each a name
//! with an optional value, then conditions, for example
//!
//! ```text
//! lose-completion,opcode=io:0x02,nth=5; status=2/0x81,lba=100..200,times=3; not-ready
//! ```
//!
//! | fault | what the controller does |
//! | --- | --- |
//! | `lose-completion` | executes the command and never completes it |
//! | `late-completion` | completes it after the next reset, with its old command identifier |
//! | `duplicate-completion` | completes it twice |
//! | `wrong-command` | completes it under another command identifier |
//! | `wrong-queue` | completes it under another submission queue's identifier |
//! | `lose-interrupt` | posts the completion without an interrupt |
//! | `storm=N` | raises N interrupts for nothing |
//! | `fatal` | sets CSTS.CFS and stops |
//! | `not-ready` | does not become ready when enabled |
//! | `not-stopped` | stays ready when disabled |
//! | `slow=MS` | takes that long for the command, or for becoming ready or not ready |
//! | `vanish` | leaves the bus: reads as all ones |
//! | `status=T/C` | fails the command with status code type T and code C; `/final` adds Do Not Retry |
//! | `event-index=N` | writes N as every `EventIdx` of its shadow doorbells, until the next reset |
//! | `fewer-queues=N` | grants N queue pairs |
//! | `remove-namespace=N`, `attach-namespace=N`, `resize-namespace=N/BLOCKS` | and tells it by an event |
//! | `power-cut` | loses the volatile cache, as seed and luck will have it, and everything else that is volatile |
//!
//! | condition | meaning |
//! | --- | --- |
//! | `opcode=admin:X`, `opcode=io:X` | commands with that opcode |
//! | `lba=A..B` | commands that touch a block of that range |
//! | `nth=N` | not before the Nth command (or enabling, or disabling) that fits; 1 unless given |
//! | `times=N` | that often; 1 unless given, `times=all` without an end |
//! | `at=MICROS` | once, that long after power on, whatever the host does: for `fatal`, `vanish`, `power-cut`, `storm` and the namespaces |

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use crate::status::Status;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command is executed and never completed.
    LoseCompletion,
    /// It is completed after the next reset.
    LateCompletion,
    /// It is completed twice.
    DuplicateCompletion,
    /// It is completed under another command identifier.
    WrongCommand,
    /// It is completed under another queue's identifier.
    WrongQueue,
    /// It is completed without an interrupt.
    LoseInterrupt,
    /// So many interrupts for nothing.
    Storm(u32),
    /// CSTS.CFS.
    Fatal,
    /// RDY does not follow EN = 1.
    NotReady,
    /// RDY does not follow EN = 0.
    NotStopped,
    /// The command, or RDY, takes that long.
    Slow(Duration),
    /// The function leaves the bus.
    Vanish,
    /// The command fails.
    Fail(Status),
    /// Every `EventIdx` is this, until the next reset.
    EventIndex(u32),
    /// So many queue pairs are granted.
    FewerQueues(u16),
    /// A namespace is detached.
    RemoveNamespace(u32),
    /// A namespace is attached.
    AttachNamespace(u32),
    /// A namespace gets another size in blocks.
    ResizeNamespace(u32, u64),
    /// The volatile cache is lost.
    PowerCut,
}

impl Kind {
    /// Its name in a plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoseCompletion => "lose-completion",
            Self::LateCompletion => "late-completion",
            Self::DuplicateCompletion => "duplicate-completion",
            Self::WrongCommand => "wrong-command",
            Self::WrongQueue => "wrong-queue",
            Self::LoseInterrupt => "lose-interrupt",
            Self::Storm(_) => "storm",
            Self::Fatal => "fatal",
            Self::NotReady => "not-ready",
            Self::NotStopped => "not-stopped",
            Self::Slow(_) => "slow",
            Self::Vanish => "vanish",
            Self::Fail(_) => "status",
            Self::EventIndex(_) => "event-index",
            Self::FewerQueues(_) => "fewer-queues",
            Self::RemoveNamespace(_) => "remove-namespace",
            Self::AttachNamespace(_) => "attach-namespace",
            Self::ResizeNamespace(..) => "resize-namespace",
            Self::PowerCut => "power-cut",
        }
    }

    /// Whether it needs no command to happen to.
    const fn is_the_controllers(self) -> bool {
        matches!(
            self,
            Self::Storm(_)
                | Self::Fatal
                | Self::Vanish
                | Self::RemoveNamespace(_)
                | Self::AttachNamespace(_)
                | Self::ResizeNamespace(..)
                | Self::PowerCut
        )
    }
}

/// Which queue a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// The admin queue.
    Admin,
    /// An I/O queue.
    Io,
}

/// What a fault is about to be set off by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A command.
    Command {
        queue: Queue,
        opcode: u8,
        blocks: Option<Range<u64>>,
    },
    /// CC.EN is set.
    Enable,
    /// CC.EN is cleared.
    Disable,
}

/// A fault of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// Only for this opcode.
    pub opcode: Option<(Queue, u8)>,
    /// Only for commands that touch these blocks.
    pub blocks: Option<Range<u64>>,
    /// Not before so many occasions.
    pub nth: u64,
    /// So often; `None` without an end.
    pub times: Option<u64>,
    /// By time alone: so long after power on.
    pub at: Option<Duration>,
}

/// Faults, and how far each has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    faults: Vec<(Fault, u64)>,
    injected: Vec<(&'static str, u64)>,
}

/// A plan that cannot be read; the message names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault plan: `{text}`: {remedy}")]
pub struct PlanError {
    text: String,
    remedy: &'static str,
}

impl Plan {
    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    /// How often each kind was set off.
    #[must_use]
    pub fn injected(&self) -> &[(&'static str, u64)] {
        &self.injected
    }

    /// When the next fault is due that waits for its time.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let waiting = self.faults.iter().filter(|(_, seen)| *seen == 0);
        waiting.filter_map(|(fault, _)| fault.at).min()
    }

    /// The faults whose time has come.
    pub(crate) fn strike_due(&mut self, now: Duration) -> Vec<Kind> {
        if self.next_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut struck = Vec::new();
        for (fault, seen) in &mut self.faults {
            if *seen == 0 && fault.at.is_some_and(|at| at <= now) {
                *seen = 1;
                struck.push(fault.kind);
            }
        }
        self.count(&struck);
        struck
    }

    fn count(&mut self, struck: &[Kind]) {
        for kind in struck {
            match self.injected.iter_mut().find(|(name, _)| *name == kind.name()) {
                Some((_, count)) => *count += 1,
                None => self.injected.push((kind.name(), 1)),
            }
        }
    }

    /// The faults that an occasion sets off.
    pub(crate) fn strike(&mut self, occasion: &Occasion) -> Vec<Kind> {
        if self.faults.is_empty() {
            return Vec::new();
        }
        let mut struck = Vec::new();
        for (fault, seen) in &mut self.faults {
            if !fault.fits(occasion) {
                continue;
            }
            *seen += 1;
            let since = seen.checked_sub(fault.nth);
            if since.is_some_and(|since| fault.times.is_none_or(|times| since < times)) {
                struck.push(fault.kind);
            }
        }
        self.count(&struck);
        struck
    }
}

impl Fault {
    fn fits(&self, occasion: &Occasion) -> bool {
        if self.at.is_some() {
            return false;
        }
        match occasion {
            Occasion::Enable => matches!(self.kind, Kind::NotReady) || self.is_slow_start(),
            Occasion::Disable => matches!(self.kind, Kind::NotStopped) || self.is_slow_start(),
            Occasion::Command {
                queue,
                opcode,
                blocks,
            } => {
                if matches!(self.kind, Kind::NotReady | Kind::NotStopped) || self.is_slow_start() {
                    return false;
                }
                let wanted = self.opcode.is_none_or(|wanted| wanted == (*queue, *opcode));
                let touched = self.blocks.as_ref().is_none_or(|wanted| {
                    blocks
                        .as_ref()
                        .is_some_and(|blocks| blocks.start < wanted.end && wanted.start < blocks.end)
                });
                // A fault without an opcode is about I/O, unless only admin commands can have it.
                let kind_fits = match self.kind {
                    Kind::FewerQueues(_) => *queue == Queue::Admin && *opcode == 0x09,
                    _ => self.opcode.is_some() || *queue == Queue::Io,
                };
                wanted && touched && kind_fits
            }
        }
    }

    /// `slow` without a condition on commands is about becoming ready.
    fn is_slow_start(&self) -> bool {
        matches!(self.kind, Kind::Slow(_)) && self.opcode.is_none() && self.blocks.is_none()
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn kind(text: &str) -> Result<Kind, &'static str> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let whole = || number(value).ok_or("give a number after `=`");
    let small = || whole().and_then(|value| u32::try_from(value).map_err(|_| "the number is too large"));
    Ok(match name {
        "lose-completion" => Kind::LoseCompletion,
        "late-completion" => Kind::LateCompletion,
        "duplicate-completion" => Kind::DuplicateCompletion,
        "wrong-command" => Kind::WrongCommand,
        "wrong-queue" => Kind::WrongQueue,
        "lose-interrupt" => Kind::LoseInterrupt,
        "storm" => Kind::Storm(small()?),
        "fatal" => Kind::Fatal,
        "not-ready" => Kind::NotReady,
        "not-stopped" => Kind::NotStopped,
        "slow" => Kind::Slow(Duration::from_millis(whole()?)),
        "vanish" => Kind::Vanish,
        "power-cut" => Kind::PowerCut,
        "event-index" => Kind::EventIndex(small()?),
        "fewer-queues" => {
            let queues = u16::try_from(whole()?).ok().filter(|queues| *queues != 0);
            Kind::FewerQueues(queues.ok_or("give 1 to 65535 queue pairs")?)
        }
        "remove-namespace" => Kind::RemoveNamespace(small()?),
        "attach-namespace" => Kind::AttachNamespace(small()?),
        "resize-namespace" => {
            const REMEDY: &str = "write `resize-namespace=NSID/BLOCKS`";
            let (id, blocks) = value.split_once('/').ok_or(REMEDY)?;
            let id = number(id).and_then(|id| u32::try_from(id).ok()).ok_or(REMEDY)?;
            Kind::ResizeNamespace(id, number(blocks).ok_or(REMEDY)?)
        }
        "status" => {
            const REMEDY: &str = "write `status=TYPE/CODE` or `status=TYPE/CODE/final`";
            let mut parts = value.split('/');
            let mut byte = || {
                parts
                    .next()
                    .and_then(number)
                    .and_then(|value| u8::try_from(value).ok())
            };
            let (kind, code) = (byte().ok_or(REMEDY)?, byte().ok_or(REMEDY)?);
            let last = match parts.next() {
                None => false,
                Some("final") => true,
                Some(_) => return Err(REMEDY),
            };
            if kind == 0 && code == 0 {
                return Err("status 0/0 is success");
            }
            Kind::Fail(Status::new(kind, code, last))
        }
        _ => {
            return Err(
                "no such fault; there are lose-completion, late-completion, duplicate-completion, wrong-command, wrong-queue, lose-interrupt, \
                 storm=N, fatal, not-ready, not-stopped, slow=MS, vanish, status=T/C, fewer-queues=N, remove-namespace=N, \
                 attach-namespace=N, resize-namespace=N/BLOCKS and power-cut",
            );
        }
    })
}

impl FromStr for Fault {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let error = |text: &str, remedy| PlanError {
            text: text.to_owned(),
            remedy,
        };
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut fault = Self {
            kind: kind(name).map_err(|remedy| error(name, remedy))?,
            opcode: None,
            blocks: None,
            nth: 1,
            times: Some(1),
            at: None,
        };
        for part in parts {
            let bad = |remedy| error(part, remedy);
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| bad("write `CONDITION=VALUE`"))?;
            match key {
                "opcode" => {
                    const REMEDY: &str = "write `opcode=admin:0x06` or `opcode=io:0x02`";
                    let (queue, opcode) = value.split_once(':').ok_or_else(|| bad(REMEDY))?;
                    let queue = match queue {
                        "admin" => Queue::Admin,
                        "io" => Queue::Io,
                        _ => return Err(bad(REMEDY)),
                    };
                    let opcode = number(opcode).and_then(|value| u8::try_from(value).ok());
                    fault.opcode = Some((queue, opcode.ok_or_else(|| bad(REMEDY))?));
                }
                "lba" => {
                    const REMEDY: &str = "write `lba=FIRST..END`, the end not included";
                    let (start, end) = value.split_once("..").ok_or_else(|| bad(REMEDY))?;
                    let range = number(start).zip(number(end)).filter(|(start, end)| start < end);
                    let (start, end) = range.ok_or_else(|| bad(REMEDY))?;
                    fault.blocks = Some(start..end);
                }
                "nth" => {
                    let nth = number(value).filter(|nth| *nth != 0);
                    fault.nth = nth.ok_or_else(|| bad("give a number from 1"))?;
                }
                "times" if value == "all" => fault.times = None,
                "times" => {
                    let times = number(value).filter(|times| *times != 0);
                    fault.times = Some(times.ok_or_else(|| bad("give a number from 1, or `all`"))?);
                }
                "at" => {
                    let micros = number(value).ok_or_else(|| bad("give microseconds since power on"))?;
                    fault.at = Some(Duration::from_micros(micros));
                }
                _ => return Err(bad("conditions are opcode, lba, nth, times and at")),
            }
        }
        let by_command =
            fault.opcode.is_some() || fault.blocks.is_some() || fault.nth != 1 || fault.times != Some(1);
        if fault.at.is_some() && (by_command || !fault.kind.is_the_controllers()) {
            return Err(error(
                text,
                "`at` goes alone, with fatal, vanish, power-cut, storm or a namespace's fault",
            ));
        }
        Ok(fault)
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            plan.add(part.parse()?);
        }
        Ok(plan)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (fault, _)) in self.faults.iter().enumerate() {
            if index != 0 {
                f.write_str(";")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match self.kind {
            Kind::Storm(count) => write!(f, "={count}")?,
            Kind::Slow(time) => write!(f, "={}", time.as_millis())?,
            Kind::Fail(status) => {
                let last = if status.final_ { "/final" } else { "" };
                write!(f, "={}/{:#04x}{last}", status.kind, status.code)?;
            }
            Kind::EventIndex(index) => write!(f, "={index}")?,
            Kind::FewerQueues(queues) => write!(f, "={queues}")?,
            Kind::RemoveNamespace(id) | Kind::AttachNamespace(id) => write!(f, "={id}")?,
            Kind::ResizeNamespace(id, blocks) => write!(f, "={id}/{blocks}")?,
            _ => {}
        }
        match self.opcode {
            Some((Queue::Admin, opcode)) => write!(f, ",opcode=admin:{opcode:#04x}")?,
            Some((Queue::Io, opcode)) => write!(f, ",opcode=io:{opcode:#04x}")?,
            None => {}
        }
        if let Some(blocks) = &self.blocks {
            write!(f, ",lba={}..{}", blocks.start, blocks.end)?;
        }
        if self.nth != 1 {
            write!(f, ",nth={}", self.nth)?;
        }
        if let Some(at) = self.at {
            write!(f, ",at={}", at.as_micros())?;
        }
        match self.times {
            Some(1) => Ok(()),
            Some(times) => write!(f, ",times={times}"),
            None => f.write_str(",times=all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READ: Occasion = Occasion::Command {
        queue: Queue::Io,
        opcode: 2,
        blocks: Some(100..108),
    };

    #[test]
    fn a_fault_strikes_when_and_as_often_as_it_says() {
        let mut plan: Plan =
            "lose-completion,opcode=io:0x02,nth=3,times=2; status=2/0x81,lba=107..200,times=all"
                .parse()
                .unwrap();
        let count = |plan: &mut Plan, kind: Kind| plan.strike(&READ).iter().filter(|k| **k == kind).count();
        let struck: Vec<_> = (0..6).map(|_| count(&mut plan, Kind::LoseCompletion)).collect();
        assert_eq!(struck, [0, 0, 1, 1, 0, 0]);
        assert_eq!(plan.injected(), [("status", 6), ("lose-completion", 2)]);
        let elsewhere = Occasion::Command {
            queue: Queue::Io,
            opcode: 1,
            blocks: Some(200..208),
        };
        assert!(plan.strike(&elsewhere).is_empty());
        assert!(plan.strike(&Occasion::Enable).is_empty());
    }

    #[test]
    fn a_fault_with_a_time_waits_for_it_and_strikes_once() {
        let text = "fatal,at=30;storm=3,at=10;vanish,opcode=io:0x01";
        let mut plan: Plan = text.parse().unwrap();
        assert_eq!(plan.to_string(), text);
        let micros = Duration::from_micros;
        assert_eq!(plan.next_due(), Some(micros(10)));
        assert!(plan.strike(&READ).is_empty(), "no command sets it off");
        assert!(plan.strike_due(micros(9)).is_empty());
        assert_eq!(plan.strike_due(micros(20)), [Kind::Storm(3)]);
        assert_eq!(plan.next_due(), Some(micros(30)));
        assert_eq!(plan.strike_due(micros(99)), [Kind::Fatal]);
        assert_eq!(plan.next_due(), None);
        assert!(plan.strike_due(micros(999)).is_empty());
        assert_eq!(plan.injected(), [("storm", 1), ("fatal", 1)]);
    }

    #[test]
    fn mistakes_name_the_remedy() {
        for (text, remedy) in [
            ("explode", "no such fault"),
            ("status=0/0", "is success"),
            ("status=2", "status=TYPE/CODE"),
            ("vanish,nth=0", "from 1"),
            ("vanish,lba=5..5", "FIRST..END"),
            ("vanish,opcode=2", "opcode=admin"),
            ("vanish,when=later", "conditions are"),
            ("fewer-queues=0", "1 to 65535"),
            ("vanish,at=soon", "microseconds"),
            ("lose-completion,at=5", "goes alone"),
            ("vanish,at=5,times=2", "goes alone"),
        ] {
            let error = text.parse::<Plan>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", tail in "[a-z0-9=:/.,;-]*") {
            let _ = text.parse::<Plan>();
            let _ = format!("status={tail}").parse::<Plan>();
            let _ = format!("vanish,{tail}").parse::<Plan>();
        }

        #[test]
        fn what_is_printed_reads_back(opcode in any::<u8>(), nth in 1u64..9, times in proptest::option::of(1u64..9), start in 0u64..99, length in 1u64..99, kind in 0usize..7) {
            let kind = [Kind::Vanish, Kind::Storm(7), Kind::Slow(Duration::from_millis(30)), Kind::Fail(Status::new(2, 0x81, true)), Kind::ResizeNamespace(1, 99), Kind::FewerQueues(2), Kind::EventIndex(u32::MAX)][kind];
            let fault = Fault { kind, opcode: Some((Queue::Io, opcode)), blocks: Some(start..start + length), nth, times, at: None };
            prop_assert_eq!(fault.to_string().parse::<Fault>(), Ok(fault));
        }
    }
}
