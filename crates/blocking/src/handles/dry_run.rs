//! What a handle would send.

use scramjet_client_core::{DryRun, DryRunBody, Operation};

use crate::error::Error;
use crate::handles::host::HostClient;
use crate::handles::instance::InstanceClient;
use crate::handles::platform::manager::ManagerClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::handles::platform::multi_manager::MultiManagerClient;
use crate::handles::sequence::SequenceClient;

/// Gives a handle the method that shows a request. After the colon, where it keeps its client.
macro_rules! dry_run {
    ($handle:ident: $($client:ident).+) => {
        /// Requests that are not sent.
        impl $handle {
            /// Builds the request that this handle would send for an operation, to look at or to
            /// print as a command of `curl`. Nothing is sent. Values that may be secrets are
            /// hidden: headers that you have set always, and values in the body unless
            /// [`with_values`](DryRun::with_values) shows them.
            ///
            /// The operation of a method is named in its documentation by method and path, and is a struct in [`core`](crate::core):
            /// [`start`](crate::SequenceClient::start) sends a [`StartSequence`](crate::core::StartSequence), for example.
            ///
            /// # Errors
            /// The operation's values cannot be sent, or the hub is known to be too old for it.
            /// If the operation depends on the version of the hub, it has to be known: from
            /// [`HostClient::version`](crate::HostClient::version), an earlier call, or
            /// [`HostClientBuilder::hub_version`](crate::HostClientBuilder::hub_version).
            ///
            /// ```
            /// # #[cfg(feature = "ureq")] {
            /// use scramjet_client_blocking::core::{SendSequence, StartSequence};
            /// use scramjet_client_blocking::{HostClient, StartOptions};
            ///
            /// let host = HostClient::builder("http://localhost:8000/api/v1").bearer_token("s3cret").build()?;
            /// println!("{}", host.dry_run(&SendSequence)?.with_file("package.tar.gz"));
            ///
            /// // Of sequence.start(&options):
            /// let (sequence, options) = (host.sequence("shout")?, StartOptions::new().arg("it's"));
            /// let dry_run = sequence.dry_run(&StartSequence { id: sequence.id(), options: &options })?;
            /// assert_eq!(
            ///     dry_run.to_string(),
            ///     "curl http://localhost:8000/api/v1/sequence/shout/start -H 'authorization: Bearer ***' \
            ///      -H 'content-type: application/json' --data-binary '{\"args\":\"***\"}'"
            /// );
            /// let command = dry_run.with_values().to_string();
            /// assert!(command.ends_with(r#" --data-binary '{"args":["it'\''s"]}'"#));
            /// # }
            /// # Ok::<(), scramjet_client_blocking::Error>(())
            /// ```
            #[doc(alias = "curl")]
            pub fn dry_run<O>(&self, operation: &O) -> Result<DryRun, Error>
            where
                O: Operation<Payload: Into<DryRunBody>>,
            {
                self.$($client).+.dry_run(operation)
            }
        }
    };
}

dry_run!(HostClient: client);
dry_run!(SequenceClient: host.client);
dry_run!(InstanceClient: host.client);
dry_run!(ManagerClient: client);
dry_run!(MultiManagerClient: client);
dry_run!(MiddlewareClient: client);
