"""Sections of the report and their texts, worst things first."""

from __future__ import annotations

from typing import Final, NamedTuple

from slimbench.bench.results.results import Results
from slimbench.reports.pages.section import FIGURES, PROVENANCE, RUNS, Part, Section
from slimbench.reports.statistics.comparisons import friedman_test
from slimbench.reports.statistics.frames import statistics_of
from slimbench.reports.statistics.solver_pairs import FAST, SLOW
from slimbench.reports.statistics.sweeps import BASELINE, sweep_table
from slimbench.reports.tables import shown
from slimbench.reports.tables.columns import COLUMNS
from slimbench.reports.tables.tables import table_of

MIN_METHODS: Final = 2  # exact ones to compare
RANKS: Final = "average_ranks"
SWEEPS: Final = "sweep_latency"


class Described(NamedTuple):
    """A table by its data, with its caption, the text above it, and what stands there if it is empty."""

    data: str
    caption: str
    text: str = ""
    empty: str = ""


LAYOUT: Final[tuple[tuple[str, str, tuple[Described, ...]], ...]] = (
    ("violations", "Broken promises", (
        Described(
            "violations", "Broken promises",
            "A verified placement, or a measured ratio, contradicts what these solvers claim.",
        ),
    )),
    ("worst", "Worst cases", (
        Described(
            "worst_cases", "Worst case of each solver",
            "The lowest proven ratio of each solver over all its runs, the worst first: what an "
            "approximation claim is about. The command does that run again, from within the run folder.",
            "No run has ended.",
        ),
    )),
    ("ratios", "How close to optimal", (
        Described(
            "ratios", "Ratios by solver",
            "Ratio = saving ÷ optimal saving, in [0, 1]; 1 is optimal. Where the optimum is open "
            "the ratio is an interval from saving ÷ upper bound to saving ÷ best known saving, its low "
            "end rounded down, its high end up. Repeats count by their median; min, geometric mean, "
            "median and max are over the instances on which the solver gave a verified placement, "
            "whose number stands in front. Optimal is the share of all instances. Best worst case first.",
            "No run is planned.",
        ),
        Described(
            "aggregates", "Ratios with and without the instances that solvers failed on",
            "The same over three sets of instances. Survivors: those with a placement of the solver. "
            "Penalised: all, one without a placement counting as ratio 0 and a failed run with its "
            "time limit. Intersection: those on which every solver has a placement. The 95 % interval "
            "is a bootstrap over instances of the geometric mean, or of the arithmetic mean where a "
            "ratio is 0, from the low limit of the ratios' low ends to the high limit of their high ends.",
        ),
    )),
    ("guarantees", "Guarantee audit", (
        Described(
            "guarantee_audit", "Guarantee audit",
            "A declared guarantee holds where the whole ratio interval of every case is at least the "
            "guarantee, is violated where the whole interval of one case lies below it, and is "
            "undecided where the guarantee lies inside the interval (tolerance 1e-6). A guarantee in "
            "the mean is judged by one-sided 95 % t limits over at least 3 seeds. The tightest case is "
            "the one with the least margin, which is ratio - guarantee.",
            "No solver of this run declares a guarantee.",
        ),
    )),
    (FIGURES, "Figures", ()),
    ("sweeps", "Where one parameter changes", (
        Described(
            SWEEPS, f"Latency below that of {BASELINE}",
            f"1 - latency ÷ latency by {BASELINE} on the same instance, in percent: mean over seeds ± "
            "half of its 95 % confidence interval (Student's t), green where that is wholly above 0, red "
            "where it is wholly below.",
        ),
    )),
    ("runtimes", "How fast", (
        Described(
            "runtimes", "Times by solver",
            "Wall time of the solver alone, in its own process after warm-up, over the runs that ended "
            "ok. The geometric mean is shifted by 1 s.",
            "No run is planned.",
        ),
        Described(
            "runtime_fits", "Runtime against activations",
            "Exponent b of time = a · activations^b, by Theil and Sen on logarithms over instances "
            "(medians over repeats), with its 95 % interval.",
        ),
        Described(
            "pareto_front", "Ratio against time",
            "On the Pareto front no other solver is as good and faster, or as fast and better, over the "
            "instances that all solvers answered.",
        ),
    )),
    ("by_top_k", "Greedy against decomposition, by K", (
        Described(
            "by_top_k", "Ratios by K",
            "K experts a token and layer: with K = 1 the saving is submodular and greedy carries a "
            "guarantee; from K = 2 on a lone expert may save nothing.",
        ),
    )),
    ("solver_pair", "Dynamic programming against max-convolution", (
        Described(
            "solver_pair_summary", f"{SLOW} against {FAST}",
            f"{SLOW} solves each server exactly by dynamic programming; {FAST} joins layer profiles by "
            "max-plus convolution. How many times as fast that is on the same instance, and the share of "
            "the saving it loses.",
        ),
        Described("solver_pair", f"{SLOW} against {FAST}, by instance"),
    )),
    ("robustness", "Robustness", (
        Described(
            "observations_needed", "What must be observed to plan as well as on everything",
            "Each solver planned on part of what there is to know of an instance, and its placement is "
            "evaluated on the instance; nothing of this counts in any other table. Needed is the least "
            "amount from which on the median saving over seeds is within 1 % of what the same solver "
            "saves when it plans on the instance itself, at every larger amount too; that needs no "
            "optimum. Gap = ratio planned on the instance itself - ratio planned on less, at the least "
            "and at the most that was observed, a median over seeds.",
        ),
        Described(
            "robustness_summary", "Generalisation ratio by what was planned on",
            "Generalisation ratio = saving on the instance ÷ the instance's optimal saving, of a "
            "placement that was planned on what the first columns say; an interval where that optimum is "
            "open. Ratio, gap and saving kept (÷ that planned on the instance itself) are medians "
            "over instances of medians over seeds; the worst ratio is the least over both. Noise is the "
            "standard deviation of the logarithm of each rate or latency.",
        ),
    )),
    ("comparisons", "Solvers in pairs", (
        Described(
            "pairwise", "Solvers in pairs",
            "Wins, ties (to 1e-6) and losses of the first by its ratio, over the instances on which both "
            "have a placement; who is ahead is certain even where the optimum is open, as both are measured "
            "against the same. p by Wilcoxon's signed-rank test, corrected by Holm for all pairs.",
        ),
        Described(
            RANKS, "Average ranks",
            "Ranks depend on who takes part, so they come last. Solvers that share a letter are not shown to "
            "differ by the tests of pairs.",
        ),
    )),
    ("exact", "Exact methods", (
        Described(
            "exact_methods", "Exact methods",
            "Root gap = bound at the root node ÷ best known saving - 1: what is left to branch and bound, 0 "
            "if the root closes the gap; a median, as are nodes (of CP-SAT: branches), rows and columns of "
            "the model. Claimed: optima, each on the word of this call alone. Time to claim is a geometric "
            "mean shifted by 1 s, in which an instance without an optimum counts with its time limit; ÷ "
            "fastest is the geometric mean of that time over the fastest call's on the same instance, so "
            "calls on different instances can be compared. Disagreements are instances on which a claimed "
            "optimum differs from another's, or a bound lies below a verified saving; there must be none.",
        ),
        Described(
            "reductions", "Reductions",
            "The same call with all reductions of the model, then without some: how many times the rows, "
            "columns, nodes and time of the first line, and the mean root gap, on the instances that both "
            "ran. The costliest to leave out stands first, green where leaving it out costs a tenth or "
            "more, amber where it gains as much. Where no model changed, a time other than 1 is noise.",
        ),
    )),
    ("references", "References", (
        Described(
            "references", "References",
            "The bracket of each optimum: the best verified saving of any run, and the least bound of "
            "a solver whose bounds count. Where the two agree an optimum is claimed if one code base "
            "says so, and proven if two that share nothing found the same (level cross-checked) or "
            "every placement was looked at (certified).",
            "No instance has a reference.",
        ),
    )),
    ("instances", "Instances", (Described("instances", "Instances", empty="No instance is planned."),)),
    (RUNS, "Runs", ()),
    ("failures", "Failed runs", (
        Described("runs", "Failed runs", empty="None of the runs that ended has failed."),
    )),
    (PROVENANCE, "Provenance", ()),
)  # fmt: skip


def sections(results: Results) -> list[Section]:
    """All of them that have something to show."""
    frames = statistics_of(results)
    methods = frames["exact_methods"]
    displayed = {
        **frames,
        "worst_cases": shown.with_files(frames["worst_cases"], results),
        "guarantee_audit": shown.with_files(frames["guarantee_audit"], results),
        "references": shown.references(results),
        RANKS: shown.ranks(frames[RANKS], results),
        "exact_methods": methods if len(methods) >= MIN_METHODS else methods[:0],
        "runs": shown.failures(results),
    }

    def part(described: Described) -> Part:
        data, caption, text, empty = described
        if data == SWEEPS:
            return Part(caption, shown.against_greedy(sweep_table(results)), text, empty)
        if data == RANKS:
            text = f"{shown.friedman_sentence(friedman_test(results))} {text}"
        return Part(caption, table_of(displayed[data], COLUMNS[data], data), text, empty)

    every = [Section(key, title, [part(one) for one in parts]) for key, title, parts in LAYOUT]
    return [
        section
        for section in every
        if section.shown or (not section.parts and (section.id != RUNS or len(results.runs)))
    ]
