//! What `portlab ddi` says of a function's codes and rules is what the model's source does: the table is read out of it here.
//!
//! `PORTLAB_WRITE=1 cargo test -p portlab --test ddi_answers` writes the table anew, and the guide's page of all rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use portlab::model::{
    ddi::{DDI, Entry, answers},
    rules::RULES,
};

/// Files whose functions others call to check arguments; those of a function's own file are followed too.
const SHARED: [&str; 5] = ["limits", "allocation_failures", "memory", "locks", "extended"];

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model")
}

/// A function of the model: its file and its text.
struct Function {
    file: String,
    text: String,
}

/// The text from the first brace on to the one that closes it.
fn body(text: &str) -> Option<&str> {
    let start = text.find('{')?;
    let mut depth = 0_usize;
    for (index, character) in text.char_indices().skip_while(|(index, _)| *index < start) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(start..=index);
        }
    }
    None
}

/// All functions of the model, by name.
fn functions() -> BTreeMap<String, Vec<Function>> {
    let mut found: BTreeMap<String, Vec<Function>> = BTreeMap::new();
    for entry in fs::read_dir(model()).expect("the model's sources") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or(&source);
        let file = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for (at, _) in source.match_indices("fn ") {
            let rest = &source[at + 3..];
            let name: String = rest
                .chars()
                .take_while(|character| character.is_alphanumeric() || *character == '_')
                .collect();
            if let Some(text) = body(rest).filter(|_| !name.is_empty()) {
                found.entry(name).or_default().push(Function {
                    file: file.clone(),
                    text: text.to_owned(),
                });
            }
        }
    }
    found
}

/// What stands behind `prefix` in a text: names.
fn names<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    text.match_indices(prefix).map(move |(at, _)| {
        text[at + prefix.len()..]
            .chars()
            .take_while(|character| character.is_alphanumeric() || *character == '_')
            .collect()
    })
}

/// Codes and rules of what is called from a text of a file, itself included.
fn gather(
    functions: &BTreeMap<String, Vec<Function>>,
    file: &str,
    text: &str,
    seen: &mut BTreeSet<String>,
    found: &mut (BTreeSet<String>, BTreeSet<String>),
) {
    found.0.extend(names(text, "stor_status::"));
    found.1.extend(names(text, "rules::"));
    for prefix in ["self.", "Self::", "machine.", "m."] {
        for name in names(text, prefix) {
            for function in functions.get(&name).into_iter().flatten() {
                let follow = function.file == file || SHARED.contains(&function.file.as_str());
                if follow && seen.insert(format!("{}::{name}", function.file)) {
                    gather(functions, &function.file, &function.text, seen, found);
                }
            }
        }
    }
}

/// The text that answers a function: its row, or its arm.
fn answer(ddi: &portlab::model::ddi::Ddi, sources: &BTreeMap<&str, String>) -> Option<String> {
    let (file, start) = match ddi.entry {
        Entry::Extended(code) => ("ddi", format!("extended({code}, ")),
        Entry::Export(export) => ("dispatch", format!("Export::{} =>", export.name())),
        Entry::Notification(code) => {
            let name = sources["codes"]
                .lines()
                .filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": u32 = "))
                .find(|(name, value)| {
                    let value = value.trim_end_matches(';').replace('_', "");
                    let value = value
                        .strip_prefix("0x")
                        .map_or_else(|| value.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
                    value == Some(code) && sources["notification"].contains(&format!("kind::{name}"))
                })?
                .0;
            ("notification", format!("kind::{name}"))
        }
        Entry::Inline => return None,
    };
    let source = &sources[file];
    let at = source.find(&start)?;
    let rest = &source[at..];
    let end = if file == "ddi" {
        rest.find('\n')?
    } else {
        // To the next arm.
        let arrow = rest.find("=>")?;
        let next = rest[arrow + 2..]
            .find("=>")
            .map_or(rest.len(), |next| arrow + 2 + next);
        rest[..next].rfind('\n').unwrap_or(next)
    };
    Some(rest[..end].to_owned())
}

