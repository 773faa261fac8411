//! Requests in flight: identifiers, closing, reclaiming.

use nvme::{ControllerStatus, Status};
use nvme_core::command_table::{
    ClaimError, CommandTable, MAX_SLOTS, NotCovered, Published, Rejected, StartError, Withdrawn,
};
use nvme_core::{DmaStopped, Epoch};
use zerocopy::FromZeros;

fn gone(epoch: Epoch) -> DmaStopped {
    DmaStopped::controller_gone(epoch, ControllerStatus::from_bits(u32::MAX)).unwrap()
}

fn opened<const N: usize>(entries: u16) -> CommandTable<N> {
    let table = CommandTable::new();
    table.start(1, Epoch::NONE, entries).unwrap();
    table
}

#[test]
fn zeroed_memory_is_a_closed_table() {
    let table = CommandTable::<16>::new_zeroed();
    assert_eq!(table.claim().unwrap_err(), ClaimError::Closed);
    assert_eq!(table.take(0).unwrap_err(), Rejected::NotInFlight);
}

/// What completes late from an earlier memory names nothing in this one, until twenty more have used the slot.
#[test]
fn memories_of_one_controller_name_their_requests_apart() {
    const USES: usize = 20;
    let mut names = std::collections::BTreeSet::new();
    for life in 0..6 {
        let table = CommandTable::<256>::new_zeroed();
        table.salt(life);
        table.start(1, Epoch::NONE, 256).unwrap();
        for _ in 0..USES {
            let claim = table.claim().unwrap();
            assert!(names.insert(claim.command_id()), "life {life}");
            assert_ne!(claim.command_id(), 0xFFFF);
            table.cancel(claim);
        }
        let before = table.claim().unwrap();
        table.salt(life + 1);
        assert!(table.take(before.command_id()).is_err());
        assert_eq!(
            table.publish(before, 0, 0),
            Ok(Published::InFlight),
            "not once it was started"
        );
    }
}

#[test]
fn admits_what_the_ring_can_hold() {
    for (entries, room) in [(2, 1), (64, 63), (65, 64), (66, 65), (1000, 128)] {
        let table: CommandTable<128> = opened(entries);
        let claims: Vec<_> = (0..room).map(|_| table.claim().unwrap()).collect();
        assert_eq!(table.claim().unwrap_err(), ClaimError::Full);
        assert_eq!(table.used(), room);
        let mut ids: Vec<_> = claims
            .iter()
            .map(nvme_core::command_table::Claim::command_id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), claims.len());
        for claim in claims {
            table.cancel(claim);
        }
        assert_eq!(table.used(), 0);
    }
}

#[test]
fn each_wrong_completion_is_told_apart() {
    let table: CommandTable<5> = opened(6);
    assert_eq!(table.take(6).unwrap_err(), Rejected::UnknownSlot);
    assert_eq!(table.take(0).unwrap_err(), Rejected::NotInFlight);
    let claim = table.claim().unwrap();
    let id = claim.command_id();
    assert_eq!(
        table.take(id).unwrap_err(),
        Rejected::NotInFlight,
        "claimed, not published"
    );
    assert_eq!(table.publish(claim, 3, 77), Ok(Published::InFlight));
    let taken = table.take(id).unwrap();
    assert_eq!(
        (taken.payload(), table.key(&taken), taken.index()),
        (77, 3, id & 7)
    );
    assert_eq!(table.take(id).unwrap_err(), Rejected::AlreadyTaken);
    table.release(taken);
    assert_eq!(table.take(id).unwrap_err(), Rejected::StaleGeneration);
    assert_eq!(table.take(u16::MAX).unwrap_err(), Rejected::UnknownSlot);
}

/// `FFFFh` is not to be used as an identifier (Base 2.0, section 3.3.3.1), and generations come round in full.
#[test]
fn identifiers_use_all_generations_but_the_last() {
    let table: CommandTable<MAX_SLOTS> = opened(u16::MAX);
    let claims: Vec<_> = (0..MAX_SLOTS).map(|_| table.claim().unwrap()).collect();
    for claim in claims {
        table.cancel(claim);
    }
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let claim = table.claim().unwrap();
        assert_ne!(claim.command_id(), u16::MAX);
        seen.insert(claim.command_id());
        table.cancel(claim);
    }
    assert_eq!(seen.len(), 63, "the same slot in 63 generations");
}

