//! What a driver or a device says is shown, never obeyed.

use std::time::Duration;

use portlab::{
    model::{EventRecord, Frame, Violation, rules},
    observe::record::{Entry, Kind, Record},
    workload::startup::{Check, Startup, UnitReport, Verdict},
};

use super::{Page, SCRIPT};
use crate::cli::report::Observed;

const HOSTILE: &str = "</title></style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&";

fn hostile() -> (Observed, Record) {
    let text = || HOSTILE.to_owned();
    let observed = Observed {
        startup: Some(Startup {
            units: vec![UnitReport {
                vendor: text(),
                product: text(),
                serial: Some(text()),
                ..UnitReport::default()
            }],
            checks: vec![Check {
                command: text(),
                unit: portlab::model::Address::default(),
                verdict: Verdict::Failed,
                detail: text(),
            }],
        }),
        violation_records: vec![Violation {
            rule: rules::SRB_UNKNOWN.id,
            tier: rules::SRB_UNKNOWN.tier,
            severity: rules::SRB_UNKNOWN.severity,
            sentence: rules::SRB_UNKNOWN.sentence,
            detail: text(),
            call: text(),
            processor: 0,
            irql: 2,
            locks: vec![text()],
            backtrace: vec![Frame {
                address: 0,
                place: text(),
            }],
            count: 1,
        }],
        event_log: vec![EventRecord { id: 11, text: text() }],
        debug_log: vec![text()],
        ..Observed::default()
    };
    let record = Record {
        events: vec![Entry {
            at: Duration::from_millis(3),
            place: None,
            kind: Kind::Print,
            text: text(),
        }],
        ..Record::default()
    };
    (observed, record)
}

#[test]
fn hostile_strings_are_text() {
    let (observed, record) = hostile();
    let page = Page {
        driver: HOSTILE.to_owned(),
        sha256: HOSTILE.to_owned(),
        flavour: None,
        device: HOSTILE.to_owned(),
        engine: "parallel",
        processors: 2,
        seed: 1,
        command: HOSTILE.to_owned(),
        failure: Some(HOSTILE.to_owned()),
        observed: &observed,
        record: &record,
    }
    .render();
    // The page's own.
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert_eq!(page.matches("</title>").count(), 1);
    assert_eq!(page.matches("<img").count(), 0);
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"));
    assert!(page.contains(SCRIPT));
}
