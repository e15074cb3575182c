"use strict";

// Answers each event "ping" with an event "pong" of the same message, until it is stopped.
// Sends the event "ready" with the message "events" when it listens for pings. Writes no output.

const { PassThrough } = require("stream");

module.exports = async function () {
    this.on("ping", (message) => this.emit("pong", message));
    this.emit("ready", "events");
    // An output that never ends keeps the instance running.
    return new PassThrough();
};
