"use strict";

// Does the steps of its configuration, {"steps": [...]}, one after the other, and then stays until it is ended:
//
// {"wait": ms}                     does nothing for so long
// {"emit": name, "data": any}      emits an event, without data where there is none
// {"flood": n, "emit": name}       emits that event n times as fast as it can, with the numbers from 1 as its data
// {"every": ms, "emit": name}      emits that event again and again
// {"on": name, "emit": other}      from now on, answers every event of the first name with one of the other, with the same data
// {"log": text}                    writes to its log
// {"print": text}                  writes to its output
// {"end": true}                    ends its output, which completes it
// {"throw": text}                  throws: up to the first wait out of its function, later out of a timer
// {"exit": code}                   ends the process
// {"ignoreStop": true}             does not do anything any more when it is asked to stop
//
// The steps up to the first wait are done before the function returns.

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
        // The hub kills it when the timeout of the stop is over.
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
