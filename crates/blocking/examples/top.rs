//! Shows a live table of the sequences and instances of a hub.
//!
//! `cargo run -p scramjet-client-blocking --example top`
//!
//! The arrow keys select an instance, Enter shows its log, `s` stops it, `k` kills it, `q` or
//! Ctrl-C quits. If the output is not a terminal, it prints the table once. Uses the hub of
//! `SCRAMJET_HUB_URL`, or a fake hub with three instances.

#![allow(clippy::print_stdout, reason = "examples print to the terminal")]

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue};
use scramjet_client_blocking::types::InstanceHealth;
use scramjet_client_blocking::{
    CancelToken, Deployment, Followed, HostClient, InstanceId, InstanceInfo, KillOptions,
    SequenceInfo, StartOptions, StopOptions,
};
use scramjet_client_testing::demo;
use serde_json::json;

/// Time between two refreshes of the table.
const REFRESH: Duration = Duration::from_secs(1);

/// Maximum number of lines to keep of each log.
const MAX_LOG_LINES: usize = 200;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let hub = demo::hub();
    let quit = CancelToken::new();
    ctrlc::set_handler({
        let quit = quit.clone();
        move || quit.cancel()
    })?;
    let host = HostClient::new(hub.url())?;
    // Dropping the samples deletes them.
    let _samples = if hub.is_fake() {
        samples(&host)?
    } else {
        Vec::new()
    };

    let logs = Logs::default();
    let mut table = Table::of(&host)?;
    if !io::stdout().is_terminal() {
        return table
            .refresh()
            .map(|()| print!("{}", table.lines(160).join("\n") + "\n"));
    }
    logs.follow(&host.with_cancel(&quit));
    table.logs = logs;
    let shown = Screen::open().and_then(|screen| screen.show(&mut table, &quit));
    // Ends the thread that follows the logs.
    quit.cancel();
    shown
}

/// Starts some instances to show.
fn samples(host: &HostClient) -> Result<Vec<Deployment>> {
    let acts = host.deploy(demo::acts())?;
    for name in ["reads the mail", "counts sheep", "waters the plants"] {
        let steps = (1..1000).flat_map(|n| {
            let log = json!({ "log": format!("{name}, {n} so far") });
            [log, json!({ "wait": 1500 })]
        });
        let config = json!({ "steps": steps.collect::<Vec<_>>() });
        acts.start(&StartOptions::new().app_config(config))?;
    }
    Ok(vec![acts, host.deploy(demo::words())?])
}

/// The last lines of the logs of all instances.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<BTreeMap<InstanceId, VecDeque<String>>>>);

impl Logs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceId, VecDeque<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects lines on a thread until the client's token is cancelled.
    fn follow(&self, host: &HostClient) {
        let (logs, host) = (self.clone(), host.clone());
        thread::spawn(move || {
            let Ok(lines) = host.follow_logs() else {
                return;
            };
            for item in lines {
                let Ok(Followed::Item(log)) = item else {
                    continue;
                };
                let mut logs = logs.lock();
                let kept = logs.entry(log.instance).or_default();
                kept.push_back(log.line.msg);
                while kept.len() > MAX_LOG_LINES {
                    kept.pop_front();
                }
            }
        });
    }
}

struct Row {
    sequence: String,
    info: InstanceInfo,
    health: Option<InstanceHealth>,
    /// Percentage of one processor since the last refresh.
    cpu: Option<f64>,
}

struct Table {
    host: HostClient,
    title: String,
    sequences: Vec<SequenceInfo>,
    rows: Vec<Row>,
    refreshed: Instant,
    chosen: usize,
    /// Shows the log of the selected instance instead of the table.
    shows_log: bool,
    message: Arc<Mutex<String>>,
    logs: Logs,
}

