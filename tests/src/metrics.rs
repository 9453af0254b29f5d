//! A metrics page as values: Prometheus' text format in, numbers by name and labels out.
//!
//! It reads what it needs for assertions: samples. Types, help, time stamps and exemplars are passed over.

use anyhow::{Context, bail};

/// The samples of one page, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(Vec<Sample>);

/// One line of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Metrics {
    /// Reads a page in Prometheus' text format 0.0.4 or OpenMetrics 1.0. Fails with the line that is neither.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| sample(line).with_context(|| format!("not a sample: {line}")));
        Ok(Self(samples.collect::<anyhow::Result<_>>()?))
    }

    /// The one sample with this name that has all of these labels, whatever others it has. `None` if there is none, or
    /// more than one.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut samples = self.with(name, labels);
        match (samples.next(), samples.next()) {
            (Some(sample), None) => Some(sample.value),
            (_, Some(_)) | (None, None) => None,
        }
    }

    /// The sum over all samples with this name that have all of these labels: 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        // `Sum` for floats begins at -0.
        self.with(name, labels).fold(0.0, |sum, sample| sum + sample.value)
    }

    /// All samples with this name that have all of these labels.
    pub fn with(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| {
            sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == Some(value))
        })
    }
}

impl Sample {
    /// The value of this label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let (_, value) = self.labels.iter().find(|(label, _)| label == name)?;
        Some(value)
    }
}

fn sample(line: &str) -> anyhow::Result<Sample> {
    let end = line.find(['{', ' ']).context("it has no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        (labels, rest) = read_labels(inside)?;
    }
    let value = rest.split_whitespace().next().context("it has no value")?;
    let value = value.parse().with_context(|| format!("{value} is not a number"))?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// Labels, up to and with their closing brace, and what comes after it.
fn read_labels(mut text: &str) -> anyhow::Result<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, quoted) = text.split_once("=\"").context("a label has no value")?;
        let (value, rest) = unquoted(quoted)?;
        labels.push((name.to_owned(), value));
        text = rest;
    }
}

/// A value up to its closing quote, its escapes undone, and what comes after it.
fn unquoted(text: &str) -> anyhow::Result<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[position + 1..])),
            '\\' => match characters.next().context("an escape is cut off")?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    bail!("a label's value has no end")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# HELP liaison_settled Events settled.
# TYPE liaison_settled counter
liaison_settled_total{subscription="calendar",outcome="delivered"} 41
liaison_settled_total{subscription="calendar",outcome="filtered"} 1
liaison_settled_total{subscription="docs",outcome="delivered"} 8.5

liaison_up 1 1700000000000
liaison_wait_seconds_bucket{le="+Inf",} +Inf
liaison_odd{path="a\\b\"c\nd, {e}"} 1e3
# EOF
"#;

    #[test]
    fn a_sample_is_found_by_name_and_some_of_its_labels() {
        let metrics = Metrics::parse(PAGE).unwrap();
        for (name, labels, value) in [
            ("liaison_up", &[][..], Some(1.0)),
            ("liaison_settled_total", &[("subscription", "docs")], Some(8.5)),
            ("liaison_settled_total", &[("subscription", "calendar"), ("outcome", "filtered")], Some(1.0)),
            ("liaison_settled_total", &[("subscription", "calendar")], None),
            ("liaison_settled_total", &[("subscription", "other")], None),
            ("liaison_wait_seconds_bucket", &[("le", "+Inf")], Some(f64::INFINITY)),
            ("liaison_odd", &[("path", "a\\b\"c\nd, {e}")], Some(1000.0)),
            ("liaison", &[], None),
        ] {
            assert_eq!(metrics.get(name, labels), value, "{name} {labels:?}");
        }
    }

    #[test]
    fn samples_add_up_over_the_labels_left_out() {
        let metrics = Metrics::parse(PAGE).unwrap();
        assert_eq!(metrics.sum("liaison_settled_total", &[("outcome", "delivered")]), 49.5);
        assert_eq!(metrics.sum("liaison_settled_total", &[]), 50.5);
        assert_eq!(metrics.sum("liaison_none_total", &[]).to_string(), "0");
    }

    #[test]
    fn a_line_that_is_no_sample_is_named() {
        for line in ["alone", "a{b=\"c\" 1", "a{b=\"c} 1", "a{b} 1", "a one", "a{} "] {
            let error = Metrics::parse(line).unwrap_err();
            assert_eq!(error.to_string(), format!("not a sample: {line}"));
        }
    }
}
