//! Whatever happens to the stepped machine, it neither panics nor goes on for ever.

mod simulator;

use nvme::Status;
use nvme_core::control::{Action, Control, ControlConfig, Event, Failure, QueuePair, Request, Tables};
use nvme_core::namespace::NamespaceTable;
use nvme_core::{Instant, Micros};
use proptest::prelude::*;
use simulator::Bench;

fn configured() -> Control {
    let mut control = Control::new();
    control
        .configure(ControlConfig {
            admin_submission_queue: 0x1000,
            admin_completion_queue: 0x2000,
            data_page: 0x3000,
            shadow_doorbells: 0x4_0000,
            event_indices: 0x5_0000,
            register_bytes: 0x2000,
            admin_entries: 2,
        })
        .unwrap();
    control
}

fn requests() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Identify),
        any::<u16>().prop_map(|pairs| Request::Queues { pairs }),
        any::<u16>().prop_map(|pairs| Request::Restart { pairs }),
        Just(Request::Stop),
        any::<bool>().prop_map(|delete_queues| Request::Shutdown { delete_queues }),
        any::<bool>().prop_map(|read_changed_list| Request::Rescan { read_changed_list }),
        (any::<u8>(), any::<u16>()).prop_map(|(page, bytes)| Request::ReadLog {
            page: nvme::log::LogPageId(page),
            namespace: nvme::NamespaceId::ALL,
            bytes
        }),
    ]
}

#[derive(Clone, Debug)]
enum Stimulus {
    Begin(Request, u64),
    Value(u64),
    Performed,
    Completion {
        tag: Option<u32>,
        status: u16,
        result: u32,
        fill: Option<u8>,
    },
    Tick,
}

/// Register values of which many are plausible, so that runs get far.
fn values() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0x0000_0020_0400_007F_u64),
        4 => Just(1_u64),
        4 => Just(0_u64),
        2 => 0..64_u64,
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ]
}

