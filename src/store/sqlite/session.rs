//! What a transaction is in SQLite.

use rusqlite::Connection;

use super::super::StoreError;
use super::super::threads::Session;

impl Session for Connection {
    fn begin(&self) -> Result<(), StoreError> {
        if !self.is_autocommit() {
            // Left over from a rollback that failed.
            self.execute_batch("ROLLBACK")?;
        }
        // Immediate: to find out now, not in the middle, that another process is writing.
        Ok(self.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn begin_reading(&self) -> Result<(), StoreError> {
        Ok(self.execute_batch("BEGIN DEFERRED")?)
    }

    fn in_transaction(&self) -> bool {
        !self.is_autocommit()
    }

    fn savepoint(&self) -> Result<(), StoreError> {
        self.prepare_cached("SAVEPOINT job")?.execute([])?;
        Ok(())
    }

    fn release(&self) -> Result<(), StoreError> {
        self.prepare_cached("RELEASE job")?.execute([])?;
        Ok(())
    }

    fn undo(&self) -> Result<(), StoreError> {
        self.prepare_cached("ROLLBACK TO job")?.execute([])?;
        self.release()
    }

    fn commit(&self) -> Result<(), StoreError> {
        Ok(self.execute_batch("COMMIT")?)
    }

    fn roll_back(&self) -> Result<(), StoreError> {
        Ok(self.execute_batch("ROLLBACK")?)
    }

    fn close(self) {
        // Leaves one file behind. Should it fail, the next start does it.
        let _ = self.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = Connection::close(self);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::threads::Writer;
    use super::super::file;
    use super::*;

    /// Queues `work` behind something that keeps the writer busy, so that all of it shares one transaction.
    async fn together(writer: &Writer<Connection>, work: &[&'static str]) -> Vec<Result<(), StoreError>> {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let busy = writer.run(move |_| {
            begun.send(()).unwrap();
            gate.recv().unwrap();
            Ok(())
        });
        let all = async {
            has_begun.await.unwrap();
            let work = work.iter().map(|sql| writer.run(|db| Ok(db.execute_batch(sql)?)));
            tokio::join!(futures_util::future::join_all(work), async { open.send(()).unwrap() }).0
        };
        let (_, results) = tokio::join!(busy, all);
        results
    }

    async fn number(writer: &Writer<Connection>, sql: &'static str) -> i64 {
        writer.run(move |db| Ok(db.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }

    const PIN: &str = "INSERT INTO pinned_code VALUES (hex(randomblob(8)), 'code')";
    const PINNED: &str = "SELECT count(*) FROM pinned_code";

    #[tokio::test]
    async fn work_that_fails_undoes_itself_and_not_its_neighbours() {
        let writer = Writer::start(file::in_memory).unwrap();
        let half = "INSERT INTO pinned_code VALUES ('half', 'code'); INSERT INTO nowhere VALUES (1)";
        let results = together(&writer, &[PIN, half, PIN]).await;
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(number(&writer, PINNED).await, 2);
    }

    #[tokio::test]
    async fn when_the_flush_fails_nobody_is_told_otherwise_and_nothing_remains() {
        let writer = Writer::start(file::in_memory).unwrap();
        // Checked at the commit only, and wrong.
        let broken = "PRAGMA defer_foreign_keys = ON; INSERT INTO webhook_body VALUES (77, x'00')";
        let results = together(&writer, &[PIN, broken, PIN]).await;
        for result in results {
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        }
        assert_eq!(writer.stats().failed_flushes, 1);
        assert_eq!(number(&writer, PINNED).await, 0);
        assert!(together(&writer, &[PIN]).await[0].is_ok(), "and it goes on");
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_and_the_store_works_again_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let opened = file::claim(&folder.path().join("relay.db"), true).unwrap();
        let writer = {
            let db = file::writing(&opened).unwrap();
            Writer::start(move || Ok(db)).unwrap()
        };
        let limit = |pages: i64| {
            writer.run(move |db| Ok(db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?))
        };
        limit(1).await.unwrap(); // It cannot be less than there are.
        let large = "INSERT INTO pinned_code VALUES (hex(randomblob(8)), hex(randomblob(100000)))";
        for result in together(&writer, &[large, large]).await {
            assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        }
        assert_eq!(number(&writer, PINNED).await, 0);

        limit(1_000_000).await.unwrap();
        assert!(together(&writer, &[large]).await[0].is_ok());
        assert_eq!(number(&writer, PINNED).await, 1);
    }

    #[tokio::test]
    async fn settings_that_durability_depends_on_are_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let opened = file::claim(&folder.path().join("relay.db"), true).unwrap();
        let writer = {
            let db = file::writing(&opened).unwrap();
            Writer::start(move || Ok(db)).unwrap()
        };
        assert_eq!(number(&writer, "SELECT synchronous FROM pragma_synchronous").await, 2);
        assert_eq!(number(&writer, "SELECT journal_mode = 'wal' FROM pragma_journal_mode").await, 1);
        assert_eq!(number(&writer, "SELECT foreign_keys FROM pragma_foreign_keys").await, 1);

        let reader = file::reading(&opened.path).unwrap();
        assert!(reader.execute_batch(PIN).is_err(), "the reader cannot write");
    }
}
