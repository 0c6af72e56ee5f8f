//! The folder of components, looked at again and again.
//!
//! What served before serves on until something good takes its place: by its name, whichever file
//! it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::news::Named;
use super::{News, Policies, STANDARD};
use crate::pass::vet::Terms;
use crate::sandbox::{PolicyComponent, Sandbox};

/// So often a file is read that fails for something which may pass.
const MOST_TRIES: u32 = 5;

/// A folder of components, `*.wasm`, and which of them serve.
pub struct Folder {
    path: PathBuf,
    sandbox: Sandbox,
    terms: Terms,
    /// By name.
    files: BTreeMap<String, File>,
    serving: Vec<Serving>,
    policies: Arc<Policies>,
    /// What is wrong as long as nothing changes, so that it is told once.
    standing: BTreeSet<News>,
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
    /// The last good component that it gave.
    good: Option<Arc<PolicyComponent>>,
}

/// A component that serves, and the file that it is from.
#[derive(Clone)]
struct Serving {
    file: String,
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

impl Folder {
    /// Reads a folder for the first time. What cannot be used is told and left out.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, or has no standard component.
    pub fn open(path: &Path, sandbox: Sandbox, terms: Terms) -> Result<(Self, Vec<News>)> {
        let mut files = BTreeMap::new();
        see(path, &mut files).with_context(|| {
            format!("the folder of policies, {}, cannot be read", path.display())
        })?;
        let mut news = Vec::new();
        for (name, file) in &mut files {
            news.extend(file.read(&path.join(name), &sandbox, &[]));
        }
        let serving = next(&files, &[]);
        let policies = Policies::new(all(&serving), terms.clone()).with_context(|| {
            let refused: String = news.iter().map(|news| format!("\n  {news}")).collect();
            format!(
                "the folder of policies, {}, has no usable component called {STANDARD:?}{refused}",
                path.display()
            )
        })?;
        let standing = standing(&files, &serving);
        news.extend(changes(&[], &serving));
        news.extend(standing.iter().cloned());
        let folder = Self {
            path: path.to_owned(),
            sandbox,
            terms,
            files,
            serving,
            policies: Arc::new(policies),
            standing,
        };
        Ok((folder, news))
    }

    /// The components that serve now. The same one as long as nothing changes.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// Looks again, and answers what is new. A file is read when two looks find it the same, so
    /// that one which is being written is not taken for a broken one.
    pub fn look(&mut self) -> Vec<News> {
        if let Err(error) = see(&self.path, &mut self.files) {
            let mut standing = self.standing.clone();
            standing.insert(News::Unreadable {
                folder: self.path.display().to_string(),
                error: error.to_string(),
            });
            return self.told(standing);
        }
        let mut news = Vec::new();
        for (name, file) in &mut self.files {
            if file.is_due() {
                news.extend(file.read(&self.path.join(name), &self.sandbox, &self.serving));
            }
        }
        let serving = next(&self.files, &self.serving);
        news.extend(changes(&self.serving, &serving));
        let standing = standing(&self.files, &serving);
        news.extend(self.told(standing));
        if serving != self.serving
            // What served before still does, so there is a standard one.
            && let Some(policies) = Policies::new(all(&serving), self.terms.clone())
        {
            self.policies = Arc::new(policies);
        }
        self.serving = serving;
        news
    }

    /// What of this was not told before.
    fn told(&mut self, standing: BTreeSet<News>) -> Vec<News> {
        let new = standing.difference(&self.standing).cloned().collect();
        self.standing = standing;
        new
    }
}

impl File {
    /// Whether it is to be read: it has come to rest, and is not what was read.
    fn is_due(&self) -> bool {
        self.before == Some(self.now) && self.read != self.before
    }

    /// Reads it. One that is the same as what serves, as after `touch`, changes nothing.
    fn read(&mut self, path: &Path, sandbox: &Sandbox, serving: &[Serving]) -> Option<News> {
        self.read = Some(self.now);
        self.tries += 1;
        match sandbox.load(path) {
            Ok(policy) => {
                let mut known = serving.iter().map(|serving| &serving.policy);
                let known = known.find(|known| known.digest == policy.digest);
                self.good = Some(known.cloned().unwrap_or_else(|| Arc::new(policy)));
                None
            }
            Err(error) => {
                if error.defect.may_pass() && self.tries < MOST_TRIES {
                    self.read = None;
                }
                (self.tries == 1).then(|| News::Refused {
                    reason: error.defect.reason(),
                    error: error.to_string(),
                    serving: self.good.as_deref().map(Named::of),
                })
            }
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

/// Takes in which files are there, and what they look like.
fn see(folder: &Path, files: &mut BTreeMap<String, File>) -> io::Result<()> {
    let mut there = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        // One that goes at this moment, or a link that leads nowhere, is not there.
        if let Ok(metadata) = fs::metadata(&path) {
            there.insert(file_name(&path), Stamp::from(metadata));
        }
    }
    files.retain(|name, _| there.contains_key(name));
    for (name, now) in there {
        files
            .entry(name)
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
/// whose file is gone come last, so that nobody has to wait for what they claim.
fn next(files: &BTreeMap<String, File>, before: &[Serving]) -> Vec<Serving> {
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
    next.sort_by_key(|serving| (!files.contains_key(&serving.file), serving.file.clone()));
    next
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
            file: after.file.clone(),
            policy: Named::of(&after.policy),
            before: before.cloned(),
        })
    };
    after.iter().filter_map(change).collect()
}

/// What is wrong with what serves, as long as it stays as it is.
fn standing(files: &BTreeMap<String, File>, serving: &[Serving]) -> BTreeSet<News> {
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
                file: file.clone(),
                name: first.name().to_owned(),
                by: first.file.clone(),
            });
        }
    }
    let mut claimed = BTreeMap::new();
    for serving in serving {
        let file = files.get(&serving.file);
        let is_other = |good: &Arc<PolicyComponent>| good.description.name != serving.name();
        if file.is_none_or(|file| file.good.as_ref().is_some_and(is_other)) {
            standing.insert(News::Left {
                file: serving.file.clone(),
                policy: Named::of(&serving.policy),
            });
        }
        for controller in &serving.policy.description.controller_names {
            let by = *claimed.entry(controller).or_insert(serving.name());
            if by != serving.name() {
                standing.insert(News::ControllerTaken {
                    file: serving.file.clone(),
                    controller: controller.clone(),
                    by: by.to_owned(),
                });
            }
        }
    }
    standing
}
