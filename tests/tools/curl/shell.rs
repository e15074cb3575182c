//! A shell passes any bytes to curl unchanged. A shell function `curl` prints its arguments.

use std::process::{Command, Stdio};

use scramjet_client_blocking::core::Streamed;
use scramjet_client_blocking::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use scramjet_client_blocking::types::DryRun;

const SHELLS: [&[&str]; 5] = [
    &["sh"],
    &["bash", "--posix"],
    &["zsh"],
    &["ksh"],
    &["busybox", "sh"],
];

/// Prints the number of arguments, each of them, and stdin.
const CURL: &str = r#"curl() { printf '%s\0' "$#" "$@"; cat; }
"#;

/// Returns the arguments and the stdin of `curl`.
fn called(shell: &[&str], command: &str) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
    let mut process = Command::new(shell[0]);
    process
        .args(&shell[1..])
        .args(["-c", &format!("{CURL}{command}")])
        .stdin(Stdio::null())
        .env("LC_ALL", "C");
    // Not every machine has every shell.
    let output = process.output().ok()?;
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{shell:?}: {command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut words = output.stdout.splitn(2, |byte| *byte == 0);
    let count: usize = std::str::from_utf8(words.next().unwrap())
        .unwrap()
        .parse()
        .unwrap();
    let mut words = words
        .next()
        .unwrap()
        .splitn(count + 1, |byte| *byte == 0)
        .map(<[u8]>::to_vec);
    let arguments = words.by_ref().take(count).collect();
    Some((arguments, words.next().unwrap()))
}

/// A request, as curl reads it from the arguments.
#[derive(Debug, Default, PartialEq)]
struct Read {
    url: Vec<u8>,
    method: Option<Vec<u8>>,
    headers: Vec<Vec<u8>>,
    body: Option<Vec<u8>>,
    file: Option<Vec<u8>>,
    literal: bool,
}

impl Read {
    fn of((arguments, input): (Vec<Vec<u8>>, Vec<u8>)) -> Self {
        let mut read = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_slice() {
                b"-g" => read.literal = true,
                b"-X" => read.method = arguments.next(),
                b"-H" => read.headers.extend(arguments.next()),
                b"-T" => read.file = arguments.next(),
                b"--data-binary" => {
                    let data = arguments.next().unwrap();
                    assert!(
                        data.len() < 128 << 10,
                        "no program accepts such an argument on Linux"
                    );
                    assert!(
                        data == b"@-" || data.first() != Some(&b'@'),
                        "the name of a file"
                    );
                    read.body = Some(if data == b"@-" { input.clone() } else { data });
                }
                _ => {
                    assert!(read.url.is_empty(), "two addresses");
                    read.url = argument;
                }
            }
        }
        read.headers.sort();
        read
    }
}

/// A random number generator with a fixed seed.
struct Random(u64);

impl Random {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % sides
    }

    /// Returns bytes that mostly have a meaning to a shell, printf or curl.
    fn bytes(&mut self, longest: usize, allowed: impl Fn(u8) -> bool) -> Vec<u8> {
        const MEANING: &[u8] = b"'\"\\$`!@-%#&;|<>(){}[]*?~=: \t\r\n\0n01789\x1b\x7f\xc5\xbc\xff";
        // Half of them are printable text.
        let text = self.roll(2) == 0;
        let length = self.roll(longest + 1);
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let byte = if self.roll(3) > 0 {
                MEANING[self.roll(MEANING.len())]
            } else {
                u8::try_from(self.roll(256)).unwrap()
            };
            if allowed(byte) && (!text || (0x20..0x7f).contains(&byte)) {
                bytes.push(byte);
            }
        }
        bytes
    }
}

