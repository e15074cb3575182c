"use strict";

// Answers every item of its input with one line of JSON, {"t": type, "v": value}, and the end of it with {"t": "END"}.
//
// event "ev-string"  sent once, with the message "s"

const { Readable } = require("stream");

module.exports = async function (input) {
    async function* lines() {
        for await (const item of input) yield JSON.stringify({ t: typeof item, v: item }) + "\n";
        yield JSON.stringify({ t: "END" }) + "\n";
    }

    this.emit("ev-string", "s");
    // A plain stream goes out as it is.
    return Object.assign(Readable.from(lines()), { contentType: "text/plain" });
};
