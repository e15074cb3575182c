//! Middleware, Manager and MultiManager: the route through them to a hub, and their own routes.

use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::platform::{
    DisconnectHubs, ManagerClient, MiddlewareClient, MultiManagerClient,
};
use scramjet_client_blocking::{ByteStream, ContentType, Error, HostClient, Input, Upload};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::calls::client_builder;
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::proxy::PlatformProxy;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::json;

use crate::program::{self, Outcome};

/// The responses of a platform on its own routes, as the TypeScript client declares them.
fn answer(request: &ReceivedRequest) -> Option<Vec<u8>> {
    let route = request
        .target
        .rsplit_once("/api/v1/")
        .map_or("", |(_, route)| route);
    let body = match (request.method.as_str(), route) {
        ("GET", "version") => {
            json!({
                "service": "@scramjet/manager", "apiVersion": "v1", "version": "1.0.1",
                "build": "abc",
            })
        }
        ("GET", "spaces") => json!([{ "id": "my-space" }]),
        ("GET", "load") => {
            json!({ "avgLoad": 1.5, "currentLoad": 2, "memFree": 3, "memUsed": 4, "fsSize": [] })
        }
        ("GET", "list") => {
            json!([{
                "id": "my-hub", "info": { "created": "2026-11-23T19:31:57.434Z" }, "healthy": true,
                "selfHosted": false, "isConnectionActive": true, "tags": ["a"],
            }])
        }
        ("GET", "config") => json!({ "config": { "apiBase": "/api/v1", "id": "m" } }),
        ("GET", "sequences" | "all_sequences") => {
            json!([{
                "id": "s", "name": "n", "config": { "name": "n" }, "location": "my-hub",
                "instances": ["i"],
            }])
        }
        ("GET", "instances") => json!([{ "id": "i", "sequence": "s", "status": "running" }]),
        ("GET", "topics") => {
            json!([{
                "name": "t", "contentType": "text/plain",
                "actors": [{ "hostId": "my-hub", "role": "producer" }],
            }])
        }
        ("GET", "s3") => {
            json!([{
                "id": "item", "name": "n", "version": "1.0.0", "engines": { "node": ">=16" },
            }])
        }
        ("GET", "info") => {
            json!({ "apiBase": "/api/v1", "apiPort": 11000, "id": "mm", "managersCount": 2 })
        }
        ("GET", "log" | "audit" | "topic/t") => json!({ "line": 1 }),
        ("PUT", "s3" | "s3/item") => json!({ "id": "item", "name": "n" }),
        ("POST", "start") => json!({ "id": "new-manager" }),
        ("POST", "disconnect") => {
            json!({
                "opStatus": "OK", "managerId": "m",
                "disconnected": [{ "sthId": "my-hub", "reason": "x" }],
            })
        }
        ("POST", "topic/t") => json!({}),
        ("DELETE", "s3/item" | "store" | "sth/my-hub") => json!({ "opStatus": "OK" }),
        ("GET", "space/my-space/apikey" | "apikey") => {
            json!({ "accessKeys": [{ "created": "2026-11-23T19:31:57.434Z", "description": "d" }] })
        }
        ("POST", "space/my-space/apikey") => json!({ "apiKey": "the-key" }),
        ("DELETE", "space/my-space/apikey") => json!({ "message": "revoked", "keysRevoked": 2 }),
        _ => return None,
    };
    Some(response(
        "200 OK",
        &[("Content-Type", "application/json")],
        body.to_string().as_bytes(),
    ))
}

/// Runs the program through the whole platform. Every request has the credentials, and all requests
/// use one connection.
fn run_through_the_platform(proxy: &PlatformProxy) {
    let mut platform = client_builder(proxy.url()).bearer_token("the-token");
    if let Some(pem) = proxy.certificate() {
        platform = platform.ca_certificate_pem(pem);
    }
    let platform = platform.build_middleware().unwrap();
    assert_eq!(platform.list_spaces().unwrap()[0].id, "my-space");
    let manager = platform.manager("my-space").unwrap();
    let hubs = manager.list_hubs().unwrap();
    let hub = manager.host(&hubs[0].id).unwrap();
    assert_eq!(program::run(&hub).unwrap(), Outcome::expected());

    assert_eq!(proxy.connections(), 1);
    for request in proxy.requests() {
        assert_eq!(
            request.header("authorization"),
            Some("Bearer the-token"),
            "{}",
            request.target
        );
    }
    let version = proxy
        .requests()
        .iter()
        .find(|request| request.target.ends_with("/version"))
        .map(|request| request.target.clone());
    assert_eq!(
        version.as_deref(),
        Some("/api/v1/space/my-space/api/v1/sth/my-hub/api/v1/version")
    );
}

