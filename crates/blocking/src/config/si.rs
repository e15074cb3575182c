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

/// A profile has some hundred bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A profile of the command-line tool `si` (`@scramjet/cli` on npm): which hub or platform it works with, and how it gets in. So a program uses
/// the same as the shell that it is called from.
///
/// Profiles are read and never written, and nothing is made where there are none. Their format is the same from 0.26.1, with which this was
/// tried, to 1.0.1.
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
    /// The profile that `si` would use, when it is called without `--config` and `--config-path`: the file that `SI_CONFIG_PATH` names, or else the
    /// profile that `SI_CONFIG` names, or else the one that `si config profile use` has chosen, or else `default`.
    ///
    /// Where the chosen one is not there any more, or cannot be read, `si` turns to `default`, and 0.26.1 to `http://127.0.0.1:8000/api/v1`; that
    /// is an error here, for a program should not work with another hub than was chosen.
    ///
    /// # Errors
    /// There is no such profile, or its file cannot be used.
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

    /// The profile of this name, which `si config profile create` has made.
    ///
    /// # Errors
    /// There is none of this name, or its file cannot be used.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        Self::find(name, None)
    }

    /// The profile in this file, as `si --config-path` takes it.
    ///
    /// # Errors
    /// The file cannot be read, or is no profile.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
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

    /// The names of all profiles that there are, sorted.
    ///
    /// # Errors
    /// The home folder is not known, or the folder of the profiles cannot be read.
    pub fn names() -> Result<Vec<String>, ConfigError> {
        names_in(&folder()?.join("profiles"))
    }

    fn find(name: &str, named_by: Option<String>) -> Result<Self, ConfigError> {
        let folder = folder()?.join("profiles");
        let there = names_in(&folder)?;
        // Looked up, and not put into a path: a name cannot lead to another folder.
        if !there.iter().any(|known| known == name) {
            return Err(ConfigError::NoProfile {
                name: name.into(),
                named_by,
                folder,
                there,
            });
        }
        let profile = Self::from_path(folder.join(format!("{name}.json")))?;
        Ok(Self {
            name: Some(name.into()),
            ..profile
        })
    }

    /// Its name; none where it was read from a file that was named by its path.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `apiUrl`: the address of a hub's API. Only used with the environment `development`.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// `middlewareApiUrl`: the address of the platform, where there is one.
    #[must_use]
    pub fn middleware_api_url(&self) -> Option<&str> {
        self.middleware_api_url.as_deref()
    }

    /// Whether `env` is `production`: the tool works with the platform, and not with the hub at [`api_url`](Self::api_url).
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.production
    }

    /// `scope`: the name of a selection of space and hub, where there is one. The tool does not act upon it.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// `token`: what gives access to the platform, where there is one. A secret: it is not shown in `Debug` output.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The hub of the profile. The token belongs to the platform; like the tool, this does not send it to a hub of one's own. Connects to nothing yet.
    ///
    /// # Errors
    /// The profile is one for the platform, and names no hub; or its address cannot be used.
    pub fn host(&self) -> Result<HostClient, ConfigError> {
        self.host_builder()?
            .build()
            .map_err(|error| self.unusable("apiUrl", error))
    }

    /// The same, for more settings.
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

    /// The platform of the profile, with its token. Connects to nothing yet.
    ///
    /// # Errors
    /// The profile has no address of a platform, or one that cannot be used; or a token that cannot.
    pub fn middleware(&self) -> Result<MiddlewareClient, ConfigError> {
        self.middleware_builder()?
            .build_middleware()
            .map_err(|error| self.unusable("middlewareApiUrl", error))
    }

    /// The same, for more settings. End with [`build_middleware`](HostClientBuilder::build_middleware).
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
            .field("api_url", &plain(&self.api_url))
            .field(
                "middleware_api_url",
                &self.middleware_api_url.as_deref().map(plain),
            )
            .field("production", &self.production)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// An address without what may be a secret in it.
fn plain(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    // Of one that is mistyped, a password may hold anything.
    let host = rest
        .rsplit('@')
        .next()
        .and_then(|host| host.split(['?', '#']).next())
        .unwrap_or_default();
    format!("{scheme}{host}")
}

/// Where `si` keeps what it knows. The home folder as Node.js finds it: `HOME`, on Windows `USERPROFILE`, or what the system says of the user.
fn folder() -> Result<PathBuf, ConfigError> {
    #[allow(deprecated, reason = "it is not any more since Rust 1.87")]
    let home = std::env::home_dir();
    home.map(|home| home.join(".si")).ok_or(ConfigError::NoHome)
}

fn names_in(folder: &Path) -> Result<Vec<String>, ConfigError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // The tool has never run.
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
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ConfigError::profile(path, "it is not a JSON object")),
        Err(error) => Err(ConfigError::profile(
            path,
            format_args!("it is not JSON: {error}"),
        )),
    }
}

/// What a file says. Its values are secrets, for all that is known: they do not get into errors.
struct Fields<'a> {
    path: &'a Path,
    fields: Map<String, Value>,
}

impl Fields<'_> {
    fn wrong(&self, problem: impl fmt::Display) -> ConfigError {
        ConfigError::profile(self.path, problem)
    }

    /// A text, where there is one that is not empty.
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
        // Of a tool that is newer than 1.0.1. The address that such a profile has beside it is not used.
        if self.fields.contains_key("verser2") {
            return Err(self.wrong(
                "it connects to its hub with \"verser2\" instead of HTTP, \
                 which this library does not support; use another profile",
            ));
        }
        Ok(())
    }
}
