//! Plays histories that come from seeds, on all processors, and tells which seeds failed.

use std::num::NonZero;
use std::sync::Mutex;

use tokio::runtime::Builder;

pub struct Seeds {
    /// The test program.
    pub test: &'static str,
    /// The environment variables that say which one seed is played, or how many are.
    pub one: &'static str,
    pub many: &'static str,
    /// Played first.
    pub failed: &'static [u64],
    /// How many are played without a word from the environment.
    pub usual: u64,
}

impl Seeds {
    /// Panics with the seeds that `play` told a problem of. `prepare` makes what can serve many seeds, in a runtime.
    pub fn play<T>(&self, prepare: impl Fn() -> T + Sync, play: impl AsyncFn(&T, u64) -> Result<(), String> + Sync) {
        let next = Mutex::new(self.chosen().into_iter());
        let failed: Mutex<Vec<u64>> = Mutex::default();
        let work = || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let prepared = runtime.block_on(async { prepare() });
            // A few failures tell enough.
            while failed.lock().unwrap().len() < 5
                && let Some(seed) = { next.lock().unwrap().next() }
            {
                if let Err(problem) = runtime.block_on(play(&prepared, seed)) {
                    println!("\n{}={seed} cargo test --test {}\n{problem}\n", self.one, self.test);
                    failed.lock().unwrap().push(seed);
                }
            }
        };
        std::thread::scope(|threads| {
            for _ in 0..std::thread::available_parallelism().map_or(2, NonZero::get).min(8) {
                threads.spawn(work);
            }
        });
        let failed = failed.into_inner().unwrap();
        let Self { one, test, .. } = self;
        assert!(failed.is_empty(), "seeds {failed:?}: run one again with {one}=… cargo test --test {test}");
    }

    fn chosen(&self) -> Vec<u64> {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        match (number(self.one), number(self.many)) {
            (Some(seed), _) => vec![seed],
            (None, count) => self.failed.iter().copied().chain(0..count.unwrap_or(self.usual)).collect(),
        }
    }
}
