//! How often the disk can promise: the bound of every rate that is made of commits.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::histogram::Histogram;

/// A page of Postgres' log.
const PAGE: usize = 8 * 1024;
/// A segment of Postgres' log: written before, as those are, so that a write changes no metadata.
const SEGMENT_PAGES: u64 = 2 * 1024;

/// Writes a page and `fdatasync`s it, one after the other, for that long; answers how long each took.
pub(crate) fn measure(folder: &Path, time: Duration) -> Result<Histogram> {
    let path = folder.join("fdatasync");
    let file = File::create(&path).with_context(|| format!("cannot write in {}", folder.display()))?;
    let page = [0x5a; PAGE];
    (0..SEGMENT_PAGES).try_for_each(|number| write(&file, &page, number))?;
    file.sync_all()?;
    let (mut times, end) = (Histogram::default(), Instant::now() + time);
    for number in (0..SEGMENT_PAGES).cycle() {
        let began = Instant::now();
        if began >= end {
            break;
        }
        write(&file, &page, number)?;
        file.sync_data()?;
        times.record(began.elapsed());
    }
    fs::remove_file(&path)?;
    Ok(times)
}

fn write(file: &File, page: &[u8], number: u64) -> Result<()> {
    Ok(file.write_all_at(page, number * page.len() as u64)?)
}
