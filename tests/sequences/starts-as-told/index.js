"use strict";

// Stays until it is stopped, unless args[0] says otherwise:
//
// "ready"    sends the event "ready" with the message "starts-as-told" (default)
// "error"    sends the event "error" with the message "as told"
// "throws"   throws
// "silent"   sends nothing

const { PassThrough } = require("stream");

module.exports = async function (input, start = "ready") {
    if (start === "throws") throw new Error("as told");
    if (start === "ready") this.emit("ready", "starts-as-told");
    if (start === "error") this.emit("error", "as told");
    return new PassThrough();
};
