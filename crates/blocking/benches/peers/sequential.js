"use strict";

// Asks the hub of its argument for its version, as many times as each line of its input says, and tells in microseconds how long that
// took, and how long the process ran for it.

const readline = require("readline");
const { HostClient } = require("@scramjet/api-client");

const host = new HostClient(process.argv[2]);

readline.createInterface({ input: process.stdin }).on("line", async (times) => {
    const [begin, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
    for (let i = 0; i < Number(times); i++) {
        const { version } = await host.getVersion();
        if (version !== "1.0.1") throw new Error(`version ${version}`);
    }
    const { user, system } = process.cpuUsage(cpu);
    console.log(`${(process.hrtime.bigint() - begin) / 1000n} ${user + system}`);
});
