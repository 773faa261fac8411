//! The stepped machine against a scripted controller: each way a request can end.

mod simulator;

use nvme::{Configuration, ControllerStatus, NamespaceId, StatusCode, admin_opcode, log::LogPageId};
use nvme_core::control::{Control, Failure, Outcome, Phase, Request};
use nvme_core::namespace::{Hidden, NamespaceChanges, NamespaceState};
use nvme_core::{How, Micros};
use simulator::{Bench, Namespace, failed};

const SECOND: Micros = Micros::from_secs(1);
const BUDGET: Micros = Micros::from_secs(20);

fn ready() -> Bench {
    let mut bench = Bench::new();
    let outcome = bench.run(Request::Restart { pairs: 2 }, BUDGET).unwrap();
    assert!(matches!(outcome, Outcome::Ready { pairs: 2, .. }));
    bench
}

#[test]
fn the_machine_is_small() {
    assert!(size_of::<Control>() < 1024, "{}", size_of::<Control>());
}

#[test]
fn brings_a_controller_up_in_two_parts() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(Request::Identify, BUDGET), Ok(Outcome::Identified));
    assert_eq!(bench.control.phase(), Phase::Identified);
    assert_eq!(bench.control.info().max_transfer_bytes, 128 << 10);
    assert_eq!(&bench.control.info().serial_number[..8], b"SERIAL01");
    assert_eq!(bench.controller.admin, [0x001F_001F, 0x1_0000, 0x2_0000]);

    let outcome = bench.run(Request::Queues { pairs: 8 }, BUDGET).unwrap();
    let changes = NamespaceChanges {
        added: 1,
        ..NamespaceChanges::default()
    };
    assert_eq!(
        outcome,
        Outcome::Ready { pairs: 4, changes },
        "the controller grants four"
    );
    assert_eq!(bench.control.phase(), Phase::Ready);
    assert_eq!(
        bench.prepared,
        [(0, 128), (1, 128), (2, 128), (3, 128)],
        "entries are cut to MQES"
    );
    assert_eq!(bench.controller.created.len(), 8);
    assert_eq!(bench.controller.events, Some(0x11F));
    assert!(bench.control.info().write_cache_enabled && bench.control.info().events_configured);
    let (place, namespace) = bench.namespaces.online().next().unwrap();
    assert_eq!(
        (place, namespace.id, namespace.blocks, namespace.block_shift),
        (0, NamespaceId(1), 1 << 20, 9)
    );
    assert!(bench.reclaimed.is_empty(), "nothing of ours was outstanding");
}

/// Base 2.0, section 3.1.3.5: firmware may leave the controller enabled; EN must not be set while RDY is.
#[test]
fn takes_over_a_controller_left_enabled() {
    for (ready, fatal) in [(true, false), (false, true), (true, true)] {
        let mut bench = Bench::new();
        bench.controller.configuration = Configuration::new().with_en(true).with_iosqes(6).with_iocqes(4);
        bench.controller.status = ControllerStatus::new().with_rdy(ready).with_cfs(fatal);
        assert_eq!(bench.run(Request::Identify, BUDGET), Ok(Outcome::Identified));
    }
}

/// A controller that hangs in its start is stopped all the same, after half of the budget.
#[test]
fn takes_over_a_controller_stuck_in_its_start() {
    let mut bench = Bench::new();
    bench.controller.configuration = Configuration::new().with_en(true);
    let before = bench.now;
    assert_eq!(bench.run(Request::Identify, SECOND), Ok(Outcome::Identified));
    assert!(before.until(bench.now) >= Micros::from_millis(500));
}

#[test]
fn events_nobody_asked_for_change_nothing() {
    let mut bench = Bench::new();
    bench.noisy = true;
    assert!(bench.run(Request::Restart { pairs: 4 }, BUDGET).is_ok());
    assert!(
        bench
            .run(
                Request::Rescan {
                    read_changed_list: true
                },
                BUDGET
            )
            .is_ok()
    );
    assert!(
        bench
            .run(Request::Shutdown { delete_queues: true }, BUDGET)
            .is_ok()
    );
    assert!(bench.run(Request::Stop, SECOND).is_ok());
}

