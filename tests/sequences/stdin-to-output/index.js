"use strict";

// Writes its standard input to its output, as text, and ends with it.

const { PassThrough } = require("stream");

module.exports = async function () {
    return Object.assign(process.stdin.pipe(new PassThrough()), { contentType: "text/plain" });
};
