//! Natvis files, each of their expressions against each type that they are for.

use roxmltree::{Document, Node};
use serde::Serialize;
use thiserror::Error;

use super::{
    expression::{ExpressionError, Scope, resolve},
    types::Types,
};

/// A natvis file is not understood.
#[derive(Debug, Error)]
pub enum NatvisError {
    /// It is not XML.
    #[error("not XML: {0}")]
    Xml(#[from] roxmltree::Error),
    /// It has an element that is not known here.
    #[error("element `{0}` is not known")]
    Element(String),
    /// A type has no name.
    #[error("a Type has no Name")]
    NoName,
}

/// How the natvis files fit the types.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Type names of the files for which there are types.
    pub types_matched: usize,
    /// Member paths that were resolved or not, each once for each type that it is for.
    pub paths_checked: usize,
    /// What does not fit.
    pub missing: Vec<Missing>,
}

/// An expression, or a type's name, that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The natvis file.
    pub file: String,
    /// The type in the PDB, or the name for which there is none.
    pub of: String,
    /// The expression.
    pub expression: String,
    /// Why.
    pub reason: String,
}

/// One `Type` element.
struct Visualizer {
    names: Vec<String>,
    scope: Scope,
    expressions: Vec<String>,
}

impl Findings {
    /// Checks a natvis file.
    ///
    /// # Errors
    /// If it is not understood.
    pub fn check(&mut self, types: &Types, file: &str, text: &str) -> Result<(), NatvisError> {
        let document = Document::parse(text)?;
        for element in elements(document.root_element()) {
            match element.tag_name().name() {
                "Type" => self.check_type(types, file, &Visualizer::of(element)?),
                other => return Err(NatvisError::Element(other.to_owned())),
            }
        }
        Ok(())
    }

    fn check_type(&mut self, types: &Types, file: &str, visualizer: &Visualizer) {
        for name in &visualizer.names {
            let records = types.matching(name);
            let mut miss = |of: &str, expression: &str, reason: String| {
                self.missing.push(Missing {
                    file: file.to_owned(),
                    of: of.to_owned(),
                    expression: expression.to_owned(),
                    reason,
                });
            };
            if records.is_empty() {
                miss(name, "", ExpressionError::NoType(name.clone()).to_string());
                continue;
            }
            self.types_matched += 1;
            for record in records {
                for expression in &visualizer.expressions {
                    match resolve(types, &record.name, &visualizer.scope, expression) {
                        Ok(paths) => self.paths_checked += paths,
                        Err(error) => {
                            self.paths_checked += 1;
                            miss(&record.name, expression, error.to_string());
                        }
                    }
                }
            }
        }
    }
}

fn elements<'node, 'text>(node: Node<'node, 'text>) -> impl Iterator<Item = Node<'node, 'text>> {
    node.children().filter(Node::is_element)
}

impl Visualizer {
    fn of(node: Node<'_, '_>) -> Result<Self, NatvisError> {
        let name = node.attribute("Name").ok_or(NatvisError::NoName)?;
        let mut this = Self {
            names: vec![name.to_owned()],
            scope: Scope::default(),
            expressions: Vec::new(),
        };
        for child in elements(node) {
            this.take(child)?;
        }
        Ok(this)
    }

    fn take(&mut self, node: Node<'_, '_>) -> Result<(), NatvisError> {
        for attribute in ["Condition", "InitialValue"] {
            self.expressions
                .extend(node.attribute(attribute).map(str::to_owned));
        }
        let text = node.text().unwrap_or_default();
        match node.tag_name().name() {
            "AlternativeType" => self
                .names
                .push(node.attribute("Name").ok_or(NatvisError::NoName)?.to_owned()),
            "DisplayString" => self.expressions.extend(in_braces(text)),
            "Item" => {
                self.expressions
                    .extend(in_braces(node.attribute("Name").unwrap_or_default()));
                self.expressions.push(text.to_owned());
            }
            "ExpandedItem" | "Size" | "ValuePointer" | "Exec" => self.expressions.push(text.to_owned()),
            "Variable" => {
                let name = node.attribute("Name").ok_or(NatvisError::NoName)?;
                self.scope.variables.insert(name.to_owned());
            }
            "Expand" | "ArrayItems" | "CustomListItems" | "Loop" => {
                for child in elements(node) {
                    self.take(child)?;
                }
            }
            other => return Err(NatvisError::Element(other.to_owned())),
        }
        Ok(())
    }
}

/// The expressions within braces; doubled braces are text.
fn in_braces(text: &str) -> Vec<String> {
    let text = text.replace("{{", "").replace("}}", "");
    let inner = text.split('{').skip(1);
    inner
        .map(|part| part.split('}').next().unwrap_or_default().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdb::types::{Member, Record, Shape};

    fn checked(body: &str) -> Result<Findings, NatvisError> {
        let types = Types::new(["a::B<u8>", "a::B<u16>"].map(|name| Record {
            name: name.to_owned(),
            size: 4,
            members: vec![Member {
                name: "count".to_owned(),
                offset: 0,
                shape: Shape::Number(4),
            }],
        }));
        let text = format!(
            "<AutoVisualizer xmlns=\"http://schemas.microsoft.com/vstudio/debugger/natvis/2010\">{body}</AutoVisualizer>"
        );
        let mut findings = Findings::default();
        findings.check(&types, "test.natvis", &text)?;
        Ok(findings)
    }

    #[test]
    fn every_expression_is_checked_against_every_type() {
        let findings = checked(
            "<Type Name=\"a::B&lt;*&gt;\"><DisplayString Condition=\"count != 0\">{{{count,d}}} of {count}</DisplayString>\
             <Expand><Item Name=\"[{count}]\">count</Item></Expand></Type>",
        )
        .unwrap();
        assert_eq!(findings.missing, []);
        assert_eq!((findings.types_matched, findings.paths_checked), (1, 10));
    }

    #[test]
    fn a_member_or_type_that_is_not_there_is_found_wherever_it_is_named() {
        for body in [
            "<Type Name=\"a::B&lt;*&gt;\"><DisplayString>{gone}</DisplayString></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><DisplayString Condition=\"gone\">x</DisplayString></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><Expand><Item Name=\"x\">gone</Item></Expand></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><Expand><Item Name=\"{gone}\">count</Item></Expand></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><Expand><ExpandedItem>gone</ExpandedItem></Expand></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><Expand><ArrayItems><Size>gone</Size></ArrayItems></Expand></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><Expand><CustomListItems><Loop Condition=\"gone\"/></CustomListItems></Expand></Type>",
            "<Type Name=\"a::B&lt;*&gt;\"><AlternativeType Name=\"a::C\"/></Type>",
            "<Type Name=\"a::C\"><DisplayString>x</DisplayString></Type>",
        ] {
            assert!(!checked(body).unwrap().missing.is_empty(), "{body}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_passed_over() {
        assert!(matches!(
            checked("<Type Name=\"a::B&lt;*&gt;\"><Unheard/></Type>"),
            Err(NatvisError::Element(_))
        ));
        assert!(matches!(checked("<Type/>"), Err(NatvisError::NoName)));
        assert!(matches!(checked("<Type>"), Err(NatvisError::Xml(_))));
    }
}
