//! How reading grows, as a picture for docs/.

use std::path::Path;

use plotters::prelude::*;

/// A name, and the milliseconds for each number of files.
pub type Curve = (String, Vec<(f64, f64)>);

/// Draws curves on logarithmic axes.
pub fn curves(file: &str, title: &str, curves: &[Curve]) {
    draw(file, title, curves).expect("a picture in docs");
}

fn draw(file: &str, title: &str, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = benches
        .parent()
        .expect("the project")
        .join("docs")
        .join(file);
    let area = SVGBackend::new(&path, (900, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || curves.iter().flat_map(|(_, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = || points().map(of);
        let least = values().fold(f64::INFINITY, f64::min);
        0.8 * least..1.25 * values().fold(0.0, f64::max)
    };
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .margin_right(40)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            range(|point| point.0).log_scale(),
            range(|point| point.1).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("files")
        .y_desc("ms")
        .x_label_formatter(&|files| format!("{files}"))
        .y_label_formatter(&|ms| format!("{ms}"))
        .draw()?;
    for (index, (name, points)) in curves.iter().enumerate() {
        let color = Palette99::pick(index).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .position(SeriesLabelPosition::UpperLeft)
        .draw()?;
    area.present()?;
    Ok(())
}
