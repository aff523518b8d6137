"""Process supervision: start in order, watch, restart, stop. Knows no training and no page."""
