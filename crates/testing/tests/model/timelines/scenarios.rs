//! The eighteen scenarios, each with the file of its sequence and an equivalent program.

use std::time::Duration;

use scramjet_client_testing::model::{Exit, Output, Step};

/// A scenario in which an instance ends.
pub(crate) struct Scenario {
    /// The name in the recordings.
    pub(crate) name: &'static str,
    /// The JavaScript file of the sequence.
    pub(crate) index_js: &'static str,
    /// The equivalent program.
    pub(crate) steps: Vec<Step>,
    pub(crate) action: Action,
}

/// The action on the instance, 2.5 seconds after its start. An input comes after 1 second.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Action {
    None,
    Input,
    Crash,
    Kill,
    KillNow,
    Stop,
    Force,
    KillAndForce,
    KillAndDelete,
}

pub(crate) const UP: Step = Step::Write(Output::Output, "up\n");

const STAYS: &str = "const {PassThrough}=require(\"stream\");module.exports=function(){const o=\
         new PassThrough();o.write(\"up\\n\");setInterval(()=>{},1000);return o;};";

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Returns steps that run 1.5 seconds after the first output.
fn later(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let before = [UP, Step::Wait(seconds(1.5))];
    before.into_iter().chain(steps).collect()
}

/// Returns the scenarios in the order of the recordings.
pub(crate) fn all() -> Vec<Scenario> {
    let exit = |exit| Step::Exit(exit);
    let scenario = |name, index_js, steps, action| Scenario {
        name,
        index_js,
        steps,
        action,
    };
    vec![
        scenario(
            "completes: output ends after its input does",
            "const {Readable}=require(\"stream\");module.exports=function(input){\
         return Readable.from((async function*(){\
         for await(const c of input) yield String(c).toUpperCase();})());};",
            vec![Step::Shout, exit(Exit::Completed)],
            Action::Input,
        ),
        scenario(
            "completes: the function returns nothing",
            "module.exports=async function(){};",
            vec![
                Step::Write(Output::Output, "undefined"),
                exit(Exit::Completed),
            ],
            Action::None,
        ),
        scenario(
            "completes: output of one line, ended",
            "const {Readable}=require(\"stream\");module.exports=function(){\
         return Readable.from([\"one\\n\"]);};",
            vec![Step::Write(Output::Output, "one\n"), exit(Exit::Completed)],
            Action::None,
        ),
        scenario(
            "dies: uncaught exception in a timer",
            "const {PassThrough}=require(\"stream\");module.exports=function(){const o=\
         new PassThrough();o.write(\"up\\n\");setTimeout(()=>{throw new Error(\"later\")},\
         1500);return o;};",
            later([exit(Exit::Uncaught)]),
            Action::None,
        ),
        scenario(
            "dies: unhandled rejection later",
            "const {PassThrough}=require(\"stream\");module.exports=function(){const o=\
         new PassThrough();o.write(\"up\\n\");setTimeout(()=>{\
         Promise.reject(new Error(\"later\"))},1500);return o;};",
            later([exit(Exit::Uncaught)]),
            Action::None,
        ),
        scenario(
            "dies: the function throws",
            "module.exports=function(){throw new Error(\"now\")};",
            vec![exit(Exit::Threw)],
            Action::None,
        ),
        scenario(
            "dies: the function rejects",
            "module.exports=async function(){throw new Error(\"now\")};",
            vec![exit(Exit::Threw)],
            Action::None,
        ),
        scenario(
            "dies: throws while it is loaded",
            "throw new Error(\"load\");",
            vec![exit(Exit::FailedToLoad)],
            Action::None,
        ),
        scenario(
            "dies: process.exit(3)",
            "const {PassThrough}=require(\"stream\");module.exports=function(){const o=\
         new PassThrough();o.write(\"up\\n\");setTimeout(()=>process.exit(3),1500);\
         return o;};",
            later([exit(Exit::Process(3))]),
            Action::None,
        ),
        scenario(
            "dies: its output fails",
            "const {PassThrough}=require(\"stream\");module.exports=function(){const o=\
         new PassThrough();o.write(\"up\\n\");setTimeout(()=>\
         o.destroy(new Error(\"broken\")),1500);return o;};",
            later([exit(Exit::Uncaught)]),
            Action::None,
        ),
        scenario(
            "dies: its process is killed from outside",
            STAYS,
            vec![UP],
            Action::Crash,
        ),
        scenario(
            "hangs: an endless loop, then kill",
            "const {PassThrough}=require(\"stream\");module.exports=function(){const o=\
         new PassThrough();o.write(\"up\\n\");setTimeout(()=>{for(;;);},1000);return o;};",
            vec![UP, Step::Wait(seconds(1.0)), Step::Hang],
            Action::Kill,
        ),
        scenario("killed", STAYS, vec![UP], Action::Kill),
        scenario(
            "killed, removeImmediately",
            STAYS,
            vec![UP],
            Action::KillNow,
        ),
        scenario("stopped, timeout 1000", STAYS, vec![UP], Action::Stop),
        scenario(
            "killed, then its sequence deleted by force at once",
            STAYS,
            vec![UP],
            Action::KillAndForce,
        ),
        scenario(
            "its sequence deleted by force",
            STAYS,
            vec![UP],
            Action::Force,
        ),
        scenario(
            "killed, then its sequence deleted plainly, tried each second",
            STAYS,
            vec![UP],
            Action::KillAndDelete,
        ),
    ]
}
