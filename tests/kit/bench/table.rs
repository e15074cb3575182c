//! The table of all figures: each benchmark writes down what it tells, and any of them prints what all have written.

use std::path::PathBuf;
use std::{env, fs, io};

use super::{Goal, Spread};

/// A comparison: what is told of it stands below its title, and in the table.
#[derive(Debug)]
pub struct Section {
    /// What selects it.
    name: String,
    /// Where it is written down.
    file: Option<PathBuf>,
}

impl Section {
    /// Begins one, whose name is what comes before a colon. What was written down of an earlier one of this name is gone.
    pub(super) fn begin(title: &str, file: Option<PathBuf>) -> Self {
        let (name, about) = title.split_once(": ").unwrap_or((title, ""));
        let section = Self {
            name: name.to_owned(),
            file,
        };
        // What is told now comes to the same place.
        section.rewrite(|lines| {
            let at = lines
                .iter()
                .position(|line| section.owns(line))
                .unwrap_or(lines.len());
            lines.retain(|line| !section.owns(line));
            lines.insert(at, [name, about].join("\t"));
        });
        section
    }

    /// Prints a figure, and whether it is what it has to be, and writes it down.
    pub fn tell(&self, what: &str, figure: Spread, goal: Goal) {
        let (is, must, verdict) = (figure.to_string(), goal.to_string(), goal.verdict(figure));
        println!(
            "{}",
            format!("  {what:<70} {is:<24} {must:<6} {verdict}").trim_end()
        );
        let row = [
            &self.name,
            what,
            &must,
            &is,
            verdict,
            &format!("cargo bench --bench {} -- \"{}\"", bench(), self.name),
        ]
        .join("\t");
        self.rewrite(|lines| {
            let after = lines
                .iter()
                .rposition(|line| self.owns(line))
                .map_or(lines.len(), |last| last + 1);
            lines.insert(after, row);
        });
    }

    fn owns(&self, line: &str) -> bool {
        line.split('\t').next() == Some(&self.name)
    }

    fn rewrite(&self, change: impl FnOnce(&mut Vec<String>)) {
        let Some(file) = &self.file else { return };
        let mut lines = fs::read_to_string(file)
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        change(&mut lines);
        let folder = file.parent().expect("a folder");
        if let Err(error) =
            fs::create_dir_all(folder).and_then(|()| fs::write(file, lines.join("\n") + "\n"))
        {
            eprintln!("{}: {error}", file.display());
        }
    }
}

/// The name of this benchmark: that of the program, which cargo has given a number.
fn bench() -> String {
    let program = env::current_exe().expect("the path of this program");
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit_once('-')
        .map_or(&*stem, |(name, _)| name)
        .to_owned()
}

/// Beside `target/release/deps`, where cargo has put this program.
fn folder() -> PathBuf {
    let program = env::current_exe().expect("the path of this program");
    program
        .ancestors()
        .nth(2)
        .expect("a folder of cargo's")
        .join("bench-table")
}

/// Where this benchmark writes.
pub(super) fn file() -> PathBuf {
    folder().join(bench()).with_extension("tsv")
}

/// All of it, as Markdown.
pub(super) fn print() -> io::Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder())?
        .map(|file| Ok(file?.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    println!("| what | must be | is | verdict | command |\n|---|---|---|---|---|");
    for file in files {
        print!("{}", rows(&fs::read_to_string(file)?));
    }
    Ok(())
}

fn rows(written: &str) -> String {
    let (mut rows, mut heading) = (String::new(), None);
    for line in written.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [name, about] => heading = Some(format!("| **{name}**: {about} | | | | |\n")),
            [_, what, must, is, verdict, command] => {
                // Only where something was told.
                rows += &heading.take().unwrap_or_default();
                rows += &format!("| – {what} | {must} | {is} | {verdict} | `{command}` |\n");
            }
            _ => {}
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_again_takes_the_place_of_what_was() {
        let folder = env::temp_dir().join(format!("bench-table-{}", std::process::id()));
        let file = folder.join("some.tsv");
        let begin = |title: &str| Section::begin(title, Some(file.clone()));
        let told = |section: &Section, value: f64| {
            section.tell("speed", Spread::of([value]), Goal::AtLeast(0.5))
        };
        told(&begin("one: 8 times"), 0.25);
        let two = begin("two: 8 times");
        told(&two, 0.5);
        told(&two, 0.75);
        begin("three: of which nothing is told");
        let one = begin("one: 16 times");
        told(&one, 1.5);
        told(&one, 1.75);
        let rows = rows(&fs::read_to_string(&file).unwrap());
        fs::remove_dir_all(folder).unwrap();
        let rows: Vec<_> = rows
            .lines()
            .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
            .collect();
        assert_eq!(
            rows.iter().map(|row| row[1]).collect::<Vec<_>>(),
            [
                "**one**: 16 times",
                "– speed",
                "– speed",
                "**two**: 8 times",
                "– speed",
                "– speed"
            ]
        );
        assert_eq!(
            rows.iter().map(|row| row[3]).collect::<Vec<_>>(),
            ["", "1.50", "1.75", "", "0.50", "0.75"]
        );
    }
}
