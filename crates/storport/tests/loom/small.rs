//! The small parts: the rundown, the gate, the cell that one at a time enters.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use storport::{cell::Exclusive, gate::Gate};

use crate::{adapter::Adapter, explore};

#[test]
fn the_last_reference_completes_the_removal_and_nobody_looks_after_it() {
    explore(3, || {
        let adapter = Adapter::new();
        let users: Vec<_> = (0..2)
            .map(|_| {
                adapter.callback();
                let adapter = adapter.clone();
                thread::spawn(move || adapter.release())
            })
            .collect();
        adapter.remove(|_| ());
        for user in users {
            user.join().unwrap();
        }
        assert!(adapter.is_removed());
    });
}

#[test]
fn a_reference_is_had_before_removal_or_not_at_all() {
    explore(3, || {
        let adapter = Adapter::new();
        let late = {
            adapter.callback();
            let adapter = adapter.clone();
            thread::spawn(move || {
                if adapter.extension().rundown.acquire() {
                    adapter.release();
                }
                adapter.release();
            })
        };
        adapter.remove(|extension| assert!(!extension.rundown.acquire()));
        late.join().unwrap();
        assert!(adapter.is_removed());
    });
}

#[test]
fn who_comes_to_a_shut_gate_passes_or_is_known() {
    explore(3, || {
        let gate = Arc::new(Gate::default());
        let comers: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                thread::spawn(move || gate.pass_or_note())
            })
            .collect();
        let known = gate.open();
        let passed: Vec<_> = comers.into_iter().map(|comer| comer.join().unwrap()).collect();
        assert!(
            known || passed.iter().all(|passed| *passed),
            "somebody was forgotten"
        );
    });
}

#[test]
fn whoever_is_refused_is_served_by_the_one_inside() {
    explore(3, || {
        let cell = Arc::new(Exclusive::new(0_usize));
        let left = Arc::new(AtomicUsize::new(0));
        let work = {
            let (cell, left) = (cell.clone(), left.clone());
            move || {
                left.fetch_add(1, Relaxed);
                while let Some(mut done) = cell.enter_or_note() {
                    *done += left.swap(0, Relaxed);
                    drop(done);
                    if !cell.has_note() {
                        break;
                    }
                }
            }
        };
        let other = thread::spawn(work.clone());
        work();
        other.join().unwrap();
        assert_eq!(*cell.try_enter().unwrap(), 2, "work is lost");
    });
}
