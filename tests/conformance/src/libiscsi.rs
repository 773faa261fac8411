//! libiscsi's `iscsi-test-cu`, test by test. It counts a test that it skips as passed, so what it prints decides.

use std::{io, process::Command, time::Duration};

use crate::{
    child,
    report::Row,
    tables::{Permits, Skips},
};

/// Time of one test: the slowest take a few seconds.
const PATIENCE: Duration = Duration::from_mins(1);

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
        command
            .arg(format!("--test={}", selection(test)))
            .args([url, url]);
        let finished = child::run(&mut command, PATIENCE)?;
        let result = match finished.status {
            None => Result::Failed("not done in time".to_owned()),
            Some(_) => parse(&finished.output, test),
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

/// A test that passes on no target unless the one before it ran in the same process: it looks at a variable that only that
/// one's answer sets.
const AFTER_ANOTHER: &str = "iSCSI.iSCSITMF.LUNResetSimpleAsync";

/// What is run for a test.
fn selection(test: &str) -> &str {
    match test.rsplit_once('.') {
        Some((suite, _)) if test == AFTER_ANOTHER => suite,
        _ => test,
    }
}

/// Reads what a run printed of one test. The program sends commands of its own before and after, and says there, too, what it
/// skips: only the test's own part counts.
pub(crate) fn parse(output: &str, test: &str) -> Result {
    let name = test.rsplit('.').next().unwrap_or(test);
    let counts = output
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("tests "));
    let numbers: Vec<u32> = counts
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.parse().ok())
        .collect();
    // Total, ran, passed, failed, inactive.
    let [total, ran, _, _, 0] = numbers[..] else {
        return Result::Failed(format!("it did not run: {}", child::last_line(output)));
    };
    let Some((own, rest)) = own_part(output, name).filter(|_| total == ran && ran > 0) else {
        return Result::Failed(format!("it did not run: {}", child::last_line(output)));
    };
    let said = |mark: &str| {
        own.lines()
            .find_map(|line| line.split_once(mark))
            .map(|(_, words)| words.trim())
    };
    if rest.starts_with("passed") {
        return said("[SKIPPED]").map_or(Result::RanPassed, |reason| Result::Skipped(reason.to_owned()));
    }
    // CUnit's own place of the first assertion that failed, without what follows it on its line.
    let place = rest.lines().map(str::trim).find(|line| line.starts_with("1. "));
    let place = place.map(|place| place.split("    [").next().unwrap_or(place));
    let words = [said("[FAILED]"), place]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();

    Result::Failed(words.join("; "))
}

/// What a test printed up to its verdict, and the verdict with what came then.
fn own_part<'a>(output: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, test) = output.split_once(&format!("  Test: {name} ..."))?;
    let verdict = |word: &str| {
        let mut places = test.match_indices(word).map(|(at, _)| at);
        places.find(|at| *at == 0 || test[..*at].ends_with('\n'))
    };
    let end = [verdict("passed"), verdict("FAILED")]
        .into_iter()
        .flatten()
        .min()?;
    let (own, rest) = test.split_at(end);
    (!own.contains("  Test: ")).then_some((own, rest))
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
        assert_eq!(parse(&passed, "SCSI.Read10.Simple"), Result::RanPassed);
        let skipped = passed.replace(
            "...passed",
            "...    [SKIPPED] COMPAREANDWRITE is not implemented.\npassed",
        );
        assert_eq!(
            parse(&skipped, "SCSI.Read10.Simple"),
            Result::Skipped("COMPAREANDWRITE is not implemented.".to_owned())
        );
        let failed = format!(
            "Suite: GetLBAStatus\n  Test: BeyondEol ...    [FAILED] successful but\nFAILED\n    1. x.c:38  - CU_ASSERT_EQUAL(_r,0)\n{END}               tests      1      1      0      1        0\n"
        );
        assert_eq!(
            parse(&failed, "SCSI.GetLBAStatus.BeyondEol"),
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
        assert_eq!(parse(&passed, "SCSI.Read10.Simple"), Result::RanPassed);
        let skipped = passed.replace("...passed", "...    [SKIPPED] PROUT Not Supported\npassed");
        assert_eq!(
            parse(&skipped, "SCSI.Read10.Simple"),
            Result::Skipped("PROUT Not Supported".to_owned())
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
            assert!(
                matches!(parse(output, "SCSI.Read10.Simple"), Result::Failed(_)),
                "{output:?}"
            );
        }
    }

    /// As tgt's LUN reset, alone and after the test before it.
    #[test]
    fn a_test_that_needs_another_is_found_in_its_suite() {
        assert_eq!(selection(AFTER_ANOTHER), "iSCSI.iSCSITMF");
        assert_eq!(selection("SCSI.Read10.Simple"), "SCSI.Read10.Simple");
        let both = format!(
            "  Test: AbortTaskSimpleAsync ...    [SKIPPED] no\npassed\n  Test: LUNResetSimpleAsync ...passed\n{END}               tests      2      2      2      0        0\n"
        );
        assert_eq!(parse(&both, AFTER_ANOTHER), Result::RanPassed);
        let other = both
            .replace("Async ...passed", "Async ...FAILED\n    1. x.c:1  - y")
            .replace("2      0        0", "1      1        0");
        assert_eq!(
            parse(&other, AFTER_ANOTHER),
            Result::Failed("1. x.c:1  - y".to_owned())
        );
        let cut = "  Test: AbortTaskSimpleAsync ...  Test: LUNResetSimpleAsync ...passed\n tests 2 2 2 0 0\n";
        assert!(matches!(
            parse(cut, "iSCSI.iSCSITMF.AbortTaskSimpleAsync"),
            Result::Failed(_)
        ));
    }

    #[test]
    fn only_whole_names_are_tests() {
        let output = "ALL\nALL.Read10\nALL.Read10.Simple\nSCSI.Read10\nSCSI.Read10.Simple\niSCSI.iSCSITMF.X\nLINUX.A.B\n";
        assert_eq!(list(output), ["SCSI.Read10.Simple", "iSCSI.iSCSITMF.X"]);
    }
}
