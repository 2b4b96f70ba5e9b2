"""Pictures of a run from its log: learning curves of any workload, the topology of plastic networks."""

from potentiate.plot.log import Evaluation, Histogram, Rewiring, RunLog, load
from potentiate.plot.pictures import draw

__all__ = ["Evaluation", "Histogram", "Rewiring", "RunLog", "draw", "load"]