impl Table {
    fn of(host: &HostClient) -> Result<Self> {
        let title = format!("{}, version {}", host.base_url(), host.version()?.version);
        Ok(Self {
            host: host.with_deadline(Duration::from_secs(5)),
            title,
            sequences: Vec::new(),
            rows: Vec::new(),
            refreshed: Instant::now(),
            chosen: 0,
            shows_log: false,
            message: Arc::default(),
            logs: Logs::default(),
        })
    }

    fn refresh(&mut self) -> Result<()> {
        self.sequences = self.host.list_sequences()?;
        let elapsed = self.refreshed.elapsed().as_secs_f64() * 1e9;
        self.refreshed = Instant::now();
        let mut before: BTreeMap<_, _> = std::mem::take(&mut self.rows)
            .into_iter()
            .map(|row| (row.info.id.clone(), row))
            .collect();
        for listed in self.host.list_instances()? {
            let instance = self.host.instance(listed.id.clone())?;
            // Hubs of 0.18 list ids only. An instance may be gone by the time of this request.
            let info = instance.info().unwrap_or(listed);
            let limited = instance.with_deadline(Duration::from_millis(100));
            let health = info
                .ended
                .is_none()
                .then(|| limited.health().ok())
                .flatten();
            let used = |health: &Option<InstanceHealth>| health.as_ref()?.cpu_total_usage;
            let last = before.remove(&info.id).and_then(|row| used(&row.health));
            let cpu = used(&health)
                .zip(last)
                .map(|(now, last)| 100.0 * (now - last) / elapsed);
            let sequence = info.sequence.as_ref().map(|sequence| sequence.id().clone());
            let named = self
                .sequences
                .iter()
                .find(|one| Some(&one.id) == sequence.as_ref());
            let sequence = named.map_or_else(String::new, |one| one.config.name.clone());
            self.rows.push(Row {
                sequence,
                info,
                health,
                cpu,
            });
        }
        self.chosen = self.chosen.min(self.rows.len().saturating_sub(1));
        Ok(())
    }

    /// Returns the lines of the table or of the log, cut to this width.
    fn lines(&self, width: usize) -> Vec<String> {
        let counts = format!(
            "{} sequences, {} instances",
            self.sequences.len(),
            self.rows.len()
        );
        let mut lines = vec![format!("{}: {counts}", self.title), String::new()];
        let logs = self.logs.lock();
        if let Some(row) = self.rows.get(self.chosen).filter(|_| self.shows_log) {
            lines.push(format!("log of {} ({})", row.info.id, row.sequence));
            lines.extend(logs.get(&row.info.id).into_iter().flatten().cloned());
        } else {
            lines.push(format!(
                "{:<16} {:<36} {:<10} {:>9} {:>6} {:>8}  {}",
                "SEQUENCE", "INSTANCE", "STATUS", "UPTIME", "CPU", "MEMORY", "LAST LOG LINE"
            ));
            for row in &self.rows {
                let last = logs.get(&row.info.id).and_then(|lines| lines.back());
                lines.push(row.line(last.map_or("", String::as_str)));
            }
            let unused = self.sequences.iter().filter(|one| one.instances.is_empty());
            lines.extend(unused.map(|one| format!("{:<16} -", one.config.name)));
        }
        for line in &mut lines {
            *line = line
                .chars()
                .filter(|char| !char.is_control())
                .take(width)
                .collect();
        }
        lines
    }

    /// Runs an action for the selected instance on a thread, because a stop takes some time.
    fn act(&self, done: &'static str, action: fn(&HostClient, InstanceId) -> Result<()>) {
        let Some(row) = self.rows.get(self.chosen) else {
            return;
        };
        let (host, id, message) = (self.host.clone(), row.info.id.clone(), self.message.clone());
        thread::spawn(move || {
            let text = match action(&host, id.clone()) {
                Ok(()) => format!("{done} {id}"),
                Err(error) => error.to_string(),
            };
            *message.lock().unwrap_or_else(PoisonError::into_inner) = text;
        });
    }
}

