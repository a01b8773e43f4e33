//! What a copy says of itself, in a table that no store has.

use rusqlite::{Connection, OptionalExtension, Result};

const TABLE: &str = "portcullis_backup";

/// Notes whose it is.
pub(super) fn write(copy: &Connection, tenant: &str) -> Result<()> {
    copy.execute_batch(&format!("CREATE TABLE {TABLE} (tenant TEXT NOT NULL) STRICT"))?;
    copy.execute(&format!("INSERT INTO {TABLE} VALUES (?1)"), [tenant])?;
    Ok(())
}

/// Whose it is; a copy of an earlier version does not say.
pub(super) fn read(copy: &Connection) -> Result<Option<String>> {
    if !copy.table_exists(None, TABLE)? {
        return Ok(None);
    }
    copy.query_row(&format!("SELECT tenant FROM {TABLE}"), [], |row| row.get(0)).optional()
}

/// Removes what is noted, if anything is.
pub(super) fn remove(db: &Connection) -> Result<()> {
    db.execute_batch(&format!("DROP TABLE IF EXISTS {TABLE}"))
}
