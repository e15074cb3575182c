//! The result of a build script.

use std::fmt::{Debug, Write};
use std::path::PathBuf;

use super::error::BuildError;
use crate::pack::deploy_if_changed::deployed::Deployed;
use crate::pack::digest::Digest;

/// The result of a build script.
#[derive(Debug)]
#[non_exhaustive]
pub struct Built {
    /// Path of the archive in `OUT_DIR`.
    pub package: PathBuf,
    /// Digest of the package.
    pub digest: Digest,
    /// The sequence, if it was deployed.
    pub deployed: Option<Deployed>,
    /// The reason why [`Sequence::deploy_or_pack`](super::Sequence::deploy_or_pack) has not
    /// deployed the sequence.
    pub not_deployed: Option<BuildError>,
}

impl Built {
    /// Returns the source code of the file that the program includes.
    pub(super) fn constants(&self) -> String {
        let sequence = self.deployed.as_ref().map(|deployed| &deployed.sequence);
        let digest = self.digest.to_string();
        let hub = sequence.map(|sequence| sequence.host().base_url());
        let id = sequence.map(|sequence| sequence.id().as_str());
        let not_deployed = self.not_deployed.as_ref().map(BuildError::in_one_line);
        let constants: [(&str, &str, &str, &dyn Debug); 5] = [
            ("PACKAGE", "&str", "The path of the archive.", &self.package),
            ("DIGEST", "&str", "The digest of the package.", &digest),
            ("HUB", "Option<&str>", "The base URL of the hub.", &hub),
            ("ID", "Option<&str>", "The id of the sequence.", &id),
            (
                "NOT_DEPLOYED",
                "Option<&str>",
                "The reason why the sequence was not deployed.",
                &not_deployed,
            ),
        ];
        let mut code = String::new();
        for (name, of_type, doc, value) in constants {
            // Programs need not use all constants. Writing to a string does not fail.
            let _ = writeln!(
                code,
                "/// {doc}\n#[allow(dead_code)]\npub const {name}: {of_type} = {value:?};"
            );
        }
        code
    }
}
