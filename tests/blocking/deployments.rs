//! `Deployment`, `deploy_and_run` and `scoped_topic`: guards that delete what they created.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use scramjet_client_blocking::types::Deleted;
use scramjet_client_blocking::{
    CancelToken, ContentType, Deployment, Error, ErrorKind, HostClient, KillOptions, SequenceId,
    StartOptions, Upload,
};
use scramjet_client_tests::{on_each_hub, package};
use serde_json::json;

use crate::helpers::{until, within};
use crate::samples::until_killable;
use crate::stub_hub::{Reply, StubHub, json_reply};

/// Enough of a package for the client and for a stub hub.
const PACKAGE: &[u8] = b"\x1f\x8b";

fn deploy(host: &HostClient, sample: &str) -> Deployment {
    host.deploy(package::sequence(sample)).unwrap()
}

fn exists(host: &HostClient, id: &SequenceId) -> bool {
    match host.sequence_info(id) {
        Ok(_) => true,
        Err(error) if error.is_not_found() => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Checks that the sequence is gone and none of its instances runs. A hub may list ended instances
/// for a while.
fn assert_deleted(host: &HostClient, id: &SequenceId) {
    if host.dialect().unwrap().supports_force_delete() {
        // The hub finishes the deletion after the client has returned.
        until("the sequence is deleted", || !exists(host, id));
    }
    assert!(!exists(host, id));
    let is_of_sequence = |info: &scramjet_client_blocking::InstanceInfo| {
        info.sequence
            .as_ref()
            .is_some_and(|sequence| sequence.id() == id)
    };
    for info in host
        .list_instances()
        .unwrap()
        .into_iter()
        .filter(is_of_sequence)
    {
        assert!(
            info.ended.is_some() || info.terminated.is_some(),
            "{info:?}"
        );
    }
}

on_each_hub!(deployment_close_and_drop_end_the_instances);
/// The instance ignores stop requests. The test tries each way to end a deployment.
fn deployment_close_and_drop_end_the_instances(host: HostClient) {
    within("deploying", move || {
        let ends: [fn(Deployment); 4] = [
            drop,
            |deployment| assert!(deployment.close().is_ok()),
            |deployment| {
                drop(
                    catch_unwind(AssertUnwindSafe(move || panic!("with {deployment:?}")))
                        .unwrap_err(),
                )
            },
            |deployment| {
                // The caller has deleted the sequence already.
                deployment.force_delete().unwrap();
                deployment.close().unwrap();
            },
        ];
        for end in ends {
            let deployment = deploy(&host, "stays");
            let id = deployment.id().clone();
            let started = deployment.start(&StartOptions::new()).unwrap();
            started.wait_event("ready").unwrap();
            end(deployment);
            assert_deleted(&host, &id);
        }
    });
}

on_each_hub!(deployment_drop_deletes_the_sequence_after_its_token_is_cancelled);
fn deployment_drop_deletes_the_sequence_after_its_token_is_cancelled(host: HostClient) {
    within("deploying", move || {
        let token = CancelToken::new();
        let deployment = deploy(
            &host
                .with_cancel(&token)
                .with_deadline(Duration::from_secs(20)),
            "stays",
        );
        let id = deployment.id().clone();
        let _instance = deployment.start(&StartOptions::new()).unwrap();
        token.cancel();
        assert!(deployment.info().unwrap_err().is_cancelled());
        drop(deployment);
        assert_deleted(&host, &id);
    });
}

on_each_hub!(deployment_keep_leaves_the_sequence_on_the_hub);
fn deployment_keep_leaves_the_sequence_on_the_hub(host: HostClient) {
    let kept = deploy(&host, "stays").keep();
    assert!(exists(&host, kept.id()));
    kept.force_delete().unwrap();
    assert_deleted(&host, kept.id());
}

#[derive(Debug)]
enum OwnError {
    Library(Error),
    Own,
}

impl From<Error> for OwnError {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

on_each_hub!(deploy_and_run_deletes_the_sequence_however_the_function_ends);
/// The test tries each way in which the function can end.
fn deploy_and_run_deletes_the_sequence_however_the_function_ends(host: HostClient) {
    within("deploying", move || {
        let mut ids = Vec::new();
        let package = || package::sequence("stays");

        let id = host
            .deploy_and_run(package(), |sequence| {
                sequence.start(&StartOptions::new())?;
                Ok::<_, Error>(sequence.id().clone())
            })
            .unwrap();
        id.cleanup.unwrap();
        ids.push(id.result.unwrap());

        let own = host.deploy_and_run(package(), |sequence| {
            ids.push(sequence.id().clone());
            sequence.start(&StartOptions::new())?;
            Err::<(), _>(OwnError::Own)
        });
        let own = own.unwrap().result;
        assert!(matches!(own, Err(OwnError::Own)), "{own:?}");

        let failed = host.deploy_and_run(package(), |sequence| -> Result<(), OwnError> {
            ids.push(sequence.id().clone());
            let instance = sequence.start(&StartOptions::new())?;
            until_killable(&instance);
            instance.kill(&KillOptions::new())?;
            Err(instance
                .with_deadline(Duration::ZERO)
                .info()
                .unwrap_err()
                .into())
        });
        let failed = failed.unwrap().result;
        assert!(matches!(failed, Err(OwnError::Library(error)) if error.is_timeout()));

        let panicked = catch_unwind(AssertUnwindSafe(|| {
            host.deploy_and_run(package(), |sequence| -> Result<(), Error> {
                ids.push(sequence.id().clone());
                sequence.start(&StartOptions::new())?;
                panic!("in the midst of it")
            })
        }));
        assert_eq!(
            panicked.unwrap_err().downcast_ref(),
            Some(&"in the midst of it")
        );

        assert_eq!(ids.len(), 4);
        for id in ids {
            assert_deleted(&host, &id);
        }
    });
}

on_each_hub!(deploy_of_a_bad_package_is_an_error);
fn deploy_of_a_bad_package_is_an_error(host: HostClient) {
    for (what, package) in package::garbage_packages() {
        if what == "not a gzip" {
            assert!(matches!(
                host.deploy(package).unwrap_err().kind(),
                ErrorKind::Upload(_)
            ));
            continue;
        }
        let error = host
            .deploy_and_run(package.clone(), |_| {
                panic!("{what}: there is nothing to run")
            })
            .unwrap_err();
        assert_eq!(error.api().unwrap().status, 422, "{what}");
        assert_eq!(
            host.deploy(package).unwrap_err().api().unwrap().status,
            422,
            "{what}"
        );
    }
    let error = host
        .deploy(Upload::path("/nowhere/package.tar.gz"))
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot upload the data"),
        "{error}"
    );
}

#[test]
fn deployment_drop_kills_instances_before_it_deletes_the_sequence() {
    within("deploying", || {
        for version in ["1.0.1", "0.18.7"] {
            let hub = StubHub::start(version, |_| Reply::Default);
            let deployment = hub.host().deploy(PACKAGE).unwrap();
            deployment.start(&StartOptions::new()).unwrap();
            drop(deployment);
            assert!(hub.running().is_empty());
            let mut deleting = hub.requests("");
            deleting.retain(|request| request.starts_with("DELETE") || request.ends_with("_kill"));
            let expected = [
                "POST /instance/instance-0/_kill",
                "DELETE /sequence/the-sequence",
            ];
            assert_eq!(deleting, expected, "{version}");
        }
    });
}

#[test]
fn deployment_close_and_deploy_and_run_return_the_error_of_the_deletion() {
    within("deploying", || {
        let refusing = || {
            StubHub::start("1.0.1", |request| match request {
                "DELETE /sequence/the-sequence" => json_reply(
                    "500 Internal Server Error",
                    &json!({ "error": "Error removing Sequence" }),
                ),
                _ => Reply::Default,
            })
        };
        let hub = refusing();
        let error = hub.host().deploy(PACKAGE).unwrap().close().unwrap_err();
        assert_eq!(
            (error.api().unwrap().status.as_u16(), error.operation()),
            (500, Some("delete sequence"))
        );
        // The drop does not try again.
        assert_eq!(hub.requests("DELETE").len(), 1);

        // `deploy_and_run` returns the result of the function, too.
        let hub = refusing();
        let run =
            |result: Result<u8, OwnError>| hub.host().deploy_and_run(PACKAGE, |_| result).unwrap();
        for result in [Ok(7), Err(OwnError::Own)] {
            let succeeds = result.is_ok();
            let ran = run(result);
            assert!(matches!(ran.result, Ok(7)) == succeeds, "{ran:?}");
            let error = ran.cleanup.unwrap_err();
            assert_eq!(error.operation(), Some("delete sequence"));
        }
        assert_eq!(hub.requests("DELETE").len(), 2);

        // A drop cannot report the error.
        let hub = refusing();
        drop(hub.host().deploy(PACKAGE).unwrap());
        assert_eq!(hub.requests("DELETE").len(), 1);
    });
}

#[test]
fn dropping_child_deployment_and_scoped_topic_does_not_hang_without_a_hub() {
    within("deploying", || {
        let hub = StubHub::start("1.0.1", |_| Reply::Default);
        let (host, begin) = (hub.host(), Instant::now());
        let deployment = host.deploy(PACKAGE).unwrap();
        let child = deployment.spawn(&StartOptions::new()).unwrap();
        let topic = host.scoped_topic("a-topic", ContentType::Text).unwrap();
        drop(hub);
        drop((child, topic));
        assert!(deployment.close().unwrap_err().is_connect());
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{:?}",
            begin.elapsed()
        );
    });
}

#[test]
fn deployment_close_retries_the_deletion_if_the_connection_is_lost() {
    within("deleting", || {
        let losses: [fn() -> Reply; 2] = [
            || Reply::Close,
            || json_reply("502 Bad Gateway", &json!({ "error": "no hub" })),
        ];
        for lost in losses {
            let first = AtomicBool::new(true);
            let hub = StubHub::start("1.0.1", move |request| match request {
                "DELETE /sequence/the-sequence" => {
                    json_reply("409 Conflict", &json!({ "error": "in use" }))
                }
                "DELETE /sequence/the-sequence by force" => {
                    if first.swap(false, Ordering::Relaxed) {
                        return lost();
                    }
                    // The hub finishes the deletion without a response.
                    Reply::Silence
                }
                _ => Reply::Default,
            });
            let deployment = hub.host().deploy(PACKAGE).unwrap();
            assert_eq!(deployment.close().unwrap(), Deleted::HandedOver);
            assert_eq!(hub.requests("by force").len(), 2);
        }
    });
}
