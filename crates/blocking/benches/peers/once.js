"use strict";

// A tool that asks the hub of its argument for its version.

const { HostClient } = require("@scramjet/api-client");

new HostClient(process.argv[2]).getVersion().then(({ version }) => console.log(version));
