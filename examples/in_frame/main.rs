//! A renderer denoises its frame with an 8-bit network: its own device, its own encoder, one submission. README.md
//! beside this file says how.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod network;
mod renderer;

use renderer::{Frame, Renderer, View, psnr};
use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::ExitCode,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: cargo run --release --example in_frame [-- --software] [-- --training-data DIR]

Renders a noisy picture and denoises it in the same submission. Writes before.png, after.png, reference.png and
in_frame.png, which has them side by side, to target/in_frame.

  --software           a software adapter (a CPU pretending to be a GPU) will do
  --training-data DIR  writes what train.py learns from instead
  --help               this text";

const SIZE: [u32; 2] = [256, 192];
const NOISY: View = View { samples: 1, seed: 1, camera: (0.5, 2.6) };
/// So many samples that no noise is seen.
const REFERENCE: u32 = 2048;
/// Frames that are timed: the median counts.
const FRAMES: usize = 15;

fn main() -> ExitCode {
    let (mut software, mut data) = (false, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(a) = arguments.next() {
        match (a.as_str(), &mut data) {
            ("--software", _) => software = true,
            ("--training-data", None) => data = arguments.next().map(PathBuf::from),
            ("--help", _) => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("wrong argument: {a}\n\n{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let done = Renderer::new(software, SIZE).and_then(|r| match data {
        Some(to) => training_data(&r, &to),
        None => show(&r),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

fn show(r: &Renderer) -> Result<()> {
    println!("{}, {} x {} pixels, {} sample(s) each", r.name, SIZE[0], SIZE[1], NOISY.samples);
    let reference = r.frame(View { samples: REFERENCE, seed: 2, ..NOISY })?.before;
    let frames = (0..FRAMES).map(|_| r.frame(NOISY)).collect::<Result<Vec<_>>>()?;
    let frame = &frames[0];
    assert!(frames.iter().all(|f| f.submissions == 1), "a frame is one submission");

    println!("\n{:<52} {:>9}", "pass", "GPU ms");
    let median = |of: &dyn Fn(&Frame) -> f64| {
        let mut all: Vec<f64> = frames.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    for (i, (name, _)) in frame.times.iter().enumerate() {
        println!("{name:<52} {:>9.3}", median(&|f| f.times[i].1));
    }
    println!("{:<52} {:>9.3}", "all", median(&|f| f.times.iter().map(|t| t.1).sum()));
    println!("\nrecorded in {:.3} ms of CPU time", median(&|f| f.recorded * 1e3));
    println!("submissions of a frame: {}", frame.submissions);
    println!("against {REFERENCE} samples: {:.2} dB before", psnr(&frame.before, &reference));
    println!("{:>33.2} dB after", psnr(&frame.after, &reference));

    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/in_frame");
    fs::create_dir_all(&to)?;
    let pictures = [("before", &frame.before), ("after", &frame.after), ("reference", &reference)];
    for (name, picture) in pictures {
        png(&to.join(format!("{name}.png")), SIZE[0], picture)?;
    }
    png(&to.join("in_frame.png"), 3 * SIZE[0], &side_by_side(&pictures.map(|p| p.1)))?;
    println!("pictures in {}", to.display());
    Ok(())
}

fn side_by_side(pictures: &[&Vec<u8>; 3]) -> Vec<u8> {
    let row = 4 * SIZE[0] as usize;
    let rows = (0..SIZE[1] as usize).flat_map(|y| pictures.iter().map(move |p| &p[y * row..][..row]));
    rows.flatten().copied().collect()
}

/// RGBA in, RGB out.
fn png(path: &Path, width: u32, rgba: &[u8]) -> Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, SIZE[1]);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let rgb: Vec<u8> = rgba.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
    encoder.write_header()?.write_image_data(&rgb)?;
    Ok(())
}

/// Of views other than the one shown: what the network is given, the noisy light, and the light of many samples.
fn training_data(r: &Renderer, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for i in 0..8u32 {
        let camera = (0.5 + 0.79 * (i + 1) as f32, 1.6 + 0.3 * i as f32);
        r.frame(View { seed: 10 + i, camera, ..NOISY })?;
        let (light, features) = r.training_data()?;
        r.frame(View { samples: REFERENCE, seed: 100 + i, camera })?;
        let (clean, _) = r.training_data()?;
        for (name, numbers) in [("features", features), ("light", light), ("clean", clean)] {
            fs::write(to.join(format!("{i}.{name}")), bytemuck::cast_slice::<f32, u8>(&numbers))?;
        }
        println!("view {i} of 8");
    }
    Ok(())
}