/// The table as the source has it.
fn table() -> String {
    let functions = functions();
    let mut sources = BTreeMap::new();
    for file in ["ddi", "dispatch", "notification"] {
        let path = model().join(format!("{file}.rs"));
        sources.insert(file, fs::read_to_string(path).expect("a source"));
    }
    let codes = fs::read_to_string(model().join("../abi/codes.rs")).expect("the codes");
    let start = codes.find("pub mod notification").expect("the notifications");
    let end = codes[start..].find("\n}").map_or(codes.len(), |end| start + end);
    sources.insert("codes", codes[start..end].to_owned());
    let ids: BTreeMap<String, &str> = fs::read_to_string(model().join("rules.rs"))
        .expect("the rules")
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.trim().split_once(" = \"")?;
            let id = rest.split('"').next()?;
            let rule = RULES.iter().find(|rule| rule.id == id)?;
            Some((name.to_owned(), rule.id))
        })
        .collect();
    let mut lines = String::new();
    for ddi in DDI {
        if !ddi.modelled || ddi.entry == Entry::Inline {
            continue;
        }
        let text = answer(ddi, &sources).unwrap_or_else(|| panic!("{}: no answer in the source", ddi.name));
        let mut found = (BTreeSet::new(), BTreeSet::new());
        let file = match ddi.entry {
            Entry::Extended(_) => "ddi",
            Entry::Notification(_) => "notification",
            _ => "dispatch",
        };
        // The function itself lies in any file.
        for prefix in ["self.", "Self::", "machine.", "m.", "Machine::"] {
            for name in names(&text, prefix) {
                for function in functions.get(&name).into_iter().flatten() {
                    gather(
                        &functions,
                        &function.file,
                        &function.text,
                        &mut BTreeSet::new(),
                        &mut found,
                    );
                }
            }
        }
        gather(&functions, file, &text, &mut BTreeSet::new(), &mut found);
        let codes: Vec<&str> = found
            .0
            .iter()
            .map(String::as_str)
            .filter(|code| code.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !code.is_empty())
            .collect();
        let mut rules: Vec<&str> = found.1.iter().filter_map(|name| ids.get(name).copied()).collect();
        if ddi.tier == portlab::model::rules::Tier::Inferred && matches!(ddi.entry, Entry::Extended(_)) {
            rules.push("function-code-inferred");
        }
        rules.sort_unstable();
        rules.dedup();
        lines.extend([ddi.name, "\t", &codes.join(" "), "\t", &rules.join(" "), "\n"]);
    }
    lines
}

#[test]
fn the_table_is_what_the_source_does() {
    let table = table();
    let path = model().join("ddi-answers.tsv");
    if std::env::var_os("PORTLAB_WRITE").is_some() {
        fs::write(&path, &table).expect("written");
    }
    let kept = fs::read_to_string(&path).expect("the table");
    for (kept, now) in kept.lines().zip(table.lines()) {
        assert_eq!(kept, now, "write it anew: see the head of this file");
    }
    assert_eq!(kept.lines().count(), table.lines().count());
    // Samples, known by hand.
    let of = |name: &str| answers(name).unwrap_or_else(|| panic!("{name}"));
    assert!(of("QueueWorkItem").codes.split(' ').any(|code| code == "BUSY"));
    assert!(
        of("FreeWorker")
            .rules
            .split(' ')
            .any(|rule| rule == "worker-freed-twice")
    );
    assert!(
        of("AcquireSpinLock")
            .rules
            .split(' ')
            .any(|rule| rule == "lock-order")
    );
    assert!(
        of("RequestComplete")
            .rules
            .split(' ')
            .any(|rule| rule == "srb-completed-twice")
    );
    assert!(
        of("GetUncachedExtension")
            .rules
            .split(' ')
            .any(|rule| rule == "uncached-extension-outside-find-adapter")
    );
    assert!(answers("GetD3ColdSupport").is_none(), "not modelled");
}

#[test]
fn the_guides_page_is_what_the_lab_prints() {
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_portlab"))
        .args(["ddi", "--markdown"])
        .output()
        .expect("portlab runs");
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).expect("text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/judged.md");
    if std::env::var_os("PORTLAB_WRITE").is_some() {
        fs::write(&path, &printed).expect("written");
    }
    let kept = fs::read_to_string(&path).expect("the page");
    for (kept, now) in kept.lines().zip(printed.lines()) {
        assert_eq!(kept, now, "write it anew: see the head of this file");
    }
    assert_eq!(kept, printed);
}
