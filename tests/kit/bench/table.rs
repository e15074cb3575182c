//! The table of all figures. Each benchmark records its figures in a file, and `--table` prints all
//! files.

use std::path::PathBuf;
use std::{env, fs, io};

use super::{Goal, Spread};

const FOLDER: &str = "bench-table";

/// A comparison. Its figures are printed below its title and recorded for the table.
#[derive(Debug)]
pub struct Section {
    /// The name that selects it.
    name: String,
    /// The file to record to.
    file: Option<PathBuf>,
}

impl Section {
    /// Begins a comparison. Removes recorded figures of an earlier one with the same name.
    pub(super) fn begin(title: &str, file: Option<PathBuf>) -> Self {
        let (name, about) = title.split_once(": ").unwrap_or((title, ""));
        let section = Self {
            name: name.to_owned(),
            file,
        };
        // Keeps the position of the earlier comparison.
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

    /// Prints and records a figure, its goal, and if it reaches the goal.
    pub fn report(&self, what: &str, figure: Spread, goal: Goal) {
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

/// Returns the name of this benchmark: the program's name without cargo's hash.
pub(super) fn bench() -> String {
    let program = env::current_exe().expect("the path of this program");
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit_once('-')
        .map_or(&*stem, |(name, _)| name)
        .to_owned()
}

/// Returns a folder in `target/release`; the program is in `target/release/deps`.
pub(super) fn folder(name: &str) -> PathBuf {
    let program = env::current_exe().expect("the path of this program");
    program
        .ancestors()
        .nth(2)
        .expect("a folder of cargo's")
        .join(name)
}

/// Returns the file that this benchmark records to.
pub(super) fn file() -> PathBuf {
    folder(FOLDER).join(bench()).with_extension("tsv")
}

/// Prints all recorded figures as Markdown.
pub(super) fn print() -> io::Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder(FOLDER))?
        .map(|file| Ok(file?.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    println!("| figure | goal | result | verdict | command |\n|---|---|---|---|---|");
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
                // Comparisons without figures have no row.
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
    fn section_begin_replaces_earlier_figures() {
        let folder = env::temp_dir().join(format!("bench-table-{}", std::process::id()));
        let file = folder.join("some.tsv");
        let begin = |title: &str| Section::begin(title, Some(file.clone()));
        let report = |section: &Section, value: f64| {
            section.report("speed", Spread::of([value]), Goal::AtLeast(0.5))
        };
        report(&begin("one: 8 times"), 0.25);
        let two = begin("two: 8 times");
        report(&two, 0.5);
        report(&two, 0.75);
        begin("three: without figures");
        let one = begin("one: 16 times");
        report(&one, 1.5);
        report(&one, 1.75);
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
