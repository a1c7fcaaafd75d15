//! The pages of `docs/` are true: what they show of files is what the files are, and their commands print what they show.

use std::path::{Path, PathBuf};

use millstream_tests::{
    pages::{Reader, hold},
    process::{Folder, binary, repository},
};

fn page(name: &str) -> PathBuf {
    repository().join("docs").join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Follows a page in this folder; gives how many commands it has.
#[track_caller]
fn follow(name: &str, folder: &Folder) -> usize {
    Reader::new(&format!("docs/{name}"), folder).follow(&read(&page(name)))
}

/// An empty folder.
fn empty() -> Folder {
    let folder = Folder::with("");
    std::fs::remove_file(folder.path("pipeline.toml")).expect("deleting the configuration");
    folder
}

#[test]
fn the_tutorial_can_be_followed_from_an_empty_folder() {
    let folder = empty();
    // What a new plugin depends on is what this workspace depends on: nothing has to be fetched, and what was compiled for
    // another test is there.
    let target = binary().ancestors().nth(2).expect("it is in <target>/<profile>").join("new-plugins");
    let lock = || {
        std::fs::copy(repository().join("Cargo.lock"), folder.path("contacts/Cargo.lock")).expect("copying the lock");
    };
    let reader = Reader::new("docs/tutorial.md", &folder);
    let reader = reader.with("CARGO_TARGET_DIR", target).after("millstream plugin new", lock);
    assert!(reader.follow(&read(&page("tutorial.md"))) >= 10);
}

/// A folder without a configuration, from which the shipped plugins can be seen.
fn beside_the_plugins() -> Folder {
    let folder = empty();
    std::os::unix::fs::symlink(repository().join("plugins"), folder.path("plugins")).expect("making a link");
    folder
}

#[test]
fn the_operations_guide_can_be_followed() {
    assert!(follow("operations.md", &beside_the_plugins()) >= 10);
}

/// The recipes' files but for the crates, which are built where they are.
fn cookbook() -> Folder {
    let folder = Folder::with("");
    for recipe in std::fs::read_dir(page("cookbook")).expect("reading the folder of recipes") {
        let recipe = recipe.expect("an entry").path();
        for file in std::fs::read_dir(&recipe).expect("reading a recipe").map(|entry| entry.expect("an entry").path()) {
            if file.extension().is_none_or(|extension| extension != "toml" && extension != "jsonl") {
                continue;
            }
            let crates = format!("plugin = \"{}/", page("cookbook").display());
            let name = file.strip_prefix(page("cookbook")).expect("it is below").display().to_string();
            folder.write(&name, read(&file).replace("plugin = \"../", &crates));
        }
    }
    folder
}

#[test]
fn the_cookbook_shows_its_recipes_and_they_do_what_it_says() {
    assert_eq!(hold(&repository(), &page("cookbook.md")), 13);
    assert!(follow("cookbook.md", &cookbook()) >= 15);
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(page("")).expect("reading docs").map(|e| e.expect("a page").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.extend(["README.md", "ARCHITECTURE.md"].map(|name| repository().join(name)));
    for path in pages {
        let text = read(&path);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
            let found =
                heading.is_empty() || read(&target).lines().any(|line| anchor(line).as_deref() == Some(heading));
            assert!(found, "{}: {link}: there is no such heading", path.display());
        }
    }
}

/// The address of a heading, as it is made of its text.
fn anchor(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept: String = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect();
    Some(kept.replace(' ', "-"))
}
