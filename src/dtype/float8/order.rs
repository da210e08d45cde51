//! Comparison: `==` and `<` as IEEE 754 has them, so NaN equals nothing and the two zeros are equal; a total order beside.

macro_rules! order {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.to_f32() == other.to_f32()
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                self.to_f32().partial_cmp(&other.to_f32())
            }
        }

        impl $name {
            /// The smaller of the two; a NaN loses to a number.
            pub fn min(self, other: Self) -> Self {
                if self.is_nan() || other < self { other } else { self }
            }

            /// The larger of the two; a NaN loses to a number.
            pub fn max(self, other: Self) -> Self {
                if self.is_nan() || other > self { other } else { self }
            }

            /// The nearest value in `min..=max`; NaN stays NaN.
            ///
            /// # Panics
            /// When `min > max`, or either is NaN.
            pub fn clamp(self, min: Self, max: Self) -> Self {
                assert!(min <= max, "clamp from {min} to {max}: not a range");
                if self < min {
                    min
                } else if self > max {
                    max
                } else {
                    self
                }
            }

            /// IEEE 754 `totalOrder`: −NaN, −∞, …, −0, +0, …, +∞, +NaN. The NaN of FNUZ formats comes last.
            pub fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.rank().cmp(&other.rank())
            }

            /// Place in the total order.
            fn rank(self) -> i16 {
                let magnitude = i16::from(self.0 & 0x7F);
                if self.is_nan() && !Self::FORMAT.has_negative_zero() {
                    0x80
                } else if self.is_sign_negative() {
                    -1 - magnitude // below +0 even for −0
                } else {
                    magnitude
                }
            }
        }
    };
}

pub(super) use order;
