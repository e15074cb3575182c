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
    pub(super) fn begin(title: &str, is_written_down: bool) -> Self {
        let (name, about) = title.split_once(": ").unwrap_or((title, ""));
        let section = Self { name: name.to_owned(), file: is_written_down.then(file) };
        // What is told now comes to the same place.
        section.rewrite(|lines| {
            let at = lines.iter().position(|line| section.owns(line)).unwrap_or(lines.len());
            lines.retain(|line| !section.owns(line));
            lines.insert(at, [name, about].join("\t"));
        });
        section
    }

    /// Prints a figure, and whether it is what it has to be, and writes it down.
    pub fn tell(&self, what: &str, figure: Spread, goal: Goal) {
        let (is, must, verdict) = (figure.to_string(), goal.to_string(), goal.verdict(figure));
        println!("{}", format!("  {what:<70} {is:<24} {must:<6} {verdict}").trim_end());
        let row = [&self.name, what, &must, &is, verdict, &format!("cargo bench --bench {} -- \"{}\"", bench(), self.name)].join("\t");
        self.rewrite(|lines| {
            let after = lines.iter().rposition(|line| self.owns(line)).map_or(lines.len(), |last| last + 1);
            lines.insert(after, row);
        });
    }

    fn owns(&self, line: &str) -> bool {
        line.split('\t').next() == Some(&self.name)
    }

    fn rewrite(&self, change: impl FnOnce(&mut Vec<String>)) {
        let Some(file) = &self.file else { return };
        let mut lines = fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
        change(&mut lines);
        let folder = file.parent().expect("a folder");
        if let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(file, lines.join("\n") + "\n")) {
            eprintln!("{}: {error}", file.display());
        }
    }
}

/// The name of this benchmark: that of the program, which cargo has given a number.
fn bench() -> String {
    let program = env::current_exe().expect("the path of this program");
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit_once('-').map_or(&*stem, |(name, _)| name).to_owned()
}

/// Beside `target/release/deps`, where cargo has put this program.
fn folder() -> PathBuf {
    let program = env::current_exe().expect("the path of this program");
    program.ancestors().nth(2).expect("a folder of cargo's").join("bench-table")
}

fn file() -> PathBuf {
    folder().join(bench()).with_extension("tsv")
}

/// Prints what all benchmarks have written down, as Markdown.
pub(super) fn print() -> io::Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder())?.map(|file| Ok(file?.path())).collect::<io::Result<_>>()?;
    files.sort();
    println!("| what | must be | is | verdict | command |\n|---|---|---|---|---|");
    for file in files {
        let mut heading = None;
        for line in fs::read_to_string(file)?.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                [name, about] => heading = Some(format!("**{name}**: {about}")),
                [_, what, must, is, verdict, command] => {
                    // Only where something was told.
                    if let Some(heading) = heading.take() {
                        println!("| {heading} | | | | |");
                    }
                    println!("| – {what} | {must} | {is} | {verdict} | `{command}` |");
                }
                _ => {}
            }
        }
    }
    Ok(())
}
