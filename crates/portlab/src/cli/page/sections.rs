//! The page's parts.

use std::time::Duration;

use maud::{Markup, html};
use portlab::{
    model::{Frame, Violation},
    observe::{
        Place,
        record::{Class, Kind},
    },
    workload::startup::Verdict,
};

use super::{Page, plot};

/// Lines of debug output that are shown.
const LINES: usize = 500;

impl Page<'_> {
    pub(super) fn verdict(&self, name: &str) -> Markup {
        let broken = self.observed.violation_records.len();
        let (class, word, sentence) = if let Some(check) = &self.observed.bug_check {
            (
                "bad",
                "bug check",
                format!("The driver brought the system down: {}.", check.meaning),
            )
        } else if broken > 0 {
            let rules = if broken == 1 { "rule was" } else { "rules were" };
            ("bad", "failed", format!("{broken} documented {rules} broken."))
        } else if let Some(failure) = &self.failure {
            ("bad", "failed", failure.clone())
        } else {
            (
                "good",
                "passed",
                String::from("No documented rule that the lab models was broken."),
            )
        };
        html! {
            div.verdict {
                span class=(format!("badge {class}")) id="verdict" { (word) }
                h1 { (name) " on " (self.device.split(',').next().unwrap_or_default()) }
            }
            p.quiet { (sentence) }
        }
    }

    pub(super) fn facts(&self) -> Markup {
        html! {
            dl.facts {
                dt { "Driver" } dd { (self.driver) @if let Some(flavour) = self.flavour { " (" (flavour) " flavour)" } }
                dt { "SHA-256" } dd.mono { (self.sha256) }
                dt { "Device" } dd { (self.device) }
                dt { "Engine" } dd {
                    (self.engine) ", " (self.processors) " virtual processor(s), seed " (self.seed)
                    @if let Some(events) = &self.observed.events { ", " (events.text()) }
                }
                @for unit in self.observed.startup.iter().flat_map(|startup| &startup.units) {
                    dt { "Unit " (unit.unit) }
                    dd {
                        (unit.vendor) " " (unit.product) " " (unit.revision) ", " (unit.blocks) " blocks of " (unit.block_size) " bytes"
                        @if let Some(serial) = &unit.serial { ", serial " (serial) }
                    }
                }
                dt { "Again" } dd { code { (self.command) } }
            }
        }
    }

    pub(super) fn figures(&self) -> Markup {
        let figure = |bad: bool, value: String, what: &str| {
            html! { div class=(if bad { "figure bad" } else { "figure" }) { b { (value) } span { (what) } } }
        };
        let broken = self.observed.violation_records.len();
        let statistics = self.observed.statistics.unwrap_or_default();
        let rate = |bytes: u64, seconds: f64| {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let rate = bytes as f64 / seconds / 1_048_576.0;
            (seconds > 0.0).then(|| format!("{rate:.0} MiB/s"))
        };
        let traffic = self.observed.traffic.unwrap_or_default();
        let written = rate(traffic.bytes_written, traffic.write_seconds);
        let read = rate(traffic.bytes_verified, traffic.read_seconds);
        html! {
            div.figures {
                (figure(broken > 0, broken.to_string(), "rules broken"))
                (figure(false, self.observed.warnings.len().to_string(), "warnings"))
                (figure(false, statistics.srbs_completed.to_string(), "requests completed"))
                @if let Some(written) = written { (figure(false, written, "written")) }
                @if let Some(read) = read { (figure(false, read, "read and compared")) }
                @for (class, name) in [(Class::Read, "read"), (Class::Write, "write")] {
                    @if let Some(histogram) = self.record.latencies.get(&class) {
                        (figure(false, plot::time(histogram.quantile(500)), &format!("{name} latency, median")))
                        (figure(false, plot::time(histogram.quantile(990)), &format!("{name} latency, 99 %")))
                    }
                }
                (figure(false, statistics.resets.to_string(), "bus resets"))
                (figure(statistics.time_outs > 0, statistics.time_outs.to_string(), "time-outs"))
            }
        }
    }

    pub(super) fn violations(&self) -> Markup {
        let observed = self.observed;
        html! {
            @if let Some(check) = &observed.bug_check {
                h2 { "Bug check" }
                section.record {
                    h3 { (format!("{:#010x}", check.code)) " " (check.meaning) }
                    p.mono { (check.parameters.map(|parameter| format!("{parameter:#x}")).join(", ")) }
                    (stack(&check.backtrace))
                }
            }
            @if !observed.violation_records.is_empty() {
                h2 id="violations" { "Violations" }
                @for violation in &observed.violation_records { (record(violation, true)) }
            }
            @if !observed.warnings.is_empty() {
                h2 { "Warnings" }
                @for warning in &observed.warnings { (record(warning, false)) }
            }
        }
    }

    pub(super) fn plots(&self) -> Markup {
        let resets: Vec<Duration> = self
            .record
            .events
            .iter()
            .filter(|event| event.kind == Kind::Reset)
            .map(|event| event.at)
            .collect();
        html! {
            h2 { "Latency and throughput" }
            div.plots {
                figure {
                    (plot::latencies(self.record))
                    div.key { (key("read", "reads")) (key("write", "writes")) (key("other", "without data")) }
                }
                figure {
                    (plot::throughput(self.record, &resets))
                    div.key { (key("read", "reads")) (key("write", "writes")) @if !resets.is_empty() { (key("mark", "reset")) } }
                }
            }
            @if self.engine == "deterministic" {
                p.quiet { "Times are virtual: what one scheduling step costs is fixed, and a rate says nothing of a real machine." }
            }
            (self.quantiles())
        }
    }

    fn quantiles(&self) -> Markup {
        html! {
            div.table { table {
                thead { tr {
                    th { "Latency" } th.number { "requests" } th.number { "median" } th.number { "90 %" } th.number { "99 %" } th.number { "99.9 %" } th.number { "longest" }
                } }
                tbody {
                    @for (class, histogram) in &self.record.latencies {
                        tr {
                            td { (match class { Class::Read => "reads", Class::Write => "writes", Class::Other => "without data" }) }
                            td.number { (histogram.count()) }
                            @for thousandths in [500, 900, 990, 999] { td.number { (plot::time(histogram.quantile(thousandths))) } }
                            td.number { (plot::time(histogram.longest())) }
                        }
                    }
                }
            } }
        }
    }

    pub(super) fn events(&self) -> Markup {
        let events = &self.record.events;
        html! {
            h2 { "Events" }
            input type="search" placeholder="Search: reset, adapter, …" aria-label="Search the events" data-rows="#events tbody tr" data-count="events-shown";
            " " span.quiet id="events-shown" { (events.len()) }
            @if self.record.more_events > 0 { span.quiet { " and " (self.record.more_events) " more that were not kept" } }
            div.table { table id="events" {
                thead { tr { th.number { "time" } th { "where" } th { "kind" } th { "what" } } }
                tbody {
                    @for event in events {
                        tr {
                            td.number { (plot::time(event.at)) }
                            td.quiet.short { (place(event.place)) }
                            td { span class=(format!("badge small {}", kind(event.kind))) { (event.kind.name()) } }
                            td { (event.text) }
                        }
                    }
                }
            } }
        }
    }

    pub(super) fn startup(&self) -> Markup {
        let Some(startup) = &self.observed.startup else {
            return html! {};
        };
        let wrong = startup.failures().count();
        html! {
            h2 { "Start-up commands" }
            details open[wrong > 0] {
                summary { (startup.checks.len()) " commands, " (wrong) " answered wrongly" }
                div.table { table {
                    thead { tr { th { "unit" } th { "command" } th { "answer" } th { "detail" } } }
                    tbody {
                        @for check in &startup.checks {
                            tr {
                                td { (check.unit) } td { (check.command) }
                                td { (match check.verdict { Verdict::Passed => "right", Verdict::Absent => "not implemented", Verdict::Failed => "wrong" }) }
                                td { (check.detail) }
                            }
                        }
                    }
                } }
            }
        }
    }

    pub(super) fn counters(&self) -> Markup {
        let counters = serde_json::to_value(self.observed.statistics).unwrap_or_default();
        let counters = counters.as_object().cloned().unwrap_or_default();
        html! {
            h2 { "Counters" }
            dl.counters {
                @for (name, value) in &counters {
                    @if value.is_number() { div { dt { (name.replace('_', " ")) } dd { (value) } } }
                }
            }
            @if let Some(removal) = &self.observed.removal {
                @if !removal.leaks.is_empty() {
                    h2 { "Left behind" }
                    ul { @for leak in &removal.leaks { li { (leak.kind) ": " (leak.what) } } }
                }
            }
        }
    }

    pub(super) fn output(&self) -> Markup {
        let lines = &self.observed.debug_log;
        html! {
            @if !lines.is_empty() {
                h2 { "Debug output" }
                details {
                    summary { (lines.len()) " line(s)" }
                    pre { @for line in lines.iter().take(LINES) { (line) "\n" } }
                    @if lines.len() > LINES { p.quiet { "The rest is in the JSON report." } }
                }
            }
        }
    }
}

