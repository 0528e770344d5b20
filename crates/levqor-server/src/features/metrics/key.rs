//! Which series something is counted in.

use std::collections::BTreeMap;

use levqor_model::SeriesKind;
use levqor_store::metrics::{OTHER, Series};

/// Characters of a label's value; longer ones end there.
const VALUE_CHARS_MAX: usize = 120;

/// A name with its labels, without the region, which all of them have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: SeriesKind,
    /// By their names.
    labels: Box<[(&'static str, Box<str>)]>,
}

impl Key {
    pub(super) fn new(name: &'static str, kind: SeriesKind, labels: &[(&'static str, &str)]) -> Self {
        let short = |value: &str| match value.char_indices().nth(VALUE_CHARS_MAX) {
            Some((end, _)) => Box::from(&value[..end]),
            None => Box::from(value),
        };
        let mut labels: Vec<_> = labels.iter().map(|(label, value)| (*label, short(value))).collect();
        labels.sort_unstable_by_key(|(label, _)| *label);
        Self { name, kind, labels: labels.into() }
    }

    /// Nothing stands for it but itself.
    pub(super) fn is_alone(&self) -> bool {
        self.labels.is_empty()
    }

    /// Where everything of this name goes that has no place of its own.
    pub(super) fn other(&self) -> Self {
        let labels = self.labels.iter().map(|(label, _)| (*label, Box::from(OTHER))).collect();
        Self { name: self.name, kind: self.kind, labels }
    }

    /// With the region, unless a label says another one.
    pub(super) fn series(&self, region: &str) -> Series {
        let mut labels: BTreeMap<String, String> =
            self.labels.iter().map(|(label, value)| ((*label).to_owned(), value.to_string())).collect();
        labels.entry("region".to_owned()).or_insert_with(|| region.to_owned());
        Series { name: self.name.to_owned(), labels, kind: self.kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_labels_makes_no_series() {
        let kind = SeriesKind::Counter;
        let one = Key::new("requests", kind, &[("route", "/a"), ("node", "n")]);
        assert_eq!(one, Key::new("requests", kind, &[("node", "n"), ("route", "/a")]));
        assert_ne!(one, Key::new("requests", kind, &[("node", "n"), ("route", "/b")]));
        let series = one.series("eu-west");
        let shown: Vec<_> = series.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        assert_eq!(shown, ["node=n", "region=eu-west", "route=/a"]);
        assert_eq!(
            Key::new("requests", kind, &[("region", "mars")]).series("eu-west").labels["region"],
            "mars"
        );
    }

    #[test]
    fn values_have_a_bound() {
        let long = "é".repeat(VALUE_CHARS_MAX + 1);
        let key = Key::new("requests", SeriesKind::Counter, &[("route", &long)]);
        assert_eq!(key.series("r").labels["route"].chars().count(), VALUE_CHARS_MAX);
        assert_eq!(key.other().series("r").labels["route"], "other");
    }
}
