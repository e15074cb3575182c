//! What the benchmarks share: sides that do the same work in turns, their costs, and what one costs in terms of another.
//!
//! A figure is never compared with one of another run or another machine: the sides of a comparison run in one process, one after the other
//! in each round, each round beginning with the next one, and what is told is the median of the ratios of the rounds.

pub mod process;
pub mod raw;
pub mod server;

use std::fmt::{self, Display};
use std::time::{Duration, Instant};
use std::{env, fs};

use self::process::Part;

const MIB: f64 = (1 << 20) as f64;

/// A run of a benchmark, as its arguments say.
#[derive(Debug)]
pub struct Bench {
    rounds: usize,
    quick: bool,
    only: Vec<String>,
}

impl Bench {
    /// What was asked for: `--quick` for few rounds and little data, `--rounds N`, and words that the names of the comparisons to make hold.
    ///
    /// Does not return where this process is a part of another benchmark: then it is one of `parts`, or the server.
    pub fn start(parts: &[Part]) -> Self {
        process::run_part(parts);
        let mut bench = Self { rounds: 9, quick: false, only: Vec::new() };
        let mut rounds = None;
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo's own word for it.
                "--bench" => {}
                "--quick" => bench.quick = true,
                "--rounds" => rounds = args.next().and_then(|rounds| rounds.parse().ok()),
                _ => bench.only.push(arg),
            }
        }
        bench.rounds = rounds.unwrap_or(if bench.quick { 3 } else { 9 });
        bench
    }

    /// So much, or the sixteenth part where it has to be quick.
    pub fn scaled(&self, amount: u64) -> u64 {
        if self.quick { amount / 16 } else { amount }
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Whether a comparison of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }

    /// Lets the sides do their work in turns, after a round that does not count, and prints what each cost.
    pub fn compare(&self, title: &str, unit: Unit, mut sides: Vec<Side<'_>>) -> Compared {
        println!("\n== {title}: {} rounds", self.rounds);
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
        let compared = Compared { sides: sides.iter().map(|side| side.name).collect(), rounds };
        compared.print(unit);
        compared
    }
}

/// One of those that do the same work.
pub struct Side<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> Cost + 'a>,
}

/// A side that does its work, and tells what it cost.
pub fn side<'a>(name: &'static str, work: impl FnMut() -> Cost + 'a) -> Side<'a> {
    Side { name, work: Box::new(work) }
}

/// What something cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// How long it took.
    pub wall: Duration,
    /// How long the threads that did it ran; nothing where that is not known.
    pub cpu: Duration,
    /// How much memory it took, where that is the question.
    pub bytes: u64,
}

impl Cost {
    /// What some work costs that this thread does alone.
    pub fn of<T>(work: impl FnOnce() -> T) -> (Self, T) {
        let (cpu, begin) = (thread_time(), Instant::now());
        let result = work();
        let wall = begin.elapsed();
        (Self { wall, cpu: thread_time().saturating_sub(cpu), bytes: 0 }, result)
    }

    /// The least that some work costs in three times: for what only computes, and is disturbed by nothing but other programs.
    pub fn of_best(mut work: impl FnMut()) -> Self {
        [(); 3].map(|()| Self::of(&mut work).0).into_iter().min_by_key(|cost| cost.wall).unwrap_or_default()
    }

    /// What only took time.
    pub fn time(wall: Duration) -> Self {
        Self { wall, ..Self::default() }
    }
}

/// How long this thread has run.
pub fn thread_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("/proc of Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|time| time.parse().ok()).expect("the time of a thread"))
}

/// By what costs are divided where they are printed.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// So many pieces of this name: microseconds for each.
    Each(u64, &'static str),
    /// So many bytes: megabytes in a second.
    Bytes(u64),
    /// Milliseconds for all of it.
    Whole,
    /// Megabytes of memory.
    Memory,
}

/// What the sides cost in each round.
#[derive(Debug)]
pub struct Compared {
    sides: Vec<&'static str>,
    rounds: Vec<Vec<Cost>>,
}

impl Compared {
    fn print(&self, unit: Unit) {
        for (index, name) in self.sides.iter().enumerate() {
            let spread = |value: &dyn Fn(&Cost) -> f64| Spread::of(self.rounds.iter().map(|costs| value(&costs[index])));
            let costs = |time: fn(&Cost) -> f64| match unit {
                Unit::Each(count, what) => format!("{} µs/{what}", spread(&|cost| time(cost) * 1e6 / count as f64)),
                Unit::Bytes(bytes) => format!("{:#} MiB/s", spread(&|cost| bytes as f64 / time(cost) / MIB)),
                Unit::Whole => format!("{} ms", spread(&|cost| time(cost) * 1e3)),
                Unit::Memory => format!("{} MiB", spread(&|cost| cost.bytes as f64 / MIB)),
            };
            // The system counts it in ticks of some milliseconds.
            let known = self.rounds.iter().all(|costs| costs[index].cpu > Duration::from_millis(40));
            let cpu = if known { format!("CPU {}", costs(|cost| cost.cpu.as_secs_f64())) } else { String::new() };
            println!("  {name:<28} {:<42} {cpu}", costs(|cost| cost.wall.as_secs_f64()));
        }
    }

    fn ratio(&self, what: &str, (of, to): (&str, &str), value: impl Fn(&Cost, &Cost) -> f64, goal: Goal) {
        let index = |name: &str| self.sides.iter().position(|side| *side == name).expect("the name of a side");
        let ratios = self.rounds.iter().map(|costs| value(&costs[index(of)], &costs[index(to)]));
        tell(&format!("{what} of {of} / {to}"), Spread::of(ratios), goal);
    }

    /// How often one side does it in the time in which the other does it once.
    pub fn speed(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("speed", (of, to), |of, to| to.wall.as_secs_f64() / of.wall.as_secs_f64(), goal);
    }

    /// How long one side takes in terms of the other.
    pub fn time(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("time", (of, to), |of, to| of.wall.as_secs_f64() / to.wall.as_secs_f64(), goal);
    }

    /// The CPU time of one side in terms of the other's.
    pub fn cpu(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("CPU", (of, to), |of, to| of.cpu.as_secs_f64() / to.cpu.as_secs_f64(), goal);
    }

    /// The memory of one side in terms of the other's.
    pub fn memory(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("memory", (of, to), |of, to| of.bytes as f64 / to.bytes as f64, goal);
    }
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It is only told.
    Told,
}

/// Prints a figure, and whether it is what it has to be.
pub fn tell(what: &str, figure: Spread, goal: Goal) {
    let figure_text = figure.to_string();
    match goal {
        Goal::AtLeast(goal) => {
            println!("  {what:<52} {figure_text:<26} ≥ {goal} {}", if figure.median >= goal { "holds" } else { "MISSED" });
        }
        Goal::AtMost(goal) => {
            println!("  {what:<52} {figure_text:<26} ≤ {goal} {}", if figure.median <= goal { "holds" } else { "MISSED" });
        }
        Goal::Told => println!("  {what:<52} {figure_text}"),
    }
}

/// Some values of the same thing.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (values[0], values[values.len() - 1]);
        Self { min, median: (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0, max }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if f.alternate() || self.median >= 1000.0 { 0 } else { 2 };
        let Self { min, median, max } = self;
        write!(f, "{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}
