//! The picture: flops per byte against GFLOP/s, both logarithmic; the ceilings as a roof, a numbered dot for every
//! measurement below it, and at the right what the numbers mean.

use crate::{
    Result,
    device::Device,
    measure::{Measured, Row},
    probe::Ceilings,
};
use plotters::prelude::*;
use std::{collections::HashSet, path::Path};

const CHART: (u32, u32) = (800, 640);
const LEGEND: u32 = 560;
/// Between two lines of the legend.
const LINE: u32 = 18;

pub fn write(path: &Path, d: &Device, c: &Ceilings, m: &Measured) -> Result<()> {
    let (peak, gbs) = (c.flops.per_second * 1e-9, c.bytes.per_second * 1e-9);
    // Where memory stops to be the bound.
    let ridge = peak / gbs;
    // No place on a logarithmic axis for nothing.
    let rows: Vec<(usize, &Row)> = (1..).zip(&m.rows).filter(|(_, r)| r.intensity() > 0.0).collect();
    let of = |f: fn(&Row) -> f64| rows.iter().map(move |(_, r)| f(r));
    // Whole decades.
    let (down, up) = (|x: f64| 10f64.powf(x.log10().floor()), |x: f64| 10f64.powf(x.log10().ceil()));
    let left = down(of(Row::intensity).fold(ridge, f64::min) / 2.0);
    let right = up(of(Row::intensity).fold(ridge, f64::max) * 2.0);
    let bottom = down(of(Row::gflops).fold(left * gbs, f64::min));
    let top = up(of(Row::gflops).fold(peak, f64::max) * 1.5);

    let height = CHART.1.max(LINE * (rows.len() as u32 + 4));
    let root = SVGBackend::new(path, (CHART.0 + LEGEND, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (area, legend) = root.split_horizontally(CHART.0);
    let (area, _) = area.split_vertically(CHART.1);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{} ({})", d.name, d.backend), ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((left..right).log_scale(), (bottom..top).log_scale())?;
    let number = |x: &f64| format!("{}", (x * 1e6).round() / 1e6);
    chart
        .configure_mesh()
        .x_desc("flop/byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .max_light_lines(0)
        .label_style(("sans-serif", 15))
        .draw()?;

    let roof = [left, ridge, right].map(|x| (x, peak.min(x * gbs)));
    chart.draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))?;
    let label = |at, text: String| Text::new(text, at, ("sans-serif", 15));
    chart.draw_series([
        label((ridge, peak * 1.15), format!("{peak:.1} GFLOP/s")),
        label((left * 1.1, left * gbs * 2.0), format!("{gbs:.1} GB/s")),
    ])?;
    chart.draw_series(rows.iter().map(|(i, r)| {
        EmptyElement::at((r.intensity(), r.gflops()))
            + Circle::new((0, 0), 4, colour(r, m).filled())
            + Text::new(i.to_string(), (6, -5), ("sans-serif", 14))
    }))?;

    for (line, (i, r)) in (1..).zip(&rows) {
        let y = (LINE * line) as i32;
        legend.draw(&Circle::new((8, y + 6), 4, colour(r, m).filled()))?;
        let text = format!("{i}  {} {}", r.id, r.case);
        legend.draw(&Text::new(text, (18, y), ("sans-serif", 15)))?;
    }
    root.present()?;
    Ok(())
}

/// One for each kernel of an operation, whatever its variant.
fn colour(row: &Row, m: &Measured) -> RGBAColor {
    fn kernel(r: &Row) -> Vec<&str> {
        r.id.split('.').take(2).collect()
    }
    let others: HashSet<_> = m.rows.iter().map(kernel).take_while(|k| *k != kernel(row)).collect();
    Palette99::pick(others.len()).to_rgba()
}
