//! Loopback ports that nobody uses.

use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

/// Below the ports that a system gives away by itself (from 32768 on Linux, from 49152 elsewhere),
/// so that a server that was killed finds its own still free when it comes back.
const ALL: Range<u16> = 20_000..32_000;

/// A process takes this many at a time.
const BLOCK: u16 = 100;

/// What this process has taken and not given yet.
static TAKEN: Mutex<Range<u16>> = Mutex::new(0..0);

/// A free port on 127.0.0.1; no process that asks here gets one that another got.
pub fn free() -> Result<u16> {
    row(1)
}

/// The first of so many free ports in a row.
pub fn row(length: u16) -> Result<u16> {
    ensure!((1..=BLOCK).contains(&length), "a row has 1 to {BLOCK} ports, not {length}");
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(first) = row_of(&mut taken, length) {
            return Ok(first);
        }
        *taken = take_block()?;
    }
}

/// Gives a row of these, passing over what somebody listens on who did not ask here.
fn row_of(ports: &mut Range<u16>, length: u16) -> Option<u16> {
    while ports.len() >= usize::from(length) {
        let row = ports.start..ports.start + length;
        match row.clone().rev().find(|port| is_taken(*port)) {
            Some(port) => ports.start = port + 1,
            None => {
                ports.start = row.end;
                return Some(row.start);
            }
        }
    }
    None
}

/// A UDP socket on its first number says whose a block is: servers listen on TCP, and the kernel
/// closes the socket when the process dies, however it dies.
fn take_block() -> Result<Range<u16>> {
    let blocks = ALL.len() / usize::from(BLOCK);
    // Elsewhere than the process before: a port that was in use a moment ago may still be closing.
    let begin = usize::try_from(std::process::id())? % blocks;
    let firsts = ALL.step_by(BLOCK.into()).cycle().skip(begin).take(blocks);
    let (first, claim) =
        firsts
            .filter_map(|first| Some((first, UdpSocket::bind(("127.0.0.1", first)).ok()?)))
            .next()
            .with_context(|| format!("no free ports on 127.0.0.1 from {} to {}", ALL.start, ALL.end - 1))?;
    std::mem::forget(claim);
    Ok(first..first + BLOCK)
}

/// Whether somebody listens on that port of 127.0.0.1.
pub fn is_taken(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_err()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{ALL, BLOCK, free, row, row_of, take_block};

    #[test]
    fn a_port_is_given_once() {
        let mut given: Vec<u16> = (0..250).map(|_| free().expect("a port")).collect();
        assert!(given.iter().all(|port| ALL.contains(port)), "{given:?}");
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 250);
    }

    #[test]
    fn a_block_belongs_to_who_took_it() {
        let blocks: Vec<u16> = (0..3).map(|_| take_block().expect("a block").start).collect();
        assert!(blocks[0] != blocks[1] && blocks[1] != blocks[2] && blocks[0] != blocks[2], "{blocks:?}");
    }

    #[test]
    fn a_row_passes_over_what_is_in_use() {
        let mut block = take_block().expect("a block");
        let first = block.start;
        let _theirs = TcpListener::bind(("127.0.0.1", first + 4)).expect("a free port");
        assert_eq!([row_of(&mut block, 3), row_of(&mut block, 3)], [Some(first), Some(first + 5)]);
        assert_eq!(row_of(&mut block, BLOCK), None);
    }

    #[test]
    fn a_row_that_no_block_can_hold_is_refused() {
        let refusal = row(BLOCK + 1).expect_err("refused").to_string();
        assert!(refusal.contains("1 to 100 ports, not 101"), "{refusal}");
    }
}
