//! The character level of INF syntax: comments, quotes, continuations.
//!
//! Rules ("General Syntax Rules for INF Files"): a comment runs from an unquoted `;` to the end of the line; a
//! `\` that is the last thing on a line, outside quotes, joins the next; a quoted text ends at the next `"`,
//! `""` stands for one quote, and no quote is open across lines; an unquoted `=` before any comma ends the
//! key; unquoted commas separate values.

use std::ops::Range;

use super::document::{Entry, Field, ItemKind};

/// What a character of an item is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Text outside quotes.
    Plain,
    /// Text within quotes.
    Quoted,
    /// A quote that begins or ends a quoted text, or the first of a doubled one.
    Quote,
    /// A comment, a line ending, or a continuation with the white space around the line break.
    Nothing,
}

/// Length in bytes of the first logical line: up to and with the first line ending that is not joined.
pub(super) fn logical_line(text: &str) -> usize {
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let continued = continuation(rest.get(..line).unwrap_or_default()).is_some();
        end += line;
        if !continued || end >= text.len() {
            return end;
        }
    }
}

/// Offset of the `\` that joins a line to the next, if there is one.
fn continuation(line: &str) -> Option<usize> {
    let mut last = None;
    for (at, character, role) in roles(line) {
        match role {
            Role::Plain if character == '\\' => last = Some(at),
            Role::Plain if character.is_whitespace() => {}
            Role::Nothing => {}
            _ => last = None,
        }
    }
    // A section header is never continued, and neither is the file's last line.
    if line.trim_start().starts_with('[') || !line.ends_with('\n') {
        None
    } else {
        last
    }
}

/// The characters of one physical line and what each is, continuation not yet considered.
fn roles(line: &str) -> impl Iterator<Item = (usize, char, Role)> {
    let mut quoted = false;
    let mut comment = false;
    // Set when the quote just seen is the first of a doubled one.
    let mut doubled = false;
    line.char_indices().map(move |(at, character)| {
        let rest = line.get(at + character.len_utf8()..).unwrap_or_default();
        let next_is_quote = rest.starts_with('"');
        let line_end = character == '\n' || character == '\r' && rest == "\n";
        let role = if comment || line_end {
            Role::Nothing
        } else if doubled {
            doubled = false;
            Role::Quoted
        } else if character == '"' {
            if quoted && next_is_quote {
                doubled = true;
            } else {
                quoted = !quoted;
            }
            Role::Quote
        } else if quoted {
            Role::Quoted
        } else if character == ';' {
            comment = true;
            Role::Nothing
        } else {
            Role::Plain
        };
        (at, character, role)
    })
}

/// The characters of a logical line, continuations resolved.
fn characters(text: &str) -> Vec<(usize, char, Role)> {
    let mut all: Vec<(usize, char, Role)> = Vec::new();
    let mut start = 0;
    let mut joined = false;
    for line in text.split_inclusive('\n') {
        let join = continuation(line);
        let mut leading = joined;
        for (at, character, role) in roles(line) {
            leading &= character.is_whitespace();
            let dropped = leading || join.is_some_and(|join| at >= join);
            all.push((start + at, character, if dropped { Role::Nothing } else { role }));
        }
        if let Some(join) = join {
            // White space before the `\` is not text either.
            for (_, character, role) in all.iter_mut().rev().skip_while(|(at, ..)| *at >= start + join) {
                if !character.is_whitespace() || *role != Role::Plain {
                    break;
                }
                *role = Role::Nothing;
            }
        }
        joined = join.is_some();
        start += line.len();
    }
    all
}

/// What a logical line is.
pub(super) fn classify(text: &str) -> ItemKind {
    let characters = characters(text);
    let mut visible = characters.iter().filter(|(_, character, role)| {
        *role != Role::Nothing && !(*role == Role::Plain && character.is_whitespace())
    });
    match visible.next() {
        None => ItemKind::Blank,
        Some((open, '[', Role::Plain)) => {
            let close = characters.iter().find(|(at, character, role)| {
                at > open && *character == ']' && matches!(role, Role::Plain | Role::Quoted)
            });
            close.map_or(ItemKind::BrokenSection, |(close, ..)| {
                ItemKind::Section(field(&characters, open + 1..*close))
            })
        }
        Some(_) => ItemKind::Entry(entry(&characters, text.len())),
    }
}

fn entry(characters: &[(usize, char, Role)], end: usize) -> Entry {
    let mut key = None;
    let mut values = Vec::new();
    let mut start = 0;
    for (at, character, role) in characters {
        match (character, role) {
            ('=', Role::Plain) if key.is_none() && values.is_empty() => {
                key = Some(field(characters, start..*at));
                start = at + 1;
            }
            (',', Role::Plain) => {
                values.push(field(characters, start..*at));
                start = at + 1;
            }
            _ => {}
        }
    }
    values.push(field(characters, start..end));
    Entry { key, values }
}

/// The field that a range of an item's text holds.
fn field(characters: &[(usize, char, Role)], range: Range<usize>) -> Field {
    let first = characters.partition_point(|(at, ..)| *at < range.start);
    let last = characters.partition_point(|(at, ..)| *at < range.end);
    let inside = characters.get(first..last).unwrap_or_default();
    let solid = |(_, character, role): &(usize, char, Role)| match role {
        Role::Nothing => false,
        Role::Plain => !character.is_whitespace(),
        Role::Quoted | Role::Quote => true,
    };
    let (Some(from), Some(to)) = (inside.iter().position(solid), inside.iter().rposition(solid)) else {
        return Field {
            span: range.start..range.start,
            text: String::new(),
            quoted: false,
            unterminated: false,
        };
    };
    let inside = inside.get(from..=to).unwrap_or_default();
    let mut text = String::new();
    let mut open = false;
    let mut quoted = false;
    for (_, character, role) in inside {
        match role {
            Role::Plain | Role::Quoted => text.push(*character),
            Role::Quote => quoted = true,
            Role::Nothing => {}
        }
        // A quote closes at the second `"`; the first of a doubled pair and the pair's second cancel out.
        if *character == '"' && *role != Role::Nothing {
            open = !open;
        }
    }
    let span_start = inside.first().map_or(range.start, |(at, ..)| *at);
    let span_end = inside
        .last()
        .map_or(range.start, |(at, character, _)| at + character.len_utf8());
    Field {
        span: span_start..span_end,
        text,
        quoted,
        unterminated: open,
    }
}
