//! The files of components: which are there, and what is in them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::conformance::{self, Breach};
use crate::sandbox::{LoadError, PolicyComponent, Sandbox};

/// So often a file is read that fails for something which may pass.
const MOST_TRIES: u32 = 5;

/// A file: the first of two comes first in everything that both want.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    /// The index of its folder.
    pub(super) folder: usize,
    pub(super) path: PathBuf,
}

/// What is known of a file that is there.
pub(super) struct File {
    now: Stamp,
    /// At the look before.
    before: Option<Stamp>,
    /// When it was read.
    read: Option<Stamp>,
    /// How often it has been read so.
    tries: u32,
    /// The last reason against it that was told.
    told: Option<&'static str>,
    /// It was not there at the last look.
    is_missing: bool,
    /// The last good component that it gave.
    pub(super) good: Option<Arc<PolicyComponent>>,
}

/// Why a file gives no component.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{} cannot be used: {breach}. `ofn-gateway policy check {0}` tells more", .path.display())]
    Breach { path: PathBuf, breach: Box<Breach> },
}

/// Changes when the content of a file does. It is that of what a link leads to, because the files
/// of a mounted ConfigMap are links.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(metadata: Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl File {
    /// Whether it has not been read yet, or in vain for a reason that may pass.
    pub(super) fn is_unread(&self) -> bool {
        self.read.is_none()
    }

    /// Whether it is to be read: it has come to rest, and is not what was read.
    pub(super) fn is_due(&self) -> bool {
        !self.is_missing && self.before == Some(self.now) && self.read != self.before
    }

    /// Reads it. One that is the same as what is known, as after `touch`, changes nothing. Answers what
    /// is wrong with it, once for each reason.
    pub(super) fn read(
        &mut self,
        path: &Path,
        sandbox: &Sandbox,
        known: &[Arc<PolicyComponent>],
    ) -> Option<Unfit> {
        self.read = Some(self.now);
        self.tries += 1;
        let digest = sandbox.digest(path).ok();
        let mut known = known.iter().chain(&self.good);
        let known = known.find(|known| Some(&known.digest) == digest.as_ref());
        match known.cloned().map_or_else(|| load(path, sandbox), Ok) {
            Ok(policy) => {
                self.good = Some(policy);
                None
            }
            Err(unfit) => {
                if unfit.may_pass() && self.tries < MOST_TRIES {
                    self.read = None;
                }
                let told = self.told.replace(unfit.reason());
                (told != Some(unfit.reason())).then_some(unfit)
            }
        }
    }
}

/// The component of a file, if it may serve.
fn load(path: &Path, sandbox: &Sandbox) -> Result<Arc<PolicyComponent>, Unfit> {
    let policy = Arc::new(sandbox.load(path)?);
    conformance::quick(&policy).map_err(|breach| Unfit::Breach {
        path: path.to_owned(),
        breach,
    })?;
    Ok(policy)
}

impl Unfit {
    fn may_pass(&self) -> bool {
        match self {
            Self::Load(error) => error.defect.may_pass(),
            Self::Breach { breach, .. } => breach.may_pass(),
        }
    }

    /// Why, as one word.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Load(error) => error.defect.reason(),
            Self::Breach { breach, .. } => breach.reason(),
        }
    }
}

/// Takes in which files are there in a folder, and what they look like. Where the folder cannot be
/// read, they are as they were.
pub(super) fn see(
    folder: usize,
    path: &Path,
    files: &mut BTreeMap<FileId, File>,
) -> io::Result<()> {
    let mut there = BTreeMap::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_hidden = file_name(&path).starts_with('.');
        let is_wasm = |extension: &OsStr| extension.eq_ignore_ascii_case("wasm");
        if is_hidden || !path.extension().is_some_and(is_wasm) {
            continue;
        }
        // A link that leads nowhere is a file that cannot be read.
        if let Ok(metadata) = fs::metadata(&path).or_else(|_| fs::symlink_metadata(&path)) {
            there.insert(FileId { folder, path }, Stamp::from(metadata));
        }
    }
    // One that is replaced may be missed by one look.
    files.retain(|id, file| {
        let was_missing = file.is_missing;
        if id.folder != folder {
            return true;
        }
        file.is_missing = !there.contains_key(id);
        !(file.is_missing && was_missing)
    });
    for (id, now) in there {
        files
            .entry(id)
            .and_modify(|file| {
                file.before = Some(std::mem::replace(&mut file.now, now));
                if file.before != Some(now) {
                    file.tries = 0;
                    file.told = None;
                }
            })
            .or_insert(File {
                now,
                before: None,
                read: None,
                tries: 0,
                told: None,
                is_missing: false,
                good: None,
            });
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
