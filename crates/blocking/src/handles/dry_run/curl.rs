//! Writes a request as a command of `curl`.

use std::fmt;

use scramjet_client_core::http::{Method, header};

use super::shell::{Printf, Word, printable};
use super::{DryRun, DryRunBody};

/// The longest body that is an argument of `curl`. Linux allows 128 KiB per argument of a program.
/// `printf` has no such limit, because it is part of the shell.
const LONGEST_ARGUMENT: usize = 64 << 10;

/// Above this body size, some versions of `curl` send `Expect: 100-continue`.
const EXPECT_THRESHOLD: usize = 1 << 10;

pub(super) fn write(dry_run: &DryRun, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let broken = f.alternate();
    if broken && !dry_run.hidden.is_empty() {
        f.write_str("# *** stands for what is not shown:")?;
        // Escaped, because a line break in a name would end the comment.
        dry_run
            .hidden
            .iter()
            .try_for_each(|name| write!(f, " {}", name.escape_debug()))?;
        f.write_str("\n")?;
    }
    let mut command = Command {
        f,
        separator: if broken { " \\\n  " } else { " " },
    };
    let body = CurlBody::of(dry_run);
    if let CurlBody::Piped(bytes) = body {
        write!(command.f, "{} | ", Printf(bytes))?;
    }
    command.f.write_str("curl")?;
    command.address(dry_run)?;
    command.method(&dry_run.method, &body)?;
    command.headers(dry_run, &body)?;
    match body {
        CurlBody::None => Ok(()),
        CurlBody::Argument(bytes) => command.option(format_args!("--data-binary {}", Word(bytes))),
        CurlBody::Piped(_) => command.option("--data-binary @-"),
        CurlBody::Upload(None) => command.option("-T -"),
        // `-T -` and `-T .` read the standard input.
        CurlBody::Upload(Some(file @ ("-" | "."))) => command.option(format_args!("-T ./{file}")),
        CurlBody::Upload(Some(file)) => {
            command.option(format_args!("-T {}", Word(file.as_bytes())))
        }
    }
}

/// The way in which the command passes the body.
enum CurlBody<'a> {
    None,
    Argument(&'a [u8]),
    Piped(&'a [u8]),
    Upload(Option<&'a str>),
}

impl<'a> CurlBody<'a> {
    fn of(dry_run: &'a DryRun) -> Self {
        match &dry_run.body {
            DryRunBody::Upload => Self::Upload(dry_run.file.as_deref()),
            DryRunBody::Bytes(bytes)
                if bytes.is_empty()
                    && matches!(dry_run.method, Method::GET | Method::HEAD | Method::DELETE) =>
            {
                Self::None
            }
            // curl reads an argument that begins with @ as the name of a file.
            DryRunBody::Bytes(bytes)
                if bytes.len() <= LONGEST_ARGUMENT
                    && bytes.first() != Some(&b'@')
                    && printable(bytes).is_some() =>
            {
                Self::Argument(bytes)
            }
            DryRunBody::Bytes(bytes) => Self::Piped(bytes),
        }
    }
}

/// The command that is being written.
struct Command<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    separator: &'static str,
}

impl Command<'_, '_> {
    /// Writes an option, on a new line in the form with several lines.
    fn option(&mut self, option: impl fmt::Display) -> fmt::Result {
        write!(self.f, "{}{option}", self.separator)
    }

    fn address(&mut self, dry_run: &DryRun) -> fmt::Result {
        let url = dry_run.url.to_string();
        let globs = |text: &str| text.contains(['[', ']', '{', '}']);
        // With `-g`, curl does not expand brackets and braces.
        let literal = if globs(&url) || dry_run.file.as_deref().is_some_and(globs) {
            "-g "
        } else {
            ""
        };
        // Always on the first line, next to `curl`.
        write!(self.f, " {literal}{}", Word(url.as_bytes()))
    }

    /// Writes the method, if curl would use another.
    fn method(&mut self, method: &Method, body: &CurlBody<'_>) -> fmt::Result {
        match (body, method) {
            (CurlBody::None, &Method::GET)
            | (CurlBody::Argument(_) | CurlBody::Piped(_), &Method::POST)
            | (CurlBody::Upload(_), &Method::PUT) => Ok(()),
            (CurlBody::None, &Method::HEAD) => self.option("--head"),
            _ => self.option(format_args!("-X {}", Word(method.as_str().as_bytes()))),
        }
    }

    /// Writes the headers, and removes those that curl would add.
    fn headers(&mut self, dry_run: &DryRun, body: &CurlBody<'_>) -> fmt::Result {
        let headers = &dry_run.headers;
        for (name, value) in headers {
            if name == header::ACCEPT && value == "*/*" {
                // curl sends this header itself.
            } else if value.is_empty() {
                self.option(format_args!("-H '{name};'"))?;
            } else {
                let line = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
                self.option(format_args!("-H {}", Word(&line)))?;
            }
        }
        let added = [
            (header::ACCEPT, true),
            (
                header::CONTENT_TYPE,
                matches!(body, CurlBody::Argument(_) | CurlBody::Piped(_)),
            ),
            (
                header::EXPECT,
                match body {
                    CurlBody::None => false,
                    CurlBody::Argument(bytes) | CurlBody::Piped(bytes) => {
                        bytes.len() > EXPECT_THRESHOLD
                    }
                    CurlBody::Upload(_) => true,
                },
            ),
        ];
        for (name, _) in added
            .into_iter()
            .filter(|(name, adds)| *adds && !headers.contains_key(name))
        {
            self.option(format_args!("-H {name}:"))?;
        }
        Ok(())
    }
}
