use std::time::Duration;

/// Latencies in milliseconds, sorted.
#[derive(Debug)]
pub(super) struct Latencies(Vec<f64>);

impl Latencies {
    pub(super) fn new(latencies: &[Duration]) -> Self {
        let mut millis: Vec<f64> = latencies
            .iter()
            .map(|l| l.as_secs_f64() * 1_000.0)
            .collect();
        millis.sort_by(f64::total_cmp);
        Self(millis)
    }

    /// The value that this part (0 to 1) of all latencies does not exceed; 0 without any
    /// (nearest rank).
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let count = self.0.len();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank is between 0 and the number of latencies"
        )]
        let rank = (part * count as f64).ceil() as usize;
        self.0
            .get(rank.clamp(1, count.max(1)) - 1)
            .copied()
            .unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile__should_be_the_nearest_rank() {
        let millis: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let latencies = Latencies::new(&millis);
        for (part, expected) in [
            (0.0, 1.0),
            (0.5, 50.0),
            (0.95, 95.0),
            (0.99, 99.0),
            (1.0, 100.0),
        ] {
            assert!((latencies.quantile(part) - expected).abs() < 1e-9, "{part}");
        }
        assert!(Latencies::new(&[]).quantile(0.5).abs() < 1e-9);
        let one = Latencies::new(&[Duration::from_millis(7)]);
        assert!((one.quantile(0.99) - 7.0).abs() < 1e-9);
    }
}
