//! The folders of components, looked at again and again.
//!
//! What served before serves on until something good takes its place: by its name, whichever file
//! it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::news::Named;
use super::{News, Policies, STANDARD};
use crate::conformance::{self, Breach};
use crate::pass::vet::Terms;
use crate::sandbox::{LoadError, PolicyComponent, Sandbox};

/// So often a file is read that fails for something which may pass.
const MOST_TRIES: u32 = 5;

/// Folders of components, `*.wasm`, and which of them serve.
pub struct Folders {
    paths: Vec<PathBuf>,
    sandbox: Sandbox,
    terms: Terms,
    files: BTreeMap<FileId, File>,
    serving: Vec<Serving>,
    policies: Arc<Policies>,
    /// What is wrong as long as nothing changes, so that it is told once.
    standing: BTreeSet<News>,
}

/// A file: the first of two comes first in everything that both want.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileId {
    /// The index of its folder.
    folder: usize,
    path: PathBuf,
}

/// What is known of a file that is there.
struct File {
    now: Stamp,
    /// At the look before.
    before: Option<Stamp>,
    /// When it was read.
    read: Option<Stamp>,
    /// How often it has been read so.
    tries: u32,
    /// It was not there at the last look.
    is_missing: bool,
    /// The last good component that it gave.
    good: Option<Arc<PolicyComponent>>,
}

/// Why a file gives no component.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("{} cannot be used: {breach}. `ofn-gateway policy check {0}` tells more", .path.display())]
    Breach { path: PathBuf, breach: Box<Breach> },
}

/// A component that serves, and the file that it is from.
#[derive(Clone)]
struct Serving {
    file: FileId,
    policy: Arc<PolicyComponent>,
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

impl Folders {
    /// Reads folders for the first time. What cannot be used is told and left out. What is in an
    /// earlier folder comes before what is in a later one, and there by file name.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read, or none has a standard component.
    pub fn open(
        paths: Vec<PathBuf>,
        sandbox: Sandbox,
        terms: Terms,
    ) -> anyhow::Result<(Self, Vec<News>)> {
        let mut files = BTreeMap::new();
        for (folder, path) in paths.iter().enumerate() {
            see(folder, path, &mut files).with_context(|| {
                format!("the folder of policies, {}, cannot be read", path.display())
            })?;
        }
        let mut news = Vec::new();
        for (id, file) in &mut files {
            let mut refused = None;
            // Whoever is left out here leaves its Gateways to the standard component.
            while file.read.is_none() {
                refused = refused.or(file.read(id, &sandbox, &[]));
            }
            if file.good.is_none() {
                news.extend(refused);
            }
        }
        let serving = next(&files, &[]);
        let policies = Policies::new(all(&serving), terms.clone()).with_context(|| {
            let folders: Vec<_> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let refused: String = news.iter().map(|news| format!("\n  {news}")).collect();
            format!(
                "there is no usable component called {STANDARD:?} in {}: give the folder that came \
                 with this program, too (--policies){refused}",
                folders.join(" or ")
            )
        })?;
        let standing = standing(&files, &serving);
        news.extend(changes(&[], &serving));
        news.extend(standing.iter().cloned());
        let folders = Self {
            paths,
            sandbox,
            terms,
            files,
            serving,
            policies: Arc::new(policies),
            standing,
        };
        Ok((folders, news))
    }

    /// The components that serve now. The same one as long as nothing changes.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// The components that serve now, each with the file that it is from.
    pub fn serving(&self) -> impl Iterator<Item = (&Path, &PolicyComponent)> {
        let serving = self.serving.iter();
        serving.map(|serving| (serving.file.path.as_path(), &*serving.policy))
    }

