//! From runs to figures: medians per hop, and ratios and differences computed within each round before their median is
//! taken, so that a slow round is slow for both sides of every comparison.

use cardea_bench::{report::LoadReport, stats::median};
use serde::Serialize;

use crate::rounds::{Cell, Hop, Run};

/// One cell, all hops.
#[derive(Debug, Serialize)]
pub(crate) struct CellFigures {
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) direct: Option<HopFigures>,
    pub(crate) nginx: Option<HopFigures>,
    pub(crate) cardea: Option<HopFigures>,
    pub(crate) dpop: Option<HopFigures>,
    pub(crate) mtls: Option<HopFigures>,
    pub(crate) unchecked: Option<HopFigures>,
    pub(crate) constrained: Option<HopFigures>,
    pub(crate) flow: Option<HopFigures>,
    /// nginx over direct: what any hop costs.
    pub(crate) nginx_over_direct: Option<Comparison>,
    pub(crate) cardea_over_direct: Option<Comparison>,
    pub(crate) cardea_over_nginx: Option<Comparison>,
    /// What a proof in each call costs.
    pub(crate) dpop_over_cardea: Option<Comparison>,
    /// What TLS costs with a certificate on both sides, on connections that stay open.
    pub(crate) mtls_over_cardea: Option<Comparison>,
    /// What holding arguments and results to schemas costs.
    pub(crate) cardea_over_unchecked: Option<Comparison>,
    /// What constraints on two arguments cost beyond that.
    pub(crate) constrained_over_cardea: Option<Comparison>,
    /// What following values costs beyond that.
    pub(crate) flow_over_constrained: Option<Comparison>,
    /// What all three cost.
    pub(crate) flow_over_unchecked: Option<Comparison>,
}

/// A hop in a cell: medians over the rounds, unless said otherwise.
#[derive(Debug, Serialize)]
pub(crate) struct HopFigures {
    pub(crate) rps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    /// The longest call of all rounds.
    pub(crate) max_us: f64,
    pub(crate) cpu_us_per_call: f64,
    pub(crate) rss_mb: f64,
    /// Of all rounds together.
    pub(crate) errors: u64,
    /// The most disturbed round.
    pub(crate) other_cores_max: f64,
}

/// One hop compared to another: medians over the rounds of what was computed within each.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) ratio_rps: f64,
    /// The least and the greatest of the rounds.
    pub(crate) ratio_rps_range: [f64; 2],
    pub(crate) ratio_cpu: f64,
    /// The least and the greatest of the rounds.
    pub(crate) ratio_cpu_range: [f64; 2],
    pub(crate) added_p50_us: f64,
    pub(crate) added_p99_us: f64,
}

impl CellFigures {
    /// The figures of `cell` from all runs.
    pub(crate) fn of(cell: Cell, runs: &[Run]) -> Self {
        let here = |hop: Hop| -> Vec<&Run> {
            let is_here = |run: &&Run| {
                run.hop == hop
                    && run.report.connections == cell.connections
                    && run.report.size == cell.size
            };
            runs.iter().filter(is_here).collect()
        };
        let (direct, nginx, cardea) = (here(Hop::Direct), here(Hop::Nginx), here(Hop::Cardea));
        let (dpop, mtls) = (here(Hop::Dpop), here(Hop::Mtls));
        let (unchecked, constrained) = (here(Hop::Unchecked), here(Hop::Constrained));
        let flow = here(Hop::Flow);
        Self {
            cell,
            nginx_over_direct: Comparison::of(&nginx, &direct),
            cardea_over_direct: Comparison::of(&cardea, &direct),
            cardea_over_nginx: Comparison::of(&cardea, &nginx),
            dpop_over_cardea: Comparison::of(&dpop, &cardea),
            mtls_over_cardea: Comparison::of(&mtls, &cardea),
            cardea_over_unchecked: Comparison::of(&cardea, &unchecked),
            constrained_over_cardea: Comparison::of(&constrained, &cardea),
            flow_over_constrained: Comparison::of(&flow, &constrained),
            flow_over_unchecked: Comparison::of(&flow, &unchecked),
            dpop: HopFigures::of(&dpop),
            unchecked: HopFigures::of(&unchecked),
            constrained: HopFigures::of(&constrained),
            flow: HopFigures::of(&flow),
            mtls: HopFigures::of(&mtls),
            direct: HopFigures::of(&direct),
            nginx: HopFigures::of(&nginx),
            cardea: HopFigures::of(&cardea),
        }
    }
}

