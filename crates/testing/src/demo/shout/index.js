"use strict";

// Answers each line of text input with a line: the greeting, the line in capitals, and the suffix.
//
// appConfig.greeting  the greeting (default: nothing)
// args[0]             the suffix (default: nothing)
// event "ready"       sent once, with the message "shout"
//
// The output ends when the input does.

const { Readable } = require("stream");

module.exports = async function (input, suffix = "") {
    const { greeting = "" } = this.config || {};
    const shout = (line) => `${greeting}${line.toUpperCase()}${suffix}\n`;

    async function* answers() {
        // An item of text input is a chunk as the hub received it, so split it into lines.
        let rest = "";
        for await (const chunk of input) {
            const lines = (rest + chunk).split("\n");
            rest = lines.pop();
            for (const line of lines) yield shout(line);
        }
        if (rest) yield shout(rest);
    }

    this.emit("ready", "shout");
    // The hub sends a plain stream unchanged, and would send a generator as JSON.
    return Object.assign(Readable.from(answers()), { contentType: "text/plain" });
};
