//! `portcullis backup` and `portcullis restore`: a copy of the embedded store, and the way back.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::bail;

use super::open::{self, load_settings};
use super::options::{Backup, Common, Restore};
use super::progress::Progress;
use super::{print, prompt};
use crate::settings::Settings;
use crate::store::sqlite::backup::{self as copy, Kept};
use crate::tenant::embedded_store;

/// Write a copy, and say where it is.
pub(super) fn backup(common: &Common, options: &Backup) -> anyhow::Result<()> {
    let settings = load_settings(common)?;
    let store = embedded(common, &settings, "mongodump")?;
    // Whoever takes all password hashes away is known to have begun, however it ends.
    open::note(common, &settings, "backup", "begun");
    let mut progress = progress();
    let (to, force) = (&options.output, options.force);
    let made = copy::backup(&store, &settings.tenant, to, force, &mut |done, all| {
        progress.of(done, all, "copied");
    });
    drop(progress);
    open::note(common, &settings, "backup", open::ending(&made));
    made?;
    print::line(&format!("{}: the backup is whole", options.output.display()))?;
    Ok(())
}

/// Put a copy in the place of everything, and say where that is now.
pub(super) fn restore(common: &Common, options: &Restore) -> anyhow::Result<()> {
    let settings = load_settings(common)?;
    let store = embedded(common, &settings, "mongorestore")?;
    let tenant = &settings.tenant;
    // What is no backup is refused further on.
    if let Ok(Some(whose)) = copy::tenant_of(&options.file)
        && whose != *tenant
        && !options.other_tenant
    {
        bail!(
            "{}: is a backup of the tenant {}, and this is {tenant}; nothing was done: say so with \
             --other-tenant",
            options.file.display(),
            whose.escape_debug()
        );
    }
    if !options.yes {
        let what = format!(
            "Everything of the tenant {tenant}, in {}, is replaced by what {} holds.",
            store.display(),
            options.file.display()
        );
        if !io::stdin().is_terminal() {
            bail!("{what} Nothing was done: say so with --yes");
        }
        if !prompt::confirm(&what)? {
            bail!("nothing was done");
        }
    }
    let keep = (!options.no_keep && store.exists()).then(|| before(&store));
    let mut progress = progress();
    let (from, keep) = (&options.file, keep.as_deref());
    let kept = copy::restore(&store, tenant, from, keep, &mut |done, all| {
        progress.of(done, all, "copied");
    })?;
    drop(progress);
    open::note(common, &settings, "restore", "done");
    match kept {
        Kept::Nothing => {}
        Kept::Copy(copy) => {
            print::line(&format!("{}: what was there before", copy.display()))?;
        }
        Kept::Files(files) => {
            for file in files {
                let what = "as it was there before, because the store is damaged";
                print::line(&format!("{}: {what}", file.display()))?;
            }
        }
    }
    print::line(&format!("{}: restored", store.display()))?;
    let own_key = settings.origins.contains_key("secret_key");
    if !own_key && !common.data.join("secret.key").exists() {
        // Nobody is left to be told when this fails.
        let _ = writeln!(
            io::stderr(),
            "portcullis: {} has no secret.key: without the one of the backup, its open codes are \
             refused and its waiting mail stays sealed",
            common.data.display()
        );
    }
    Ok(())
}

/// The tenant's embedded store.
fn embedded(common: &Common, settings: &Settings, other: &str) -> anyhow::Result<PathBuf> {
    if settings.host.mongo.is_some() {
        bail!(
            "the tenant {} has its records in MongoDB, of which {other} makes copies; this is for \
             the embedded store",
            settings.tenant
        );
    }
    Ok(embedded_store(&common.data, &settings.tenant)?)
}

/// A name beside the store that says what the file is, and from when.
fn before(store: &Path) -> PathBuf {
    let now = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    // Colons are no part of names everywhere.
    let now = now.replace([':', '-'], "");
    let mut name = OsString::from(store);
    name.push(format!(".before-restore-{now}"));
    name.into()
}

/// How far it is, for a person to see: a job of the night has nothing to say while it goes on.
fn progress() -> Progress {
    Progress::new(Some(0), !io::stderr().is_terminal())
}