impl Row {
    fn line(&self, last: &str) -> String {
        let unknown = || "-".to_owned();
        let status = self.info.status.as_ref().map(ToString::to_string);
        // Hubs of 0.18 do not report the status, and list no ended instances.
        let status = status.unwrap_or_else(|| "running".to_owned());
        let started = self.info.started.as_ref().or(self.info.created.as_ref());
        let uptime = started
            .filter(|_| self.info.ended.is_none())
            .and_then(|time| time.since_unix_epoch())
            .and_then(|time| {
                SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH + time)
                    .ok()
            });
        let memory = self.health.as_ref().and_then(|health| health.memory_usage);
        format!(
            "{:<16} {:<36} {:<10} {:>9} {:>6} {:>8}  {last}",
            self.sequence,
            self.info.id.as_str(),
            status,
            uptime.map_or_else(unknown, |time| format!("{} s", time.as_secs())),
            self.cpu
                .map_or_else(unknown, |percent| format!("{percent:.0} %")),
            memory.map_or_else(unknown, |bytes| format!(
                "{:.0} MiB",
                bytes / 1024.0 / 1024.0
            )),
        )
    }
}

/// Restores the terminal on drop.
struct Screen;

impl Screen {
    fn open() -> Result<Self> {
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(Self)
    }

    fn show(self, table: &mut Table, quit: &CancelToken) -> Result<()> {
        let mut due = Instant::now();
        while !quit.is_cancelled() {
            if due <= Instant::now() {
                if let Err(error) = table.refresh() {
                    *table.message.lock().unwrap_or_else(PoisonError::into_inner) =
                        error.to_string();
                }
                due = Instant::now() + REFRESH;
            }
            draw(table)?;
            let time = due.saturating_duration_since(Instant::now());
            if !event::poll(time.min(Duration::from_millis(200)))? {
                continue;
            }
            let Event::Key(key) = event::read()? else {
                continue;
            };
            match key.code {
                KeyCode::Char('q') => break,
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => break,
                KeyCode::Up => table.chosen = table.chosen.saturating_sub(1),
                KeyCode::Down if table.chosen + 1 < table.rows.len() => table.chosen += 1,
                KeyCode::Enter => table.shows_log = !table.shows_log,
                KeyCode::Esc => table.shows_log = false,
                KeyCode::Char('s') => table.act("stopped", |host, id| {
                    let options = StopOptions::new(Duration::from_secs(2));
                    host.instance(id)?.stop(&options)?;
                    Ok(())
                }),
                KeyCode::Char('k') => table.act("killed", |host, id| {
                    host.instance(id)?.kill(&KillOptions::new())?;
                    Ok(())
                }),
                _ => {}
            }
        }
        Ok(())
    }
}

fn draw(table: &Table) -> Result<()> {
    let (width, height) = terminal::size()?;
    let mut out = io::stdout();
    queue!(out, cursor::MoveTo(0, 0))?;
    let mut lines = table.lines(width.into());
    let room = usize::from(height).saturating_sub(1);
    if table.shows_log && lines.len() > room {
        // Keeps the end of the log.
        lines.drain(3..3 + lines.len() - room);
    }
    for (number, line) in lines.iter().take(room).enumerate() {
        let chosen =
            !table.shows_log && number == table.chosen + 3 && table.chosen < table.rows.len();
        let style = if chosen {
            Attribute::Reverse
        } else {
            Attribute::Reset
        };
        queue!(
            out,
            SetAttribute(style),
            Print(line),
            SetAttribute(Attribute::Reset)
        )?;
        queue!(out, Clear(ClearType::UntilNewLine), Print("\r\n"))?;
    }
    let message = table.message.lock().unwrap_or_else(PoisonError::into_inner);
    let help = format!("q quit  ↑↓ choose  Enter log  s stop  k kill   {message}");
    let help: String = help.chars().take(width.into()).collect();
    queue!(
        out,
        Clear(ClearType::FromCursorDown),
        cursor::MoveTo(0, height - 1),
        Print(help)
    )?;
    Ok(out.flush()?)
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}
