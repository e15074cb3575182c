"use strict";

// Runs a real Scramjet Transform Hub for the tests, with the process adapter, on free loopback ports.
//
// stdout  one line of JSON once the hub answers: {"url", "pid", "dir"}
// stdin   held open by whoever started this; its end, however it comes about, ends the hub
// stderr  why the hub did not start, or why it died
// dir     the only folder written to: the sequences and the hub's own log (hub.log)
//
// Start it in a process group of its own: the last step kills that group, so that no runner, and nothing
// a runner started, is left.

const fs = require("fs");
const http = require("http");
const os = require("os");
const path = require("path");

// What a requirement is set to so that no machine can ever meet it (MB of free memory).
const NEVER_MET = 1e12;
// What a requirement is set to so that every machine meets it. Not 0: the hub's configuration merge drops falsy values.
const ALWAYS_MET = -1e6;

const realStdout = process.stdout;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "scramjet-hub-"));
const log = fs.createWriteStream(path.join(dir, "hub.log"));

// The hub prints its log on process.stdout, which here is kept for the one line of JSON.
Object.defineProperty(process, "stdout", { value: log });

// With the parent gone its pipes are broken; that must not get in the way of cleaning up.
for (const stream of [log, realStdout, process.stderr]) stream.on("error", () => {});

let up = false;
let ending = false;

// Removes the folder, then every process of this group: the runners, what they started, and this one.
function end(code) {
    if (ending) return;
    ending = true;
    if (!up || code !== 0) reportLog();
    // First the others, while this process (which handles SIGTERM) lives on: what still unpacks into the folder
    // would bring it back.
    signalGroup("SIGTERM");
    try {
        fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    } catch (error) {
        report("cannot remove " + dir, error);
    }
    signalGroup("SIGKILL");
    // Reached only without a group.
    process.exit(code);
}

function signalGroup(signal) {
    try {
        process.kill(-process.pid, signal);
    } catch {
        // Started by hand without a group of its own: there is no group of this number.
    }
}

function report(what, error) {
    say(`test hub: ${what}: ${(error && error.stack) || error}\n`);
}

// Shows the end of the hub's log, which goes with the folder.
function reportLog() {
    try {
        const text = fs.readFileSync(log.path, "utf8").trimEnd();
        if (text) say(`test hub: the end of its log:\n${text.split("\n").slice(-10).join("\n")}\n`);
    } catch {
        // It had not written any.
    }
}

function say(text) {
    // Synchronous: the process may end right after this.
    try {
        fs.writeSync(2, text);
    } catch {
        // Nobody listens any more.
    }
}

function die(what, error) {
    if (ending) return;
    report(what, error);
    end(1);
}

process.on("SIGTERM", () => end(0));
process.on("SIGINT", () => end(0));
process.on("SIGHUP", () => end(0));
process.on("uncaughtException", (error) => die("the hub died", error));
process.stdin.on("end", () => end(0)).on("error", () => end(0)).resume();

async function start() {
    const { ConfigService } = require("@scramjet/sth-config");
    const { startHost } = require("@scramjet/host");

    // The hub makes this folder with the first upload, and of two first uploads at once refuses one.
    const sequencesRoot = path.join(dir, "sequences");
    fs.mkdirSync(sequencesRoot);

    const overloaded = process.env.SCRAMJET_TEST_HUB_OVERLOADED === "1";
    const service = new ConfigService();
    service.update({
        runtimeAdapter: "process",
        logColors: false,
        sequencesRoot,
        host: {
            id: "test-hub",
            apiBase: "/api/v1",
            hostname: "127.0.0.1",
            infoFilePath: path.join(dir, "id.json"),
        },
        // The hub refuses starts (419) when the machine is short of anything; a test must not meet that by chance.
        instanceRequirements: {
            freeMem: overloaded ? NEVER_MET : ALWAYS_MET,
            cpuLoad: ALWAYS_MET,
            freeSpace: ALWAYS_MET,
        },
    });

    // The system picks both ports while binding, so none can be lost to another process between choosing and using it.
    // Set here, since the merge drops zeros.
    const config = service.getConfig();
    config.host.port = 0;
    // A port alone would be opened on all interfaces, so this is the address as `listen` of Node.js takes it.
    config.host.instancesServerPort = { port: 0, host: "127.0.0.1" };
    const host = await startHost({}, config, { identifyExisting: false });
    // Runners are told the port of the configuration, at each start of an instance.
    const instances = host.socketServer.server.address();
    if (instances.address !== "127.0.0.1") throw new Error(`instances can connect to ${instances.address}`);
    config.host.instancesServerPort = instances.port;
    config.host.port = host.api.server.address().port;

    return `http://127.0.0.1:${config.host.port}${config.host.apiBase}`;
}

function answers(url) {
    return new Promise((resolve, reject) => {
        http.get(`${url}/version`, { agent: false }, (response) => {
            response.resume();
            if (response.statusCode === 200) response.on("end", resolve);
            else reject(new Error(`GET version was answered with ${response.statusCode}`));
        }).on("error", reject);
    });
}

start()
    .then(async (url) => {
        await answers(url);
        up = true;
        realStdout.write(JSON.stringify({ url, pid: process.pid, dir }) + "\n");
    })
    .catch((error) => die("the hub did not start", error));
