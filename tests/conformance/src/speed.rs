//! Throughput through iSCSI, as a ratio: libiscsi's `iscsi-perf` against ours and against tgt, in turn.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    child,
    report::Speed,
    served::{Bench, Served, ServedError},
};

const ROUNDS: usize = 3;
const SECONDS: &str = "4";
/// Bytes of the files that both serve.
const SIZE: u64 = 256 << 20;
const NAME: &str = "iqn.2026-11.io.github.ferroport:reference";

fn trouble(words: impl Into<String>) -> ServedError {
    ServedError::Lab {
        front_end: "iscsi",
        words: words.into(),
    }
}

/// tgtd with one unit; ends with this value.
struct Reference {
    child: Child,
    url: String,
}

impl Reference {
    fn start(folder: &Path, image: &Path) -> Result<Self, ServedError> {
        // A port that was free a moment ago, and a control socket of its own.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let control = (std::process::id() % 30_000 + 1).to_string();
        let log = fs::File::create(folder.join("tgtd.log"))?;
        let child = child::command("tgtd")
            .args([
                "--foreground",
                "--control-port",
                &control,
                "--iscsi",
                &format!("portal=127.0.0.1:{port}"),
            ])
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(log)
            .spawn()?;
        let reference = Self {
            child,
            url: format!("iscsi://127.0.0.1:{port}/{NAME}/1"),
        };
        let image = image.to_str().unwrap_or_default();
        let deadline = Instant::now() + Duration::from_secs(20);
        for arguments in [
            &["--op", "new", "--mode", "target", "--tid", "1", "-T", NAME][..],
            &[
                "--op",
                "new",
                "--mode",
                "logicalunit",
                "--tid",
                "1",
                "--lun",
                "1",
                "-b",
                image,
            ],
            &[
                "--op",
                "bind",
                "--mode",
                "target",
                "--tid",
                "1",
                "-I",
                "127.0.0.1",
            ],
        ] {
            loop {
                let mut command = child::command("tgtadm");
                command.args(["-C", &control, "--lld", "iscsi"]).args(arguments);
                let finished = child::run(&mut command, Duration::from_secs(10))?;
                match finished.good("tgtadm") {
                    Ok(_) => break,
                    Err(words) if Instant::now() > deadline => return Err(trouble(words)),
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        }
        Ok(reference)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads of 4096 bytes at random places a second, 32 at once.
fn reads(url: &str, block: u32) -> Result<f64, ServedError> {
    let blocks = (4096 / block).to_string();
    let mut command = child::command("iscsi-perf");
    command.args(["-m", "32", "-b", &blocks, "-t", SECONDS, "-r", url]);
    let finished = child::run(&mut command, Duration::from_mins(1))?;
    let output = finished.good("iscsi-perf").map_err(trouble)?;
    average(&output).ok_or_else(|| trouble(format!("iscsi-perf says {}", child::last_line(&output))))
}

/// The last average that it printed.
fn average(output: &str) -> Option<f64> {
    let mut lines = output.split(['\r', '\n']).filter(|line| line.contains("iops"));
    let words: Vec<&str> = lines.next_back()?.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "average")?;
    words.get(place + 1)?.parse().ok()
}

/// Measures both in turn.
pub(crate) fn measure(bench: &Bench, tell: &dyn Fn(&str)) -> Result<Speed, ServedError> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("reference.img");
    // Real bytes, not holes: both read what was written.
    fs::write(&image, vec![0x5a; usize::try_from(SIZE).unwrap_or(0)])?;
    let ours_image = folder.path().join("ours.img");
    fs::copy(&image, &ours_image)?;
    let bench = Bench {
        device: format!("qemu:nvme,image={}", ours_image.display()),
        ..bench.clone()
    };
    let reference = Reference::start(folder.path(), &image)?;
    let served = Served::start(&bench, "iscsi")?;
    let (mut ours, mut tgt) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        tell(&format!("round {round} of {ROUNDS}"));
        ours.push(reads(&served.iscsi_url(), 512)?);
        tgt.push(reads(&reference.url, 512)?);
    }
    served.end()?;
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    };
    let ratio = median(&ours) / median(&tgt).max(1.0);
    Ok(Speed { ours, tgt, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_average_counts() {
        let output = "iops current 10 average 20 - 1\riops current 11 average 21 - 1\nfinished.\n";
        assert_eq!(average(output), Some(21.0));
        assert_eq!(average("connected"), None);
    }
}
