//! Which wide functions are used, and what their self-tests share.
//!
//! A wide function that computed wrongly (an erratum, a hypervisor that emulates badly) would make an
//! honest node fail a check that bans. So each is compared with its portable twin once in a process,
//! on fixed inputs with values at the edges, and is left unused if one bit differs.

/// Which kernels run wide in this process: the processor has the instructions, and the self-test
/// passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse {
    /// [`crate::Tccr::hash`] by VAES.
    pub hash: bool,
    /// [`crate::transpose()`] by AVX-512.
    pub transpose: bool,
    /// [`crate::CheckHash::fold_all`] by VPCLMULQDQ.
    pub check_hash: bool,
    /// [`crate::correct`] and [`crate::combine`] by AVX-512 IFMA.
    pub products: bool,
    /// [`crate::multiply_base`] by AVX-512 IFMA.
    pub multiples: bool,
    /// [`crate::KnownPoint`] by AVX-512 IFMA.
    pub known_points: bool,
}

/// Which kernels run wide. Runs the self-tests that have not run yet.
#[must_use]
pub fn in_use() -> InUse {
    InUse {
        hash: crate::tccr::wide_is_used(),
        transpose: crate::transpose::wide_is_used(),
        check_hash: crate::check_hash::wide_is_used(),
        products: crate::triples::wide_is_used(),
        multiples: crate::fixed_base::wide_is_used(),
        known_points: crate::known_point::wide_is_used(),
    }
}

/// Fixed blocks without a pattern: SplitMix64.
pub(crate) fn blocks<const N: usize>(seed: u64) -> [u128; N] {
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95);
    let mut word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u128::from(z ^ (z >> 31))
    };
    std::array::from_fn(|_| word() << 64 | word())
}

/// Whether a test has run a wide function. Where it could not, says so, and fails if
/// `QUORATE_REQUIRE_WIDE` is 1.
#[cfg(test)]
pub(crate) fn is_tested(kernel: &str, has_run: bool) -> bool {
    if !has_run {
        let is_required = std::env::var("QUORATE_REQUIRE_WIDE").is_ok_and(|value| value == "1");
        assert!(
            !is_required,
            "{kernel}: this processor has no wide function"
        );
        // Not by a macro: what a test prints by one is only shown if it fails.
        static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
        let mut said = SAID.lock().unwrap();
        if !said.iter().any(|other| other == kernel) {
            said.push(kernel.to_owned());
            let line = format!("NOT TESTED: {kernel}: this processor has no wide function\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        }
    }
    has_run
}
