//! The figures: the file they are kept in, and what callgrind and the program `counts` of `benches`
//! print.

use std::fmt::{self, Write};

/// What is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) instructions: u64,
    /// Those among them that are atomic read-modify-writes.
    pub(super) locked: u64,
}

impl Cost {
    /// What each of so many operations costs, rounded up.
    pub(super) fn each(self, operations: u64) -> Self {
        Self {
            instructions: self.instructions.div_ceil(operations),
            locked: self.locked.div_ceil(operations),
        }
    }
}

/// What each path costs, and the compiler that made it so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) rustc: String,
    pub(super) paths: Vec<(String, Cost)>,
}

/// Before the compiler's version in the file.
const RUSTC: &str = "# compiler: ";

impl Figures {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rustc = text
            .lines()
            .find_map(|line| line.strip_prefix(RUSTC))
            .ok_or_else(|| format!("no line begins with `{RUSTC}`"))?;
        let mut paths: Vec<(String, Cost)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let (name, cost) = row(line).ok_or_else(|| {
                let line_number = at + 1;
                format!("line {line_number}: expected a path and two numbers, found `{line}`")
            })?;
            if paths.iter().any(|(known, _)| known == name) {
                return Err(format!("line {}: {name} is there twice", at + 1));
            }
            paths.push((name.to_owned(), cost));
        }
        Ok(Self {
            rustc: rustc.trim().to_owned(),
            paths,
        })
    }

    /// The cost of a path.
    pub(super) fn of(&self, name: &str) -> Option<Cost> {
        let found = self.paths.iter().find(|(known, _)| known == name);
        found.map(|(_, cost)| *cost)
    }

    /// The rows, and a row above them that says what they are.
    pub(super) fn table(&self) -> String {
        let names = self.paths.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0).max("# path".len());
        let mut table = format!("{:width$}  instructions  locked\n", "# path");
        for (
            name,
            Cost {
                instructions,
                locked,
            },
        ) in &self.paths
        {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{name:width$}  {instructions:>12}  {locked:>6}");
        }
        table
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What one operation of each hot path costs: instructions, and those among them that are
# atomic read-modify-writes. Counted by callgrind, which is the same on a busy machine.
#
# `cargo xtask counts` holds the code to these figures; `cargo xtask counts --save` renews them.
# The paths are functions in benches/src/bin/counts, built with the release profile.
#
# machine: x86_64, Linux
{RUSTC}{}
#
{}",
            self.rustc,
            self.table().trim_end()
        )
    }
}

fn row(line: &str) -> Option<(&str, Cost)> {
    let mut columns = line.split_whitespace();
    let (name, instructions, locked) = (columns.next()?, columns.next()?, columns.next()?);
    if columns.next().is_some() {
        return None;
    }
    let cost = Cost {
        instructions: instructions.parse().ok()?,
        locked: locked.parse().ok()?,
    };
    Some((name, cost))
}

/// What the program `counts` of `benches` says: how often each operation is counted, and the names
/// of the paths.
pub(super) fn listing(text: &str) -> Option<(u64, Vec<&str>)> {
    let operations = text
        .lines()
        .find_map(|line| line.strip_prefix("operations "))?;
    let operations: u64 = operations.parse().ok()?;
    let paths: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("path "))
        .collect();
    (operations > 0 && !paths.is_empty()).then_some((operations, paths))
}

/// What callgrind says it has counted. It leaves zeros at the end of the line out.
pub(super) fn collected(text: &str) -> Option<Cost> {
    let after = |heading: &str| {
        text.lines().find_map(|line| {
            let (before, rest) = line.split_once(heading)?;
            let rest = rest.trim_start().strip_prefix(':')?;
            before.starts_with("==").then(|| rest.split_whitespace())
        })
    };
    let mut cost = Cost::default();
    let mut numbers = after(" Collected")?;
    for event in after(" Events")? {
        let number = numbers.next().map_or(Some(0), |number| number.parse().ok());
        match event {
            "Ir" => cost.instructions = number?,
            "Ge" => cost.locked = number?,
            _ => {}
        }
    }
    Some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let cost = |instructions, locked| Cost {
            instructions,
            locked,
        };
        let figures = Figures {
            rustc: "rustc 1.95.0 (x)".into(),
            paths: vec![("a".into(), cost(55, 2)), ("long_name".into(), cost(5, 0))],
        };
        assert_eq!(Figures::parse(&figures.to_string()), Ok(figures));
    }

    #[test]
    fn what_is_not_a_figure_is_named_with_its_line() {
        let error = |text: &str| Figures::parse(text).expect_err("not accepted");
        assert_eq!(
            error("# compiler: x\n\na 1"),
            "line 3: expected a path and two numbers, found `a 1`"
        );
        assert!(error("# compiler: x\na 1 -2").starts_with("line 2: "));
        assert!(error("# compiler: x\na 1 2 3").starts_with("line 2: "));
        assert_eq!(
            error("# compiler: x\na 1 2\na 1 2"),
            "line 3: a is there twice"
        );
        assert_eq!(error("a 1 2"), "no line begins with `# compiler: `");
    }

    #[test]
    fn callgrinds_line_is_read_with_the_zeros_that_it_leaves_out() {
        let said = |numbers: &str| {
            format!("==7== \n==7== Events    : Ir Ge\n==7== Collected : {numbers}\n==7== \n")
        };
        let cost = collected(&said("5500 200")).expect("two numbers");
        assert_eq!((cost.instructions, cost.locked), (5500, 200));
        let cost = collected(&said("550")).expect("one number");
        assert_eq!((cost.instructions, cost.locked), (550, 0));
        assert_eq!(collected(&said("many")), None);
        assert_eq!(collected("valgrind: no such file\n"), None);
    }

    #[test]
    fn a_listing_without_paths_or_operations_is_refused() {
        assert_eq!(
            listing("operations 9\npath a\npath b\n"),
            Some((9, vec!["a", "b"]))
        );
        assert_eq!(listing("operations 0\npath a\n"), None);
        assert_eq!(listing("operations 9\n"), None);
        assert_eq!(listing("path a\n"), None);
    }
}
