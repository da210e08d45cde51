//! A picture of the distributions' table.

use crate::{Result, distributions::FORMATS};
use plotters::prelude::*;
use std::path::Path;

/// Colours told apart by most eyes (M. Okabe, K. Ito).
const COLOURS: [RGBColor; 4] =
    [RGBColor(230, 159, 0), RGBColor(86, 180, 233), RGBColor(0, 158, 115), RGBColor(120, 120, 120)];

/// SQNR of every format, a group of bars for each distribution.
pub fn bars(path: &Path, rows: &[(&str, [f64; 4])]) -> Result<()> {
    let (least, most) = rows.iter().flat_map(|r| r.1).fold((0f64, 0f64), |(l, m), v| (l.min(v), m.max(v)));
    let root = SVGBackend::new(path, (1000, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("SQNR of 8-bit formats scaled per tensor by amax, dB", ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..rows.len() as f64, least.floor()..most * 1.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_desc("dB")
        .max_light_lines(0)
        .label_style(("sans-serif", 14))
        .draw()?;
    for (i, (name, values)) in rows.iter().enumerate() {
        for (j, value) in values.iter().enumerate() {
            let left = i as f64 + 0.1 + 0.2 * j as f64;
            chart.draw_series([Rectangle::new([(left, 0.0), (left + 0.18, *value)], COLOURS[j].filled())])?;
        }
        chart.draw_series([Text::new(
            (*name).to_owned(),
            (i as f64 + 0.1, most * 1.07),
            ("sans-serif", 13),
        )])?;
    }
    for (j, format) in FORMATS.iter().enumerate() {
        let x = 80 + 110 * j as i32;
        root.draw(&Rectangle::new([(x, 434), (x + 14, 448)], COLOURS[j].filled()))?;
        root.draw(&Text::new((*format).to_owned(), (x + 20, 434), ("sans-serif", 14)))?;
    }
    root.present()?;
    Ok(())
}
