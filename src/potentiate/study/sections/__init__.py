"""The sections of a report, as blocks that become a web page or Markdown."""
