//! A plugin whose language has tools of its own beside cargo's: what its manifest says of it, and how its tools are run.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::not_run;
use crate::cli::failure::Failure;

/// A plugin's folder, and what it is built from.
#[derive(Debug)]
pub(super) struct Source {
    /// Absolute, so that programs are found in it from wherever they are run.
    pub(super) folder: PathBuf,
    /// The file that makes the plugin, below the folder.
    module: String,
    /// The component, below the folder.
    made: String,
}

impl Source {
    /// By the manifest, which `parse` reads: the plugin's name and its module are at these places (RFC 6901).
    pub(super) fn read(
        folder: &Path,
        manifest: &str,
        parse: impl Fn(&str) -> Result<Value, String>,
        places: [&str; 2],
    ) -> Result<Self, Failure> {
        let path = folder.join(manifest);
        let mistake = |why: String| Failure::Usage(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| mistake(error.to_string()))?;
        let value = parse(&text).map_err(mistake)?;
        let [name, module] = places.map(|place| {
            let text = value.pointer(place).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| format!("{} is missing, or no text", place[1..].replace('/', ".")))
        });
        let (name, module) = (name.map_err(mistake)?, module.map_err(mistake)?);
        let folder = fs::canonicalize(folder).map_err(|error| mistake(error.to_string()))?;
        Ok(Self { folder, module, made: format!("dist/{}.wasm", name.replace('-', "_")) })
    }

    /// Has the SDK's own program make the component.
    pub(super) fn build(&self, liaison_sdk: &Path) -> Result<PathBuf, Failure> {
        let _ = writeln!(io::stderr(), "building {}", self.made);
        self.run(liaison_sdk, &["build", &self.module, "--output", &self.made])?;
        Ok(self.folder.join(&self.made))
    }

    /// Installs what a file of the folder names, by these programs in turn. That takes long, and some say nothing while
    /// they do it.
    pub(super) fn install(&self, named_in: &str, programs: &[(&Path, &[&str])]) -> Result<(), Failure> {
        // Nobody is left to be told when stderr is closed.
        let _ = writeln!(io::stderr(), "installing what {named_in} names, this first time");
        programs.iter().try_for_each(|(program, arguments)| self.run(program, arguments))
    }

    /// Runs a program in the folder. What it prints is for the person: it goes to stderr.
    fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Result<(), Failure> {
        let program = program.as_ref();
        let shown = program.file_name().unwrap_or_default().to_string_lossy();
        let run = || -> io::Result<_> {
            let stderr = io::stderr().as_fd().try_clone_to_owned()?;
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&self.folder);
            command.stdin(Stdio::null()).stdout(stderr).status()
        };
        let status = run().map_err(|error| not_run(&shown, &error))?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::Failed(format!("{shown} {}: {status}", arguments.join(" ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_the_plugin_and_its_module_or_says_what_is_missing() {
        let folder = std::env::temp_dir().join(format!("liaison-made-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
        let read = |text: &str| {
            fs::write(folder.join("package.json"), text).unwrap();
            Source::read(&folder, "package.json", parse, ["/name", "/liaison/module"])
        };
        let source = read(r#"{"name": "room-booking", "liaison": {"module": "src/plugin.ts"}}"#).unwrap();
        assert_eq!((&*source.module, &*source.made), ("src/plugin.ts", "dist/room_booking.wasm"));
        assert!(source.folder.is_absolute());
        for (text, why) in [
            (r#"{"name": "a"}"#, "package.json: liaison.module is missing, or no text"),
            (r#"{"name": 1, "liaison": {"module": "a"}}"#, "package.json: name is missing, or no text"),
            ("{", "package.json: EOF while parsing"),
        ] {
            let failure = format!("{:?}", read(text).unwrap_err());
            assert!(failure.contains(why), "{failure}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
