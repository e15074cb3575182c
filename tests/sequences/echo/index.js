"use strict";

// Gives back its input: text and bytes as they are, anything else as one line of JSON for each item.
//
// appConfig.json  true: a line of JSON for every item, so that strings of JSON input come back as such
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

    // A plain stream goes out as it is; the input itself would go out as JSON.
    return Readable.from(same());
};
