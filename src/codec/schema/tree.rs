//! The record of a type: a node for each request of serde.

use std::fmt::Write;

/// The request of serde at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeKind {
    /// Nothing yet.
    Unseen,
    /// A value without parts, by the name of its kind.
    Plain(&'static str),
    Unit(&'static str),
    Newtype(&'static str),
    Option,
    Seq,
    Map,
    Tuple(usize),
    TupleStruct(&'static str, usize),
    Struct(&'static str, Names),
    /// An enum, whose variants are the children.
    Enum(&'static str, Names),
    UnitVariant,
    NewtypeVariant,
    TupleVariant(usize),
    StructVariant(Names),
    /// A container of that name that contains itself.
    Again(&'static str),
    /// A part beyond the maximum depth.
    Deep,
}

pub(super) type Names = &'static [&'static str];

/// The number of a node.
pub(super) type At = usize;
pub(super) const ROOT: At = 0;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) shape: NodeKind,
    pub(super) children: Vec<At>,
    parent: Option<At>,
    depth: usize,
    /// The index of the sample value, for plain values.
    pub(super) sample: usize,
    /// Set if the type refused every sample here, so what follows was not seen.
    opaque: bool,
    /// Set if a variant was passed without a refusal.
    pub(super) passed: bool,
    /// Set if all that can be seen of it was.
    pub(super) done: bool,
}

/// The nodes of a type.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// The maximum number of nested containers of one name and the same parts.
    most_again: usize,
}

/// The maximum recorded depth.
const MOST_LEVELS: usize = 32;
/// The maximum number of nodes before less is recorded.
const MOST_NODES: usize = 4096;

impl Tree {
    pub(super) fn new(most_again: usize) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            most_again,
        };
        tree.add(None, 0);
        tree
    }

    pub(super) fn is_full(&self) -> bool {
        self.nodes.len() >= MOST_NODES
    }

    fn add(&mut self, parent: Option<At>, depth: usize) -> At {
        self.nodes.push(Node {
            shape: NodeKind::Unseen,
            children: Vec::new(),
            parent,
            depth,
            sample: 0,
            opaque: false,
            passed: false,
            done: false,
        });
        self.nodes.len() - 1
    }

    /// Returns the child of that number, which is added if it is new.
    pub(super) fn child(&mut self, at: At, number: usize) -> At {
        while self.nodes[at].children.len() <= number {
            let child = self.add(Some(at), self.nodes[at].depth + 1);
            self.nodes[at].children.push(child);
        }
        self.nodes[at].children[number]
    }

    /// Records a request. Returns whether its parts are to be recorded.
    pub(super) fn enter(&mut self, at: At, shape: NodeKind) -> bool {
        let node = &self.nodes[at];
        let seen = match container(shape) {
            Some(name) if self.count_around(at, shape) >= self.most_again => NodeKind::Again(name),
            _ if node.depth >= MOST_LEVELS || self.is_full() => NodeKind::Deep,
            _ => shape,
        };
        self.nodes[at].shape = seen;
        seen == shape
    }

    /// Returns the number of ancestors of that kind.
    fn count_around(&self, at: At, shape: NodeKind) -> usize {
        let around = std::iter::successors(self.nodes[at].parent, |at| self.nodes[*at].parent);
        around.filter(|at| self.nodes[*at].shape == shape).count()
    }

    /// Returns the nearest ancestor of that kind.
    pub(super) fn around(&self, at: At, shape: NodeKind) -> Option<At> {
        let mut around = std::iter::successors(self.nodes[at].parent, |at| self.nodes[*at].parent);
        around.find(|at| self.nodes[*at].shape == shape)
    }

    /// Returns the variant of an enum to choose: one not yet done, or else one without an obstacle.
    pub(super) fn variant(&self, at: At, count: usize) -> usize {
        let children = &self.nodes[at].children;
        let find = |wanted: fn(&Node) -> bool| {
            children
                .iter()
                .position(|child| wanted(&self.nodes[*child]))
        };
        find(|node| !node.done)
            .or_else(|| (children.len() < count).then_some(children.len()))
            .or_else(|| find(|node| node.passed))
            .unwrap_or(0)
    }

    /// Records that the type refuses every sample here.
    pub(super) fn refuse(&mut self, at: At) {
        self.nodes[at].opaque = true;
    }

    /// Updates which nodes are done, children first; they have the greater numbers.
    pub(super) fn settle(&mut self) {
        for at in (0..self.nodes.len()).rev() {
            let node = &self.nodes[at];
            let all = match node.shape {
                NodeKind::Enum(_, variants) => node.children.len() == variants.len(),
                _ => true,
            };
            let done = all && node.children.iter().all(|child| self.nodes[*child].done);
            self.nodes[at].done = done;
        }
    }

    pub(super) fn is_opaque(&self) -> bool {
        self.nodes.iter().any(|node| node.opaque)
    }

    /// Writes all that was seen: the same text for the same type in every build.
    pub(super) fn write(&self, at: At, text: &mut String) {
        let node = &self.nodes[at];
        match node.shape {
            NodeKind::Unseen => text.push('_'),
            NodeKind::Plain(kind) => text.push_str(kind),
            NodeKind::Unit(name) => {
                text.push_str("struct ");
                write_name(name, text);
            }
            NodeKind::Newtype(name) => {
                write_name(name, text);
                self.write_parts(node, ["(", ")"], None, text);
            }
            NodeKind::TupleStruct(name, len) => {
                write_name(name, text);
                self.write_tuple(node, len, text);
            }
            NodeKind::Option => self.write_parts(node, ["Option<", ">"], None, text),
            NodeKind::Seq => self.write_parts(node, ["[", "]"], None, text),
            NodeKind::Map => self.write_parts(node, ["{", "}"], None, text),
            NodeKind::Tuple(len) | NodeKind::TupleVariant(len) => self.write_tuple(node, len, text),
            NodeKind::Struct(name, fields) => {
                write_name(name, text);
                self.write_parts(node, ["{", "}"], Some(fields), text);
            }
            NodeKind::Enum(name, variants) => {
                text.push_str("enum ");
                write_name(name, text);
                self.write_parts(node, ["{", "}"], Some(variants), text);
            }
            NodeKind::UnitVariant => text.push(';'),
            NodeKind::NewtypeVariant => self.write_parts(node, ["(", ")"], None, text),
            NodeKind::StructVariant(fields) => {
                self.write_parts(node, ["{", "}"], Some(fields), text);
            }
            NodeKind::Again(name) => {
                text.push('^');
                write_name(name, text);
            }
            NodeKind::Deep => text.push_str("..."),
        }
        if node.opaque {
            text.push('?');
        }
    }

    /// Writes the parts of a tuple, and their number if not all of them were seen.
    fn write_tuple(&self, node: &Node, len: usize, text: &mut String) {
        self.write_parts(node, ["(", ")"], None, text);
        if len > node.children.len() {
            // Infallible.
            let _ = write!(text, "*{len}");
        }
    }

    /// Writes the parts of a node, with their names if they have names, also of parts that were not
    /// seen.
    fn write_parts(
        &self,
        node: &Node,
        [open, close]: [&str; 2],
        names: Option<Names>,
        text: &mut String,
    ) {
        text.push_str(open);
        let count = node.children.len().max(names.map_or(0, <[_]>::len));
        for number in 0..count {
            if let Some(name) = names.and_then(|names| names.get(number)) {
                write_name(name, text);
                text.push(':');
            }
            if let Some(child) = node.children.get(number) {
                self.write(*child, text);
            }
            text.push(',');
        }
        text.push_str(close);
    }

    /// Writes the readable name of the type.
    pub(super) fn write_short(&self, at: At, text: &mut String) {
        let node = &self.nodes[at];
        let (open, between, close) = match node.shape {
            NodeKind::Plain(kind) => return text.push_str(kind),
            NodeKind::Option => ("Option<", "", ">"),
            NodeKind::Seq => ("[", "", "]"),
            NodeKind::Map => ("{", ": ", "}"),
            NodeKind::Tuple(_) => ("(", ", ", ")"),
            shape => return text.push_str(container(shape).unwrap_or("...")),
        };
        text.push_str(open);
        for (number, child) in node.children.iter().enumerate() {
            if number > 0 {
                text.push_str(between);
            }
            self.write_short(*child, text);
        }
        text.push_str(close);
    }
}

/// Returns the name of a container that has one.
fn container(shape: NodeKind) -> Option<&'static str> {
    match shape {
        NodeKind::Unit(name)
        | NodeKind::Newtype(name)
        | NodeKind::TupleStruct(name, _)
        | NodeKind::Struct(name, _)
        | NodeKind::Enum(name, _)
        | NodeKind::Again(name) => Some(name),
        _ => None,
    }
}

/// Writes a name, quoted so that it cannot be mistaken for a separator.
fn write_name(name: &str, text: &mut String) {
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        text.push_str(name);
    } else {
        // Infallible.
        let _ = write!(text, "{name:?}");
    }
}
