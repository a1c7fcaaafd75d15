//! Counts of values by size, in buckets that never change: what a histogram of the metrics is made of.

/// Sizes of batches, in records.
pub const RECORDS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];

/// Times, in seconds: from a plugin's call to a sink that has been down for minutes.
pub const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

/// A value belongs to the first bucket whose bound it does not exceed.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last is for whatever is larger.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// An empty one with these upper bounds, ascending.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Counts a value.
    pub fn observe(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }

    /// The upper bounds; the last bucket has none.
    pub fn bounds(&self) -> &'static [f64] {
        self.bounds
    }

    /// How many values each bucket has, the last one included.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// All values added up.
    pub fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_the_bucket_below_it() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [0.0, 1.0, 1.5, 2.0, 2.1, 1e9] {
            histogram.observe(value);
        }
        assert_eq!(histogram.counts(), [2, 2, 2]);
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [RECORDS, SECONDS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
