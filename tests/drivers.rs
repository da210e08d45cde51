//! What a driver must have for the legs of `scripts/` to prove what they are there for. By property, never by version.

#![cfg(feature = "gpu")]

mod common;

use quarter::wgpu::{
    self,
    CooperativeScalarType::{F16, F32},
};

/// Of `scripts/mesa-26`: cooperative matrices of 8×8×8 with f16 operands, and f32 or f16 sums.
#[test]
#[ignore = "for a driver with cooperative matrices: scripts/mesa-26"]
fn cooperative_matrices() {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    assert!(!adapters.is_empty(), "no adapter");
    for a in adapters {
        let shapes = a.cooperative_matrix_properties();
        common::show(&format!("{}: {shapes:?}", a.get_info().name));
        assert!(a.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX), "no such feature");
        for sums in [F16, F32] {
            let found = shapes
                .iter()
                .any(|s| [s.m_size, s.n_size, s.k_size] == [8; 3] && s.ab_type == F16 && s.cr_type == sums);
            assert!(found, "no 8x8x8 with operands in f16 and sums in {sums:?}");
        }
    }
}
