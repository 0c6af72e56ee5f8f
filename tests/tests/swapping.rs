//! The folder of components as it is followed: what serves, and what is told.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use bytesize::ByteSize;
use ofn_gateway::pass::vet::Terms;
use ofn_gateway::policies::{Folders, News};
use ofn_gateway::sandbox::Limits;
use ofn_tests::host::{self, component, digest, put, variant};
use tempfile::TempDir;

/// A folder with the standard component and Contour's, which is followed.
struct Stage {
    files: TempDir,
    folder: Folders,
}

fn contour() -> Vec<u8> {
    component("contour").expect("make build")
}

fn other_contour() -> Vec<u8> {
    variant(&contour(), 1)
}

fn open(paths: &[&Path]) -> Result<(Folders, Vec<News>)> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Folders::open(paths, host::sandbox(Limits::default())?, Terms::default())
}

fn follow(path: &Path) -> (Folders, Vec<News>) {
    open(&[path]).expect("a standard component")
}

impl Stage {
    fn new() -> Self {
        let files = tempfile::tempdir().expect("a folder");
        let standard = component("standard").expect("make build");
        put(files.path(), "standard.wasm", &standard).expect("a file");
        put(files.path(), "contour.wasm", &contour()).expect("a file");
        let (folder, _) = follow(files.path());
        Self { files, folder }
    }

    fn put(&self, name: &str, content: &[u8]) {
        put(self.files.path(), name, content).expect("a file");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.files.path().join(name)).expect("it was there");
    }

    /// What is told in two looks, so that all has come to rest.
    fn looks(&mut self) -> Vec<News> {
        let mut news = self.folder.look();
        news.extend(self.folder.look());
        news
    }

    /// The digest of what serves under a name.
    fn serving(&self, name: &str) -> Option<String> {
        let policy = self.folder.policies().named(name);
        policy.map(|policy| policy.digest.clone())
    }
}

fn reasons(news: &[News]) -> Vec<&'static str> {
    news.iter().map(News::reason).collect()
}

#[test]
fn all_that_is_there_at_the_start_is_told_once() {
    let stage = Stage::new();
    let (mut folder, news) = follow(stage.files.path());
    assert_eq!(reasons(&news), ["PolicyLoaded", "PolicyLoaded"]);
    assert_eq!(folder.look(), []);
    assert_eq!(folder.look(), []);
}

#[test]
fn a_folder_without_the_standard_component_is_none() {
    let files = tempfile::tempdir().expect("a folder");
    put(files.path(), "standard.wasm", b"no component").expect("a file");
    let error = open(&[files.path()])
        .map(|_| ())
        .expect_err("no standard component")
        .to_string();
    assert!(
        error.contains("no usable component called \"standard\" in"),
        "{error}"
    );
    assert!(error.contains("standard.wasm cannot be used"), "{error}");
}

#[test]
fn a_new_file_serves_beside_the_others() {
    let mut stage = Stage::new();
    let traefik = component("traefik").expect("make build");
    stage.put("traefik.wasm", &traefik);
    assert_eq!(reasons(&stage.looks()), ["PolicyLoaded"]);
    assert_eq!(stage.serving("traefik"), Some(digest(&traefik)));
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
}

#[test]
fn a_changed_file_takes_the_place_of_what_served() {
    let mut stage = Stage::new();
    stage.put("contour.wasm", &other_contour());
    let news = stage.looks();
    assert_eq!(reasons(&news), ["PolicySwapped"]);
    let told = news[0].to_string();
    assert!(told.contains(&digest(&contour())), "{told}");
    assert!(told.contains(&digest(&other_contour())), "{told}");
    assert_eq!(stage.serving("contour"), Some(digest(&other_contour())));
}

#[test]
fn a_file_that_is_being_written_is_read_when_it_is_whole() {
    let mut stage = Stage::new();
    let path = stage.files.path().join("contour.wasm");
    let whole = other_contour();
    for length in [1000, 2000, whole.len()] {
        fs::write(&path, &whole[..length]).expect("a file");
        assert_eq!(stage.folder.look(), []);
    }
    assert_eq!(reasons(&stage.looks()), ["PolicySwapped"]);
}

#[test]
fn a_file_that_is_written_again_as_it_was_changes_nothing() {
    let mut stage = Stage::new();
    let before = Arc::clone(stage.folder.policies());
    stage.put("contour.wasm", &contour());
    assert_eq!(stage.looks(), []);
    assert!(Arc::ptr_eq(&before, stage.folder.policies()));
}

