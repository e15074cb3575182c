// The documentation of this module is `docs/patterns.md`.

pub(crate) mod channel;
pub(crate) mod child;
pub(crate) mod deployment;
pub(crate) mod pool;
pub(crate) mod start;
pub(crate) mod topic_guard;

pub use channel::Channel;
pub use child::Child;
pub use child::output::Output;
pub use child::run::RunOptions;
pub use deployment::{Deployment, Ran};
pub use pool::InstancePool;
pub use pool::checkout::Checkout;
pub use pool::map::Map;
pub use pool::map::options::{MapOptions, MapProgress};
pub use pool::options::{Placement, PoolOptions};
pub use start::{Readiness, Ready};
pub use topic_guard::TopicGuard;
