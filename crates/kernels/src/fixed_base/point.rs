//! Eight points of secp256k1 side by side.
//!
//! Source: Renes, Costello, Batina, *Complete addition formulas for prime order elliptic curves*
//! (eprint 2015/1060), §3.3: algorithm 7, and 8 where one point is affine, with two products reduced
//! at once. They have no exceptions: equal points, opposite ones and the identity are added like all
//! others.

use std::arch::x86_64::*;

use super::field::{Field, Loose};

/// Projective: `(X/Z, Y/Z)`; the identity is `(0 : 1 : 0)`.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: Field,
    pub(super) y: Field,
    pub(super) z: Field,
}

/// Not the identity.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub(super) x: Field,
    pub(super) y: Field,
}

/// What both formulas compute first, of points 1 and 2.
struct Parts {
    /// `X₁X₂`.
    xx: Loose,
    /// `Y₁Y₂`.
    yy: Loose,
    /// `3b·Z₁Z₂`.
    zz: Loose,
    /// `X₁Y₂ + X₂Y₁`.
    xy: Field,
    /// `Y₁Z₂ + Y₂Z₁`.
    yz: Field,
    /// `3b·(X₁Z₂ + X₂Z₁)`.
    xz: Field,
}

impl Affine {
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) fn projective(&self) -> Point {
        Point {
            x: self.x,
            y: self.y,
            z: Field::one(),
        }
    }
}

impl Point {
    #[target_feature(enable = "avx512f")]
    pub(super) fn identity() -> Self {
        Self {
            x: Field::zero(),
            y: Field::one(),
            z: Field::zero(),
        }
    }

    /// Algorithm 7.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add(&mut self, other: &Self) {
        let xx = self.x.times(&other.x);
        let yy = self.y.times(&other.y);
        let zz = self.z.times(&other.z).carried().loose();
        let xy = mixed((&self.x, &self.y), (&other.x, &other.y), &xx.plus(&yy));
        let yz = mixed((&self.y, &self.z), (&other.y, &other.z), &yy.plus(&zz));
        let xz = mixed((&self.x, &self.z), (&other.x, &other.z), &xx.plus(&zz));
        let (zz, xz) = (zz.times_3b(), xz.loose().times_3b().carried());
        Parts {
            xx,
            yy,
            zz,
            xy,
            yz,
            xz,
        }
        .sum_into(self);
    }

    /// Algorithm 8.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add_affine(&mut self, other: &Affine) {
        let xx = self.x.times(&other.x);
        let yy = self.y.times(&other.y);
        let xy = mixed((&self.x, &self.y), (&other.x, &other.y), &xx.plus(&yy));
        let yz = self.z.times(&other.y).plus(&self.y.loose()).carried();
        let xz = self.z.times(&other.x).plus(&self.x.loose());
        let (zz, xz) = (self.z.loose().times_3b(), xz.times_3b().carried());
        Parts {
            xx,
            yy,
            zz,
            xy,
            yz,
            xz,
        }
        .sum_into(self);
    }

    /// The sum of all lanes, in each lane.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn over_lanes(&self) -> Self {
        let mut sum = *self;
        sum.add(&sum.exchanged::<1>());
        sum.add(&sum.exchanged::<2>());
        sum.add(&sum.exchanged::<4>());
        sum
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.add(other);
        sum
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn exchanged<const DISTANCE: usize>(&self) -> Self {
        Self {
            x: self.x.exchanged::<DISTANCE>(),
            y: self.y.exchanged::<DISTANCE>(),
            z: self.z.exchanged::<DISTANCE>(),
        }
    }

    /// The points of `other` in the lanes whose bit is set.
    #[target_feature(enable = "avx512f")]
    pub(super) fn with(&self, lanes: __mmask8, other: &Self) -> Self {
        Self {
            x: self.x.with(lanes, &other.x),
            y: self.y.with(lanes, &other.y),
            z: self.z.with(lanes, &other.z),
        }
    }
}

/// `a₁b₂ + a₂b₁ = (a₁ + b₁)(a₂ + b₂) − (a₁a₂ + b₁b₂)`.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn mixed((a1, b1): (&Field, &Field), (a2, b2): (&Field, &Field), products: &Loose) -> Field {
    let product = a1.plus(b1).carried().times(&a2.plus(b2).carried());
    product.minus(products).carried()
}

impl Parts {
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn sum_into(&self, sum: &mut Point) {
        let Self {
            xx,
            yy,
            zz,
            xy,
            yz,
            xz,
        } = self;
        let xx = xx.times_3().carried();
        let (more, less) = (yy.plus(zz).carried(), yy.minus(zz).carried());
        let minus_xz = xz.negated(0xff);
        sum.x = Field::two_products((xy, &less), (yz, &minus_xz)).carried();
        sum.y = Field::two_products((&more, &less), (&xx, xz)).carried();
        sum.z = Field::two_products((yz, &more), (&xx, xy)).carried();
    }
}

#[cfg(test)]
mod tests;
