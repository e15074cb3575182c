"use strict";

// Reads a count from each line of stdin and repeats its work so many times: it asks the hub (first
// argument) for its version. With a sequence ID as the second argument, it starts an instance,
// waits until that is ready, and kills it. Prints the elapsed time and the CPU time in nanoseconds.

const readline = require("readline");
const { HostClient } = require("@scramjet/api-client");

const [url, sequence] = process.argv.slice(2);
const host = new HostClient(url);

async function version() {
    const { version } = await host.getVersion();
    if (!version) throw new Error("no version");
}

async function cycle() {
    const instance = await host.getSequenceClient(sequence).start({ appConfig: {} });
    await instance.getEvent("ready");
    await instance.kill();
}

readline.createInterface({ input: process.stdin }).on("line", async (times) => {
    const [begin, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
    for (let i = 0; i < Number(times); i++) await (sequence ? cycle : version)();
    const { user, system } = process.cpuUsage(cpu);
    console.log(`${process.hrtime.bigint() - begin} ${(user + system) * 1000}`);
});
