"""TimeHUT: an encoder of time series that learns without labels, from two views of each."""
