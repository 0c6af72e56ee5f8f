//! Compiled code is loaded only from where nobody else could have put it.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use ofn_gateway::sandbox::{Cache, Compiler, Limits, Sandbox};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::load_in;
use ofn_tests::corpus::Module;

/// A cache with the code of one component in it, and a sandbox on it that cannot compile: what it
/// loads is from the cache.
struct Cached {
    _folder: TempDir,
    entry: PathBuf,
    without_compiler: Sandbox,
    component: Vec<u8>,
}

impl Cached {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(&folder.path().join("cache")).expect("a cache");
        let component = Module::honest().component();
        let sandbox = |compiler| {
            Sandbox::new(Limits::default(), compiler, Some(cache.clone())).expect("the engine")
        };
        let compiler = ofn_tests::host::compiler().expect("make build");
        load_in(&sandbox(compiler), &component).expect("it compiles");
        let mut entries = std::fs::read_dir(folder.path().join("cache")).expect("entries");
        let entry = entries.next().expect("an entry").expect("readable").path();
        assert!(entries.next().is_none());
        let without_compiler = sandbox(Compiler {
            program: "/nowhere".into(),
        });
        Self {
            _folder: folder,
            entry,
            without_compiler,
            component,
        }
    }

    fn loads(&self) -> bool {
        load_in(&self.without_compiler, &self.component).is_ok()
    }
}

#[test]
fn what_was_compiled_is_loaded_again() {
    assert!(Cached::new().loads());
}

#[test]
fn a_cache_that_grows_too_large_loses_what_is_oldest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache");
    let cache = Cache::open(&path).expect("a cache");
    let named = |digit: &str| format!("{}-{}.code", digit.repeat(64), digit.repeat(16));
    let (first, second) = (named("f"), named("0"));
    for (name, age) in [
        (&first, 200),
        (&second, 100),
        (&"thesis.txt".to_owned(), 300),
    ] {
        let file = std::fs::File::create(path.join(name)).expect("a file");
        file.set_len(30 << 20).expect("30 MiB");
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        file.set_modified(then).expect("a time");
    }
    let compiler = ofn_tests::host::compiler().expect("make build");
    let sandbox = Sandbox::new(Limits::default(), compiler, Some(cache)).expect("the engine");
    load_in(&sandbox, &Module::honest().component()).expect("it compiles");
    let entries = std::fs::read_dir(&path).expect("entries");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!names.contains(&first), "{names:?}");
    // What is not ours is not touched.
    for left in [&second, &"thesis.txt".to_owned()] {
        assert!(names.contains(left), "{names:?}");
    }
}

#[test]
fn a_cache_of_too_many_entries_loses_what_is_oldest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache");
    let cache = Cache::open(&path).expect("a cache");
    for age in 1..=70 {
        let name = format!("{age:064x}-{age:016x}.code");
        let file = std::fs::File::create(path.join(name)).expect("a file");
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age * 60);
        file.set_modified(then).expect("a time");
    }
    let compiler = ofn_tests::host::compiler().expect("make build");
    let sandbox = Sandbox::new(Limits::default(), compiler, Some(cache)).expect("the engine");
    load_in(&sandbox, &Module::honest().component()).expect("it compiles");
    let left = |age: u64| path.join(format!("{age:064x}-{age:016x}.code")).exists();
    // And the new one.
    assert!((1..=63).all(left));
    assert!(!(64..=70).any(left));
}

#[test]
fn every_byte_of_an_entry_counts() {
    let cached = Cached::new();
    let good = std::fs::read(&cached.entry).expect("the entry");
    for index in (0..good.len()).step_by(good.len() / 40 + 1) {
        let mut bad = good.clone();
        bad[index] ^= 1;
        std::fs::write(&cached.entry, bad).expect("written");
        assert!(!cached.loads(), "byte {index}");
    }
    std::fs::write(&cached.entry, good).expect("written");
    assert!(cached.loads());
}

#[test]
fn an_entry_that_is_cut_is_not_loaded() {
    let cached = Cached::new();
    let good = std::fs::read(&cached.entry).expect("the entry");
    for length in [0, 31, 32, good.len() / 2, good.len() - 1] {
        std::fs::write(&cached.entry, &good[..length]).expect("written");
        assert!(!cached.loads(), "{length} bytes");
    }
}

/// The content of an entry of this name: a hash over its name and the code, and the code.
fn entry(name: &str, code: &[u8]) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([0])
        .chain_update(code);
    [&hash.finalize()[..], code].concat()
}

/// The code of an entry, without the hash before it.
fn code(entry: &Path) -> Vec<u8> {
    std::fs::read(entry).expect("the entry")[32..].to_vec()
}

fn file_name(entry: &Path) -> &str {
    let name = entry.file_name().expect("a name");
    name.to_str().expect("text")
}

#[test]
fn the_entry_of_another_component_is_not_loaded() {
    let cached = Cached::new();
    let other = Module::honest().with("default", "unreachable").component();
    let digest = format!("{:x}", Sha256::digest(&other));
    let renamed = file_name(&cached.entry).replace(&file_name(&cached.entry)[..64], &digest);
    let renamed = cached.entry.with_file_name(renamed);
    std::fs::rename(&cached.entry, &renamed).expect("renamed");
    let loads = || load_in(&cached.without_compiler, &other).is_ok();
    assert!(!loads());
    // It is for its hash, which is over the name too, that it is not: who can make that is trusted.
    let written = entry(file_name(&renamed), &code(&renamed));
    std::fs::write(&renamed, written).expect("written");
    assert!(loads());
}

