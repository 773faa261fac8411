//! Plots as SVG. Their colours are the page's, light or dark.

use std::time::Duration;

use maud::{Markup, html};
use portlab::observe::record::{Class, Record};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
const MEBIBYTE: f64 = 1_048_576.0;
/// Lines across, at most.
const LINES: f64 = 5.0;

fn inner_width() -> f64 {
    WIDTH - LEFT - RIGHT
}

fn inner_height() -> f64 {
    HEIGHT - TOP - BOTTOM
}

/// A step of 1, 2 or 5 times a power of ten that divides `highest` into a few.
fn step(highest: f64) -> f64 {
    let rough = (highest / LINES).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

/// A number as short as it can be.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A time in the unit that suits it.
pub(super) fn time(time: Duration) -> String {
    let nanoseconds = time.as_secs_f64() * 1e9;
    let (value, unit) = if nanoseconds < 1e3 {
        (nanoseconds, "ns")
    } else if nanoseconds < 1e6 {
        (nanoseconds / 1e3, "µs")
    } else if nanoseconds < 1e9 {
        (nanoseconds / 1e6, "ms")
    } else {
        (nanoseconds / 1e9, "s")
    };
    let digits = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.digits$} {unit}")
}

/// Lines across with their numbers, and the axis' name.
fn scale(highest: f64, name: &str) -> Markup {
    let step = step(highest);
    let lines = std::iter::successors(Some(0.0), |value| Some(value + step))
        .take_while(|value| *value <= highest * 1.0001);
    html! {
        @for value in lines {
            @let y = TOP + inner_height() * (1.0 - value / highest);
            line class="axis" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(round(y)) y2=(round(y)) {}
            text x=(LEFT - 6.0) y=(round(y + 4.0)) text-anchor="end" { (short(value)) }
        }
        text transform=(format!("translate(13 {}) rotate(-90)", TOP + inner_height() / 2.0)) text-anchor="middle" { (name) }
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn precise(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a pixel is coarser")]
    let count = count as f64;
    count
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Read => "read",
        Class::Write => "write",
        Class::Other => "other",
    }
}

/// Requests by latency: bars an octave wide, side by side for reads, writes and others.
pub(super) fn latencies(record: &Record) -> Markup {
    let octaves: Vec<(Class, _)> = record
        .latencies
        .iter()
        .map(|(class, histogram)| (*class, histogram.octaves()))
        .collect();
    let all = || octaves.iter().flat_map(|(_, octaves)| octaves.iter());
    let (Some(first), Some(last)) = (
        all().map(|(octave, _)| *octave).min(),
        all().map(|(octave, _)| *octave).max(),
    ) else {
        return html! { p.quiet { "No request was answered." } };
    };
    let highest = precise(all().map(|(_, count)| *count).max().unwrap_or(1));
    let columns = f64::from(last - first + 1);
    let column = inner_width() / columns;
    let bar = (column * 0.86 / precise(octaves.len() as u64)).min(28.0);
    let group = bar * precise(octaves.len() as u64);
    let every = (columns / 8.0).ceil().max(1.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label="Latency histogram" id="latency" {
            (scale(highest, "requests"))
            @for (index, (class, octaves)) in octaves.iter().enumerate() {
                @for (octave, count) in octaves {
                    @let height = (inner_height() * precise(*count) / highest).max(1.0);
                    @let x = LEFT + f64::from(octave - first) * column + (column - group) / 2.0 + bar * precise(index as u64);
                    rect class=(class_name(*class)) x=(round(x)) width=(round(bar - 1.0)) y=(round(TOP + inner_height() - height)) height=(round(height)) rx="1" {
                        title { (count) " " (class_name(*class)) " request(s) from " (time(octave_start(*octave))) " to " (time(octave_start(octave + 1))) }
                    }
                }
            }
            @for octave in first..=last + 1 {
                @if f64::from(octave - first) % every < 0.5 {
                    @let x = LEFT + f64::from(octave - first) * column;
                    line class="axis" x1=(round(x)) x2=(round(x)) y1=(TOP + inner_height()) y2=(TOP + inner_height() + 4.0) {}
                    text x=(round(x)) y=(TOP + inner_height() + 17.0) text-anchor="middle" { (tick(octave)) }
                }
            }
            text x=(LEFT + inner_width() / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "latency, submission to answer (each bar twice the time of the one before)" }
        }
    }
}

fn octave_start(octave: u32) -> Duration {
    Duration::from_nanos(1 << octave.min(63))
}

fn tick(octave: u32) -> String {
    let nanoseconds = octave_start(octave).as_secs_f64() * 1e9;
    let (value, unit) = match octave {
        0..10 => (nanoseconds, "ns"),
        10..20 => (nanoseconds / 1e3, "µs"),
        20..30 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{value:.0} {unit}")
}

/// Throughput over time, with a mark at each reset.
pub(super) fn throughput(record: &Record, resets: &[Duration]) -> Markup {
    let width = record.throughput.width().as_secs_f64();
    let bins = |class| record.throughput.bins(class);
    let moved = |class| {
        bins(class)
            .iter()
            .enumerate()
            .filter(|(_, bytes)| **bytes > 0)
            .map(|(index, _)| index)
    };
    let all = || [Class::Read, Class::Write].into_iter().flat_map(moved);
    let (Some(first), Some(last)) = (all().min(), all().max()) else {
        return html! { p.quiet { "No data was moved." } };
    };
    let highest = [Class::Read, Class::Write]
        .into_iter()
        .flat_map(|class| bins(class).iter().copied())
        .max();
    let highest = precise(highest.unwrap_or(1)) / width / MEBIBYTE;
    let (rate_unit, scaled) = if highest >= 4096.0 {
        ("GiB/s", 1024.0)
    } else {
        ("MiB/s", 1.0)
    };
    let highest = highest / scaled;
    let classes = [Class::Read, Class::Write].map(|class| {
        let from_first = bins(class).iter().skip(first);
        let rates: Vec<f64> = from_first
            .map(|bytes| precise(*bytes) / width / MEBIBYTE / scaled)
            .collect();
        (class, rates)
    });
    // From the first transfer to the last: what comes before and after has no throughput.
    let begin = precise(first as u64) * width;
    let span = precise((last - first + 1) as u64) * width;
    let end = begin + span;
    let (unit, factor) = match end {
        end if end < 2e-3 => ("µs", 1e6),
        end if end < 2.0 => ("ms", 1e3),
        _ => ("s", 1.0),
    };
    let across = step(span * factor);
    let x = |seconds: f64| LEFT + inner_width() * ((seconds - begin) / span).clamp(0.0, 1.0);
    let y = |rate: f64| TOP + inner_height() * (1.0 - rate / highest);
    let tick = (begin * factor / across).ceil() * across;
    let ticks = std::iter::successors(Some(tick), |value| Some(value + across))
        .take_while(|value| *value <= end * factor * 1.0001);
    let resets = resets
        .iter()
        .filter(|at| (begin..=end).contains(&at.as_secs_f64()));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label="Throughput over time" id="throughput" {
            (scale(highest, rate_unit))
            @for at in resets {
                @let x = x(at.as_secs_f64());
                line class="mark" x1=(round(x)) x2=(round(x)) y1=(TOP) y2=(TOP + inner_height()) { title { "reset at " (time(*at)) } }
            }
            @for (class, rates) in &classes {
                @if rates.iter().any(|rate| *rate > 0.0) {
                    polyline class=(format!("line {}", class_name(*class))) points=(steps(rates, begin, width, &x, &y)) {}
                }
            }
            @for value in ticks {
                @let x = x(value / factor);
                line class="axis" x1=(round(x)) x2=(round(x)) y1=(TOP + inner_height()) y2=(TOP + inner_height() + 4.0) {}
                text x=(round(x)) y=(TOP + inner_height() + 17.0) text-anchor="middle" { (short(value)) }
            }
            text x=(LEFT + inner_width() / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { "time since power-on, " (unit) }
        }
    }
}

/// The outline of bins: level within each.
fn steps(rates: &[f64], begin: f64, width: f64, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    use std::fmt::Write as _;
    let mut points = String::new();
    for (index, rate) in rates.iter().chain([&0.0]).enumerate() {
        let from = x(begin + precise(index as u64) * width);
        let to = x(begin + (precise(index as u64) + 1.0) * width);
        // Writing to a String cannot fail.
        let _ = write!(points, "{},{} ", round(from), round(y(*rate)));
        if index < rates.len() {
            let _ = write!(points, "{},{} ", round(to), round(y(*rate)));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{short, step, tick, time};

    #[test]
    fn axes_have_round_numbers() {
        assert!((step(97.0) - 20.0).abs() < 1e-9);
        assert!((step(5.0) - 1.0).abs() < 1e-9);
        assert_eq!(short(0.3), "0.3");
        assert_eq!(short(20.0), "20");
        assert_eq!(tick(10), "1 µs");
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!(time(Duration::from_nanos(950)), "950 ns");
        assert_eq!(time(Duration::from_micros(12)), "12.0 µs");
        assert_eq!(time(Duration::from_millis(1500)), "1.50 s");
    }
}
