//! What is made of recorded replies: every fixture is a row of a table here, once.

mod composed;
mod of_0_18_7;
mod of_1_0_1;
mod operations;
mod table;

const FALSY: &str = "a falsy last event is waited for";
const NEVER_ANSWERED: &str = "0.18.7 never answers such a start";
const NEVER_ENDS: &str = "it never ends";
const NO_ROUTE: &str = "core has no operation with this route";