#[test]
fn a_broken_file_leaves_what_served_and_is_told_once() {
    let mut stage = Stage::new();
    stage.put("contour.wasm", &contour()[..5000]);
    let news = stage.looks();
    assert_eq!(reasons(&news), ["PolicyNotAComponent"]);
    let told = news[0].to_string();
    assert!(told.contains("serves in its place"), "{told}");
    assert!(told.contains(&digest(&contour())), "{told}");
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
    assert_eq!(stage.looks(), []);
}

/// The folders of the manifest: what is put over the image's, and the image's.
#[test]
fn what_is_removed_from_one_of_two_folders_is_told_and_what_the_other_has_serves() {
    let folder = || tempfile::tempdir().expect("a folder");
    let (own, image) = (folder(), folder());
    let standard = component("standard").expect("make build");
    put(own.path(), "contour.wasm", &other_contour()).expect("a file");
    put(image.path(), "contour.wasm", &contour()).expect("a file");
    put(image.path(), "standard.wasm", &standard).expect("a file");
    put(
        image.path(),
        "kong.wasm",
        &component("kong").expect("make build"),
    )
    .expect("a file");
    let (mut folders, _) = open(&[own.path(), image.path()]).expect("a standard component");
    let serving = |folders: &Folders| {
        let contour = folders.policies().named("contour");
        contour.map(|policy| policy.digest.clone())
    };
    let remove = |path: &Path, folders: &mut Folders| {
        fs::remove_file(path).expect("it was there");
        let mut news = folders.look();
        news.extend(folders.look());
        news.extend(folders.look());
        reasons(&news)
    };
    assert_eq!(serving(&folders), Some(digest(&other_contour())));
    let told = remove(&own.path().join("contour.wasm"), &mut folders);
    assert_eq!(told, ["PolicySwapped"]);
    assert_eq!(serving(&folders), Some(digest(&contour())));
    let told = remove(&image.path().join("kong.wasm"), &mut folders);
    assert_eq!(told, ["PolicyFileGone"]);
    assert!(folders.policies().named("kong").is_some());
}

/// As after a restart: nothing is known of what the file gave before.
#[test]
fn who_serves_in_the_place_of_a_broken_file_is_told_at_the_start_too() {
    let folder = || tempfile::tempdir().expect("a folder");
    let (own, image) = (folder(), folder());
    let standard = component("standard").expect("make build");
    put(own.path(), "contour.wasm", &contour()[..5000]).expect("a file");
    put(image.path(), "contour.wasm", &contour()).expect("a file");
    put(image.path(), "standard.wasm", &standard).expect("a file");
    let (folders, news) = open(&[own.path(), image.path()]).expect("a standard component");
    let bad = news
        .iter()
        .find(|news| news.reason() == "PolicyNotAComponent");
    let told = bad.expect("it is told").to_string();
    let serves = format!(
        "policy contour 0.1.0 ({}) of {} serves in its place",
        digest(&contour()),
        image.path().join("contour.wasm").display()
    );
    assert!(told.ends_with(&serves), "{told}");
    assert!(folders.policies().named("contour").is_some());
}

#[test]
fn components_that_take_all_the_room_leave_some_to_the_standard_one() {
    let folder = || tempfile::tempdir().expect("a folder");
    let (own, image) = (folder(), folder());
    let standard = component("standard").expect("make build");
    for number in 0..4 {
        let name = format!("contour-{number}.wasm");
        put(own.path(), &name, &variant(&contour(), number)).expect("a file");
    }
    put(image.path(), "standard.wasm", &standard).expect("a file");
    put(
        image.path(),
        "traefik.wasm",
        &component("traefik").expect("make build"),
    )
    .expect("a file");
    let limits = Limits {
        all_code: ByteSize::mib(3),
        ..Limits::default()
    };
    let paths = [own.path(), image.path()].map(Path::to_owned).to_vec();
    let sandbox = host::sandbox(limits).expect("the engine starts");
    let (folders, news) = Folders::open(paths, sandbox, Terms::default()).expect("a standard one");
    assert!(reasons(&news).contains(&"PolicyNoRoom"), "{news:?}");
    assert!(folders.policies().named("traefik").is_some());
}

#[test]
fn a_file_that_is_written_again_as_it_was_needs_no_room_of_its_own() {
    let files = tempfile::tempdir().expect("a folder");
    put(
        files.path(),
        "standard.wasm",
        &component("standard").expect("make build"),
    )
    .expect("a file");
    let limits = Limits {
        all_code: ByteSize::kib(1500),
        ..Limits::default()
    };
    let paths = vec![files.path().to_owned()];
    let sandbox = host::sandbox(limits).expect("the engine starts");
    let (mut folders, _) = Folders::open(paths, sandbox, Terms::default()).expect("a standard one");
    put(
        files.path(),
        "standard.wasm",
        &component("standard").expect("make build"),
    )
    .expect("a file");
    for _ in 0..3 {
        assert_eq!(folders.look(), []);
    }
}

