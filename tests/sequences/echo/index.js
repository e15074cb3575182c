"use strict";

// Writes its input to its output: text and bytes unchanged, other items as one line of JSON each.
//
// appConfig.json  true: writes a line of JSON for every item, also for strings of JSON input
//
// The output ends when the input does.

const { Readable } = require("stream");

module.exports = async function (input) {
    const { json = false } = this.config || {};

    async function* same() {
        for await (const item of input) {
            const raw = !json && (typeof item === "string" || Buffer.isBuffer(item));
            yield raw ? item : JSON.stringify(item) + "\n";
        }
    }

    // The hub sends a plain stream unchanged, and would send the input itself as JSON.
    return Readable.from(same());
};
