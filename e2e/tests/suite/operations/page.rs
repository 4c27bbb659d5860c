//! `docs/OPERATIONS.md` as its tests read it: sections, and the commands in their fenced blocks.

use std::fs;

use anyhow::{Context, Result, ensure};
use stack::workspace;

/// A heading of the second level, and what stands under it.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) heading: String,
    /// Commands that are typed one after the other, block by block.
    pub(crate) blocks: Vec<Vec<Typed>>,
    /// Prose and all, for what else a test looks for.
    pub(crate) text: String,
}

/// A command as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) command: String,
    /// 0, unless a comment behind it says `# exits 6`.
    pub(crate) exits: i32,
}

/// Every section of the page.
pub(crate) fn sections() -> Result<Vec<Section>> {
    let page = fs::read_to_string(workspace::root().join("docs/OPERATIONS.md"))?;
    let sections: Vec<Section> = page.split("\n## ").skip(1).map(section).collect::<Result<_>>()?;
    ensure!(sections.len() > 3, "the page has no sections");
    Ok(sections)
}

/// The one under that heading.
pub(crate) fn section_of(heading: &str) -> Result<Section> {
    let found = sections()?.into_iter().find(|section| section.heading == heading);
    found.with_context(|| format!("docs/OPERATIONS.md has no section {heading:?}"))
}

fn section(text: &str) -> Result<Section> {
    let (heading, rest) = text.split_once('\n').context("a heading and nothing else")?;
    let blocks = fenced(rest, "sh").into_iter().map(typed).collect::<Result<_>>()?;
    Ok(Section { heading: heading.to_owned(), blocks, text: rest.to_owned() })
}

/// What stands in the fenced blocks of that language.
pub(crate) fn fenced<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let of_it = |block: &'a str| block.strip_prefix(language).and_then(|rest| rest.strip_prefix('\n'));
    text.split("```").skip(1).step_by(2).filter_map(of_it).collect()
}

fn typed(block: &str) -> Result<Vec<Typed>> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(one).collect()
}

fn one(line: &str) -> Result<Typed> {
    let (command, exits) = match line.split_once("# exits ") {
        Some((command, code)) => (command.trim_end(), code.trim().parse().with_context(|| line.to_owned())?),
        None => (line, 0),
    };
    Ok(Typed { command: command.to_owned(), exits })
}

#[test]
fn a_block_is_read_as_it_is_typed() -> Result<()> {
    let block =
        "# a remark\ntenantry doctor  # exits 6\n\ntenantry start tenant --email a@b.c \\\n    --client-name 'A'\n";
    let read: Vec<(String, i32)> = typed(block)?.into_iter().map(|one| (one.command, one.exits)).collect();
    let start = "tenantry start tenant --email a@b.c      --client-name 'A'";
    assert_eq!(read, [("tenantry doctor".to_owned(), 6), (start.to_owned(), 0)]);
    assert_eq!(fenced("a\n```sh\nb\n```\n```yaml\nc\n```\n", "yaml"), ["c\n"]);
    Ok(())
}