impl HopFigures {
    fn of(runs: &[&Run]) -> Option<Self> {
        let middle =
            |figure: fn(&LoadReport) -> f64| median(runs.iter().map(|run| figure(&run.report)));
        let most = |figure: fn(&LoadReport) -> f64| {
            runs.iter()
                .map(|run| figure(&run.report))
                .fold(0.0, f64::max)
        };
        Some(Self {
            rps: middle(|report| report.rps)?,
            p50_us: middle(|report| report.p50_us)?,
            p90_us: middle(|report| report.p90_us)?,
            p99_us: middle(|report| report.p99_us)?,
            max_us: most(|report| report.max_us),
            cpu_us_per_call: middle(cpu)?,
            rss_mb: middle(|report| report.rss_kib.unwrap_or(0) as f64 / 1024.0)?,
            errors: runs.iter().map(|run| run.report.errors).sum(),
            other_cores_max: most(|report| report.other_cores),
        })
    }
}

impl Comparison {
    /// Nothing when there are no rounds in which both were measured.
    fn of(hops: &[&Run], bases: &[&Run]) -> Option<Self> {
        let pairs: Vec<(&LoadReport, &LoadReport)> = hops
            .iter()
            .filter_map(|hop| {
                Some((
                    &hop.report,
                    &bases.iter().find(|base| base.round == hop.round)?.report,
                ))
            })
            .collect();
        let each = |figure: fn(&LoadReport, &LoadReport) -> f64| -> Vec<f64> {
            pairs.iter().map(|(hop, base)| figure(hop, base)).collect()
        };
        let ratios_rps = each(|hop, base| hop.rps / base.rps);
        let ratios_cpu = each(|hop, base| cpu(hop) / cpu(base));
        Some(Self {
            ratio_rps_range: range(&ratios_rps),
            ratio_rps: median(ratios_rps)?,
            ratio_cpu_range: range(&ratios_cpu),
            ratio_cpu: median(ratios_cpu)?,
            added_p50_us: median(each(|hop, base| hop.p50_us - base.p50_us))?,
            added_p99_us: median(each(|hop, base| hop.p99_us - base.p99_us))?,
        })
    }
}

fn cpu(report: &LoadReport) -> f64 {
    report.cpu_us_per_call.unwrap_or(0.0)
}

fn range(values: &[f64]) -> [f64; 2] {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [least, greatest]
}

#[cfg(test)]
mod tests {
    use cardea_bench::report::LoadReport;

    use super::CellFigures;
    use crate::rounds::{Cell, Hop, Run};

    fn run(round: usize, hop: Hop, rps: f64, p99_us: f64) -> Run {
        let report = LoadReport {
            connections: 1,
            size: 0,
            protocol: String::new(),
            seconds: 1.0,
            requests: 1,
            requests_total: 1,
            errors: 1,
            first_error: None,
            rps,
            p50_us: 1.0,
            p90_us: 1.0,
            p99_us,
            max_us: p99_us,
            cpu_us_per_call: Some(rps / 10.0),
            rss_kib: Some(1024),
            other_cores: 0.0,
        };
        Run { round, hop, report }
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // In the second round the machine is four times slower for both: the ratio is one half in each.
        let runs = [
            run(1, Hop::Nginx, 400.0, 10.0),
            run(1, Hop::Cardea, 200.0, 15.0),
            run(2, Hop::Cardea, 50.0, 45.0),
            run(2, Hop::Nginx, 100.0, 40.0),
        ];
        let figures = CellFigures::of(
            Cell {
                connections: 1,
                size: 0,
            },
            &runs,
        );
        let comparison = figures.cardea_over_nginx.unwrap();
        assert_eq!(comparison.ratio_rps_range, [0.5, 0.5]);
        assert_eq!((comparison.ratio_cpu, comparison.added_p99_us), (0.5, 5.0));
        assert_eq!(figures.cardea.unwrap().errors, 2);
        assert!(figures.direct.is_none() && figures.cardea_over_direct.is_none());
    }

    #[test]
    fn other_cells_do_not_count() {
        let figures = CellFigures::of(
            Cell {
                connections: 16,
                size: 0,
            },
            &[run(1, Hop::Direct, 1.0, 1.0)],
        );
        assert!(figures.direct.is_none());
    }
}
