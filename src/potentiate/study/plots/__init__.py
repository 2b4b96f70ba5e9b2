"""The pictures of a report, as SVG to be put into the page; "" where there is nothing to draw.

Text stays text, equal findings give equal bytes, and every color is a variable of the page, so that
a picture follows its light or dark scheme. Verdicts differ by marker as well as by color.
"""

from potentiate.study.plots.charts import front, noise, where_time_goes
from potentiate.study.plots.datasets import datasets
from potentiate.study.plots.forest import forest
from potentiate.study.plots.learning import quality_against_time

__all__ = ["datasets", "forest", "front", "noise", "quality_against_time", "where_time_goes"]