#[test]
fn stop_proves_that_transfers_ended_and_restart_brings_it_back() {
    let mut bench = ready();
    let epoch = bench.control.epoch();
    let Ok(Outcome::Stopped(proof)) = bench.run(Request::Stop, Micros::from_millis(300)) else {
        panic!()
    };
    assert_eq!((proof.how(), proof.epoch()), (How::ReadyCleared, epoch));
    assert_eq!(bench.control.phase(), Phase::Down);
    let outcome = bench.run(Request::Restart { pairs: 2 }, BUDGET).unwrap();
    let changes = NamespaceChanges::default();
    assert_eq!(
        outcome,
        Outcome::Ready { pairs: 2, changes },
        "the namespace is the same as before"
    );
    assert_ne!(bench.control.epoch(), epoch);
}

/// Without a stop before it, a restart reclaims between disabling and enabling.
#[test]
fn restart_of_a_running_controller_reclaims_first() {
    let mut bench = ready();
    let epoch = bench.control.epoch();
    assert!(bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok());
    assert_eq!(bench.reclaimed.len(), 1);
    assert_eq!(bench.reclaimed[0].epoch(), epoch);
}

#[test]
fn stop_gives_no_proof_while_ready_stays_set() {
    let mut bench = ready();
    bench.controller.lies.never_stops = true;
    let before = bench.now;
    assert_eq!(
        bench.run(Request::Stop, Micros::from_millis(300)),
        Err(Failure::StopTimeout)
    );
    let took = before.until(bench.now);
    assert!(
        took <= Micros::from_millis(301),
        "{took:?}: the budget bounds it, not CAP.TO"
    );
    assert_eq!(bench.control.gone_proof(), None);
}

#[test]
fn a_controller_that_does_not_stop_is_reset_with_its_subsystem_if_it_can_be() {
    for (request, able) in [
        (Request::StopForGood, true),
        (Request::StopForGood, false),
        (Request::Stop, true),
    ] {
        let mut bench = ready();
        let epoch = bench.control.epoch();
        bench.controller.lies.never_stops = true;
        bench.controller.capabilities.set_nssrs(able);
        let outcome = bench.run(request, Micros::from_millis(150));
        if able && request == Request::StopForGood {
            assert!(
                matches!(outcome, Ok(Outcome::Stopped(proof)) if proof.covers(epoch, 1)),
                "{outcome:?}"
            );
        } else {
            assert_eq!(outcome, Err(Failure::StopTimeout));
        }
    }
}

#[test]
fn each_lie_of_the_start_has_its_own_failure() {
    let mut never_ready = Bench::new();
    never_ready.controller.lies.never_ready = true;
    let before = never_ready.now;
    assert_eq!(
        never_ready.run(Request::Identify, Micros::from_secs(300)),
        Err(Failure::ReadyTimeout)
    );
    let took = before.until(never_ready.now);
    assert!(
        took >= Micros::from_secs(2) && took < Micros::from_secs(3),
        "CAP.TO is two seconds: {took:?}"
    );

    let mut fatal = Bench::new();
    fatal.controller.lies.fatal_when_enabled = true;
    assert_eq!(fatal.run(Request::Identify, BUDGET), Err(Failure::FatalStatus));

    let mut pages = Bench::new();
    pages.controller.capabilities.set_mpsmin(1);
    assert_eq!(
        pages.run(Request::Identify, BUDGET),
        Err(Failure::PageSize { mpsmin: 1 })
    );

    let mut command_set = Bench::new();
    command_set.controller.capabilities.set_css(0x80);
    assert_eq!(
        command_set.run(Request::Identify, BUDGET),
        Err(Failure::CommandSet { css: 0x80 })
    );

    let mut single = Bench::new();
    single.controller.capabilities.set_mqes(0);
    assert_eq!(single.run(Request::Identify, BUDGET), Err(Failure::QueueTooSmall));

    let mut stride = Bench::new();
    stride.controller.capabilities.set_dstrd(15);
    assert_eq!(
        stride.run(Request::Identify, BUDGET),
        Err(Failure::RegistersTooShort {
            needed: 0x1000 + 0x20000 + 4
        })
    );

    let mut entries = Bench::new();
    entries.controller.identify[512] = 0x77;
    assert_eq!(entries.run(Request::Identify, BUDGET), Err(Failure::EntrySizes));

    let mut discovery = Bench::new();
    discovery.controller.identify[111] = 2;
    assert!(matches!(
        discovery.run(Request::Identify, BUDGET),
        Err(Failure::ControllerType(_))
    ));
}

