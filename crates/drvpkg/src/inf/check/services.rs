//! Services.

use super::{
    Findings, number,
    plan::{Plan, Service},
    rules::{EVENT_LOG, SERVICE_ASSOCIATED, SERVICE_BINARY, SERVICE_ENTRY, SERVICE_MISSING, SERVICE_START},
};
use crate::inf::Inf;

/// `SPSVCINST_ASSOCSERVICE`.
const ASSOCIATED: u64 = 2;
const KERNEL_DRIVER: u64 = 1;

pub(super) fn check(inf: &Inf, plan: &Plan, findings: &mut Findings) {
    for install in &plan.installs {
        let Some(section) = &install.section else { continue };
        let name = format!("{section}.Services");
        if !inf.has_section(&name) {
            findings.tell(
                &SERVICE_MISSING,
                install.model.line,
                format!("there is no [{name}]"),
            );
            continue;
        }
        // Included services are another INF's.
        if inf.lookup(&name, "Needs").is_some() {
            continue;
        }
        let line = inf
            .section(&name)
            .next()
            .map_or(install.model.line, |found| found.line);
        let associated = plan
            .services
            .iter()
            .filter(|service| service.install.eq_ignore_ascii_case(&name))
            .filter(|service| number(&service.flags).is_some_and(|flags| flags & ASSOCIATED != 0))
            .count();
        if associated != 1 {
            findings.tell(&SERVICE_ASSOCIATED, line, format!("{associated} are"));
        }
    }
    for service in &plan.services {
        if !service.section.is_empty() && inf.has_section(&service.section) {
            check_service(inf, plan, service, findings);
        }
        if !service.event_log.is_empty() && inf.has_section(&service.event_log) {
            check_event_log(inf, service, findings);
        }
    }
}

fn check_event_log(inf: &Inf, service: &Service, findings: &mut Findings) {
    const DIRECTIVES: [&str; 3] = ["AddReg", "DelReg", "BitReg"];
    for found in inf.section(&service.event_log) {
        let key = found.entry.key.as_ref().map_or("", |key| key.text.as_str());
        if !DIRECTIVES
            .iter()
            .any(|directive| directive.eq_ignore_ascii_case(key))
        {
            findings.tell(
                &EVENT_LOG,
                found.line,
                format!("[{}] has another entry", service.event_log),
            );
        }
    }
    if inf.lookup(&service.event_log, "AddReg").is_none() {
        let name = &service.event_log;
        findings.tell(&EVENT_LOG, service.line, format!("[{name}] has no AddReg"));
    }
}

fn check_service(inf: &Inf, plan: &Plan, service: &Service, findings: &mut Findings) {
    let value = |key: &str| inf.value(&service.section, key).ok();
    for key in ["ServiceType", "StartType", "ErrorControl", "ServiceBinary"] {
        if value(key).is_none() {
            findings.tell(
                &SERVICE_ENTRY,
                service.line,
                format!("{} has no {key}", service.name),
            );
        }
    }
    let line = |key: &str| {
        inf.lookup(&service.section, key)
            .map_or(service.line, |found| found.line)
    };
    let is_driver = value("ServiceType").and_then(|text| number(&text)) == Some(KERNEL_DRIVER);
    if is_driver
        && let Some(text) = value("StartType")
        && !matches!(number(&text), Some(0 | 1 | 3))
    {
        findings.tell(
            &SERVICE_START,
            line("StartType"),
            format!("'{text}' is none of them"),
        );
    }
    if let Some(binary) = value("ServiceBinary") {
        let file = binary.strip_prefix("%13%\\");
        let copied = |file: &str| {
            let name = file.rsplit('\\').next().unwrap_or(file);
            plan.copies
                .iter()
                .any(|copy| copy.file.eq_ignore_ascii_case(name))
        };
        if !file.is_some_and(copied) {
            findings.tell(
                &SERVICE_BINARY,
                line("ServiceBinary"),
                format!("'{binary}' is not"),
            );
        }
    }
}
