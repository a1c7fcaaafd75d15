//! Blocks that show a file of the repository: the page has them so that it can be read, and they stay as the file is.

use std::path::Path;

use super::blocks;

/// Fails unless each block with `from=PATH` is that file below `root`; gives how many there are.
#[track_caller]
pub fn hold(root: &Path, page: &Path) -> usize {
    let text = read(page);
    let lines: Vec<&str> = text.lines().collect();
    let (mut made, mut done, mut held) = (String::new(), 0, 0);
    let mut push = |lines: &[&str]| lines.iter().for_each(|line| made.extend([line, "\n"]));
    for block in blocks(&text) {
        let Some(path) = block.value("from") else { continue };
        held += 1;
        let file = read(&root.join(path));
        push(&lines[done..block.line - 1]);
        push(&file.trim_end().lines().collect::<Vec<_>>());
        done = block.line - 1 + block.text.lines().count();
    }
    push(&lines[done..]);
    if made != text && std::env::var("MILLSTREAM_UPDATE_GOLDEN").as_deref() == Ok("1") {
        // At once, as another test may be reading it.
        let new = page.with_extension("new");
        std::fs::write(&new, &made).and_then(|()| std::fs::rename(&new, page)).expect("writing a page");
        return held;
    }
    assert!(made == text, "{} shows files as they were; MILLSTREAM_UPDATE_GOLDEN=1 puts them in anew", page.display());
    held
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
