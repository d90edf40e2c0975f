//! Bars over time, as SVG shapes that a template places.

use crate::Minute;

/// One bar in a drawing of [`WIDTH`] by [`HEIGHT`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Calls and the denials among them, minute by minute.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    pub(crate) calls: Vec<Bar>,
    pub(crate) denials: Vec<Bar>,
    pub(crate) most: u64,
    pub(crate) calls_sum: u64,
    pub(crate) denials_sum: u64,
}

pub(crate) const WIDTH: f64 = 600.0;
pub(crate) const HEIGHT: f64 = 100.0;

impl Chart {
    /// The oldest minute first.
    pub(crate) fn of(minutes: &[Minute]) -> Self {
        let total = |minute: &Minute| minute.calls + minute.denials;
        let most = minutes.iter().map(total).max().unwrap_or(0);
        let mut chart = Self {
            most,
            calls_sum: minutes.iter().map(|minute| minute.calls).sum(),
            denials_sum: minutes.iter().map(|minute| minute.denials).sum(),
            ..Self::default()
        };
        let step = WIDTH / share(minutes.len().max(1) as u64);
        let unit = HEIGHT / share(most.max(1));
        for (index, minute) in minutes.iter().enumerate() {
            let x = share(index as u64) * step + step * 0.1;
            let (denied, called) = (share(minute.denials) * unit, share(minute.calls) * unit);
            let bar = |y: f64, height: f64| Bar {
                x,
                y: round(y),
                width: round(step * 0.8),
                height: round(height),
            };
            // Denials stand on the calls.
            chart
                .calls
                .extend((minute.calls > 0).then(|| bar(HEIGHT - called, called)));
            chart
                .denials
                .extend((minute.denials > 0).then(|| bar(HEIGHT - called - denied, denied)));
        }
        chart
    }
}

#[expect(clippy::cast_precision_loss, reason = "a bar's height is no count")]
fn share(count: u64) -> f64 {
    count as f64
}

/// Two digits are finer than any screen.
fn round(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_drawing_and_denials_stand_on_calls() {
        let chart = Chart::of(&[
            Minute {
                calls: 3,
                denials: 1,
            },
            Minute {
                calls: 0,
                denials: 0,
            },
        ]);
        assert_eq!((chart.most, chart.calls_sum, chart.denials_sum), (4, 3, 1));
        let [call] = chart.calls.as_slice() else {
            panic!("{chart:?}")
        };
        let [denial] = chart.denials.as_slice() else {
            panic!("{chart:?}")
        };
        assert_eq!((call.y, call.height), (25.0, 75.0));
        assert_eq!((denial.y, denial.height), (0.0, 25.0));
    }

    #[test]
    fn an_hour_without_calls_is_an_empty_drawing() {
        assert!(Chart::of(&[Minute::default(); 60]).calls.is_empty());
        assert!(Chart::of(&[]).calls.is_empty());
    }
}
