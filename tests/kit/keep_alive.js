"use strict";

// An HTTP server of Node.js that closes idle connections early and accepts every request.
//
// arguments  the idle timeout of connections (ms), and the time it blocks in every 40 ms (ms)
// stdout     one line of JSON when it listens: {"url"}
// stdin      the server exits when it ends
//
// GET /stats returns {"requests", "connections", "posted_twice": [paths of repeated POSTs]}

const http = require("http");

const PERIOD = 40;
const [limit, busy] = process.argv.slice(2).map(Number);

const posts = new Map();
let requests = 0;
let connections = 0;

function stats() {
    const posted_twice = [...posts].filter(([, times]) => times > 1).map(([url]) => url);
    return { requests, connections, posted_twice };
}

const server = http.createServer((request, response) => {
    if (request.url === "/stats") return response.end(JSON.stringify(stats()));
    requests += 1;
    // Counts the POST when its head arrives, because a server may act on a partial request.
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
