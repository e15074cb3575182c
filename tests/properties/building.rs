//! Client settings: each request contains them unchanged, or the client cannot be built.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex};

use scramjet_client_blocking::http::{Request, Response};
use scramjet_client_blocking::transport::RequestBody;
use scramjet_client_blocking::{ErrorKind, HostClient};
use scramjet_client_testing::script::from_fn;

use crate::generated::{CASES, for_all, headers, texts};

#[test]
fn builder_header_and_bearer_token_are_sent_unchanged_or_refused() {
    let sent = Arc::<Mutex<Vec<(String, Vec<u8>)>>>::default();
    let transport = Arc::new(from_fn({
        let sent = Arc::clone(&sent);
        move |request: Request<RequestBody<'_>>| {
            let headers = request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            sent.lock().expect("no panic").extend(headers);
            Ok(Response::new(
                Box::new(io::Cursor::new(br#"{"version":"1.0.1"}"#)) as Box<dyn io::Read + Send>,
            ))
        }
    }));
    let client =
        || HostClient::builder("http://hub:8000/api/v1").transport(Arc::clone(&transport) as _);
    client()
        .build()
        .and_then(|host| host.version())
        .expect("a usual client");
    let usual = std::mem::take(&mut *sent.lock().expect("no panic"));

    let built = Cell::new(0);
    for_all(CASES, (headers(), texts()), |((name, value), token)| {
        let both = [
            (client().header(&name, &value), name.to_lowercase(), value),
            (
                client().bearer_token(&token),
                "authorization".to_owned(),
                format!("Bearer {token}"),
            ),
        ];
        for (builder, name, value) in both {
            match builder.build() {
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}"),
                Ok(host) => {
                    host.version().expect("an answer");
                    let mut expected = usual.clone();
                    expected.retain(|(other, _)| *other != name);
                    expected.push((name, value.into_bytes()));
                    expected.sort();
                    let mut sent = std::mem::take(&mut *sent.lock().expect("no panic"));
                    sent.sort();
                    assert_eq!(sent, expected);
                    built.set(built.get() + 1);
                }
            }
            assert!(
                sent.lock().expect("no panic").is_empty(),
                "something was sent by a client that is none"
            );
        }
    });
    assert!(
        built.get() > CASES / 10,
        "only {} clients were built",
        built.get()
    );
}
