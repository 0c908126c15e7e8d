//! Threads come, go, and end.

use std::sync::Weak;
use std::thread::ThreadId;

use super::*;

/// All threads have ended, the one that watches too.
fn must_end(shared: &Weak<Shared>) {
    must_become("the end of all threads", || shared.strong_count() == 0);
}

#[test]
fn a_pool__should_grow_while_work_waits() {
    let pool = start(limits(1, 3, 8));
    // Each is begun although the others hold their threads.
    let held: Vec<_> = (0..3).map(|_| hold(&pool)).collect();
    let (done, ends) = mpsc::channel();
    pool.spawn(move || done.send(()).unwrap()).unwrap();
    drop(held);
    ends.recv().unwrap();
    assert_eq!(pool.shared.state.lock().threads, 3, "and no more");
}

#[test]
fn idle_threads__should_end_down_to_the_least() {
    let idle = Duration::from_millis(1);
    let limits = PoolLimits {
        idle,
        ..limits(2, 4, 8)
    };
    let (pool, _asks) = start_with(99, limits);
    for _ in 0..3 {
        let held: Vec<_> = (0..4).map(|_| hold(&pool)).collect();
        assert_eq!(pool.shared.state.lock().threads, 4);
        drop(held);
        pool.must_be_idle(2);
    }
}

#[test]
fn a_thread_that_is_to_leave__may_be_one_that_is_idle_for_long() {
    let idle = Duration::from_millis(20);
    let limits = PoolLimits {
        idle,
        ..limits(1, 2, 8)
    };
    let (pool, _asks) = start_with(usize::MAX, limits);
    // Until the idle one is met before it ends.
    let held = loop {
        let (held, released) = (hold(&pool), hold(&pool));
        drop(released);
        must_become("free", || {
            let state = pool.shared.state.lock();
            state.idle() == 1 || state.threads == 1
        });
        let mut state = pool.shared.state.lock();
        if state.threads == 2 {
            state.leaving = 1;
            break held;
        }
    };
    pool.must_come_to(1);
    assert_eq!(pool.shared.state.lock().leaving, 0);
    drop(held);
    pool.must_be_idle(1);
}

/// The call of an idle thread comes when its time is over, and before it could say so.
#[test]
fn a_thread_that_is_called_late__must_not_end() {
    let idle = Duration::from_millis(1);
    let shared = Shared::new(PoolLimits {
        idle,
        ..limits(1, 2, 8)
    });
    let is_called = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut state = shared.state.lock();
        state.threads = 2;
        scope.spawn(|| {
            while !is_called.load(Ordering::SeqCst) {
                let mut state = shared.state.lock();
                // It is taken from the list, and never woken.
                is_called.store(state.call().is_some(), Ordering::SeqCst);
            }
        });
        let mut ends = true;
        while !is_called.load(Ordering::SeqCst) {
            ends = shared.idle_for_long(&mut state, &Arc::default());
        }
        assert!(!ends);
    });
}

#[test]
fn a_pool_with_nothing_to_do__must_have_no_timer() {
    let pool = start(limits(1, 2, 8));
    must_become("sleep", || pool.shared.state.lock().watch_sleeps);
    {
        let state = pool.shared.state.lock();
        assert_eq!(state.pause(Instant::now()), None);
        assert_eq!(state.idle_limit(&pool.shared.limits), None);
    }
    let held = [hold(&pool), hold(&pool)];
    let pause = || pool.shared.state.lock().pause(Instant::now());
    pool.spawn(|| ()).unwrap();
    assert_eq!(pause(), Some(size::WINDOW), "no thread may be added");
    let limit = pool.shared.state.lock().idle_limit(&pool.shared.limits);
    assert_eq!(limit, Some(LONG));
    drop(held);
    must_become("sleep", || pool.shared.state.lock().watch_sleeps);
}

#[test]
fn the_thread_that_worked_last__should_be_called_first() {
    let pool = start(limits(3, 3, 8));
    pool.must_be_idle(3);
    let threads = Arc::new(Mutex::new(Vec::<ThreadId>::new()));
    for _ in 0..20 {
        let threads = Arc::clone(&threads);
        let note = move || threads.lock().unwrap().push(std::thread::current().id());
        run_and_wait(&pool, note).unwrap();
        pool.must_be_idle(3);
    }
    let mut threads = threads.lock().unwrap();
    threads.dedup();
    assert_eq!(threads.len(), 1, "so that the others come to their end");
}

