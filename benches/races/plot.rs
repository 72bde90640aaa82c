//! The races as a picture for docs/.

use std::path::Path;

use plotters::prelude::*;

/// Draws bars on a logarithmic axis, from top to bottom. A zero has no bar, and its label says 0.
pub fn bars(file: &str, title: &str, bars: &[(&str, f64)]) {
    draw(file, title, bars).expect("a picture in docs");
}

fn draw(file: &str, title: &str, bars: &[(&str, f64)]) -> Result<(), Box<dyn std::error::Error>> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = benches
        .parent()
        .expect("the project")
        .join("docs")
        .join(file);
    let height = 90 + 22 * bars.len() as u32;
    let area = SVGBackend::new(&path, (900, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let rows = bars.len() as f64;
    let least = 0.01;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_left(310)
        .margin_right(40)
        .x_label_area_size(30)
        .build_cartesian_2d((least..1e6).log_scale(), 0.0..rows)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_label_formatter(&|x| format!("{x}"))
        .draw()?;
    for (row, (name, value)) in bars.iter().enumerate() {
        let y = rows - row as f64 - 1.0;
        if *value > 0.0 {
            let corners = [(least, y + 0.2), (value.max(2.0 * least), y + 0.8)];
            chart.draw_series([Rectangle::new(corners, RED.mix(0.6).filled())])?;
        }
        let said = if *value > 0.0 {
            format!("{value:.1}")
        } else {
            "0".to_owned()
        };
        let (left, middle) = chart.backend_coord(&(least, y + 0.5));
        area.draw(&Text::new(
            format!("{name}: {said}"),
            (left - 305, middle - 7),
            ("sans-serif", 14).into_font(),
        ))?;
    }
    area.present()?;
    Ok(())
}
