//! What a shell is told when somebody presses Tab, and the manual.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::World;
use stack::{binaries, deadline};

/// What completes the last of the words.
fn completed(world: &World, words: &str, with: &[(&str, &str)]) -> Result<Vec<String>> {
    let words: Vec<&str> = words.split(' ').collect();
    let index = (words.len() - 1).to_string();
    let asking = [("TENANTRY_COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", index.as_str()), ("_CLAP_IFS", "\n")];
    let said = world.tenantry_with(&[&["--"], &words[..]].concat(), &[&asking[..], with].concat())?.exits(0)?;
    ensure!(said.stderr.is_empty(), "{said:?}");
    Ok(said.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn commands_flags_values_and_ids_complete() -> Result<()> {
    let world = World::named("completions").start()?;
    let check = |words: &str, expected: &str| -> Result<()> {
        let found = completed(&world, words, &[])?;
        ensure!(found.iter().any(|word| word == expected), "{words}: {found:?} lacks {expected}");
        Ok(())
    };
    check("tenantry ru", "runs")?;
    check("tenantry runs li", "list")?;
    check("tenantry runs list --fai", "--failed")?;
    check("tenantry runs list --type create", "createTenantWorkflow")?;
    check("tenantry runs list --kind StripeN", "StripeNotFound")?;
    check("tenantry events list --status fa", "failed")?;
    check("tenantry doctor --output j", "json")?;
    check("tenantry schema tenant", "tenant show")?;
    let purchase = world.stripe.buy(10)?;
    let run = world.onboard(&purchase)?;
    run.result()?;
    let beginning = &run.workflow_id[..run.workflow_id.len() - 3];
    ["show", "why", "watch", "replay", "cancel"].into_iter().try_for_each(|command| {
        deadline::poll("the run to be listed", Duration::from_secs(60), || {
            let found = completed(&world, &format!("tenantry runs {command} {beginning}"), &[])?;
            Ok((found == [run.workflow_id.as_str()]).then_some(()))
        })
    })
}

#[test]
fn without_temporal_no_id_completes_and_nobody_waits() -> Result<()> {
    let world = World::named("completions-away").without_worker()?;
    let away = [("TEMPORAL_ADDRESS", "127.0.0.1:9")];
    let took = (0..5).map(|_| {
        let begun = Instant::now();
        assert_eq!(completed(&world, "tenantry runs show create", &away)?, [""; 0]);
        Ok(begun.elapsed())
    });
    let fastest = took.collect::<Result<Vec<_>>>()?.into_iter().min();
    // Far more than it gives itself, and far less than a connection is waited for elsewhere.
    ensure!(fastest < Some(Duration::from_secs(4)), "it took {fastest:?}");
    Ok(())
}

#[test]
fn a_shell_takes_the_script() -> Result<()> {
    let world = World::named("completions-bash").without_worker()?;
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        ensure!(world.tenantry(&["completions", shell])?.exits(0)?.stdout.contains("TENANTRY_COMPLETE"), "{shell}");
    }
    let script = world.tenantry(&["completions", "bash"])?.exits(0)?.stdout;
    let press = "COMP_WORDS=(tenantry runs li); COMP_CWORD=2; _clap_complete_tenantry tenantry li runs; \
                 echo \"${COMPREPLY[*]}\"";
    let path = binaries::binary("tenantry")?;
    let folder = path.parent().context("a folder")?;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &format!("{script}\n{press}")])
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let said = String::from_utf8(bash.output()?.stdout)?;
    assert_eq!(said.trim(), "list");
    Ok(())
}

#[test]
fn the_manual_has_a_page_for_each_command() -> Result<()> {
    let world = World::named("manual").without_worker()?;
    let folder = world.folder().join("man1");
    world.tenantry(&["man", folder.to_str().context("a path")?])?.exits(0)?;
    let pages = std::fs::read_dir(&folder)?.map(|page| Ok(page?.file_name().to_string_lossy().into_owned()));
    let pages = pages.collect::<Result<BTreeSet<String>>>()?;
    for page in ["tenantry.1", "tenantry-runs.1", "tenantry-runs-list.1", "tenantry-runs-batch-show.1"] {
        ensure!(pages.contains(page), "no {page} among {pages:?}");
    }
    let page = std::fs::read_to_string(folder.join("tenantry-runs-list.1"))?;
    ensure!(page.contains("tenantry runs list \\-\\-failed"), "{page}");
    world.tenantry(&["man", "/proc/nowhere"])?.exits(2)?;
    Ok(())
}
