"""Studies: techniques measured alone and combined on a workload, with intervals and a verdict for each."""
