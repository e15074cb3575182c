//! Figures and their goals.

use std::fmt::{self, Display};

/// Minimum, median and maximum of some values.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (values[0], values[values.len() - 1]);
        Self {
            min,
            median: (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0,
            max,
        }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, median, max } = *self;
        let is_counted = [min, median, max].iter().all(|value| value.fract() == 0.0);
        let digits = if f.alternate() || is_counted || median >= 1000.0 {
            0
        } else {
            2
        };
        if min == max {
            return write!(f, "{median:.digits$}");
        }
        write!(f, "{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

/// The goal for a figure.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// No goal: the figure is only reported.
    None,
}

impl Goal {
    /// Returns the limit, if there is one.
    pub(super) fn value(self) -> Option<f64> {
        match self {
            Self::AtLeast(goal) | Self::AtMost(goal) => Some(goal),
            Self::None => None,
        }
    }

    pub(super) fn holds_for(self, value: f64) -> bool {
        match self {
            Self::AtLeast(goal) => value >= goal,
            Self::AtMost(goal) => value <= goal,
            Self::None => true,
        }
    }

    /// Says if the median reaches the goal, and if all rounds agree.
    pub fn verdict(self, figure: Spread) -> &'static str {
        if matches!(self, Self::None) {
            return "";
        }
        let [min, max] = [figure.min, figure.max].map(|value| self.holds_for(value));
        match (self.holds_for(figure.median), min, max) {
            (true, true, true) => "holds in each round",
            (true, ..) => "holds (median)",
            (false, false, false) => "MISSED in each round",
            (false, ..) => "MISSED (median)",
        }
    }
}

impl Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(goal) => write!(f, "≥ {goal:.2}"),
            Self::AtMost(goal) => write!(f, "≤ {goal:.2}"),
            Self::None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_says_if_all_rounds_agree() {
        let verdict = |goal: Goal, values: [f64; 3]| goal.verdict(Spread::of(values));
        assert_eq!(
            verdict(Goal::AtLeast(0.9), [0.9, 1.0, 1.1]),
            "holds in each round"
        );
        assert_eq!(
            verdict(Goal::AtLeast(0.9), [0.8, 1.0, 1.1]),
            "holds (median)"
        );
        assert_eq!(
            verdict(Goal::AtMost(0.9), [0.8, 1.0, 1.1]),
            "MISSED (median)"
        );
        assert_eq!(
            verdict(Goal::AtMost(0.7), [0.8, 1.0, 1.1]),
            "MISSED in each round"
        );
        assert_eq!(verdict(Goal::None, [0.8, 1.0, 1.1]), "");
    }

    #[test]
    fn spread_displays_integers_without_fractions() {
        assert_eq!(Spread::of([64.0, 64.0]).to_string(), "64");
        assert_eq!(Spread::of([1.0, 2.0, 4.0]).to_string(), "2 (1–4)");
        assert_eq!(Spread::of([0.5, 1.0]).to_string(), "0.75 (0.50–1.00)");
    }
}
