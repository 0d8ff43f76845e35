"""Which arm is better, and which to take: rules over numbers, none knows a file."""

from kinj.report.verdict.contrasts import Arm, Contrast, Judged, contrasts_of, judge
from kinj.report.verdict.recommendation import cheapest_first, recommend

__all__ = ["Arm", "Contrast", "Judged", "cheapest_first", "contrasts_of", "judge", "recommend"]
