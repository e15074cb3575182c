"use strict";

// Answers every event "ping" with an event "pong" of the same message, until it is stopped.
// Event "ready" is sent once, with the message "events", when pings are listened for. No output.

const { PassThrough } = require("stream");

module.exports = async function () {
    this.on("ping", (message) => this.emit("pong", message));
    this.emit("ready", "events");
    // An output that never ends keeps the instance running.
    return new PassThrough();
};
