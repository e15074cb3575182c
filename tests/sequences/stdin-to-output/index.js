"use strict";

// Its output is its standard input, as text. It ends when that does.

const { PassThrough } = require("stream");

module.exports = async function () {
    return Object.assign(process.stdin.pipe(new PassThrough()), { contentType: "text/plain" });
};
