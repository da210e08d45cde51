//! The values of all codes of all formats, worked out at compile time.

use half::{bf16, f16};

use super::format::Format;

/// One table per format, in the order of [`Format::ALL`].
struct Tables {
    f32: [[f32; 256]; 8],
    f16: [[f16; 256]; 8],
    bf16: [[bf16; 256]; 8],
}

static TABLES: Tables = {
    let mut tables =
        Tables { f32: [[0.0; 256]; 8], f16: [[f16::ZERO; 256]; 8], bf16: [[bf16::ZERO; 256]; 8] };
    let mut f = 0;
    while f < 8 {
        let mut code = 0;
        while code < 256 {
            let value = Format::ALL[f].decode(code as u8);
            tables.f32[f][code] = value;
            // Exact: f16 reaches from 2⁻²⁴ to 65504 with 11 bits, bf16 has the range of f32 with 8.
            tables.f16[f][code] = f16::from_f32_const(value);
            tables.bf16[f][code] = bf16::from_f32_const(value);
            code += 1;
        }
        f += 1;
    }
    tables
};

impl Format {
    /// The values of all 256 codes: `table()[c as usize]` is `decode(c)`.
    pub const fn table(self) -> &'static [f32; 256] {
        &TABLES.f32[self.index()]
    }

    pub(super) fn table_f16(self) -> &'static [f16; 256] {
        &TABLES.f16[self.index()]
    }

    pub(super) fn table_bf16(self) -> &'static [bf16; 256] {
        &TABLES.bf16[self.index()]
    }
}