/// It loads, and describes itself well: what it answers is tried before it serves.
#[test]
fn a_component_that_breaks_a_rule_leaves_what_served() {
    for (misdeed, reason) in [
        ("trap", "PolicyTrapped"),
        ("a foreign listener", "PolicyAnswerInvalid"),
        ("one more default each time", "PolicyAnswerInvalid"),
        ("memory", "PolicyAnswerInvalid"),
    ] {
        let mut stage = Stage::new();
        let good = host::hostile("").expect("make hostile");
        stage.put("hostile.wasm", &good);
        stage.looks();
        stage.put(
            "hostile.wasm",
            &host::hostile(misdeed).expect("make hostile"),
        );
        let news = stage.looks();
        assert_eq!(reasons(&news), [reason], "{misdeed}: {news:?}");
        let told = news[0].to_string();
        assert!(told.contains("policy check"), "{told}");
        assert!(told.contains("serves in its place"), "{told}");
        assert_eq!(stage.serving("hostile"), Some(digest(&good)));
    }
}

#[test]
fn a_broken_file_keeps_its_place_before_a_later_one() {
    let mut stage = Stage::new();
    stage.put("z-contour.wasm", &other_contour());
    stage.looks();
    stage.put("contour.wasm", b"broken");
    assert_eq!(reasons(&stage.looks()), ["PolicyNotAComponent"]);
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
}

#[test]
fn a_file_that_cannot_be_read_for_a_while_serves_when_it_can() {
    let mut stage = Stage::new();
    let path = stage.files.path().join("contour.wasm");
    fs::remove_file(&path).expect("it was there");
    fs::create_dir(&path).expect("a folder in its place");
    assert_eq!(reasons(&stage.looks()), ["PolicyFileUnreadable"]);
    fs::remove_dir(&path).expect("it goes");
    stage.put("contour.wasm", &other_contour());
    assert_eq!(reasons(&stage.looks()), ["PolicySwapped"]);
}

#[test]
fn a_component_whose_file_is_gone_claims_nothing_before_others() {
    let mut stage = Stage::new();
    let hostile = host::hostile("").expect("make hostile");
    stage.remove("contour.wasm");
    stage.put("hostile.wasm", &hostile);
    stage.looks();
    let policies = stage.folder.policies();
    let serving = policies.for_controller("projectcontour.io/projectcontour/contour");
    assert_eq!(serving.description.name, "hostile");
}

#[test]
fn a_broken_file_serves_when_it_is_mended() {
    let mut stage = Stage::new();
    stage.put("contour.wasm", b"broken");
    stage.looks();
    stage.put("contour.wasm", &other_contour());
    assert_eq!(reasons(&stage.looks()), ["PolicySwapped"]);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let mut stage = Stage::new();
    let large = File::create(stage.files.path().join("large.wasm")).expect("a file");
    large.set_len(1 << 30).expect("a file of a gigabyte");
    assert_eq!(reasons(&stage.looks()), ["PolicyFileTooLarge"]);
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
}

#[test]
fn the_component_of_a_file_that_is_gone_serves_on_and_is_told_once() {
    let mut stage = Stage::new();
    stage.remove("contour.wasm");
    assert_eq!(reasons(&stage.looks()), ["PolicyFileGone"]);
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
    assert_eq!(stage.looks(), []);
}

#[test]
fn the_component_of_a_file_that_now_holds_another_one_serves_on() {
    let mut stage = Stage::new();
    stage.put("contour.wasm", &component("traefik").expect("make build"));
    assert_eq!(reasons(&stage.looks()), ["PolicyLoaded", "PolicyFileGone"]);
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
    assert!(stage.serving("traefik").is_some());
}

#[test]
fn a_component_may_come_in_a_file_of_another_name() {
    let mut stage = Stage::new();
    stage.remove("contour.wasm");
    stage.put("contour-2.wasm", &other_contour());
    let news = stage.looks();
    assert_eq!(reasons(&news), ["PolicySwapped"]);
    assert_eq!(stage.serving("contour"), Some(digest(&other_contour())));
}

#[test]
fn of_two_files_with_one_name_the_first_serves_and_the_other_is_told() {
    let mut stage = Stage::new();
    stage.put("z-contour.wasm", &other_contour());
    assert_eq!(reasons(&stage.looks()), ["PolicyNameTaken"]);
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
    stage.remove("contour.wasm");
    assert_eq!(reasons(&stage.looks()), ["PolicySwapped"]);
    assert_eq!(stage.serving("contour"), Some(digest(&other_contour())));
}

