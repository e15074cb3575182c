//! A benchmark harness that compares sides doing the same work.
//!
//! Figures are never compared across runs or machines. All sides of a comparison run in one
//! process, one after the other in each round, and each round begins with another side. The result
//! is the median of the ratios of the rounds.

mod chart;
mod figures;
pub mod process;
pub mod raw;
pub mod server;
mod table;

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use self::chart::{Bar, Panel};
pub use self::figures::{Goal, Spread};
use self::process::{Part, Running};
pub use self::table::Section;

const MIB: f64 = (1 << 20) as f64;

/// The options of one benchmark run.
#[derive(Clone, Debug)]
pub struct Bench {
    rounds: usize,
    /// `--rounds` was given.
    has_explicit_rounds: bool,
    quick: bool,
    only: Vec<String>,
    /// The folder for charts, with `--svg`.
    charts: Option<PathBuf>,
}

impl Bench {
    /// Reads the arguments: `--quick` (one round with little data), `--rounds N`, and words that
    /// select the comparisons whose names contain one of them.
    ///
    /// With `--svg` or `--svg=FOLDER`, writes a chart of each comparison. The folder is relative to
    /// that of the repository, `target/release/bench-svg` by default.
    ///
    /// With `--table`, prints the recorded figures of all benchmarks and exits. In a process that
    /// runs one of `parts` or the server, does that and exits.
    pub fn start(parts: &[Part]) -> Self {
        process::run_part(parts);
        let mut bench = Self {
            rounds: 9,
            has_explicit_rounds: false,
            quick: false,
            only: Vec::new(),
            charts: None,
        };
        let mut rounds = None;
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo passes this to all benchmarks.
                "--bench" => {}
                "--quick" => bench.quick = true,
                "--rounds" => {
                    rounds = Some(
                        args.next()
                            .and_then(|rounds| rounds.parse().ok())
                            .expect("a number of rounds"),
                    )
                }
                "--table" => {
                    table::print().expect("recorded figures");
                    std::process::exit(0);
                }
                "--svg" => bench.charts = Some(table::folder("bench-svg")),
                _ => match arg.strip_prefix("--svg=") {
                    Some(folder) => bench.charts = Some(repository().join(folder)),
                    None => bench.only.push(arg),
                },
            }
        }
        bench.has_explicit_rounds = rounds.is_some();
        bench.rounds = rounds.unwrap_or(if bench.quick { 1 } else { 9 }).max(1);
        bench
    }

    /// Changes the number of rounds, unless `--rounds` was given. `--quick` only reduces it.
    pub fn in_rounds(&self, rounds: usize) -> Self {
        let rounds = match (self.has_explicit_rounds, self.quick) {
            (true, _) => self.rounds,
            (false, true) => rounds.min(self.rounds),
            (false, false) => rounds,
        };
        Self {
            rounds,
            ..self.clone()
        }
    }

    /// Returns `amount`, or a sixteenth of it with `--quick`.
    pub fn scaled(&self, amount: u64) -> u64 {
        if self.quick { amount / 16 } else { amount }
    }

    /// Returns how often to repeat work of this cost in one round.
    ///
    /// Rounds take about 80 ms each, so that short pauses of the machine hardly matter.
    pub fn repeats(&self, cost: Cost) -> u64 {
        (self.scaled(80_000_000) / u64::try_from(cost.wall.as_nanos()).unwrap_or(u64::MAX)).max(1)
    }

    /// Returns the number of rounds.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Returns `true` if the arguments select this comparison.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }

    /// Begins a comparison. `title` is `name: description`. Its figures are recorded for `--table`,
    /// except with `--quick`.
    pub fn section(&self, title: &str) -> Section {
        println!(
            "\n== {title}: {} round{}",
            self.rounds,
            if self.rounds == 1 { "" } else { "s" }
        );
        Section::begin(title, (!self.quick).then(table::file))
    }

    /// Runs the sides in turns, after a warm-up round, and prints their costs.
    pub fn compare(&self, title: &str, unit: Unit, mut sides: Vec<Side<'_>>) -> Compared {
        let section = self.section(title);
        let mut rounds = Vec::new();
        for round in 0..=self.rounds {
            let mut costs = vec![Cost::default(); sides.len()];
            for turn in 0..sides.len() {
                let index = (round + turn) % sides.len();
                costs[index] = (sides[index].work)();
            }
            if round > 0 {
                rounds.push(costs);
            }
        }
        let compared = Compared {
            chart: self.charts.as_deref().map(|folder| {
                let name = title.split(':').next().unwrap_or(title);
                chart::file(folder, name)
            }),
            title: title.to_owned(),
            section,
            unit,
            sides: sides.iter().map(|side| side.name).collect(),
            rounds,
            goals: RefCell::default(),
        };
        compared.print();
        compared.draw();
        compared
    }

    /// Writes one chart of several comparisons, each with a title, if `--svg` was given.
    pub fn chart<'a>(
        &self,
        name: &str,
        title: &str,
        comparisons: impl IntoIterator<Item = (&'a str, &'a Compared)>,
    ) {
        let Some(folder) = &self.charts else { return };
        let panels = comparisons.into_iter().flat_map(|(title, compared)| {
            let mut panels = compared.panels();
            panels[0].title = title.to_owned();
            panels
        });
        chart::write(
            &chart::file(folder, name),
            title,
            &panels.collect::<Vec<_>>(),
            self.rounds,
        );
    }
}