/// Wherever in the sequence the device vanishes, the machine says so and gives the proof for it.
#[test]
fn a_vanished_device_is_noticed_at_every_access() {
    let mut whole = Bench::new();
    whole.run(Request::Identify, BUDGET).unwrap();
    for limit in 0..whole.controller.accesses {
        let mut bench = Bench::new();
        bench.controller.lies.gone_after = Some(limit);
        assert_eq!(
            bench.run(Request::Identify, BUDGET),
            Err(Failure::Gone),
            "after {limit} accesses"
        );
        assert_eq!(
            bench.control.gone_proof().map(|proof| proof.how()),
            Some(How::ControllerGone)
        );
    }
}

#[test]
fn an_admin_command_without_completion_times_out_and_blocks_the_data_page() {
    let mut bench = ready();
    bench.controller.lies.silent.insert(admin_opcode::IDENTIFY);
    let rescan = Request::Rescan {
        read_changed_list: false,
    };
    assert_eq!(
        bench.run(rescan, BUDGET),
        Err(Failure::AdminTimeout {
            opcode: admin_opcode::IDENTIFY
        })
    );
    assert!(bench.control.is_command_outstanding());
    assert_eq!(bench.run(rescan, BUDGET), Err(Failure::CommandOutstanding));
    bench.controller.lies.silent.clear();
    assert!(bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok());
    assert!(!bench.control.is_command_outstanding());
    assert!(bench.run(rescan, BUDGET).is_ok());
}

/// A timed-out command is told apart from a device that has gone, or that reports a fatal status.
#[test]
fn a_time_out_is_diagnosed() {
    let mut fatal = ready();
    fatal.controller.lies.silent.insert(admin_opcode::GET_LOG_PAGE);
    fatal.controller.status.set_cfs(true);
    let read = Request::ReadLog {
        page: LogPageId::SMART,
        namespace: NamespaceId::ALL,
        bytes: 512,
    };
    assert_eq!(fatal.run(read, BUDGET), Err(Failure::FatalStatus));

    let mut gone = ready();
    gone.controller.lies.silent.insert(admin_opcode::GET_LOG_PAGE);
    gone.controller.lies.gone_after = Some(0);
    assert_eq!(gone.run(read, BUDGET), Err(Failure::Gone));
}

#[test]
fn optional_commands_may_fail() {
    let mut bench = Bench::new();
    bench
        .controller
        .lies
        .failing
        .insert(admin_opcode::GET_FEATURES, failed(StatusCode::INVALID_FIELD));
    assert!(bench.run(Request::Restart { pairs: 1 }, BUDGET).is_ok());
    assert!(
        bench.control.info().write_cache_enabled,
        "an unknown cache counts as enabled"
    );
}

#[test]
fn commands_that_are_needed_may_not_fail() {
    for opcode in [
        admin_opcode::SET_FEATURES,
        admin_opcode::CREATE_COMPLETION_QUEUE,
        admin_opcode::CREATE_SUBMISSION_QUEUE,
    ] {
        let mut bench = Bench::new();
        let status = failed(StatusCode::INTERNAL_ERROR);
        bench.controller.lies.failing.insert(opcode, status);
        let result = bench.run(Request::Restart { pairs: 1 }, BUDGET);
        assert_eq!(result, Err(Failure::AdminFailed { opcode, status }));
    }
}

#[test]
fn requests_out_of_phase_are_refused() {
    let mut bench = Bench::new();
    let queues = Request::Queues { pairs: 1 };
    assert_eq!(bench.run(queues, BUDGET), Err(Failure::OutOfPhase));
    assert_eq!(
        bench.run(
            Request::Rescan {
                read_changed_list: false
            },
            BUDGET
        ),
        Err(Failure::OutOfPhase)
    );
    bench.run(Request::Identify, BUDGET).unwrap();
    bench.run(queues, BUDGET).unwrap();
    assert_eq!(
        bench.run(queues, BUDGET),
        Err(Failure::OutOfPhase),
        "queues exist"
    );
    assert_eq!(Control::new().phase(), Phase::Down);
}

