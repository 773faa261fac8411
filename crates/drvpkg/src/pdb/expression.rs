//! The C++ expressions of natvis, resolved member by member.
//!
//! Understood is what debuggers evaluate without running anything: members, `->`, `*`, `&`, indices, casts to pointers and to
//! integers, `sizeof`, `this`, arithmetic and comparisons, and the format specifier behind a comma. No member is taken on
//! trust: what cannot be resolved is an error.

use std::collections::HashSet;

use thiserror::Error;

use super::types::{Shape, Types};

/// Why an expression does not fit the types.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// It is not understood.
    #[error("not understood at `{0}`")]
    Syntax(String),
    /// There is no such member.
    #[error("`{record}` has no member `{member}`")]
    NoMember {
        /// The record.
        record: String,
        /// The member.
        member: String,
    },
    /// A member of what has none.
    #[error("`{0}` is a member of what is no structure")]
    NoRecord(String),
    /// There is no such type.
    #[error("there is no type `{0}`")]
    NoType(String),
    /// `*`, `->` or an index of what is no pointer and no array.
    #[error("what is no pointer is followed")]
    NoPointer,
}

/// What an expression may name besides members.
#[derive(Debug, Default, Clone)]
pub struct Scope {
    /// Variables of `CustomListItems`.
    pub variables: HashSet<String>,
}

/// Resolves `text` in a value of record `this`; returns how many member paths it has.
///
/// # Errors
/// The first thing that does not fit.
pub fn resolve(types: &Types, this: &str, scope: &Scope, text: &str) -> Result<usize, ExpressionError> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        types,
        this,
        scope,
        tokens: &tokens,
        at: 0,
        paths: 0,
    };
    parser.expression(0)?;
    if parser.takes(",") {
        parser.specifier()?;
    }
    if parser.at < tokens.len() {
        return Err(parser.not_understood());
    }
    Ok(parser.paths)
}

const TWO: [&str; 9] = ["->", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>"];

fn tokens(text: &str) -> Result<Vec<String>, ExpressionError> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            let mut length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            // A qualified name is one token.
            while let Some(behind) = rest.get(length..).and_then(|behind| behind.strip_prefix("::")) {
                length += 2 + behind.find(|c| !is_word(c)).unwrap_or(behind.len());
            }
            length
        } else if TWO.iter().any(|two| rest.starts_with(two)) {
            2
        } else if "()[].,*&+-/%<>!~|^?:=".contains(first) {
            1
        } else {
            return Err(ExpressionError::Syntax(rest.to_owned()));
        };
        let (token, behind) = rest.split_at(length);
        found.push(token.to_owned());
        rest = behind.trim_start();
    }
    Ok(found)
}

/// How tightly a binary operator binds.
fn precedence(operator: &str) -> Option<u8> {
    Some(match operator {
        "=" => 1,
        "?" => 2,
        "||" => 3,
        "&&" => 4,
        "|" => 5,
        "^" => 6,
        "&" => 7,
        "==" | "!=" => 8,
        "<" | ">" | "<=" | ">=" => 9,
        "<<" | ">>" => 10,
        "+" | "-" => 11,
        "*" | "/" | "%" => 12,
        _ => return None,
    })
}

const INTEGERS: [&str; 8] = [
    "unsigned", "signed", "char", "short", "int", "long", "__int64", "bool",
];

struct Parser<'text> {
    types: &'text Types,
    this: &'text str,
    scope: &'text Scope,
    tokens: &'text [String],
    at: usize,
    paths: usize,
}

