//! The figures, aligned for the eye or as Markdown.

use std::fmt::Write;

use crate::number::{ratio, whole};

#[derive(Debug, Clone)]
pub(crate) struct Row {
    scenario: &'static str,
    figure: String,
    value: f64,
    unit: &'static str,
    ratio: Option<f64>,
    bar: Option<Bar>,
}

/// What a figure ought to be. Missing it is marked, and no error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    RatioAtLeast(f64),
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    pub(crate) fn new(
        scenario: &'static str,
        figure: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self { scenario, figure: figure.into(), value, unit, ratio: None, bar: None }
    }

    /// Sets the figure against the yardstick's.
    pub(crate) fn against(self, yardstick: f64) -> Self {
        Self { ratio: Some(ratio(self.value, yardstick)), ..self }
    }

    pub(crate) fn bar(self, bar: Bar) -> Self {
        Self { bar: Some(bar), ..self }
    }

    fn mark(&self) -> &'static str {
        let met = match self.bar {
            None => return "",
            Some(Bar::RatioAtLeast(limit)) => self.ratio.is_some_and(|ratio| ratio >= limit),
            Some(Bar::AtMost(limit)) => self.value <= limit,
            Some(Bar::AtLeast(limit)) => self.value >= limit,
        };
        if met { "met" } else { "MISSED" }
    }

    fn cells(&self) -> [String; 7] {
        let bar = match self.bar {
            None => String::new(),
            Some(Bar::RatioAtLeast(limit)) => format!("ratio ≥ {}", written(limit)),
            Some(Bar::AtMost(limit)) => format!("≤ {}", written(limit)),
            Some(Bar::AtLeast(limit)) => format!("≥ {}", written(limit)),
        };
        [
            self.scenario.to_owned(),
            self.figure.clone(),
            written(self.value),
            self.unit.to_owned(),
            self.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default(),
            bar,
            self.mark().to_owned(),
        ]
    }
}

pub(crate) fn plain(rows: &[Row]) -> String {
    let cells: Vec<_> =
        [HEADS.map(str::to_owned)].into_iter().chain(rows.iter().map(Row::cells)).collect();
    lines(&cells, &widths(&cells), ("", "  ", ""))
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut cells = vec![HEADS.map(str::to_owned), RULES.map(str::to_owned)];
    cells.extend(rows.iter().map(Row::cells));
    let widths = widths(&cells);
    lines(&cells, &widths, ("| ", " | ", " |"))
}

fn lines(
    cells: &[[String; 7]],
    widths: &[usize; 7],
    (open, between, close): (&str, &str, &str),
) -> String {
    let mut text = String::new();
    for row in cells {
        let mut padded = Vec::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Figures stand under each other by their last digit.
            let right = column == 2 || column == 4;
            padded.push(if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
        }
        writeln!(text, "{}", format!("{open}{}{close}", padded.join(between)).trim_end())
            .unwrap_or_default();
    }
    text
}

fn widths(cells: &[[String; 7]]) -> [usize; 7] {
    let mut widths = [0; 7];
    for row in cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}

/// Three digits that matter, and commas in what is large.
pub(crate) fn written(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1000.0 => grouped(whole(size)),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        size if size > 0.0 => format!("{figure:.3}"),
        _ => "0".to_owned(),
    }
}

pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const HEADS: [&str; 7] = ["scenario", "figure", "value", "unit", "vs bare", "bar", ""];
const RULES: [&str; 7] = ["---", "---", "---:", "---", "---:", "---", "---"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [
            Row::new("one", "rate", 12_345.6, "1/s").against(50_000.0).bar(Bar::RatioAtLeast(0.25)),
            Row::new("idle", "start", 0.25, "ms").bar(Bar::AtMost(0.1)),
        ];
        let expected = "\
scenario  figure   value  unit  vs bare  bar
one       rate    12,346  1/s     0.247  ratio ≥ 0.250  MISSED
idle      start    0.250  ms             ≤ 0.100        MISSED
";
        assert_eq!(plain(&rows), expected);
        assert_eq!(
            markdown(&rows).lines().nth(1),
            Some("| ---      | ---    |   ---: | ---  |    ---: | ---           | ---    |")
        );
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
