//! Finding, locking and opening the file, with a clear word where that fails.
//!
//! It never creates a folder, never touches a database that is another program's or a newer version's, and never
//! starts on settings that would lose what was answered.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::StoreError;
use super::migrations;

/// Marks the file as this program's, in its header.
const APPLICATION_ID: i64 = 0x4365_6c6f;
/// How long a write waits for one of another process, such as `events retry`.
const BUSY: Duration = Duration::from_secs(5);

/// How long a file is looked through for damage at the start. One of many gigabytes is looked through in part: being
/// back soon is worth more, and what is met later is an error then.
const LOOK: Duration = Duration::from_secs(5);

/// Where the store is.
pub enum Place {
    Memory,
    File(PathBuf),
}

impl Place {
    /// Understands `sqlite:PATH`, `sqlite://PATH` and `sqlite::memory:`.
    pub fn parse(database_url: &str) -> Result<Self, StoreError> {
        // The address is not repeated in the message: one of another kind may hold a password.
        let wrong =
            |problem: &str| StoreError::Open { path: "the configured `database_url`".into(), problem: problem.into() };
        let rest = database_url.strip_prefix("sqlite:").ok_or_else(|| {
            wrong("it begins with neither `sqlite:` nor `postgres://`; write `sqlite:relay.db`, for example")
        })?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            ":memory:" => Ok(Self::Memory),
            "" => Err(wrong("it names no file; write `sqlite:relay.db`, for example")),
            path if path.contains('?') => Err(wrong("it has parameters after `?`, and there are none; leave them out")),
            path => Ok(Self::File(path.into())),
        }
    }
}

/// A file that is there, and locked when this process is to be the only one that serves.
pub struct Opened {
    pub path: PathBuf,
    pub lock: Option<File>,
}

/// Makes sure that the file is there and may be used. Only the serving process creates it: a command that is run in
/// the wrong folder should say so rather than find nothing.
pub fn claim(path: &Path, serves: bool) -> Result<Opened, StoreError> {
    let refuse = |problem: String| StoreError::Open { path: path.display().to_string(), problem };
    if path.is_dir() {
        return Err(refuse("it is a folder; name a file in it".into()));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(refuse(format!("there is no folder {}; create it, or choose another", folder.display())));
    }
    let is_new = !path.exists();
    if is_new && !serves {
        return Err(refuse("there is no such file; `cello-relay serve` creates it. Is `database_url` right?".into()));
    }
    touch(path, serves).map_err(|error| {
        refuse(format!("{error}; let the user that runs cello-relay read and write the file and its folder"))
    })?;
    if is_new {
        flush_folder(folder).map_err(|error| refuse(format!("its folder cannot be flushed to disk: {error}")))?;
    }
    refuse_log_of_another(path).map_err(refuse)?;
    // Two names of one file must meet at one lock.
    let path = path.canonicalize().map_err(|error| refuse(error.to_string()))?;
    let lock = if serves { Some(lock(&path)?) } else { None };
    Ok(Opened { path, lock })
}

/// How often, and after which pauses, the lock is tried: a process that is just ending, or starting a child that has a
/// copy of its files for a moment, releases it soon.
const LOCK_LOOKS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// Takes the lock that says: this process serves from the file. It ends with the process, however that ends.
pub fn lock(path: &Path) -> Result<File, StoreError> {
    let name = lock_of(path);
    let refuse = |error: io::Error| StoreError::Open {
        path: name.display().to_string(),
        problem: format!("{error}; let the user that runs cello-relay write in this folder"),
    };
    let file = touch(&name, true).map_err(refuse)?;
    for _ in 0..LOCK_LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
    }
    Err(StoreError::InUse { path: path.display().to_string() })
}