#[test]
#[cfg(unix)]
fn dry_run_command_passes_any_bytes_through_a_shell() {
    let mut dice = Random(0x2545_f491_4f6c_dd1d);
    let mut shells = 0;
    for shell in SHELLS {
        if called(shell, "curl").is_none() {
            continue;
        }
        shells += 1;
        for round in 0..150 {
            let mut headers = HeaderMap::new();
            let mut expected = Read {
                url: b"http://h/a%20b'c&d$e".to_vec(),
                ..Read::default()
            };
            for name in ["x-force", "content-type", "accept"] {
                let value = dice.bytes(12, |byte| byte == b'\t' || byte >= 0x20 && byte != 0x7f);
                let line = if value.is_empty() {
                    format!("{name};").into_bytes()
                } else {
                    [name.as_bytes(), b": ", &value].concat()
                };
                expected.headers.push(line);
                headers.insert(
                    HeaderName::from_static(name),
                    HeaderValue::from_bytes(&value).unwrap(),
                );
            }
            let uri = Uri::from_static("http://h/a%20b'c&d$e");
            let dry_run = if round % 3 == 0 {
                let file = String::from_utf8_lossy(&dice.bytes(12, |byte| byte != 0)).into_owned();
                expected.literal = file.contains(['[', ']', '{', '}']);
                expected.file = Some(
                    if matches!(file.as_str(), "-" | ".") {
                        format!("./{file}")
                    } else {
                        file.clone()
                    }
                    .into_bytes(),
                );
                expected.headers.push(b"expect:".to_vec());
                DryRun::new(request(Method::PUT, uri, headers, Streamed::default())).with_file(file)
            } else {
                let body = dice.bytes(40, |_| true);
                expected.body = Some(body.clone());
                expected.method = Some(b"PATCH".to_vec());
                DryRun::new(request(Method::PATCH, uri, headers, body)).with_values()
            };
            expected.headers.sort();
            for command in [format!("{dry_run}"), format!("{dry_run:#}")] {
                assert_eq!(
                    Read::of(called(shell, &command).unwrap()),
                    expected,
                    "{shell:?}: {command}"
                );
            }
            let line = dry_run.to_string();
            let breaks = line.contains('\n')
                && !expected
                    .file
                    .as_ref()
                    .is_some_and(|file| file.ends_with(b"\n"));
            assert!(!breaks, "it is one line: {line}");
        }
    }
    assert!(shells > 0, "there is a shell");
}

fn request<B>(method: Method, uri: Uri, headers: HeaderMap, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}

#[test]
#[cfg(unix)]
fn dry_run_command_passes_a_body_of_any_length() {
    for length in [1_000, 1_025, 70_000, 300_000] {
        let body = vec![b'x'; length];
        let dry_run = DryRun::new(request(
            Method::POST,
            Uri::from_static("http://h/"),
            HeaderMap::new(),
            body.clone(),
        ))
        .with_values();
        // Too long for an argument of the shell, so the script is a file.
        let folder = crate::helpers::Folder::new(&format!("curl-{length}"));
        let script = folder.file("script", format!("{dry_run}").as_bytes());
        let read = Read::of(called(&["sh"], &format!(". {}", script.display())).unwrap());
        assert!(read.body.is_some_and(|read| read == body), "{length}");
        let asks = if length > 1_024 {
            vec!["accept:", "content-type:", "expect:"]
        } else {
            vec!["accept:", "content-type:"]
        };
        assert_eq!(
            read.headers,
            asks.iter()
                .map(|line| line.as_bytes().to_vec())
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn with_file_quotes_any_name() {
    let command = |file: &str| {
        let dry_run = DryRun::new(request(
            Method::PUT,
            Uri::from_static("http://h/"),
            HeaderMap::new(),
            Streamed::default(),
        ));
        dry_run
            .with_file(file)
            .to_string()
            .replace("curl http://h/ -H accept: -H expect: -T ", "")
    };
    let names = [
        ("-", "./-"),
        (".", "./."),
        ("a/b.gz", "a/b.gz"),
        ("it's", r"'it'\''s'"),
        ("", "''"),
    ];
    for (file, word) in names {
        assert_eq!(command(file), word);
    }
}

#[test]
fn dry_run_uses_head_for_head_requests() {
    let head = |body: &[u8]| {
        DryRun::new(request(
            Method::HEAD,
            Uri::from_static("http://h/"),
            HeaderMap::new(),
            body.to_vec(),
        ))
        .with_values()
        .to_string()
    };
    assert_eq!(head(b""), "curl http://h/ --head -H accept:");
    assert_eq!(
        head(b"x"),
        "curl http://h/ -X HEAD -H accept: -H content-type: --data-binary x"
    );
}

#[test]
fn dry_run_comment_escapes_line_breaks_in_names() {
    let body = br#"{"\n: > /dev/full; x-token":"secret"}"#.to_vec();
    let dry_run = DryRun::new(request(
        Method::POST,
        Uri::from_static("http://h/{a}"),
        HeaderMap::new(),
        body,
    ));
    let text = format!("{dry_run:#}");
    assert!(
        text.starts_with(
            "# *** stands for what is not shown: \\n: > /dev/full; x-token\ncurl \
             -g 'http://h/{a}' \\\n  -H accept:"
        ),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
}
