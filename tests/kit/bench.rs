//! A benchmark harness that compares sides doing the same work.
//!
//! Figures are never compared across runs or machines. All sides of a comparison run in one
//! process, one after the other in each round, and each round begins with another side. The result
//! is the median of the ratios of the rounds.

mod figures;
pub mod process;
pub mod raw;
pub mod server;
mod table;

use std::ops::Deref;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

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
}

impl Bench {
    /// Reads the arguments: `--quick` (one round with little data), `--rounds N`, and words that
    /// select the comparisons whose names contain one of them.
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
                _ => bench.only.push(arg),
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
            section,
            sides: sides.iter().map(|side| side.name).collect(),
            rounds,
        };
        compared.print(unit);
        compared
    }
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

/// The costs of all sides in each round. Derefs to its [`Section`], for further figures.
#[derive(Debug)]
pub struct Compared {
    section: Section,
    sides: Vec<&'static str>,
    rounds: Vec<Vec<Cost>>,
}

impl Deref for Compared {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl Compared {
    fn print(&self, unit: Unit) {
        for name in &self.sides {
            let costs = |time: fn(&Cost) -> f64| match unit {
                Unit::Each(count, what) => format!(
                    "{} µs/{what}",
                    self.spread(name, |cost| time(cost) * 1e6 / count as f64)
                ),
                Unit::Bytes(bytes) => format!(
                    "{:#} MiB/s",
                    self.spread(name, |cost| bytes as f64 / time(cost) / MIB)
                ),
                Unit::Whole => format!("{} ms", self.spread(name, |cost| time(cost) * 1e3)),
                Unit::Memory => {
                    format!("{} MiB", self.spread(name, |cost| cost.bytes as f64 / MIB))
                }
            };
            let is_known = self.costs(name).all(|cost| cost.cpu.is_some());
            let cpu = if is_known {
                format!("CPU {}", costs(cpu_seconds))
            } else {
                String::new()
            };
            println!(
                "{}",
                format!(
                    "  {name:<30} {:<42} {cpu}",
                    costs(|cost| cost.wall.as_secs_f64())
                )
                .trim_end()
            );
        }
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
        self.report(&format!("{what} of {of} / {to}"), Spread::of(ratios), goal);
    }

    /// Reports the speed of `of` relative to `to`.
    pub fn speed(&self, of: &str, to: &str, goal: Goal) {
        self.ratio(
            "speed",
            (of, to),
            |cost| cost.wall.as_secs_f64().recip(),
            goal,
        );
    }

    /// Reports the elapsed time of `of` relative to `to`.
    pub fn time(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("time", (of, to), |cost| cost.wall.as_secs_f64(), goal);
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

fn cpu_seconds(cost: &Cost) -> f64 {
    cost.cpu.expect("a known CPU time").as_secs_f64()
}
