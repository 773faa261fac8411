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
                row.fail(
                    test,
                    format!("skipped for a reason that is not documented: {reason}"),
                );
            }
            Result::Failed(what) => match permits.clause(test, row.device, &what) {
                Some(clause) => row.permit(test, clause),
                None => row.fail(test, what),
            },
        }
    }
    Ok(())
}

/// Reads what a run of one test printed. The program sends commands of its own before and after the test, and says there, too,
/// what it skips: only the test's own part counts.
pub(crate) fn parse(output: &str) -> Result {
    let Some((own, rest)) = own_part(output) else {
        return Result::Failed(format!("it did not run: {}", child::last_line(output)));
    };
    let said = |mark: &str| {
        own.lines()
            .find_map(|line| line.split_once(mark))
            .map(|(_, words)| words.trim())
    };
    let counts = rest
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("tests "));
    let numbers: Vec<u32> = counts
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        // Total, ran, passed, failed, inactive.
        [1, 1, 1, 0, 0] => {
            said("[SKIPPED]").map_or(Result::RanPassed, |reason| Result::Skipped(reason.to_owned()))
        }
        [1, 1, 0, 1, 0] => {
            // CUnit's own place of the first assertion that failed, without what follows it on its line.
            let place = rest.lines().map(str::trim).find(|line| line.starts_with("1. "));
            let place = place.map(|place| place.split("    [").next().unwrap_or(place));
            let words = [said("[FAILED]"), place]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>();
            Result::Failed(words.join("; "))
        }
        _ => Result::Failed(format!("it did not run: {}", child::last_line(output))),
    }
}

/// What the only test printed up to its verdict, and what came then.
fn own_part(output: &str) -> Option<(&str, &str)> {
    let (_, test) = output.split_once("  Test: ")?;
    let verdicts = ["...passed", "\npassed", "...FAILED", "\nFAILED"];
    let end = verdicts.iter().filter_map(|verdict| test.find(verdict)).min()?;
    let (own, rest) = test.split_at(end);
    (!rest.contains("  Test: ")).then_some((own, rest))
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
        let passed = format!(
            "Suite: Read10\n  Test: Simple ...passed\n{END}               tests      1      1      1      0        0\n"
        );
        assert_eq!(parse(&passed), Result::RanPassed);
        let skipped = passed.replace(
            "...passed",
            "...    [SKIPPED] COMPAREANDWRITE is not implemented.\npassed",
        );
        assert_eq!(
            parse(&skipped),
            Result::Skipped("COMPAREANDWRITE is not implemented.".to_owned())
        );
        let failed = format!(
            "Suite: GetLBAStatus\n  Test: BeyondEol ...    [FAILED] successful but\nFAILED\n    1. x.c:38  - CU_ASSERT_EQUAL(_r,0)\n{END}               tests      1      1      0      1        0\n"
        );
        assert_eq!(
            parse(&failed),
            Result::Failed("successful but; 1. x.c:38  - CU_ASSERT_EQUAL(_r,0)".to_owned())
        );
    }

    /// As on a disk without reservations: the program looks for some around each test.
    #[test]
    fn what_the_program_skips_around_a_test_is_not_the_tests() {
        let around = "    [SKIPPED] PERSISTENT RESERVE IN is not implemented.\n";
        let passed = format!(
            "{around}Suite: Read10\n  Test: Simple ...passed{around}{END}               tests      1      1      1      0        0\n"
        );
        assert_eq!(parse(&passed), Result::RanPassed);
        let skipped = passed.replace("...passed", "...    [SKIPPED] PROUT Not Supported\npassed");
        assert_eq!(parse(&skipped), Result::Skipped("PROUT Not Supported".to_owned()));
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
