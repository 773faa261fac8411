//! Every `unsafe` of a source file.
//!
//! The file is cut into tokens, so that comments, doc comments and strings are none, and code that is configured out or
//! stands in the body of a macro is looked at like any other. What a macro of another crate expands to is not.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};
use serde::Serialize;

/// What is unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `unsafe { ... }`.
    Block,
    /// `unsafe fn`, with a body or in a trait.
    Function,
    /// `unsafe impl`.
    Implementation,
    /// `unsafe trait`.
    Trait,
    /// `unsafe extern { ... }`.
    ExternBlock,
    /// `unsafe fn` or `unsafe static` in an `extern` block.
    ForeignItem,
    /// `#[unsafe(...)]`.
    Attribute,
    /// `unsafe fn(...)` as a type: does nothing by itself.
    FunctionType,
    /// Anything else, for example the pattern of a macro.
    Other,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Block,
        Self::Function,
        Self::Implementation,
        Self::Trait,
        Self::ExternBlock,
        Self::ForeignItem,
        Self::Attribute,
        Self::FunctionType,
        Self::Other,
    ];

    /// Whether a `// SAFETY:` comment belongs before it: somebody vouches for something there.
    #[must_use]
    pub const fn wants_reason(self) -> bool {
        matches!(self, Self::Block | Self::Implementation)
    }
}

/// One `unsafe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// Line, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether a `// SAFETY:` comment stands directly before it, or before the statement that holds it.
    pub documented: bool,
}

/// Finds every `unsafe` of a file, in order.
///
/// # Errors
/// If the text is no sequence of Rust's tokens.
pub fn find(text: &str) -> Result<Vec<Occurrence>, LexError> {
    let stream = TokenStream::from_str(text)?;
    let mut finder = Finder {
        lines: text.lines().collect(),
        found: Vec::new(),
    };
    finder.walk(stream, &[], false);
    finder.found.sort_by_key(|occurrence| occurrence.line);
    Ok(finder.found)
}

struct Finder<'a> {
    lines: Vec<&'a str>,
    found: Vec<Occurrence>,
}

impl Finder<'_> {
    /// `anchors`: lines on which the statements around this stream begin, within the innermost braces. `foreign`: the
    /// stream is the body of an `extern` block.
    fn walk(&mut self, stream: TokenStream, anchors: &[usize], foreign: bool) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut statement = None;
        for (index, token) in tokens.iter().enumerate() {
            let line = token.span().start().line;
            let begin = *statement.get_or_insert(line);
            let next = |further: usize| tokens.get(index + further);
            match token {
                TokenTree::Ident(ident) if ident == "unsafe" => {
                    let kind = classify(&next, foreign);
                    let places = anchors.iter().copied().chain([begin, line]);
                    let documented = places.into_iter().any(|place| self.is_explained(place, line));
                    self.found.push(Occurrence {
                        line,
                        kind,
                        documented,
                    });
                }
                TokenTree::Group(group) => {
                    let inner = anchors_within(group, anchors, begin);
                    let foreign = is_body_of_extern(&tokens, index);
                    self.walk(group.stream(), &inner, foreign);
                    if ends_statement(group, next(1)) {
                        statement = None;
                    }
                }
                TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => statement = None,
                _ => {}
            }
        }
    }

    /// Whether the lines before line `place` are a comment that gives a reason, or line `line` does itself before the
    /// `unsafe`. Attributes may stand in between.
    fn is_explained(&self, place: usize, line: usize) -> bool {
        let text = |line: usize| {
            line.checked_sub(1)
                .and_then(|index| self.lines.get(index))
                .copied()
        };
        if let Some((before, _)) = text(line).and_then(|text| text.split_once("unsafe"))
            && before.contains("// SAFETY:") | before.contains("/* SAFETY:")
        {
            return true;
        }
        for above in (1..place).rev() {
            let Some(text) = text(above).map(str::trim_start) else {
                return false;
            };
            if text.starts_with("// SAFETY:") || text.starts_with("/* SAFETY:") {
                return true;
            }
            let passed = (text.starts_with("//") && !text.starts_with("///") && !text.starts_with("//!"))
                || text.starts_with("#[")
                || text.starts_with("* ");
            if !passed {
                return false;
            }
        }
        false
    }
}

/// A statement goes on within parentheses and brackets; within braces others begin.
fn anchors_within(group: &Group, anchors: &[usize], begin: usize) -> Vec<usize> {
    match group.delimiter() {
        Delimiter::Brace => Vec::new(),
        _ => anchors.iter().copied().chain([begin]).collect(),
    }
}

/// Whether a statement ends with this group: a block does, unless the expression goes on behind it.
fn ends_statement(group: &Group, next: Option<&TokenTree>) -> bool {
    if group.delimiter() != Delimiter::Brace {
        return false;
    }
    match next {
        Some(TokenTree::Punct(_)) => false,
        Some(TokenTree::Ident(ident)) => ident != "else",
        _ => true,
    }
}

/// Whether the group at `index` is the body of `extern { ... }` or `extern "ABI" { ... }`.
fn is_body_of_extern(tokens: &[TokenTree], index: usize) -> bool {
    let is_extern = |back: usize| {
        index
            .checked_sub(back)
            .and_then(|index| tokens.get(index))
            .is_some_and(|token| is_word(Some(token), "extern"))
    };
    let is_braces =
        matches!(tokens.get(index), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace);
    let after_name = index
        .checked_sub(1)
        .and_then(|index| tokens.get(index))
        .is_some_and(|token| matches!(token, TokenTree::Literal(_)));
    is_braces && (is_extern(1) || (after_name && is_extern(2)))
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

/// What the `unsafe` is whose followers `next(1)`, `next(2)` ... gives.
fn classify<'a>(next: &impl Fn(usize) -> Option<&'a TokenTree>, foreign: bool) -> Kind {
    match next(1) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => return Kind::Block,
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
            return Kind::Attribute;
        }
        Some(token @ TokenTree::Ident(_)) => {
            if is_word(Some(token), "impl") {
                return Kind::Implementation;
            }
            if is_word(Some(token), "trait") || is_word(Some(token), "auto") {
                return Kind::Trait;
            }
            if is_word(Some(token), "static") {
                return Kind::ForeignItem;
            }
        }
        _ => {}
    }
    // unsafe [extern ["ABI"]] fn name | fn (...) | { ... }
    let mut at = 1;
    if is_word(next(at), "extern") {
        at += 1;
        if matches!(next(at), Some(TokenTree::Literal(_))) {
            at += 1;
        }
        if matches!(next(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace) {
            return Kind::ExternBlock;
        }
    }
    if !is_word(next(at), "fn") {
        return Kind::Other;
    }
    match next(at + 1) {
        Some(TokenTree::Group(_)) => Kind::FunctionType,
        _ if foreign => Kind::ForeignItem,
        _ => Kind::Function,
    }
}