type Resolved = Result<Shape, ExpressionError>;

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn takes(&mut self, token: &str) -> bool {
        let is = self.peek() == token;
        self.at += usize::from(is);
        is
    }

    fn expects(&mut self, token: &str) -> Result<(), ExpressionError> {
        if self.takes(token) {
            Ok(())
        } else {
            Err(self.not_understood())
        }
    }

    fn not_understood(&self) -> ExpressionError {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        ExpressionError::Syntax(rest.join(" "))
    }

    /// A format specifier: a letter or two, or the number of an array's elements in brackets.
    fn specifier(&mut self) -> Result<(), ExpressionError> {
        if self.takes("[") {
            self.expression(0)?;
            self.expects("]")
        } else if ["d", "x", "X", "h", "b", "s", "sb", "na", "nd", "u"].contains(&self.peek()) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.not_understood())
        }
    }

    fn expression(&mut self, weakest: u8) -> Resolved {
        let mut left = self.unary()?;
        while let Some(binds) = precedence(self.peek()).filter(|binds| *binds > weakest) {
            let operator = self.peek().to_owned();
            self.at += 1;
            if operator == "?" {
                left = self.expression(0)?;
                self.expects(":")?;
                self.expression(binds)?;
                continue;
            }
            let right = self.expression(binds)?;
            // A pointer, or an array's address, moved.
            left = match (operator.as_str(), left, right) {
                ("+" | "-", pointer @ Shape::Pointer(_), Shape::Number(_)) => pointer,
                _ => Shape::Number(8),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Resolved {
        for operator in ["!", "~", "-"] {
            if self.takes(operator) {
                self.unary()?;
                return Ok(Shape::Number(8));
            }
        }
        if self.takes("&") {
            return Ok(Shape::Pointer(Box::new(self.unary()?)));
        }
        if self.takes("*") {
            return match self.unary()? {
                Shape::Pointer(inner) => Ok(*inner),
                Shape::Array { element, .. } => Ok(*element),
                _ => Err(ExpressionError::NoPointer),
            };
        }
        if let Some(cast) = self.cast()? {
            self.unary()?;
            return Ok(cast);
        }
        self.postfix()
    }

    /// `(type)` or `(type*)`, if that is what comes.
    fn cast(&mut self) -> Result<Option<Shape>, ExpressionError> {
        let begin = self.at;
        if !self.takes("(") {
            return Ok(None);
        }
        let is_integer = |word: &str| INTEGERS.contains(&word);
        let target = if self.takes("void") {
            Shape::Other
        } else if is_integer(self.peek()) {
            let mut bytes = 4;
            while is_integer(self.peek()) {
                bytes = match self.peek() {
                    "char" | "bool" => 1,
                    "short" => 2,
                    "__int64" => 8,
                    _ => bytes,
                };
                self.at += 1;
            }
            Shape::Number(bytes)
        } else if self.peek().contains("::") {
            let name = self.peek().to_owned();
            if self.types.get(&name).is_none() {
                return Err(ExpressionError::NoType(name));
            }
            self.at += 1;
            Shape::Record(name)
        } else {
            self.at = begin;
            return Ok(None);
        };
        let mut target = target;
        while self.takes("*") {
            target = Shape::Pointer(Box::new(target));
        }
        self.expects(")")?;
        Ok(Some(target))
    }

    fn postfix(&mut self) -> Resolved {
        let mut value = self.primary()?;
        loop {
            if self.takes(".") {
                value = self.member(&value)?;
            } else if self.takes("->") {
                let Shape::Pointer(inner) = value else {
                    return Err(ExpressionError::NoPointer);
                };
                value = self.member(&inner)?;
            } else if self.takes("[") {
                self.expression(0)?;
                self.expects("]")?;
                value = match value {
                    Shape::Pointer(inner) => *inner,
                    Shape::Array { element, .. } => *element,
                    _ => return Err(ExpressionError::NoPointer),
                };
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Resolved {
        if self.takes("(") {
            let inner = self.expression(0)?;
            self.expects(")")?;
            return Ok(inner);
        }
        if self.takes("sizeof") {
            self.expects("(")?;
            self.expression(0)?;
            self.expects(")")?;
            return Ok(Shape::Number(8));
        }
        if self.takes("this") {
            return Ok(Shape::Pointer(Box::new(Shape::Record(self.this.to_owned()))));
        }
        let word = self.peek().to_owned();
        let first = word.chars().next().unwrap_or(' ');
        if first.is_ascii_digit() {
            let digits = word.strip_prefix("0x").unwrap_or(&word);
            if !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(self.not_understood());
            }
            self.at += 1;
            return Ok(Shape::Number(8));
        }
        if !(first.is_alphabetic() || first == '_') {
            return Err(self.not_understood());
        }
        if self.scope.variables.contains(&word) {
            self.at += 1;
            return Ok(Shape::Number(8));
        }
        self.paths += 1;
        self.member(&Shape::Record(self.this.to_owned()))
    }

    /// The member of `value` that is named next.
    fn member(&mut self, value: &Shape) -> Resolved {
        let member = self.peek().to_owned();
        let Shape::Record(name) = value else {
            return Err(ExpressionError::NoRecord(member));
        };
        let record = self
            .types
            .get(name)
            .ok_or_else(|| ExpressionError::NoType(name.clone()))?;
        let found = record.members.iter().find(|candidate| candidate.name == member);
        let found = found.ok_or_else(|| ExpressionError::NoMember {
            record: name.clone(),
            member,
        })?;
        self.at += 1;
        Ok(found.shape.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdb::types::{Member, Record};

    fn types() -> Types {
        let member = |name: &str, shape| Member {
            name: name.to_owned(),
            offset: 0,
            shape,
        };
        let record = |name: &str, members| Record {
            name: name.to_owned(),
            size: 8,
            members,
        };
        let inner = || Shape::Record("a::Inner".to_owned());
        Types::new([
            record(
                "a::Outer",
                vec![
                    member("inner", inner()),
                    member("far", Shape::Pointer(Box::new(inner()))),
                    member(
                        "many",
                        Shape::Array {
                            element: Box::new(inner()),
                            count: 4,
                        },
                    ),
                ],
            ),
            record("a::Inner", vec![member("word", Shape::Number(4))]),
        ])
    }

    fn resolved(text: &str) -> Result<usize, ExpressionError> {
        let scope = Scope {
            variables: HashSet::from(["place".to_owned()]),
        };
        resolve(&types(), "a::Outer", &scope, text)
    }

    #[test]
    fn what_the_types_have_is_found() {
        for (text, paths) in [
            ("inner.word & 0xFF,d", 1),
            ("far->word >> 8", 1),
            ("(inner.word & 0x20) == 0 && far != 0", 2),
            ("many[place].word", 1),
            ("many,[inner.word]", 2),
            ("(a::Inner*)far", 1),
            ("((a::Inner*)((unsigned char*)this + inner.word))->word", 1),
            ("*(unsigned __int64*)&inner == 0", 1),
            ("sizeof(many) / sizeof(many[0])", 2),
            ("place = place + 1", 0),
            ("*far", 1),
        ] {
            assert_eq!(resolved(text), Ok(paths), "{text}");
        }
    }

    #[test]
    fn what_the_types_do_not_have_is_said() {
        let no_member = |record: &str, member: &str| {
            Err(ExpressionError::NoMember {
                record: record.to_owned(),
                member: member.to_owned(),
            })
        };
        assert_eq!(resolved("inner.wort"), no_member("a::Inner", "wort"));
        assert_eq!(resolved("1 + outer.word"), no_member("a::Outer", "outer"));
        assert_eq!(resolved("many[inner.x].word"), no_member("a::Inner", "x"));
        assert_eq!(resolved("many,[inner.x]"), no_member("a::Inner", "x"));
        assert_eq!(resolved("((a::Inner*)far)->x"), no_member("a::Inner", "x"));
        assert_eq!(
            resolved("(a::None*)far"),
            Err(ExpressionError::NoType("a::None".to_owned()))
        );
        assert_eq!(resolved("inner->word"), Err(ExpressionError::NoPointer));
        assert_eq!(resolved("*inner"), Err(ExpressionError::NoPointer));
        assert_eq!(
            resolved("inner.word.x"),
            Err(ExpressionError::NoRecord("x".to_owned()))
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in [
            "",
            "inner.",
            "inner.word inner",
            "(inner.word",
            "inner,zz",
            "inner @ 1",
            "0xZZ",
        ] {
            assert!(
                matches!(
                    resolved(text),
                    Err(ExpressionError::Syntax(_) | ExpressionError::NoMember { .. })
                ),
                "{text}"
            );
        }
    }
}
