//! A project for a component: the author's own files, and those of ours that they need.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use heck::ToUpperCamelCase;
use include_dir::{Dir, include_dir};
use ofn_contract::dns::is_label;

/// The author's own files, for a component `acme`: see [`New::named`].
static TEMPLATE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../guest/template");

/// Ours, in the project beside each other as they are here.
static OURS: [(&str, Dir); 3] = [
    ("ofn/wit", include_dir!("$CARGO_MANIFEST_DIR/../wit")),
    (
        "ofn/guest/policy/src",
        include_dir!("$CARGO_MANIFEST_DIR/../guest/policy/src"),
    ),
    (
        "ofn/guest/component",
        include_dir!("$CARGO_MANIFEST_DIR/../guest/component"),
    ),
];

/// The compiler and the dependencies that this program is tested with. Cargo drops from the lock
/// file what the project does not need.
static PINNED: [(&str, &str); 3] = [
    (
        "ofn/guest/policy/Cargo.toml",
        include_str!("../../../../guest/policy/Cargo.toml"),
    ),
    (
        "rust-toolchain.toml",
        include_str!("../../../../rust-toolchain.toml"),
    ),
    ("Cargo.lock", include_str!("../../../../Cargo.lock")),
];

/// Where cargo puts the component: see `.cargo/config.toml` of the template.
const RELEASE: &str = "target/wasm32-unknown-unknown/release";

#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// Name of the component: lower case letters, digits and -, beginning with a letter
    #[arg(value_parser = name)]
    name: String,
    /// Folder of the project; made if it is missing [default: NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// The contract's rule for a component's name, and cargo's for a package beside our own.
fn name(text: &str) -> Result<String, String> {
    if !is_label(text) || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        Err(
            "write at most 63 lower case letters, digits and -, with a letter first and no - at \
             the end, such as acme"
                .to_owned(),
        )
    } else if text.starts_with("ofn-") {
        Err("names that begin with ofn- are those of our own packages".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

impl New {
    pub(in crate::cli) fn main(self) -> Result<ExitCode> {
        let folder = self.path.as_deref().unwrap_or(Path::new(&self.name));
        let shown = folder.display();
        if !is_empty(folder).with_context(|| format!("{shown} cannot be a project's folder"))? {
            bail!("{shown} is not empty, so nothing was written: give another folder with --path");
        }
        for (path, content) in self.files()? {
            write(&folder.join(&path), &content).with_context(|| {
                format!(
                    "{} cannot be written, so what is in {shown} is not complete: remove it before \
                     you try again",
                    path.display()
                )
            })?;
        }
        self.print(folder)?;
        Ok(ExitCode::SUCCESS)
    }

    /// All files of the project.
    fn files(&self) -> Result<Vec<(PathBuf, Cow<'static, [u8]>)>> {
        let mut files = Vec::new();
        for file in files_in(&TEMPLATE) {
            let text = file.contents_utf8().context("a template is no text")?;
            let content = self.named(text).into_bytes();
            files.push((file.path().to_owned(), content.into()));
        }
        for (folder, ours) in &OURS {
            for file in files_in(ours) {
                files.push((Path::new(folder).join(file.path()), file.contents().into()));
            }
        }
        for (path, content) in PINNED {
            files.push((path.into(), content.as_bytes().into()));
        }
        Ok(files)
    }

    /// What the template says of `acme`, said of this component.
    fn named(&self, text: &str) -> String {
        let rest = text.split("acme.wasm").map(|text| {
            text.replace("acme", &self.name)
                .replace("Acme", &self.name.to_upper_camel_case())
                .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        });
        rest.collect::<Vec<_>>().join(&self.file())
    }

    /// As cargo calls what it builds.
    fn file(&self) -> String {
        format!("{}.wasm", self.name.replace('-', "_"))
    }

    /// What was made, and how to go on.
    fn print(&self, folder: &Path) -> io::Result<()> {
        writeln!(
            io::stdout(),
            "{shown} is a project for the component {name}:\n\n\
             \x20 src/lib.rs    what differs from the standard: begin here\n\
             \x20 src/tests.rs  its tests\n\
             \x20 README.md     all commands\n\
             \x20 ofn/          the contract and the standard behaviour, to be left as they are\n\n\
             Next, in {shown}:\n\n\
             \x20 cargo test --target host-tuple\n\
             \x20 cargo build --release\n\
             \x20 ofn-gateway policy check {RELEASE}/{file}",
            shown = folder.display(),
            name = self.name,
            file = self.file(),
        )
    }
}

/// Whether nothing is there that could be overwritten.
fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Writes a file that is not there yet.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create_new(path)?.write_all(content)
}

fn files_in<'a>(dir: &'a Dir<'static>) -> Vec<&'a include_dir::File<'static>> {
    let below = dir.dirs().flat_map(files_in);
    dir.files().chain(below).collect()
}
