use std::fmt::{self, Write};

/// What became of the cases of a [`Suite`](super::Suite). Shown, it is a table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The name that the suite was given.
    pub transport: String,
    /// A row for each case, in their order.
    pub rows: Vec<Row>,
}

/// A case and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The rule, in a sentence.
    pub name: &'static str,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The transport keeps the rule.
    Passed,
    /// It does not: what was found.
    Failed(String),
    /// The rule is not for it: why.
    Unsupported(String),
}

impl Report {
    /// Whether it keeps all that it does not state to be without.
    #[must_use]
    pub fn conforms(&self) -> bool {
        !self
            .rows
            .iter()
            .any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    /// For tests.
    ///
    /// # Panics
    /// The transport breaks a rule, or there was no case. The message is the table.
    #[track_caller]
    pub fn assert_conforms(&self) {
        assert!(
            !self.rows.is_empty(),
            "{}: no case has this in its name",
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

/// Several reports side by side: a line for each case, a column for each transport.
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
