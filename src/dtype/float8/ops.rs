//! Arithmetic. Sums, differences and products of two codes are exact in `f64`, and a quotient rounded to its 53 bits
//! never lands on a tie it did not start from, so rounding the `f64` result once is correct rounding.

macro_rules! arithmetic {
    ($name:ident) => {
        $crate::dtype::float8::ops::binary!($name Add add AddAssign add_assign +);
        $crate::dtype::float8::ops::binary!($name Sub sub SubAssign sub_assign -);
        $crate::dtype::float8::ops::binary!($name Mul mul MulAssign mul_assign *);
        $crate::dtype::float8::ops::binary!($name Div div DivAssign div_assign /);
        $crate::dtype::float8::ops::binary!($name Rem rem RemAssign rem_assign %);
        $crate::dtype::float8::ops::fold!($name Sum sum 0.0 +);
        $crate::dtype::float8::ops::fold!($name Product product 1.0 *);

        /// Flips the sign; in FNUZ formats zero and NaN have none.
        impl std::ops::Neg for $name {
            type Output = Self;

            fn neg(self) -> Self {
                self.copysign(Self(!self.0))
            }
        }
    };
}

macro_rules! binary {
    ($name:ident $op:ident $method:ident $assign:ident $assign_method:ident $sign:tt) => {
        /// In `f64`, rounded once, saturating.
        impl std::ops::$op for $name {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                Self::from_f64(self.to_f64() $sign other.to_f64())
            }
        }

        impl std::ops::$assign for $name {
            fn $assign_method(&mut self, other: Self) {
                *self = *self $sign other;
            }
        }
    };
}

macro_rules! fold {
    ($name:ident $op:ident $method:ident $start:literal $sign:tt) => {
        /// Accumulates in `f64` and rounds once at the end, saturating.
        impl std::iter::$op for $name {
            fn $method<I: Iterator<Item = Self>>(items: I) -> Self {
                Self::from_f64(items.fold($start, |acc: f64, x| acc $sign x.to_f64()))
            }
        }

        /// Accumulates in `f64` and rounds once at the end, saturating.
        impl<'a> std::iter::$op<&'a $name> for $name {
            fn $method<I: Iterator<Item = &'a Self>>(items: I) -> Self {
                items.copied().$method()
            }
        }
    };
}

pub(super) use {arithmetic, binary, fold};
