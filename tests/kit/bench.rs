//! What the benchmarks share: sides that do the same work in turns, their costs, and what one costs in terms of another.
//!
//! A figure is never compared with one of another run or another machine: the sides of a comparison run in one process, one after the other
//! in each round, each round beginning with the next one, and what is told is the median of the ratios of the rounds.

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

/// A run of a benchmark, as its arguments say.
#[derive(Clone, Debug)]
pub struct Bench {
    rounds: usize,
    /// The arguments say how many rounds there are.
    is_told_rounds: bool,
    quick: bool,
    only: Vec<String>,
}

impl Bench {
    /// What was asked for: `--quick` for few rounds and little data, `--rounds N`, and words that the names of the comparisons to make hold.
    ///
    /// Does not return where this process is a part of another benchmark: then it is one of `parts`, or the server; nor with `--table`, for
    /// which it prints what all benchmarks have written down.
    pub fn start(parts: &[Part]) -> Self {
        process::run_part(parts);
        let mut bench = Self {
            rounds: 9,
            is_told_rounds: false,
            quick: false,
            only: Vec::new(),
        };
        let mut rounds = None;
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo's own word for it.
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
                    table::print().expect("figures that were written down");
                    std::process::exit(0);
                }
                _ => bench.only.push(arg),
            }
        }
        bench.is_told_rounds = rounds.is_some();
        bench.rounds = rounds.unwrap_or(if bench.quick { 3 } else { 9 }).max(1);
        bench
    }

    /// The same with so many rounds, where the arguments do not say how many; with fewer, where it has to be quick.
    pub fn in_rounds(&self, rounds: usize) -> Self {
        let rounds = match (self.is_told_rounds, self.quick) {
            (true, _) => self.rounds,
            (false, true) => rounds.min(self.rounds),
            (false, false) => rounds,
        };
        Self {
            rounds,
            ..self.clone()
        }
    }

    /// So much, or the sixteenth part where it has to be quick.
    pub fn scaled(&self, amount: u64) -> u64 {
        if self.quick { amount / 16 } else { amount }
    }

    /// How often something is to be done in a round that costs this: each round takes about as long, whatever it is, and a pause of the machine's is
    /// to be little beside it.
    pub fn repeats(&self, cost: Cost) -> u64 {
        (self.scaled(80_000_000) / u64::try_from(cost.wall.as_nanos()).unwrap_or(u64::MAX)).max(1)
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Whether a comparison of this name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }

    /// Begins a comparison: its title is a name, which selects it, and after a colon what there is to say about it. What is told
    /// of it is written down, unless it had to be quick.
    pub fn section(&self, title: &str) -> Section {
        println!(
            "\n== {title}: {} round{}",
            self.rounds,
            if self.rounds == 1 { "" } else { "s" }
        );
        Section::begin(title, (!self.quick).then(table::file))
    }

    /// Lets the sides do their work in turns, after a round that does not count, and prints what each cost.
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

/// One of those that do the same work.
pub struct Side<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> Cost + 'a>,
}

/// A side that does its work, and tells what it cost.
pub fn side<'a>(name: &'static str, work: impl FnMut() -> Cost + 'a) -> Side<'a> {
    Side {
        name,
        work: Box::new(work),
    }
}

/// A side whose work is done by a [`Part`] that prints its [`Cost`]: in a process of its own each time. Where its buffers lie in memory, and with
/// what else in the caches, is then by chance in each round, where it would be the same for all of a run and makes it a fifth faster or slower.
pub fn side_apart(
    name: &'static str,
    part: &'static str,
    args: impl IntoIterator<Item = String>,
) -> Side<'static> {
    let args: Vec<_> = args.into_iter().collect();
    side(name, move || {
        Cost::told_by(&mut Running::part(
            part,
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
        ))
    })
}

/// What something cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// How long it took.
    pub wall: Duration,
    /// How long the threads that did it ran, where that is known.
    pub cpu: Option<Duration>,
    /// How much memory it took, where that is the question.
    pub bytes: u64,
}

impl Cost {
    /// What some work costs that this thread does alone.
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

    /// For [`side_apart`], whose process this is.
    pub fn print(&self) {
        println!(
            "{} {}",
            self.wall.as_nanos(),
            self.cpu.expect("a known CPU time").as_nanos()
        );
    }

    /// What another process prints of it: nanoseconds, those of the clock and those of the processor.
    pub fn told_by(process: &mut Running) -> Self {
        let line = process.line();
        let mut nanos = line
            .split(' ')
            .map(|nanos| Duration::from_nanos(nanos.parse().expect("nanoseconds")));
        Self {
            wall: nanos.next().expect("its time"),
            cpu: nanos.next(),
            bytes: 0,
        }
    }

    /// What only took time.
    pub fn time(wall: Duration) -> Self {
        Self {
            wall,
            ..Self::default()
        }
    }
}

/// How long this thread has run, in nanoseconds.
pub fn thread_time() -> Duration {
    // The system brings it up to date when it looks for something else to run, and otherwise every four milliseconds.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("/proc of Linux");
    Duration::from_nanos(
        text.split(' ')
            .next()
            .and_then(|time| time.parse().ok())
            .expect("the time of a thread"),
    )
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

/// What the sides cost in each round. It is a [`Section`], and tells what else there is.
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

    /// What a side cost in the rounds.
    pub fn spread(&self, name: &str, value: impl Fn(&Cost) -> f64) -> Spread {
        Spread::of(self.costs(name).map(value))
    }

    fn ratio(&self, what: &str, (of, to): (&str, &str), value: impl Fn(&Cost) -> f64, goal: Goal) {
        let ratios = self
            .costs(of)
            .zip(self.costs(to))
            .map(|(of, to)| value(of) / value(to));
        self.tell(&format!("{what} of {of} / {to}"), Spread::of(ratios), goal);
    }

    /// How often one side does it in the time in which the other does it once.
    pub fn speed(&self, of: &str, to: &str, goal: Goal) {
        self.ratio(
            "speed",
            (of, to),
            |cost| cost.wall.as_secs_f64().recip(),
            goal,
        );
    }

    /// How long one side takes in terms of the other.
    pub fn time(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("time", (of, to), |cost| cost.wall.as_secs_f64(), goal);
    }

    /// The CPU time of one side in terms of the other's. It has to be known of both.
    pub fn cpu(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("CPU", (of, to), cpu_seconds, goal);
    }

    /// The memory of one side in terms of the other's.
    pub fn memory(&self, of: &str, to: &str, goal: Goal) {
        self.ratio("memory", (of, to), |cost| cost.bytes as f64, goal);
    }
}

fn cpu_seconds(cost: &Cost) -> f64 {
    cost.cpu.expect("a known CPU time").as_secs_f64()
}
