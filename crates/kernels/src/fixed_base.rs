//! Multiples of fixed points of secp256k1, from tables, by AVX-512 IFMA: each of eight lanes adds
//! eight entries, and then the lanes are added.
//!
//! A factor `k` is written with digits that are odd and never zero: with
//! `b = (k + 2²⁵⁶ − 1) / 2` modulo the group order, `Σ ±2ʲ = 2·b − (2²⁵⁶ − 1) = k`, where bit `j` of
//! `b` says whether `2ʲ` is added or taken away. Four bits make a digit from −15 to 15. So every digit
//! adds a point that is in the table, and the time does not depend on it.

#[cfg(target_arch = "x86_64")]
mod field;
#[cfg(target_arch = "x86_64")]
mod point;
#[cfg(target_arch = "x86_64")]
mod table;

use std::sync::{LazyLock, OnceLock};

use secp256k1::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::base_point::multiply_by_library;
use crate::residue::{COMPLEMENT, ORDER, Residue, add, mask};

/// The prime of the field, least significant word first.
pub(crate) const FIELD: [u64; 4] = [0xffff_fffe_ffff_fc2f, u64::MAX, u64::MAX, u64::MAX];

/// Multiples that share an inversion.
pub(crate) const TOGETHER: usize = 8;

/// The base point (SEC 2 §2.4.1): x and y.
const BASE: [[u64; 4]; 2] = [
    [
        0x59f2_815b_16f8_1798,
        0x029b_fcdb_2dce_28d9,
        0x55a0_6295_ce87_0b07,
        0x79be_667e_f9dc_bbac,
    ],
    [
        0x9c47_d08f_fb10_d4b8,
        0xfd17_b448_a685_5419,
        0x5da4_fbfc_0e11_08a8,
        0x483a_da77_26a3_c465,
    ],
];

/// Multiples of the base point.
static BASE_TABLE: LazyLock<Option<WideTable>> = LazyLock::new(|| WideTable::new(&BASE));

/// A table of multiples, which there is only where the processor has the instructions.
pub(crate) struct WideTable {
    #[cfg(target_arch = "x86_64")]
    table: Box<table::Table>,
}

#[cfg(target_arch = "x86_64")]
impl WideTable {
    /// - Coordinates below p of a point of the curve.
    pub(crate) fn new([x, y]: &[[u64; 4]; 2]) -> Option<Self> {
        // SAFETY: the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "eight points at once")]
        has_instructions().then(|| Self {
            table: unsafe { table::Table::new(x, y) },
        })
    }

    /// Coordinates of `factor` times the point; zeros for the identity.
    fn multiple(&self, factor: &Residue) -> [[u64; 4]; 2] {
        let digits = Zeroizing::new(digits(factor));
        // SAFETY: there is a table, so the processor has what the functions are compiled for.
        #[allow(unsafe_code, reason = "eight points at once")]
        unsafe {
            self.table.multiple(&digits).over_lanes().first()
        }
    }

    /// [`Self::multiple`] of at most [`TOGETHER`] factors. If one is zero, all are zeros.
    fn multiples(&self, factors: &[Residue]) -> [[[u64; 4]; 2]; TOGETHER] {
        let mut all = Zeroizing::new([[0; 4]; TOGETHER]);
        for (digits, factor) in all.iter_mut().zip(factors) {
            *digits = self::digits(factor);
        }
        let used = all.get(..factors.len()).unwrap_or_default();
        let mut out = [[[0; 4]; 2]; TOGETHER];
        // SAFETY: there is a table, so the processor has what the function is compiled for.
        #[allow(unsafe_code, reason = "eight points at once")]
        unsafe {
            self.table.multiples(used, &mut out);
        }
        out
    }

