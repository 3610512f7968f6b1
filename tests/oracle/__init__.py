"""A slow, readable reference matcher: says what a rule means, to judge the fast engine by."""
