//! `drvpkg verify` and `drvpkg judge`.

use std::path::PathBuf;

use clap::Args;
use drvpkg::verify::{self, Judges, Standing};

use super::{Answer, Outcome, print_json};

#[derive(Debug, Args)]
#[command(
    after_help = "Three judges: this program; osslsigncode, for the driver's embedded signature and for the \
                        catalog; signify (Python), for the catalog, the INF's hash in it and the driver's \
                        signature. Each external judge is also shown tampered files, which it must reject."
)]
pub(crate) struct Verify {
    /// The package's directory
    #[arg(value_name = "DIR")]
    package: PathBuf,
    /// The judges' Python environment; made on first use [default: judge-venv beside the package]
    #[arg(long, value_name = "DIR", env = "DRVPKG_JUDGE_VENV")]
    judge_venv: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// The Python environment to make; nothing is done when it is up to date
    #[arg(long, value_name = "DIR", default_value = "target/judge-venv")]
    venv: PathBuf,
}

impl Verify {
    pub(super) fn run(&self) -> Answer {
        let venv = self
            .judge_venv
            .clone()
            .unwrap_or_else(|| verify::default_venv(&self.package));
        let report = verify::verify(&self.package, &Judges { venv: &venv })?;
        if self.json {
            print_json(&report)?;
        } else {
            for check in &report.checks {
                let standing = match check.standing {
                    Standing::Ok => "ok",
                    Standing::Failed => "FAILED",
                    Standing::ToolMissing => "MISSING",
                };
                println!(
                    "{standing:<7} {:<13} {}: {}",
                    check.judge, check.name, check.detail
                );
            }
        }
        for check in &report.checks {
            if check.standing == Standing::ToolMissing {
                eprintln!("drvpkg: {}", check.detail);
            }
        }
        Ok(if report.ok {
            Outcome::Done
        } else if report
            .checks
            .iter()
            .any(|check| check.standing == Standing::Failed)
        {
            Outcome::Refused
        } else {
            Outcome::ToolMissing
        })
    }
}

impl Judge {
    pub(super) fn run(&self) -> Outcome {
        match verify::signify::prepare(&self.venv) {
            Ok(python) => {
                println!("{}", python.display());
                Outcome::Done
            }
            Err(error) => {
                eprintln!("drvpkg: {error}");
                Outcome::ToolMissing
            }
        }
    }
}