#[test]
fn what_is_in_an_earlier_folder_comes_before_what_is_in_a_later_one() {
    let stage = Stage::new();
    let earlier = tempfile::tempdir().expect("a folder");
    let both = [earlier.path(), stage.files.path()];
    let (mut folders, _) = open(&both).expect("a standard component");
    put(earlier.path(), "z.wasm", &other_contour()).expect("a file");
    let news = [folders.look(), folders.look()].concat();
    assert_eq!(reasons(&news), ["PolicySwapped", "PolicyNameTaken"]);
    let serving = folders.policies().named("contour");
    assert_eq!(
        serving.map(|policy| &policy.digest),
        Some(&digest(&other_contour()))
    );
}

#[test]
fn of_two_components_that_claim_a_controller_the_first_by_file_name_serves_it() {
    let mut stage = Stage::new();
    let hostile = host::hostile("").expect("make hostile");
    let claimed = "projectcontour.io/projectcontour/contour";
    let serves = |stage: &Stage| {
        let policy = stage.folder.policies().for_controller(claimed);
        policy.description.name.clone()
    };
    stage.put("hostile.wasm", &hostile);
    let news = stage.looks();
    assert_eq!(reasons(&news), ["PolicyLoaded", "PolicyControllerTaken"]);
    assert_eq!(serves(&stage), "contour");
    stage.remove("hostile.wasm");
    stage.put("a-hostile.wasm", &variant(&hostile, 1));
    stage.looks();
    assert_eq!(serves(&stage), "hostile");
}

#[test]
fn what_a_file_does_not_give_any_more_leaves_its_controllers_to_what_it_gives_now() {
    let mut stage = Stage::new();
    let claimed = "projectcontour.io/projectcontour/contour";
    stage.put("contour.wasm", &host::hostile("").expect("make hostile"));
    let news = stage.looks();
    assert_eq!(
        reasons(&news),
        ["PolicyLoaded", "PolicyFileGone", "PolicyControllerTaken"]
    );
    let policies = stage.folder.policies();
    assert_eq!(policies.for_controller(claimed).description.name, "hostile");
    // What the new one does not claim is not left alone.
    let other = policies.for_controller("projectcontour.io/gateway-controller");
    assert_eq!(other.description.name, "contour");
}

#[test]
fn a_link_that_leads_nowhere_is_told_and_followed_when_it_leads_somewhere() {
    let mut stage = Stage::new();
    let target = stage.files.path().join("not-yet");
    symlink(&target, stage.files.path().join("traefik.wasm")).expect("a link");
    let news = stage.looks();
    assert_eq!(reasons(&news), ["PolicyFileUnreadable"]);
    fs::write(&target, component("traefik").expect("make build")).expect("a file");
    assert_eq!(reasons(&stage.looks()), ["PolicyLoaded"]);
    assert!(stage.serving("traefik").is_some());
}

/// As Kubernetes does it: the files are links through a link that is replaced in one go.
#[test]
fn a_mounted_config_map_is_swapped_through_its_links() {
    let mount = tempfile::tempdir().expect("a folder");
    let version = |name: &str, contour: &[u8]| {
        let folder = mount.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        let standard = component("standard").expect("make build");
        put(&folder, "standard.wasm", &standard).expect("a file");
        put(&folder, "contour.wasm", contour).expect("a file");
        symlink(name, mount.path().join("..data_tmp")).expect("a link");
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).expect("a link");
    };
    version("..2026_1", &contour());
    for name in ["standard.wasm", "contour.wasm"] {
        symlink(Path::new("..data").join(name), mount.path().join(name)).expect("a link");
    }
    let (mut folder, _) = follow(mount.path());
    version("..2026_2", &other_contour());
    fs::remove_dir_all(mount.path().join("..2026_1")).expect("the old version goes");
    let news = [folder.look(), folder.look()].concat();
    assert_eq!(reasons(&news), ["PolicySwapped"]);
    let serving = folder.policies().named("contour");
    assert_eq!(
        serving.map(|policy| &policy.digest),
        Some(&digest(&other_contour()))
    );
}

#[test]
fn a_folder_that_is_gone_leaves_what_served_and_is_told_once() {
    let mut stage = Stage::new();
    let away = stage.files.path().with_extension("away");
    fs::rename(stage.files.path(), &away).expect("it moves");
    assert_eq!(reasons(&stage.looks()), ["PolicyFolderUnreadable"]);
    assert_eq!(stage.looks(), []);
    assert_eq!(stage.serving("contour"), Some(digest(&contour())));
    fs::rename(&away, stage.files.path()).expect("it comes back");
    stage.put("contour.wasm", &other_contour());
    assert_eq!(reasons(&stage.looks()), ["PolicySwapped"]);
}
