//! What is on a hub for as long as it is needed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use scramjet_client_blocking::{
    CancelToken, ContentType, Deployment, Error, ErrorKind, HostClient, KillOptions, SequenceId,
    StartOptions, TopicName, Upload, Version,
};
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::package;
use serde_json::json;

use crate::helpers::within;
use crate::live::{has, until_killable};
use crate::stand_in::{Scene, StandIn, says, until};

/// A package for stand-ins, which look no further.
const PACKAGE: &[u8] = b"\x1f\x8b";

fn deploy(host: &HostClient, sample: &str) -> Deployment {
    host.deploy(package::sequence(sample)).unwrap()
}

fn is_there(host: &HostClient, id: &SequenceId) -> bool {
    match host.sequence_info(id) {
        Ok(_) => true,
        Err(error) if error.is_not_found() => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// No instance of it runs any more: what has ended may be listed for a while.
fn nothing_of(host: &HostClient, id: &SequenceId) {
    if host.dialect().unwrap().supports_force_delete() {
        // The hub goes on with it alone.
        until("it is deleted", || !is_there(host, id));
    }
    assert!(!is_there(host, id));
    let of_it = |info: &scramjet_client_blocking::InstanceInfo| {
        info.sequence
            .as_ref()
            .is_some_and(|sequence| sequence.id() == id)
    };
    for info in host.list_instances().unwrap().into_iter().filter(of_it) {
        assert!(
            info.ended.is_some() || info.terminated.is_some(),
            "{info:?}"
        );
    }
}

on_each_hub!(a_deployment_takes_its_instances_with_it);
/// One row for each way in which a deployment comes to its end, with an instance that does not stop when it is asked to.
fn a_deployment_takes_its_instances_with_it(host: HostClient) {
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
                // Somebody else was quicker.
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
            nothing_of(&host, &id);
        }
    });
}

on_each_hub!(a_deployment_is_deleted_although_its_limits_were_reached);
fn a_deployment_is_deleted_although_its_limits_were_reached(host: HostClient) {
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
        nothing_of(&host, &id);
    });
}

on_each_hub!(what_is_kept_stays);
fn what_is_kept_stays(host: HostClient) {
    let kept = deploy(&host, "stays").keep();
    assert!(is_there(&host, kept.id()));
    kept.force_delete().unwrap();
    nothing_of(&host, kept.id());
}

#[derive(Debug)]
enum Mine {
    Library(Error),
    Own,
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

on_each_hub!(what_is_deployed_for_a_function_is_deleted_with_its_end);
/// One row for each way in which the function ends.
fn what_is_deployed_for_a_function_is_deleted_with_its_end(host: HostClient) {
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
            Err::<(), _>(Mine::Own)
        });
        let own = own.unwrap().result;
        assert!(matches!(own, Err(Mine::Own)), "{own:?}");

        let failed = host.deploy_and_run(package(), |sequence| -> Result<(), Mine> {
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
        assert!(matches!(failed, Err(Mine::Library(error)) if error.is_timeout()));

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
            nothing_of(&host, &id);
        }
    });
}