fn stimuli() -> impl Strategy<Value = Stimulus> {
    let completion = (
        proptest::option::weighted(0.2, any::<u32>()),
        prop_oneof![3 => Just(0_u16), 1 => any::<u16>()],
        any::<u32>(),
        proptest::option::weighted(0.9, any::<u8>()),
    )
        .prop_map(|(tag, status, result, fill)| Stimulus::Completion {
            tag,
            status,
            result,
            fill,
        });
    prop_oneof![
        1 => (requests(), 0..10_000_000_u64).prop_map(|(request, budget)| Stimulus::Begin(request, budget)),
        4 => values().prop_map(Stimulus::Value),
        4 => Just(Stimulus::Performed),
        4 => completion,
        3 => Just(Stimulus::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any events in any order, at any times: no panic, and the answer always fits the machine's state.
    #[test]
    fn any_sequence_of_events_is_survived(
        events in proptest::collection::vec((stimuli(), 0..3_000_000_u64), 1..300),
    ) {
        let mut control = configured();
        let mut namespaces = NamespaceTable::new();
        let pair = QueuePair { submission_queue: 0x4000, completion_queue: 0x5000, entries: 64, interrupt_vector: 0 };
        let mut now = Instant(0);
        let mut present = 0;
        for (stimulus, advance) in events {
            now = now.after(Micros(advance));
            let page;
            let event = match stimulus {
                Stimulus::Begin(request, budget) => Event::Begin { request, budget: Micros(budget) },
                Stimulus::Value(value) => Event::Value(value),
                Stimulus::Performed => Event::Performed,
                Stimulus::Completion { tag, status, result, fill } => {
                    let data = match fill {
                        Some(byte) => { page = [byte; 4096]; Some(&page) }
                        None => None,
                    };
                    Event::Completion { tag: tag.unwrap_or(present), status: Status::from_bits(status), result, data }
                }
                Stimulus::Tick => Event::Tick,
            };
            let mut tables = Tables { queue_pairs: &[pair], namespaces: &mut namespaces };
            match control.step(event, now, &mut tables) {
                Action::Submit { tag, entry, deadline, .. } => {
                    prop_assert!(deadline > now);
                    prop_assert!(control.is_command_outstanding());
                    prop_assert_eq!(entry.data.prp1 % 4096, 0);
                    present = tag;
                }
                Action::Wait { until } => prop_assert!(until > now),
                Action::Done(_) => prop_assert!(!control.is_busy()),
                Action::Failed(failure) => prop_assert!(failure == Failure::Busy || !control.is_busy()),
                _ => {}
            }
            for (_, info) in namespaces.online() {
                prop_assert!(info.id.is_single() && info.blocks > 0 && (9..=12).contains(&info.block_shift));
                prop_assert!(info.blocks.checked_mul(1 << info.block_shift).is_some());
            }
        }
    }

    /// Driven to the end with arbitrary answers, every request ends, within its budget.
    #[test]
    fn every_request_ends_whatever_is_answered(
        script in proptest::collection::vec(requests(), 1..4),
        values in proptest::collection::vec(values(), 1..200),
        completions in proptest::collection::vec((prop_oneof![3 => Just(0_u16), 1 => any::<u16>()], any::<u32>(), any::<u8>(), 0..8_u8), 1..200),
        budget in 0..30_000_000_u64,
    ) {
        let mut control = configured();
        let mut namespaces = NamespaceTable::new();
        let pair = QueuePair { submission_queue: 0x4000, completion_queue: 0x5000, entries: 64, interrupt_vector: 0 };
        let mut values = values.iter().cycle();
        let mut completions = completions.iter().cycle();
        let mut now = Instant(5);
        for request in script {
            let end = now.after(Micros(budget));
            let mut page;
            let mut event = Event::Begin { request, budget: Micros(budget) };
            let mut steps = 0;
            loop {
                steps += 1;
                prop_assert!(steps < 20_000, "no end");
                let mut tables = Tables { queue_pairs: &[pair], namespaces: &mut namespaces };
                event = match control.step(event, now, &mut tables) {
                    Action::Read(_) => Event::Value(*values.next().unwrap()),
                    Action::Write(..) | Action::Reclaim(_) | Action::PrepareAdminQueue { .. }
                    | Action::PrepareQueuePair { .. } => Event::Performed,
                    Action::Submit { tag, transfers, deadline, .. } => {
                        prop_assert!(deadline <= end);
                        let &(status, result, fill, silent) = completions.next().unwrap();
                        if silent == 0 {
                            now = now.max(deadline);
                            Event::Tick
                        } else {
                            page = [fill; 4096];
                            Event::Completion { tag, status: Status::from_bits(status), result, data: transfers.then_some(&page) }
                        }
                    }
                    Action::Wait { until } => {
                        prop_assert!(until <= end);
                        now = now.max(until);
                        Event::Tick
                    }
                    Action::None => { prop_assert!(false, "asked nothing"); return Ok(()); }
                    Action::Done(_) | Action::Failed(_) => break,
                };
            }
            prop_assert!(now <= end);
        }
    }

    /// A scripted controller with random timing and errors is brought up or refused in order, noise or not.
    #[test]
    fn a_plausible_controller_never_confuses_the_machine(
        delay in 0..5_000_000_u64, fail in any::<u8>(), silent in any::<u8>(), gone in proptest::option::of(0..60_u32),
        noisy in any::<bool>(), garbage in proptest::option::of(any::<u8>()),
    ) {
        let mut bench = Bench::new();
        bench.noisy = noisy;
        bench.controller.ready_delay = Micros(delay);
        bench.controller.lies.gone_after = gone;
        bench.controller.lies.garbage = garbage;
        if fail < 16 {
            bench.controller.lies.failing.insert(fail, Status::new().with_status_code(6));
        }
        if silent < 16 {
            bench.controller.lies.silent.insert(silent);
        }
        let _ = bench.run(Request::Restart { pairs: 4 }, Micros::from_secs(10));
        let _ = bench.run(Request::Rescan { read_changed_list: true }, Micros::from_secs(1));
        let stopped = bench.run(Request::Stop, Micros::from_millis(400));
        if gone.is_none() && delay < 400_000 && !bench.controller.configuration.en() {
            prop_assert!(stopped.is_ok());
        }
    }
}

/// A caller whose clock stands still would poll for ever.
#[test]
fn a_clock_that_stands_still_is_noticed() {
    let mut control = configured();
    let mut namespaces = NamespaceTable::new();
    let mut tables = Tables {
        queue_pairs: &[],
        namespaces: &mut namespaces,
    };
    let begin = Event::Begin {
        request: Request::Stop,
        budget: Micros::from_secs(1),
    };
    let mut action = control.step(begin, Instant(7), &mut tables);
    for _ in 0..1_100_000 {
        let event = match action {
            Action::Read(_) => Event::Value(1),
            Action::Write(..) => Event::Performed,
            Action::Wait { .. } => Event::Tick,
            Action::Failed(failure) => {
                assert_eq!(failure, Failure::ClockStopped);
                return;
            }
            other => panic!("{other:?}"),
        };
        action = control.step(event, Instant(7), &mut tables);
    }
    panic!("the machine goes on for ever");
}

/// A clock that goes back again and again keeps the deadline away; the polls are counted all the same.
#[test]
fn a_clock_that_goes_back_is_noticed() {
    let mut control = configured();
    let mut namespaces = NamespaceTable::new();
    let mut tables = Tables {
        queue_pairs: &[],
        namespaces: &mut namespaces,
    };
    let begin = Event::Begin {
        request: Request::Stop,
        budget: Micros::from_secs(1),
    };
    let mut action = control.step(begin, Instant(7), &mut tables);
    for _ in 0..3_300_000 {
        let (event, now) = match action {
            Action::Read(_) => (Event::Value(1), Instant(7)),
            Action::Write(..) => (Event::Performed, Instant(7)),
            Action::Wait { until } => (Event::Tick, until),
            Action::Failed(failure) => {
                assert_eq!(failure, Failure::ClockStopped);
                return;
            }
            other => panic!("{other:?}"),
        };
        action = control.step(event, now, &mut tables);
    }
    panic!("the machine goes on for ever");
}