/// Returns the folder of this repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a folder above the test kit")
}

/// One of the implementations that a comparison measures.
pub struct Side<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> Cost + 'a>,
}

/// Returns a side that measures its own work.
pub fn side<'a>(name: &'static str, work: impl FnMut() -> Cost + 'a) -> Side<'a> {
    Side {
        name,
        work: Box::new(work),
    }
}

/// Returns a side that runs a [`Part`] in a new process each time. The part prints its [`Cost`].
///
/// Memory layout and cache placement make copies up to a fifth faster or slower. With a new
/// process, they vary in each round instead of staying the same for the whole run.
pub fn side_in_process(
    name: &'static str,
    part: &'static str,
    args: impl IntoIterator<Item = String>,
) -> Side<'static> {
    let args: Vec<_> = args.into_iter().collect();
    side(name, move || {
        Cost::read(&mut Running::part(
            part,
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
        ))
    })
}

/// The cost of some work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Elapsed time.
    pub wall: Duration,
    /// CPU time of the threads that did the work, if known.
    pub cpu: Option<Duration>,
    /// Memory use, if measured.
    pub bytes: u64,
}

impl Cost {
    /// Measures work that runs on this thread only.
    pub fn of<T>(work: impl FnOnce() -> T) -> (Self, T) {
        let (cpu, begin) = (thread_time(), Instant::now());
        let result = work();
        let wall = begin.elapsed();
        (
            Self {
                wall,
                cpu: Some(thread_time() - cpu),
                bytes: 0,
            },
            result,
        )
    }

    /// Prints the cost for [`side_in_process`], from the process that it started.
    pub fn print(&self) {
        println!(
            "{} {}",
            self.wall.as_nanos(),
            self.cpu.expect("a known CPU time").as_nanos()
        );
    }

    /// Reads a printed cost: nanoseconds of elapsed time, then of CPU time if known.
    pub fn read(process: &mut Running) -> Self {
        let line = process.line();
        let mut nanos = line
            .split(' ')
            .map(|nanos| Duration::from_nanos(nanos.parse().expect("nanoseconds")));
        Self {
            wall: nanos.next().expect("an elapsed time"),
            cpu: nanos.next(),
            bytes: 0,
        }
    }

    /// Returns a cost of elapsed time only.
    pub fn time(wall: Duration) -> Self {
        Self {
            wall,
            ..Self::default()
        }
    }
}

/// Returns the CPU time of this thread.
pub fn thread_time() -> Duration {
    // Linux updates the value when it schedules, otherwise only every 4 ms.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("/proc of Linux");
    Duration::from_nanos(
        text.split(' ')
            .next()
            .and_then(|time| time.parse().ok())
            .expect("the time of a thread"),
    )
}

/// The unit in which costs are printed.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Microseconds for each of this many items with this name.
    Each(u64, &'static str),
    /// Megabytes per second, for this many bytes.
    Bytes(u64),
    /// Milliseconds for all of the work.
    Whole,
    /// Megabytes of memory.
    Memory,
}

impl Unit {
    /// Converts a cost, with its elapsed time or its CPU time in seconds.
    fn value(self, cost: &Cost, seconds: f64) -> f64 {
        match self {
            Self::Each(count, _) => seconds * 1e6 / count as f64,
            Self::Bytes(bytes) => bytes as f64 / seconds / MIB,
            Self::Whole => seconds * 1e3,
            Self::Memory => cost.bytes as f64 / MIB,
        }
    }

