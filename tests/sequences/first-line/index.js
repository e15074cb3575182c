"use strict";

// Writes the first line of its text input to its output, and ends. Reads no more of the input.

const { Readable } = require("stream");

module.exports = async function (input) {
    async function* line() {
        const items = input[Symbol.asyncIterator]();
        let text = "";
        while (!text.includes("\n")) {
            const { done, value } = await items.next();
            if (done) break;
            text += value;
        }
        yield text.split("\n")[0] + "\n";
    }

    return Object.assign(Readable.from(line()), { contentType: "text/plain" });
};
