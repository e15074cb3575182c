//! Decoded replies of recorded exchanges. Every fixture is a row of one table here.

mod composed;
mod of_0_18_7;
mod of_1_0_1;
mod operations;
mod row;
mod table;

const FALSY: &str = "hubs wait instead of answering with a falsy last event";
const NEVER_ANSWERED: &str = "0.18.7 never answers such a start";
const NEVER_ENDS: &str = "the response never ends";
const NO_ROUTE: &str = "core has no operation with this route";
