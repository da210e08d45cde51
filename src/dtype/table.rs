//! The values of all codes: of the named formats worked out at compile time, of others when first asked for.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use half::{bf16, f16};

use super::format::Format;

/// What a format's codes are, and what it is called.
pub(super) struct Table {
    f32: [f32; 256],
    f16: [f16; 256],
    bf16: [bf16; 256],
}

impl Table {
    const fn new(format: Format) -> Self {
        let mut t = Self { f32: [0.0; 256], f16: [f16::ZERO; 256], bf16: [bf16::ZERO; 256] };
        let mut code = 0;
        while code < 256 {
            let value = format.decode(code as u8);
            t.f32[code] = value;
            // Exact in all named formats: f16 reaches from 2⁻²⁴ to 65504 with 11 bits; and in all others in bf16, which
            // has the range of f32 with 8.
            t.f16[code] = f16::from_f32_const(value);
            t.bf16[code] = bf16::from_f32_const(value);
            code += 1;
        }
        t
    }
}

/// In the order of [`Format::ALL`].
static NAMED: [Table; 8] = {
    let all = Format::ALL;
    [
        Table::new(all[0]),
        Table::new(all[1]),
        Table::new(all[2]),
        Table::new(all[3]),
        Table::new(all[4]),
        Table::new(all[5]),
        Table::new(all[6]),
        Table::new(all[7]),
    ]
};

/// What was made once per format and is kept: there are only so many formats.
pub(super) struct Kept<T: 'static>(RwLock<Option<HashMap<Format, &'static T>>>);

impl<T> Kept<T> {
    pub(super) const fn new() -> Self {
        Self(RwLock::new(None))
    }

    pub(super) fn get(&self, format: Format, make: impl FnOnce() -> T) -> &'static T {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.as_ref().and_then(|k| k.get(&format)) {
            return found;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().entry(format).or_insert_with(|| Box::leak(Box::new(make())))
    }
}

static OTHERS: Kept<Table> = Kept::new();

impl Format {
    fn tables(self) -> &'static Table {
        match Self::ALL.iter().position(|f| *f == self) {
            Some(i) => &NAMED[i],
            None => OTHERS.get(self, || Table::new(self)),
        }
    }

    /// The values of all bytes: `table()[c as usize]` is `decode(c)`.
    pub fn table(self) -> &'static [f32; 256] {
        &self.tables().f32
    }

    pub(super) fn table_f16(self) -> &'static [f16; 256] {
        &self.tables().f16
    }

    pub(super) fn table_bf16(self) -> &'static [bf16; 256] {
        &self.tables().bf16
    }
}