    /// Coordinates of `base` times the base point plus `factor` times the point; zeros for the identity.
    pub(crate) fn sum(&self, base: &Residue, factor: &Residue) -> Option<[[u64; 4]; 2]> {
        let first = &BASE_TABLE.as_ref()?.table;
        // SAFETY: there is a table, so the processor has what the functions are compiled for.
        #[allow(unsafe_code, reason = "eight points at once")]
        unsafe {
            let mut sum = first.multiple(&digits(base));
            self.table.add_multiple(&mut sum, &digits(factor));
            Some(sum.over_lanes().first())
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl WideTable {
    pub(crate) fn new(_: &[[u64; 4]; 2]) -> Option<Self> {
        None
    }

    fn multiple(&self, _: &Residue) -> [[u64; 4]; 2] {
        [[0; 4]; 2]
    }

    fn multiples(&self, _: &[Residue]) -> [[[u64; 4]; 2]; TOGETHER] {
        [[[0; 4]; 2]; TOGETHER]
    }

    pub(crate) fn sum(&self, _: &Residue, _: &Residue) -> Option<[[u64; 4]; 2]> {
        None
    }
}

/// If this processor has the instructions.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512ifma")
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) const fn has_instructions() -> bool {
    false
}

/// `factor · G` in time that does not depend on `factor`. `None` for zero, where the processor cannot,
/// and if what was computed is no point of the curve.
pub(crate) fn multiply_wide(factor: &Residue) -> Option<PublicKey> {
    let table = BASE_TABLE.as_ref()?;
    point(&table.multiple(factor))
}

/// [`multiply_wide`] of at most [`TOGETHER`] factors, in their order. If one is zero, none is there.
pub(crate) fn multiply_many_wide(factors: &[Residue]) -> [Option<PublicKey>; TOGETHER] {
    let Some(table) = BASE_TABLE.as_ref() else {
        return [None; TOGETHER];
    };
    table.multiples(factors).map(|found| point(&found))
}

/// `2²⁵⁶ − 1` modulo the group order.
const OFFSET: Residue = {
    let [c0, c1, c2] = COMPLEMENT;
    Residue([c0 - 1, c1, c2, 0])
};

/// `(k + 2²⁵⁶ − 1) / 2` modulo the group order.
fn digits(factor: &Residue) -> [u64; 4] {
    let Residue(sum) = factor.plus(&OFFSET);
    let [lowest, ..] = sum;
    let odd = mask(lowest & 1);
    let ([w0, w1, w2, w3], carry) = add(&sum, &ORDER.map(|word| word & odd));
    [
        w0 >> 1 | w1 << 63,
        w1 >> 1 | w2 << 63,
        w2 >> 1 | w3 << 63,
        w3 >> 1 | carry << 63,
    ]
}

/// The factor `k` that digits `b` stand for.
fn factor_of_digits(digits: &Residue) -> Residue {
    digits.plus(digits).minus(&OFFSET)
}

/// The point with these coordinates, if it is on the curve.
fn point(coordinates: &[[u64; 4]; 2]) -> Option<PublicKey> {
    let mut bytes = [4; 65];
    let (_, places) = bytes.split_at_mut(1);
    for (place, number) in places.as_chunks_mut::<32>().0.iter_mut().zip(coordinates) {
        *place = Residue(*number).to_be_bytes();
    }
    PublicKey::from_byte_array_uncompressed(bytes).ok()
}

/// Whether the wide function is there and has passed its self-test, which runs once.
pub(crate) fn wide_is_used() -> bool {
    static IS_USED: OnceLock<bool> = OnceLock::new();
    *IS_USED.get_or_init(|| passes_multiply(multiply_wide) && passes_many(multiply_many_wide))
}

/// Factors of the self-test: edges, all digits alike, and three without a pattern.
fn test_factors() -> Vec<Residue> {
    let [o0, o1, o2, o3] = ORDER;
    let mut factors = vec![
        Residue([1, 0, 0, 0]),
        Residue([2, 0, 0, 0]),
        Residue([o0 - 1, o1, o2, o3]),
        Residue([o0 - 2, o1, o2, o3]),
    ];
    let alike = (0..=15).map(|digit| Residue::reduce(&[digit << 4 | digit; 32]));
    factors.extend(alike.map(|digits| factor_of_digits(&digits)));
    let [a, b, c, d, e, f] = crate::self_test::blocks(5);
    factors.extend([(a, b), (c, d), (e, f)].map(|(low, high)| Residue::from_blocks(low, high)));
    factors
}

/// The self-test: whether a function computes what libsecp256k1 does.
fn passes_multiply(multiply: impl Fn(&Residue) -> Option<PublicKey>) -> bool {
    test_factors().iter().all(|factor| {
        let expected = by_library(factor);
        expected.is_some() && multiply(factor) == expected
    })
}

/// The self-test for several at once.
fn passes_many(multiply: impl Fn(&[Residue]) -> [Option<PublicKey>; TOGETHER]) -> bool {
    let factors = test_factors();
    let mut groups = factors.chunks(TOGETHER).chain(factors.chunks(3).take(1));
    groups.all(|group| {
        let found = multiply(group);
        let mut pairs = group.iter().zip(&found);
        pairs.all(|(factor, found)| found.is_some() && *found == by_library(factor))
    })
}

fn by_library(factor: &Residue) -> Option<PublicKey> {
    let scalar = SecretKey::from_secret_bytes(factor.to_be_bytes()).ok()?;
    Some(multiply_by_library(&scalar))
}

#[cfg(test)]
mod tests;
