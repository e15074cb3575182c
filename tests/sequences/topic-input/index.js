"use strict";

// Takes its input from the topic "input-of-topic-input", as text, and gives it back. Event "ready" is sent once, with the message
// "topic-input", when it can be fed. On hubs of 1.x the topic is there until somebody deletes it.

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