on_each_hub!(what_cannot_be_uploaded_is_not_deployed);
fn what_cannot_be_uploaded_is_not_deployed(host: HostClient) {
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
fn a_deployment_kills_its_instances_before_it_is_deleted() {
    within("deploying", || {
        for version in ["1.0.1", "0.18.7"] {
            let hub = StandIn::start(version, |_| Scene::Usual);
            let deployment = hub.host().deploy(PACKAGE).unwrap();
            deployment.start(&StartOptions::new()).unwrap();
            drop(deployment);
            assert!(hub.living().is_empty());
            let mut deleting = hub.seen("");
            deleting.retain(|words| words.starts_with("DELETE") || words.ends_with("_kill"));
            let expected = [
                "POST /instance/instance-0/_kill",
                "DELETE /sequence/the-sequence",
            ];
            assert_eq!(deleting, expected, "{version}");
        }
    });
}

#[test]
fn a_deployment_that_cannot_be_deleted_says_so_where_it_is_closed() {
    within("deploying", || {
        let refusing = || {
            StandIn::start("1.0.1", |words| match words {
                "DELETE /sequence/the-sequence" => says(
                    "500 Internal Server Error",
                    &json!({ "error": "Error removing Sequence" }),
                ),
                _ => Scene::Usual,
            })
        };
        let hub = refusing();
        let error = hub.host().deploy(PACKAGE).unwrap().close().unwrap_err();
        assert_eq!(
            (error.api().unwrap().status.as_u16(), error.operation()),
            (500, Some("delete sequence"))
        );
        // And not again when it is dropped.
        assert_eq!(hub.seen("DELETE").len(), 1);

        // What the function returned is there all the same.
        let hub = refusing();
        let run =
            |result: Result<u8, Mine>| hub.host().deploy_and_run(PACKAGE, |_| result).unwrap();
        for result in [Ok(7), Err(Mine::Own)] {
            let succeeds = result.is_ok();
            let ran = run(result);
            assert!(matches!(ran.result, Ok(7)) == succeeds, "{ran:?}");
            let error = ran.cleanup.unwrap_err();
            assert_eq!(error.operation(), Some("delete sequence"));
        }
        assert_eq!(hub.seen("DELETE").len(), 2);

        // Nobody is told of it otherwise.
        let hub = refusing();
        drop(hub.host().deploy(PACKAGE).unwrap());
        assert_eq!(hub.seen("DELETE").len(), 1);
    });
}

on_each_hub!(a_topic_goes_with_its_guard);
fn a_topic_goes_with_its_guard(host: HostClient) {
    let name = format!("guarded-{}", std::process::id());
    // A hub that is known to be too old is not asked.
    host.version().unwrap();
    let listed = |name: &TopicName| {
        host.list_topics()
            .unwrap()
            .iter()
            .any(|topic| topic.name == name.as_str())
    };
    match host.scoped_topic(name.as_str(), ContentType::Ndjson) {
        Err(error) => {
            assert!(error.is_unsupported(), "{error:?}");
            assert!(!has(
                &host,
                "a topic goes with its guard",
                Version::new(0, 35, 0)
            ));
        }
        Ok(topic) => {
            let name = topic.name().clone();
            assert!(listed(&name));
            topic.close().unwrap();
            assert!(!listed(&name));
        }
    }
    assert!(host.scoped_topic("a/b", ContentType::Text).is_err());
}

#[test]
fn a_topic_is_deleted_by_whichever_way_its_guard_ends() {
    within("deploying", || {
        let topic = |hub: &StandIn| {
            hub.host()
                .scoped_topic("a-topic", ContentType::Ndjson)
                .unwrap()
        };
        let hub = StandIn::start("1.0.1", |_| Scene::Usual);
        drop(topic(&hub));
        topic(&hub).close().unwrap();
        let guarded = topic(&hub);
        catch_unwind(AssertUnwindSafe(move || panic!("with {guarded:?}"))).unwrap_err();
        assert_eq!(hub.seen("DELETE /topics/a-topic").len(), 3);
        assert_eq!(topic(&hub).keep().as_str(), "a-topic");
        assert_eq!(hub.seen("DELETE /topics/a-topic").len(), 3);

        // Also where its limits were reached before.
        let token = CancelToken::new();
        let guarded = hub
            .host()
            .with_cancel(&token)
            .scoped_topic("a-topic", ContentType::Ndjson)
            .unwrap();
        token.cancel();
        drop(guarded);
        assert_eq!(hub.seen("DELETE /topics/a-topic").len(), 4);

        // One that is gone is as good as deleted; another refusal is told, and not repeated.
        for (status, told) in [
            ("404 Not Found", false),
            ("500 Internal Server Error", true),
        ] {
            let hub = StandIn::start("1.0.1", move |words| match words {
                "DELETE /topics/a-topic" => {
                    says(status, &json!({ "error": "Topic a-topic not found" }))
                }
                _ => Scene::Usual,
            });
            assert_eq!(topic(&hub).close().is_err(), told, "{status}");
            assert_eq!(hub.seen("DELETE").len(), 1, "{status}");
        }
    });
}

/// Neither a guard nor a child hangs where the hub is gone.
#[test]
fn letting_go_of_what_a_lost_hub_had_does_not_hang() {
    within("deploying", || {
        let hub = StandIn::start("1.0.1", |_| Scene::Usual);
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
