//! All images with their labels and what the network takes them for.

use crate::models::Result;
use embedded_graphics::{
    mono_font::{MonoTextStyle, ascii::FONT_7X13},
    pixelcolor::Rgb888,
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle},
    text::{Baseline, Text},
};
use std::{convert::Infallible, fs, io::BufWriter, path::Path};

/// An image: RGB bytes of a square, its label, and what each precision takes it for: a line of text, right or wrong.
pub struct Cell<'a> {
    pub pixels: &'a [u8],
    pub label: &'a str,
    pub answers: Vec<(String, bool)>,
}

const COLUMNS: usize = 5;
/// Around an image.
const FRAME: usize = 6;
/// Between cells.
const GAP: usize = 12;
/// From line to line.
const LINE: usize = 14;

const PAPER: Rgb888 = Rgb888::WHITE;
const INK: Rgb888 = Rgb888::BLACK;
const RIGHT: Rgb888 = Rgb888::new(0, 128, 48);
const WRONG: Rgb888 = Rgb888::new(208, 0, 24);

/// RGB, row by row.
struct Canvas {
    size: Size,
    pixels: Vec<u8>,
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> std::result::Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if self.bounding_box().contains(at) {
                let first = 3 * (at.y as usize * self.size.width as usize + at.x as usize);
                self.pixels[first..first + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

/// Writes a PNG: a frame is green where every answer is right.
pub fn write(file: &Path, cells: &[Cell<'_>], side: usize) -> Result<()> {
    let lines = 1 + cells.iter().map(|c| c.answers.len()).max().unwrap_or(0);
    let (across, down) = (side + 2 * FRAME, side + 2 * FRAME + (lines * LINE) + LINE / 2);
    let width = GAP + COLUMNS * (across + GAP);
    let height = GAP + cells.len().div_ceil(COLUMNS) * (down + GAP);
    let size = Size::new(width as u32, height as u32);
    let mut canvas = Canvas { size, pixels: vec![0; 3 * width * height] };
    let Ok(()) = canvas.clear(PAPER);
    for (i, cell) in cells.iter().enumerate() {
        let at = |x: usize, y: usize| {
            let (column, row) = (i % COLUMNS, i / COLUMNS);
            Point::new((GAP + column * (across + GAP) + x) as i32, (GAP + row * (down + GAP) + y) as i32)
        };
        let colour = |right: bool| if right { RIGHT } else { WRONG };
        let all = cell.answers.iter().all(|a| a.1);
        let frame = Rectangle::new(at(0, 0), Size::new_equal(across as u32));
        let Ok(()) = frame.into_styled(PrimitiveStyle::with_fill(colour(all))).draw(&mut canvas);
        let area = Rectangle::new(at(FRAME, FRAME), Size::new_equal(side as u32));
        let rgb = cell.pixels.as_chunks::<3>().0.iter().map(|p| Rgb888::new(p[0], p[1], p[2]));
        let Ok(()) = canvas.fill_contiguous(&area, rgb);
        let label = (cell.label, INK);
        let answers = cell.answers.iter().map(|(text, right)| (text.as_str(), colour(*right)));
        for (line, (text, colour)) in std::iter::once(label).chain(answers).enumerate() {
            let top = at(FRAME, side + 2 * FRAME + LINE / 4 + line * LINE);
            let style = MonoTextStyle::new(&FONT_7X13, colour);
            let Ok(_) = Text::with_baseline(text, top, style, Baseline::Top).draw(&mut canvas);
        }
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut encoder = png::Encoder::new(BufWriter::new(fs::File::create(file)?), size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&canvas.pixels)?;
    Ok(())
}
