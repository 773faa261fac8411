//! The counts as one picture: a bar for each workload, in the colours of its callbacks, and one for each row of growth.

use maud::html;

use super::FiguresReport;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 860.0;
const BAR: f64 = 18.0;
const LINE: f64 = 26.0;
const TOP: f64 = 46.0;
/// Room for the number behind a bar.
const NUMBER: f64 = 60.0;

const COLOURS: [(&str, &str); 4] = [
    ("HwStorBuildIo", "#4477aa"),
    ("HwStorStartIo", "#ee6677"),
    ("message interrupt", "#ccbb44"),
    ("DPC", "#228833"),
];
/// Of a bar that is not split.
const WHOLE: &str = "#777777";

struct Bar {
    name: String,
    parts: Vec<(f64, &'static str)>,
}

fn bars(report: &FiguresReport) -> Vec<Bar> {
    let workloads = report.instructions.iter().map(|(name, split)| Bar {
        name: (*name).to_owned(),
        parts: [split.build_io, split.start_io, split.interrupt, split.dpc]
            .into_iter()
            .zip(COLOURS.map(|(_, colour)| colour))
            .collect(),
    });
    let rows = report.growth.iter().map(|row| Bar {
        name: format!(
            "{} CPU, {} queues, depth {}",
            row.processors, row.queues, row.depth
        ),
        parts: vec![(row.total, WHOLE)],
    });
    workloads.chain(rows).collect()
}

/// The picture.
pub(super) fn svg(report: &FiguresReport) -> String {
    let bars = bars(report);
    let total = |bar: &Bar| bar.parts.iter().map(|(length, _)| length).sum::<f64>();
    let longest = bars.iter().map(total).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - NUMBER) / longest;
    let mut y = TOP;
    let mut drawn = Vec::new();
    for bar in &bars {
        let mut x = LEFT;
        let mut parts = Vec::new();
        for (length, colour) in &bar.parts {
            parts.push((x, length * scale, *colour));
            x += length * scale;
        }
        drawn.push((bar, y, parts, x));
        y += LINE;
    }
    let height = y + 10.0;
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) font-family="sans-serif" font-size="12" {
            rect width="100%" height="100%" fill="#ffffff" {}
            text x="10" y="18" font-size="14" { "Instructions of the image for each request" }
            @for (index, (name, colour)) in (0_u32..).zip(COLOURS) {
                @let x = 10.0 + f64::from(index) * 170.0;
                rect x=(x) y="26" width="12" height="12" fill=(colour) {}
                text x=(x + 18.0) y="36" { (name) }
            }
            @for (bar, y, parts, end) in &drawn {
                text x=(LEFT - 8.0) y=(y + 14.0) text-anchor="end" { (bar.name) }
                @for (x, width, colour) in parts {
                    rect x=(format!("{x:.1}")) y=(y) width=(format!("{width:.1}")) height=(BAR) fill=(colour) {}
                }
                text x=(format!("{:.1}", end + 6.0)) y=(y + 14.0) { (format!("{:.1}", total(bar))) }
            }
        }
    };
    format!("{}\n", picture.into_string())
}
