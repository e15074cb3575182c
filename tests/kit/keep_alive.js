"use strict";

// An HTTP server of Node.js that closes idle connections soon, and says yes to everything.
//
// arguments  the limit for idle connections (ms), and for how much of each 40 ms it is busy and answers nobody (ms)
// stdout     one line of JSON once it listens: {"url"}
// stdin      held open by whoever started this; its end ends the server
//
// GET /seen tells what came: {"requests", "connections", "twice": [what was posted more than once]}

const http = require("http");

const PERIOD = 40;
const [limit, busy] = process.argv.slice(2).map(Number);

const posts = new Map();
let requests = 0;
let connections = 0;

function seen() {
    const twice = [...posts].filter(([, times]) => times > 1).map(([url]) => url);
    return { requests, connections, twice };
}

const server = http.createServer((request, response) => {
    if (request.url === "/seen") return response.end(JSON.stringify(seen()));
    requests += 1;
    // Counted with its head: what came in part may have been acted upon as well.
    if (request.method === "POST") posts.set(request.url, (posts.get(request.url) || 0) + 1);
    request.resume().on("end", () => response.end(JSON.stringify({ id: "the-one", version: "1.0.1" })));
});

server.keepAliveTimeout = limit;
server.on("connection", () => { connections += 1; });
server.listen(0, "127.0.0.1", () => {
    process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/api/v1` }) + "\n");
});

if (busy) {
    setInterval(() => {
        const end = performance.now() + busy;
        while (performance.now() < end);
    }, PERIOD);
}

process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
