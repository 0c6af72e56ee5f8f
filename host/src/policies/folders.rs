//! The folders of components, looked at again and again.
//!
//! What served before serves on until something good takes its place: by its name, whichever file
//! it came from.

mod file;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use self::file::{File, FileId, Unfit, see};
use super::news::Named;
use super::{News, Policies, STANDARD};
use crate::pass::vet::Terms;
use crate::sandbox::{PolicyComponent, Sandbox};

/// So often a file is read at once at the start, if it fails for something that may pass.
const TRIES_AT_START: u32 = 2;

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

/// A component that serves, and the file that it is from.
#[derive(Clone)]
struct Serving {
    file: FileId,
    policy: Arc<PolicyComponent>,
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
        let mut unfit = Vec::new();
        let mut in_order: Vec<_> = files.iter_mut().collect();
        in_order.sort_by_key(|(id, _)| order_of_reading(id));
        for (id, file) in in_order {
            let mut why = None;
            // Whoever is left out here leaves its Gateways to the standard component.
            for _ in 0..TRIES_AT_START {
                if file.is_unread() {
                    why = file.read(&id.path, &sandbox, &[]).or(why);
                }
            }
            if file.good.is_none() {
                unfit.extend(why.map(|why| (id.clone(), why)));
            }
        }
        let serving = next(&files, &[]);
        let mut news = refused(&unfit, &serving);
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
        let known = all(&self.serving);
        let mut unfit = Vec::new();
        for (id, file) in &mut self.files {
            if file.is_due() {
                let why = file.read(&id.path, &self.sandbox, &known);
                unfit.extend(why.map(|why| (id.clone(), why)));
            }
        }
        let serving = next(&self.files, &self.serving);
        let mut news = refused(&unfit, &serving);
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

/// There may be no room for all: the standard component must have some, and what came with the program
/// goes before what was put over it.
fn order_of_reading(id: &FileId) -> impl Ord + use<> {
    let is_standard = id.path.file_stem().is_some_and(|stem| stem == STANDARD);
    (Reverse(is_standard), Reverse(id.folder), id.path.clone())
}

/// Which files cannot be used, and what serves in the place of each: what it gave before, or what another
/// file of its name gives, as that of the image where one that is put over it is broken.
fn refused(unfit: &[(FileId, Unfit)], serving: &[Serving]) -> Vec<News> {
    let refused = |(id, why): &(FileId, Unfit)| {
        let has_name = |other: &&Serving| other.file.path.file_name() == id.path.file_name();
        let before = serving.iter().find(|other| other.file == *id);
        let instead = before.or_else(|| serving.iter().find(has_name));
        News::Refused {
            reason: why.reason(),
            error: why.to_string(),
            serving: instead.map(|other| (Named::of(&other.policy), other.file.to_string())),
        }
    };
    unfit.iter().map(refused).collect()
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
