//! The client rejects packages that are not gzip before it connects.

use std::fs::File;
use std::io::{self, Read};

use scramjet_client_blocking::platform::ManagerClient;
use scramjet_client_blocking::{Error, ErrorKind, HostClient, Upload};

use crate::helpers::{Folder, recording};

/// A reader that returns one byte per `read`.
struct OneByteReader(&'static [u8]);

impl Read for OneByteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn problem(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Upload(cause) => {
            assert_eq!(cause.kind(), io::ErrorKind::InvalidData);
            cause.to_string()
        }
        _ => panic!("{error:?}"),
    }
}

#[test]
fn send_sequence_and_deploy_reject_non_gzip_data_before_connecting() {
    let (server, _) = recording(br#"{"id":"the-sequence"}"#);
    let builder = || HostClient::builder(server.url()).hub_version("1.0.1");
    let host = builder().build().unwrap();
    let sequence = host.sequence("the-sequence").unwrap();
    let manager: ManagerClient = builder().build_manager().unwrap();
    let folder = Folder::new("not-gzip");
    for (content, begins) in [
        (&b"PK\x03\x04"[..], "it begins with 50 4b"),
        (b"\x1f\x8c", "it begins with 1f 8c"),
        (b"\x1f", "it begins with 1f"),
        (b"", "it is empty"),
    ] {
        let message = format!(
            "the package is not gzip-compressed: {begins}, but a gzip file begins with \
             1f 8b; send a .tar.gz, for example from `tar -czf`"
        );
        let path = folder.file("package", content);
        let uploads: [fn(&'static [u8], &std::path::Path) -> Upload; 6] = [
            |content, _| Upload::bytes(content),
            |_, path| Upload::path(path),
            |_, path| Upload::file(File::open(path).unwrap()),
            |content, _| Upload::reader(content),
            |content, _| Upload::reader(OneByteReader(content)),
            |content, _| Upload::sized_reader(content, content.len().try_into().unwrap()),
        ];
        for upload in uploads {
            let upload = || upload(content, &path);
            for error in [
                host.send_sequence(upload()).unwrap_err(),
                host.deploy(upload()).unwrap_err(),
                sequence.overwrite(upload()).unwrap_err(),
                manager.put_store_item(upload()).unwrap_err(),
                manager.put_store_item_as("an-id", upload()).unwrap_err(),
            ] {
                assert_eq!(problem(&error), message);
            }
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn send_sequence_sends_a_gzip_package_unchanged() {
    const PACKAGE: &[u8] = b"\x1f\x8bsome package";
    let folder = Folder::new("gzip");
    let path = folder.file("package", PACKAGE);
    for upload in [
        Upload::bytes(PACKAGE),
        Upload::path(&path),
        Upload::file(File::open(&path).unwrap()),
        Upload::reader(PACKAGE),
        Upload::reader(OneByteReader(PACKAGE)),
        // A sized reader sends no more than its length.
        Upload::sized_reader(PACKAGE.chain(io::repeat(b'x')), 14),
    ] {
        let (server, requests) = recording(br#"{"id":"the-sequence"}"#);
        let host = HostClient::new(server.url()).unwrap();
        host.send_sequence(upload).unwrap();
        assert_eq!(requests.take().body, PACKAGE);
    }
}
