//! A hub behind a forward proxy. The client sends plain requests to it, without a CONNECT tunnel.

use std::io::{BufRead, BufReader, Read, Write};

use scramjet_client_blocking::{ContentType, HostClient, Input, Upload};
use scramjet_client_tests::forward::ForwardProxy;
use scramjet_client_tests::on_each_hub;

use crate::helpers::{Numbered, SameNumbered};
use crate::samples::running;

const HUB: &str = "hub.invalid:8000";

on_each_hub!(builder_proxy_forwards_transform_and_input_writer);
fn builder_proxy_forwards_transform_and_input_writer(direct: HostClient) {
    let proxy = ForwardProxy::start(HUB, direct.base_url(), "HTTP/1.1 500 no\r\n\r\n");
    let (_, path) = direct.base_url().rsplit_once("/api").unwrap();
    let host = HostClient::builder(format!("http://{HUB}/api{path}"))
        .proxy(proxy.url())
        .build()
        .unwrap();
    use_hub(&host);
    assert!(
        proxy
            .requests()
            .iter()
            .all(|request| request.method != "CONNECT")
    );
    // Most requests reuse a connection.
    assert!(proxy.connections() < proxy.requests().len());
}

fn use_hub(host: &HostClient) {
    host.version().unwrap();
    let (_sequence, instance) = running(host, "echo");
    const LENGTH: u64 = 1 << 20;
    let data = Upload::reader(Numbered::new().take(LENGTH));
    let mut same = SameNumbered::new(LENGTH);
    let done = instance.transform(
        Input::bytes(data).content_type(ContentType::Text),
        &mut same,
    );
    assert_eq!(done.unwrap().received, LENGTH);
    assert_eq!(same.left(), 0);

    // Both directions work at the same time.
    let (_sequence, instance) = running(host, "echo");
    let mut answers = BufReader::new(instance.output().unwrap());
    let mut writer = instance.input_writer(ContentType::Text).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        writer.write_all(line.as_bytes()).unwrap();
        writer.flush().unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    writer.finish().unwrap();

    let error = host.instance("no-such-id").unwrap().info().unwrap_err();
    assert!(error.is_not_found() && error.proxy().is_none(), "{error:?}");
}
