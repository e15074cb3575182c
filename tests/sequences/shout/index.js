"use strict";

// Answers every line of text input with one line of text: greeting + the line in capitals + suffix.
//
// appConfig.greeting  put before each line (default: nothing)
// args[0]             put after each line (default: nothing)
// event "ready"       sent once, with the message "shout"
//
// The output ends when the input does.

const { Readable } = require("stream");

module.exports = async function (input, suffix = "") {
    const { greeting = "" } = this.config || {};
    const shout = (line) => `${greeting}${line.toUpperCase()}${suffix}\n`;

    async function* answers() {
        // An item of text input is whatever chunk the hub received: lines are ours to find.
        let rest = "";
        for await (const chunk of input) {
            const lines = (rest + chunk).split("\n");
            rest = lines.pop();
            for (const line of lines) yield shout(line);
        }
        if (rest) yield shout(rest);
    }

    this.emit("ready", "shout");
    // A plain stream goes out as it is; a generator, or a stream of the framework, would go out as JSON.
    return Object.assign(Readable.from(answers()), { contentType: "text/plain" });
};