/// Under the name that ours would have, with a hash that is right, as from a program of ours that is
/// built otherwise.
#[test]
fn the_code_for_another_engine_is_not_loaded_and_compiled_anew() {
    let cached = Cached::new();
    let folder = cached.entry.parent().expect("the folder");
    let cache = Cache::open(folder).expect("the cache");
    let sandbox = |limits| {
        let compiler = ofn_tests::host::compiler().expect("make build");
        Sandbox::new(limits, compiler, Some(cache.clone())).expect("the engine")
    };
    let other = Limits {
        memory: ByteSize::mib(32),
        ..Limits::default()
    };
    load_in(&sandbox(other), &cached.component).expect("it compiles");
    let entries = std::fs::read_dir(folder).expect("entries");
    let mut entries = entries.map(|entry| entry.expect("an entry").path());
    let others = entries
        .find(|entry| *entry != cached.entry)
        .expect("another");
    let written = entry(file_name(&cached.entry), &code(&others));
    std::fs::write(&cached.entry, &written).expect("written");
    assert!(!cached.loads());
    assert!(load_in(&sandbox(Limits::default()), &cached.component).is_ok());
    assert_ne!(std::fs::read(&cached.entry).expect("the entry"), written);
    assert!(cached.loads());
}

#[test]
fn an_entry_that_others_can_use_is_not_loaded() {
    let cached = Cached::new();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o660, 0o610, 0o601] {
        std::fs::set_permissions(&cached.entry, Permissions::from_mode(mode)).expect("chmod");
        assert!(!cached.loads(), "mode {mode:o}");
    }
    std::fs::set_permissions(&cached.entry, Permissions::from_mode(0o600)).expect("chmod");
    assert!(cached.loads());
}

#[test]
fn a_link_is_not_followed() {
    let cached = Cached::new();
    let elsewhere = cached.entry.with_extension("elsewhere");
    std::fs::rename(&cached.entry, &elsewhere).expect("renamed");
    symlink(&elsewhere, &cached.entry).expect("a link");
    assert!(!cached.loads());
}

/// Opening one to read would wait for a writer.
#[test]
fn a_pipe_in_place_of_an_entry_is_not_waited_for() {
    let cached = Cached::new();
    std::fs::remove_file(&cached.entry).expect("it was there");
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&cached.entry)
        .status();
    assert!(made.expect("mkfifo").success());
    assert!(!cached.loads());
}

/// Who may write into a folder above ours can put another folder in its place: it does not help, since
/// the files in it are not ours.
#[test]
fn a_folder_in_place_of_ours_has_nothing_that_is_loaded() {
    let cached = Cached::new();
    let folder = cached.entry.parent().expect("the folder").to_owned();
    std::fs::rename(&folder, folder.with_extension("before")).expect("renamed");
    std::fs::create_dir(&folder).expect("a folder");
    let code = std::fs::read(
        folder
            .with_extension("before")
            .join(cached.entry.file_name().expect("a name")),
    );
    std::fs::write(&cached.entry, code.expect("the entry")).expect("written");
    std::fs::set_permissions(&cached.entry, Permissions::from_mode(0o600)).expect("chmod");
    if std::os::unix::fs::chown(&cached.entry, Some(65534), None).is_err() {
        eprintln!("only root can give a file away: not tried");
        return;
    }
    assert!(!cached.loads());
}

#[test]
fn an_entry_of_another_user_is_not_loaded() {
    let cached = Cached::new();
    if std::os::unix::fs::chown(&cached.entry, Some(65534), None).is_err() {
        eprintln!("only root can give a file away: not tried");
        return;
    }
    assert!(!cached.loads());
}

#[test]
fn a_folder_that_others_can_use_is_no_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    for mode in [0o755, 0o740, 0o720, 0o710, 0o704, 0o702, 0o701] {
        std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).expect("chmod");
        let error = Cache::open(folder.path()).expect_err("refused");
        assert!(error.to_string().contains("chmod go="), "{mode:o}: {error}");
    }
}

#[test]
fn a_folder_of_another_user_is_no_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("cache");
    Cache::open(&folder).expect("a cache");
    if std::os::unix::fs::chown(&folder, Some(65534), None).is_err() {
        eprintln!("only root can give a folder away: not tried");
        return;
    }
    let error = Cache::open(&folder).expect_err("refused");
    assert!(
        error.to_string().contains("belongs to user 65534"),
        "{error}"
    );
}

#[test]
fn a_link_to_a_folder_is_no_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("link");
    Cache::open(&folder.path().join("real")).expect("a cache");
    symlink(folder.path().join("real"), &link).expect("a link");
    assert!(Cache::open(&link).is_err());
}

#[test]
fn what_is_damaged_is_compiled_anew() {
    let cached = Cached::new();
    std::fs::write(&cached.entry, b"damaged").expect("written");
    let folder = cached.entry.parent().expect("the folder");
    let cache = Cache::open(folder).expect("the cache");
    let compiler = ofn_tests::host::compiler().expect("make build");
    let sandbox = Sandbox::new(Limits::default(), compiler, Some(cache)).expect("the engine");
    assert!(load_in(&sandbox, &cached.component).is_ok());
    assert!(cached.loads());
}