#[test]
fn a_slot_is_not_claimed_again_before_its_release() {
    let table: CommandTable<1> = opened(8);
    let claim = table.claim().unwrap();
    let id = claim.command_id();
    assert_eq!(table.publish(claim, 0, 1), Ok(Published::InFlight));
    let taken = table.take(id).unwrap();
    assert_eq!(table.claim().unwrap_err(), ClaimError::Full);
    table.release(taken);
    assert!(table.claim().is_ok());
}

#[test]
fn reclaim_takes_everything_once_and_closes() {
    let table: CommandTable<100> = opened(101);
    let ids: Vec<_> = (0..70)
        .map(|payload| {
            let claim = table.claim().unwrap();
            let id = claim.command_id();
            assert_eq!(table.publish(claim, 1, payload), Ok(Published::InFlight));
            id
        })
        .collect();
    let done = table.take(ids[5]).unwrap();
    table.release(done);
    let mut payloads = Vec::new();
    assert_eq!(
        table.reclaim(&gone(Epoch::NONE), |taken| payloads.push(taken.payload())),
        Ok(69)
    );
    payloads.sort_unstable();
    assert_eq!(
        payloads,
        (0..70).filter(|&payload| payload != 5).collect::<Vec<_>>()
    );
    assert_eq!(table.used(), 0);
    assert_eq!(table.claim().unwrap_err(), ClaimError::Closed);
    assert!(
        ids.iter().all(|&id| table.take(id).is_err()),
        "late completions get nothing"
    );
    assert_eq!(
        table.reclaim(&gone(Epoch::NONE), |_| panic!("nothing is left")),
        Ok(0)
    );
}

/// A proof about another life or another queue reclaims nothing and leaves the table open.
#[test]
fn a_proof_that_does_not_cover_is_refused() {
    let table: CommandTable<4> = opened(5);
    let claim = table.claim().unwrap();
    let id = claim.command_id();
    assert_eq!(table.publish(claim, 0, 9), Ok(Published::InFlight));
    let other_queue = DmaStopped::submission_queue_deleted(Epoch::NONE, 2, Status::new()).unwrap();
    assert_eq!(
        table.reclaim(&other_queue, |_| panic!("not covered")),
        Err(NotCovered)
    );
    assert_eq!(table.take(id).unwrap().payload(), 9);
    let this_queue = DmaStopped::submission_queue_deleted(Epoch::NONE, 1, Status::new()).unwrap();
    assert_eq!(table.reclaim(&this_queue, |_| panic!("taken already")), Ok(0));
}

#[test]
fn a_request_published_into_a_closed_table_is_withdrawn() {
    let table: CommandTable<4> = opened(5);
    let claim = table.claim().unwrap();
    table.close();
    assert_eq!(table.publish(claim, 0, 9), Err(Withdrawn));
    assert_eq!(table.used(), 0);
}

#[test]
fn a_table_is_opened_only_when_nothing_is_in_flight() {
    let table: CommandTable<4> = opened(5);
    let claim = table.claim().unwrap();
    assert_eq!(table.publish(claim, 0, 9), Ok(Published::InFlight));
    assert_eq!(table.start(1, Epoch::NONE, 5), Err(StartError::Open));
    table.close();
    assert_eq!(table.start(1, Epoch::NONE, 5), Err(StartError::InFlight));
    assert_eq!(table.reclaim(&gone(Epoch::NONE), |_| {}), Ok(1));
    assert_eq!(table.start(1, Epoch::NONE, 5), Ok(()));
}

#[test]
fn requests_of_a_unit_are_found_by_their_key() {
    let table: CommandTable<8> = opened(9);
    let mut ids = Vec::new();
    for key in [1, 2, 1] {
        let claim = table.claim().unwrap();
        ids.push(claim.command_id());
        assert_eq!(table.publish(claim, key, 0), Ok(Published::InFlight));
    }
    assert_eq!(table.in_flight(1).collect::<Vec<_>>(), [ids[0], ids[2]]);
    table.release(table.take(ids[0]).unwrap());
    assert_eq!(table.in_flight(1).collect::<Vec<_>>(), [ids[2]]);
}
