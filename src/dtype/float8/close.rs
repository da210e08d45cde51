//! The `approx` crate's comparisons, as it has them for `f64`, where the difference of two codes is exact.

macro_rules! close {
    ($name:ident) => {
        /// `|a − b| ≤ epsilon`.
        impl ::approx::AbsDiffEq for $name {
            type Epsilon = Self;

            fn default_epsilon() -> Self {
                Self::EPSILON
            }

            fn abs_diff_eq(&self, other: &Self, epsilon: Self) -> bool {
                f64::abs_diff_eq(&self.to_f64(), &other.to_f64(), epsilon.to_f64())
            }
        }

        /// `|a − b| ≤ epsilon`, or `|a − b| ≤ max_relative · max(|a|, |b|)`.
        impl ::approx::RelativeEq for $name {
            fn default_max_relative() -> Self {
                Self::EPSILON
            }

            fn relative_eq(&self, other: &Self, epsilon: Self, max_relative: Self) -> bool {
                let (epsilon, max_relative) = (epsilon.to_f64(), max_relative.to_f64());
                f64::relative_eq(&self.to_f64(), &other.to_f64(), epsilon, max_relative)
            }
        }

        /// `|a − b| ≤ epsilon`, or equal signs and at most `max_ulps` codes apart.
        impl ::approx::UlpsEq for $name {
            fn default_max_ulps() -> u32 {
                1
            }

            fn ulps_eq(&self, other: &Self, epsilon: Self, max_ulps: u32) -> bool {
                use ::approx::AbsDiffEq;
                self.abs_diff_eq(other, epsilon)
                    || !self.is_nan()
                        && !other.is_nan()
                        && self.is_sign_negative() == other.is_sign_negative()
                        && u32::from(self.0.abs_diff(other.0)) <= max_ulps
            }
        }
    };
}

pub(super) use close;
