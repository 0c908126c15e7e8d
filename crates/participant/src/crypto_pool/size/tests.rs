use super::*;

/// A pool that does what its size says, looked at every [`PATIENCE`].
struct Pool {
    size: Size,
    now: Instant,
    threads: usize,
    looks: u32,
}

impl Pool {
    fn new(least: usize, most: usize) -> Self {
        Self {
            size: Size::new(least, most, 8),
            now: Instant::now(),
            threads: least,
            looks: 0,
        }
    }

    /// Looks on for a while. `situation` says by the number of threads how much waits and for how
    /// many milliseconds, and how busy the machine is. Tells how many threads there were on average.
    fn look(
        &mut self,
        span: Duration,
        situation: impl Fn(usize) -> (usize, u64, Option<f64>),
    ) -> f64 {
        let (end, looks, mut sum) = (self.now + span, self.looks, 0);
        while self.now < end {
            self.now += PATIENCE;
            self.looks += 1;
            let (queued, waited_ms, busy) = situation(self.threads);
            let is_measured = self.looks.is_multiple_of(50);
            let step = self.size.decide(&Seen {
                now: self.now,
                threads: self.threads,
                queued,
                oldest_wait: Duration::from_millis(waited_ms),
                busy: busy.filter(|_| is_measured),
            });
            match step {
                Step::More => self.threads += 1,
                Step::Stay => {}
                Step::Fewer => self.threads -= 1,
            }
            sum += self.threads;
        }
        number(sum) / f64::from(self.looks - looks)
    }

    fn measured(mut self, busy: f64) -> Self {
        self.size.busy = Some((self.now, busy));
        self
    }
}

const MOMENT: Duration = Duration::from_millis(400);

#[test]
fn work_that_waits__should_get_threads_while_the_machine_has_cpu() {
    let mut pool = Pool::new(1, 6);
    pool.look(MOMENT, |_| (1, 3, Some(0.3)));
    assert_eq!(pool.threads, 6, "and never more than the most");
    let mut long_queue = Pool::new(1, 6);
    long_queue.look(MOMENT, |_| (4, 0, Some(0.3)));
    assert_eq!(long_queue.threads, 4, "as long as the queue is longer");
}

#[test]
fn work_that_does_not_wait__should_get_no_thread() {
    let mut pool = Pool::new(1, 6);
    pool.look(MOMENT, |_| (1, 1, Some(0.1)));
    assert_eq!(pool.threads, 1);
}

#[test]
fn a_new_thread__should_get_time_before_the_next_one() {
    let mut pool = Pool::new(1, 6);
    pool.look(PATIENCE, |_| (9, 9, None));
    assert_eq!(pool.threads, 2);
    pool.now -= PATIENCE / 2;
    pool.look(PATIENCE, |_| (9, 9, None));
    assert_eq!(pool.threads, 2);
}

#[test]
fn pool__must_not_grow_where_all_cores_are_busy() {
    let mut pool = Pool::new(1, 6).measured(1.0);
    pool.look(MOMENT, |_| (100, 500, Some(1.0)));
    assert_eq!(pool.threads, 1);
    assert!(!pool.size.may_grow(1, pool.now));
    // Of 8 cores 0.24 are free.
    let mut almost = Pool::new(1, 6).measured(0.97);
    almost.look(MOMENT, |_| (100, 500, Some(0.97)));
    assert_eq!(almost.threads, 1);
}

#[test]
fn a_measurement_of_long_ago__must_not_count() {
    let mut pool = Pool::new(1, 6).measured(1.0);
    pool.now += FRESH;
    assert!(pool.size.may_grow(1, pool.now));
    pool.look(PATIENCE, |_| (9, 9, None));
    assert_eq!(pool.threads, 2);
}

#[test]
fn threads_since_the_last_measurement__should_count_as_busy() {
    let mut pool = Pool::new(1, 8).measured(0.75);
    pool.look(PATIENCE * 40, |_| (100, 500, None));
    assert_eq!(pool.threads, 3, "two cores were free");
}

#[test]
fn a_machine_that_does_not_tell__should_be_judged_by_the_queue() {
    let mut pool = Pool::new(2, 4);
    pool.look(MOMENT, |_| (9, 9, None));
    assert_eq!(pool.threads, 4);
}

#[test]
fn a_system_without_threads__should_be_asked_again_after_a_while() {
    let mut pool = Pool::new(1, 6);
    pool.size.none_left(pool.now);
    pool.look(NONE_LEFT - PATIENCE, |_| (9, 9, None));
    assert_eq!(pool.threads, 1);
    pool.look(PATIENCE, |_| (9, 9, None));
    assert_eq!(pool.threads, 2);
}

#[test]
fn saturated_machine__should_take_back_threads_that_do_not_help() {
    let mut pool = Pool::new(1, 6);
    pool.look(MOMENT, |_| (9, 9, Some(0.2)));
    assert_eq!(pool.threads, 6);
    pool.look(MOMENT * 2, |_| (9, 9, Some(1.0)));
    assert_eq!(pool.threads, 1);
}

#[test]
fn saturated_machine__should_leave_threads_that_work_would_wait_for() {
    let mut pool = Pool::new(1, 6);
    pool.look(MOMENT, |_| (9, 9, Some(0.2)));
    // Four are of use: with fewer, work waits twice as long.
    let situation = |threads: usize| (9, if threads < 4 { 40 } else { 20 }, Some(1.0));
    pool.look(Duration::from_secs(1), situation);
    assert_eq!(pool.threads, 4);
    let mean = pool.look(Duration::from_secs(100), situation);
    assert!(mean < 4.0, "tried now and then");
    assert!(mean > 3.98, "and taken back: {mean}");
}

#[test]
fn a_thread_that_nothing_else_has_use_for__should_stay() {
    let mut pool = Pool::new(1, 6);
    // The pool itself is what takes all the cores.
    let situation = |threads: usize| (9, 9, Some(if threads < 6 { 0.9 } else { 1.0 }));
    pool.look(MOMENT, situation);
    let mean = pool.look(Duration::from_secs(100), situation);
    assert!(mean > 5.98, "{mean}");
}

#[test]
fn a_trial_of_long_ago__must_not_be_judged() {
    let mut pool = Pool::new(1, 6).measured(0.1);
    pool.threads = 3;
    pool.size.trial = Some((pool.now, 0.001));
    pool.now += FRESH;
    pool.size.none_left(pool.now);
    pool.look(WINDOW, |_| (9, 99, Some(0.9)));
    assert_eq!((pool.threads, pool.size.proved_at), (3, None));
}

#[test]
fn a_trial_that_ends__must_not_add_to_the_most() {
    let mut pool = Pool::new(1, 3);
    pool.threads = 3;
    pool.looks = 49;
    pool.size.trial = Some((pool.now, 0.001));
    pool.look(PATIENCE, |_| (9, 99, Some(1.0)));
    assert_eq!((pool.threads, pool.size.proved_at), (3, Some(pool.now)));
}

#[test]
fn a_size__must_stay_between_least_and_most() {
    let mut pool = Pool::new(2, 3);
    for busy in [Some(0.0), Some(1.0), None, Some(1.0), Some(0.0)] {
        for queued in [1, 1_000] {
            pool.look(MOMENT, |threads| {
                assert!((2..=3).contains(&threads));
                (queued, 50, busy)
            });
        }
    }
}
