"use strict";

// Reports its configuration and arguments as the JSON text of {"config", "args"}: in the event
// "started", and as one line of output. Without a configuration, "config" is null. The output stays
// open until the instance is stopped.

const { PassThrough } = require("stream");

module.exports = async function (input, ...args) {
    const text = JSON.stringify({ config: this.config === undefined ? null : this.config, args });
    const output = new PassThrough();

    output.write(text + "\n");
    this.emit("started", text);
    return Object.assign(output, { contentType: "text/plain" });
};
