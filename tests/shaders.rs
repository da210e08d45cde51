//! Shaders without a GPU: every kernel × variant × case composes, parses, validates, keeps its declared footprint and
//! bindings, and its `Params` lie as the host writes them.

#![cfg(feature = "gpu")]

mod common;

use common::stages::stages;
use naga::{
    AddressSpace, ShaderStage, StorageAccess, TypeInner,
    back::pipeline_constants::process_overrides,
    valid::{Capabilities as Valid, ValidationFlags, Validator},
};
use quarter::{
    gpu::{Stage, Usage},
    shader::{LIBRARY, compose},
};
use std::collections::BTreeMap;

/// What WebGPU has without any feature.
fn validator() -> Validator {
    Validator::new(ValidationFlags::all(), Valid::SHADER_FLOAT16_IN_FLOAT32)
}

/// Everything naga knows of one stage against everything that it declares.
fn check(id: &str, s: &Stage) {
    let composed =
        compose(s.shader, LIBRARY, &s.specialization.defines).unwrap_or_else(|e| panic!("{id}: {e}"));
    let told = |e: String| composed.explain(&e);
    let module = naga::front::wgsl::parse_str(composed.text())
        .unwrap_or_else(|e| panic!("{id}: {}", told(e.emit_to_string(composed.text()))));
    let info = validator()
        .validate(&module)
        .unwrap_or_else(|e| panic!("{id}: {}", told(e.emit_to_string(composed.text()))));
    let constants = s.specialization.constants.iter().map(|(n, v)| (n.clone(), *v)).collect();
    for (_, o) in module.overrides.iter() {
        // naga makes nameless ones of array sizes.
        let Some(name) = &o.name else { continue };
        let given = s.specialization.constants.iter().any(|(n, _)| n == name);
        assert!(given || o.init.is_some(), "{id}: override {name} is not given");
    }
    for (name, _) in &s.specialization.constants {
        let known = module.overrides.iter().any(|(_, o)| o.name.as_ref() == Some(name));
        assert!(known, "{id}: constant {name} is no override of {}", s.shader.path);
    }
    let index = module.entry_points.iter().position(|e| e.name == "main").unwrap();
    let mut found = BTreeMap::new();
    for (h, v) in module.global_variables.iter() {
        if let AddressSpace::Uniform | AddressSpace::Storage { .. } = v.space {
            found.insert(
                v.binding.unwrap().binding,
                (v.space, info.get_entry_point(index)[h].is_empty(), v.ty),
            );
        }
    }

    // With the constants in place: sizes are numbers.
    let entry = Some((ShaderStage::Compute, "main"));
    let (sized, used) =
        process_overrides(&module, &info, entry, &constants).unwrap_or_else(|e| panic!("{id}: {e:?}"));
    assert_eq!(sized.entry_points[0].workgroup_size, s.footprint.workgroup, "{id}: workgroup");
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(sized.to_ctx()).unwrap();
    let shared = sized
        .global_variables
        .iter()
        .filter(|(h, v)| v.space == AddressSpace::WorkGroup && !used.get_entry_point(0)[*h].is_empty());
    let shared: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
    assert_eq!(shared, s.footprint.shared_bytes, "{id}: workgroup memory");

    for b in &s.bindings {
        let (space, unused, _) =
            found.remove(&b.at).unwrap_or_else(|| panic!("{id}: binding {} is not in the shader", b.at));
        assert!(!unused, "{id}: binding {} ({}) is bound and never used", b.at, b.slot);
        let usage = match space {
            AddressSpace::Uniform => Usage::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Usage::ReadWrite,
            _ => Usage::Read,
        };
        let declared = if b.usage == Usage::Write { Usage::ReadWrite } else { b.usage };
        assert_eq!(usage, declared, "{id}: binding {} ({})", b.at, b.slot);
    }
    let (space, _, params) = found.remove(&0).unwrap_or_else(|| panic!("{id}: no params"));
    assert_eq!(space, AddressSpace::Uniform);
    assert!(found.is_empty(), "{id}: bindings {:?} are not given", found.keys());

    let TypeInner::Struct { members, .. } = &module.types[params].inner else {
        panic!("{id}: params are no struct")
    };
    let theirs: Vec<(&str, u32)> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset)).collect();
    for d in &s.dispatches {
        let ours: Vec<(&str, u32)> = d.params.fields().iter().zip(0..).map(|(f, i)| (f.0, 4 * i)).collect();
        assert_eq!(theirs, ours, "{id}: params");
    }
}

#[test]
fn every_kernel_variant_and_case() {
    let found = stages();
    for (id, s) in &found.distinct {
        check(id, s);
    }
    println!("{} distinct stages", found.distinct.len());
    for (name, count) in found.count {
        println!("{name}: {count} stages");
        assert!(count > 0, "{name}");
    }
}
