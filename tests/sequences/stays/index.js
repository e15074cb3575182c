"use strict";

// Stays until it is killed. Event "ready" is sent once, with the message "stays"; event "stopping" each time it is
// asked to stop, with the same message. A stop with a timeout too short for the answer (0) still ends it: the hub
// then kills without waiting for it.

const { PassThrough } = require("stream");

module.exports = async function () {
    this.addStopHandler(() => {
        // The hub kills after the timeout unless this was called ...
        this.keepAlive();
        this.emit("stopping", "stays");
        // ... and also some time after the handler has finished: so it does not.
        return new Promise(() => {});
    });
    this.emit("ready", "stays");
    return new PassThrough();
};
