"use strict";

// Reads its input from the topic "input-of-topic-input", as text, and writes it to its output.
// Sends the event "ready" with the message "topic-input" when it reads the topic. Hubs of 1.x keep
// the topic until it is deleted.

const { Readable } = require("stream");

module.exports = [
    { requires: "input-of-topic-input", contentType: "text/plain" },
    async function (input) {
        async function* same() {
            yield* input;
        }

        this.emit("ready", "topic-input");
        return Object.assign(Readable.from(same()), { contentType: "text/plain" });
    },
];
