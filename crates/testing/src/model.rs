//! A model of a hub: requests and time go in, responses come out. No IO, no clock, no threads.
