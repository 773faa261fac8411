//! Every documented function of the DDI has one row in each of three tables: the model's, the guide's, and that of
//! `storport::ddi`; and the three say the same of it.

use std::collections::{BTreeMap, BTreeSet};

use portlab::model::{
    ddi::{DDI, Entry},
    rules::Tier,
};

/// The functions of the DDI reference, March 2024, that a physical miniport may call and whose entry is known.
const DOCUMENTED: &str = include_str!("../../storport/tests/data/documented-ddi.txt");
const MODULE: &str = include_str!("../../storport/src/ddi.rs");
const GUIDE: &str = include_str!("../../../docs/guide/ddi.md");

/// What a table says of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    windows: String,
    irql: String,
    tier: String,
}

/// The rows of the tables in `text` whose heading begins with `function`, by name; columns by their headings.
fn rows(text: &str) -> Result<BTreeMap<String, Row>, String> {
    let mut found = BTreeMap::new();
    let mut columns: Option<Vec<&str>> = None;
    for line in text.lines() {
        let line = line.trim_start_matches("//!").trim();
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            columns = None;
            continue;
        };
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let Some(headings) = &columns else {
            columns = Some(cells);
            continue;
        };
        if headings.first() != Some(&"function") || cells.first() == Some(&"---") {
            continue;
        }
        if cells.len() != headings.len() {
            return Err(format!("{line}: {} columns", cells.len()));
        }
        let cell = |heading| {
            let index = headings.iter().position(|&column| column == heading);
            index.map(|index| cells[index]).filter(|cell| !cell.is_empty())
        };
        let of = |heading| cell(heading).ok_or_else(|| format!("{line}: no {heading}"));
        let name = of("function")?.trim_matches('`').trim_start_matches("StorPort");
        of("safe method")?;
        let row = Row {
            windows: of("Windows")?.to_owned(),
            irql: of("IRQL")?.replace('`', ""),
            tier: of("tier")?.to_owned(),
        };
        if found.insert(name.to_owned(), row).is_some() {
            return Err(format!("{name} twice"));
        }
        if let Some(lab) = cell("lab") {
            let ddi = DDI.iter().find(|ddi| ddi.name == name);
            let expected = ddi.map(|ddi| match ddi.entry {
                Entry::Inline => "inline",
                _ if ddi.modelled => "yes",
                _ => "no",
            });
            if expected != Some(lab) {
                return Err(format!("{name}: lab {lab}, expected {expected:?}"));
            }
        }
    }
    Ok(found)
}

/// What is wrong with the tables.
fn check(documented: &str, module: &str, guide: &str) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for name in documented.lines() {
        if !names.insert(name) {
            return Err(format!("{name} twice in the list"));
        }
    }
    let (module, guide) = (rows(module)?, rows(guide)?);
    for name in &names {
        if !module.contains_key(*name) {
            return Err(format!("{name} is not in the module"));
        }
        if !guide.contains_key(*name) {
            return Err(format!("{name} is not in the guide"));
        }
        if !DDI.iter().any(|ddi| ddi.name == *name) {
            return Err(format!("{name} is not in the model"));
        }
    }
    for ddi in DDI {
        let name = ddi.name;
        let (Some(here), Some(there)) = (module.get(name), guide.get(name)) else {
            return Err(format!("{name}: the model alone knows it"));
        };
        let tier = match ddi.tier {
            Tier::Inferred => "I",
            _ => "K",
        };
        if here != there || here.irql != ddi.irql || here.tier != tier {
            return Err(format!("{name}: {here:?}, {there:?}, {} {tier}", ddi.irql));
        }
    }
    if module.len() != DDI.len() || guide.len() != DDI.len() {
        return Err(format!(
            "{} and {} rows for {} functions",
            module.len(),
            guide.len(),
            DDI.len()
        ));
    }
    Ok(())
}

#[test]
fn every_documented_function_has_one_row_in_each_table() {
    assert_eq!(check(DOCUMENTED, MODULE, GUIDE), Ok(()));
}

fn without(text: &str, number: usize) -> String {
    let lines = text.lines().enumerate().filter(|(index, _)| *index != number);
    lines.flat_map(|(_, line)| [line, "\n"]).collect()
}

/// The lines of a text that are rows of functions.
fn function_rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim_start_matches("//!").trim();
        let name = line.strip_prefix("| ").and_then(|line| line.split(' ').next());
        let name = name.map(|name| name.trim_matches('`').trim_start_matches("StorPort"));
        name.is_some_and(|name| DDI.iter().any(|ddi| ddi.name == name))
    })
}

#[test]
fn a_row_that_is_missing_doubled_or_different_is_noticed() {
    assert_eq!(function_rows(MODULE).count(), DDI.len());
    for (number, row) in function_rows(MODULE) {
        assert!(
            check(DOCUMENTED, &without(MODULE, number), GUIDE).is_err(),
            "{row}"
        );
    }
    for (number, row) in function_rows(GUIDE) {
        assert!(
            check(DOCUMENTED, MODULE, &without(GUIDE, number)).is_err(),
            "{row}"
        );
    }
    let (_, row) = function_rows(GUIDE).next().unwrap();
    let doubled = GUIDE.replacen(row, &format!("{row}\n{row}"), 1);
    assert!(
        check(DOCUMENTED, MODULE, &doubled)
            .unwrap_err()
            .ends_with("twice")
    );
    let different = GUIDE.replacen("| <= DISPATCH |", "| any |", 1);
    assert!(check(DOCUMENTED, MODULE, &different).is_err());
    let unknown = format!("{DOCUMENTED}NoSuchFunction\n");
    assert!(check(&unknown, MODULE, GUIDE).is_err());
}
