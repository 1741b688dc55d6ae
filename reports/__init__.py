"""What the numbers say: ratios, guarantees, profiles, figures, and the page that shows them."""

from slimbench.bench.ratio_intervals import with_ratios
from slimbench.reports.anytime import anytime_curves
from slimbench.reports.audit import guarantee_audit, violations
from slimbench.reports.exact_methods import exact_table
from slimbench.reports.page import write_report
from slimbench.reports.profiles import ratio_profile, time_profile
from slimbench.reports.ratios import per_instance, ratio_table, runtime_table
from slimbench.reports.reductions import reduction_effects

__all__ = [
    "anytime_curves",
    "exact_table",
    "guarantee_audit",
    "per_instance",
    "ratio_profile",
    "ratio_table",
    "reduction_effects",
    "runtime_table",
    "time_profile",
    "violations",
    "with_ratios",
    "write_report",
]
