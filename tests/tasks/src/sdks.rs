//! The SDKs in other languages: their tools, their own checks, and the component of the example that stands beside each.
//!
//! Everything is made below the target folder, nothing in the work tree. What did not change is not made again: see
//! [`stamp`].

mod js;
mod python;
mod stamp;

use std::path::{Path, PathBuf};

use crate::build::{self, Profile};
use crate::command::Failure;

/// Looks for Python and Node.
pub(crate) fn tools() -> Result<(), Failure> {
    python::tools()?;
    js::tools()
}

/// Installs the SDKs with the tools that they are built by, and makes the components of their examples.
pub(crate) fn build() -> Result<(), Failure> {
    let places = Places::new()?;
    python::build(&places)?;
    js::build(&places)
}

/// Tests and types of the SDKs and of their examples, after [`build`].
pub(crate) fn check() -> Result<(), Failure> {
    let places = Places::new()?;
    python::check(&places)?;
    js::check(&places)
}

/// Where things are.
struct Places {
    repository: PathBuf,
    /// What is made for the SDKs, a folder a language.
    made: PathBuf,
    /// All components.
    components: PathBuf,
}

impl Places {
    fn new() -> Result<Self, Failure> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let repository = repository.ok_or_else(|| "the tasks are not in a repository".to_owned())?;
        let profile = build::folder(Profile::Dev)?;
        let target = profile.parent().ok_or_else(|| format!("{} is in no folder", profile.display()))?;
        Ok(Self {
            repository: repository.to_owned(),
            made: target.join("sdks"),
            components: target.join("wasm32-wasip2/plugin"),
        })
    }

    /// A folder or file of the repository.
    fn source(&self, path: &str) -> PathBuf {
        self.repository.join(path)
    }
}

/// The first two numbers of a version such as `Python 3.11.7` or `v20.20.2`.
fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let mut numbers = text[start..].split('.').map(str::trim);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_of_a_tool_is_read() {
        for (text, expected) in [
            ("Python 3.11.7\n", Some((3, 11))),
            ("v20.20.2\n", Some((20, 20))),
            ("v22.1\n", Some((22, 1))),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
