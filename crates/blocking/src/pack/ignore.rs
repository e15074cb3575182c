//! Decides which files are excluded.

pub(crate) mod rules;

use super::error::PackError;
use rules::RuleSet;

/// Always excluded. A hub needs none of them.
const ALWAYS: [&str; 2] = [rules::FILE_NAME, ".git"];

/// Excluded unless a rule includes them: the files that `npm pack` ignores by default (npm's
/// documentation of `files` in package.json), except `node_modules`, because a hub installs
/// nothing.
const DEFAULTS: [&str; 17] = [
    "*.orig",
    ".*.swp",
    "._*",
    ".DS_Store",
    ".hg",
    ".lock-wscript",
    ".npmrc",
    ".svn",
    ".wafpickle-*",
    "CVS",
    "config.gypi",
    "npm-debug.log",
    "/package-lock.json",
    "/pnpm-lock.yaml",
    "/yarn.lock",
    "/bun.lockb",
    "/bun.lock",
];

/// Usual names of files with passwords and private keys.
const SECRETS: [&str; 7] = [
    ".env",
    ".env.*",
    "!.env.example",
    "id_*",
    "!id_*.*",
    "*.pem",
    "*.key",
];

/// The rules that are not in files.
///
/// The first set of rules with a matching rule decides. The order is: the options, the `.siignore`
/// files from the innermost folder to the outermost, the defaults.
pub(crate) struct IgnoreRules {
    options: RuleSet,
    defaults: RuleSet,
    secrets: RuleSet,
}

impl IgnoreRules {
    pub(crate) fn new(options: &[String]) -> Result<Self, PackError> {
        Ok(Self {
            options: RuleSet::new(options)?,
            defaults: RuleSet::new(&DEFAULTS)?,
            secrets: RuleSet::new(&SECRETS)?,
        })
    }

    /// Returns `true` if a file or folder is excluded. `files` contains the rules of the
    /// `.siignore` files in the folders above it, outermost first.
    pub(crate) fn is_excluded(
        &self,
        files: &[RuleSet],
        path: &str,
        name: &str,
        is_folder: bool,
    ) -> bool {
        ALWAYS.contains(&name)
            || self
                .user_decision(files, path, name, is_folder)
                .or_else(|| self.defaults.is_excluded(path, name, is_folder))
                .unwrap_or(false)
    }

    /// Returns `true` if a file has a usual name for secrets, and no rule includes it.
    pub(crate) fn may_be_secret(&self, files: &[RuleSet], path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.secrets.is_excluded(path, name, false) == Some(true)
            && self.user_decision(files, path, name, false) != Some(false)
    }

    /// Returns `Some(true)` if the rules of the options and files exclude a path, `Some(false)` if
    /// they include it, and `None` if none matches.
    fn user_decision(
        &self,
        files: &[RuleSet],
        path: &str,
        name: &str,
        is_folder: bool,
    ) -> Option<bool> {
        [&self.options]
            .into_iter()
            .chain(files.iter().rev())
            .find_map(|rules| rules.is_excluded(path, name, is_folder))
    }
}
