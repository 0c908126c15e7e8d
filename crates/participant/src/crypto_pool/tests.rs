use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::threads::Shared;
use super::*;

mod lives;

/// A machine that does not tell how busy it is, whatever runs beside the tests, and has so many
/// threads to give.
struct Spare {
    threads: usize,
    asked: mpsc::Sender<()>,
}

impl Machine for Spare {
    fn busy(&mut self, _: Instant) -> Option<f64> {
        None
    }

    fn spawn(&mut self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let _ = self.asked.send(());
        let Some(left) = self.threads.checked_sub(1) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        self.threads = left;
        ThisMachine::default().spawn(name, body)
    }
}

/// Long enough for no test to be a thread's end by accident.
const LONG: Duration = Duration::from_secs(600);

fn limits(threads_min: usize, threads_max: usize, queue: usize) -> PoolLimits {
    PoolLimits {
        threads_min,
        threads_max,
        queue,
        idle: LONG,
    }
}

fn start(limits: PoolLimits) -> CryptoPool {
    start_with(limits.threads_max, limits).0
}

/// A pool on a machine with so many threads, and when it asked for one.
fn start_with(threads: usize, limits: PoolLimits) -> (CryptoPool, mpsc::Receiver<()>) {
    let (asked, asks) = mpsc::channel();
    let pool = CryptoPool::start_on(Spare { threads, asked }, limits).unwrap();
    (pool, asks)
}

/// Work that holds a thread until the sender is dropped. It has begun.
fn hold(pool: &CryptoPool) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    pool.spawn(move || {
        begun.send(()).unwrap();
        let _ = released.recv();
    })
    .unwrap();
    begins.recv().unwrap();
    release
}

/// Waits for what other threads are about to do.
fn must_become(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

impl CryptoPool {
    fn must_come_to(&self, threads: usize) {
        must_become("as many threads", || {
            self.shared.state.lock().threads == threads
        });
    }

    /// These are all its threads, and each is listed once.
    fn must_be_idle(&self, threads: usize) {
        must_become("idle", || {
            let state = self.shared.state.lock();
            (state.idle(), state.threads, state.queued()) == (threads, threads, 0)
        });
    }
}

/// [`CryptoPool::run`] for a thread that waits.
fn run_and_wait<T: Send + 'static>(
    pool: &CryptoPool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BrokeOff> {
    futures::executor::block_on(pool.run(work))
}

#[tokio::test]
async fn work__should_run_in_the_pool_and_answer() {
    let pool = start(limits(1, 2, 8));
    let name = || std::thread::current().name().map(str::to_owned);
    assert_eq!(pool.run(name).await.unwrap().unwrap(), "quorate-crypto");
    let waited = std::thread::spawn(move || run_and_wait(&pool, || 7));
    assert_eq!(waited.join().unwrap(), Ok(7));
}

#[test]
fn work__should_begin_in_the_order_in_which_it_came() {
    let pool = start(limits(1, 1, 100));
    let held = hold(&pool);
    let (begun, begins) = mpsc::channel();
    for number in 0..100 {
        let begun = begun.clone();
        pool.spawn(move || begun.send(number).unwrap()).unwrap();
    }
    drop((begun, held));
    assert!(begins.iter().eq(0..100));
}

#[tokio::test]
async fn a_panic__should_be_an_error_of_its_caller_alone() {
    let pool = start(limits(1, 1, 8));
    let broken: Result<(), _> = pool.run(|| panic!("meant")).await;
    assert_eq!(broken, Err(BrokeOff));
    pool.spawn(|| panic!("meant")).unwrap();
    assert_eq!(pool.run(|| 7).await, Ok(7));
}

#[tokio::test]
async fn a_panic_of_a_result_that_nobody_wants__should_end_no_thread() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("meant");
        }
    }
    let pool = start(limits(1, 1, 8));
    let (release, released) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let unwanted = pool.run(move || {
        begun.send(()).unwrap();
        let _ = released.recv();
        Panics
    });
    begins.recv().unwrap();
    drop(unwanted);
    drop(release);
    assert_eq!(pool.run(|| 7).await, Ok(7));
}

