//! fio over NBD: what the HLK's disk tests do, with data that are verified.

use std::{io, time::Duration};

use serde_json::Value;

use crate::{child, report::Row};

const PATIENCE: Duration = Duration::from_mins(3);

/// A job, and the HLK test that it stands in for.
struct Job {
    name: &'static str,
    options: &'static [&'static str],
    /// Its blocks are smaller than 4096 bytes.
    small: bool,
}

const fn job(name: &'static str, options: &'static [&'static str]) -> Job {
    Job {
        name,
        options,
        small: false,
    }
}

const VERIFY: &str = "--verify=crc32c";

/// The jobs. Each moves at most 32 MiB, so that all of them take a minute or two.
const JOBS: &[Job] = &[
    job(
        "Disk Verification: random 32 KiB writes, compared",
        &["--rw=randwrite", "--bs=32k", "--iodepth=8", "--size=32m", VERIFY],
    ),
    job(
        "Disk Stress 1: sequential write, then verify",
        &["--rw=write", "--bs=128k", "--iodepth=32", "--size=32m", VERIFY],
    ),
    job(
        "Disk Stress 2: sequential read",
        &["--rw=read", "--bs=128k", "--iodepth=32", "--size=32m"],
    ),
    job(
        "Disk Stress 3: random write, then verify",
        &["--rw=randwrite", "--bs=8k", "--iodepth=64", "--size=16m", VERIFY],
    ),
    job(
        "Disk Stress 4: random read",
        &["--rw=randread", "--bs=8k", "--iodepth=64", "--size=16m"],
    ),
    job(
        "Disk Stress 5: random reads and writes",
        &[
            "--rw=randrw",
            "--rwmixread=60",
            "--bs=16k",
            "--iodepth=64",
            "--size=16m",
            VERIFY,
        ],
    ),
    job(
        "Disk Stress 6: verify while writing",
        &[
            "--rw=randwrite",
            "--bs=64k",
            "--iodepth=32",
            "--size=32m",
            VERIFY,
            "--verify_backlog=32",
        ],
    ),
    Job {
        name: "NVMe IO: 512 bytes, depth 1",
        options: &[
            "--rw=randwrite",
            "--bs=512",
            "--iodepth=1",
            "--size=512k",
            VERIFY,
            "--verify_interval=512",
        ],
        small: true,
    },
    job(
        "NVMe IO: 4 KiB, depth 1",
        &["--rw=randwrite", "--bs=4k", "--iodepth=1", "--size=4m", VERIFY],
    ),
    job(
        "NVMe IO: 4 KiB, depth 128",
        &["--rw=randwrite", "--bs=4k", "--iodepth=128", "--size=8m", VERIFY],
    ),
    job(
        "NVMe IO: 256 KiB, depth 16",
        &[
            "--rw=randwrite",
            "--bs=256k",
            "--iodepth=16",
            "--size=32m",
            VERIFY,
        ],
    ),
    job(
        "NVMe IO: 2 MiB, depth 4",
        &["--rw=randwrite", "--bs=2m", "--iodepth=4", "--size=32m", VERIFY],
    ),
    job(
        "NVMe IO: mixed sizes",
        &[
            "--rw=randwrite",
            "--bsrange=4k-256k",
            "--bs_unaligned=0",
            "--blockalign=4k",
            "--iodepth=32",
            "--size=16m",
            VERIFY,
            "--norandommap",
        ],
    ),
    job(
        "NVMe IO: four submitters, regions of their own",
        &[
            "--rw=randwrite",
            "--bs=16k",
            "--iodepth=16",
            "--numjobs=4",
            "--size=8m",
            "--offset_increment=8m",
            VERIFY,
        ],
    ),
    job(
        "Flush: a flush after every eighth write",
        &[
            "--rw=randwrite",
            "--bs=4k",
            "--iodepth=8",
            "--size=4m",
            "--fsync=8",
            VERIFY,
        ],
    ),
    job(
        "Trim: random 64 KiB trims",
        &["--rw=randtrim", "--bs=64k", "--iodepth=8", "--size=16m"],
    ),
];

/// Runs the jobs on a served disk.
pub(crate) fn judge(
    uri: &str,
    block: u32,
    thin: bool,
    quick: bool,
    row: &mut Row,
    tell: &dyn Fn(&str),
) -> io::Result<()> {
    for (index, job) in JOBS.iter().enumerate() {
        if job.small && block > 512 {
            row.skip(job.name, "the disk has blocks of 4096 bytes");
            continue;
        }
        if job.options.contains(&"--rw=randtrim") && !thin {
            row.skip(job.name, "the disk is thick and offers no TRIM");
            continue;
        }
        if quick && index % 4 != 0 {
            continue;
        }
        tell(job.name);
        let result = run(uri, job)?;
        row.judge(job.name, result);
    }
    Ok(())
}

fn run(uri: &str, job: &Job) -> io::Result<Result<(), String>> {
    // fio leaves files of verify states where it runs.
    let folder = tempfile::tempdir()?;
    let mut command = child::command("fio");
    command.current_dir(folder.path()).args([
        "--name=job",
        "--ioengine=nbd",
        "--thread",
        "--output-format=json",
    ]);
    command.args([
        "--randseed=1",
        "--verify_fatal=1",
        "--output=report.json",
        &format!("--uri={uri}"),
    ]);
    let finished = child::run(command.args(job.options), PATIENCE)?;
    Ok(finished.good("fio").and_then(|_| {
        let text =
            std::fs::read_to_string(folder.path().join("report.json")).map_err(|error| error.to_string())?;
        moved(&text)
    }))
}

/// fio says in its report whether a job failed, and how much it moved.
fn moved(report: &str) -> Result<(), String> {
    // Warnings may come before the report.
    let json = report.get(report.find('{').unwrap_or(0)..).unwrap_or_default();
    let report: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let jobs = report["jobs"]
        .as_array()
        .filter(|jobs| !jobs.is_empty())
        .ok_or("no job ran")?;
    for job in jobs {
        if let Some(error) = job["error"].as_i64().filter(|error| *error != 0) {
            return Err(format!("error {error}"));
        }
        let of = |what: &str| job[what]["io_bytes"].as_u64().unwrap_or(0);
        if of("read") + of("write") + of("trim") == 0 {
            return Err("nothing was moved".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_or_nothing_moved_is_a_failure() {
        assert_eq!(
            moved(r#"fio: hm {"jobs":[{"error":0,"write":{"io_bytes":9}}]}"#),
            Ok(())
        );
        assert!(moved(r#"{"jobs":[{"error":84,"write":{"io_bytes":9}}]}"#).is_err());
        assert!(moved(r#"{"jobs":[{"error":0,"write":{"io_bytes":0}}]}"#).is_err());
        assert!(moved(r#"{"jobs":[]}"#).is_err());
        assert!(moved("").is_err());
    }
}