fn record(record: &Violation, violation: bool) -> Markup {
    html! {
        section class=(if violation { "record" } else { "record warn" }) {
            h3 {
                code { (record.rule) } " "
                span class=(if violation { "badge small bad" } else { "badge small warn" }) { (format!("{:?}", record.tier).to_lowercase()) }
                @if record.count > 1 { " " span.quiet { (record.count) " times" } }
            }
            p { b { (record.sentence) } }
            @if !record.detail.is_empty() { p { (record.detail) } }
            p.quiet {
                "In " (record.call) ", on processor " (record.processor) " at IRQL " (record.irql)
                @if !record.locks.is_empty() { ", holding " (record.locks.join(", ")) }
            }
            (stack(&record.backtrace))
        }
    }
}

fn stack(frames: &[Frame]) -> Markup {
    html! { @if !frames.is_empty() { ol.mono { @for frame in frames { li { (frame.place) } } } } }
}

fn key(class: &str, name: &str) -> Markup {
    html! { span { i class=(class) {} (name) } }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Violation | Kind::BugCheck => "bad",
        Kind::Warning | Kind::Reset | Kind::Request => "warn",
        _ => "quiet",
    }
}

fn place(place: Option<Place>) -> String {
    match place {
        Some(Place::Processor(processor)) => format!("processor {processor}"),
        Some(Place::Thread(thread)) => format!("system thread {thread}"),
        None => String::new(),
    }
}
