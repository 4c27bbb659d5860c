//! An operator with a section of the page in front of them: its commands are typed as they stand
//! there, with the ids of a world in the place of the page's.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::{Said, World};

use super::page::{Typed, section_of};

/// What cannot be run here as it stands there, and why. The test of a section does the same in
/// another way, and says so with [`Desk::stand_in`].
pub(crate) const NOT_HERE: [(&str, &str); 4] = [
    ("sudo systemctl restart tenantry-worker", "the worker of a world is a process of the test's"),
    ("sudo systemctl restart tenantry-webhook", "the shim of a world is a process of the test's"),
    ("sudo systemctl stop tenantry-webhook tenantry-worker", "both are processes of the test's"),
    ("sudo systemctl start tenantry-worker tenantry-webhook", "both are processes of the test's"),
];

/// The ids and addresses that the page takes for its examples. None is left in a command that is
/// run: each world says whose it puts there.
pub(crate) const EXAMPLES: [&str; 9] = [
    "cus_QXg1oyoEfW2bZ3",
    "cus_NffrFeUfNV2Hib",
    "sub_1MowQVLkdIwHu7ix",
    "190f0b43-fe35-5e35-ba10-4f73c2b88e4d",
    "127.0.0.1:9464",
    "127.0.0.1:9465",
    "alga-psa-workflows",
    "outage-1122",
    "2026-11-22",
];

/// A section under way.
pub(crate) struct Desk<'a> {
    world: &'a World,
    heading: &'static str,
    blocks: VecDeque<Vec<Typed>>,
    examples: Vec<(&'static str, String)>,
    settings: Vec<(String, String)>,
    folder: PathBuf,
    stand_ins: Vec<(&'static str, StandIn<'a>)>,
}

type StandIn<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

impl<'a> Desk<'a> {
    /// Opens the page there. `examples` says what stands for what.
    pub(crate) fn open(world: &'a World, heading: &'static str, examples: &[(&'static str, &str)]) -> Result<Self> {
        let mut examples: Vec<_> = examples.iter().map(|(page, ours)| (*page, (*ours).to_owned())).collect();
        examples.push(("alga-psa-workflows", world.task_queue()));
        let blocks = section_of(heading)?.blocks.into();
        let folder = world.folder().to_owned();
        Ok(Self { world, heading, blocks, examples, settings: Vec::new(), folder, stand_ins: Vec::new() })
    }

    /// Has that done where the page says a command that cannot be run here.
    pub(crate) fn stand_in(mut self, command: &'static str, act: impl FnMut() -> Result<()> + 'a) -> Self {
        assert!(NOT_HERE.iter().any(|(not_here, _)| *not_here == command), "{command} can be run");
        self.stand_ins.push((command, Box::new(act)));
        self
    }

    /// Types in another folder from now on.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
    }

    /// Changes a setting of the operator's own environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Types the next block, and answers what each command said. A command that exits with another
    /// code than the page says is an error.
    pub(crate) fn next_block(&mut self) -> Result<Vec<Said>> {
        let block = self.blocks.pop_front().with_context(|| format!("{:?} has no more blocks", self.heading))?;
        let mut all = Vec::new();
        for typed in block {
            all.extend(self.run(&typed).with_context(|| format!("under {:?}", self.heading))?);
        }
        Ok(all)
    }

    /// [`Desk::next_block`] of a block with one command.
    pub(crate) fn next_command(&mut self) -> Result<Said> {
        let mut said = self.next_block()?;
        ensure!(said.len() == 1, "under {:?}: {} commands, not one", self.heading, said.len());
        Ok(said.remove(0))
    }

    /// The section is worked through.
    pub(crate) fn done(self) -> Result<()> {
        ensure!(self.blocks.is_empty(), "under {:?} nobody has typed {:?}", self.heading, self.blocks);
        Ok(())
    }

    fn run(&mut self, typed: &Typed) -> Result<Option<Said>> {
        if NOT_HERE.iter().any(|(command, _)| *command == typed.command) {
            let act = self.stand_ins.iter_mut().find(|(command, _)| *command == typed.command);
            let (_, act) = act.with_context(|| format!("nobody stands in for {}", typed.command))?;
            return act().map(|()| None);
        }
        let command = self.examples.iter().fold(typed.command.clone(), |text, (page, ours)| text.replace(page, ours));
        let left = EXAMPLES.iter().find(|example| command.contains(*example));
        ensure!(left.is_none(), "{left:?} stands for nothing in {command}");
        self.world.shell(&command, &self.folder, &self.settings)?.exits(typed.exits).map(Some)
    }
}
