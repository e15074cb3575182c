"use strict";

// Runs until it is killed. Sends the event "ready" once, and the event "stopping" for each stop
// request, both with the message "stays". A stop with the timeout 0 ends it, because the hub then
// kills it without waiting.

const { PassThrough } = require("stream");

module.exports = async function () {
    this.addStopHandler(() => {
        // Without this call, the hub kills the instance after the timeout.
        this.keepAlive();
        this.emit("stopping", "stays");
        // The hub also kills it some time after the handler has finished, so it never finishes.
        return new Promise(() => {});
    });
    this.emit("ready", "stays");
    return new PassThrough();
};
