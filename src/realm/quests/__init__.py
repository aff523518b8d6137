"""Where data comes in: the inbox, the shapes of a quest file, its checks and the priority queue. Knows no model."""
