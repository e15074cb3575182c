"use strict";

// Writes its text input to stdout, to stderr, and to its output. Ends when the input does.

const { Readable } = require("stream");

module.exports = async function (input) {
    async function* same() {
        for await (const piece of input) {
            process.stdout.write(piece);
            process.stderr.write(piece);
            yield piece;
        }
    }

    return Object.assign(Readable.from(same()), { contentType: "text/plain" });
};
