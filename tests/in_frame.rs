//! The example `in_frame`: one submission per frame, a better picture, the same every time.

#![cfg(feature = "gpu")]

#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../examples/in_frame/network.rs"]
mod network;
#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../examples/in_frame/renderer.rs"]
mod renderer;

use renderer::{Renderer, View, psnr};

#[test]
fn a_frame_is_denoised_in_one_submission() {
    let r =
        Renderer::new(true, [256, 192]).expect("tests need a Vulkan driver; ./test installs a software one");
    let noisy = View { samples: 1, seed: 1, camera: (0.5, 2.6) };
    let frames = [(); 3].map(|()| r.frame(noisy).unwrap());
    for f in &frames {
        assert_eq!(f.submissions, 1);
        assert_eq!(f.after, frames[0].after);
        assert_eq!(f.times.iter().filter(|t| t.0.starts_with("gemm.")).count(), 3, "{:?}", f.times);
    }
    let reference = r.frame(View { samples: 512, seed: 2, ..noisy }).unwrap().before;
    // A denoiser that did nothing would gain nothing.
    let [before, after] = [&frames[0].before, &frames[0].after].map(|p| psnr(p, &reference));
    assert!(after > before + 10.0, "{before:.2} dB before, {after:.2} dB after");
}
