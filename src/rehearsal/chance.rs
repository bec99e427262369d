//! Chance from a seed: the same seed plays the same day again.
//!
//! Pure. SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014). Good enough
//! for arrivals and pauses; it refuses to be a source of secrets.

/// A stream of numbers that depends on its seed alone.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for the `number`th of many, so that one player's luck does not move the others'.
    #[must_use]
    pub const fn split(seed: u64, number: u64) -> Self {
        let mut mixed = Self(seed ^ number.wrapping_mul(0xA24B_AED4_963E_E407));
        mixed.next();
        mixed
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `0.0..1.0`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `0..below`; 0 where `below` is 0.
    pub const fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.next() % below }
    }

    /// Between two events of a Poisson process that come `mean` apart.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn one_seed_is_one_stream_and_streams_of_players_differ() {
        let (mut a, mut b) = (Chance::new(7), Chance::new(7));
        assert!((0..100).all(|_| a.next() == b.next()));
        assert_ne!(Chance::split(7, 1).next(), Chance::split(7, 2).next());
    }

    #[test]
    fn shares_stay_below_one_and_exponential_pauses_keep_their_mean() {
        let mut chance = Chance::new(1);
        assert!((0..10_000).map(|_| chance.share()).all(|s| (0.0..1.0).contains(&s)));
        let mean = (0..20_000).map(|_| chance.exponential(50.0)).sum::<f64>() / 20_000.0;
        assert!((45.0..55.0).contains(&mean), "{mean}");
        assert_eq!(chance.below(0), 0);
        assert!((0..1_000).all(|_| chance.below(3) < 3));
    }
}
