"use strict";

// Performs the steps of its configuration, {"steps": [...]}, in order. Then runs until stopped.
//
// {"wait": ms}                     waits for this time
// {"emit": name, "data": any}      emits an event; "data" is optional
// {"flood": n, "emit": name}       emits the event n times without pauses, with the numbers from 1
//                                  as data
// {"every": ms, "emit": name}      emits the event repeatedly, with the interval as data
// {"on": name, "emit": other}      from now on, answers each event of the first name with an event
//                                  of the other name and the same data
// {"log": text}                    writes to its log
// {"print": text}                  writes to its output
// {"end": true}                    ends its output, so the sequence completes
// {"throw": text}                  throws from its function, or after the first wait from a timer
// {"exit": code}                   ends the process
// {"ignoreStop": true}             ignores stop requests
//
// The steps before the first wait are performed before the function returns.

const { PassThrough } = require("stream");

module.exports = function () {
    const steps = [...((this.config && this.config.steps) || [])];
    const output = Object.assign(new PassThrough(), { contentType: "text/plain" });

    const act = (step) => {
        if (step.flood) for (let n = 1; n <= step.flood; n++) this.emit(step.emit, n);
        else if (step.every) setInterval(() => this.emit(step.emit, step.every), step.every);
        else if (step.on) this.on(step.on, (data) => this.emit(step.emit, data));
        else if (step.emit) this.emit(step.emit, step.data);
        else if (step.log) this.logger.info(step.log);
        else if ("print" in step) output.write(step.print);
        else if (step.end) output.end();
        else if ("throw" in step) throw new Error(step.throw);
        else if ("exit" in step) process.exit(step.exit);
        // The hub kills the instance after the timeout of the stop.
        else if (step.ignoreStop) this.addStopHandler(() => new Promise(() => {}));
        else throw new Error(`no such step: ${JSON.stringify(step)}`);
    };
    const run = () => {
        while (steps.length > 0) {
            const step = steps.shift();
            if ("wait" in step) return setTimeout(run, step.wait);
            act(step);
        }
    };
    run();
    return output;
};
