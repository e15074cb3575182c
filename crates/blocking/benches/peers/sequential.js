"use strict";

// Asks the hub of the first argument for its version, as many times as each line of its input says; or, where the second argument is a sequence,
// starts an instance of it, waits until that is ready, and kills it. Tells in nanoseconds how long all that took, and how long the
// process ran for it.

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
