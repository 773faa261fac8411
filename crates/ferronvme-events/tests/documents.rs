//! What is made from the table: the guide's list, and the manifest for tools that are not written in Rust. Set `FERROPORT_BLESS=1` to
//! write both anew.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use ferronvme_events::{ROWS, Row, message_id};
use serde_json::json;

const BEGIN: &str = "<!-- events: made from crates/ferronvme-events -->\n";
const PAGE: &str = "../../docs/guide/events.md";
const END: &str = "<!-- end of events -->";

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn compare_or_write(path: &str, expected: &str) {
    let path = file(path);
    if env::var_os("FERROPORT_BLESS").is_some() {
        fs::write(&path, expected).expect("the file can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} differs from the table: FERROPORT_BLESS=1 cargo test -p ferronvme-events writes it anew",
        path.display()
    );
}

fn keywords(row: &Row) -> String {
    let names: Vec<_> = row
        .keywords
        .iter()
        .map(|keyword| format!("{keyword:?}"))
        .collect();
    if names.is_empty() {
        String::from("none")
    } else {
        names.join(", ")
    }
}

#[test]
fn the_guide_lists_the_events() {
    let mut table = String::from(
        "| id | event | level | keywords | opcode | values | when | event log |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in ROWS {
        let values: Vec<_> = row.fields.iter().map(|field| format!("`{field}`")).collect();
        let logged = row.message.map_or_else(String::new, |_| {
            format!("`{:#010x}`", message_id(row.level, row.id))
        });
        writeln!(
            table,
            "| {} | `{}` | {:?} | {} | {:?} | {} |{} | {logged} |",
            row.id,
            row.name,
            row.level,
            keywords(row),
            row.opcode,
            values.join(", "),
            row.when
        )
        .expect("a String takes everything");
    }
    let page = fs::read_to_string(file(PAGE)).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("where the list begins");
    let (_, after) = rest.split_once(END).expect("where the list ends");
    compare_or_write(PAGE, &format!("{before}{BEGIN}\n{table}\n{END}{after}"));
}

#[test]
fn the_manifest_has_the_events() {
    let events: Vec<_> = ROWS
        .iter()
        .map(|row| {
            json!({
                "id": row.id,
                "name": row.name,
                "level": row.level as u8,
                "keywords": row.keyword_bits(),
                "opcode": row.opcode as u8,
                "fields": row.fields,
                "message_id": row.message.map(|_| message_id(row.level, row.id)),
            })
        })
        .collect();
    let text =
        serde_json::to_string_pretty(&json!({ "version": 1, "events": events })).expect("numbers and texts");
    compare_or_write("events.json", &format!("{text}\n"));
}
