//! Fake hubs with the sequences of [`package::sequence`](crate::package::sequence) as programs.

use scramjet_client_testing::demo;
use scramjet_client_testing::fake_hub::{
    Exit, FakeHub, Generation, Item, Process, ProgramResult, Times,
};
use serde_json::{Value, json};

/// Starts a fake hub that runs these sequences, in at most a tenth of the time of a real hub.
#[must_use]
pub fn fake_hub(generation: Generation) -> FakeHub {
    fake_hub_with(generation, |_| ())
}

/// Like [`fake_hub`], and changes some of its times.
#[must_use]
pub fn fake_hub_with(generation: Generation, change: impl FnOnce(&mut Times)) -> FakeHub {
    let hub = demo::fake_hub_builder(generation)
        .settings(|settings| change(&mut settings.times))
        .start();
    demo::add_programs(&hub);
    serve(&hub);
    hub
}

/// Adds the programs to a hub, including one for the package with links that a test creates.
pub fn serve(hub: &FakeHub) {
    demo::add_programs(hub);
    hub.program("answers", answers);
    hub.program("args", args);
    hub.program("echo", echo);
    hub.program("fails-at-load", |_| Err(Exit::FailedToLoad));
    hub.program("first-line", first_line);
    hub.program("linked", |process| process.write("it runs\n"));
    hub.program("prints", prints);
    hub.program("starts-by-arg", starts_by_arg);
    hub.program("stays", stays);
    hub.program("stdin-to-output", stdin_to_output);
    hub.program("tees", tees);
    hub.program_with("topic-input", topic_input, |spec| {
        spec.input_topic("input-of-topic-input", "text/plain")
    });
    hub.program("types", types);
}

fn answers(process: &mut Process) -> ProgramResult {
    let by = process.args().first().cloned().unwrap_or(Value::Null);
    if process.config()["greets"] == true {
        process.write("\"hello\"\n")?;
    }
    process.emit("ready", "answers");
    while let Some(item) = process.read_item()? {
        let Item::Json(request) = item else { continue };
        let line = format!("{}\n", json!({ "n": request["n"], "by": by }));
        match request["act"].as_str().unwrap_or_default() {
            "die" => return Err(Exit::Uncaught),
            "exit" => return Err(Exit::Process(3)),
            "half" => {
                process.write(line.split_at(5).0)?;
                return Err(Exit::Process(3));
            }
            "end" => return process.write(line),
            "twice" => process.write(line.repeat(2))?,
            "garbage" => process.write("oops\n")?,
            "big" => process.write("x".repeat((1 << 20) + 1) + "\n")?,
            "blank" => process.write(format!("\n{line}"))?,
            "split" => {
                let (start, end) = line.split_at(5);
                process.write(start)?;
                process.write(end)?;
            }
            "nothing" if request["at"].is_null() || request["at"] == by => {}
            _ => process.write(line)?,
        }
    }
    Ok(())
}

fn args(process: &mut Process) -> ProgramResult {
    let (config, args) = (process.config(), Value::from(process.args()));
    let text = format!(r#"{{"config":{config},"args":{args}}}"#);
    process.emit("started", text.clone());
    process.write(text + "\n")?;
    process.run_until_killed()
}

fn echo(process: &mut Process) -> ProgramResult {
    let json = process.config()["json"] == true;
    while let Some(item) = process.read_item()? {
        match item {
            Item::Json(Value::String(text)) | Item::Text(text) if !json => process.write(text)?,
            Item::Bytes(bytes) => process.write(bytes)?,
            Item::Json(value) => process.write(format!("{value}\n"))?,
            Item::Text(text) => process.write(format!("{}\n", Value::from(text)))?,
            _ => {}
        }
    }
    Ok(())
}

fn first_line(process: &mut Process) -> ProgramResult {
    let line = process.lines().next_line()?.unwrap_or_default();
    process.write(line + "\n")
}

fn prints(process: &mut Process) -> ProgramResult {
    for n in 1..=3 {
        process.print(format!("stdout {n}\n"))?;
    }
    for n in 1..=2 {
        process.eprint(format!("stderr {n}\n"))?;
    }
    for n in 1..=3 {
        process.write(format!("output {n}\n"))?;
    }
    Ok(())
}

fn starts_by_arg(process: &mut Process) -> ProgramResult {
    let args = process.args();
    match args.first().and_then(Value::as_str).unwrap_or("ready") {
        "throws" => return Err(Exit::Uncaught),
        "ready" => process.emit("ready", "starts-by-arg"),
        "error" => process.emit("error", "failed as requested"),
        _ => {}
    }
    process.run_until_killed()
}

fn stays(process: &mut Process) -> ProgramResult {
    process.on_stop(|process, _| {
        process.keep_alive();
        process.emit("stopping", "stays");
    });
    process.emit("ready", "stays");
    process.run_until_killed()
}

fn stdin_to_output(process: &mut Process) -> ProgramResult {
    while let Some(piece) = process.read_stdin()? {
        process.write(piece)?;
    }
    Ok(())
}

fn tees(process: &mut Process) -> ProgramResult {
    while let Some(piece) = process.read()? {
        process.print(&piece)?;
        process.eprint(&piece)?;
        process.write(piece)?;
    }
    Ok(())
}

fn topic_input(process: &mut Process) -> ProgramResult {
    process.emit("ready", "topic-input");
    while let Some(piece) = process.read()? {
        process.write(piece)?;
    }
    Ok(())
}

fn types(process: &mut Process) -> ProgramResult {
    process.emit("ev-string", "s");
    while let Some(item) = process.read_item()? {
        let (kind, value) = match item {
            Item::Json(value) => (kind(&value), value),
            Item::Text(text) => ("string", Value::from(text)),
            Item::Bytes(bytes) => ("object", json!({ "type": "Buffer", "data": bytes })),
            _ => continue,
        };
        process.write(format!("{{\"t\":\"{kind}\",\"v\":{value}}}\n"))?;
    }
    process.write("{\"t\":\"END\"}\n")
}

/// Returns the result of JavaScript's `typeof`.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        _ => "object",
    }
}