    /// Looks again, and answers what is new. A file is read when two looks find it the same, so
    /// that one which is being written is not taken for a broken one.
    pub fn look(&mut self) -> Vec<News> {
        let mut unreadable = BTreeSet::new();
        for (folder, path) in self.paths.iter().enumerate() {
            if let Err(error) = see(folder, path, &mut self.files) {
                unreadable.insert(News::Unreadable {
                    folder: path.display().to_string(),
                    error: error.to_string(),
                });
            }
        }
        let mut news = Vec::new();
        for (id, file) in &mut self.files {
            if file.is_due() {
                news.extend(file.read(id, &self.sandbox, &self.serving));
            }
        }
        let serving = next(&self.files, &self.serving);
        news.extend(changes(&self.serving, &serving));
        let mut standing = standing(&self.files, &serving);
        standing.extend(unreadable);
        // What was told before is not told again.
        news.extend(standing.difference(&self.standing).cloned());
        self.standing = standing;
        if serving != self.serving
            // What served before still does, so there is a standard one.
            && let Some(policies) = Policies::new(all(&serving), self.terms.clone())
        {
            self.policies = Arc::new(policies);
        }
        self.serving = serving;
        news
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl File {
    /// Whether it is to be read: it has come to rest, and is not what was read.
    fn is_due(&self) -> bool {
        !self.is_missing && self.before == Some(self.now) && self.read != self.before
    }

    /// Reads it. One that is the same as what serves, as after `touch`, changes nothing.
    fn read(&mut self, id: &FileId, sandbox: &Sandbox, serving: &[Serving]) -> Option<News> {
        self.read = Some(self.now);
        self.tries += 1;
        match load(&id.path, sandbox) {
            Ok(policy) => {
                let mut known = serving.iter().map(|serving| &serving.policy);
                let known = known.find(|known| known.digest == policy.digest);
                self.good = Some(known.cloned().unwrap_or(policy));
                None
            }
            Err(error) => {
                if error.may_pass() && self.tries < MOST_TRIES {
                    self.read = None;
                }
                let mut serving = serving.iter();
                let serving = serving.find(|serving| serving.file == *id);
                (self.tries == 1).then(|| News::Refused {
                    reason: error.reason(),
                    error: error.to_string(),
                    serving: serving.map(|serving| Named::of(&serving.policy)),
                })
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

    fn reason(&self) -> &'static str {
        match self {
            Self::Load(error) => error.defect.reason(),
            Self::Breach { breach, .. } => breach.reason(),
        }
    }
}

impl Serving {
    fn name(&self) -> &str {
        &self.policy.description.name
    }
}

impl PartialEq for Serving {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && Arc::ptr_eq(&self.policy, &other.policy)
    }
}

/// Takes in which files are there in a folder, and what they look like. Where the folder cannot be
/// read, they are as they were.
fn see(folder: usize, path: &Path, files: &mut BTreeMap<FileId, File>) -> io::Result<()> {
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
        file.is_missing = id.folder == folder && !there.contains_key(id);
        !(file.is_missing && was_missing)
    });
    for (id, now) in there {
        files
            .entry(id)
            .and_modify(|file| {
                file.before = Some(std::mem::replace(&mut file.now, now));
                if file.before != Some(now) {
                    file.tries = 0;
                }
            })
            .or_insert(File {
                now,
                before: None,
                read: None,
                tries: 0,
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

/// What is to serve: of each name the first file's, else what served before. By file name; those
/// that no file gives any more come last, so that nobody has to wait for what they claim.
fn next(files: &BTreeMap<FileId, File>, before: &[Serving]) -> Vec<Serving> {
    let good = files.iter().filter_map(|(file, known)| {
        let policy = Arc::clone(known.good.as_ref()?);
        let file = file.clone();
        Some(Serving { file, policy })
    });
    let mut next = BTreeMap::new();
    for serving in good.chain(before.iter().cloned()) {
        next.entry(serving.name().to_owned()).or_insert(serving);
    }
    let mut next: Vec<_> = next.into_values().collect();
    next.sort_by_key(|serving| (is_left(files, serving), serving.file.clone()));
    next
}

/// Whether the file of a component is gone, or gives another one.
fn is_left(files: &BTreeMap<FileId, File>, serving: &Serving) -> bool {
    let is_other = |good: &Arc<PolicyComponent>| good.description.name != serving.name();
    let file = files.get(&serving.file);
    file.is_none_or(|file| file.good.as_ref().is_some_and(is_other))
}

fn all(serving: &[Serving]) -> Vec<Arc<PolicyComponent>> {
    serving
        .iter()
        .map(|serving| Arc::clone(&serving.policy))
        .collect()
}

/// Which components have come, and which have taken another one's place.
fn changes(before: &[Serving], after: &[Serving]) -> Vec<News> {
    let change = |after: &Serving| {
        let before = before.iter().find(|before| before.name() == after.name());
        let before = before.map(|before| &before.policy.digest);
        (before != Some(&after.policy.digest)).then(|| News::Serves {
            file: after.file.to_string(),
            policy: Named::of(&after.policy),
            before: before.cloned(),
        })
    };
    after.iter().filter_map(change).collect()
}

/// What is wrong with what serves, as long as it stays as it is.
fn standing(files: &BTreeMap<FileId, File>, serving: &[Serving]) -> BTreeSet<News> {
    let mut standing = BTreeSet::new();
    for (file, known) in files {
        let name = known.good.as_ref().map(|good| &good.description.name);
        let has_name = |serving: &&Serving| name.is_some_and(|name| serving.name() == name);
        if let Some(first) = serving
            .iter()
            .find(has_name)
            .filter(|first| first.file != *file)
        {
            standing.insert(News::NameTaken {
                file: file.to_string(),
                name: first.name().to_owned(),
                by: first.file.to_string(),
            });
        }
    }
    let mut claimed = BTreeMap::new();
    for serving in serving {
        if is_left(files, serving) {
            standing.insert(News::Left {
                file: serving.file.to_string(),
                policy: Named::of(&serving.policy),
            });
        }
        for controller in &serving.policy.description.controller_names {
            let by = *claimed.entry(controller).or_insert(serving.name());
            if by != serving.name() {
                standing.insert(News::ControllerTaken {
                    file: serving.file.to_string(),
                    controller: controller.clone(),
                    by: by.to_owned(),
                });
            }
        }
    }
    standing
}