#[test]
fn shutdown_deletes_queues_and_waits_for_the_controller() {
    let mut bench = ready();
    assert_eq!(
        bench.run(Request::Shutdown { delete_queues: true }, BUDGET),
        Ok(Outcome::ShutDown)
    );
    assert!(bench.controller.created.is_empty());
    let deleted: Vec<_> = bench
        .controller
        .commands
        .iter()
        .rev()
        .take(4)
        .map(nvme::SubmissionEntry::opcode)
        .collect();
    assert_eq!(deleted, [4, 4, 0, 0], "submission queues go first");
    assert!(
        bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok(),
        "a shut down controller can be started"
    );

    bench.controller.lies.never_shut_down = true;
    let result = bench.run(Request::Shutdown { delete_queues: false }, BUDGET);
    assert_eq!(result, Err(Failure::ShutdownTimeout));
}

#[test]
fn rescan_finds_what_came_went_and_changed() {
    let mut bench = Bench::new();
    for id in [1, 2, 3] {
        bench.controller.namespaces.insert(id, Namespace::new(1000));
    }
    bench.run(Request::Restart { pairs: 1 }, BUDGET).unwrap();
    bench.controller.namespaces.remove(&1);
    bench.controller.namespaces.get_mut(&2).unwrap().blocks = 2000;
    bench.controller.namespaces.insert(9, Namespace::new(5));
    bench.controller.commands.clear();
    let outcome = bench
        .run(
            Request::Rescan {
                read_changed_list: true,
            },
            BUDGET,
        )
        .unwrap();
    let changes = NamespaceChanges {
        added: 0b1000,
        removed: 0b0001,
        changed: 0b0010,
        ignored: 0,
    };
    assert_eq!(outcome, Outcome::Rescanned(changes));
    assert_eq!(
        bench.controller.commands[0].dword10 & 0xFF,
        4,
        "the changed list is read first"
    );
    let ids: Vec<_> = bench
        .namespaces
        .online()
        .map(|(place, info)| (place, info.id.0))
        .collect();
    assert_eq!(
        ids,
        [(1, 2), (2, 3), (3, 9)],
        "places stay while a namespace exists"
    );
    let again = bench
        .run(
            Request::Rescan {
                read_changed_list: true,
            },
            BUDGET,
        )
        .unwrap();
    assert_eq!(again, Outcome::Rescanned(NamespaceChanges::default()));
}

#[test]
fn namespaces_that_cannot_be_used_are_hidden_with_the_reason() {
    let mut bench = Bench::new();
    let ok = Namespace::new(100);
    bench.controller.namespaces = [
        (1, ok.clone()),
        (
            2,
            Namespace {
                lba_format: (9 << 16) | 8,
                ..ok.clone()
            },
        ),
        (3, Namespace { dps: 1, ..ok.clone() }),
        (
            4,
            Namespace {
                lba_format: 16 << 16,
                ..ok.clone()
            },
        ),
        (
            5,
            Namespace {
                flbas: 7,
                ..ok.clone()
            },
        ),
        (
            6,
            Namespace {
                blocks: u64::MAX,
                ..ok.clone()
            },
        ),
        (
            7,
            Namespace {
                descriptors: vec![4, 1, 0, 0, 2],
                ..ok.clone()
            },
        ),
        (
            8,
            Namespace {
                descriptors: [&[3, 16, 0, 0][..], &[0xAA; 16]].concat(),
                lba_format: 12 << 16,
                ..ok
            },
        ),
    ]
    .into();
    bench.run(Request::Restart { pairs: 1 }, BUDGET).unwrap();
    let hidden: Vec<_> = (0..8)
        .map(|place| bench.namespaces.get(place).unwrap().hidden)
        .collect();
    let expected = [
        Hidden::No,
        Hidden::Metadata,
        Hidden::Protection,
        Hidden::BlockSize,
        Hidden::FormatIndex,
        Hidden::Capacity,
        Hidden::CommandSet,
        Hidden::No,
    ];
    assert_eq!(hidden, expected);
    assert_eq!(bench.namespaces.get(7).unwrap().uuid, [0xAA; 16]);
    assert_eq!(bench.namespaces.get(7).unwrap().block_shift, 12);
}

