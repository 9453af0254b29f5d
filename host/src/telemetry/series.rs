//! The series of the metrics: what they are about, and handles that were looked up beforehand.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use super::label::Label;

/// One handle for each value of a label: `handles[Settlement::Delivered]` costs an index.
#[derive(Clone)]
pub struct ByLabel<L, M> {
    handles: Box<[M]>,
    label: PhantomData<L>,
}

impl<L: Label, M> ByLabel<L, M> {
    pub(super) fn new(handle: impl FnMut(L) -> M) -> ByLabel<L, M> {
        ByLabel { handles: L::ALL.iter().copied().map(handle).collect(), label: PhantomData }
    }
}

impl<L: Label, M> Index<L> for ByLabel<L, M> {
    type Output = M;

    fn index(&self, label: L) -> &M {
        &self.handles[label.position()]
    }
}

impl<L, M: fmt::Debug> fmt::Debug for ByLabel<L, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handles.fmt(formatter)
    }
}

/// What a series is about: the names that come from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Names(Vec<(&'static str, String)>);

impl Names {
    pub(super) fn new<const COUNT: usize>(names: [(&'static str, &str); COUNT]) -> Names {
        Names(names.into_iter().map(|(label, name)| (label, name.to_owned())).collect())
    }

    /// The value of one of them.
    pub(super) fn get(&self, label: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == label).map(|(_, value)| value.as_str())
    }

    pub(super) fn alone(&self) -> Labels {
        Labels { names: self.0.clone(), label: None }
    }

    pub(super) fn with<L: Label>(&self, label: L) -> Labels {
        Labels { names: self.0.clone(), label: Some((L::NAME, label.value())) }
    }
}

/// All labels of one series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Labels {
    names: Vec<(&'static str, String)>,
    label: Option<(&'static str, &'static str)>,
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (label, name) in &self.names {
            (*label, name.as_str()).encode(encoder.encode_label())?;
        }
        match self.label {
            Some(label) => label.encode(encoder.encode_label()),
            None => Ok(()),
        }
    }
}
