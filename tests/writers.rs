//! What Vulkan, Metal and Direct3D 12 are given: every composed stage passes naga's SPIR-V, MSL and HLSL writers, as wgpu
//! would have them write. Needs none of the three. What browsers are given goes to `scripts/tint`.

#![cfg(feature = "gpu")]

mod common;

use common::stages::stages;
use naga::{
    Module, ShaderStage,
    back::{hlsl, msl, pipeline_constants::process_overrides, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use quarter::{
    gpu::{Stage, Usage},
    shader::{LIBRARY, compose},
};
use std::{collections::BTreeMap, fmt::Write};

/// What every kernel calls its entry point.
const ENTRY: &str = "main";

/// Clamped everywhere, as on a device that trusts no shader.
const CLAMPED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Restrict,
    buffer: BoundsCheckPolicy::Restrict,
    image_load: BoundsCheckPolicy::Restrict,
    binding_array: BoundsCheckPolicy::Unchecked,
};

fn spirv(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = spv::Options { lang_version: (1, 3), bounds_check_policies: CLAMPED, ..Default::default() };
    let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: ENTRY.to_owned() };
    let words = spv::write_vec(module, info, &options, Some(&entry)).map_err(|e| e.to_string())?;
    Ok(4 * words.len())
}

fn metal(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let options = msl::Options { lang_version: (2, 0), bounds_check_policies: CLAMPED, ..Default::default() };
    let entry = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, ENTRY.to_owned())),
        ..Default::default()
    };
    let (text, told) = msl::write_string(module, info, &options, &entry).map_err(|e| e.to_string())?;
    // An entry point that cannot be written is told here, not above.
    for name in told.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    Ok(text.len())
}

fn direct3d(module: &Module, info: &ModuleInfo) -> Result<usize, String> {
    let (options, mut text) = (hlsl::Options::default(), String::new());
    let entry = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, ENTRY.to_owned())) };
    let told = hlsl::Writer::new(&mut text, &options, &entry).write(module, info, None);
    for name in told.map_err(|e| e.to_string())?.entry_point_names {
        name.map_err(|e| e.to_string())?;
    }
    Ok(text.len())
}

type Writer = fn(&Module, &ModuleInfo) -> Result<usize, String>;
const WRITERS: [(&str, Writer); 3] = [("SPIR-V", spirv), ("MSL", metal), ("HLSL", direct3d)];

/// A text, and the stages that are made of it: each parsed once for all its constants.
type Text = (String, Vec<(String, Stage)>);

fn texts() -> Vec<Text> {
    let mut texts: BTreeMap<String, Vec<(String, Stage)>> = BTreeMap::new();
    for (id, s) in stages().distinct {
        let composed = compose(s.shader, LIBRARY, &s.specialization.defines).unwrap();
        texts.entry(composed.text().to_owned()).or_default().push((id, s));
    }
    texts.into_iter().collect()
}

#[test]
fn every_stage_passes_every_writer() {
    let texts = texts();
    // Both halves at once: it is nothing but computing.
    let (left, right) = texts.split_at(texts.len() / 2);
    let tallies = std::thread::scope(|scope| {
        [left, right].map(|half| scope.spawn(|| write(half))).map(|h| h.join().expect("no panic"))
    });
    let mut failed = vec![];
    for (i, (name, _)) in WRITERS.iter().enumerate() {
        let written: usize = tallies.iter().map(|t| t.0[i].0).sum();
        let bytes: usize = tallies.iter().map(|t| t.0[i].1).sum();
        common::show(&format!("{name}: {written} stages of {} texts, {bytes} bytes", texts.len()));
        assert!(written > 0, "{name} wrote nothing");
    }
    for t in &tallies {
        failed.extend(t.1.iter().take(20));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Stages and bytes of each writer, and what failed.
type Tally = ([(usize, usize); 3], Vec<String>);

fn write(texts: &[Text]) -> Tally {
    let (mut counts, mut failed) = ([(0, 0); 3], vec![]);
    for (text, wanted) in texts {
        let module = naga::front::wgsl::parse_str(text).unwrap();
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32);
        let info = validator.validate(&module).unwrap();
        for (id, s) in wanted {
            let constants = s.specialization.constants.iter().map(|(n, v)| (n.clone(), *v)).collect();
            let entry = Some((ShaderStage::Compute, ENTRY));
            let (module, info) = process_overrides(&module, &info, entry, &constants).unwrap();
            for ((name, write), count) in WRITERS.iter().zip(&mut counts) {
                match write(&module, &info) {
                    Ok(bytes) if bytes > 0 => *count = (count.0 + 1, count.1 + bytes),
                    Ok(_) => failed.push(format!("{name}: {id}: nothing written")),
                    Err(e) => failed.push(format!("{name}: {id}: {e}")),
                }
            }
        }
    }
    (counts, failed)
}

/// The folder that `QUARTER_SHADERS` names gets every text as a file, and `stages.json`: for each file the pipelines made
/// of it, by label, constants and bindings.
#[test]
#[ignore = "writes files: scripts/tint"]
fn web_form() {
    let folder =
        std::path::PathBuf::from(std::env::var_os("QUARTER_SHADERS").expect("QUARTER_SHADERS: a folder"));
    let (mut json, mut count) = ("[\n".to_owned(), 0);
    for (n, (text, wanted)) in texts().iter().enumerate() {
        let file = format!("{n:03}.wgsl");
        std::fs::write(folder.join(&file), text).unwrap();
        for (id, s) in wanted {
            let constant = |(name, v): &(String, f64)| {
                assert!(v.is_finite(), "{id}: {name} = {v}, which no browser takes");
                format!("{name:?}: {v:?}")
            };
            let constants: Vec<String> = s.specialization.constants.iter().map(constant).collect();
            let kind = |usage| match usage {
                Usage::Uniform => "uniform",
                Usage::Read => "read-only-storage",
                Usage::Write | Usage::ReadWrite => "storage",
            };
            let bindings: Vec<String> =
                s.bindings.iter().map(|b| format!("\"{}\": {:?}", b.at, kind(b.usage))).collect();
            let separator = if count == 0 { "" } else { ",\n" };
            let _ = write!(
                json,
                "{separator}{{\"label\": {:?}, \"file\": {file:?}, \"constants\": {{{}}}, \"bindings\": {{\"0\": \"uniform\", {}}}}}",
                format!("{id} {}", s.shader.path),
                constants.join(", "),
                bindings.join(", ")
            );
            count += 1;
        }
    }
    std::fs::write(folder.join("stages.json"), json + "\n]\n").unwrap();
    common::show(&format!("{count} stages written"));
}