#[test]
fn a_system_without_threads__must_lose_no_work() {
    let (pool, asks) = start_with(1, limits(1, 4, 8));
    asks.recv().unwrap();
    let held = hold(&pool);
    let (done, ends) = mpsc::channel();
    for number in 0..4 {
        let done = done.clone();
        pool.spawn(move || done.send(number).unwrap()).unwrap();
    }
    asks.recv().unwrap();
    must_become("a pause", || {
        let state = pool.shared.state.lock();
        state.pause(Instant::now()) == Some(size::WINDOW)
    });
    drop((done, held));
    assert!(ends.iter().eq(0..4));
    must_become("one thread", || {
        let state = pool.shared.state.lock();
        state.expected() == 1 && state.threads == 1
    });
    run_and_wait(&pool, || ()).unwrap();
}

#[test]
fn a_thread_that_is_to_leave__should_finish_its_work_and_leave_the_rest_to_others() {
    let pool = start(limits(1, 2, 8));
    let held = [hold(&pool), hold(&pool)];
    let (done, ends) = mpsc::channel();
    for number in 0..4 {
        let done = done.clone();
        pool.spawn(move || done.send(number).unwrap()).unwrap();
    }
    pool.shared.state.lock().leaving = 1;
    drop((done, held));
    assert_eq!(ends.iter().count(), 4);
    pool.must_come_to(1);
    assert_eq!(pool.shared.state.lock().leaving, 0);
    run_and_wait(&pool, || ()).unwrap();
}

#[test]
fn a_trial__should_let_a_thread_leave_or_stay_and_start_none() {
    struct Told(f64);
    impl Machine for Told {
        fn busy(&mut self, _: Instant) -> Option<f64> {
            Some(self.0)
        }
        fn spawn(&mut self, _: &str, _: Box<dyn FnOnce() + Send>) -> io::Result<()> {
            panic!("no thread is wanted")
        }
    }
    let shared = Arc::new(Shared::new(limits(1, 3, 8)));
    shared.put(Box::new(|| ())).ok().unwrap();
    let mut state = shared.state.lock();
    state.threads = 3;
    for (busy, leaving) in [(1.0, 1), (0.9, 0), (1.0, 0)] {
        shared.look(&mut state, &mut Told(busy));
        assert_eq!(state.leaving, leaving);
    }
}

#[test]
fn a_pool_that_gets_too_few_threads__should_not_start() {
    let (asked, asks) = mpsc::channel();
    let spare = Spare { threads: 2, asked };
    assert!(CryptoPool::start_on(spare, limits(3, 3, 8)).is_err());
    assert_eq!(asks.iter().count(), 3);
}

#[tokio::test]
async fn the_end_of_a_pool__should_drop_what_waits_and_end_its_threads() {
    let pool = start(limits(2, 3, 8));
    let held: Vec<_> = (0..3).map(|_| hold(&pool)).collect();
    let secret = Arc::new(());
    let kept = Arc::clone(&secret);
    let waits = pool.run(move || drop(kept));
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    assert_eq!(Arc::strong_count(&secret), 1);
    assert_eq!(waits.await, Err(BrokeOff));
    drop(held);
    must_end(&shared);
}

#[test]
fn the_end_of_an_idle_pool__should_wake_its_threads() {
    let pool = start(limits(3, 4, 8));
    pool.must_be_idle(3);
    must_become("sleep", || pool.shared.state.lock().watch_sleeps);
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    must_end(&shared);
}

#[test]
fn the_last_work__may_be_what_ends_the_pool() {
    let pool = Arc::new(start(limits(1, 2, 8)));
    let shared = Arc::downgrade(&pool.shared);
    let (release, released) = mpsc::channel::<()>();
    let last = Arc::clone(&pool);
    pool.spawn(move || {
        let _ = released.recv();
        drop(last);
    })
    .unwrap();
    drop(pool);
    drop(release);
    must_end(&shared);
}