#[test]
fn controllers_before_1_1_are_asked_by_number() {
    let mut bench = Bench::new();
    bench.controller.version = 0x0001_0000;
    bench.controller.identify[516..520].copy_from_slice(&u32::MAX.to_le_bytes());
    bench.controller.namespaces.insert(3, Namespace::new(7));
    bench.run(Request::Restart { pairs: 1 }, BUDGET).unwrap();
    let ids: Vec<_> = bench.namespaces.online().map(|(_, info)| info.id.0).collect();
    assert_eq!(ids, [1, 3]);
}

#[test]
fn more_namespaces_than_places_are_counted_not_shown() {
    let mut bench = Bench::new();
    bench.controller.namespaces = (1..=70).map(|id| (id, Namespace::new(1))).collect();
    let Ok(Outcome::Ready { changes, .. }) = bench.run(Request::Restart { pairs: 1 }, BUDGET) else {
        panic!()
    };
    assert_eq!((changes.added, changes.ignored), (u64::MAX, 6));
}

/// Identifiers above NN are not namespaces (Base 2.0, section 3.2.1).
#[test]
fn a_list_past_nn_is_not_believed() {
    let mut bench = Bench::new();
    bench.controller.namespaces.insert(300, Namespace::new(1));
    bench.run(Request::Restart { pairs: 1 }, BUDGET).unwrap();
    assert_eq!(bench.namespaces.online().count(), 1);
    assert_eq!(bench.namespaces.get(1), None);
}

#[test]
fn a_namespace_whose_identify_fails_is_hidden() {
    let mut bench = ready();
    bench
        .controller
        .lies
        .failing
        .insert(admin_opcode::IDENTIFY, failed(StatusCode::INTERNAL_ERROR));
    // The list fails as well, so that each identifier is asked for.
    let Ok(Outcome::Rescanned(changes)) = bench.run(
        Request::Rescan {
            read_changed_list: false,
        },
        BUDGET,
    ) else {
        panic!()
    };
    assert_eq!(changes.removed, 1);
    let info = bench.namespaces.get(0).unwrap();
    assert_eq!(
        (info.state, info.hidden),
        (NamespaceState::Hidden, Hidden::IdentifyFailed)
    );
}

#[test]
fn garbage_in_every_data_page_ends_in_order() {
    for byte in 0..=u8::MAX {
        let mut bench = Bench::new();
        bench.controller.lies.garbage = Some(byte);
        let _ = bench.run(Request::Restart { pairs: 8 }, BUDGET);
        assert!(bench.steps < 1000, "{} steps with {byte:#x}", bench.steps);
    }
}

/// Opcodes of the admin commands since `begin`.
fn opcodes(bench: &Bench, begin: usize) -> Vec<u8> {
    let commands = bench.controller.commands.iter().skip(begin);
    commands.map(nvme::SubmissionEntry::opcode).collect()
}

/// Base 2.0, section 5.8: where OACS offers them, before the queues, and again after each reset, which has ended them.
#[test]
fn shadow_doorbells_are_configured_in_each_life() {
    let mut bench = Bench::new();
    bench.controller.identify[257] |= 1;
    for _ in 0..2 {
        let begin = bench.controller.commands.len();
        assert!(bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok());
        assert!(bench.control.info().has_shadow_doorbells);
        let sent = opcodes(&bench, begin);
        let config = sent
            .iter()
            .position(|&opcode| opcode == admin_opcode::DOORBELL_BUFFER_CONFIG);
        let first = sent
            .iter()
            .position(|&opcode| opcode == admin_opcode::CREATE_COMPLETION_QUEUE);
        assert!(config.is_some() && config < first, "{sent:x?}");
        let config = bench.controller.commands[begin + config.unwrap()];
        assert_eq!((config.data.prp1, config.data.prp2), (0x4_0000, 0x5_0000));
    }
}

#[test]
fn without_shadow_doorbells_there_are_the_registers() {
    let sent = |bench: &Bench| opcodes(bench, 0).contains(&admin_opcode::DOORBELL_BUFFER_CONFIG);
    // Not offered.
    let mut bench = ready();
    assert!(!bench.control.info().has_shadow_doorbells && !sent(&bench));
    // Refused.
    bench.controller.identify[257] |= 1;
    let refusal = failed(StatusCode::INVALID_FIELD);
    let failing = &mut bench.controller.lies.failing;
    failing.insert(admin_opcode::DOORBELL_BUFFER_CONFIG, refusal);
    assert!(bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok());
    assert!(!bench.control.info().has_shadow_doorbells && sent(&bench));
    // Their doorbells lie further apart than fits a page.
    let mut bench = Bench::new();
    bench.controller.identify[257] |= 1;
    bench.controller.capabilities.set_dstrd(9);
    assert!(bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok());
    assert!(!bench.control.info().has_shadow_doorbells && !sent(&bench));
}