on_each_hub!(manager_host_reaches_a_hub_through_the_middleware);
fn manager_host_reaches_a_hub_through_the_middleware(host: HostClient) {
    run_through_the_platform(&PlatformProxy::start(host.base_url(), answer));
}

on_each_hub!(manager_host_reaches_a_hub_through_the_middleware_over_https);
fn manager_host_reaches_a_hub_through_the_middleware_over_https(host: HostClient) {
    run_through_the_platform(&PlatformProxy::start_tls(host.base_url(), answer));
}

#[test]
fn middleware_version_fails_if_the_certificate_is_not_trusted() {
    let proxy = PlatformProxy::start_tls("http://127.0.0.1:9/api/v1", answer);
    let error = MiddlewareClient::new(proxy.url())
        .unwrap()
        .version()
        .unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
    for (pem, problem) in [
        ("", "no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            "ca_certificates",
        ),
    ] {
        let error = HostClient::builder(proxy.url())
            .ca_certificate_pem(pem)
            .build()
            .unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

/// Starts a platform without a hub.
fn platform() -> ScriptedServer {
    ScriptedServer::start(|connection| {
        while let Ok(request) = connection.read_request() {
            let not_found = || response("404 Not Found", &[], b"");
            let _ = connection.send(answer(&request).unwrap_or_else(not_found));
        }
    })
}

#[test]
fn manager_client_uses_all_its_routes() {
    let server = platform();
    let manager = client_builder(server.url()).build_manager().unwrap();
    assert_eq!(
        manager.version().unwrap().service.as_deref(),
        Some("@scramjet/manager")
    );
    assert_eq!(manager.load().unwrap().mem_free, 3.0);
    let hubs = manager.list_hubs().unwrap();
    assert_eq!(
        (hubs[0].id.as_str(), hubs[0].healthy, hubs[0].self_hosted),
        ("my-hub", Some(true), Some(false))
    );
    assert!(hubs[0].extra.contains_key("tags"));
    assert_eq!(manager.config().unwrap().config["id"], "m");
    assert_eq!(
        manager.list_sequences().unwrap()[0].location.as_deref(),
        Some("my-hub")
    );
    assert_eq!(manager.list_all_sequences().unwrap()[0].instances[0], "i");
    assert_eq!(manager.list_instances().unwrap()[0].id, "i");
    assert_eq!(manager.list_topics().unwrap()[0].name, "t");
    assert_eq!(
        manager.list_store_items().unwrap()[0].version.as_deref(),
        Some("1.0.0")
    );
    assert_eq!(
        manager
            .put_store_item(b"\x1f\x8bpackage".to_vec())
            .unwrap()
            .name
            .as_deref(),
        Some("n")
    );
    assert!(
        manager
            .put_store_item_as("item", Upload::bytes(*b"\x1f\x8bpackage"))
            .unwrap()
            .id
            .is_some_and(|id| id == "item")
    );
    manager.delete_store_item("item").unwrap();
    manager.clear_store().unwrap();
    let disconnected = manager
        .disconnect_hubs(&DisconnectHubs::id("my-hub").limit(1))
        .unwrap();
    assert_eq!(disconnected.disconnected[0].sth_id, "my-hub");
    manager.delete_hub("my-hub", false).unwrap();
    manager.delete_hub("my-hub", true).unwrap();
    assert_eq!(
        manager
            .send_topic("t", Input::bytes(b"abc".to_vec()))
            .unwrap()
            .bytes,
        3
    );
    let read =
        |stream: Result<ByteStream, Error>| std::io::read_to_string(stream.unwrap()).unwrap();
    assert_eq!(
        read(manager.topic("t", ContentType::Bytes)),
        r#"{"line":1}"#
    );
    assert_eq!(read(manager.log_stream()), r#"{"line":1}"#);
    assert_eq!(read(manager.audit_stream()), r#"{"line":1}"#);
    // Every response was read completely, so all requests used one connection.
    assert_eq!(server.connections(), 1);
}

#[test]
fn multi_manager_client_uses_all_its_routes() {
    let server = platform();
    let multi = client_builder(server.url()).build_multi_manager().unwrap();
    assert_eq!(multi.list_managers().unwrap()[0].id, "my-hub");
    assert_eq!(multi.version().unwrap().version, "1.0.1");
    assert_eq!(multi.load().unwrap().avg_load, 1.5);
    assert_eq!(multi.info().unwrap().managers_count, Some(2));
    assert!(
        std::io::read_to_string(multi.log_stream().unwrap())
            .unwrap()
            .contains("line")
    );
    let manager = multi.start_manager(json!({ "id": "new-manager" })).unwrap();
    assert_eq!(
        manager.base_url(),
        format!("{}/cpm/new-manager/api/v1", server.url())
    );
    let error = multi.start_manager("new-manager").unwrap_err();
    assert!(
        error.to_string().contains("must be a JSON object"),
        "{error}"
    );
}

#[test]
fn middleware_client_uses_all_its_routes() {
    let server = platform();
    let middleware = client_builder(server.url()).build_middleware().unwrap();
    assert_eq!(middleware.version().unwrap().version, "1.0.1");
    let keys = middleware.list_access_keys("my-space").unwrap().access_keys;
    assert_eq!(keys[0].description.as_deref(), Some("d"));
    assert!(
        keys[0]
            .created
            .as_ref()
            .and_then(|created| created.since_unix_epoch())
            .is_some()
    );
    assert_eq!(
        middleware
            .create_access_key("my-space", Some(" d "))
            .unwrap()["apiKey"],
        "the-key"
    );
    assert_eq!(
        middleware.create_access_key("my-space", None).unwrap()["apiKey"],
        "the-key"
    );
    middleware.revoke_access_key("my-space", "the-key").unwrap();
    assert_eq!(
        middleware
            .revoke_all_access_keys("my-space")
            .unwrap()
            .keys_revoked,
        2
    );
    assert!(
        std::io::read_to_string(middleware.audit_stream().unwrap())
            .unwrap()
            .contains("line")
    );
    for key in ["", "a\r\nb"] {
        assert!(
            middleware
                .revoke_access_key("my-space", key)
                .unwrap_err()
                .to_string()
                .contains("x-revoke")
        );
    }
}

#[test]
fn platform_clients_reject_ids_that_would_change_the_route() {
    let server = platform();
    let manager = ManagerClient::new(server.url()).unwrap();
    let refusals: [Error; 6] = [
        manager.host("../x").unwrap_err(),
        manager.delete_hub("", false).unwrap_err(),
        manager.delete_store_item("a/b").unwrap_err(),
        MultiManagerClient::new(server.url())
            .unwrap()
            .manager("a?b")
            .unwrap_err(),
        MiddlewareClient::new(server.url())
            .unwrap()
            .manager("a b")
            .unwrap_err(),
        MiddlewareClient::new(server.url())
            .unwrap()
            .revoke_all_access_keys("..")
            .unwrap_err(),
    ];
    for error in refusals {
        assert!(
            matches!(
                error.kind(),
                scramjet_client_blocking::ErrorKind::Request(RequestError::PathSegment { .. })
            ),
            "{error:?}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn host_manager_reaches_the_manager_of_the_hub() {
    let server = platform();
    let manager = HostClient::new(server.url()).unwrap().manager().unwrap();
    assert_eq!(manager.base_url(), format!("{}/cpm/api/v1", server.url()));
    assert_eq!(
        manager.version().unwrap().service.as_deref(),
        Some("@scramjet/manager")
    );
}

on_each_hub!(host_manager_is_not_found_if_the_hub_has_no_manager);
fn host_manager_is_not_found_if_the_hub_has_no_manager(host: HostClient) {
    let error = host.manager().unwrap().version().unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}
