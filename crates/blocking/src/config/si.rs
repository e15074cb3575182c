//! The profiles of the command-line tool `si`.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use http::HeaderValue;
use scramjet_client_core::Endpoint;
use serde_json::{Map, Value};

use super::env::{variable, without_value};
use super::error::ConfigError;
use crate::handles::builder::HostClientBuilder;
use crate::handles::host::HostClient;
use crate::handles::platform::middleware::MiddlewareClient;
use crate::support::small_file;

const CONFIG_PATH: &str = "SI_CONFIG_PATH";
const CONFIG: &str = "SI_CONFIG";
const DEFAULT: &str = "default";

/// Upper bound for the size of a profile, which usually has some hundred bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A profile of the command-line tool `si` (`@scramjet/cli` on npm): the address of a hub or of the
/// platform, and the token for it. With it, a program uses the same hub as `si`.
///
/// Profiles are only read, never written or created. Their format is the same from 0.26.1 to 1.0.1
/// (tested with 0.26.1).
///
/// ```no_run
/// use scramjet_client_blocking::config::SiProfile;
///
/// let host = SiProfile::current()?.host()?;
/// println!("{}", host.version()?.version);
///
/// let middleware = SiProfile::named("cloud")?.middleware()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SiProfile {
    name: Option<String>,
    path: PathBuf,
    api_url: String,
    middleware_api_url: Option<String>,
    production: bool,
    scope: Option<String>,
    token: Option<String>,
}

impl SiProfile {
    /// Returns the profile that `si` uses without the options `--config` and `--config-path`.
    ///
    /// This is the first of the following:
    ///
    /// - the file that the variable `SI_CONFIG_PATH` names;
    /// - the profile that the variable `SI_CONFIG` names;
    /// - the profile that `si config profile use` has selected;
    /// - the profile `default`.
    ///
    /// If the selected profile is missing or unreadable, `si` continues with the profile `default`
    /// (version 0.26.1: with the hub at `http://127.0.0.1:8000/api/v1`). This method returns an
    /// error instead, because a program should not use another hub than the selected one.
    ///
    /// # Errors
    /// The profile does not exist, or its file is unreadable or invalid.
    pub fn current() -> Result<Self, ConfigError> {
        if let Some(path) = variable(CONFIG_PATH)? {
            return Self::from_path(&path).map_err(|error| match error {
                ConfigError::Read { path, source } => {
                    let problem = format!("cannot read {}", path.display());
                    ConfigError::Variable {
                        variable: CONFIG_PATH,
                        problem,
                        source: Some(source),
                    }
                }
                error => error,
            });
        }
        if let Some(name) = variable(CONFIG)? {
            return Self::find(&name, Some(CONFIG.into()));
        }
        let path = folder()?.join("si-config.json");
        let chosen = match read(&path) {
            Ok(file) => Fields {
                path: &path,
                fields: file,
            }
            .text("profile")?,
            Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                None
            }
            Err(error) => return Err(error),
        };
        match chosen {
            Some(name) => Self::find(&name, Some(path.display().to_string())),
            None => Self::named(DEFAULT),
        }
    }

    /// Returns the profile with this name, as created by `si config profile create`.
    ///
    /// # Errors
    /// The profile does not exist, or its file is unreadable or invalid.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        Self::find(name, None)
    }

    /// Reads the profile in a file, like `si --config-path`.
    ///
    /// # Errors
    /// The file is unreadable, or is not a profile.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::read(path.as_ref())
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = Fields {
            path,
            fields: read(path)?,
        };
        file.check_version()?;
        let production = match file.text("env")?.as_deref() {
            Some("development") => false,
            Some("production") => true,
            _ => {
                return Err(file.wrong("its \"env\" is neither \"development\" nor \"production\""));
            }
        };
        Ok(Self {
            name: None,
            path: path.to_owned(),
            api_url: file
                .text("apiUrl")?
                .ok_or_else(|| file.wrong("it has no \"apiUrl\", the address of a hub"))?,
            middleware_api_url: file.text("middlewareApiUrl")?,
            production,
            scope: file.text("scope")?,
            token: file.text("token")?,
        })
    }

    /// Returns the names of all profiles, sorted.
    ///
    /// # Errors
    /// The home folder is unknown, or the folder of the profiles is unreadable.
    pub fn names() -> Result<Vec<String>, ConfigError> {
        names_in(&folder()?.join("profiles"))
    }

    fn find(name: &str, named_by: Option<String>) -> Result<Self, ConfigError> {
        let folder = folder()?.join("profiles");
        let existing = names_in(&folder)?;
        // Compared before it becomes part of a path, so a name cannot lead to another folder.
        if !existing.iter().any(|known| known == name) {
            return Err(ConfigError::NoProfile {
                name: name.into(),
                named_by,
                folder,
                existing,
            });
        }
        let profile = Self::read(&folder.join(format!("{name}.json")))?;
        Ok(Self {
            name: Some(name.into()),
            ..profile
        })
    }

    /// Returns the name of the profile. `None` if it was read from a path.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the path of the profile's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `apiUrl`, the base URL of a hub. `si` uses it only if `env` is `development`.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// Returns `middlewareApiUrl`, the base URL of the platform, if the profile has one.
    #[must_use]
    pub fn middleware_api_url(&self) -> Option<&str> {
        self.middleware_api_url.as_deref()
    }

    /// Returns `true` if `env` is `production`. The profile is then for the platform, and not for
    /// the hub at [`api_url`](Self::api_url).
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.production
    }

    /// Returns `scope`, the name of a selection of space and hub. `si` ignores it.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns `token`, the access token for the platform. It is a secret; `Debug` output does not
    /// show it.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Creates a client of the profile's hub. Sends nothing.
    ///
    /// The client does not send the token, because the token is for the platform. `si` does the
    /// same.
    ///
    /// # Errors
    /// The profile is for the platform and has no hub, or the base URL is invalid.
    pub fn host(&self) -> Result<HostClient, ConfigError> {
        self.host_builder()?
            .build()
            .map_err(|error| self.unusable("apiUrl", error))
    }

    /// Creates a builder for the client of the profile's hub, to add more settings.
    ///
    /// # Errors
    /// Like [`host`](Self::host).
    pub fn host_builder(&self) -> Result<HostClientBuilder, ConfigError> {
        if self.production {
            let problem = "its \"env\" is \"production\", so it is for the platform and names \
                           no hub; use SiProfile::middleware()?.manager(space)?.host(hub)?, \
                           or another profile";
            return Err(ConfigError::profile(&self.path, problem));
        }
        self.builder("apiUrl", &self.api_url)
    }

    /// Creates a client of the profile's platform, with the token. Sends nothing.
    ///
    /// # Errors
    /// The profile has no base URL of a platform, or that URL or the token is invalid.
    pub fn middleware(&self) -> Result<MiddlewareClient, ConfigError> {
        self.middleware_builder()?
            .build_middleware()
            .map_err(|error| self.unusable("middlewareApiUrl", error))
    }

    /// Creates a builder for the client of the profile's platform, to add more settings. Finish it
    /// with [`build_middleware`](HostClientBuilder::build_middleware).
    ///
    /// # Errors
    /// Like [`middleware`](Self::middleware).
    pub fn middleware_builder(&self) -> Result<HostClientBuilder, ConfigError> {
        let missing = "it has no \"middlewareApiUrl\", the address of the platform; \
                       add it with `si config set middlewareApiUrl`";
        let url = self
            .middleware_api_url
            .as_deref()
            .ok_or_else(|| ConfigError::profile(&self.path, missing))?;
        let builder = self.builder("middlewareApiUrl", url)?;
        let Some(token) = &self.token else {
            return Ok(builder);
        };
        HeaderValue::from_str(token).map_err(|_| {
            self.unusable("token", "it contains a character that HTTP does not allow")
        })?;
        Ok(builder.bearer_token(token))
    }

    fn builder(&self, field: &str, url: &str) -> Result<HostClientBuilder, ConfigError> {
        Endpoint::new(url).map_err(|error| self.unusable(field, without_value(&error)))?;
        Ok(HostClient::builder(url))
    }

    fn unusable(&self, field: &str, problem: impl fmt::Display) -> ConfigError {
        ConfigError::profile(&self.path, format_args!("its {field:?}: {problem}"))
    }
}

