//! Plots as SVG: lines over a size or over time.

use anyhow::anyhow;
use plotters::prelude::{
    ChartBuilder, Circle, Color, EmptyElement, IntoDrawingArea, LineSeries, Palette, Palette99, PathElement,
    SVGBackend, SeriesLabelPosition, WHITE,
};

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub(crate) name: String,
    /// Its points, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Series {
    /// A line.
    pub(crate) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }
}

/// How an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Evenly, from zero.
    Linear,
    /// In powers of ten.
    Powers,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Powers => value.log10(),
        }
    }

    fn label(self, place: f64) -> String {
        match self {
            Self::Linear => short(place),
            Self::Powers if (place - place.round()).abs() < 1e-6 => short(10_f64.powf(place)),
            // A line of the grid between two powers needs no number.
            Self::Powers => String::new(),
        }
    }

    fn range(self, values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
        let (least, most) = values
            .map(|value| self.place(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        match self {
            Self::Linear => 0.0..(most * 1.1).max(f64::MIN_POSITIVE),
            Self::Powers => least - 0.1..most + 0.1,
        }
    }
}

/// What a plot shows on its two axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axes<'text> {
    /// Below: its name and how it counts.
    pub(crate) x: (&'text str, Scale),
    /// At the side.
    pub(crate) y: (&'text str, Scale),
}

/// Draws lines with a legend; the SVG.
pub(crate) fn lines(title: &str, axes: Axes<'_>, series: &[Series]) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw(&mut svg, title, axes, series)
        .map_err(|error| anyhow!("the plot `{title}` can't be drawn: {error}"))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    axes: Axes<'_>,
    series: &[Series],
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, (760, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let ((x_name, x_scale), (y_name, y_scale)) = (axes.x, axes.y);
    let points = || series.iter().flat_map(|series| &series.points);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(
            x_scale.range(points().map(|point| point.0)),
            y_scale.range(points().map(|point| point.1)),
        )?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_desc(x_name)
        .y_desc(y_name)
        .x_label_formatter(&|place| x_scale.label(*place))
        .y_label_formatter(&|place| y_scale.label(*place))
        .label_style(("sans-serif", 13))
        .draw()?;
    for (index, series) in series.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let places: Vec<(f64, f64)> =
            series.points.iter().map(|&(x, y)| (x_scale.place(x), y_scale.place(y))).collect();
        chart
            .draw_series(LineSeries::new(places.iter().copied(), colour.stroke_width(2)))?
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        // Many points are a curve already.
        if places.len() <= 20 {
            chart.draw_series(
                places.iter().map(|&place| EmptyElement::at(place) + Circle::new((0, 0), 3, colour.filled())),
            )?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(WHITE.mix(0.0))
        .label_font(("sans-serif", 13))
        .draw()?;
    root.present()?;
    Ok(())
}

fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::{Axes, Scale, Series, lines, short};

    #[test]
    fn numbers_on_an_axis_are_short() {
        assert_eq!([0.0, 0.5, 950.0, 1_500.0, 1e7].map(short), ["0", "0.5", "950", "1.5k", "10M"]);
    }

    #[test]
    fn a_plot_holds_its_names() {
        let axes = Axes { x: ("contacts", Scale::Powers), y: ("requests a second", Scale::Linear) };
        let series = [Series::new("known", vec![(1e4, 5e4), (1e6, 4e4)])];
        let svg = lines("growth", axes, &series).unwrap();
        assert!(
            ["growth", "contacts", "requests a second", "known", "</svg>"]
                .iter()
                .all(|text| svg.contains(text))
        );
    }
}
