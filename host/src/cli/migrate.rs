//! `portcullis migrate`: addresses of a database of other programs, put into the key form.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use tokio::runtime::Builder;

use super::open::{ending, leave, load_settings};
use super::options::{Common, Migrate};
use super::{REFUSED, print};
use crate::store::mongo::migrate::migrate;
use crate::tenant::database;

pub(super) fn run(common: &Common, options: &Migrate) -> anyhow::Result<ExitCode> {
    let settings = load_settings(common)?;
    let tokio = Builder::new_multi_thread().enable_all().build()?;
    tokio.block_on(async {
        let Some(store) = database::connect(&settings).await? else {
            bail!(
                "no `mongo_uri` is set, and the embedded store has its addresses in order always"
            );
        };
        let migrated = migrate(&store, options.dry_run).await;
        if !options.dry_run {
            leave(&settings, Arc::new(store.clone()), "migrate", ending(&migrated)).await;
        }
        let migration = migrated?;
        let done = if options.dry_run { "would become" } else { "became" };
        for moved in &migration.moved {
            let key = moved.spelling.to_ascii_lowercase();
            print::line(&format!("{}: {} {done} {key}", moved.collection, moved.spelling))?;
        }
        for collision in &migration.collisions {
            print::line(&format!(
                "{}: COLLISION at {}: {} records ({}); left alone: decide which is right, and \
                 remove the others",
                collision.collection,
                collision.key,
                collision.spellings.len(),
                collision.spellings.join(", "),
            ))?;
        }
        let (moved, collisions) = (migration.moved.len(), migration.collisions.len());
        print::line(&format!("{moved} {done} lower case, {collisions} collisions"))?;
        if !migration.collisions.is_empty() {
            return Ok(ExitCode::from(REFUSED));
        }
        if !options.dry_run {
            // What stood in their way may be gone.
            if let Some(problem) = store.check().await.first() {
                bail!("{problem}");
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
