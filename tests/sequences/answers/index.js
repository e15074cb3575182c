"use strict";

// Answers each line of JSON input, {"n": n, "act": ...}, with a line {"n": n, "by": args[0]}.
//
// appConfig.greets     writes a line before the first request
// event "ready"        sent once, with the message "answers"
// act "die"            throws from a timer, without an answer
// act "exit"           ends its process
// act "half"           ends its process after half of its answer
// act "end"            answers, and ends its output
// act "twice"          answers twice
// act "garbage"        answers with a line that is not JSON
// act "big"            answers with a line of 1 MiB and a byte
// act "blank"          answers after an empty line
// act "split"          answers in two pieces
// act "nothing"        does not answer; if the request has "at", only if args[0] equals it
//
// The output ends when the input does.

const { PassThrough } = require("stream");

module.exports = function (input, by = null) {
    const output = Object.assign(new PassThrough(), { contentType: "text/plain" });
    const write = (text) => output.write(text);

    const answer = ({ n, act, at = by }) => {
        const line = `${JSON.stringify({ n, by })}\n`;
        if (act === "die") {
            input.removeListener("data", answer);
            setTimeout(() => { throw new Error("as told"); });
        }
        else if (act === "exit") process.exit(3);
        else if (act === "half") {
            input.removeListener("data", answer);
            write(line.slice(0, 5));
            setTimeout(() => process.exit(3), 50);
        }
        else if (act === "end") output.end(line);
        else if (act === "twice") write(line + line);
        else if (act === "garbage") write("oops\n");
        else if (act === "big") write(`${"x".repeat((1 << 20) + 1)}\n`);
        else if (act === "blank") write(`\n${line}`);
        else if (act === "split") {
            write(line.slice(0, 5));
            setTimeout(() => write(line.slice(5)), 20);
        } else if (act !== "nothing" || at !== by) write(line);
    };
    if (this.config && this.config.greets) write(`"hello"\n`);
    this.emit("ready", "answers");
    input.on("data", answer).on("end", () => output.end());
    return output;
};
