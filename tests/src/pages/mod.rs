//! Pages of `docs/` followed as a reader would: in comes a page, out comes a failure that names its line.
//!
//! Only fenced blocks count. The first word after the fence is the language, as anywhere; what follows says what to do:
//!
//! | block | what it means |
//! |---|---|
//! | `console` | each line that begins with `$ ` is a command, what follows is all that it prints |
//! | `console again` | the same, run until it prints that: for what takes a moment to become so |
//! | `console stays` | a command that goes on beside the following ones; what follows is what it says at first |
//! | `console stops` | `^C`, for the one that stays; what follows is what it says in the end |
//! | `text says` | what the one that stays says next |
//! | any, `file=NAME` | is written to that file |
//! | any, `from=PATH` | is that file of the repository; `MILLSTREAM_UPDATE_GOLDEN=1` puts it there |
//! | any other | is for the reader alone |
//!
//! `…` stands for anything within a line, a line of `…` alone for any lines. A command must end with 0, unless the next one
//! is `echo $?`. Knows nothing of what the pages are about.

mod follow;
mod held;
mod output;

pub use follow::Reader;
pub use held::hold;

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Line of its first line of text, counted from 1.
    pub line: usize,
    /// The first word after the fence.
    pub language: String,
    /// The others.
    pub words: Vec<String>,
    /// Its text, with the last line's end.
    pub text: String,
}

impl Block {
    /// The value of a word such as `file=NAME`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether the word is there.
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }
}

/// The fenced blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Block)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match &mut open {
            Some((fence, _)) if line.trim_end() == fence.as_str() => blocks.extend(open.take().map(|(_, block)| block)),
            Some((_, block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {
                let ticks = line.len() - line.trim_start_matches('`').len();
                if ticks >= 3 {
                    let mut words = line[ticks..].split_whitespace().map(str::to_owned);
                    let language = words.next().unwrap_or_default();
                    let block = Block { line: number + 1, language, words: words.collect(), text: String::new() };
                    open = Some(("`".repeat(ticks), block));
                }
            }
        }
    }
    assert!(open.is_none(), "the last fenced block of the page is not closed: {open:?}");
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart_into_its_blocks() {
        let page = "text\n```toml file=a.toml\nx = 1\n```\n````text\n```\n````\n```console again\n$ ls\n```\n";
        let blocks = blocks(page);
        let seen: Vec<_> =
            blocks.iter().map(|block| (block.line, block.language.as_str(), block.text.as_str())).collect();
        assert_eq!(seen, [(3, "toml", "x = 1\n"), (6, "text", "```\n"), (9, "console", "$ ls\n")]);
        assert_eq!((blocks[0].value("file"), blocks[0].value("from")), (Some("a.toml"), None));
        assert!(blocks[2].says("again") && !blocks[0].says("again"));
    }
}