/// Whether a process serves from the file.
pub fn is_locked(path: &Path) -> bool {
    let lock = path.canonicalize().and_then(|path| File::open(lock_of(&path)));
    lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether there is what only a store leaves beside its file.
pub fn has_leftovers(path: &Path) -> bool {
    [".lock", "-wal", "-shm"].iter().any(|ending| beside(path, ending).exists())
}

fn lock_of(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Refuses a file that has no log with a log beside it, as when a backup was put in place of a store and what was beside
/// that was left: SQLite would write pages of the one into the other.
fn refuse_log_of_another(path: &Path) -> Result<(), String> {
    let log = beside(path, "-wal");
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    // <https://www.sqlite.org/fileformat.html>: byte 18 is 2 for a file that is written through a log.
    if read.is_ok() && header[18] == 1 && log.exists() {
        return Err(format!(
            "{} beside it belongs to the file that was there before; delete it, and the one that ends with -shm",
            log.display()
        ));
    }
    Ok(())
}

/// The connection that writes, on tables of the version this program knows.
pub fn writing(opened: &Opened) -> Result<Connection, StoreError> {
    let path = &opened.path;
    let db = connect(path)?;
    refuse_foreign(&db, path)?;
    if opened.lock.is_some() {
        refuse_damaged(&db, path)?;
    }
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| problem(path, error))?;
    if mode != "wal" {
        return Err(StoreError::Open {
            path: path.display().to_string(),
            problem: format!("its disk does not support write-ahead logging (SQLite chose {mode}); use a local disk"),
        });
    }
    set_up(&db).map_err(|error| problem(path, error))?;
    let synchronous: i64 =
        db.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(|error| problem(path, error))?;
    if synchronous != 2 {
        return Err(StoreError::Open {
            path: path.display().to_string(),
            problem: "SQLite does not flush to disk as it must (synchronous is not FULL)".into(),
        });
    }
    match opened.lock {
        Some(_) => migrations::run(&db)?,
        // A look at an older store must not keep the older version from starting again.
        None => refuse_other_version(&db, path)?,
    }
    Ok(db)
}

/// Refuses a file whose tables are not those that this program knows.
pub fn refuse_other_version(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let owner = number("application_id").map_err(|error| problem(path, error))?;
    let found = migrations::found(db).map_err(|error| problem(path, error))?;
    if owner == APPLICATION_ID && found == migrations::known() {
        return Ok(());
    }
    if owner == APPLICATION_ID && found > migrations::known() {
        return Err(StoreError::TooNew { found, known: migrations::known() });
    }
    let problem = if owner == APPLICATION_ID {
        "its tables are of an older version; `cello-relay serve` of this version brings them up"
    } else {
        "it is not a store of this program; choose another file"
    };
    Err(StoreError::Open { path: path.display().to_string(), problem: problem.into() })
}

/// The connection that reads and cannot write.
pub fn reading(path: &Path) -> Result<Connection, StoreError> {
    let db = connect(path)?;
    db.execute_batch("PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA query_only = ON")
        .map_err(|error| problem(path, error))?;
    Ok(db)
}

/// A store that ends with the process.
pub fn in_memory() -> Result<Connection, StoreError> {
    let db = Connection::open_in_memory()?;
    prepare_once(&db)?;
    set_up(&db)?;
    migrations::run(&db)?;
    Ok(db)
}

/// A store that ends with this connection, in a file that has no name: its memory is bounded, however much it holds.
pub fn temporary() -> Result<Connection, StoreError> {
    // The empty name is SQLite's own for such a file. It makes it when its memory is full, and unlinks it at once.
    let db = Connection::open("")?;
    prepare_once(&db)?;
    // Pages beyond the cache go to the file, so this is the bound of its memory, save for what one transaction changes.
    db.execute_batch(
        "PRAGMA synchronous = OFF;
         PRAGMA journal_mode = MEMORY;
         PRAGMA cache_size = -32768;",
    )?;
    migrations::run(&db)?;
    Ok(db)
}

/// A temporary store without queue and history: see [`Scratch`](super::scratch::Scratch).
pub fn scratch() -> Result<Connection, StoreError> {
    let db = temporary()?;
    db.execute_batch(include_str!("scratch.sql"))?;
    Ok(db)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Without CREATE and URI: the file is there, and its name is a name and not an address.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| problem(path, error))?;
    db.busy_timeout(BUSY).map_err(|error| problem(path, error))?;
    prepare_once(&db).map_err(|error| problem(path, error))?;
    Ok(db)
}

/// Statements are kept. Without the second line, SQLite would look at the values they are run with for a better plan,
/// and so prepare some of them again each time; the plans we have are the ones we want.
fn prepare_once(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(128);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn set_up(db: &Connection) -> rusqlite::Result<()> {
    // FULL flushes at every commit; fullfsync makes that true on macOS. Checkpoints every 4096 pages (16 MiB), so that
    // the second flush they cost is rare; what a burst left of the log beyond 64 MiB is given back. What is erased is
    // overwritten, not only marked as free.
    db.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = 4096;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;",
    )
}

/// Refuses a file that is not this program's, before anything in it is changed.
fn refuse_foreign(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (owner, found) = number("application_id")
        .and_then(|owner| Ok((owner, number("user_version")?)))
        .map_err(|e| problem(path, e))?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| problem(path, error))?;
    if owner == APPLICATION_ID && found > migrations::known() {
        return Err(StoreError::TooNew { found, known: migrations::known() });
    }
    if owner == APPLICATION_ID {
        return Ok(());
    }
    if owner != 0 || found != 0 || tables != 0 {
        return Err(StoreError::Open {
            path: path.display().to_string(),
            problem: "it is a database of another program; choose another file".into(),
        });
    }
    db.pragma_update(None, "application_id", APPLICATION_ID).map_err(|error| problem(path, error))
}

/// Refuses a file in which something is not as SQLite writes it, such as half a copy or what a bad disk left.
fn refuse_damaged(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let (done, is_done) = mpsc::channel::<()>();
    let interrupt = db.get_interrupt_handle();
    let watch = thread::spawn(move || {
        if is_done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            interrupt.interrupt();
        }
    });
    let found: rusqlite::Result<String> = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    drop(done);
    // Until it has ended it could interrupt what comes next.
    let _ = watch.join();
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(damage) => Err(damaged(path, &damage)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!("the store is large: only a part of it was looked through for damage");
            Ok(())
        }
        Err(error) => Err(problem(path, error)),
    }
}

fn damaged(path: &Path, damage: &str) -> StoreError {
    let problem = format!("it is damaged ({}); restore a backup", damage.replace('\n', " "));
    StoreError::Open { path: path.display().to_string(), problem }
}

fn problem(path: &Path, error: rusqlite::Error) -> StoreError {
    let problem = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not a database; choose another file".into(),
        Some(ErrorCode::DatabaseCorrupt) => return damaged(path, &error.to_string()),
        Some(ErrorCode::DatabaseBusy) => "another process is writing to it and does not end; stop that first".into(),
        _ => error.to_string(),
    };
    StoreError::Open { path: path.display().to_string(), problem }
}

/// Opens for reading and writing, which tells of missing rights; a new file is for its owner only.
fn touch(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes an empty file for its owner only.
pub fn touch_new(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// See [`flush_folder`].
pub fn flush_folder_of(path: &Path) -> io::Result<()> {
    flush_folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// A new file survives a power cut only when its folder was flushed, too.
fn flush_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
