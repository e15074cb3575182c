"use strict";

// Throws while it is loaded, before there is a function to call.

throw new Error("fails-at-load fails at load");
