"""Bayesian analyses of profiling data: from counts to a report that someone can defend."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness, not as fairness.")

from typing import TYPE_CHECKING

from plausible.inference.lazy import lazy

if TYPE_CHECKING:  # what the package offers; `lazy` imports it when it is asked for
    from plausible.fairness.amplification.amplification import amplification as amplification
    from plausible.fairness.amplification.bayes_optimal import bayes_optimal as bayes_optimal
    from plausible.fairness.audit import Audit as Audit
    from plausible.fairness.base_rates.base_rates import base_rates as base_rates
    from plausible.fairness.base_rates.by_stratum import by_stratum as by_stratum
    from plausible.fairness.base_rates.means import means as means
    from plausible.fairness.base_rates.moments import Moments as Moments
    from plausible.fairness.base_rates.moments import count_moments as count_moments
    from plausible.fairness.base_rates.pooling import pooled as pooled
    from plausible.fairness.base_rates.relative_rates import relative_rates as relative_rates
    from plausible.fairness.burden.burden import burden as burden
    from plausible.fairness.burden.found_out import found_out as found_out
    from plausible.fairness.burden.intersections import intersections as intersections
    from plausible.fairness.burden.profiling import (
        found_out_under_profile as found_out_under_profile,
    )
    from plausible.fairness.causal.along_paths import along_paths as along_paths
    from plausible.fairness.causal.bounds import bounds as bounds
    from plausible.fairness.causal.counterfactuals import counterfactual as counterfactual
    from plausible.fairness.causal.counterfactuals import (
        counterfactual_bounds as counterfactual_bounds,
    )
    from plausible.fairness.causal.counterfactuals import twin as twin
    from plausible.fairness.causal.effects import Effects as Effects
    from plausible.fairness.causal.effects import effects as effects
    from plausible.fairness.causal.effects import path_effect as path_effect
    from plausible.fairness.causal.fitting import fitted as fitted
    from plausible.fairness.causal.graph import Graph as Graph
    from plausible.fairness.causal.identification import Identification as Identification
    from plausible.fairness.causal.identification import identify as identify
    from plausible.fairness.causal.programs import graph_of as graph_of
    from plausible.fairness.causal.programs import joint as joint
    from plausible.fairness.causal.tables import Tables as Tables
    from plausible.fairness.correlation.chance import chance as chance
    from plausible.fairness.correlation.correlation import correlation as correlation
    from plausible.fairness.correlation.spurious import spurious as spurious
    from plausible.fairness.counts.columns import Columns as Columns
    from plausible.fairness.counts.counts import Counts as Counts
    from plausible.fairness.counts.reading import read_counts as read_counts
    from plausible.fairness.counts.text_file import TextFile as TextFile
    from plausible.fairness.decisions.costs import Costs as Costs
    from plausible.fairness.decisions.decisions import decisions as decisions
    from plausible.fairness.estimation.estimates import Estimate as Estimate
    from plausible.fairness.estimation.estimates import estimate as estimate
    from plausible.fairness.estimation.posteriors import Prior as Prior
    from plausible.fairness.estimation.posteriors import Rates as Rates
    from plausible.fairness.estimation.rounded import CountedRate as CountedRate
    from plausible.fairness.estimation.rounded import RoundedRate as RoundedRate
    from plausible.fairness.feedback.patrols import patrols as patrols
    from plausible.fairness.feedback.poverty import Society as Society
    from plausible.fairness.feedback.poverty import loop as loop
    from plausible.fairness.feedback.profiling_loop import profiling_loop as profiling_loop
    from plausible.fairness.feedback.urns import urn as urn
    from plausible.fairness.prosecutor.prosecutor import prosecutor as prosecutor
    from plausible.fairness.prosecutor.published_rates import profile as profile
    from plausible.fairness.prosecutor.published_rates import (
        prosecutor_from_rates as prosecutor_from_rates,
    )
    from plausible.fairness.proxies.proxies import proxies as proxies
    from plausible.fairness.reporting.analysis import Analysis as Analysis
    from plausible.fairness.reporting.analysis import Finding as Finding
    from plausible.fairness.reporting.analysis import Table as Table
    from plausible.fairness.reporting.registry import analysis as analysis
    from plausible.fairness.reporting.report import Report as Report
    from plausible.fairness.sampling_bias.detection import detection as detection
    from plausible.fairness.sampling_bias.survivorship import survivorship as survivorship
    from plausible.fairness.sampling_bias.trained_on_arrests import (
        trained_on_arrests as trained_on_arrests,
    )
    from plausible.fairness.scores.calibration import calibration as calibration
    from plausible.fairness.scores.four_fifths import four_fifths as four_fifths
    from plausible.fairness.scores.metrics import metrics as metrics
    from plausible.fairness.scores.ranking import ranking as ranking
    from plausible.fairness.scores.score_values import count_values as count_values
    from plausible.fairness.scores.scores import scores as scores
    from plausible.fairness.scores.thresholds import thresholds as thresholds
    from plausible.fairness.scores.versus import versus as versus
    from plausible.fairness.search_decisions.search_decisions import (
        search_decisions as search_decisions,
    )
    from plausible.fairness.search_decisions.selection import e_value as e_value
    from plausible.fairness.search_decisions.selection import (
        ratio_per_resident as ratio_per_resident,
    )
    from plausible.fairness.search_decisions.selection import selection_bounds as selection_bounds
    from plausible.fairness.search_decisions.thresholds_by_place import (
        threshold_test as threshold_test,
    )

lazy(__name__)
