"use strict";

// Answers each item of its input with a line of JSON, {"t": type, "v": value}, and the end of the
// input with {"t": "END"}.
//
// event "ev-string"  sent once, with the message "s"

const { Readable } = require("stream");

module.exports = async function (input) {
    async function* lines() {
        for await (const item of input) yield JSON.stringify({ t: typeof item, v: item }) + "\n";
        yield JSON.stringify({ t: "END" }) + "\n";
    }

    this.emit("ev-string", "s");
    // The hub sends a plain stream unchanged.
    return Object.assign(Readable.from(lines()), { contentType: "text/plain" });
};