impl fmt::Debug for SiProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiProfile")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("api_url", &redact(&self.api_url))
            .field(
                "middleware_api_url",
                &self.middleware_api_url.as_deref().map(redact),
            )
            .field("production", &self.production)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Removes the parts of a URL that may contain secrets: user name, password, query and fragment.
fn redact(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    // The last `@` counts, because the password of an invalid URL may contain one.
    let host = rest
        .rsplit('@')
        .next()
        .and_then(|host| host.split(['?', '#']).next())
        .unwrap_or_default();
    format!("{scheme}{host}")
}

/// Returns the folder of `si`, in the home folder as Node.js finds it: `HOME`, on Windows
/// `USERPROFILE`, or the system's record of the user.
fn folder() -> Result<PathBuf, ConfigError> {
    #[allow(deprecated, reason = "not deprecated any more since Rust 1.87")]
    let home = std::env::home_dir();
    home.map(|home| home.join(".si")).ok_or(ConfigError::NoHome)
}

fn names_in(folder: &Path) -> Result<Vec<String>, ConfigError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // `si` has never run.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ConfigError::read(folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(ConfigError::read(folder))?.file_name();
        names.extend(
            file.to_str()
                .and_then(|file| file.strip_suffix(".json"))
                .map(str::to_owned),
        );
    }
    names.sort_unstable();
    Ok(names)
}

fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let bytes = small_file::read(path, MAX_BYTES).map_err(ConfigError::read(path))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| ConfigError::profile(path, format_args!("it is not UTF-8: {error}")))?;
    // `parse` is compiled in serde_json. `from_str` would be compiled again in this crate.
    match text.parse() {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ConfigError::profile(path, "it is not a JSON object")),
        Err(error) => Err(ConfigError::profile(
            path,
            format_args!("it is not JSON: {error}"),
        )),
    }
}

/// The members of a profile. Errors do not quote their values, because any of them may be a secret.
struct Fields<'a> {
    path: &'a Path,
    fields: Map<String, Value>,
}

impl Fields<'_> {
    fn wrong(&self, problem: impl fmt::Display) -> ConfigError {
        ConfigError::profile(self.path, problem)
    }

    /// Returns a string member; `None` if it is missing or empty.
    fn text(&self, field: &str) -> Result<Option<String>, ConfigError> {
        match self.fields.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(format_args!("its {field:?} is not a string"))),
        }
    }

    fn check_version(&self) -> Result<(), ConfigError> {
        match self.fields.get("configVersion").map(Value::as_u64) {
            Some(Some(1)) => {}
            Some(Some(version)) => {
                return Err(self.wrong(format_args!(
                    "its \"configVersion\" is {version}, but this library supports only 1; \
                     update the library, or use a profile of si 1.0"
                )));
            }
            _ => {
                return Err(self.wrong("it has no \"configVersion\", so it is not a profile of si"));
            }
        }
        // Written by versions of `si` after 1.0.1, which then ignore the URL in the profile.
        if self.fields.contains_key("verser2") {
            return Err(self.wrong(
                "it connects to its hub with \"verser2\" instead of HTTP, \
                 which this library does not support; use another profile",
            ));
        }
        Ok(())
    }
}
