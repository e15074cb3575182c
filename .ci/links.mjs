// Fails for links that work only in this repository: in the READMEs of the crates, which crates.io
// shows, and in the documentation, of which `cargo doc` wrote the pages to the given folder.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const failures = [];

for (const crate of ["core", "blocking", "testing"]) {
    const path = join("crates", crate, "README.md");
    const text = readFileSync(path, "utf8");
    // `[text](target)` and `[label]: target`
    for (const [, inline, reference] of text.matchAll(/\]\(([^)\s]+)|^\[[^\]]+\]:\s*(\S+)/gm)) {
        const target = inline ?? reference;
        if (!/^(https:\/\/|#)/.test(target)) failures.push(`${path}: ${target}`);
    }
}

const docs = resolve(process.argv[2]);
let pages = 0;
for (const crate of readdirSync(docs).filter((name) => name.startsWith("scramjet_client_"))) {
    for (const name of readdirSync(join(docs, crate), { recursive: true })) {
        if (!name.endsWith(".html")) continue;
        pages += 1;
        const page = join(docs, crate, name);
        for (const [, href] of readFileSync(page, "utf8").matchAll(/ href="([^"#]+)/g)) {
            const path = decodeURI(href.split("?")[0]);
            if (!/^[a-z]+:/.test(path) && !existsSync(resolve(dirname(page), path))) {
                failures.push(`${page}: ${href}`);
            }
        }
    }
}

if (pages === 0) failures.push(`${docs}: no pages of the crates`);
failures.forEach((failure) => console.error(failure));
console.log(`${failures.length} links lead nowhere outside this repository (${pages} pages)`);
process.exitCode = failures.length === 0 ? 0 : 1;