    fn text(self, figure: Spread) -> String {
        match self {
            Self::Bytes(_) => format!("{figure:#}"),
            _ => figure.to_string(),
        }
    }
}

impl Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each(_, what) => write!(f, "µs/{what}"),
            Self::Bytes(_) => write!(f, "MiB/s"),
            Self::Whole => write!(f, "ms"),
            Self::Memory => write!(f, "MiB"),
        }
    }
}

/// The costs of all sides in each round. Derefs to its [`Section`], for further figures.
#[derive(Debug)]
pub struct Compared {
    title: String,
    section: Section,
    unit: Unit,
    sides: Vec<&'static str>,
    rounds: Vec<Vec<Cost>>,
    /// The ratios that have a goal.
    goals: RefCell<Vec<Bar>>,
    /// The file of its chart.
    chart: Option<PathBuf>,
}

impl Deref for Compared {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl Compared {
    fn print(&self) {
        let unit = self.unit;
        for name in &self.sides {
            let figure = |time: fn(&Cost) -> f64| {
                let figure = self.spread(name, |cost| unit.value(cost, time(cost)));
                format!("{} {unit}", unit.text(figure))
            };
            let is_known = self.costs(name).all(|cost| cost.cpu.is_some());
            let cpu = if is_known {
                format!("CPU {}", figure(cpu_seconds))
            } else {
                String::new()
            };
            println!(
                "{}",
                format!("  {name:<30} {:<42} {cpu}", figure(wall_seconds)).trim_end()
            );
        }
    }

    /// Writes the chart. Each ratio that has a goal is added to it later.
    fn draw(&self) {
        if let Some(file) = &self.chart {
            chart::write(file, &self.title, &self.panels(), self.rounds.len());
        }
    }

    /// Returns what a chart shows: the elapsed time or the memory of all sides, and the ratios that
    /// have a goal.
    fn panels(&self) -> Vec<Panel> {
        let unit = self.unit;
        let better = match unit {
            Unit::Bytes(_) => "more",
            Unit::Each(..) | Unit::Whole | Unit::Memory => "less",
        };
        let sides = self.sides.iter().map(|name| Bar {
            name: (*name).to_owned(),
            figure: self.spread(name, |cost| unit.value(cost, wall_seconds(cost))),
            goal: Goal::None,
        });
        let mut panels = vec![Panel {
            title: String::new(),
            unit: format!("{unit}, {better} is better"),
            bars: sides.collect(),
        }];
        let goals = self.goals.borrow();
        if !goals.is_empty() {
            panels.push(Panel {
                title: String::new(),
                unit: "ratio in each round, and its goal".to_owned(),
                bars: goals.clone(),
            });
        }
        panels
    }

    fn costs<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Cost> {
        let index = self
            .sides
            .iter()
            .position(|side| *side == name)
            .expect("the name of a side");
        self.rounds.iter().map(move |costs| &costs[index])
    }

    /// Returns the spread of one side's cost over the rounds.
    pub fn spread(&self, name: &str, value: impl Fn(&Cost) -> f64) -> Spread {
        Spread::of(self.costs(name).map(value))
    }

    fn ratio(&self, what: &str, (of, to): (&str, &str), value: impl Fn(&Cost) -> f64, goal: Goal) {
        let ratios = self
            .costs(of)
            .zip(self.costs(to))
            .map(|(of, to)| value(of) / value(to));
        let (name, figure) = (format!("{what} of {of} / {to}"), Spread::of(ratios));
        self.report(&name, figure, goal);
        if goal.value().is_some() {
            self.goals.borrow_mut().push(Bar { name, figure, goal });
            self.draw();
        }
    }

    /// Reports the speed of `of` relative to `to`.
    pub fn speed(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("speed", (of, to), |cost| wall_seconds(cost).recip(), goal);
    }

    /// Reports the elapsed time of `of` relative to `to`.
    pub fn time(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("time", (of, to), wall_seconds, goal);
    }

    /// Reports the CPU time of `of` relative to `to`. Both must be known.
    pub fn cpu(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("CPU", (of, to), cpu_seconds, goal);
    }

    /// Reports the memory use of `of` relative to `to`.
    pub fn memory(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("memory", (of, to), |cost| cost.bytes as f64, goal);
    }
}

fn wall_seconds(cost: &Cost) -> f64 {
    cost.wall.as_secs_f64()
}

fn cpu_seconds(cost: &Cost) -> f64 {
    cost.cpu.expect("a known CPU time").as_secs_f64()
}
