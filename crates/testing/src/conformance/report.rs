//! The results of a run of the suite.

use std::fmt::{self, Write};

/// The outcomes of the cases of a [`Suite`](super::Suite). `Display` formats them as a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The name of the transport, as given to the suite.
    pub transport: String,
    /// A row for each selected case.
    pub rows: Vec<Row>,
}

/// A case and its outcome.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The rule that the case checks.
    pub name: &'static str,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The transport keeps the rule.
    Passed,
    /// The transport breaks the rule. The text describes the violation.
    Failed(String),
    /// The rule does not apply to the transport. The text is the reason.
    Unsupported(String),
}

impl Report {
    /// Returns `true` if no case failed.
    #[must_use]
    pub fn conforms(&self) -> bool {
        !self
            .rows
            .iter()
            .any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    /// Asserts that no case failed.
    ///
    /// # Panics
    /// If a case failed, or no case was selected. The message lists the outcomes.
    #[track_caller]
    pub fn assert_conforms(&self) {
        assert!(
            !self.rows.is_empty(),
            "{}: no case has this text in its name",
            self.transport
        );
        assert!(
            self.conforms(),
            "{} breaks the contract of Transport\n{self}",
            self.transport
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            match &row.outcome {
                Outcome::Passed => writeln!(f, "passed       {}", row.name)?,
                Outcome::Failed(why) => writeln!(
                    f,
                    "FAILED       {}\n             {}",
                    row.name,
                    why.replace('\n', "\n             ")
                )?,
                Outcome::Unsupported(why) => writeln!(f, "unsupported  {} ({why})", row.name)?,
            }
        }
        Ok(())
    }
}

/// Formats reports as a table with a line for each case and a column for each transport.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let names = reports
        .iter()
        .flat_map(|report| &report.rows)
        .map(|row| row.name)
        .fold(Vec::new(), |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        });
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or_default();
    let mut table = format!("{:width$}", "");
    for report in reports {
        let _ = write!(table, "  {}", report.transport);
    }
    table.push('\n');
    for name in names {
        let _ = write!(table, "{name:width$}");
        for report in reports {
            let outcome = report
                .rows
                .iter()
                .find(|row| row.name == name)
                .map(|row| &row.outcome);
            let word = match outcome {
                Some(Outcome::Passed) => "yes",
                Some(Outcome::Failed(_)) => "NO",
                Some(Outcome::Unsupported(_)) => "-",
                None => "",
            };
            let _ = write!(
                table,
                "  {word:width$}",
                width = report.transport.chars().count()
            );
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    table
}
