"use strict";

// Answers each line of JSON input, {"text": ..., "pause": ms}, with a line of JSON, {"words": n}.
// "pause" is optional. It is the time before the answer.
//
// event "ready"  sent once, with the message "words"
//
// The output ends when the input does.

const { PassThrough } = require("stream");

module.exports = function (input) {
    const output = Object.assign(new PassThrough(), { contentType: "text/plain" });
    const count = async () => {
        for await (const { text, pause } of input) {
            if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
            const words = text.split(/\s+/).filter(Boolean).length;
            output.write(`${JSON.stringify({ words })}\n`);
        }
        output.end();
    };
    this.emit("ready", "words");
    count();
    return output;
};