#[tokio::test]
async fn work_of_a_caller_that_is_gone__must_be_dropped_at_once() {
    let pool = start(limits(1, 1, 2));
    let held = hold(&pool);
    let secret = Arc::new(());
    let (kept, used) = (Arc::clone(&secret), Arc::clone(&secret));
    let first = pool.run(move || drop(used));
    drop(pool.run(move || drop(kept)));
    assert_eq!(Arc::strong_count(&secret), 2, "it waits for no thread");
    let second = pool.run(|| 2);
    assert_eq!(pool.has_room(), Err(Full), "and its place is free");
    drop(held);
    assert_eq!((first.await, second.await), (Ok(()), Ok(2)));
    assert_eq!(Arc::strong_count(&secret), 1);
}

#[test]
fn a_result_that_nobody_wants__must_be_dropped() {
    let pool = start(limits(1, 1, 8));
    let secret = Arc::new(());
    let result = Arc::clone(&secret);
    let (release, released) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let unwanted = pool.run(move || {
        begun.send(()).unwrap();
        let _ = released.recv();
        result
    });
    begins.recv().unwrap();
    drop(unwanted);
    drop(release);
    pool.must_be_idle(1);
    assert_eq!(Arc::strong_count(&secret), 1);
}

#[tokio::test]
async fn a_full_queue__must_refuse_and_lose_nothing() {
    let pool = start(limits(1, 1, 2));
    let held = hold(&pool);
    let first = pool.run(|| 1);
    assert_eq!(pool.has_room(), Ok(()));
    let second = pool.run(|| 2);
    let secret = Arc::new(());
    let refused = Arc::clone(&secret);
    let me = std::thread::current().id();
    let third = pool.run(move || (drop(refused), std::thread::current().id()).1);
    assert_eq!(
        Arc::strong_count(&secret),
        1,
        "computed before it is polled"
    );
    assert_eq!(third.await, Ok(me), "here");
    let refused = Arc::clone(&secret);
    assert_eq!(pool.spawn(move || drop(refused)), Err(Full));
    assert_eq!(Arc::strong_count(&secret), 1);
    assert_eq!(pool.has_room(), Err(Full));
    let refusal = Refusal::from(Full);
    assert_eq!(refusal.code, ErrorCode::RateLimited);
    drop(held);
    assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
    assert_eq!(pool.has_room(), Ok(()));
}

#[test]
fn many_callers__must_all_get_their_answers() {
    let limits = PoolLimits {
        idle: Duration::from_micros(50),
        ..limits(1, 4, 1_000)
    };
    let (pool, _asks) = start_with(usize::MAX, limits);
    let (pool, count) = (Arc::new(pool), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (pool, count) = (Arc::clone(&pool), Arc::clone(&count));
            std::thread::spawn(move || {
                for number in 0..500 {
                    // Between a call and the end of an idle thread is the moment to lose one.
                    std::thread::sleep(Duration::from_micros((number * 7 + caller) % 120));
                    let counted = Arc::clone(&count);
                    drop(pool.run(|| ()));
                    run_and_wait(&pool, move || counted.fetch_add(1, Ordering::SeqCst)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(count.load(Ordering::SeqCst), 4_000);
    pool.must_come_to(1);
}

/// What is dropped may itself hold a place in the queue: dropped under its lock it would wait for ever.
#[test]
fn work__must_be_dropped_without_the_lock() {
    let pool = start(limits(1, 1, 2));
    let held = hold(&pool);
    let inner = pool.run(|| ());
    drop(pool.run(move || drop(inner)));
    let (first, second) = (pool.run(|| ()), pool.run(|| ()));
    let refused = pool.run(move || drop((first, second)));
    pool.has_room().unwrap();
    drop(refused);
    let inner = pool.run(|| ());
    let outer = pool.run(move || drop(inner));
    drop(pool);
    drop((outer, held));
}
