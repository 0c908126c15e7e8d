//! Do points lie on a polynomial of a given degree?

use crate::group::Group;

/// Whether `points`, at x = 0, 1, 2, …, lie on a polynomial of degree exactly `degree`.
///
/// Source: finite differences. At consecutive integers, and with fewer points than the group
/// order, the (d+1)-th differences vanish exactly if the degree is at most d, and the d-th
/// differences of a polynomial of degree d are a constant other than zero. Costs subtractions only.
/// Public data only: takes time that depends on the points.
#[must_use]
pub fn has_exact_degree<G: Group>(points: &[G::Point], degree: usize) -> bool {
    if points.len() < degree + 2 {
        return false; // any such points lie on a polynomial of that degree: nothing is checked
    }
    let mut row = points.to_vec();
    for _ in 0..degree {
        row = differences::<G>(&row);
    }
    let is_lower = row.iter().all(|difference| *difference == G::identity());
    let is_constant = differences::<G>(&row)
        .iter()
        .all(|difference| *difference == G::identity());
    is_constant && !is_lower
}

fn differences<G: Group>(row: &[G::Point]) -> Vec<G::Point> {
    row.iter()
        .zip(row.iter().skip(1))
        .map(|(left, right)| *right - *left)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Ed25519, Secp256k1};

    fn at<G: Group>(values: impl IntoIterator<Item = u8>) -> Vec<G::Point> {
        values
            .into_iter()
            .map(|value| G::mul_base(&G::scalar_from_u8(value)))
            .collect()
    }

    fn check_degrees<G: Group>() {
        let quadratic = at::<G>((0..8).map(|x| 3 + 2 * x + 2 * x * x));
        assert!(!has_exact_degree::<G>(&quadratic, 1));
        assert!(has_exact_degree::<G>(&quadratic, 2));
        assert!(!has_exact_degree::<G>(&quadratic, 3));
        let mut bent = quadratic;
        bent[5] = bent[5] + G::mul_base(&G::scalar_from_u8(1));
        assert!(!has_exact_degree::<G>(&bent, 2));
    }

    #[test]
    fn b1_degree__must_be_exact_on_both_curves() {
        check_degrees::<Secp256k1>();
        check_degrees::<Ed25519>();
    }

    #[test]
    fn degree__must_not_be_claimed_for_too_few_points() {
        assert!(!has_exact_degree::<Secp256k1>(
            &at::<Secp256k1>([1, 2, 3]),
            2
        ));
    }
}