#[test]
fn fewer_queues_than_wanted_will_do() {
    let mut bench = Bench::new();
    bench.controller.queues_granted = 0x0000_0004;
    assert!(matches!(
        bench.run(Request::Restart { pairs: 8 }, BUDGET),
        Ok(Outcome::Ready { pairs: 1, .. })
    ));
    // Doorbells of queues 0 to 2 only lie within 0x1000 + 3 * 8 bytes.
    let mut short = Bench::new();
    short.controller.capabilities.set_dstrd(9);
    assert!(matches!(
        short.run(Request::Restart { pairs: 8 }, BUDGET),
        Ok(Outcome::Ready { pairs: 2, .. })
    ));
}

#[test]
fn a_refused_queue_pair_after_the_first_is_done_without() {
    let mut bench = Bench::new();
    bench.pairs[1].submission_queue = 0x1234;
    let result = bench.run(Request::Restart { pairs: 2 }, BUDGET);
    assert_eq!(
        result,
        Err(Failure::QueuePair { index: 1 }),
        "an error of the caller is told, not hidden"
    );
}

/// A queue that cannot be deleted must not keep the controller from being told of the shutdown.
#[test]
fn shutdown_is_notified_even_if_queues_cannot_be_deleted() {
    let mut bench = ready();
    bench
        .controller
        .lies
        .silent
        .insert(admin_opcode::DELETE_SUBMISSION_QUEUE);
    let outcome = bench.run(Request::Shutdown { delete_queues: true }, SECOND);
    assert_eq!(outcome, Ok(Outcome::ShutDown));
    assert!(bench.control.is_command_outstanding());
    assert!(bench.run(Request::Restart { pairs: 2 }, BUDGET).is_ok());
}

#[test]
fn no_command_is_issued_after_the_budget() {
    let mut bench = ready();
    bench.controller.commands.clear();
    let rescan = Request::Rescan {
        read_changed_list: false,
    };
    assert_eq!(bench.run(rescan, Micros(0)), Err(Failure::BudgetSpent));
    assert!(bench.controller.commands.is_empty() && !bench.control.is_command_outstanding());
}

/// Base 2.0, 5.27.1.5: the number of queues is settled once a queue was created.
#[test]
fn queues_that_failed_half_way_are_begun_again_by_restart_only() {
    let mut bench = Bench::new();
    bench.run(Request::Identify, BUDGET).unwrap();
    bench.controller.lies.failing.insert(
        admin_opcode::CREATE_SUBMISSION_QUEUE,
        failed(StatusCode::INTERNAL_ERROR),
    );
    assert!(bench.run(Request::Queues { pairs: 1 }, BUDGET).is_err());
    bench.controller.lies.failing.clear();
    assert_eq!(
        bench.run(Request::Queues { pairs: 1 }, BUDGET),
        Err(Failure::OutOfPhase)
    );
    assert!(bench.run(Request::Restart { pairs: 1 }, BUDGET).is_ok());
}

/// A rescan must not disturb a request under way; a stop must be able to.
#[test]
fn only_requests_that_stop_the_controller_interrupt_another() {
    use nvme_core::control::{Action, Event};
    let mut bench = ready();
    let rescan = Request::Rescan {
        read_changed_list: true,
    };
    let Action::Submit { tag, .. } = bench.step(Event::Begin {
        request: rescan,
        budget: SECOND,
    }) else {
        panic!()
    };
    let again = bench.step(Event::Begin {
        request: rescan,
        budget: SECOND,
    });
    assert_eq!(again, Action::Failed(Failure::Busy));
    assert!(bench.control.is_busy(), "the first one goes on");
    assert!(bench.run(Request::Stop, SECOND).is_ok());
    let late = Event::Completion {
        tag,
        status: failed(StatusCode::SUCCESS),
        result: 0,
        data: None,
    };
    assert_eq!(bench.step(late), Action::None);
}
