//! Compiled code: where it is kept, and the one place where it is trusted.
//!
//! Code that was compiled is run as it is, outside any sandbox, so it must be the compiler's own.
//! It comes from [`Compiler`], through a pipe, or from a file that only this user could have
//! written: it is this user's, nobody else may read or write it, and it begins with a hash over its
//! name and its content, so that one that is cut, damaged or put in the place of another is not
//! taken. Where a folder above can be written by others they can move ours, but not make a file that
//! is this user's. Trust ends at the user id: who can write as this user can replace the program as
//! well.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compile::Compiler;
use super::{Defect, Limits, shown};

/// So many components are kept, and bytes of their code; the one that was made longest ago goes first.
/// The manifest gives the folder 64 MiB.
const MOST_ENTRIES: usize = 64;
const MOST_BYTES: u64 = 48 << 20;
const HASH: usize = 32;
/// Of what is being written, and is left behind where the program ends meanwhile.
const UNFINISHED: &str = ".unfinished-";
const LONGEST_WRITE: Duration = Duration::from_secs(600);

/// Code that the compiler made for an engine like ours. There is no way to have one but those of
/// this module.
struct Code(Vec<u8>);

/// Where compiled code is kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// The component with these bytes: its code from the cache, else compiled, and kept.
pub(super) fn component(
    engine: &Engine,
    compiler: &Compiler,
    cache: Option<&Cache>,
    limits: &Limits,
    bytes: &[u8],
) -> Result<Component, Defect> {
    let name = entry_name(engine, bytes);
    if let Some(cache) = cache {
        match cache.get(&name) {
            Ok(Some(code)) => match load(engine, &code) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!(entry = name, %error, "compiled anew"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(entry = name, %error, "compiled anew"),
        }
    }
    let code = Code(compiler.compile(limits, bytes)?);
    if let Some(cache) = cache
        && let Err(error) = cache.put(&name, &code)
    {
        tracing::warn!(entry = name, %error, "compiled code is not kept");
    }
    // Only here the sizes of its parts are held against those of the pool.
    load(engine, &code).map_err(|error| Defect::Parts(shown(&format!("{error:#}"))))
}

/// The code as a component.
#[allow(
    unsafe_code,
    reason = "compiled code is native code: there is no safe way to load it"
)]
fn load(engine: &Engine, code: &Code) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `Engine::precompile_component` gave, unchanged. A `Code` is
    // made in two places only: from what our own program wrote into a pipe that nobody else
    // holds, and from a file that passed every check of `Cache::get`. That they are for this
    // version and these settings is checked by the function itself.
    unsafe { Component::deserialize(engine, &code.0) }
}

fn entry_name(engine: &Engine, bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:x}-{:016x}.code", Sha256::digest(bytes), hasher.finish())
}

/// Whether a file is called as [`entry_name`] calls them: what else is in the folder is not ours.
fn is_entry_name(name: &OsStr) -> bool {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    name.to_str()
        .and_then(|name| name.strip_suffix(".code")?.split_once('-'))
        .is_some_and(|(digest, engine)| is_hex(digest, 64) && is_hex(engine, 16))
}

fn hash(name: &str, code: &[u8]) -> [u8; HASH] {
    Sha256::new()
        .chain_update(name)
        .chain_update([0])
        .chain_update(code)
        .finalize()
        .into()
}

/// Whether a file or folder is this user's alone.
fn check_private(what: &Path, metadata: &Metadata) -> io::Result<()> {
    let refuse = |why: String| {
        let text = format!("{} is not used: {why}", what.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    };
    let (owner, us) = (metadata.uid(), geteuid().as_raw());
    if owner != us {
        return refuse(format!("it belongs to user {owner}, and we are user {us}"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return refuse(format!("others may use it (mode {mode:o}); chmod go= it"));
    }
    Ok(())
}

impl Cache {
    /// The folder, made with mode 0700 where it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be made, is no folder, or is not this user's alone.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let metadata = std::fs::symlink_metadata(folder)?;
        if !metadata.is_dir() {
            let text = format!("{} is not a folder", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
        }
        check_private(folder, &metadata)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn get(&self, name: &str) -> io::Result<Option<Code>> {
        let path = self.folder.join(name);
        let opened = OpenOptions::new()
            .read(true)
            // A link would lead elsewhere, a pipe would never end.
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(&path);
        let Some(mut file) = if_there(opened)? else {
            return Ok(None);
        };
        let refuse = |why: &str| {
            let text = format!("{} is not used: {why}", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return refuse("it is not a file");
        }
        check_private(&path, &metadata)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        match bytes.split_first_chunk::<HASH>() {
            Some((expected, code)) if *expected == hash(name, code) => {
                Ok(Some(Code(bytes.split_off(HASH))))
            }
            _ => refuse("its content is not what was written there"),
        }
    }

    fn put(&self, name: &str, code: &Code) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&self.folder)?;
        file.write_all(&hash(name, &code.0))?;
        file.write_all(&code.0)?;
        file.persist(self.folder.join(name))?;
        self.forget_oldest()
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(metadata) = if_there(entry.metadata())? else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            let name = entry.file_name();
            let age = metadata.modified()?.elapsed().unwrap_or_default();
            if name.to_string_lossy().starts_with(UNFINISHED) && age > LONGEST_WRITE {
                if_there(std::fs::remove_file(entry.path()))?;
            }
            if !is_entry_name(&name) {
                continue;
            }
            entries.push((metadata.modified()?, entry.path(), metadata.len()));
        }
        entries.sort();
        let mut bytes = 0;
        for (number, (_, path, length)) in entries.into_iter().rev().enumerate() {
            bytes += length;
            if number >= MOST_ENTRIES || bytes > MOST_BYTES {
                if_there(std::fs::remove_file(path))?;
            }
        }
        Ok(())
    }
}

/// What came of something done to a file; none if it is gone, as where another process of ours thins the
/// same folder.
fn if_there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// A file of at most so many bytes.
pub(super) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::from(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let text = format!(
            "it is larger than {} (--policy-file)",
            bytesize::ByteSize::b(most)
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_may_thin_one_folder_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(&folder.path().join("cache")).expect("a cache");
        for number in 0..1000 {
            let name = format!("{number:064x}-{number:016x}.code");
            File::create(cache.folder.join(name)).expect("a file");
        }
        std::thread::scope(|scope| {
            let thinning: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| cache.forget_oldest()))
                .collect();
            for thinning in thinning {
                thinning.join().expect("no panic").expect("thinned");
            }
        });
        let left = std::fs::read_dir(&cache.folder).expect("entries").count();
        assert_eq!(left, MOST_ENTRIES);
    }
}
