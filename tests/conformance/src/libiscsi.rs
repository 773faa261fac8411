//! libiscsi's `iscsi-test-cu`, test by test. It counts a test that it skips as passed, so what it prints decides.

use std::{io, process::Command, time::Duration};

use crate::{
    child,
    report::Row,
    tables::{Permits, Skips},
};

/// Time of one test: the slowest take a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Result {
    RanPassed,
    /// With the reason that it printed.
    Skipped(String),
    /// With what it complained about.
    Failed(String),
}

/// The tests of the families SCSI and iSCSI, each under one name.
pub(crate) fn tests() -> io::Result<Vec<String>> {
    let finished = child::run(child::command("iscsi-test-cu").arg("--list"), PATIENCE)?;
    Ok(list(&finished.output))
}

fn list(output: &str) -> Vec<String> {
    let names = output.lines().map(str::trim);
    let whole = |name: &&str| {
        let mut parts = name.split('.');
        matches!(parts.next(), Some("SCSI" | "iSCSI")) && parts.count() == 2
    };
    names.filter(whole).map(str::to_owned).collect()
}

/// Runs the tests on a served unit.
pub(crate) fn judge(
    url: &str,
    tests: &[String],
    permits: &Permits,
    skips: &Skips,
    row: &mut Row,
    tell: &dyn Fn(&str),
) -> io::Result<()> {
    for test in tests {
        tell(test);
        let mut command: Command = child::command("iscsi-test-cu");
        // The second URL makes the tests of several sessions run.
        command.args(["--dataloss", "--allow-sanitize", "--verbose"]);
        command.arg(format!("--test={test}")).args([url, url]);
        let finished = child::run(&mut command, PATIENCE)?;
        let result = match finished.status {
            None => Result::Failed("not done in time".to_owned()),
            Some(_) => parse(&finished.output),
        };
        match result {
            Result::RanPassed => row.pass(),
            Result::Skipped(reason) if skips.is_known(&reason) => row.skip(test, reason),
            Result::Skipped(reason) => {
                row.fail(test, format!("skipped for a reason that is not documented: {reason}"));
            }
            Result::Failed(what) => match permits.clause(test, row.device, &what) {
                Some(clause) => row.permit(test, clause),
                None => row.fail(test, what),
            },
        }
    }
    Ok(())
}

/// Reads what a run of one test printed.
pub(crate) fn parse(output: &str) -> Result {
    let begun = output.lines().filter(|line| line.trim_start().starts_with("Test: ")).count();
    let skip = output.lines().find_map(|line| line.split_once("[SKIPPED]")).map(|(_, reason)| reason.trim());
    let complaint = output.lines().find_map(|line| line.split_once("[FAILED]")).map(|(_, what)| what.trim());
    // CUnit's own place of the first assertion that failed.
    let place = output.lines().map(str::trim).find(|line| line.starts_with("1. "));
    let counts = output.lines().map(str::trim).find(|line| line.starts_with("tests "));
    let numbers: Vec<u32> = counts
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        // Total, ran, passed, failed, inactive.
        [1, 1, 1, 0, 0] if begun == 1 => skip.map_or(Result::RanPassed, |reason| Result::Skipped(reason.to_owned())),
        [1, 1, 0, 1, 0] => {
            let words = [complaint, place].into_iter().flatten().collect::<Vec<_>>();
            Result::Failed(words.join("; "))
        }
        _ => Result::Failed(format!("it did not run: {}", child::last_line(output))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "
Run Summary:    Type  Total    Ran Passed Failed Inactive
              suites      1      1    n/a      0        0
";

    #[test]
    fn a_test_that_ran_is_told_from_one_that_did_not() {
        let passed = format!("Suite: Read10\n  Test: Simple ...passed\n{END}               tests      1      1      1      0        0\n");
        assert_eq!(parse(&passed), Result::RanPassed);
        let skipped = passed.replace("...passed", "...    [SKIPPED] COMPAREANDWRITE is not implemented.\npassed");
        assert_eq!(parse(&skipped), Result::Skipped("COMPAREANDWRITE is not implemented.".to_owned()));
        let failed = format!(
            "Suite: GetLBAStatus\n  Test: BeyondEol ...    [FAILED] successful but\nFAILED\n    1. x.c:38  - CU_ASSERT_EQUAL(_r,0)\n{END}               tests      1      1      0      1        0\n"
        );
        assert_eq!(
            parse(&failed),
            Result::Failed("successful but; 1. x.c:38  - CU_ASSERT_EQUAL(_r,0)".to_owned())
        );
    }

    #[test]
    fn a_run_without_a_test_is_a_failure() {
        for output in [
            "",
            "Failed to log in to target\n",
            "Run Summary:\n tests      0      0      0      0        0\n",
            "Run Summary:\n tests      1      1      1      0        0\n",
        ] {
            assert!(matches!(parse(output), Result::Failed(_)), "{output:?}");
        }
    }

    #[test]
    fn only_whole_names_are_tests() {
        let output = "ALL\nALL.Read10\nALL.Read10.Simple\nSCSI.Read10\nSCSI.Read10.Simple\niSCSI.iSCSITMF.X\nLINUX.A.B\n";
        assert_eq!(list(output), ["SCSI.Read10.Simple", "iSCSI.iSCSITMF.X"]);
    }
}
