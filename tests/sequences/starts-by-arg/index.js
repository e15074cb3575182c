"use strict";

// Runs until it is stopped. args[0] selects what it does at its start:
//
// "ready"    sends the event "ready" with the message "starts-by-arg" (default)
// "error"    sends the event "error" with the message "failed as requested"
// "throws"   throws
// "silent"   sends nothing

const { PassThrough } = require("stream");

module.exports = async function (input, start = "ready") {
    if (start === "throws") throw new Error("failed as requested");
    if (start === "ready") this.emit("ready", "starts-by-arg");
    if (start === "error") this.emit("error", "failed as requested");
    return new PassThrough();
};
