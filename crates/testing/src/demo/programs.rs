#![allow(
    clippy::indexing_slicing,
    reason = "a missing member of a JSON value is null, and does not panic"
)]

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake_hub::{Exit, FakeHub, Item, Process, ProgramResult};

/// Adds the programs of all sequences to a hub.
pub(super) fn add(hub: &FakeHub) {
    hub.program("acts", acts);
    hub.program("events", events);
    hub.program("shout", shout);
    hub.program("words", words);
}

/// Emits the data that a listener received. `undefined` of JavaScript becomes `null`.
fn emit(process: &Process, name: &str, data: &Value) {
    match data {
        Value::Null => process.emit_nothing(name),
        data => process.emit(name, data.clone()),
    }
}

fn acts(process: &mut Process) -> ProgramResult {
    let steps = process.config()["steps"].clone();
    let mut steps = VecDeque::from(steps.as_array().cloned().unwrap_or_default());
    while let Some(step) = steps.pop_front() {
        let text = |name: &str| step[name].as_str().map(str::to_owned);
        if let Some(count) = step["flood"].as_u64() {
            let name = text("emit").unwrap_or_default();
            (1..=count).for_each(|n| process.emit(&name, n));
        } else if let Some(name) = text("on") {
            let answer = text("emit").unwrap_or_default();
            process.on(&name, move |process, data| emit(process, &answer, &data));
        } else if let Some(pause) = step["every"].as_u64() {
            let name = text("emit").unwrap_or_default();
            loop {
                process.emit(&name, pause);
                process.sleep(Duration::from_millis(pause))?;
            }
        } else if let Some(name) = text("emit") {
            match step.get("data") {
                Some(data) => process.emit(&name, data.clone()),
                None => process.emit_nothing(&name),
            }
        } else if let Some(line) = text("log") {
            process.log(&line);
        } else if let Some(line) = text("print") {
            process.write(line)?;
        } else if step.get("end").is_some() {
            return Ok(());
        } else if step.get("throw").is_some() {
            return Err(Exit::Uncaught);
        } else if let Some(code) = step["exit"].as_i64() {
            return Err(Exit::Process(i32::try_from(code).unwrap_or(1)));
        } else if step.get("ignoreStop").is_some() {
            process.on_stop(|_, _| {});
        } else {
            process.sleep(Duration::from_millis(step["wait"].as_u64().unwrap_or(0)))?;
        }
    }
    process.run_until_killed()
}

fn events(process: &mut Process) -> ProgramResult {
    process.on("ping", |process, data| emit(process, "pong", &data));
    process.emit("ready", "events");
    process.run_until_killed()
}

fn shout(process: &mut Process) -> ProgramResult {
    let greeting = process.config()["greeting"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let suffix = match process.args().first() {
        Some(Value::String(suffix)) => suffix.clone(),
        _ => String::new(),
    };
    process.emit("ready", "shout");
    let mut lines = process.lines();
    while let Some(line) = lines.next_line()? {
        let answer = format!("{greeting}{}{suffix}\n", line.to_uppercase());
        lines.process().write(answer)?;
    }
    Ok(())
}

fn words(process: &mut Process) -> ProgramResult {
    process.emit("ready", "words");
    while let Some(item) = process.read_item()? {
        let Item::Json(request) = item else { continue };
        process.sleep(Duration::from_millis(
            request["pause"].as_u64().unwrap_or(0),
        ))?;
        let text = request["text"].as_str().unwrap_or_default();
        let answer = json!({ "words": text.split_whitespace().count() });
        process.write(format!("{answer}\n"))?;
    }
    Ok(())
}
