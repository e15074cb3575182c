"use strict";

// Writes 3 lines to stdout ("stdout 1"...), 2 to stderr ("stderr 1"...) and 3 to its output
// ("output 1"...), and ends.

const { Readable } = require("stream");

module.exports = async function () {
    for (const n of [1, 2, 3]) console.log(`stdout ${n}`);
    for (const n of [1, 2]) console.error(`stderr ${n}`);
    return Object.assign(Readable.from([1, 2, 3].map((n) => `output ${n}\n`)), { contentType: "text/plain" });
};
