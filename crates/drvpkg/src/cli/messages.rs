//! `drvpkg messages`.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use drvpkg::pe::messages::messages;
use object::read::pe::PeFile64;
use serde::{Deserialize, Serialize};

use super::{Answer, Outcome, print_json, read};

/// Shows the message table of an image and, with --events, whether it has a text for each message that the driver logs
#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// The driver image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The driver's events: JSON with `events`, each with `name` and, if it is logged, `message_id`
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    events: Vec<LoggedEvent>,
}

#[derive(Debug, Deserialize)]
struct LoggedEvent {
    name: String,
    message_id: Option<u32>,
}

/// What the command says in JSON.
#[derive(Debug, Serialize)]
struct Report {
    /// Every message that the driver logs has its text, and there is none that it does not log. Absent without --events.
    message_table_ok: Option<bool>,
    /// Texts by id.
    messages: BTreeMap<String, String>,
    /// Events that are logged and have no text.
    missing: Vec<String>,
    /// Ids that nothing logs.
    unused: Vec<String>,
}

impl Messages {
    pub(super) fn run(&self) -> Answer {
        let image = read(&self.file)?;
        let image = PeFile64::parse(&*image).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let table = messages(&image).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let mut report = Report {
            message_table_ok: None,
            messages: table
                .iter()
                .map(|(id, text)| (format!("{id:#010x}"), text.clone()))
                .collect(),
            missing: Vec::new(),
            unused: Vec::new(),
        };
        if let Some(path) = &self.events {
            let manifest: Manifest = serde_json::from_slice(&read(path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let logged: BTreeMap<_, _> = manifest
                .events
                .iter()
                .filter_map(|event| Some((event.message_id?, &event.name)))
                .collect();
            let has_text = |id: &u32| table.get(id).is_some_and(|text| !text.is_empty());
            report.missing = logged
                .iter()
                .filter(|(id, _)| !has_text(id))
                .map(|(id, name)| format!("{id:#010x} {name}"))
                .collect();
            report.unused = table
                .keys()
                .filter(|id| !logged.contains_key(id))
                .map(|id| format!("{id:#010x}"))
                .collect();
            report.message_table_ok =
                Some(!logged.is_empty() && report.missing.is_empty() && report.unused.is_empty());
        }
        if self.json {
            print_json(&report)?;
        } else {
            for (id, text) in &report.messages {
                println!("{id}  {text}");
            }
            for missing in &report.missing {
                println!("no text for {missing}");
            }
            for unused in &report.unused {
                println!("nothing logs {unused}");
            }
        }
        Ok(if report.message_table_ok == Some(false) {
            Outcome::Refused
        } else {
            Outcome::Done
        })
    }
}
