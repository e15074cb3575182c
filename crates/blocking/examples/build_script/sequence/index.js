"use strict";

module.exports = async function () {
    return ["hello\n"];
};
