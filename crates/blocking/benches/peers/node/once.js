"use strict";

// Asks the hub at the URL in its argument for the version.

const { HostClient } = require("@scramjet/api-client");

new HostClient(process.argv[2]).getVersion().then(({ version }) => console.log(version));
