"use strict";

// Gives back its text input, and prints every piece of it to stdout and stderr before. The output ends when the input does.

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
